//! What the pages show, and that nothing a customer or an address says becomes markup.

use axum::http::StatusCode;
use smista::store::console::Role;

use super::desk::{Desk, Said};

/// From the usual collections: tags, attributes, URLs, encodings, template marks.
const NASTY: [&str; 10] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "'><svg/onload=alert(1)>",
    "</title></textarea></mark><script>alert(1)</script>",
    "javascript:alert(1)//<a href=javascript:alert(1)>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "\" onmouseover=\"alert(1)\" x=\"",
    "<!--<script>--><body onload=alert(1)>",
    "{{constructor.constructor('alert(1)')()}}${alert(1)}",
    "\u{202e}<math><mtext></p><style><img title=\"</style><img src onerror=alert(1)>\">",
];

fn is_tame(body: &str, what: &str) {
    // Everything that the pages themselves write is known: one script, no handler, no other element of these kinds.
    assert_eq!(body.matches("<script").count(), 1, "{what}");
    for mark in [
        "<img",
        "<iframe",
        "<math",
        "<style",
        "<svg/",
        "<body onload",
        "<!--",
        " onerror=alert(1)>",
        "href=\"javascript:",
        "action=\"javascript:",
    ] {
        assert!(!body.contains(mark), "{what}: {mark}");
    }
    assert!(!body.contains("\" onmouseover=\""), "{what}");
}

#[tokio::test]
async fn nothing_a_customer_says_becomes_markup() {
    let desk = Desk::new().await;
    let token = desk.session(Role::Admin).await;
    let csrf = desk.csrf(&token).await;
    for (at, nasty) in NASTY.iter().enumerate() {
        let mut said = Said::flagged(&format!("k{at}{nasty}"), nasty);
        said.customer = format!("c{at}{nasty}");
        said.subject = Some((*nasty).to_owned());
        said.queue = (*nasty).to_owned();
        said.flags = vec![nasty.replace(' ', "_")];
        said.evidence = Some([0, 12]);
        desk.decide(&said).await;
        let id: String = said.conversation.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let text: String = nasty.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let form = format!("csrf={csrf}&act=comment&text={text}&list=%3Fq%3D{text}");
        let answer = desk.post(&format!("/conversation/{id}/act"), Some(&token), &form).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{nasty}: {}", answer.body);
        let view = format!("csrf={csrf}&name={}&query=%3Fq%3D{text}", &text[..text.len().min(150)]);
        desk.post("/views", Some(&token), &view).await;
        let page = desk.get(&format!("/conversation/{id}?q={text}"), Some(&token)).await;
        assert_eq!(page.status, StatusCode::OK, "{nasty}");
        is_tame(&page.body, nasty);
        assert!(page.body.contains("<mark"), "{nasty}");
        for path in [
            format!("/queue?q={text}&queue={text}"),
            format!("/sign-in?next={text}"),
            "/access".into(),
            "/queue".into(),
        ] {
            is_tame(&desk.get(&path, Some(&token)).await.body, &path);
        }
    }
}

#[tokio::test]
async fn a_conversation_shows_what_was_decided_and_who_looked_is_written_down() {
    let desk = Desk::new().await;
    let mut said = Said::flagged("k1", "Perché \u{1F6E0}? Chiamo l'avvocato domani");
    said.evidence = Some([10, 27]);
    desk.decide(&said).await;
    let mut other = Said::flagged("k2", "un'altra");
    other.queue = "billing".into();
    desk.decide(&other).await;
    let token = desk.session(Role::Supervisor).await;
    let page = desk.get("/conversation/k1", Some(&token)).await.body;
    assert!(
        page.contains(">Chiamo l'avvocato<span") || page.contains(">Chiamo l&#39;avvocato<span"),
        "{page}"
    );
    for text in ["A reason", "Without it: normal", "complaint", "Sono qui.", "/conversation/k2", "Brief of"] {
        assert!(page.contains(text), "{text}");
    }
    let seen = desk.store.accesses(10).await.unwrap();
    assert_eq!(
        (seen.len(), seen[0].account.as_str(), seen[0].conversation_id.as_str()),
        (1, "supervisor", "k1")
    );
    assert_eq!(desk.get("/conversation/none", Some(&token)).await.status, StatusCode::NOT_FOUND);
    assert_eq!(desk.store.accesses(10).await.unwrap().len(), 1, "nothing was seen");

    let csrf = desk.csrf(&token).await;
    desk.post("/language", Some(&token), &format!("csrf={csrf}&language=it")).await;
    let page = desk.get("/conversation/k1", Some(&token)).await.body;
    assert!(
        page.contains("<html lang=\"it\"") && page.contains("Perché") && page.contains("Sintesi per l"),
        "{page}"
    );
}

#[tokio::test]
async fn a_correction_is_kept_and_published() {
    let desk = Desk::new().await;
    desk.decide(&Said::flagged("k1", "ciao")).await;
    let token = desk.session(Role::Supervisor).await;
    let csrf = desk.csrf(&token).await;
    let reviewed = desk.store.conversation("k1").await.unwrap().unwrap();
    let message = reviewed.messages[0].1.message_id.clone();
    let send = async |form: &str| {
        let form = format!("csrf={csrf}&message={message}&{form}");
        desk.post("/conversation/k1/correct", Some(&token), &form).await.status
    };
    for wrong in ["sentiment=angry", "stage=limbo", "intent=%3Cb%3E"] {
        assert_eq!(send(wrong).await, StatusCode::BAD_REQUEST, "{wrong}");
    }
    assert!(desk.store.corrections().await.unwrap().is_empty());
    assert_eq!(
        send("sentiment=neutral&intent=refund.request&stage=retention&note=sì").await,
        StatusCode::SEE_OTHER
    );
    let kept = desk.store.corrections().await.unwrap();
    let correction = &kept[0].correction;
    assert_eq!(correction.intents.as_deref(), Some(["refund.request".to_owned()].as_slice()));
    assert_eq!((correction.corrected_by.as_str(), correction.note.as_deref()), ("supervisor", Some("sì")));
    let unsent = desk.store.unsent(chrono::Utc::now() + chrono::TimeDelta::days(1), 10).await.unwrap();
    let body: serde_json::Value = serde_json::from_str(&unsent[0].body).unwrap();
    assert_eq!(body["schema"], "smista.correction.v1");
    assert_eq!((&body["stage"], &body["conversation_id"]), (&"retention".into(), &"k1".into()));
    let form = format!("csrf={csrf}&message={message}");
    let other = desk.post("/conversation/none/correct", Some(&token), &form).await;
    assert_eq!(other.status, StatusCode::NOT_FOUND);
}
