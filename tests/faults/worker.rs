//! Rows 1 to 4, 19, 21 and 22: workers that stop and die, and messages that are slow or deadly.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::bench::{Db, Setup};
use crate::support::ledger::Book;
use crate::support::servers::Rabbit;
use crate::support::verdict::{Verdict, percentile};
use crate::support::{by_form, millis, seconds};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_01_no_fault() {
    let setup = Setup {
        shards: 4,
        ..Setup::of(1, "none: two workers", "one effect each; the 99th percentile is recorded")
    };
    let Some(bench) = setup.open().await else { return };
    let mut workers = vec![bench.worker("one"), bench.worker("two")];
    for worker in &mut workers {
        worker.ready().await;
    }
    let count = by_form(600, 10_000);
    let started = Instant::now();
    bench.load(count, 200).await;
    bench.ledger().until(by_form(seconds(200), seconds(1800)), "all decided", Book::is_settled).await;
    let rate = count as f64 / started.elapsed().as_secs_f64();
    let mut verdict = Verdict::of(format!("{count} messages of 200 customers, 4 shards"));
    let latencies = bench.ledger().look(Book::latencies_ms);
    verdict.figure("p50_ms", percentile(&latencies, 0.5).round());
    verdict.figure("p99_ms", percentile(&latencies, 0.99).round());
    verdict.figure("messages_per_second", rate.round());
    bench.close(workers, verdict).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_02_sigterm_in_mid_inference() {
    let setup = Setup::of(2, "SIGTERM in mid-inference", "exits 0 within 30 s; nothing decided twice");
    let Some(bench) = setup.open().await else { return };
    let mut first = bench.failing_worker("first", "infer~in the middle=sleep:3000");
    first.ready().await;
    bench.load(50, 10).await;
    bench.load_text(1, 10, "this one is in the middle of it").await;
    bench.load(49, 10).await;
    bench.ledger().until(seconds(30), "work under way", |book| book.first.len() >= 30).await;
    tokio::time::sleep(millis(500)).await;
    let second = bench.worker("second");
    let (code, took) = first.terminate(seconds(60)).await;
    let mut verdict = Verdict::of("100 messages, one of them 3 s in the engine; SIGTERM meanwhile");
    verdict.require(code == Some(0), format!("exit code {code:?}"));
    verdict.within("stopped", took, seconds(30));
    verdict.copies_allowed = Some(0);
    bench.close(vec![second], verdict).await;
}

/// The longest wait of a message sent around a moment.
fn longest_wait(book: &Book, since: Instant, until: Instant) -> Duration {
    book.first
        .iter()
        .filter_map(|(id, first)| {
            let sent = *book.sent.get(id)?;
            (since..until).contains(&sent).then(|| first.at.saturating_duration_since(sent))
        })
        .max()
        .unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_03_kill_9_again_and_again() {
    let setup = Setup {
        shards: 4,
        db: Db::Postgres,
        ..Setup::of(
            3,
            "worker kill -9",
            "messages analysed again ≤ prefetch per kill and queue; another takes over within 1 s",
        )
    }
    .set("SMISTA_BROKER__PREFETCH", 16);
    let Some(bench) = setup.open().await else { return };
    let notes = bench.folder().join("analysed");
    let failpoints = format!("analyse=note:{}", notes.display());
    let mut workers = vec![bench.failing_worker("a0", &failpoints), bench.failing_worker("b0", &failpoints)];
    for worker in &mut workers {
        worker.ready().await;
    }
    // So few that a busy machine keeps up: what is measured is the taking over, not a backlog.
    let load = bench.keep_loading(10, 200);
    let kills = by_form(3, 50);
    let mut verdict = Verdict::of(format!("{kills} kills of one of two workers under 10 messages a second"));
    let mut waits = Vec::new();
    for kill in 0..kills {
        tokio::time::sleep(seconds(2)).await;
        let at = Instant::now();
        let mut victim = workers.remove(0);
        victim.kill();
        drop(victim);
        // A supervisor starts it again after a while.
        tokio::time::sleep(millis(1500)).await;
        let mut next = bench.failing_worker(&format!("w{}", kill + 1), &failpoints);
        next.ready().await;
        workers.push(next);
        tokio::time::sleep(millis(500)).await;
        let window = (at.checked_sub(millis(300)).unwrap(), at + seconds(1));
        bench
            .ledger()
            .until(seconds(30), "messages around the kill decided", |book| {
                let open: HashSet<&str> = book.open().into_iter().collect();
                !book
                    .sent
                    .iter()
                    .any(|(id, sent)| open.contains(id.as_str()) && (window.0..window.1).contains(sent))
            })
            .await;
        waits.push(bench.ledger().look(|book| longest_wait(book, window.0, window.1)));
    }
    load.stop().await;
    bench.ledger().until(seconds(60), "all decided", Book::is_settled).await;
    waits.sort();
    verdict.figure("median_wait_s", waits[waits.len() / 2].as_secs_f64());
    verdict.within("longest wait", *waits.last().unwrap(), seconds(1));
    let analysed = std::fs::read_to_string(&notes).unwrap_or_default();
    let once: HashSet<&str> = analysed.lines().collect();
    let again = analysed.lines().count() - once.len();
    verdict.figure("analysed_again", again);
    verdict.require(again <= kills * 16 * 4, format!("{again} analysed again"));
    verdict.require(once.len() == bench.ledger().look(Book::count), "an input was never analysed");
    bench.close(workers, verdict).await;
}

async fn killed_after_each_step(part: &'static str, db: Db) {
    let mut setup = Setup {
        shards: 1,
        db,
        ..Setup::of(
            4,
            "kill -9 after each step",
            "at most one copy of a decision per kill, under the same id",
        )
    }
    .set("SMISTA_WORKER__LANES", 1);
    setup.row.part = part;
    let Some(bench) = setup.open().await else { return };
    let steps = ["receive", "analyse", "commit", "publish", "confirm", "mark", "ack"];
    let mut verdict = Verdict::of(format!(
        "killed after each of {}, 20 messages each; {}",
        steps.join(", "),
        if db == Db::Sqlite { "SQLite" } else { "PostgreSQL" }
    ));
    let mut copies = 0;
    for step in steps {
        let mut victim = bench.failing_worker(step, &format!("{step}@5=kill"));
        bench.load(20, 5).await;
        let status = victim.ended(seconds(30)).await;
        verdict.require(status.is_some_and(|status| !status.success()), format!("{step}: it did not die"));
        let mut heir = bench.worker("heir");
        bench.ledger().until(seconds(60), step, Book::is_settled).await;
        let (code, _) = heir.terminate(seconds(30)).await;
        verdict.require(code == Some(0), format!("{step}: the heir ended with {code:?}"));
        let now = bench.ledger().look(|book| book.again);
        verdict.require(now - copies <= 1, format!("{step}: {} copies", now - copies));
        copies = now;
    }
    verdict.figure("copies", copies);
    bench.close(Vec::new(), verdict).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_04_killed_after_each_step_on_sqlite() {
    killed_after_each_step("a", Db::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_04_killed_after_each_step_on_postgresql() {
    killed_after_each_step("b", Db::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_19_an_item_slower_than_the_consumer_timeout_of_an_own_broker() {
    let setup = Setup {
        shards: 1,
        rabbit: Some(Arc::new(tokio::task::block_in_place(Rabbit::start))),
        ..Setup::of(
            19,
            "an item slower than the broker's consumer timeout",
            "only that item comes again, and not for ever",
        )
    };
    let Some(bench) = setup.open().await else { return };
    // The broker looks at its consumers once per tick.
    bench.rabbit().ctl(
        "eval 'application:set_env(rabbit, consumer_timeout, 4000), application:set_env(rabbit, channel_tick_interval, 500).'",
    );
    let notes = bench.folder().join("received");
    let failpoints = format!("receive=note:{};analyse~m000025*1=sleep:7000", notes.display());
    let mut worker = bench.failing_worker("worker", &failpoints);
    worker.ready().await;
    let count = 60;
    bench.load(count, 20).await;
    bench.ledger().until(seconds(60), "all decided", Book::is_settled).await;
    tokio::time::sleep(seconds(5)).await;
    let received = std::fs::read_to_string(&notes).unwrap_or_default();
    let times = |id: &str| received.lines().filter(|line| line.ends_with(id)).count();
    let slow = times("m000025");
    let mut verdict = Verdict::of("60 messages, one of them 7 s at work with a consumer timeout of 4 s");
    verdict.figure("slow_item_received", slow);
    verdict.require(slow >= 2, "the timeout did not come: the row shows nothing");
    verdict.require(slow <= 3, format!("the slow item was received {slow} times"));
    // Messages of the same customer wait behind it unacked, so the broker takes them back with it.
    let others = (0..count).filter(|n| n % 20 != 5).map(|n| times(&format!("m{n:06}"))).max();
    verdict.require(others == Some(1), format!("another item was received {others:?} times"));
    verdict.copies_allowed = Some(0);
    bench.close(vec![worker], verdict).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_21_a_message_that_kills_the_process() {
    let mut setup = Setup {
        shards: 1,
        ..Setup::of(21, "messages that kill the process", "parked; their neighbours are not")
    };
    setup.row.part = "a";
    let Some(bench) = setup.open().await else { return };
    bench.load(30, 10).await;
    let mut poison = Vec::new();
    for _ in 0..4 {
        poison.extend(bench.load_text(1, 10, "a deadly message").await);
        bench.load(10, 10).await;
    }
    bench.load(30, 10).await;
    let mut starts = 0;
    let mut worker = bench.failing_worker("w0", "infer~deadly message=kill");
    let parked = Book::is_settled;
    // As a supervisor does: whenever it died, again.
    let until = Instant::now() + seconds(120);
    while !bench.ledger().look(parked) && Instant::now() < until {
        if worker.ended(millis(200)).await.is_some() {
            starts += 1;
            worker = bench.failing_worker(&format!("w{starts}"), "infer~deadly message=kill");
        }
    }
    let mut verdict =
        Verdict::of("4 deadly messages among 100 others in one queue; the worker started again each time");
    verdict.figure("deaths", starts);
    let classes = bench.ledger().look(|book| book.parked.clone());
    verdict.parked = poison
        .into_iter()
        .map(|id| {
            let by_worker = classes.iter().any(|parked| parked.id == id && parked.class == "kills_worker");
            (id, if by_worker { "kills_worker" } else { "broker" })
        })
        .collect();
    bench.close(vec![worker], verdict).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_22_a_failure_that_passes() {
    let setup = Setup {
        shards: 1,
        ..Setup::of(
            22,
            "a failure that passes after three tries, prefetch 16",
            "the pauses between tries grow; order kept",
        )
    }
    .set("SMISTA_BROKER__PREFETCH", 16);
    let Some(bench) = setup.open().await else { return };
    let mut worker = bench.failing_worker("worker", "infer~passing trouble*3=fail");
    worker.ready().await;
    bench.load(20, 5).await;
    let late = bench.load_text(1, 5, "a passing trouble").await;
    bench.load(79, 5).await;
    bench.ledger().until(seconds(60), "all decided", Book::is_settled).await;
    let (code, _) = worker.terminate(seconds(30)).await;
    let log = worker.log();
    let tries: Vec<&str> =
        log.lines().filter(|line| line.contains(&late[0]) && line.contains("analyse")).collect();
    let waited = bench.ledger().look(|book| book.first[&late[0]].at - book.sent[&late[0]]);
    let mut verdict = Verdict::of("100 messages of 5 customers, one failing three times");
    verdict.require(code == Some(0), format!("exit code {code:?}"));
    verdict.require(tries.len() == 3, format!("{} failed tries in the log", tries.len()));
    // 100, 200 and 400 ms.
    verdict.require(waited >= millis(700), format!("decided after {waited:?}, without the pauses"));
    verdict.figure("decided_after_s", waited.as_secs_f64());
    verdict.copies_allowed = Some(0);
    bench.close(Vec::new(), verdict).await;
}
