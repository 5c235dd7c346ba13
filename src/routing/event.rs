//! An event as published: what happened, with the decision it came with.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::Decision;

/// Name of the form.
pub const SCHEMA: &str = "smista.event.v1";

/// A state change as published on the events exchange.
#[derive(Debug, Serialize)]
pub struct Event<'a, T> {
    schema: &'static str,
    event_id: Uuid,
    decision_id: Uuid,
    message_id: &'a str,
    conversation_id: &'a str,
    customer_id: &'a str,
    at: DateTime<Utc>,
    #[serde(flatten)]
    change: T,
}

impl<'a, T: Serialize> Event<'a, T> {
    /// What happened with a decision; `change` has the field `event`.
    pub fn of(decision: &'a Decision, event_id: Uuid, change: T) -> Self {
        Self {
            schema: SCHEMA,
            event_id,
            decision_id: decision.decision_id,
            message_id: &decision.message_id,
            conversation_id: &decision.conversation_id,
            customer_id: &decision.customer_id,
            at: decision.decided_at,
            change,
        }
    }
}

/// The routing key of an event: its name and the channel of the decision's message.
pub fn routing_key(decision: &Decision, name: &str) -> String {
    format!("{name}.{}", decision.channel)
}

/// An event named by a policy rule.
#[derive(Debug, Serialize)]
pub struct PolicyEvent<'a> {
    /// The name.
    pub event: &'a str,
}
