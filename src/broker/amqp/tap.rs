//! One queue of what is sent to an address out there: taken with a bounded prefetch, and each message held unacked until
//! the address has it. Reconnects by itself. What is not acked goes back to the queue, in order, when the connection closes.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::StreamExt as _;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Acker, Connection};
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::connect::{Address, reply, short};
use super::consumer::{Outstanding, OutstandingOne, earlier_deliveries, trace};
use super::farewell;
use super::state::Backoff;
use crate::broker::topology::hook_queue;
use crate::broker::{BrokerError, DeliveryMeta};
use crate::config;

/// Longest wait, at the end, for what is under way.
const LAST_WAIT: Duration = Duration::from_secs(20);
/// Longest wait until an ack is written.
const ACK_TIMEOUT: Duration = Duration::from_secs(10);

/// A message on its way out. Dropped without [`Letter::done`] it stays with the broker.
pub struct Letter {
    /// The body.
    pub body: Vec<u8>,
    /// What the broker says about it.
    pub meta: DeliveryMeta,
    /// When it was published.
    pub published_at: Option<DateTime<Utc>>,
    acker: Acker,
    back: Arc<Notify>,
    _counted: OutstandingOne,
}

impl Letter {
    /// It arrived, or is kept elsewhere: gone from the queue. False where the connection had died: it will come again.
    pub async fn done(&self) -> bool {
        matches!(timeout(ACK_TIMEOUT, self.acker.ack(BasicAckOptions::default())).await, Ok(Ok(true)))
    }

    /// The broker will deliver it again: whoever holds it can forget it.
    pub fn is_stale(&self) -> bool {
        !self.acker.usable()
    }

    /// Gives everything that is held back to the queue, in order, and begins again. A broker ends the channel of who holds
    /// a message too long (half an hour by default).
    pub fn give_all_back(&self) {
        self.back.notify_one();
    }
}

/// The queue of a hook.
pub struct Tap {
    address: Address,
    queue: String,
    prefetch: u16,
    back: Arc<Notify>,
    outstanding: Outstanding,
}

impl Tap {
    /// Connects to nothing yet.
    pub fn new(config: &config::Broker, hook: &str, prefetch: u16) -> Result<Self, BrokerError> {
        Ok(Self {
            address: Address::from_config(config)?,
            queue: hook_queue(&config.prefix, hook),
            prefetch,
            back: Arc::default(),
            outstanding: Outstanding::default(),
        })
    }

    /// Hands letters out until stopped, then waits for those under way. `told` hears of every change of the connection:
    /// nothing when it works, else why it does not.
    pub async fn run(
        self,
        letters: mpsc::Sender<Letter>,
        told: impl Fn(Option<&str>),
        stop: CancellationToken,
    ) {
        let mut backoff = Backoff::new();
        while !stop.is_cancelled() {
            if let Err(reason) = self.session(&letters, &told, &stop, &mut backoff).await {
                told(Some(&reason));
            }
            // Stopped or not, the loop's head tells.
            let _ = stop.run_until_cancelled(tokio::time::sleep(backoff.pause())).await;
        }
    }

    async fn session(
        &self,
        letters: &mpsc::Sender<Letter>,
        told: &impl Fn(Option<&str>),
        stop: &CancellationToken,
        backoff: &mut Backoff,
    ) -> Result<(), String> {
        let Some(connection) = stop.run_until_cancelled(self.address.connect("smista gateway")).await else {
            return Ok(());
        };
        let connection = connection.map_err(|fault| fault.to_string())?;
        let ended = self.serve(&connection, letters, told, stop, backoff).await;
        farewell(&connection).await;
        ended
    }

    async fn serve(
        &self,
        connection: &Connection,
        letters: &mpsc::Sender<Letter>,
        told: &impl Fn(Option<&str>),
        stop: &CancellationToken,
        backoff: &mut Backoff,
    ) -> Result<(), String> {
        let failed = |error: lapin::Error| match super::declare::is_missing(&error) {
            true => format!("there is no queue {}: `smista topology apply` makes it", self.queue),
            false => format!("{}: {error}", self.queue),
        };
        let channel = reply(connection.create_channel()).await.map_err(failed)?;
        reply(channel.basic_qos(self.prefetch, BasicQosOptions::default())).await.map_err(failed)?;
        let queue = short(&self.queue)?;
        let options = BasicConsumeOptions::default();
        let consuming = channel.basic_consume(queue, "".into(), options, FieldTable::default());
        let mut deliveries = reply(consuming).await.map_err(failed)?;
        backoff.reset();
        told(None);
        loop {
            let delivery = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = self.back.notified() => return Ok(()),
                delivery = deliveries.next() => delivery,
            };
            let delivery = match delivery {
                Some(Ok(delivery)) => delivery,
                Some(Err(error)) => return Err(failed(error)),
                None => return Err(format!("{}: the broker ended the subscription", self.queue)),
            };
            let letter = self.letter(delivery);
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = self.back.notified() => return Ok(()),
                sent = letters.send(letter) => if sent.is_err() { break },
            }
        }
        // Acks of what is under way still go out; the rest goes back when the connection closes.
        let _ = timeout(LAST_WAIT, self.outstanding.none_left()).await;
        Ok(())
    }

    fn letter(&self, delivery: lapin::message::Delivery) -> Letter {
        let properties = &delivery.properties;
        let text = |value: &Option<lapin::types::ShortString>| value.as_ref().map(ToString::to_string);
        let published_at = properties
            .timestamp()
            .and_then(|seconds| DateTime::from_timestamp(i64::try_from(seconds).ok()?, 0));
        Letter {
            meta: DeliveryMeta {
                queue: self.queue.clone(),
                routing_key: delivery.routing_key.to_string(),
                message_id: text(properties.message_id()),
                content_type: text(properties.content_type()),
                earlier_deliveries: properties.headers().as_ref().map_or(0, earlier_deliveries),
                redelivered: delivery.redelivered,
                received_at: Utc::now(),
                trace: properties.headers().as_ref().and_then(trace),
            },
            published_at,
            body: delivery.data,
            acker: delivery.acker,
            back: Arc::clone(&self.back),
            _counted: self.outstanding.add(),
        }
    }
}
