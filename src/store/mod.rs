//! What must survive: inbox, customer state, decisions, outbox, in one database transaction per message. One trait;
//! SQLite (embedded default) and PostgreSQL behind it.

mod alone;
mod attendance;
mod canary;
pub mod console;
mod correction;
mod effect;
mod erasure;
mod group;
pub(crate) mod identity;
mod link;
mod map;
mod merge;
mod past;
mod postgres;
mod risk;
pub mod simulation;
mod sql;
pub mod sqlite;
mod topics;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::interaction::Interaction;
use crate::journey::Journey;
use crate::journey::map::{Row as MapRow, Timeline};
use crate::journey::spikes::{Past as TopicPast, Topic};
use crate::routing::Decision;
use crate::routing::canary::Comparison;

pub use alone::Alone;
pub use attendance::Attendance;
pub use correction::{Corrected, Correction, CorrectionMessage, SCHEMA as CORRECTION_SCHEMA};
pub use erasure::{Erased, Kind, MarkKey, Subject, Traces};
pub use identity::Owner;
pub use map::journey_map;
pub use past::{Known, Order, Past, PastPage, Place, Span, Unread, Unreadable, UnreadableJourney, Walk};
pub use topics::{Counted, Spike};

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
    /// What arrives; sent by producers and by the gateway, never kept to be sent.
    Interactions,
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
    /// The customer's state before (its epoch guards the commit; its journey is kept for replay), the histories of whom
    /// it absorbs folded in.
    pub before: CustomerState,
    /// Customers who turn out to be this one, as they were loaded: with this commit their names lead to it.
    pub absorbed: Vec<CustomerState>,
    /// The journey after.
    pub after: Journey,
    /// The decision.
    pub decision: Decision,
    /// To publish: the decision first, then events.
    pub outbox: Vec<OutboxMessage>,
    /// By what it is known when its customer was erased; none where nobody is ever erased.
    pub traces: Option<Traces>,
    /// What it is counted under, all in one hour, in the order of keys.
    pub topics: Vec<Counted>,
}

/// How a commit ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Committed {
    /// Written.
    New,
    /// Written, and the message brought a topic over its bar: events beside those of the effect, in the outbox too.
    Spiked(Vec<OutboxMessage>),
    /// The message was decided before; nothing was written. These are its outbox rows that may still need sending.
    Duplicate(Box<Decision>, Vec<OutboxMessage>),
    /// Another worker changed the customer first, or merged it into another: look up again, load again, fold again.
    Stale,
    /// Its customer was erased and it came late: nothing was written, and nothing of it is kept.
    Erased,
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
    /// Whose message it is: the customer id given, else whom the conversation or one of the identity hashes is known
    /// to belong to, else the conversation itself, which stands in until its customer turns up. Unknown identities are
    /// bound to the answer before it is given, so that two messages of one unknown sender agree on it. Who turns out
    /// to be the same customer is told; the merge itself is part of the message's commit ([`Effect::absorbed`]).
    async fn resolve_customer(
        &self,
        customer_id: Option<&str>,
        conversation_id: &str,
        identities: &[String],
    ) -> Result<Owner, StoreError>;

    /// The customer's state; the empty state at epoch 0 when unknown or merged into another.
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

    /// A page of past decisions, those after a place; [`Walk`] goes from page to page.
    async fn past(&self, span: &Span, after: Option<&Place>, limit: u32) -> Result<PastPage, StoreError>;

    /// A page of customers whose latest message was decided in a span, those after a name, in the order of names, each
    /// as they stand or why that cannot be read; for a store that keeps no customers, none.
    async fn journeys(
        &self,
        span: &Span,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Result<Known, UnreadableJourney>>, StoreError> {
        let _ = (span, after, limit);
        Ok(Vec::new())
    }

    /// A page of what the journey map counts of messages sent from `since` up to `until`, in order of customer, time and
    /// message, those after a row; [`journey_map`] goes from page to page. None for a store that keeps no map.
    async fn map_rows(
        &self,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
        after: Option<&MapRow>,
        limit: u32,
    ) -> Result<Vec<MapRow>, StoreError> {
        let _ = (since, until, after, limit);
        Ok(Vec::new())
    }

    /// How many decided messages the map lacks: those from before there was one.
    async fn unmapped(&self) -> Result<u64, StoreError> {
        Ok(0)
    }

    /// What happened with a customer, by any name they went by, of the latest messages at most so many; none when there is
    /// no such customer.
    async fn timeline(&self, customer: &str, limit: u32) -> Result<Option<Timeline>, StoreError> {
        let _ = (customer, limit);
        Ok(None)
    }

    /// Keeps a correction; false when there is no such message. The same correction again changes nothing.
    async fn correct(&self, correction: Correction) -> Result<bool, StoreError>;

    /// The latest correction of every message that has one, oldest first, with the message.
    async fn corrections(&self) -> Result<Vec<Corrected>, StoreError>;

    /// Whether the database answers; for readiness and `doctor`.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Notes that a worker takes a message on alone, unless another worker's note is there; that note then. A store that
    /// keeps no such notes blames nobody.
    async fn begin_alone(&self, message_id: &str, worker: &str) -> Result<Option<Alone>, StoreError> {
        let _ = (message_id, worker);
        Ok(None)
    }

    /// The worker lives and still has that message alone at work.
    async fn show_alone(&self, message_id: &str, worker: &str) -> Result<(), StoreError> {
        let _ = (message_id, worker);
        Ok(())
    }

    /// Takes that worker's note away: the work has come to an end, whichever, or the worker has.
    async fn end_alone(&self, message_id: &str, worker: &str) -> Result<(), StoreError> {
        let _ = (message_id, worker);
        Ok(())
    }

    /// The worker leaves in good order: whatever it had taken on alone did not kill it.
    async fn acquit(&self, worker: &str) -> Result<(), StoreError> {
        let _ = worker;
        Ok(())
    }

    /// How much is kept; for metrics and `doctor`.
    async fn counts(&self) -> Result<Counts, StoreError>;

    /// Forgets messages decided before a time, with their decisions and what was published of them; messages with
    /// something still to be published stay. Returns how many. A message delivered again after that is decided again.
    async fn purge(&self, before: DateTime<Utc>) -> Result<u64, StoreError>;

    /// Says that a worker of a team lives and where it stands, and tells who is said to live in that team, itself among
    /// them. Who of them still lives is for the caller to judge: a dead worker's beat stands still.
    async fn attend(&self, team: &str, me: &Attendance) -> Result<Vec<Attendance>, StoreError>;

    /// Takes a worker off its team's list, unless its beat has moved on.
    async fn dismiss(&self, team: &str, worker: &str, beat: i64) -> Result<(), StoreError>;

    /// Forgets customers not heard from, with their identities, and old erasures, as long as the configuration says to
    /// keep them. A store that keeps neither has nothing to do.
    async fn forget(&self, now: DateTime<Utc>) -> Result<Forgotten, StoreError> {
        let _ = now;
        Ok(Forgotten::default())
    }

    /// How often a topic came up in the hours from `from` up to `until`, hours since 1970; for a store that counts no
    /// topics, never.
    async fn topic_past(&self, topic: &Topic, from: i64, until: i64) -> Result<TopicPast, StoreError> {
        let _ = (topic, from, until);
        Ok(TopicPast::default())
    }

    /// Topics that went over their bar in an hour that began at `since` or later, the latest first.
    async fn spikes(&self, since: DateTime<Utc>) -> Result<Vec<Spike>, StoreError> {
        let _ = since;
        Ok(Vec::new())
    }

    /// Forgets the counts of hours before a time, and their spikes.
    async fn forget_topics(&self, before: DateTime<Utc>) -> Result<(), StoreError> {
        let _ = before;
        Ok(())
    }

    /// Counts decisions beside their shadows, and keeps where they differ. Messages that are gone meanwhile are counted only.
    async fn compare(&self, comparisons: &[Comparison]) -> Result<(), StoreError> {
        let _ = comparisons;
        Ok(())
    }

    /// Erases everything kept of a customer (state, identities, messages, decisions, corrections, what waits to be
    /// published) and leaves marks, so that a late delivery does not bring it back, and a record without a name. With
    /// `None` for `at` it only says what would go. Safe to repeat.
    async fn erase(
        &self,
        subject: &Subject,
        key: &MarkKey,
        at: Option<DateTime<Utc>>,
    ) -> Result<Erased, StoreError>;

    /// Adds to an erasure's record what went from the queues.
    async fn note_swept(&self, erased: &Erased, queues: &BTreeMap<String, u64>) -> Result<(), StoreError>;
}

/// What was too old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Forgotten {
    /// Customers, with their identities.
    pub customers: u64,
    /// Marks and records of erasures.
    pub erasures: u64,
}

/// How long what has no message is kept, and when two customers are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Keep {
    customers: TimeDelta,
    erasures: TimeDelta,
    merging: crate::config::Merging,
}

impl From<&crate::config::Store> for Keep {
    fn from(config: &crate::config::Store) -> Self {
        let days = |days: u16| TimeDelta::days(days.into());
        Self {
            customers: days(config.customer_days),
            erasures: days(config.erasure_days),
            merging: config.merging,
        }
    }
}

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Customers with a state.
    pub customers: u64,
    /// Messages decided.
    pub messages: u64,
    /// Messages not confirmed by the broker yet.
    pub unsent: u64,
    /// When the oldest of those was written.
    pub oldest_unsent: Option<DateTime<Utc>>,
}

/// The file of the store that the configuration names, if it is SQLite and the file is not there yet. Opening would make it.
pub async fn missing_file(config: &crate::config::Store) -> Result<Option<std::path::PathBuf>, StoreError> {
    let url = address(config).await?;
    if !url.starts_with("sqlite:") || url.contains(":memory:") {
        return Ok(None);
    }
    let file = sqlite::file_of(&url)?;
    Ok((!file.is_file()).then_some(file))
}

/// The address, with a password it may hold: not to be shown.
async fn address(config: &crate::config::Store) -> Result<String, StoreError> {
    match &config.url_file {
        None => Ok(config.url.trim().to_owned()),
        Some(path) => crate::config::secret::read(path, "store.url_file")
            .map(|url| url.trim().to_owned())
            .map_err(|error| StoreError::Open(error.to_string())),
    }
}

/// The address for people.
pub async fn redacted_address(config: &crate::config::Store) -> Result<String, StoreError> {
    address(config).await.map(|url| crate::config::secret::redacted(&url))
}

/// Opens the store that the configuration names and brings its schema up to date.
pub async fn open(config: &crate::config::Store) -> Result<Arc<dyn Store>, StoreError> {
    let store: Arc<dyn Store> = open_console(config).await?;
    Ok(store)
}

/// The same, with what the console keeps there.
pub async fn open_console(
    config: &crate::config::Store,
) -> Result<Arc<dyn console::ConsoleStore>, StoreError> {
    let url = address(config).await?;
    let url = url.as_str();
    let limit = Duration::from_secs(config.statement_timeout_s.max(1));
    if url.starts_with("sqlite:") {
        Ok(Arc::new(sqlite::open(url, config.max_connections, limit, config.into()).await?))
    } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        Ok(Arc::new(postgres::open(url, config, limit).await?))
    } else {
        // The address may hold a password: it is not repeated.
        Err(StoreError::Open("store.url must begin with sqlite: or postgres://".to_owned()))
    }
}
