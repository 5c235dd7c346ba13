//! What the pages show, and that nothing a customer or an address says becomes markup.

use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use smista::config::Config;
use smista::routing::correction::{Right, superseding};
use smista::routing::decision::Level;
use smista::routing::{Decision, Policy};
use smista::store::console::{Act, ConsoleStore, Corrected, Note, Role};
use smista::store::{Correction, CorrectionMessage, Destination, Order, Span};

use super::desk::{Desk, Said, decide};
use crate::support::{fresh_database, postgres_url};

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
async fn a_correction_is_kept_and_takes_the_decisions_place() {
    let desk = Desk::new().await;
    desk.decide(&Said::flagged("k1", "ciao")).await;
    let token = desk.session(Role::Supervisor).await;
    let csrf = desk.csrf(&token).await;
    let reviewed = desk.store.conversation("k1").await.unwrap().unwrap();
    let first = reviewed.messages[0].1.clone();
    let message = first.message_id.clone();
    let send = async |form: &str| {
        let form = format!("csrf={csrf}&message={message}&{form}");
        desk.post("/conversation/k1/correct", Some(&token), &form).await
    };
    let wrongs = [
        "sentiment=angry",
        "stage=limbo",
        "intent=%3Cb%3E",
        "priority=huge",
        "queue=nowhere&list=%3Fsort%3Dnewest",
    ];
    for wrong in wrongs {
        let answer = send(wrong).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
        assert!(
            answer.body.contains("role=\"alert\"") && answer.body.contains("ciao"),
            "{wrong}: the page again"
        );
    }
    assert!(desk.store.corrections().await.unwrap().is_empty());
    let form =
        "sentiment=neutral&intent=refund.request&stage=retention&priority=urgent&queue=billing&note=sì";
    let answer = send(form).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (StatusCode::SEE_OTHER, "/conversation/k1?told=correct")
    );
    let kept = desk.store.corrections().await.unwrap();
    let correction = &kept[0].correction;
    assert_eq!(correction.intents.as_deref(), Some(["refund.request".to_owned()].as_slice()));
    assert_eq!((correction.corrected_by.as_str(), correction.note.as_deref()), ("supervisor", Some("sì")));

    let unsent = desk.store.unsent(chrono::Utc::now() + chrono::TimeDelta::days(1), 10).await.unwrap();
    let destinations: Vec<_> = unsent.iter().map(|message| message.destination).collect();
    assert_eq!(destinations, [Destination::Decisions, Destination::Events, Destination::Corrections]);
    let new: Decision = serde_json::from_str(&unsent[0].body).unwrap();
    assert_eq!((new.revision, new.supersedes), (2, Some(first.decision_id)));
    assert_eq!(unsent[0].routing_key, "urgent.billing.chat");
    let body = |at: usize| serde_json::from_str::<serde_json::Value>(&unsent[at].body).unwrap();
    let event = body(1);
    assert_eq!(
        (&event["event"], &event["decision_id"]),
        (&"corrected".into(), &new.decision_id.to_string().into())
    );
    assert_eq!(event["changed"], serde_json::json!(["sentiment", "intents", "stage", "priority", "queue"]));
    let said: CorrectionMessage = serde_json::from_str(&unsent[2].body).unwrap();
    assert_eq!((said.schema.as_str(), said.conversation_id.as_str()), ("smista.correction.v1", "k1"));
    assert_eq!((said.decision_id, said.superseded_by), (first.decision_id, Some(new.decision_id)));
    assert_eq!(said.correction, *correction);

    // The page and the queue show it; what walks the past still finds the decision that can be made again.
    let reviewed = desk.store.conversation("k1").await.unwrap().unwrap();
    assert_eq!(reviewed.messages.len(), 1);
    assert_eq!(reviewed.messages[0].1, new);
    assert_eq!((reviewed.item.priority.as_str(), reviewed.item.queue.as_str()), ("urgent", "billing"));
    let page = desk.get("/conversation/k1?told=correct", Some(&token)).await.body;
    assert!(page.contains("data-told") && page.contains(&first.decision_id.to_string()));
    assert_eq!(desk.store.decided(&message).await.unwrap().unwrap().0.revision, 1);
    let span = Span { since: DateTime::UNIX_EPOCH, until: Utc::now(), order: Order::Time };
    let past = desk.store.past(&span, None, 10).await.unwrap().past;
    assert_eq!((past.len(), past[0].decision.revision), (1, 1));
    desk.store.index(&first, &reviewed.messages[0].0).await.unwrap();
    assert_eq!(desk.store.conversation("k1").await.unwrap().unwrap(), reviewed, "indexing leaves it");

    // Confirmed: nothing new but the word on it, which says all that was said before.
    assert_eq!(send("").await.header("location"), "/conversation/k1?told=confirm");
    assert_eq!(desk.store.conversation("k1").await.unwrap().unwrap().messages[0].1.revision, 2);
    let kept = desk.store.corrections().await.unwrap();
    assert_eq!((kept.len(), kept[0].correction.stage), (1, correction.stage));
    assert_eq!(send("priority=low").await.header("location"), "/conversation/k1?told=correct");
    assert_eq!(desk.store.conversation("k1").await.unwrap().unwrap().messages[0].1.revision, 3);
    let form = format!("csrf={csrf}&message={message}");
    let other = desk.post("/conversation/none/correct", Some(&token), &form).await;
    assert_eq!(other.status, StatusCode::NOT_FOUND);
}

/// Two who correct the same decision: the second is told, and nothing of the second is kept.
async fn the_second_is_told(store: &dyn ConsoleStore) {
    let conversation = format!("k-{}", uuid::Uuid::new_v4());
    let mut said = Said::flagged(&conversation, "ciao");
    said.customer.clone_from(&conversation);
    decide(store, &said).await;
    let reviewed = store.conversation(&conversation).await.unwrap().unwrap();
    let (interaction, decision) = &reviewed.messages[0];
    let policy = Policy::embedded_default().unwrap();
    let mut kept = Vec::new();
    for (level, expected) in [(Level::Urgent, Corrected::Kept), (Level::Low, Corrected::Overtaken)] {
        let right = Right { priority: Some(level), ..Right::default() };
        let made = superseding(&policy, decision, interaction.sent_at, &right, Utc::now()).unwrap().unwrap();
        let correction: Correction = serde_json::from_value(serde_json::json!({
            "correction_id": uuid::Uuid::new_v4(), "message_id": decision.message_id, "corrected_at": Utc::now(),
            "corrected_by": "ada", "priority": level,
        }))
        .unwrap();
        let note = Note { at: Utc::now(), account: "ada".into(), act: Act::Correct, text: String::new() };
        let new = Some((&made.decision, interaction));
        let became = store.correct_with(&conversation, &correction, &note, new, &[]).await.unwrap();
        assert_eq!(became, expected);
        kept.push(correction);
    }
    let reviewed = store.conversation(&conversation).await.unwrap().unwrap();
    assert_eq!(reviewed.corrections, kept[..1]);
    assert_eq!((reviewed.item.priority.as_str(), reviewed.notes.len()), ("urgent", 1));
    // An older message corrected leaves the row to the latest one.
    let mut later = said.clone();
    (later.at, later.text) = (Utc::now(), "ancora".into());
    decide(store, &later).await;
    let reviewed = store.conversation(&conversation).await.unwrap().unwrap();
    let (interaction, decision) = &reviewed.messages[0];
    assert_eq!(decision.revision, 2);
    let right = Right { queue: Some("billing".into()), ..Right::default() };
    let made = superseding(&policy, decision, interaction.sent_at, &right, Utc::now()).unwrap().unwrap();
    let note = Note { at: Utc::now(), account: "ada".into(), act: Act::Correct, text: String::new() };
    let mut correction = kept[0].clone();
    correction.correction_id = uuid::Uuid::new_v4();
    let new = Some((&made.decision, interaction));
    assert_eq!(
        store.correct_with(&conversation, &correction, &note, new, &[]).await.unwrap(),
        Corrected::Kept
    );
    let reviewed = store.conversation(&conversation).await.unwrap().unwrap();
    assert_eq!((reviewed.item.excerpt.as_str(), reviewed.item.queue.as_str()), ("ancora", "general"));
}

#[tokio::test]
async fn two_correct_the_same_on_sqlite() {
    the_second_is_told(&*Desk::new().await.store).await;
}

#[tokio::test]
async fn two_correct_the_same_on_postgres() {
    let Some(url) = postgres_url() else { return };
    let mut config = Config::load(None).unwrap().store;
    config.url = fresh_database(&url).await;
    the_second_is_told(&*smista::store::open_console(&config).await.unwrap()).await;
}
