//! Rows 28 and 29: much that waits, and work that does not end. What is shown is the worker with the scripted engine;
//! the memory of a model's runtime is its own.

use std::time::Instant;

use crate::support::bench::Setup;
use crate::support::producer::Input;
use crate::support::verdict::Verdict;
use crate::support::{by_form, millis, seconds};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_28_much_waits_for_a_slow_consumer() {
    let setup =
        Setup::of(28, "many waiting, slow consumer", "memory bounded by the prefetch, at most 900 MB");
    let Some(bench) = setup.open().await else { return };
    let count = by_form(1_200, 50_000);
    bench.load(count, 500).await;
    let mut slow = bench.failing_worker("slow", "infer=sleep:50");
    slow.ready().await;
    bench.ledger().until(seconds(60), "work", |book| book.first.len() >= 20).await;
    let before = slow.memory_mib();
    let (mut most, mut held) = (before, 0.0_f64);
    let until = Instant::now() + by_form(seconds(8), seconds(120));
    while Instant::now() < until {
        most = most.max(slow.memory_mib());
        held = held.max(slow.metric("smista_in_flight"));
        tokio::time::sleep(millis(200)).await;
    }
    let mut verdict = Verdict::of(format!("{count} messages waiting, 50 ms each in the engine"));
    let waiting = bench.ledger().look(|book| book.open().len());
    verdict.require(waiting > count / 4, "too few waited: the row shows nothing");
    verdict.figure("memory_before_mib", before.round());
    verdict.figure("memory_most_mib", most.round());
    verdict.figure("held_at_most", held);
    verdict.require(held <= 64.0, format!("{held} held, prefetch 32 on 2 queues"));
    verdict.require(most - before < 40.0, format!("memory grew from {before:.0} to {most:.0} MiB"));
    verdict.require(most <= 900.0, format!("{most:.0} MiB resident"));
    let (code, _) = slow.terminate(seconds(60)).await;
    verdict.require(code == Some(0), format!("the slow worker ended with {code:?}"));
    let quick = bench.worker("quick");
    bench.close(vec![quick], verdict).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_29_soak_with_random_lengths() {
    let setup = Setup::of(29, "soak with random lengths", "memory flat after warm-up");
    let Some(bench) = setup.open().await else { return };
    let mut worker = bench.worker("worker");
    worker.ready().await;
    let length = by_form(seconds(30), seconds(1800));
    let started = Instant::now();
    let mut memory = Vec::new();
    let mut number = 0_usize;
    while started.elapsed() < length {
        let inputs: Vec<Input> = (0..10)
            .map(|n| {
                let [a, b, ..] = *uuid::Uuid::new_v4().as_bytes();
                // Mostly short, now and then long.
                let words = 1 + usize::from(a) / 4 + if b < 8 { 2_000 } else { 0 };
                let text = "my parcel has not come and nobody answers ".repeat(words / 8 + 1);
                Input::chat(
                    &format!("c{}", (number + n) % 500),
                    &format!("m{:06}", number + n),
                    number + n,
                    &text,
                )
            })
            .collect();
        number += inputs.len();
        bench.send(&inputs).await;
        bench.ledger().until(seconds(180), "not too many waiting", |book| book.open().len() < 100).await;
        memory.push(worker.memory_mib());
    }
    let quarter = memory.len() / 4;
    let highest = |part: &[f64]| part.iter().copied().fold(0.0, f64::max);
    let (warm, last) = (highest(&memory[quarter..2 * quarter]), highest(&memory[3 * quarter..]));
    let mut verdict = Verdict::of(format!("{} s, {number} messages of 8 to 2,000 words", length.as_secs()));
    verdict.figure("memory_warm_mib", warm.round());
    verdict.figure("memory_end_mib", last.round());
    verdict.require(last < warm * 1.15 + 8.0, format!("memory grew from {warm:.0} to {last:.0} MiB"));
    bench.close(vec![worker], verdict).await;
}
