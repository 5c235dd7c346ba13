//! Rows 5 to 7 and 13 to 17: what the broker does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lapin::options::{QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};

use crate::support::bench::{Bench, Setup};
use crate::support::ledger::{Book, now};
use crate::support::process::Worker;
use crate::support::servers::Rabbit;
use crate::support::verdict::Verdict;
use crate::support::{by_form, millis, seconds};

/// A broker of the row's own.
async fn with_own_broker(setup: Setup, failpoints: &str) -> Option<(Bench, Worker)> {
    let rabbit = Some(Arc::new(tokio::task::block_in_place(Rabbit::start)));
    let bench = Setup { rabbit, ..setup }.open().await?;
    let mut worker = bench.failing_worker("worker", failpoints);
    worker.ready().await;
    Some((bench, worker))
}

/// Takes the broker away and brings it back, under load; the time from its port to the next decision is the recovery.
async fn goes_and_comes(setup: Setup, times: usize, pause: Duration, go: impl Fn(&Bench), what: &str) {
    let Some((bench, mut worker)) = with_own_broker(setup, "").await else { return };
    // RabbitMQ loses the state of a quorum queue declared in the last moments before a kill -9: it comes back empty and
    // without a leader, for good. Queues that have been there for a while come back.
    tokio::time::sleep(seconds(6)).await;
    let load = bench.keep_loading(20, 100);
    let mut verdict =
        Verdict::of(format!("{times} times {what}, away for {} s, 20 messages a second", pause.as_secs()));
    for _ in 0..times {
        bench.ledger().decided_after(now(), seconds(60)).await;
        tokio::task::block_in_place(|| go(&bench));
        let gone = now();
        worker.broker_is(|ok, _| !ok, seconds(20)).await;
        tokio::time::sleep(pause.saturating_sub(gone.0.elapsed())).await;
        let opened = bench.rabbit().restart_and_time().await;
        let back = bench.ledger().decided_after(gone, seconds(120)).await;
        // Counted from the fault; the broker's own start is not the worker's.
        let recovery = back.saturating_sub(opened - gone.0);
        verdict.recovered(recovery, seconds(10));
    }
    worker.ready().await;
    load.stop().await;
    bench.close(vec![worker], verdict).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_05_graceful_restart_of_an_own_broker() {
    let setup = Setup::of(5, "graceful broker restart", "working within 10 s of its port opening");
    goes_and_comes(setup, by_form(1, 10), seconds(1), |bench| bench.rabbit().stop(), "stopped").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_06_kill_9_of_an_own_broker() {
    let setup = Setup::of(6, "broker kill -9", "working within 10 s of its port opening");
    goes_and_comes(setup, by_form(2, 20), seconds(0), |bench| bench.rabbit().kill(), "killed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_07_an_own_broker_away_for_long() {
    let setup = Setup::of(7, "broker away for minutes", "reconnects unaided");
    let away = by_form(seconds(15), seconds(300));
    goes_and_comes(setup, 1, away, |bench| bench.rabbit().stop(), "stopped").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_13_an_own_broker_stands_still() {
    let setup = Setup::of(
        13,
        "broker stopped (SIGSTOP)",
        "the confirm timeout fires; working within 10 s of its waking",
    );
    // Every message waits a moment before it is published, so that there is always one to be confirmed.
    let Some((bench, mut worker)) = with_own_broker(setup, "commit=sleep:500").await else { return };
    let load = bench.keep_loading(20, 100);
    bench.ledger().decided_after(now(), seconds(60)).await;
    let stand = by_form(seconds(16), seconds(60));
    bench.rabbit().signal("-STOP");
    let started = Instant::now();
    let noticed = worker.broker_is(|ok, _| !ok, seconds(40)).await;
    tokio::time::sleep(stand.saturating_sub(started.elapsed())).await;
    let awake = now();
    bench.rabbit().signal("-CONT");
    let back = bench.ledger().decided_after(awake, seconds(120)).await;
    let mut verdict =
        Verdict::of(format!("its process stopped for {} s, 20 messages a second", stand.as_secs()));
    verdict.recovered(back, seconds(10));
    verdict.figure("noticed_after_s", noticed.as_secs_f64());
    let log = worker.log();
    verdict.require(log.contains("no confirm within"), "the confirm timeout did not fire");
    load.stop().await;
    bench.close(vec![worker], verdict).await;
}

/// An alarm blocks publishers; a message whose decision was confirmed before is acked all the same.
async fn alarm(row: u8, fault: &'static str, raise: &str, clear: &str) {
    const COUNT: usize = 20;
    let setup = Setup {
        shards: 1,
        rabbit: Some(Arc::new(tokio::task::block_in_place(Rabbit::start))),
        ..Setup::of(row, fault, "acks go on; \"blocked\" is shown; resumes within 5 s")
    };
    let Some(bench) = setup.open().await else { return };
    // The first message is confirmed, and acked only when the alarm is up; the others come to publishing while it is.
    let file = bench.folder().join("alarmed");
    let mut worker = bench
        .failing_worker("worker", &format!("mark~m000000=while:{0};analyse@2=while:{0}", file.display()));
    worker.ready().await;
    std::fs::write(&file, "").unwrap();
    bench.load(1, COUNT).await;
    bench.ledger().until(seconds(60), "the first decision", |book| book.first.len() == 1).await;
    bench.load(COUNT - 1, COUNT).await;
    tokio::task::block_in_place(|| bench.rabbit().ctl(raise));
    let raised = Instant::now();
    std::fs::remove_file(&file).unwrap();
    worker.broker_is(|ok, detail| !ok && detail.starts_with("blocked"), seconds(60)).await;
    let mut verdict = Verdict::of(format!("{fault}, with {COUNT} messages under way"));
    verdict.figure("shown_after_s", raised.elapsed().as_secs_f64());
    // The broker counts a quorum queue only every few seconds.
    let unsettled = || {
        let lines = bench.rabbit().ctl("list_queues name messages");
        let input = lines.lines().find(|line| line.contains("interactions.0")).unwrap_or_default().to_owned();
        input.rsplit(['\t', ' ']).next().and_then(|count| count.parse::<usize>().ok())
    };
    let patience = Instant::now() + seconds(60);
    let (decided, left) = loop {
        let decided = bench.ledger().look(|book| book.first.len());
        let left = tokio::task::block_in_place(unsettled);
        if left == Some(COUNT - decided) || Instant::now() > patience {
            break (decided, left);
        }
        tokio::time::sleep(millis(500)).await;
    };
    verdict.require(
        left == Some(COUNT - decided),
        format!("{left:?} unsettled of {COUNT} with {decided} decided: acks do not go on"),
    );
    verdict.require(decided < COUNT, "everything was published before the alarm: the row shows nothing");
    verdict.require(worker.metric("smista_broker_up") == 0.0, "the metric does not show it");
    // Longer than a confirm may take: what waits has been tried again and again.
    tokio::time::sleep(by_form(seconds(12), seconds(60)).saturating_sub(raised.elapsed())).await;
    let (told, told_utc) = now();
    tokio::task::block_in_place(|| bench.rabbit().ctl(clear));
    bench.ledger().until(seconds(60), "all decided", Book::is_settled).await;
    // The command takes seconds of its own, and the broker looks at its memory only now and then.
    let cleared = bench.rabbit().logged("alarm cleared").await;
    let cleared = told + (cleared - told_utc).to_std().unwrap_or_default();
    let last = bench.ledger().look(|book| book.first.values().map(|first| first.at).max()).unwrap();
    verdict.figure("held_back", COUNT - decided);
    verdict.recovered(last.saturating_duration_since(cleared), seconds(5));
    let log = worker.log();
    verdict.require(log.contains("blocked"), "the log does not show it");
    bench.close(vec![worker], verdict).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_14_memory_alarm_of_an_own_broker() {
    let raise = "set_vm_memory_high_watermark 0.00000001";
    alarm(14, "memory alarm", raise, "set_vm_memory_high_watermark 0.4").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_15_disk_alarm_of_an_own_broker() {
    alarm(15, "disk alarm", "set_disk_free_limit 1000000GB", "set_disk_free_limit 50MB").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_16_output_queue_full() {
    let setup =
        Setup::of(16, "output queue full (reject-publish)", "the refusal is handled; the input is not acked");
    let Some(bench) = setup.open().await else { return };
    let (_admin, channel) = bench.channel().await;
    let full = format!("{}.full", bench.prefix);
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(5));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    channel
        .queue_declare(
            full.as_str().into(),
            QueueDeclareOptions { durable: true, ..Default::default() },
            arguments,
        )
        .await
        .unwrap();
    let exchange = format!("{}.decisions", bench.prefix);
    channel
        .queue_bind(
            full.as_str().into(),
            exchange.into(),
            "#".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await
        .unwrap();
    bench.load(60, 20).await;
    let mut worker = bench.worker("worker");
    worker.ready().await;
    let mut verdict =
        Verdict::of("60 messages; a second queue takes 5 decisions and refuses the rest for some seconds");
    let refused = worker.says("refused the message", seconds(60)).await;
    verdict.require(refused, "the refusal is not in the log");
    tokio::time::sleep(by_form(seconds(3), seconds(60))).await;
    let acked = worker.metric("smista_decided_total");
    // Past its limit a queue may take a few more before it refuses.
    verdict.require(acked < 30.0, format!("{acked} of 60 acked though the queue takes 5"));
    verdict.figure("acked_while_full", acked);
    let freed = now();
    bench.delete_queue("full").await;
    verdict.recovered(bench.ledger().decided_after(freed, seconds(60)).await.max(millis(1)), seconds(10));
    bench.close(vec![worker], verdict).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_17_nobody_bound() {
    let mut setup = Setup {
        bound: false,
        ..Setup::of(17, "output exchange bound to nothing", "caught by the alternate exchange")
    };
    setup.row.part = "a";
    let Some(bench) = setup.open().await else { return };
    let mut worker = bench.worker("worker");
    worker.ready().await;
    bench.load(60, 20).await;
    let mut verdict =
        Verdict::of("60 decisions nobody had bound, all read from the queue behind the alternate exchange");
    verdict.copies_allowed = Some(0);
    bench.close(vec![worker], verdict).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_17_nobody_bound_and_no_alternate() {
    let setup = {
        let mut setup = Setup::of(
            17,
            "output exchange bound to nothing, alternate queue gone",
            "held, never acked as done",
        );
        setup.row.part = "b";
        setup
    };
    let Some(bench) = setup.open().await else { return };
    let mut worker = bench.worker("worker");
    worker.ready().await;
    bench.delete_queue("unrouted").await;
    let (_admin, channel) = bench.channel().await;
    let (queue, exchange) =
        (format!("{}.test.decisions", bench.prefix), format!("{}.decisions", bench.prefix));
    channel
        .queue_unbind(queue.as_str().into(), exchange.as_str().into(), "#".into(), FieldTable::default())
        .await
        .unwrap();
    bench.load(60, 20).await;
    let mut verdict = Verdict::of("60 messages while nothing took decisions");
    verdict.require(worker.says("no queue takes", seconds(60)).await, "it is not in the log");
    tokio::time::sleep(by_form(seconds(3), seconds(60))).await;
    let acked = worker.metric("smista_decided_total") + worker.metric("smista_parked_total");
    verdict.require(acked == 0.0, format!("{acked} acked though their decisions went nowhere"));
    let bound = now();
    channel
        .queue_bind(
            queue.into(),
            exchange.into(),
            "#".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await
        .unwrap();
    // After the ledger's queue, or the alternate one takes what is repeated in between.
    bench.apply();
    bench.ledger().until(seconds(60), "all decided", Book::is_settled).await;
    verdict.recovered(bound.0.elapsed(), seconds(20));
    bench.close(vec![worker], verdict).await;
}
