//! Forgets what is too old, hour by hour: messages after the configured days (until then a redelivery finds its decision),
//! customers not heard from, old erasures, old counts of topics.

use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::store::{Forgotten, Store};
use crate::telemetry::events;

const EVERY: Duration = Duration::from_secs(3600);

/// Purges now and every hour until `stop`: messages after so many days, counts of topics after so many hours.
pub async fn run(store: Arc<dyn Store>, days: u16, topic_hours: Option<i64>, stop: CancellationToken) {
    loop {
        if let Some(hours) = topic_hours {
            let before = Utc::now() - TimeDelta::hours(hours);
            let forgotten = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                forgotten = store.forget_topics(before) => forgotten,
            };
            if let Err(error) = forgotten {
                events::PurgeFailed { error: &error.to_string() }.emit();
            }
        }
        let purged = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            purged = store.purge(Utc::now() - TimeDelta::days(i64::from(days))) => purged,
        };
        let forgotten = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            forgotten = store.forget(Utc::now()) => forgotten,
        };
        match forgotten {
            Ok(forgotten) if forgotten == Forgotten::default() => {}
            Ok(Forgotten { customers, erasures }) => events::Forgot { customers, erasures }.emit(),
            Err(error) => events::PurgeFailed { error: &error.to_string() }.emit(),
        }
        match purged {
            Ok(messages) => events::Purged { messages }.emit(),
            Err(error) => events::PurgeFailed { error: &error.to_string() }.emit(),
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = clock::sleep(EVERY) => {}
        }
    }
}
