//! Back-pressure and degraded operation: what is slow or away holds messages back, where they are safe, and says so.

use std::time::{Duration, Instant};

use smista::config::OnEngineFailure;
use sqlx::Connection as _;

use crate::support::ledger::Ledger;
use crate::support::process::Workspace;
use crate::support::proxy::{Mode, Proxy};
use crate::support::rabbit::Rabbit;
use crate::support::rig::{Moods, Rig, rig};
use crate::support::{amqp_url, fresh_database, fresh_prefix, postgres_url};

/// What readiness says of a part: whether it works, and in which words.
fn part(rig: &Rig, name: &str) -> (bool, String) {
    let report = rig.health.report();
    (report[name]["ok"] == true, report[name]["detail"].as_str().unwrap().to_owned())
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(60), "not within a minute: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_engine_leaves_messages_with_the_broker() {
    let moods = Moods { engine_takes: Duration::from_millis(15), prefetch: 8, ..Moods::default() };
    let mut rig = rig(moods).await;
    for n in 0..200 {
        rig.send(&format!("c{n}"), &format!("m{n}"), "how much is it?").await;
    }
    let (mut decided, mut most) = (0, 0);
    while decided < 200 {
        let (waiting, unsettled) = rig.broker.depth();
        assert!(unsettled <= 8, "{unsettled} held at prefetch 8");
        assert!(
            waiting + unsettled + decided >= 200 - 8,
            "messages are neither waiting nor held nor decided"
        );
        most = most.max(unsettled);
        rig.decision().await;
        decided += 1;
    }
    assert_eq!(most, 8, "the engine was slow enough for that");
    assert_eq!(rig.finish().await.decided, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_holds_messages_and_says_so() {
    let mut rig = rig(Moods { prefetch: 4, ..Moods::default() }).await;
    rig.send("c0", "before", "hello").await;
    assert_eq!(rig.decision().await.message_id, "before");
    until("the database is seen", || part(&rig, "store").0).await;
    until("it is settled", || rig.broker.depth() == (0, 0)).await;
    let mut other =
        sqlx::SqliteConnection::connect(&format!("sqlite:{}", rig.dir.path().join("t.db").display()))
            .await
            .unwrap();
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut other).await.unwrap();
    for n in 0..20 {
        rig.send(&format!("c{}", n % 3), &format!("m{n}"), "where is my parcel?").await;
    }
    until("it is said", || part(&rig, "store") == (false, "not available".to_owned())).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (waiting, unsettled) = rig.broker.depth();
    assert_eq!((waiting, unsettled), (16, 4), "held up to the prefetch, nothing acked, nothing parked");
    assert!(rig.decisions.try_recv().is_err() && rig.broker.parked().is_empty());
    assert!(!rig.health.ready());
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(rig.decision().await.message_id);
    }
    until("it is said to be back", || part(&rig, "store").0).await;
    let of = |customer: usize| {
        ids.iter().filter_map(move |id| id[1..].parse().ok()).filter(move |n: &usize| n % 3 == customer)
    };
    assert!((0..3).all(|customer| of(customer).is_sorted()), "{ids:?}");
    assert_eq!(rig.finish().await.decided, 21);
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_that_cannot_be_published_hold_messages_back() {
    let mut rig = rig(Moods { publish_failures: 36, prefetch: 4, ..Moods::default() }).await;
    for n in 0..40 {
        rig.send(&format!("c{n}"), &format!("m{n}"), "how much is it?").await;
    }
    let mut most = 0;
    while rig.decisions.is_empty() {
        let counts = rig.store.counts().await.unwrap();
        most = most.max(counts.messages);
        assert!(counts.messages <= 4, "the outbox grows no further than the prefetch: {counts:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(most, 4);
    for _ in 0..40 {
        rig.decision().await;
    }
    let store = std::sync::Arc::clone(&rig.store);
    assert_eq!(rig.finish().await.decided, 40);
    assert_eq!(store.counts().await.unwrap().unsent, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_fails_and_comes_back_with_hold_and_with_cues() {
    let hold = Moods { engine_failures: 10, ..Moods::default() };
    let mut holding = rig(hold).await;
    holding.send("c1", "m1", "I was charged twice").await;
    until("it is said", || part(&holding, "engine") == (false, "failing".to_owned())).await;
    assert!(holding.decisions.try_recv().is_err(), "held, not decided from cues");
    assert!(!holding.decision().await.degraded);
    until("it is said to be back", || part(&holding, "engine").0).await;
    assert_eq!(holding.finish().await.decided, 1);

    let cues = Moods { engine_failures: 1, on_failure: OnEngineFailure::Cues, ..Moods::default() };
    let mut deciding = rig(cues).await;
    deciding.send("c1", "m1", "I was charged twice").await;
    assert!(deciding.decision().await.degraded);
    assert_eq!(part(&deciding, "engine"), (false, "failing; cues decide".to_owned()));
    deciding.send("c1", "m2", "I was charged twice").await;
    assert!(!deciding.decision().await.degraded, "in full again as soon as the engine answers");
    until("it is said to be back", || part(&deciding, "engine").0).await;
    deciding.finish().await;
}

async fn get(address: &str, path: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// A worker process as operators see it: health, metrics and log while the broker is in need.
#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_broker_is_seen_in_health_metrics_and_log() {
    if amqp_url().is_none() || !Rabbit::installed() {
        eprintln!("left out: no RabbitMQ");
        return;
    }
    let rabbit = Rabbit::start();
    let prefix = fresh_prefix();
    let workspace = Workspace::new(&rabbit.url(), &prefix, 1, None);
    assert!(workspace.smista(&["topology", "apply"]).status.success());
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let text = std::fs::read_to_string(workspace.config()).unwrap();
    std::fs::write(workspace.config(), text.replace("127.0.0.1:0", &address)).unwrap();
    let mut ledger = Ledger::open(&rabbit.url(), &prefix).await;
    ledger.publish("c1", "m1", "where is my parcel?", "2026-05-14T18:45:00Z").await;
    rabbit.ctl("set_vm_memory_high_watermark 0.00000001");
    // The broker tells a connection that it is blocked when it publishes: the worker does, its decision.
    let mut worker = workspace.worker("worker");
    until("blocked", || worker.log().contains("broker blocked, decisions wait")).await;
    let ready = get(&address, "/health/ready").await;
    assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("blocked: "), "{ready}");
    let metrics = get(&address, "/metrics").await;
    assert!(
        metrics.contains("smista_broker_blocked 1") && metrics.contains("smista_broker_up 0"),
        "{metrics}"
    );
    assert!(get(&address, "/health/live").await.starts_with("HTTP/1.1 200"), "it lives all the same");

    rabbit.ctl("set_vm_memory_high_watermark 0.4");
    let resumed = Instant::now();
    ledger.read(1, 0, Duration::from_secs(60)).await;
    ledger.assert_complete_and_in_order();
    eprintln!("figure: the decision came {:.1} s after the alarm went", resumed.elapsed().as_secs_f64());
    while !get(&address, "/metrics").await.contains("smista_broker_blocked 0") {
        assert!(resumed.elapsed() < Duration::from_secs(60), "{}", worker.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(worker.terminate(Duration::from_secs(40)), Some(0), "{}", worker.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_starts_before_its_database_waits_for_it() {
    let (Some(amqp), Some(postgres)) = (amqp_url(), postgres_url()) else { return };
    let database = fresh_database(&postgres).await;
    let (server, name) = database.rsplit_once('/').unwrap();
    let (user, address) = server.rsplit_once('@').unwrap();
    let proxy = Proxy::to(address.parse().unwrap()).await;
    proxy.set(Mode::Cut);
    let store = format!("{user}@{}/{name}", proxy.address);
    let prefix = fresh_prefix();
    let workspace = Workspace::new(&amqp, &prefix, 1, Some(&store));
    let text = std::fs::read_to_string(workspace.config()).unwrap();
    std::fs::write(workspace.config(), text.replace("[store]\n", "[store]\nstatement_timeout_s = 1\n"))
        .unwrap();
    assert!(workspace.smista(&["topology", "apply"]).status.success());

    let mut worker = workspace.worker("early");
    until("it waits", || worker.log().contains("waiting for it")).await;
    let mut ledger = Ledger::open(&amqp, &prefix).await;
    ledger.publish("c1", "m1", "where is my parcel?", "2026-03-02T09:00:00Z").await;
    proxy.set(Mode::Pass);
    ledger.read(1, 0, Duration::from_secs(30)).await;
    ledger.assert_complete_and_in_order();
    assert_eq!(worker.terminate(Duration::from_secs(30)), Some(0), "{}", worker.log());
    assert_eq!(worker.decided(), 1);

    // And one that is told to stop while it waits stops.
    proxy.set(Mode::Cut);
    let mut waiting = workspace.worker("waiting");
    until("it waits", || waiting.log().contains("waiting for it")).await;
    assert_eq!(waiting.terminate(Duration::from_secs(30)), Some(0), "{}", waiting.log());
}
