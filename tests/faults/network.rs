//! Rows 8 to 12 and 18: what the line between worker and broker does.

use crate::support::bench::{Bench, Setup};
use crate::support::ledger::{Book, now};
use crate::support::process::Worker;
use crate::support::proxy::{Line, Way};
use crate::support::verdict::{Verdict, percentile};
use crate::support::{by_form, millis, seconds};

const PUBLISH: Option<&str> = Some("smista publish");
const CONSUME: Option<&str> = Some("smista consume");

async fn through_proxy(setup: Setup) -> Option<(Bench, Worker)> {
    let bench = Setup { proxied: true, ..setup }.open().await?;
    let mut worker = bench.worker("worker");
    worker.ready().await;
    Some((bench, worker))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_08_reset_between_publish_and_confirm() {
    let setup =
        Setup::of(8, "reset between publish and confirm", "published again under the same id; one effect");
    let Some((bench, worker)) = through_proxy(setup).await else { return };
    let rounds = by_form(5, 50);
    for round in 0..rounds {
        bench.load(10, 10).await;
        bench.ledger().until(seconds(60), "all decided", Book::is_settled).await;
        // Confirms of these are on their way, and later messages of a customer wait for them.
        tokio::time::sleep(seconds(1)).await;
        // The broker takes the decision; its confirm does not arrive.
        bench.proxy().set(Line {
            down: Way { silent: true, ..Way::default() },
            only: PUBLISH,
            ..Line::default()
        });
        bench.load(1, 10).await;
        bench.ledger().until(seconds(30), "the decision", Book::is_settled).await;
        bench.proxy().reset(PUBLISH);
        // The confirm must not slip through before the reset.
        tokio::time::sleep(millis(300)).await;
        bench.proxy().set(Line::default());
        bench.ledger().until(seconds(30), "the decision again", |book| book.again > round).await;
    }
    let mut verdict =
        Verdict::of(format!("{rounds} resets, each with one decision published and not confirmed"));
    verdict.copies_allowed = Some(rounds);
    bench.close(vec![worker], verdict).await;
}

async fn silence(part: &'static str, setup: Setup, line: Line, what: &str) {
    let mut setup = setup;
    setup.row.part = part;
    let Some((bench, mut worker)) = through_proxy(setup).await else { return };
    bench.load(30, 30).await;
    let load = bench.keep_loading(10, 100);
    bench.ledger().until(seconds(60), "work", |book| book.first.len() >= 30).await;
    let mut verdict = Verdict::of(format!("{what}, with 10 messages a second"));
    let rounds = by_form(1, 5);
    let mut noticed = seconds(0);
    for _ in 0..rounds {
        bench.proxy().set(line);
        noticed = noticed.max(worker.broker_is(|ok, _| !ok, seconds(60)).await);
        let healed = now();
        bench.proxy().set(Line::default());
        let back = bench.ledger().decided_after(healed, seconds(60)).await;
        verdict.recovered(back, seconds(20));
        worker.ready().await;
        tokio::time::sleep(seconds(2)).await;
    }
    load.stop().await;
    verdict.within("noticed", noticed, seconds(20));
    bench.close(vec![worker], verdict).await;
}

fn silent() -> Way {
    Way { silent: true, ..Way::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_09_silence_both_ways() {
    let setup = Setup::of(9, "blackhole both ways", "noticed within 20 s");
    silence(
        "",
        setup,
        Line { up: silent(), down: silent(), only: None },
        "nothing passes in either direction",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_10_silence_from_the_broker() {
    let setup = Setup::of(10, "blackhole one way: from the broker", "noticed within 20 s");
    silence("a", setup, Line { down: silent(), ..Line::default() }, "nothing comes from the broker").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_10_silence_to_the_broker() {
    let setup = Setup::of(10, "blackhole one way: to the broker", "noticed within 20 s");
    silence("b", setup, Line { up: silent(), ..Line::default() }, "nothing reaches the broker").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_10_silence_to_the_broker_for_acks_only() {
    let setup = Setup::of(
        10,
        "blackhole one way: acks and heartbeats of the consuming connection",
        "noticed within 20 s",
    );
    let line = Line { up: silent(), only: CONSUME, ..Line::default() };
    silence("c", setup, line, "no ack reaches the broker, publishing works").await;
}

/// What a line is asked to hold. Little bandwidth may cost a connection, when a busy machine makes a reply late.
#[derive(PartialEq)]
enum Holds {
    Connections,
    Parsing,
}

async fn slow_line(setup: Setup, line: Line, what: &str, count: usize, holds: Holds) {
    let Some((bench, mut worker)) = through_proxy(setup).await else { return };
    let before = bench.proxy().accepted();
    bench.proxy().set(line);
    bench.load(count, 100).await;
    bench.ledger().until(by_form(seconds(200), seconds(1800)), "all decided", Book::is_settled).await;
    // Acked, too: nobody is left afterwards to do it.
    let until = std::time::Instant::now() + seconds(120);
    while worker.metric("smista_decided_total") < count as f64 && std::time::Instant::now() < until {
        tokio::time::sleep(millis(200)).await;
    }
    // Long enough for a heartbeat to be missed.
    let quiet = by_form(seconds(5), seconds(60));
    tokio::time::sleep(quiet).await;
    let mut verdict = Verdict::of(format!("{count} messages over {what}"));
    let lost = bench.proxy().accepted() - before;
    verdict.figure("reconnects", lost);
    if holds == Holds::Connections {
        verdict.require(lost == 0, format!("{lost} connections were made again"));
        verdict.copies_allowed = Some(0);
    }
    verdict.require(worker.health("broker").0, "the broker is not connected at the end");
    let (code, _) = worker.terminate(seconds(60)).await;
    verdict.require(code == Some(0), format!("the worker ended with {code:?}"));
    let log = worker.log();
    let fault = log.lines().find(|line| {
        line.to_lowercase().contains("pars")
            || (holds == Holds::Connections && line.contains("broker not available"))
    });
    verdict.require(fault.is_none(), format!("in the log: {fault:?}"));
    let latencies = bench.ledger().look(Book::latencies_ms);
    verdict.figure("p99_ms", percentile(&latencies, 0.99).round());
    bench.proxy().set(Line::default());
    bench.close(Vec::new(), verdict).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_11_latency_with_jitter() {
    let way = Way { latency: millis(500), jitter: millis(300), ..Way::default() };
    let setup = Setup::of(11, "500 ± 300 ms latency", "no disconnect");
    slow_line(
        setup,
        Line { up: way, down: way, only: None },
        "a line of 500 ± 300 ms each way",
        by_form(200, 3000),
        Holds::Connections,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_12_little_bandwidth_in_tiny_slices() {
    let way = Way { bytes_per_second: Some(16_000), slice: Some(1), ..Way::default() };
    let setup = Setup::of(12, "16 KB/s in slices of one byte", "no parse error");
    slow_line(
        setup,
        Line { up: way, down: way, only: None },
        "16 KB/s, byte by byte",
        by_form(40, 1000),
        Holds::Parsing,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_18_the_same_ack_twice() {
    let mut setup = Setup::of(18, "the same ack twice", "the channel is made again within 5 s");
    setup.row.part = "a";
    let Some((bench, worker)) = through_proxy(setup).await else { return };
    let mut verdict = Verdict::default();
    let rounds = by_form(3, 20);
    for _ in 0..rounds {
        bench.proxy().double_next_ack();
        bench.load(30, 30).await;
        let acked = bench.ledger().until(seconds(30), "work", Book::is_settled).await;
        assert!(acked < seconds(30));
        for _ in 0..200 {
            if bench.proxy().ack_was_doubled() {
                break;
            }
            tokio::time::sleep(millis(50)).await;
        }
        verdict.require(bench.proxy().ack_was_doubled(), "no ack was sent twice: the row shows nothing");
        let after = now();
        bench.load(1, 30).await;
        verdict.recovered(bench.ledger().decided_after(after, seconds(60)).await, seconds(5));
    }
    verdict.done = format!("{rounds} times an ack repeated on the line, among 30 messages each");
    let log = worker.log();
    verdict.require(log.contains("unknown delivery tag"), "the broker's complaint is not in the log");
    bench.close(vec![worker], verdict).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_18_an_input_queue_is_deleted() {
    let mut setup =
        Setup::of(18, "an input queue is deleted", "a clear alarm; working within 5 s of its return");
    setup.row.part = "b";
    let Some(bench) = setup.open().await else { return };
    let mut worker = bench.worker("worker");
    worker.ready().await;
    bench.load(40, 20).await;
    bench.ledger().until(seconds(60), "all decided", Book::is_settled).await;
    // Acks are on their way.
    tokio::time::sleep(seconds(1)).await;
    bench.delete_queue("interactions.1").await;
    let mut verdict = Verdict::of("one of two input queues deleted and declared again");
    let name = format!("{}.interactions.1", bench.prefix);
    let seen = worker
        .broker_is(|ok, detail| !ok && detail.contains("topology") && detail.contains(&name), seconds(30));
    verdict.figure("alarm_after_s", seen.await.as_secs_f64());
    bench.apply();
    let back = worker.broker_is(|ok, _| ok, seconds(60)).await;
    verdict.recovered(back, seconds(5));
    bench.load(40, 20).await;
    verdict.copies_allowed = Some(0);
    bench.close(vec![worker], verdict).await;
}
