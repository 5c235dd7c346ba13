//! What must survive: inbox, customer state, decisions, outbox, in one database transaction per message. One trait;
//! SQLite (embedded default) and PostgreSQL behind it.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::interaction::Interaction;
use crate::journey::Journey;
use crate::routing::Decision;

/// A customer's state as stored. `epoch` rises with every commit; a commit against an older epoch is refused, so a
/// stale worker cannot overwrite.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CustomerState {
    /// Stitched customer key.
    pub customer: String,
    /// 0 for a customer not seen before.
    pub epoch: i64,
    /// The fold so far.
    pub journey: Journey,
}

/// A message to publish, written in the same transaction as the decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutboxMessage {
    /// Unique and stable over redelivery: the published AMQP `message_id`.
    pub id: String,
    /// Which exchange it goes to.
    pub destination: Destination,
    /// AMQP routing key.
    pub routing_key: String,
    /// JSON body.
    pub body: String,
}

/// The exchange a message goes to; its name comes from the topology.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Destination {
    /// Decisions.
    Decisions,
    /// State changes.
    Events,
    /// Supervisors' corrections.
    Corrections,
    /// Parked messages.
    Parked,
}

/// Everything one message changes, committed whole or not at all.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect {
    /// The redacted interaction, kept for replay.
    pub interaction: Interaction,
    /// The customer's state before (its epoch guards the commit; its journey is kept for replay).
    pub before: CustomerState,
    /// The journey after.
    pub after: Journey,
    /// The decision.
    pub decision: Decision,
    /// To publish: the decision first, then events.
    pub outbox: Vec<OutboxMessage>,
}

/// How a commit ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Committed {
    /// Written.
    New,
    /// The message was decided before; nothing was written. These are its outbox rows that may still need sending.
    Duplicate(Box<Decision>, Vec<OutboxMessage>),
    /// Another worker changed the customer first: load again, fold again.
    Stale,
}

/// What `replay` needs to make a decision again.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplayRecord {
    /// The redacted interaction.
    pub interaction: Interaction,
    /// The customer's key.
    pub customer: String,
    /// The journey before the message.
    pub before: Journey,
    /// The decision as it was published.
    pub decision: Decision,
}

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Away, locked, full, timed out: the same call may succeed later.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// Something stored cannot be read: a defect or a newer version.
    #[error("stored data cannot be read: {0}")]
    Corrupt(String),
    /// The address or the configuration is wrong.
    #[error("the store cannot be opened: {0}")]
    Open(String),
}

impl StoreError {
    /// Whether trying again later can help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// The store. Implementations are shared by all lanes.
#[async_trait]
pub trait Store: Send + Sync {
    /// The customer that a key and its identity hashes stand for. The first call binds unknown identities to the
    /// customer found (or to `key`); later calls find it again through any of them.
    async fn resolve_customer(&self, key: &str, identities: &[String]) -> Result<String, StoreError>;

    /// The customer's state; the empty state at epoch 0 when unknown.
    async fn customer(&self, customer: &str) -> Result<CustomerState, StoreError>;

    /// The decision of a message and its outbox rows not yet confirmed, if it was decided before.
    async fn decided(&self, message_id: &str) -> Result<Option<(Decision, Vec<OutboxMessage>)>, StoreError>;

    /// Writes inbox, state, decision and outbox in one transaction.
    async fn commit(&self, effect: Effect) -> Result<Committed, StoreError>;

    /// Marks outbox rows as confirmed by the broker.
    async fn mark_sent(&self, ids: &[String], at: DateTime<Utc>) -> Result<(), StoreError>;

    /// Outbox rows not confirmed and older than `before`, oldest first: what a crash left behind.
    async fn unsent(&self, before: DateTime<Utc>, limit: u32) -> Result<Vec<OutboxMessage>, StoreError>;

    /// What `replay` needs.
    async fn replay_record(&self, decision: Uuid) -> Result<Option<ReplayRecord>, StoreError>;

    /// The latest decisions, newest first.
    async fn recent_decisions(&self, limit: u32) -> Result<Vec<Decision>, StoreError>;

    /// Whether the database answers; for readiness and `doctor`.
    async fn ping(&self) -> Result<(), StoreError>;
}
