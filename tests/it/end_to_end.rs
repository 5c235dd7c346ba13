//! Worker processes against a real RabbitMQ: nothing lost, nothing twice, order kept, malformed messages parked.

use std::time::Duration;

use crate::support::ledger::Ledger;
use crate::support::process::Workspace;
use crate::support::{amqp_url, fresh_database, fresh_prefix, postgres_url};

const TEXTS: [&str; 8] = [
    "I was charged twice for my order, please refund one of them",
    "Il pacco non è ancora arrivato, era previsto lunedì",
    "How much is the yearly plan?",
    "Voglio parlare con un operatore",
    "Thank you so much, it works again!",
    "Internet is down in the whole building since this morning",
    "Vorrei disdire l'abbonamento",
    "hello",
];

async fn publish_many(ledger: &mut Ledger, messages: usize, customers: usize) {
    for n in 0..messages {
        let customer = format!("c{}", n % customers);
        let at = chrono::DateTime::from_timestamp(1_780_000_000 + n as i64, 0).unwrap().to_rfc3339();
        ledger.publish(&customer, &format!("m{n}"), TEXTS[n % TEXTS.len()], &at).await;
    }
}

fn applied(url: &str, shards: u16, store: Option<&str>) -> (Workspace, String) {
    let prefix = fresh_prefix();
    let workspace = Workspace::new(url, &prefix, shards, store);
    let output = workspace.smista(&["topology", "apply"]);
    assert!(output.status.success(), "topology apply: {}", String::from_utf8_lossy(&output.stderr));
    (workspace, prefix)
}

async fn two_workers_decide_2000(store: Option<&str>) {
    let Some(url) = amqp_url() else { return };
    let (workspace, prefix) = applied(&url, 4, store);
    let mut ledger = Ledger::open(&url, &prefix).await;
    let mut first = workspace.worker("first");
    let mut second = workspace.worker("second");
    first.wait_connected(Duration::from_secs(20));
    second.wait_connected(Duration::from_secs(20));
    publish_many(&mut ledger, 2000, 60).await;
    let malformed: [(&[u8], &str); 4] = [
        (b"{not json", "not_json"),
        (b"\xff\xfe\xfd", "not_utf8"),
        (br#"{"schema":"smista.interaction.v1","conversation_id":"x","channel":"chat","text":"hi"}"#, "missing_field"),
        (br#"{"schema":"smista.interaction.v1","message_id":"e","conversation_id":"x","channel":"chat","text":"  "}"#, "empty_text"),
    ];
    for (body, _) in malformed {
        ledger.publish_raw("x", body).await;
    }
    ledger.read(2000, malformed.len(), Duration::from_secs(60)).await;
    ledger.read_rest(Duration::from_secs(1)).await;
    ledger.assert_complete_and_in_order();
    assert_eq!(ledger.decided.len(), 2000, "no decision was published twice");
    let mut parked: Vec<_> = ledger.parked_messages.clone();
    parked.sort();
    let mut expected: Vec<_> =
        malformed.iter().map(|(body, class)| ((*class).to_owned(), body.to_vec())).collect();
    expected.sort();
    assert_eq!(parked, expected);
    assert_eq!(first.terminate(Duration::from_secs(30)), Some(0), "{}", first.log());
    assert_eq!(second.terminate(Duration::from_secs(30)), Some(0), "{}", second.log());
    for shard in 0..4 {
        assert_eq!(ledger.depth(&format!("interactions.{shard}")).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_decide_2000_interactions_once_each_and_in_order() {
    two_workers_decide_2000(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_on_postgresql() {
    let Some(url) = postgres_url() else { return };
    two_workers_decide_2000(Some(&fresh_database(&url).await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_worker_hands_over_in_order() {
    let Some(url) = amqp_url() else { return };
    let (workspace, prefix) = applied(&url, 2, None);
    let mut ledger = Ledger::open(&url, &prefix).await;
    // Few customers: most of what is prefetched waits behind another message of the same customer.
    publish_many(&mut ledger, 1200, 3).await;
    let mut first = workspace.worker("first");
    first.wait_connected(Duration::from_secs(20));
    let mut second = workspace.worker("second");
    ledger.read(40, 0, Duration::from_secs(30)).await;
    assert_eq!(first.terminate(Duration::from_secs(30)), Some(0), "{}", first.log());
    let left = ledger.depth("interactions.0").await + ledger.depth("interactions.1").await;
    ledger.read(1200, 0, Duration::from_secs(60)).await;
    ledger.read_rest(Duration::from_secs(1)).await;
    ledger.assert_complete_and_in_order();
    assert_eq!(ledger.decided.len(), 1200, "no decision was published twice");
    assert_eq!(second.terminate(Duration::from_secs(30)), Some(0), "{}", second.log());
    let decided = [first.decided(), second.decided()];
    assert!(decided.iter().all(|count| *count > 0), "{decided:?} decided, {left} left by the first");
    assert_eq!(decided.iter().sum::<u64>(), 1200);
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_in_the_middle_loses_nothing() {
    let Some(url) = amqp_url() else { return };
    let (workspace, prefix) = applied(&url, 2, None);
    let mut ledger = Ledger::open(&url, &prefix).await;
    publish_many(&mut ledger, 1500, 30).await;
    let mut victim = workspace.worker("victim");
    ledger.read(60, 0, Duration::from_secs(30)).await;
    victim.kill();
    ledger.read_rest(Duration::from_millis(500)).await;
    let left = ledger.depth("interactions.0").await + ledger.depth("interactions.1").await;
    assert!(left > 0, "the worker was too quick to be killed in the middle");
    let mut heir = workspace.worker("heir");
    ledger.read(1500, 0, Duration::from_secs(60)).await;
    ledger.read_rest(Duration::from_secs(1)).await;
    ledger.assert_complete_and_in_order();
    assert_eq!(heir.terminate(Duration::from_secs(30)), Some(0), "{}", heir.log());
    for shard in 0..2 {
        assert_eq!(ledger.depth(&format!("interactions.{shard}")).await, 0);
    }
}
