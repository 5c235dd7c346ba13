//! Publishes what a crash or an outage left in the outbox. Rows of messages still under way are left alone by their age.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio_util::sync::CancellationToken;

use super::lane::outgoing;
use crate::broker::Publisher;
use crate::clock;
use crate::store::Store;
use crate::telemetry::events;

/// Rows younger than this belong to a lane that is still publishing them.
const SETTLED_AFTER: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_secs(30);
const AT_ONCE: u32 = 256;

/// Relays until `stop`.
pub async fn run(store: Arc<dyn Store>, publisher: Arc<dyn Publisher>, stop: CancellationToken) {
    loop {
        let pass = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            pass = relay_once(store.as_ref(), publisher.as_ref(), SETTLED_AFTER) => pass,
        };
        if let Err(error) = pass {
            events::RelayFailed { error: &error }.emit();
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = clock::sleep(EVERY) => {}
        }
    }
}

/// Publishes every unconfirmed row older than `age`, oldest first; the number published. A row that cannot be published
/// does not hold up the others.
///
/// # Errors
/// The first failure, after every row had its try.
pub async fn relay_once(
    store: &dyn Store,
    publisher: &dyn Publisher,
    age: Duration,
) -> Result<usize, String> {
    let mut relayed = 0;
    let mut failure = None;
    loop {
        let rows = store.unsent(Utc::now() - age, AT_ONCE).await.map_err(|error| error.to_string())?;
        if rows.is_empty() {
            break;
        }
        let before = relayed;
        for row in &rows {
            if let Err(error) = publisher.publish(outgoing(row)).await {
                failure.get_or_insert(error.to_string());
                continue;
            }
            store
                .mark_sent(std::slice::from_ref(&row.id), Utc::now())
                .await
                .map_err(|error| error.to_string())?;
            relayed += 1;
        }
        if relayed == before {
            break;
        }
    }
    if relayed > 0 {
        events::Relayed { messages: relayed }.emit();
    }
    failure.map_or(Ok(relayed), Err)
}
