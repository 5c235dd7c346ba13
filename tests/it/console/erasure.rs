//! Erasure: asked for from the page and through the API, seen by operators, taken back, and gone with the customer.

use std::sync::Arc;

use axum::http::StatusCode;
use chrono::Utc;
use serde_json::json;
use smista::store::console::{Role, Scope};

use super::api::{as_told, client};
use super::desk::{Desk, Said};

/// From the foot of the timeline to the operators' list, and gone with the customer.
#[tokio::test]
async fn an_erasure_is_asked_for_seen_withdrawn_and_done() {
    let desk = Desk::new().await;
    for (conversation, customer) in [("k1", "o'neil <b>"), ("k2", "c-2")] {
        let mut said = Said::flagged(conversation, "Cancellate i miei dati");
        said.customer = customer.to_owned();
        desk.decide(&said).await;
    }
    let (viewer, supervisor, operator) = (
        desk.session(Role::Viewer).await,
        desk.session(Role::Supervisor).await,
        desk.session(Role::Operator).await,
    );
    let (timeline, ask) = ("/conversation/k1/timeline", "/conversation/k1/erasure");
    assert!(!desk.get(timeline, Some(&viewer)).await.body.contains(ask), "a viewer asks for nothing");
    let form = desk.get(timeline, Some(&supervisor)).await.body;
    assert!(form.contains(&format!("action=\"{ask}\"")), "{form}");
    let csrf = desk.csrf(&supervisor).await;
    let unsure = format!("csrf={csrf}&reason=GDPR");
    assert_eq!(desk.post(ask, Some(&supervisor), &unsure).await.status, StatusCode::BAD_REQUEST);
    let long = format!("csrf={csrf}&sure=yes&reason={}", "x".repeat(1001));
    assert_eq!(desk.post(ask, Some(&supervisor), &long).await.status, StatusCode::BAD_REQUEST);
    let sure = format!("csrf={csrf}&sure=yes");
    let nobody = desk.post("/conversation/none/erasure", Some(&supervisor), &sure).await;
    assert_eq!(nobody.status, StatusCode::NOT_FOUND);
    let list = desk.get("/erasures", Some(&operator)).await.body;
    assert!(list.contains("Nobody has asked for an erasure."), "{list}");

    let sure = format!("csrf={csrf}&sure=yes&reason=art.+17+%3Cscript%3E");
    let done = desk.post(ask, Some(&supervisor), &sure).await;
    assert_eq!(
        (done.status, done.header("location")),
        (StatusCode::SEE_OTHER, "/conversation/k1/timeline#erasure")
    );
    let page = desk.get(timeline, Some(&viewer)).await.body;
    assert!(page.contains("Erasure was asked for") && page.contains("art. 17 &lt;script&gt;"), "{page}");
    let again = format!("csrf={csrf}&sure=yes&reason=another");
    assert_eq!(desk.post(ask, Some(&supervisor), &again).await.status, StatusCode::SEE_OTHER);
    let list = desk.get("/erasures", Some(&operator)).await.body;
    assert!(list.contains("art. 17") && !list.contains("another"), "the first stays: {list}");
    assert!(list.contains("smista erase --customer 'o'\\''neil &lt;b&gt;'"), "{list}");

    let csrf = desk.csrf(&operator).await;
    let withdraw = format!("csrf={csrf}&customer=o%27neil+%3Cb%3E");
    assert_eq!(
        desk.post("/erasures/withdraw", Some(&operator), &withdraw).await.header("location"),
        "/erasures"
    );
    assert_eq!(
        desk.post("/erasures/withdraw", Some(&operator), &withdraw).await.status,
        StatusCode::NOT_FOUND
    );
    let admin = desk.session(Role::Admin).await;
    let log = desk.get("/access", Some(&admin)).await.body;
    assert!(log.contains("took back the erasure asked for from") && !log.contains("neil"), "{log}");

    let csrf = desk.csrf(&supervisor).await;
    let path = "/conversation/k2/erasure";
    desk.post(path, Some(&supervisor), &format!("csrf={csrf}&sure=yes")).await;
    assert_eq!(desk.store.erasure_requests(10).await.unwrap().len(), 1);
    let key = smista::store::MarkKey::new(Arc::from(b"key".as_slice()));
    let subject = smista::store::Subject { customer: Some("c-2".to_owned()), identities: Vec::new() };
    let erased = desk.store.erase(&subject, &key, Some(Utc::now())).await.unwrap();
    assert_eq!(erased.tables["erasure_requests"], 1, "{erased:?}");
    assert_eq!(desk.store.erasure_requests(10).await.unwrap(), Vec::new());
}

#[tokio::test]
async fn the_api_asks_for_it_too() {
    let desk = Desk::new().await;
    let mut said = Said::flagged("k1", "Cancellate i miei dati");
    said.customer = "c-1".to_owned();
    desk.decide(&said).await;
    let (review, operate) =
        (client(&desk, "crm", &[Scope::Review]).await, client(&desk, "ops", &[Scope::Operate]).await);
    let path = "/api/v1/conversations/k1/erasure";
    let (status, made) = review.post(path, &json!({ "reason": "art. 17" })).await;
    assert_eq!((status, &made["customer_id"]), (StatusCode::CREATED, &"c-1".into()), "{made}");
    assert_eq!((&made["requested_by"], &made["reason"]), (&"api:crm".into(), &"art. 17".into()));
    as_told("/api/v1/conversations/{id}/erasure", "post", "201", &made);
    let (_, again) = review.post(path, &json!({ "reason": "another" })).await;
    assert_eq!(again, made, "what was asked for before stays");
    let (status, list) = operate.get("/api/v1/erasures").await;
    assert_eq!((status, &list["requests"]), (StatusCode::OK, &json!([made])));
    as_told("/api/v1/erasures", "get", "200", &list);
    let (status, _) = review.post("/api/v1/conversations/none/erasure", &json!({})).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, _) = review.post(path, &json!({ "why": "" })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}
