//! The end of a row: waits for every input, compares broker, database and ledger, reports.

use std::time::{Duration, Instant};

use lapin::options::{ExchangeDeleteOptions, QueueDeleteOptions};

use super::bench::Bench;
use super::books::Stored;
use super::ledger::Book;
use super::process::Worker;
use super::report::{Report, load};
use super::verdict::Verdict;
use super::{by_form, seconds};

impl Bench {
    /// Waits for every input, stops the workers, compares everything, reports, and fails unless all is well.
    pub async fn close(mut self, workers: Vec<Worker>, mut verdict: Verdict) {
        let limit = by_form(seconds(300), seconds(1800));
        let all = self.ledger().comes(limit, Book::is_settled).await;
        let summary = self.ledger().look(|book| book.summary());
        verdict.require(all, format!("not every input decided or parked: {summary}"));
        // What a crash left in the outbox is relayed when it is a minute old.
        let until = Instant::now() + seconds(150);
        while Stored::read(&self.store).await.is_ok_and(|stored| stored.unsent > 0) && Instant::now() < until
        {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        for mut worker in workers {
            let (code, _) = worker.terminate(seconds(30)).await;
            verdict.require(code == Some(0), format!("a worker ended with {code:?}"));
            if code != Some(0) {
                eprintln!("{}", worker.log());
            }
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut left_over = 0;
        for queue in &self.input_queues {
            left_over += self.depth(queue).await.unwrap_or(0) as usize;
        }
        let stored = Stored::read(&self.store).await;
        verdict.require(stored.is_ok(), format!("the database cannot be read: {:?}", stored.as_ref().err()));
        let stored = stored.unwrap_or_default();
        left_over += usize::try_from(stored.unsent).unwrap_or_default();
        verdict.require(left_over == 0, format!("{left_over} left in input queues and outbox"));

        let report = self.ledger().look(|book| {
            let (mut effects, mut order) = stored.compare(book);
            order.extend(book.disorder());
            effects.extend(book.different.iter().map(|id| format!("{id}: two different decisions")));
            let parked: std::collections::BTreeMap<&str, &str> =
                book.parked.iter().map(|parked| (parked.id.as_str(), parked.class.as_str())).collect();
            for id in parked.keys().filter(|id| book.first.contains_key(**id)) {
                effects.push(format!("{id}: decided and parked"));
            }
            let expected = verdict.parked.iter().map(|(id, class)| (id.as_str(), *class)).collect();
            if parked != expected {
                verdict.faults.push(format!("parked: {parked:?}, not {expected:?}"));
            }
            if verdict.copies_allowed.is_some_and(|allowed| book.again > allowed) {
                verdict.faults.push(format!("{} decisions published again", book.again));
            }
            for (what, found) in [("effects", &effects), ("order", &order)] {
                if let Some(first) = found.first() {
                    verdict.faults.push(format!("{what}: {} wrong, such as {first}", found.len()));
                }
            }
            Report {
                row: self.row,
                form: by_form("short", "long"),
                on: chrono::Utc::now().format("%Y-%m-%d").to_string(),
                load: load(),
                done: verdict.done.clone(),
                inputs: book.count(),
                decided: book.first.len(),
                parked: parked.len(),
                lost: book.open().len(),
                effects_not_one: effects.len(),
                published_again: book.again,
                order_violations: order.len(),
                left_over,
                times: verdict.times.clone(),
                figures: verdict.figures.clone(),
                state: if verdict.faults.is_empty() { "passes" } else { "fails" },
                faults: verdict.faults.clone(),
            }
        });
        report.write();
        eprintln!("{}", serde_json::to_string(&report).unwrap());
        self.clean_up().await;
        if !report.faults.is_empty() {
            self.keep();
        }
        assert!(report.faults.is_empty(), "row {}: {:#?}", report.row.row, report.faults);
    }

    async fn clean_up(&self) {
        let (_admin, channel) = self.channel().await;
        let inputs = self.input_queues.iter().map(String::as_str);
        for queue in inputs.chain(["parked", "unrouted", "test.decisions"]) {
            let name = format!("{}.{queue}", self.prefix);
            let _ = channel.queue_delete(name.into(), QueueDeleteOptions::default()).await;
        }
        for exchange in ["interactions", "decisions", "events", "corrections", "parked", "unrouted"] {
            let name = format!("{}.{exchange}", self.prefix);
            let _ = channel.exchange_delete(name.into(), ExchangeDeleteOptions::default()).await;
        }
    }
}
