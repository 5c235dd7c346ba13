//! The worker on the in-process broker: what it does when parts around it fail.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use smista::broker::Outgoing;
use smista::config::OnEngineFailure;
use smista::routing::Decision;
use smista::routing::decision::Action;

use crate::support::rig::{Moods, rig};

fn mail_with_parts(parts: usize) -> Vec<u8> {
    use base64::Engine as _;
    let part = "--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n";
    let mail = format!(
        "From: a@example.org\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{}--b--\r\n",
        part.repeat(parts)
    );
    let mime = base64::engine::general_purpose::STANDARD.encode(mail);
    let body = serde_json::json!({
        "schema": "smista.interaction.v1", "message_id": "m", "conversation_id": "k", "channel": "email", "mime": mime,
    });
    body.to_string().into_bytes()
}

fn class(parked: &Outgoing) -> &str {
    parked
        .headers
        .iter()
        .find(|(name, _)| name == "x-smista-error-class")
        .map(|(_, value)| value.as_str())
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn decides_each_message_once_and_in_order_of_its_customer() {
    let mut rig = rig(Moods::default()).await;
    for n in 0..120 {
        rig.send(&format!("c{}", n % 7), &format!("m{n}"), "where is my parcel?").await;
        if n % 10 == 0 {
            rig.send(&format!("c{}", n % 7), &format!("m{n}"), "where is my parcel?").await;
        }
    }
    let mut order: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for _ in 0..120 {
        let decision = rig.decision().await;
        assert_eq!(decision.decision_id, Decision::id_for(&decision.message_id, 1));
        order
            .entry(decision.customer_id.clone())
            .or_default()
            .push(decision.message_id[1..].parse().unwrap());
    }
    for (customer, numbers) in order {
        assert!(numbers.is_sorted(), "{customer}: {numbers:?}");
    }
    let store = Arc::clone(&rig.store);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(rig.decisions.try_recv().is_err(), "a message sent twice was decided twice");
    let summary = rig.finish().await;
    assert_eq!((summary.decided, summary.duplicates, summary.parked), (120, 12, 0));
    assert!(store.unsent(chrono::Utc::now(), 10).await.unwrap().is_empty(), "outbox not empty");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_decisions_that_escalate_or_carry_a_flag_are_explained() {
    let mut rig = rig(Moods::default()).await;
    let texts = [
        ("where is my parcel?", false),
        ("thank you, it works again", false),
        ("I want to speak to a manager, nobody answers me", true),
        ("My lawyer will write to you about this broken phone", true),
        ("Voglio parlare con un responsabile", true),
        ("quanto costa la spedizione?", false),
    ];
    for (n, (text, expected)) in texts.into_iter().enumerate() {
        rig.send(&format!("c{n}"), &format!("m{n}"), text).await;
        let decision = rig.decision().await;
        let flagged = decision.route.action == Action::Escalate || !decision.flags.is_empty();
        assert_eq!(flagged, expected, "{text}: {:?} {:?}", decision.route, decision.flags);
        let explained = decision.analysis.explanation.is_some_and(|labels| !labels.is_empty());
        assert_eq!(explained, expected, "{text}");
    }
    rig.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_messages_are_parked_with_their_error_and_harm_nobody() {
    let mut rig = rig(Moods::default()).await;
    let two_mib = vec![b'x'; 2 * 1024 * 1024];
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let cases: [(Vec<u8>, &str); 5] = [
        (two_mib.clone(), "too_large"),
        (mail_with_parts(500), "too_many_parts"),
        (b"\xc3\x28".to_vec(), "not_utf8"),
        (deep.into_bytes(), "too_deep"),
        (br#"{"schema":"smista.interaction.v1","message_id":"m","conversation_id":"k","channel":"chat","text":""}"#.to_vec(), "empty_text"),
    ];
    for (n, (body, _)) in cases.iter().enumerate() {
        rig.broker.publish_interaction(body.clone(), "c1", Some(&format!("bad{n}"))).await.unwrap();
    }
    rig.send("c1", "good", "thank you, it works again").await;
    assert_eq!(rig.decision().await.message_id, "good");
    let parked = rig.until_parked(cases.len()).await;
    for (n, (body, expected)) in cases.iter().enumerate() {
        let found = parked.iter().find(|parked| parked.message_id == format!("bad{n}")).unwrap();
        assert_eq!(class(found), *expected);
        assert_eq!(&found.body, body, "the body is kept byte for byte");
    }
    assert_eq!(rig.finish().await.parked, cases.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_message_is_parked_once_others_succeed() {
    let mut rig = rig(Moods::default()).await;
    rig.send("c1", "bad", "poison").await;
    // Only tries between which others succeed count against a message, and they come more and more slowly.
    for n in 0..2000 {
        rig.send("c2", &format!("m{n}"), "how much is it?").await;
        assert_eq!(rig.decision().await.message_id, format!("m{n}"));
        if !rig.broker.parked().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let parked = rig.until_parked(1).await;
    assert_eq!((parked[0].message_id.as_str(), class(&parked[0])), ("bad", "analysis_failed"));
    rig.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_messages_that_are_alone_are_parked_too() {
    let rig = rig(Moods::default()).await;
    // More than there are lanes.
    for n in 0..20 {
        rig.send(&format!("c{n}"), &format!("bad{n}"), "poison").await;
    }
    let parked = rig.until_parked(20).await;
    assert!(parked.iter().all(|parked| class(parked) == "analysis_failed"));
    rig.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_engine_holds_messages_until_it_works() {
    let mut rig = rig(Moods { engine_failures: 8, ..Moods::default() }).await;
    rig.send("c1", "m", "I was charged twice").await;
    let decision = rig.decision().await;
    assert!(!decision.degraded);
    assert!(rig.broker.parked().is_empty());
    rig.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cues_decide_while_the_engine_fails_if_configured() {
    let moods = Moods { engine_failures: u32::MAX, on_failure: OnEngineFailure::Cues, ..Moods::default() };
    let mut rig = rig(moods).await;
    rig.send("c1", "m", "I will take you to court, my lawyer will write to you").await;
    let decision = rig.decision().await;
    assert!(decision.degraded);
    assert!(decision.analysis.signals.iter().any(|signal| signal.name.as_str() == "legal_threat"));
    rig.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_publishes_are_repeated_under_the_same_id() {
    let mut rig = rig(Moods { publish_failures: 5, ..Moods::default() }).await;
    rig.send("c1", "m", "please cancel my subscription").await;
    assert_eq!(rig.decision().await.message_id, "m");
    let summary = rig.finish().await;
    assert_eq!(summary.decided, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn state_changes_are_published_as_events() {
    let mut rig = rig(Moods::default()).await;
    rig.send("c1", "m", "I want to cancel my subscription and leave").await;
    let decision = rig.decision().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let events: Vec<serde_json::Value> =
        rig.events.lock().unwrap().iter().map(|event| serde_json::from_slice(&event.body).unwrap()).collect();
    let stage = events.iter().find(|event| event["event"] == "stage_changed").expect("a stage event");
    assert_eq!(stage["customer_id"], "c1");
    assert_eq!(stage["decision_id"], decision.decision_id.to_string());
    rig.finish().await;
}
