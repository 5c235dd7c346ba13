//! Rows 21b and 23: work that goes from one worker to another, and from one set of queues to another.

use std::process::{Command, Stdio};

use crate::support::bench::{Bench, Db, Setup};
use crate::support::process::Worker;
use crate::support::verdict::Verdict;
use crate::support::{by_form, millis, seconds};

async fn add(bench: &Bench, workers: &mut Vec<Worker>, name: &str) {
    let mut worker = bench.worker(name);
    worker.ready().await;
    workers.push(worker);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_23_workers_come_and_go() {
    let mut setup = Setup {
        shards: 4,
        db: Db::Postgres,
        ..Setup::of(
            23,
            "workers 2 → 3 → 1 under load",
            "no write by a stale worker: every state follows from the one before",
        )
    };
    setup.row.part = "a";
    let Some(bench) = setup.open().await else { return };
    let mut workers = Vec::new();
    add(&bench, &mut workers, "one").await;
    add(&bench, &mut workers, "two").await;
    let load = bench.keep_loading(30, 200);
    let pause = by_form(seconds(3), seconds(20));
    let rounds = by_form(1, 10);
    let mut verdict =
        Verdict::of(format!("{rounds} times, 30 messages a second, every {} s", pause.as_secs()));
    for round in 0..rounds {
        tokio::time::sleep(pause).await;
        add(&bench, &mut workers, &format!("three{round}")).await;
        tokio::time::sleep(pause).await;
        for _ in 0..2 {
            let (code, _) = workers.remove(0).terminate(seconds(30)).await;
            verdict.require(code == Some(0), format!("a leaving worker ended with {code:?}"));
        }
        tokio::time::sleep(pause).await;
        if round + 1 < rounds {
            add(&bench, &mut workers, &format!("two{round}")).await;
        }
    }
    load.stop().await;
    verdict.copies_allowed = Some(0);
    bench.close(workers, verdict).await;
}

/// `smista topology reshard --wait`, until its end.
async fn reshard(mut command: Command, limit: std::time::Duration) -> Result<(), String> {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let until = std::time::Instant::now() + limit;
    while std::time::Instant::now() < until && child.try_wait().unwrap().is_none() {
        tokio::time::sleep(millis(100)).await;
    }
    let _ = child.kill();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(text) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_23_reshard_under_load() {
    let mut setup = Setup {
        db: Db::Postgres,
        ..Setup::of(
            23,
            "from 2 input queues to 4 under load, workers coming, going and dying meanwhile",
            "no write by a stale worker; nothing is left in the former queues",
        )
    };
    setup.row.part = "b";
    let Some(mut bench) = setup.open().await else { return };
    let new = [("SMISTA_BROKER__SHARDS", "4"), ("SMISTA_BROKER__GENERATION", "1")];
    let mut old = vec![bench.worker("old-one"), bench.worker("old-two")];
    for worker in &mut old {
        worker.ready().await;
    }
    let load = bench.keep_loading(30, 200);
    tokio::time::sleep(seconds(2)).await;
    let mut command = bench.command();
    command.args(["topology", "reshard", "--wait", "--shards", "4"]);
    let resharding = tokio::spawn(reshard(command, seconds(180)));
    let spread = format!("{}.interactions.g1.0", bench.prefix);
    // Once the new queues are there, one worker dies and one of the new configuration comes.
    while bench.depth("interactions.g1.0").await.is_none() {
        assert!(!resharding.is_finished(), "no queue {spread}: {:?}", resharding.await);
        tokio::time::sleep(millis(100)).await;
    }
    let mut verdict = Verdict::of(
        "30 messages a second; while it goes on one worker is killed, one stopped, two of the new configuration come",
    );
    drop(old.pop());
    let mut workers = vec![bench.worker_with("new-one", &new)];
    tokio::time::sleep(by_form(seconds(2), seconds(20))).await;
    let (code, _) = old.remove(0).terminate(seconds(60)).await;
    verdict.require(code == Some(0), format!("the leaving worker ended with {code:?}"));
    workers.push(bench.worker_with("new-two", &new));
    let resharded = resharding.await.unwrap();
    verdict.require(resharded.is_ok(), format!("resharding failed: {resharded:?}"));
    for worker in &mut workers {
        worker.ready().await;
    }
    tokio::time::sleep(by_form(seconds(3), seconds(20))).await;
    load.stop().await;
    for queue in ["interactions.0", "interactions.1"] {
        verdict.require(bench.depth(queue).await.is_none(), format!("{queue} is still there"));
    }
    bench.input_queues = (0..4).map(|shard| format!("interactions.g1.{shard}")).collect();
    bench.close(workers, verdict).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_21_a_worker_that_only_lost_its_line_is_not_dead() {
    let mut setup = Setup {
        shards: 1,
        proxied: true,
        ..Setup::of(
            21,
            "a worker loses its connection while it has a suspected message alone at work",
            "the next worker waits for it: decided, not parked",
        )
    };
    setup.row.part = "b";
    let Some(bench) = setup.open().await else { return };
    bench.load(5, 10).await;
    let suspect = bench.load_text(1, 10, "a suspected message").await.remove(0);
    bench.load(5, 10).await;
    for name in ["first", "second"] {
        let mut victim = bench.failing_worker(name, "infer~suspected=kill");
        assert!(victim.ended(seconds(60)).await.is_some(), "the {name} worker did not die");
    }
    let (file, notes) = (bench.folder().join("at-it"), bench.folder().join("inferred"));
    std::fs::write(&file, "").unwrap();
    let failpoints =
        format!("infer~suspected=note:{};infer~suspected=while:{}", notes.display(), file.display());
    let mut holder = bench.failing_worker("holder", &failpoints);
    holder.ready().await;
    let until = std::time::Instant::now() + seconds(60);
    while !notes.exists() {
        assert!(std::time::Instant::now() < until, "the suspected message was not taken on");
        tokio::time::sleep(millis(50)).await;
    }
    let received = bench.folder().join("received");
    let note = format!("receive~{suspect}=note:{}", received.display());
    let mut next =
        bench.worker_with("next", &[("SMISTA_BROKER__URL", &bench.url), ("SMISTA_FAILPOINTS", &note)]);
    next.ready().await;
    bench.proxy().reset(Some("smista consume"));
    while !received.exists() {
        assert!(std::time::Instant::now() < until + seconds(60), "the next worker did not receive it");
        tokio::time::sleep(millis(50)).await;
    }
    // Longer than it takes to hold a worker for dead.
    tokio::time::sleep(by_form(seconds(12), seconds(60))).await;
    let mut verdict = Verdict::of(
        "one message that two workers died with; the third has it alone and is cut off, a fourth gets it too",
    );
    verdict.require(bench.ledger().look(|book| book.parked.is_empty()), "parked though its worker lives");
    std::fs::remove_file(&file).unwrap();
    bench.close(vec![holder, next], verdict).await;
}
