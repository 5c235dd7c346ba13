//! What goes in and out by HTTP.

use metrics::{counter, gauge};
use tracing::{debug, info, warn};

use super::Metric;

/// Interactions came by HTTP.
pub struct Intake {
    /// How they were answered: `accepted`, `refused` or `unavailable`.
    pub outcome: &'static str,
    /// How many.
    pub messages: usize,
}

impl Intake {
    /// Records it.
    pub fn emit(self) {
        counter!(Metric::Intake.name(), "outcome" => self.outcome).increment(self.messages as u64);
    }
}

/// The connection of a hook's queue works, or does not.
pub struct HookLink<'a> {
    /// The hook.
    pub hook: &'a str,
    /// Why it does not.
    pub fault: Option<&'a str>,
}

impl HookLink<'_> {
    /// Records it.
    pub fn emit(self) {
        let up = if self.fault.is_none() { 1.0 } else { 0.0 };
        gauge!(Metric::HookUp.name(), "hook" => self.hook.to_owned()).set(up);
        match self.fault {
            None => info!(hook = self.hook, "hook's queue connected"),
            Some(error) => warn!(hook = self.hook, error, "hook's queue not available"),
        }
    }
}

/// An address out there has a message.
pub struct HookDelivered<'a> {
    /// The hook.
    pub hook: &'a str,
    /// Tries it took.
    pub attempt: u32,
    /// The broker has forgotten it; else it will be sent again.
    pub acked: bool,
}

impl HookDelivered<'_> {
    /// Records it.
    pub fn emit(self) {
        counter!(Metric::HookDeliveries.name(), "hook" => self.hook.to_owned(), "outcome" => "delivered")
            .increment(1);
        debug!(hook = self.hook, attempt = self.attempt, acked = self.acked, "message delivered to hook");
    }
}

/// An address out there did not take a message; it will be tried again.
pub struct HookRetry<'a> {
    /// The hook.
    pub hook: &'a str,
    /// Tries so far.
    pub attempt: u32,
    /// The cause.
    pub error: &'a str,
}

impl HookRetry<'_> {
    /// Records it.
    pub fn emit(self) {
        counter!(Metric::HookDeliveries.name(), "hook" => self.hook.to_owned(), "outcome" => "retried")
            .increment(1);
        warn!(hook = self.hook, attempt = self.attempt, error = self.error, "hook failed, trying again");
    }
}

/// A message that an address out there does not take was parked.
pub struct HookParked<'a> {
    /// The hook.
    pub hook: &'a str,
    /// The message.
    pub message_id: &'a str,
    /// Error class.
    pub class: &'static str,
}

impl HookParked<'_> {
    /// Records it.
    pub fn emit(self) {
        counter!(Metric::HookDeliveries.name(), "hook" => self.hook.to_owned(), "outcome" => "parked")
            .increment(1);
        warn!(hook = self.hook, message_id = self.message_id, class = self.class, "message of hook parked");
    }
}
