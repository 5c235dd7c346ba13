//! Who gets in: every route with every role, forged forms, planted sessions, passwords tried out, headers.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use smista::console::routes::ROUTES;
use smista::store::console::{Filter, Role};

use super::desk::{Desk, PASSWORD, Said, request};

fn path(pattern: &str) -> String {
    pattern.replace("{id}", "k1").replace("{token}", "x").replace("{name}", "x")
}

#[tokio::test]
async fn every_route_lets_in_its_roles_and_nobody_else() {
    let desk = Desk::new().await;
    desk.decide(&Said::flagged("k1", "Chiamo l'avvocato")).await;
    for route in ROUTES {
        let what = format!("{} {}", route.method, route.path);
        let stranger = match route.method {
            Method::GET => desk.get(&path(route.path), None).await,
            _ => desk.post(&path(route.path), None, "csrf=0").await,
        };
        let refused = stranger.status == StatusCode::UNAUTHORIZED
            || stranger.header("location").starts_with("/sign-in?next=");
        match route.lowest {
            // A form without its fields is a bad request; there is no such asset or link.
            None => {
                assert!(!refused && stranger.status != StatusCode::FORBIDDEN, "{what}: {}", stranger.status)
            }
            Some(_) => assert!(refused, "{what}: {} for nobody", stranger.status),
        }
        for role in Role::ALL {
            let token = desk.session(role).await;
            let answer = match route.method {
                Method::GET => desk.get(&path(route.path), Some(&token)).await,
                _ => {
                    let csrf = desk.csrf(&token).await;
                    desk.post(&path(route.path), Some(&token), &format!("csrf={csrf}")).await
                }
            };
            let refused = [StatusCode::FORBIDDEN, StatusCode::UNAUTHORIZED].contains(&answer.status);
            let may = route.lowest.is_none_or(|lowest| role >= lowest);
            assert_eq!(refused, !may, "{what} for {}: {}", role.as_str(), answer.status);
        }
    }
}

#[tokio::test]
async fn a_form_from_elsewhere_changes_nothing() {
    let desk = Desk::new().await;
    desk.decide(&Said::flagged("k1", "ciao")).await;
    let (token, other) = (desk.session(Role::Supervisor).await, desk.session(Role::Admin).await);
    let (csrf, others) = (desk.csrf(&token).await, desk.csrf(&other).await);
    let act = "/conversation/k1/act";
    for form in ["act=resolve".to_owned(), "act=resolve&csrf=".into(), format!("act=resolve&csrf={others}")] {
        assert_eq!(desk.post(act, Some(&token), &form).await.status, StatusCode::FORBIDDEN, "{form}");
    }
    let good = format!("act=resolve&csrf={csrf}");
    for (name, value) in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")] {
        let forged = request("POST", act, Some(&token))
            .header("content-type", "application/x-www-form-urlencoded")
            .header(name, value)
            .body(Body::from(good.clone()))
            .unwrap();
        assert_eq!(desk.send(forged).await.status, StatusCode::FORBIDDEN, "{name}");
    }
    let done = Filter { done: true, ..Filter::default() };
    assert_eq!(desk.store.queue_count(&done, 10).await.unwrap(), 0);
    assert_eq!(desk.post(act, Some(&token), &good).await.status, StatusCode::SEE_OTHER);
    assert_eq!(desk.store.queue_count(&done, 10).await.unwrap(), 1);
}

#[tokio::test]
async fn a_sign_in_begins_a_session_of_its_own() {
    let desk = Desk::new().await;
    desk.account("ada", Role::Viewer).await;
    let planted = desk.session(Role::Viewer).await;
    let form = format!("account=ada&password={}&next=%2F%2Fevil.example", PASSWORD.replace(' ', "+"));
    let answer = desk.post("/sign-in", Some(&planted), &form).await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/queue"));
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    let token = cookie.split_once('=').unwrap().1.split_once(';').unwrap().0.to_owned();
    assert_ne!(token, planted);
    assert_eq!(
        desk.get("/queue", Some(&planted)).await.status,
        StatusCode::SEE_OTHER,
        "the planted one is over"
    );
    let page = desk.get("/queue", Some(&token)).await;
    assert!(page.status == StatusCode::OK && page.body.contains("ada"));

    let csrf = desk.csrf(&token).await;
    desk.post("/sign-out", Some(&token), &format!("csrf={csrf}")).await;
    assert_eq!(desk.get("/queue", Some(&token)).await.status, StatusCode::SEE_OTHER);

    let token = desk.session(Role::Viewer).await;
    let mut account = desk.store.account("viewer").await.unwrap().unwrap();
    account.disabled = true;
    desk.store.change_account(&account).await.unwrap();
    assert_eq!(desk.get("/queue", Some(&token)).await.status, StatusCode::SEE_OTHER, "disabled");
}

#[tokio::test]
async fn passwords_cannot_be_tried_out() {
    let desk = Desk::new().await;
    desk.account("ada", Role::Viewer).await;
    for name in ["ada", "nobody"] {
        for _ in 0..5 {
            let answer = desk.post("/sign-in", None, &format!("account={name}&password=wrong")).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name}");
            assert!(answer.header("set-cookie").is_empty());
        }
        let form = format!("account={name}&password={}", PASSWORD.replace(' ', "+"));
        let answer = desk.post("/sign-in", None, &form).await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{name}");
        assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
    }
}

#[tokio::test]
async fn a_link_signs_in_once() {
    let desk = Desk::new().await;
    desk.account("demo", Role::Admin).await;
    let link = desk.console.offer_once("demo");
    assert_eq!(desk.get("/sign-in/once/0", None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(desk.get(&link, None).await.status, StatusCode::SEE_OTHER);
    assert_eq!(desk.get(&link, None).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn every_answer_has_its_headers() {
    let desk = Desk::configured(|config| config.console.public_url = Some("https://c.example".into())).await;
    let token = desk.session(Role::Viewer).await;
    for path in ["/queue", "/sign-in", "/no-such-page", "/access", "/conversation/none"] {
        let answer = desk.get(path, Some(&token)).await;
        let policy = answer.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"),
            "{path}: {policy}"
        );
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cache-control", "no-store"),
            ("strict-transport-security", "max-age=31536000"),
        ] {
            assert_eq!(answer.header(name), value, "{path}: {name}");
        }
        assert!(!answer.body.contains("style=\"") && !answer.body.contains("<style"), "{path}");
    }
    let page = desk.get("/sign-in", None).await.body;
    let asset =
        page.split('"').find(|part| part.starts_with("/assets/console-") && part.ends_with(".js")).unwrap();
    let script = desk.get(asset, None).await;
    assert_eq!(script.header("cache-control"), "public, max-age=31536000, immutable");
    assert!(script.body.contains("EventSource"));
}
