//! The parked queue, for people: look, replay, discard. Looking takes messages without acking them and gives them back
//! in order by closing the channel; meanwhile another look does not see them.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use lapin::message::BasicGetMessage;
use lapin::options::{
    BasicAckOptions, BasicGetOptions, ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ErrorKind};
use serde::Serialize;
use tokio::time::timeout;

use super::connect::{Address, reply, short};
use super::consumer::number;
use super::publisher::send;
use super::{GOODBYE_TIMEOUT, farewell};
use crate::broker::topology::Topology;
use crate::broker::{BrokerError, parked};
use crate::config;

/// Longest wait until somebody else has looked.
const LOOK_TIMEOUT: Duration = Duration::from_secs(60);
const LOOK_PAUSE: Duration = Duration::from_millis(200);

/// What is known of a parked message without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Entry {
    /// What people call it by.
    pub id: String,
    /// When it was parked.
    pub parked_at: Option<DateTime<Utc>>,
    /// Kind of error.
    pub error_class: String,
    /// The error.
    pub error: String,
    /// Deliveries when it was parked; not known when the broker parked it.
    pub attempt: Option<u32>,
    /// Version of smista that parked it; none when the broker did.
    pub version: Option<String>,
    /// Queue it came from.
    pub origin: Option<String>,
    /// Routing key it goes back with.
    pub routing_key: String,
    /// Size of the body.
    pub bytes: usize,
}

impl Entry {
    /// What a parked message says of itself, whoever parked it; what it does not say in a way that can be read is left out.
    pub fn read(properties: &BasicProperties, routing_key: &str, body: &[u8]) -> Self {
        let empty = FieldTable::default();
        let headers = properties.headers().as_ref().unwrap_or(&empty);
        let get = |name: &str| headers.inner().get(name).and_then(text);
        let message_id = properties.message_id().as_ref().map(ToString::to_string);
        let id = parked::id_of(message_id.as_deref(), body);
        let routing_key = routing_key.to_owned();
        let bytes = body.len();
        if let Some(error_class) = get(parked::ERROR_CLASS) {
            return Self {
                id,
                parked_at: properties.timestamp().and_then(time),
                error_class,
                error: get(parked::ERROR).unwrap_or_default(),
                attempt: get(parked::ATTEMPT).and_then(|attempt| attempt.parse().ok()),
                version: get(parked::VERSION),
                origin: get(parked::ORIGIN),
                routing_key,
                bytes,
            };
        }
        // The broker parked it itself, and says so in a list with the latest death first.
        let death = match headers.inner().get("x-death") {
            Some(AMQPValue::FieldArray(deaths)) => {
                deaths.as_slice().first().and_then(AMQPValue::as_field_table)
            }
            _ => None,
        };
        let died = |name: &str| death.and_then(|death| death.inner().get(name));
        let class = died("reason").and_then(text).or_else(|| get("x-first-death-reason"));
        let class = class.unwrap_or_else(|| "unknown".to_owned());
        Self {
            id,
            parked_at: died("time").and_then(|value| match value {
                AMQPValue::Timestamp(seconds) => time(*seconds),
                _ => None,
            }),
            error: parked::broker_reason(&class).to_owned(),
            error_class: class,
            attempt: None,
            version: None,
            origin: died("queue").and_then(text).or_else(|| get("x-first-death-queue")),
            routing_key,
            bytes,
        }
    }
}

/// A message in a queue, as a sweep sees it.
#[derive(Debug, Clone, Copy)]
pub struct Held<'a> {
    /// AMQP `message_id`.
    pub message_id: Option<&'a str>,
    /// Routing key it was published with.
    pub routing_key: &'a str,
    /// The body.
    pub body: &'a [u8],
}

/// Which parked messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// Those with these ids, every copy.
    Ids(BTreeSet<String>),
    /// Every one that is there when it begins.
    All,
}

impl Which {
    fn takes(&self, id: &str) -> bool {
        match self {
            Self::Ids(ids) => ids.contains(id),
            Self::All => true,
        }
    }
}

/// What to do with a message that was looked at.
enum Verdict {
    /// Gives it back when the look ends.
    Keep,
    /// Removes it.
    Remove,
}

/// The parked queue.
pub struct ParkedQueue {
    connection: Connection,
    pub(super) topology: Topology,
    confirm_timeout: Duration,
}

impl ParkedQueue {
    /// Connects.
    pub async fn open(config: &config::Broker) -> Result<Self, BrokerError> {
        let connection = Address::from_config(config)?
            .connect("smista parked")
            .await
            .map_err(|fault| BrokerError::Operation(fault.to_string()))?;
        Ok(Self { connection, topology: Topology::of(config), confirm_timeout: config.confirm_timeout() })
    }

    /// Says goodbye; also what makes sure that everything looked at is back.
    pub async fn close(self) {
        farewell(&self.connection).await;
    }

    /// The oldest ones, at most `limit`, and how many there are.
    pub async fn list(&self, limit: usize) -> Result<(u32, Vec<Entry>), BrokerError> {
        let channel = self.channel().await?;
        let mut entries = Vec::new();
        let parked = self.topology.parked_queue();
        let looking = self.look(&parked, channel, async |entry, _| {
            entries.push(entry);
            Ok(Verdict::Keep)
        });
        let total = looking.await?;
        entries.sort_by_key(|entry| entry.parked_at);
        entries.truncate(limit);
        Ok((total, entries))
    }

    /// The oldest one with this id, with its body byte for byte.
    pub async fn find(&self, id: &str) -> Result<Option<(Entry, Vec<u8>)>, BrokerError> {
        let channel = self.channel().await?;
        let mut found = None;
        self.look(&self.topology.parked_queue(), channel, async |entry, message| {
            if found.is_none() && entry.id == id {
                found = Some((entry, message.delivery.data.clone()));
            }
            Ok(Verdict::Keep)
        })
        .await?;
        Ok(found)
    }

    /// Publishes them again to where they came from, oldest first, each removed only once its publish is confirmed and
    /// routed. Ends at the first that is not; `done` is called for each that is.
    pub async fn replay(&self, which: &Which, mut done: impl FnMut(&Entry)) -> Result<(), BrokerError> {
        let publishing = self.channel().await?;
        reply(publishing.confirm_select(ConfirmSelectOptions::default())).await.map_err(failed)?;
        let channel = self.channel().await?;
        self.look(&self.topology.parked_queue(), channel, async |entry, message| {
            if !which.takes(&entry.id) {
                return Ok(Verdict::Keep);
            }
            self.publish_again(&publishing, &entry, message).await.map_err(|error| {
                BrokerError::Operation(format!("{} was not replayed and stays parked: {error}", entry.id))
            })?;
            done(&entry);
            Ok(Verdict::Remove)
        })
        .await
        .map(drop)
    }

    /// Removes them for good; `done` is called for each.
    pub async fn discard(&self, which: &Which, mut done: impl FnMut(&Entry)) -> Result<(), BrokerError> {
        let channel = self.channel().await?;
        self.look(&self.topology.parked_queue(), channel, async |entry, _| {
            if !which.takes(&entry.id) {
                return Ok(Verdict::Keep);
            }
            done(&entry);
            Ok(Verdict::Remove)
        })
        .await
        .map(drop)
    }

    /// Removes from one of the queues, oldest first, what `takes` says yes to, or with `remove` false only counts it.
    /// Not for input queues, which show their messages to their active consumer alone.
    pub async fn sweep(
        &self,
        queue: &str,
        remove: bool,
        mut takes: impl FnMut(Held<'_>) -> bool,
    ) -> Result<u64, BrokerError> {
        let channel = self.channel().await?;
        let mut taken = 0;
        self.look(queue, channel, async |_, message| {
            let delivery = &message.delivery;
            let id = delivery.properties.message_id().as_ref().map(ToString::to_string);
            let routing_key = delivery.routing_key.to_string();
            let held = Held { message_id: id.as_deref(), routing_key: &routing_key, body: &delivery.data };
            if !takes(held) {
                return Ok(Verdict::Keep);
            }
            taken += 1;
            Ok(if remove { Verdict::Remove } else { Verdict::Keep })
        })
        .await?;
        Ok(taken)
    }

    /// Messages that wait in a queue for its consumer.
    pub async fn waiting(&self, queue: &str) -> Result<u64, BrokerError> {
        let channel = self.channel().await?;
        self.depth(&channel, queue).await.map(u64::from)
    }

    pub(super) async fn channel(&self) -> Result<Channel, BrokerError> {
        reply(self.connection.create_channel()).await.map_err(failed)
    }

    /// Messages waiting in a queue.
    async fn depth(&self, channel: &Channel, queue: &str) -> Result<u32, BrokerError> {
        let queue = short(queue).map_err(BrokerError::Config)?;
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        reply(channel.queue_declare(queue, options, FieldTable::default()))
            .await
            .map(|queue| queue.message_count())
            .map_err(failed)
    }

    /// Shows `each` the messages that are there, and says how many. All of them, even when fewer would do: with a delivery limit, a queue puts
    /// what is given back behind the rest, so that only a whole round keeps the order.
    async fn look(
        &self,
        name: &str,
        channel: Channel,
        mut each: impl AsyncFnMut(Entry, &BasicGetMessage) -> Result<Verdict, BrokerError>,
    ) -> Result<u32, BrokerError> {
        let queue = short(name).map_err(BrokerError::Config)?;
        let held = self.alone(name).await?;
        let total = self.depth(&channel, name).await?;
        let mut outcome = Ok(total);
        let mut kept = 0;
        for _ in 0..total {
            let got = reply(channel.basic_get(queue.clone(), BasicGetOptions { no_ack: false })).await;
            let Some(message) = got.map_err(failed)? else { break };
            kept += 1;
            match each(entry(&message), &message).await {
                Ok(Verdict::Keep) => {}
                Ok(Verdict::Remove) => match reply(message.acker.ack(BasicAckOptions::default())).await {
                    Ok(true) => kept -= 1,
                    Ok(false) => {
                        outcome = Err(BrokerError::Operation("the channel broke; look again".to_owned()));
                        break;
                    }
                    Err(error) => {
                        outcome = Err(failed(error));
                        break;
                    }
                },
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        // The broker gives back what was not acked when the channel closes, or else when the connection does.
        let _ = timeout(GOODBYE_TIMEOUT, channel.close(200, "done".into())).await;
        // It says so before they are back; who looks again at once would miss them.
        let _ = timeout(GOODBYE_TIMEOUT, self.holds(name, kept)).await;
        // Where this fails the connection's end takes the sign away.
        if let Ok(sign) = sign(name) {
            let _ = timeout(GOODBYE_TIMEOUT, held.queue_delete(sign, QueueDeleteOptions::default())).await;
        }
        outcome
    }

    /// Waits until nobody else looks through the queue: what another look holds is not there for this one, and an erasure
    /// would pass it over. An exclusive queue is the sign, which goes with its connection at the latest.
    async fn alone(&self, name: &str) -> Result<Channel, BrokerError> {
        let sign = sign(name)?;
        let begun = Instant::now();
        loop {
            let channel = self.channel().await?;
            let options = QueueDeclareOptions { exclusive: true, ..Default::default() };
            match reply(channel.queue_declare(sign.clone(), options, FieldTable::default())).await {
                Ok(_) => return Ok(channel),
                Err(error) if is_locked(&error) && begun.elapsed() < LOOK_TIMEOUT => {
                    tokio::time::sleep(LOOK_PAUSE).await;
                }
                Err(error) if is_locked(&error) => {
                    return Err(BrokerError::Operation(format!(
                        "somebody else has been looking through {name} for {} s; try again",
                        LOOK_TIMEOUT.as_secs()
                    )));
                }
                Err(error) => return Err(failed(error)),
            }
        }
    }

    async fn holds(&self, queue: &str, wanted: u32) -> Result<(), BrokerError> {
        let channel = self.channel().await?;
        while self.depth(&channel, queue).await? < wanted {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    async fn publish_again(
        &self,
        channel: &Channel,
        entry: &Entry,
        message: &BasicGetMessage,
    ) -> Result<(), String> {
        let delivery = &message.delivery;
        let (exchange, key) = self.topology.way_back(entry.origin.as_deref(), &entry.routing_key);
        let (exchange, key) = (short(&exchange)?, short(key)?);
        let properties = original_properties(&delivery.properties);
        let sent = send(channel, exchange, key, &delivery.data, properties);
        match timeout(self.confirm_timeout, sent).await {
            Ok(Ok(Confirmation::Ack(None))) => Ok(()),
            Ok(Ok(Confirmation::Ack(Some(_)))) => Err("no queue takes it".to_owned()),
            Ok(Ok(Confirmation::Nack(_))) => Err("the broker refused it".to_owned()),
            Ok(Ok(Confirmation::NotRequested)) => Err("the channel gives no confirms".to_owned()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no confirm within {:?}", self.confirm_timeout)),
        }
    }
}

/// The properties without what parking has added.
pub fn original_properties(parked: &BasicProperties) -> BasicProperties {
    const ADDED: [&str; 5] = ["x-smista-", "x-death", "x-first-death-", "x-last-death-", "x-delivery-count"];
    let mut headers = FieldTable::default();
    for (name, value) in parked.headers().iter().flat_map(FieldTable::inner) {
        if !ADDED.iter().any(|added| name.as_str().starts_with(added)) {
            headers.insert(name.clone(), value.clone());
        }
    }
    parked.clone().with_headers(headers).with_delivery_mode(2)
}

fn entry(message: &BasicGetMessage) -> Entry {
    let delivery = &message.delivery;
    Entry::read(&delivery.properties, delivery.routing_key.as_str(), &delivery.data)
}

fn text(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => Some(text.to_string()),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        other => number(other).map(|number| number.to_string()),
    }
}

fn time(seconds: u64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, 0)
}

/// The queue that says that somebody looks through this one.
fn sign(name: &str) -> Result<ShortString, BrokerError> {
    short(&format!("{name}.look")).map_err(BrokerError::Config)
}

fn is_locked(error: &lapin::Error) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(refusal) if refusal.get_id() == 405)
}

fn failed(error: lapin::Error) -> BrokerError {
    BrokerError::Operation(error.to_string())
}
