//! What every row needs: servers, a faulty line, worker processes, a ledger, and the report.

pub mod bench;
pub mod books;
mod close;
pub mod feed;
pub mod ledger;
pub mod process;
pub mod producer;
pub mod proxy;
pub mod report;
pub mod servers;
pub mod verdict;

use std::time::Duration;

/// Whether the rows take the counts and durations of the fault matrix instead of their short form.
pub fn is_long() -> bool {
    std::env::var("SMISTA_FAULTS").is_ok_and(|form| form == "long")
}

/// One of two, by the form.
pub fn by_form<T>(short: T, long: T) -> T {
    if is_long() { long } else { short }
}

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A server that `scripts/test` and `scripts/faults` start. Without it a row is left out, but never in CI.
pub fn server(variable: &str) -> Option<String> {
    let url = std::env::var(variable).ok().filter(|url| !url.is_empty());
    if url.is_none() {
        assert!(std::env::var("CI").is_err(), "{variable} must be set in CI: run ./scripts/test");
        eprintln!("left out: {variable} is not set (./scripts/test starts the servers)");
    }
    url
}
