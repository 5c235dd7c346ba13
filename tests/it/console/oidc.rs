//! Signing in through an OpenID Connect provider, and everything that must not get in that way.

use axum::body::Body;
use axum::http::{StatusCode, header};
use serde_json::{Value, json};
use smista::config;
use smista::store::console::Role;

use super::desk::{Answer, Desk, PASSWORD, request};
use super::provider::{CLIENT, SECRET, SmallProvider, Trick};

struct Site {
    provider: SmallProvider,
    desk: Desk,
    _secret: tempfile::NamedTempFile,
}

/// A browser that was sent to the provider.
struct Gone {
    address: String,
    cookie: String,
}

impl Site {
    async fn new(change: impl FnOnce(&mut config::Oidc)) -> Self {
        let provider = SmallProvider::start().await;
        let secret = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(secret.path(), format!("{SECRET}\n")).unwrap();
        let mut oidc: config::Oidc = serde_json::from_value(json!({
            "issuer": provider.issuer(), "client_id": CLIENT, "client_secret_file": secret.path(),
            "roles": {"leads": "supervisor", "ops": "operator", "chiefs": "admin", "guests": "viewer"},
        }))
        .unwrap();
        change(&mut oidc);
        let desk = Desk::configured(|config| {
            config.console.public_url = Some("http://127.0.0.1:8787".to_owned());
            config.console.oidc = Some(oidc);
            config.validate().unwrap();
        })
        .await;
        Self { provider, desk, _secret: secret }
    }

    async fn begin(&self, next: &str) -> Gone {
        let answer = self.desk.get(&format!("/sign-in/provider?next={next}"), None).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
        Gone { address: answer.header("location").to_owned(), cookie }
    }

    async fn back(&self, query: &str, cookie: &str) -> Answer {
        let request =
            request("GET", &format!("/sign-in/callback?{query}"), None).header(header::COOKIE, cookie);
        self.desk.send(request.body(Body::empty()).unwrap()).await
    }

    /// There and back, with these claims.
    async fn sign_in(&self, claims: Value) -> Answer {
        let gone = self.begin("%2Fqueue").await;
        let (code, asked) = self.provider.sign_in(&gone.address, &claims);
        self.back(&format!("code={code}&state={}", asked["state"]), &gone.cookie).await
    }
}

/// The session's token that an answer sets.
fn session(answer: &Answer) -> Option<String> {
    let set = answer.headers.get_all(header::SET_COOKIE).iter().map(|value| value.to_str().unwrap());
    set.filter_map(|cookie| cookie.strip_prefix("smista="))
        .map(|rest| rest.split(';').next().unwrap().to_owned())
        .find(|token| !token.is_empty())
}

fn ada(groups: Value) -> Value {
    json!({"preferred_username": "ada", "groups": groups})
}

#[track_caller]
fn refused(answer: &Answer, status: StatusCode, words: &str) {
    assert_eq!(answer.status, status, "{words}: {}", answer.body);
    assert!(
        answer.body.contains("role=\"alert\"") && answer.body.contains(words),
        "{words}: {}",
        answer.body
    );
    assert!(session(answer).is_none(), "{words}: nobody is signed in");
}

#[tokio::test]
async fn a_browser_goes_there_and_comes_back_signed_in() {
    let site = Site::new(|_| {}).await;
    let form = site.desk.get("/sign-in?next=%2Fmaps%2Fchurn", None).await.body;
    assert!(
        form.contains("href=\"/sign-in/provider?next=%2Fmaps%2Fchurn\"")
            && form.contains("name=\"password\"")
    );

    let gone = site.begin("%2Fmaps%2Fchurn").await;
    let (code, asked) = site.provider.sign_in(&gone.address, &ada(json!(["leads"])));
    assert!(gone.address.starts_with(&format!("{}/authorize?", site.provider.issuer())), "{}", gone.address);
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("scope", "openid profile email"),
        ("code_challenge_method", "S256"),
        ("redirect_uri", "http://127.0.0.1:8787/sign-in/callback"),
    ] {
        assert_eq!(asked[name], value, "{name}");
    }
    let back = format!("code={code}&state={}", asked["state"]);
    let answer = site.back(&back, &gone.cookie).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (StatusCode::SEE_OTHER, "/maps/churn"),
        "{}",
        answer.body
    );
    let cookies: Vec<_> =
        answer.headers.get_all(header::SET_COOKIE).iter().map(|value| value.to_str().unwrap()).collect();
    assert!(
        cookies.iter().any(|cookie| cookie.starts_with("smista-sign-in=;") && cookie.contains("Max-Age=0"))
    );
    let token = session(&answer).unwrap();
    assert_eq!(site.desk.get("/maps/churn", Some(&token)).await.status, StatusCode::OK);
    let account = site.desk.store.account("ada").await.unwrap().unwrap();
    assert!(account.role == Role::Supervisor && account.is_of_provider());

    // No password opens it, and none can be tried on it.
    for password in ["", PASSWORD] {
        let form = format!("account=ada&password={}&next=", password.replace(' ', "+"));
        assert_eq!(site.desk.post("/sign-in", None, &form).await.status, StatusCode::UNAUTHORIZED);
    }
    // The code and the cookie work once; elsewhere they never do.
    refused(&site.back(&back, &gone.cookie).await, StatusCode::UNAUTHORIZED, "did not come to its end");

    let csrf = site.desk.csrf(&token).await;
    let out = site.desk.post("/sign-out", Some(&token), &format!("csrf={csrf}")).await;
    assert_eq!(out.header("location"), "/sign-in?out=provider");
    assert_eq!(site.desk.get("/queue", Some(&token)).await.status, StatusCode::SEE_OTHER);
    let form = site.desk.get("/sign-in?out=provider", None).await.body;
    let leave = format!("{}/leave?client_id=smista&amp;post_logout_redirect_uri=", site.provider.issuer());
    assert!(form.contains(&leave), "{form}");
}

#[tokio::test]
async fn groups_give_the_role_at_every_sign_in() {
    let site = Site::new(|_| {}).await;
    for (groups, role) in [
        (json!(["guests"]), Role::Viewer),
        (json!(["leads", "unknown"]), Role::Supervisor),
        (json!(["ops", "guests"]), Role::Operator),
        (json!("chiefs"), Role::Admin),
        (json!(["leads"]), Role::Supervisor),
    ] {
        let answer = site.sign_in(ada(groups)).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        assert_eq!(site.desk.store.account("ada").await.unwrap().unwrap().role, role);
    }
    // The subject is who they are: another name changes nothing, another subject is another person.
    let renamed = json!({"preferred_username": "ada.rossi", "groups": ["guests"]});
    assert!(session(&site.sign_in(renamed).await).is_some());
    assert!(site.desk.store.account("ada.rossi").await.unwrap().is_none());
    let other = json!({"sub": "s-2", "preferred_username": "ada", "groups": ["chiefs"]});
    refused(&site.sign_in(other).await, StatusCode::CONFLICT, "is not yours");
    assert_eq!(site.desk.store.account("ada").await.unwrap().unwrap().role, Role::Viewer);

    refused(&site.sign_in(ada(json!(["unknown"]))).await, StatusCode::FORBIDDEN, "no role");
    let nameless = json!({"groups": ["leads"], "sub": "s-3"});
    refused(&site.sign_in(nameless).await, StatusCode::FORBIDDEN, "no role");
    let everybody = Site::new(|oidc| oidc.default_role = Some("viewer".to_owned())).await;
    assert!(session(&everybody.sign_in(ada(json!([]))).await).is_some());
}

#[tokio::test]
async fn an_account_with_a_password_is_nobodys_from_outside() {
    let site = Site::new(|_| {}).await;
    site.desk.account("ada", Role::Admin).await;
    refused(&site.sign_in(ada(json!(["leads"]))).await, StatusCode::CONFLICT, "is not yours");
    let account = site.desk.store.account("ada").await.unwrap().unwrap();
    assert!(account.role == Role::Admin && !account.is_of_provider());

    let ben = json!({"sub": "s-2", "preferred_username": "ben", "groups": ["leads"]});
    let token = session(&site.sign_in(ben.clone()).await).unwrap();
    let mut account = site.desk.store.account("ben").await.unwrap().unwrap();
    account.disabled = true;
    site.desk.store.change_account(&account).await.unwrap();
    assert_eq!(
        site.desk.get("/queue", Some(&token)).await.status,
        StatusCode::SEE_OTHER,
        "his session is over"
    );
    refused(&site.sign_in(ben).await, StatusCode::FORBIDDEN, "no role");
}

#[tokio::test]
async fn what_is_not_proved_gets_nobody_in() {
    let site = Site::new(|_| {}).await;
    let failed = "did not come to its end";
    for (claim, value) in [
        ("nonce", json!("another")),
        ("nonce", Value::Null),
        ("aud", json!("somebody-else")),
        ("aud", json!([CLIENT, "somebody-else"])),
        ("iss", json!("https://evil.example")),
        ("exp", json!(chrono::Utc::now().timestamp() - 3600)),
        ("sub", Value::Null),
    ] {
        let mut claims = ada(json!(["chiefs"]));
        claims[claim] = value.clone();
        let answer = site.sign_in(claims).await;
        assert!(
            [StatusCode::UNAUTHORIZED, StatusCode::SERVICE_UNAVAILABLE].contains(&answer.status),
            "{claim}"
        );
        assert!(session(&answer).is_none(), "{claim} = {value}");
    }
    let early = json!({"preferred_username": "ada", "groups": ["chiefs"], "nbf": chrono::Utc::now().timestamp() + 3600});
    assert!(session(&site.sign_in(early).await).is_none());
    for trick in [Trick::Unsigned, Trick::Symmetric, Trick::Stolen, Trick::Changed] {
        site.provider.inside().trick = trick;
        refused(&site.sign_in(ada(json!(["chiefs"]))).await, StatusCode::UNAUTHORIZED, failed);
    }
    site.provider.inside().trick = Trick::None;

    let gone = site.begin("").await;
    let (code, asked) = site.provider.sign_in(&gone.address, &ada(json!(["chiefs"])));
    let other = site.begin("").await;
    let (cookie, state) = (&gone.cookie, &asked["state"]);
    for (query, cookie) in [
        (format!("code={code}&state=x"), cookie.as_str()),
        (format!("code={code}"), cookie.as_str()),
        (format!("code={code}&state={state}"), ""),
        (format!("code={code}&state={state}"), other.cookie.as_str()),
        (format!("code={code}&state={state}"), "smista-sign-in=e30.AAAA"),
        (format!("error=access_denied&state={state}"), cookie.as_str()),
        (String::new(), cookie.as_str()),
    ] {
        refused(&site.back(&query, cookie).await, StatusCode::UNAUTHORIZED, failed);
    }
    // Another browser's code, brought with this browser's own state, fits no verifier.
    let (code, _) = site.provider.sign_in(&gone.address, &ada(json!(["chiefs"])));
    let mine = site.provider.sign_in(&other.address, &ada(json!([]))).1["state"].clone();
    let mixed = site.back(&format!("code={code}&state={mine}"), &other.cookie).await;
    refused(&mixed, StatusCode::UNAUTHORIZED, failed);
    assert!(site.desk.store.accounts().await.unwrap().is_empty(), "nobody was made an account");
}

#[tokio::test]
async fn a_sign_in_begins_a_session_of_its_own_and_stays_here() {
    let site = Site::new(|_| {}).await;
    let planted = site.desk.session(Role::Viewer).await;
    let gone = site.begin("%2F%2Fevil.example").await;
    let (code, asked) = site.provider.sign_in(&gone.address, &ada(json!(["leads"])));
    let cookies = format!("smista={planted}; {}", gone.cookie);
    let answer = site.back(&format!("code={code}&state={}", asked["state"]), &cookies).await;
    assert_eq!(answer.header("location"), "/queue");
    assert_ne!(session(&answer).unwrap(), planted);
    assert_eq!(
        site.desk.get("/queue", Some(&planted)).await.status,
        StatusCode::SEE_OTHER,
        "the planted one is over"
    );
}

#[tokio::test]
async fn keys_change_and_providers_fall_ill() {
    let site = Site::new(|_| {}).await;
    assert!(session(&site.sign_in(ada(json!(["leads"]))).await).is_some());
    site.provider.inside().rotate();
    assert!(session(&site.sign_in(ada(json!(["leads"]))).await).is_some(), "the new key is asked for");
    assert_eq!(site.provider.inside().asked_for_keys, 2);
    // Who sends tokens of unknown keys makes nobody ask again and again.
    site.provider.inside().rotate();
    for _ in 0..3 {
        refused(
            &site.sign_in(ada(json!(["leads"]))).await,
            StatusCode::UNAUTHORIZED,
            "did not come to its end",
        );
    }
    assert_eq!(site.provider.inside().asked_for_keys, 2);

    let away = Site::new(|_| {}).await;
    away.provider.inside().is_ill = true;
    away.desk.account("ben", Role::Viewer).await;
    let answer = away.desk.get("/sign-in/provider", None).await;
    refused(&answer, StatusCode::SERVICE_UNAVAILABLE, "does not answer");
    let form = format!("account=ben&password={}&next=", PASSWORD.replace(' ', "+"));
    assert_eq!(
        away.desk.post("/sign-in", None, &form).await.status,
        StatusCode::SEE_OTHER,
        "passwords still work"
    );
    assert_eq!(away.desk.get("/sign-in?out=provider", None).await.status, StatusCode::OK);
}

#[tokio::test]
async fn passwords_can_be_left_out_and_without_a_provider_there_is_none() {
    let only =
        Site::new(|oidc| (oidc.passwords, oidc.label) = (false, Some("Accedi con <Example>".to_owned())))
            .await;
    let form = only.desk.get("/sign-in", None).await.body;
    assert!(form.contains("Accedi con &lt;Example&gt;") && !form.contains("name=\"password\""), "{form}");
    only.desk.account("ada", Role::Admin).await;
    let given = format!("account=ada&password={}&next=", PASSWORD.replace(' ', "+"));
    assert_eq!(only.desk.post("/sign-in", None, &given).await.status, StatusCode::NOT_FOUND);
    let plain = Desk::new().await;
    assert_eq!(plain.get("/sign-in/provider", None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(plain.get("/sign-in/callback?code=a&state=b", None).await.status, StatusCode::NOT_FOUND);
    assert!(!plain.get("/sign-in", None).await.body.contains("/sign-in/provider"));
}
