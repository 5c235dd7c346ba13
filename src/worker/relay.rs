//! Publishes what a crash or an outage left in the outbox. Rows of messages still under way are left alone by their age.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio_util::sync::CancellationToken;

use super::lane::outgoing;
use crate::broker::Publisher;
use crate::store::Store;
use crate::telemetry::events;

/// Rows younger than this belong to a lane that is still publishing them.
const SETTLED_AFTER: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_secs(30);
const AT_ONCE: u32 = 256;

/// Relays until `stop`.
pub async fn run(store: Arc<dyn Store>, publisher: Arc<dyn Publisher>, stop: CancellationToken) {
    loop {
        if let Err(error) = relay_once(store.as_ref(), publisher.as_ref(), SETTLED_AFTER).await {
            events::RelayFailed { error: &error }.emit();
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Publishes every unconfirmed row older than `age`, oldest first; the number published.
pub async fn relay_once(
    store: &dyn Store,
    publisher: &dyn Publisher,
    age: Duration,
) -> Result<usize, String> {
    let mut relayed = 0;
    loop {
        let rows = store.unsent(Utc::now() - age, AT_ONCE).await.map_err(|error| error.to_string())?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            publisher.publish(outgoing(row)).await.map_err(|error| error.to_string())?;
            store
                .mark_sent(std::slice::from_ref(&row.id), Utc::now())
                .await
                .map_err(|error| error.to_string())?;
            relayed += 1;
        }
    }
    if relayed > 0 {
        events::Relayed { messages: relayed }.emit();
    }
    Ok(relayed)
}
