//! How the workers do, and the parked messages, for the pages and for the HTTP API alike. What the broker has to tell is asked of it
//! when somebody looks; without one, or while it is away, the rest is told.

pub(super) mod attending;
pub(super) mod parked;

use std::time::Duration;

use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};

use super::Console;
use super::fault::Fault;
use crate::broker::amqp::backlog::Backlog;
use crate::broker::amqp::park::ParkedQueue;
use crate::store::Counts;
use crate::store::console::Pace;
use attending::Attending;

/// Longest wait for the broker when it is only asked.
const PATIENCE: Duration = Duration::from_secs(10);
/// Latest decisions looked at for how many were made without the model.
const LATEST: u32 = 200;
/// Minutes shown.
pub(super) const MINUTES: i64 = 60;

/// Everything that is told.
pub(super) struct Operations {
    /// When it was asked.
    pub now: DateTime<Utc>,
    /// The hour up to the end of the minute that runs, by minute and class of latency.
    pub pace: Vec<Pace>,
    /// The first minute of it, minutes since 1970.
    pub first: i64,
    /// Workers on their list.
    pub workers: Vec<Attending>,
    /// What is kept, and what waits to be published.
    pub counts: Counts,
    /// Latest decisions made without the model, and how many were looked at.
    pub degraded: (usize, usize),
    /// The queues, or why the broker does not tell.
    pub broker: Result<Vec<Backlog>, Away>,
}

/// Why there is nothing from the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Away {
    /// This console has none.
    None,
    /// It does not answer or refuses; in its words, without a password.
    Failed(String),
}

impl From<Away> for Fault {
    fn from(away: Away) -> Self {
        if let Away::Failed(error) = away {
            crate::telemetry::events::ConsoleFailed { error: &error }.emit();
        }
        Self::Broker
    }
}

/// Looks at everything.
pub(super) async fn look(console: &Console) -> Result<Operations, Fault> {
    let now = Utc::now();
    let minute = now.duration_trunc(TimeDelta::minutes(1)).unwrap_or(now);
    let until = minute + TimeDelta::minutes(1);
    let since = until - TimeDelta::minutes(MINUTES);
    let store = &console.store;
    let (pace, counts, latest, rows, broker) = tokio::join!(
        store.pace(since, until),
        store.counts(),
        store.recent_decisions(LATEST),
        store.attending(),
        broker(console)
    );
    let latest = latest?;
    Ok(Operations {
        now,
        pace: pace?,
        first: since.timestamp() / 60,
        workers: console.attending.look(rows?, tokio::time::Instant::now()),
        counts: counts?,
        degraded: (latest.iter().filter(|decision| decision.degraded).count(), latest.len()),
        broker,
    })
}

async fn broker(console: &Console) -> Result<Vec<Backlog>, Away> {
    let asked = async {
        let queue = open(console).await?;
        let told = queue.backlog().await.map_err(|error| Away::Failed(error.to_string()));
        queue.close().await;
        told
    };
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(told) => told,
        Err(_) => Err(Away::Failed("no answer in time".to_owned())),
    }
}

/// The parked queue of the configured broker.
async fn open(console: &Console) -> Result<ParkedQueue, Away> {
    let config = console.broker.as_ref().ok_or(Away::None)?;
    ParkedQueue::open(config).await.map_err(|error| Away::Failed(error.to_string()))
}

/// How many were decided in each minute of the hour, and in the hour, by class of latency.
pub(super) struct Hour {
    /// For each minute its number and its classes.
    pub minutes: Vec<(i64, [u64; CLASSES])>,
    /// Over all of them.
    pub all: [u64; CLASSES],
}

/// Classes of latency.
pub(super) const CLASSES: usize = crate::store::console::LAGS.len() + 1;

impl Operations {
    /// The hour, minutes without a decision included.
    pub fn hour(&self) -> Hour {
        let mut minutes: Vec<(i64, [u64; CLASSES])> =
            (self.first..self.first + MINUTES).map(|minute| (minute, [0; CLASSES])).collect();
        let mut all = [0; CLASSES];
        for pace in &self.pace {
            let at = usize::try_from(pace.minute - self.first).ok();
            let place = at.and_then(|at| minutes.get_mut(at)).and_then(|(_, row)| row.get_mut(pace.lag));
            if let (Some(place), Some(sum)) = (place, all.get_mut(pace.lag)) {
                *place += pace.count;
                *sum += pace.count;
            }
        }
        Hour { minutes, all }
    }
}

/// The class that a share of them, in hundredths, does not exceed; none without any.
pub(super) fn percentile(classes: &[u64; CLASSES], hundredths: u64) -> Option<usize> {
    let total: u64 = classes.iter().sum();
    let wanted = (total * hundredths).div_ceil(100);
    let mut sum = 0;
    (total > 0).then_some(())?;
    classes.iter().position(|count| {
        sum += count;
        sum >= wanted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_class_that_so_many_do_not_exceed() {
        let mut classes = [0; CLASSES];
        assert_eq!(percentile(&classes, 50), None);
        (classes[1], classes[4], classes[11]) = (90, 9, 1);
        assert_eq!(
            [50, 90, 95, 99, 100].map(|share| percentile(&classes, share)),
            [1, 1, 4, 4, 11].map(Some)
        );
    }
}
