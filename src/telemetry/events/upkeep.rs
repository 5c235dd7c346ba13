//! What a worker does beside its messages: sends late, forgets what is old.

use super::Metric;
use metrics::counter;
use tracing::{info, warn};

/// Outbox rows that a crash or an outage had left behind were published.
pub struct Relayed {
    /// How many.
    pub messages: usize,
}

impl Relayed {
    /// Records it.
    pub fn emit(self) {
        counter!(Metric::Relayed.name()).increment(self.messages as u64);
        info!(messages = self.messages, "outbox relayed");
    }
}

/// The relay could not do its work; it will try again.
pub struct RelayFailed<'a> {
    /// The cause.
    pub error: &'a str,
}

impl RelayFailed<'_> {
    /// Records it.
    pub fn emit(self) {
        warn!(error = self.error, "outbox relay failed");
    }
}

/// Old messages were forgotten.
pub struct Purged {
    /// How many.
    pub messages: u64,
}

impl Purged {
    /// Records it.
    pub fn emit(self) {
        if self.messages > 0 {
            info!(messages = self.messages, "old messages forgotten");
        }
    }
}

/// Customers not heard from, or old erasures, were forgotten.
pub struct Forgot {
    /// Customers, with their identities.
    pub customers: u64,
    /// Marks and records of erasures.
    pub erasures: u64,
}

impl Forgot {
    /// Records it.
    pub fn emit(self) {
        info!(customers = self.customers, erasures = self.erasures, "old customers and erasures forgotten");
    }
}

/// Old messages could not be forgotten; it is tried again in an hour.
pub struct PurgeFailed<'a> {
    /// The cause.
    pub error: &'a str,
}

impl PurgeFailed<'_> {
    /// Records it.
    pub fn emit(self) {
        warn!(error = self.error, "old messages not forgotten");
    }
}
