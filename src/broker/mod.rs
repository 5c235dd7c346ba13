//! RabbitMQ, and the in-process broker of the embedded mode behind the same traits with the same acknowledgement
//! semantics. This room moves bytes: it knows no wire format.

pub mod amqp;
pub mod cloudevents;
pub mod embedded;
pub mod parked;
pub mod topology;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::store::Destination;
use crate::telemetry::trace::Remote;

/// A message as the broker delivered it. It leaves only through [`Delivery::settle`]; dropped unsettled it goes back to
/// the queue and counts as a delivery, so a drop is never success.
#[must_use = "a delivery must be settled"]
pub struct Delivery {
    /// The body.
    pub body: Vec<u8>,
    /// What the broker and the producer say about it.
    pub meta: DeliveryMeta,
    settler: Box<dyn Settle>,
}

/// What is known of a delivery beside its body.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeliveryMeta {
    /// Queue it came from.
    pub queue: String,
    /// Routing key it was published with.
    pub routing_key: String,
    /// AMQP `message_id` property.
    pub message_id: Option<String>,
    /// AMQP `content_type` property.
    pub content_type: Option<String>,
    /// Deliveries before this one, where the queue counts them (`x-delivery-count`).
    pub earlier_deliveries: u32,
    /// The broker says it may have been delivered before. Never trust `false`.
    pub redelivered: bool,
    /// When this process received it.
    pub received_at: DateTime<Utc>,
    /// The trace that it is part of.
    pub trace: Option<Remote>,
}

/// How a delivery leaves the worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// Done: the decision is committed, and its publish confirmed and routed.
    Ack,
    /// Back to the queue, delivered again.
    Requeue,
    /// Refused for good: to the dead-letter exchange.
    Reject,
}

/// Why a delivery could not be settled. Nothing was acked; it will be delivered again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettleError {
    /// The channel had died: the broker will deliver again on another.
    #[error("the channel of this delivery is gone")]
    ChannelGone,
    /// The broker refused.
    #[error("the broker did not take the settlement: {0}")]
    Refused(String),
}

/// The half of a delivery that talks back to its source.
#[async_trait]
pub trait Settle: Send + Sync {
    /// Settles it.
    async fn settle(self: Box<Self>, how: Settlement) -> Result<(), SettleError>;

    /// Its shard is being given away, or its channel is gone: work that has not begun need not begin. Dropped, the
    /// delivery goes to the shard's next worker.
    fn is_recalled(&self) -> bool {
        false
    }
}

impl Delivery {
    /// For broker implementations and tests.
    pub fn new(body: Vec<u8>, meta: DeliveryMeta, settler: Box<dyn Settle>) -> Self {
        Self { body, meta, settler }
    }

    /// Lets the delivery leave.
    pub async fn settle(self, how: Settlement) -> Result<(), SettleError> {
        self.settler.settle(how).await
    }

    /// Takes the delivery apart: what to read, and the handle that must be settled.
    pub fn into_parts(self) -> (Vec<u8>, DeliveryMeta, Box<dyn Settle>) {
        (self.body, self.meta, self.settler)
    }
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery")
            .field("bytes", &self.body.len())
            .field("meta", &self.meta)
            .finish_non_exhaustive()
    }
}

/// A message to publish. Always persistent, `mandatory`, and confirmed.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// Which exchange.
    pub destination: Destination,
    /// Routing key.
    pub routing_key: String,
    /// AMQP `message_id`.
    pub message_id: String,
    /// JSON.
    pub body: Vec<u8>,
    /// Header table, text values.
    pub headers: Vec<(String, String)>,
}

/// Why a publish is not known to be safe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// Not connected, or the connection broke before the confirm. It may have arrived: publish again with the same id.
    #[error("the broker is not connected: {0}")]
    Disconnected(String),
    /// No confirm in time. Same as above.
    #[error("no confirm within {0:?}")]
    ConfirmTimeout(Duration),
    /// The broker refused (queue full, internal error).
    #[error("the broker refused the message")]
    Nacked,
    /// No queue is bound and no alternate exchange caught it.
    #[error("no queue takes routing key {0}")]
    Unroutable(String),
}

/// What the connection is doing, for health, metrics and logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerState {
    /// Trying; with the last error.
    Connecting(String),
    /// Working.
    Connected,
    /// The broker has blocked publishing (memory or disk alarm).
    Blocked(String),
    /// Connected, but the topology is not what the worker needs.
    TopologyMissing(String),
    /// Closed for good.
    Closed,
}

/// Publishes.
#[async_trait]
pub trait Publisher: Send + Sync {
    /// Returns once the broker has confirmed that a queue holds the message.
    async fn publish(&self, message: Outgoing) -> Result<(), PublishError>;
}

/// Where a worker stands in the line of consumers of one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Of the subscription; a later one has a greater number and stands behind.
    pub number: u64,
    /// A delivery has come over this subscription: no other consumer gets any until it ends.
    pub active: bool,
    /// It is being given away.
    pub moving: bool,
}

/// The shards that a consumer shares with other workers. Of each queue one consumer is active and the others stand by
/// in line.
pub trait Shards: Send + Sync {
    /// Names those who share: the same for every worker on the same queues.
    fn team(&self) -> &str;

    /// One for each shard, in order; empty while not subscribed to all of them.
    fn places(&self) -> Vec<Place>;

    /// Goes to the end of the shard's line: nothing more is handed out of it, and once what was handed out is settled
    /// the next in line is active. At no time does this worker stand out of the line.
    fn give_away(&self, shard: usize);
}

/// Delivers from one or more queues, prefetch bounded. Reconnects by itself.
#[async_trait]
pub trait Consumer: Send {
    /// The next delivery; `None` once [`Consumer::stop`] was called.
    async fn next(&mut self) -> Option<Delivery>;

    /// Stops handing out; deliveries already handed out can still be settled, until [`Broker::close`]. What had arrived
    /// and was not handed out goes back to its queue then: given back earlier, another worker would get later messages
    /// of the same customers first.
    async fn stop(&mut self);

    /// Its shards, where other workers can share them.
    fn shards(&self) -> Option<std::sync::Arc<dyn Shards>> {
        None
    }
}

/// A broker, real or embedded.
#[async_trait]
pub trait Broker: Send + Sync {
    /// Starts consuming from the worker's shards.
    async fn consume(&self, prefetch: u16) -> Result<Box<dyn Consumer>, BrokerError>;

    /// The publisher, shared by all lanes.
    fn publisher(&self) -> std::sync::Arc<dyn Publisher>;

    /// Now and every later change.
    fn state(&self) -> tokio::sync::watch::Receiver<BrokerState>;

    /// Closes both connections after everything handed out was settled or given up.
    async fn close(&self);
}

/// Why the broker cannot be used at all; waiting does not help.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The address, TLS files or names are wrong.
    #[error("broker configuration: {0}")]
    Config(String),
    /// An operation of the topology or parked commands failed.
    #[error("broker operation failed: {0}")]
    Operation(String),
}
