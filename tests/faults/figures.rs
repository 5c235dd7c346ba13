//! A figure that needs no fault: the throughput of PostgreSQL against that of SQLite, the same messages in alternating runs.

use crate::support::bench::{Bench, Db, Setup};
use crate::support::ledger::Book;
use crate::support::process::Worker;
use crate::support::verdict::{Verdict, is_strict};
use crate::support::{by_form, seconds};

/// Messages a second between the first decision and the last, with everything waiting from the start.
async fn run(db: Db, count: usize) -> Option<(f64, Bench, Worker)> {
    let mut setup =
        Setup { shards: 4, db, ..Setup::of(0, "none", "PostgreSQL reaches at least 80 % of SQLite") };
    setup.row.part = "throughput";
    let bench = setup.open().await?;
    if let Some(postgres) = &bench.postgres {
        // SQLite waits for the disk too.
        postgres.make_durable().await;
    }
    bench.load(count, 200).await;
    let worker = bench.worker("worker");
    bench.ledger().until(by_form(seconds(200), seconds(1800)), "all decided", Book::is_settled).await;
    let span = bench.ledger().look(|book| {
        let at = || book.first.values().map(|first| first.at);
        at().max().unwrap() - at().min().unwrap()
    });
    Some(((count - 1) as f64 / span.as_secs_f64(), bench, worker))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn throughput_of_postgresql_against_sqlite() {
    let (count, rounds) = by_form((400, 1), (3_000, 5));
    let (mut sqlite, mut postgres, mut last) = (Vec::new(), Vec::new(), None);
    for _ in 0..rounds {
        for (db, rates) in [(Db::Sqlite, &mut sqlite), (Db::OwnPostgres, &mut postgres)] {
            let Some((rate, bench, worker)) = run(db, count).await else { return };
            rates.push(rate);
            if let Some((bench, worker)) = last.replace((bench, worker)) {
                bench.close(vec![worker], Verdict::of("a run of several")).await;
            }
        }
    }
    let median = |rates: &mut Vec<f64>| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    };
    let (sqlite, postgres) = (median(&mut sqlite), median(&mut postgres));
    let ratio = postgres / sqlite;
    let mut verdict = Verdict::of(format!(
        "{count} messages of 200 customers, 4 shards, one worker, {rounds} runs on each in turn; PostgreSQL with fsync"
    ));
    verdict.figure("sqlite_per_second", sqlite.round());
    verdict.figure("postgres_per_second", postgres.round());
    verdict.figure("ratio", (ratio * 100.0).round());
    // A busy machine says little of a ratio.
    let least = if is_strict() { 0.8 } else { 0.3 };
    verdict.require(ratio >= least, format!("PostgreSQL reaches {:.0} % of SQLite", ratio * 100.0));
    let (bench, worker) = last.unwrap();
    bench.close(vec![worker], verdict).await;
}
