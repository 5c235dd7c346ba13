//! The consuming connection: a channel per input queue (`shard.rs`), merged through one bounded queue. Handing out stops
//! at once when asked; what had arrived but was not handed out goes back, in order, when the connection closes, so that no
//! other worker gets later messages first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use lapin::options::{BasicAckOptions, BasicNackOptions, BasicRejectOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Acker, Connection, ErrorKind};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::connect::Address;
use super::drain::Drained;
use super::shard::{Handout, Lines, Shard};
use super::state::{Backoff, Board, Side};
use super::{declare, farewell, raised};
use crate::broker::topology::Topology;
use crate::broker::{BrokerState, Consumer, Delivery, DeliveryMeta, Settle, SettleError, Settlement, Shards};
use crate::telemetry::trace::{Remote, TRACEPARENT, TRACESTATE};

/// Longest wait until an ack or nack is written.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often to look meanwhile whether its channel still lives.
const SETTLE_LOOK: Duration = Duration::from_millis(100);

/// Counts the deliveries handed out and neither settled nor dropped.
#[derive(Clone)]
pub(super) struct Outstanding(Arc<watch::Sender<usize>>);

impl Default for Outstanding {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl Outstanding {
    pub fn add(&self) -> OutstandingOne {
        self.0.send_modify(|count| *count += 1);
        OutstandingOne(self.clone())
    }

    pub fn count(&self) -> usize {
        *self.0.borrow()
    }

    pub async fn none_left(&self) {
        // The sender is here: waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
    }
}

pub(super) struct OutstandingOne(Outstanding);

impl Drop for OutstandingOne {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// A delivery on its way from a channel to [`Consumer::next`].
pub(super) struct Arrived {
    pub delivery: lapin::message::Delivery,
    pub queue: Arc<str>,
    pub at: DateTime<Utc>,
    /// Of the subscription it came over.
    pub handout: Arc<Handout>,
}

/// What a consumer needs.
pub(super) struct Source {
    pub address: Address,
    pub topology: Arc<Topology>,
    pub board: Arc<Board>,
    pub prefetch: u16,
    pub outstanding: Outstanding,
    pub closing: watch::Receiver<bool>,
}

/// Deliveries of all input queues.
pub(super) struct AmqpConsumer {
    arrivals: mpsc::Receiver<Arrived>,
    stop: watch::Sender<bool>,
    outstanding: Outstanding,
    lines: Arc<Lines>,
}

impl AmqpConsumer {
    pub fn start(source: Source) -> (Self, JoinHandle<()>) {
        let (sender, arrivals) = mpsc::channel(usize::from(source.prefetch));
        let stop = watch::Sender::new(false);
        let outstanding = source.outstanding.clone();
        let Topology { prefix, generation, .. } = &*source.topology;
        let team = format!("{}/{prefix}/{generation}", source.address.vhost());
        let lines = Arc::new(Lines::new(team, source.topology.input_queues().count()));
        let supervisor = Supervisor {
            source,
            arrivals: sender,
            stop: stop.subscribe(),
            lines: Arc::clone(&lines),
            backoff: Backoff::new(),
        };
        (Self { arrivals, stop, outstanding, lines }, tokio::spawn(supervisor.run()))
    }
}

#[async_trait]
impl Consumer for AmqpConsumer {
    async fn next(&mut self) -> Option<Delivery> {
        let mut stop = self.stop.subscribe();
        loop {
            let arrived = tokio::select! {
                biased;
                () = raised(&mut stop) => return None,
                arrived = self.arrivals.recv() => arrived?,
            };
            // Counted before the look, so that who gives the shard away misses nothing that is handed out.
            let counted = [self.outstanding.add(), arrived.handout.outstanding.add()];
            // Its channel died or its shard was given away while it waited here: the broker delivers it again.
            if arrived.handout.is_over() || !arrived.delivery.acker.usable() {
                continue;
            }
            return Some(hand_out(arrived, counted, self.stop.subscribe()));
        }
    }

    async fn stop(&mut self) {
        self.stop.send_replace(true);
    }

    fn shards(&self) -> Option<Arc<dyn Shards>> {
        Some(Arc::clone(&self.lines) as Arc<dyn Shards>)
    }
}

fn hand_out(arrived: Arrived, counted: [OutstandingOne; 2], stop: watch::Receiver<bool>) -> Delivery {
    let Arrived { delivery, queue, at, handout } = arrived;
    let text = |value: &Option<ShortString>| value.as_ref().map(ToString::to_string);
    let meta = DeliveryMeta {
        queue: queue.to_string(),
        routing_key: delivery.routing_key.to_string(),
        message_id: text(delivery.properties.message_id()),
        content_type: text(delivery.properties.content_type()),
        // The broker counts in a header that a producer can send as well; only a redelivery has been counted.
        earlier_deliveries: match delivery.properties.headers() {
            Some(headers) if delivery.redelivered => earlier_deliveries(headers),
            _ => 0,
        },
        redelivered: delivery.redelivered,
        received_at: at,
        trace: delivery.properties.headers().as_ref().and_then(trace),
    };
    let settler = AmqpSettle {
        acker: delivery.acker,
        settled: AtomicBool::new(false),
        stop,
        handout,
        _counted: counted,
    };
    Delivery::new(delivery.data, meta, Box::new(settler))
}

/// Deliveries before this one, as the queue counts them in the headers; none where it does not say.
pub fn earlier_deliveries(headers: &FieldTable) -> u32 {
    headers.inner().get("x-delivery-count").and_then(number).unwrap_or(0)
}

/// The trace context in the headers.
pub(super) fn trace(headers: &FieldTable) -> Option<Remote> {
    let text = |name: &str| match headers.inner().get(name)? {
        AMQPValue::LongString(text) => Some(text.to_string()),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    };
    Remote::of(text(TRACEPARENT), text(TRACESTATE))
}

/// Any whole number that fits.
pub(super) fn number(value: &AMQPValue) -> Option<u32> {
    match value {
        AMQPValue::ShortShortInt(n) => u32::try_from(*n).ok(),
        AMQPValue::ShortShortUInt(n) => Some(u32::from(*n)),
        AMQPValue::ShortInt(n) => u32::try_from(*n).ok(),
        AMQPValue::ShortUInt(n) => Some(u32::from(*n)),
        AMQPValue::LongInt(n) => u32::try_from(*n).ok(),
        AMQPValue::LongUInt(n) => Some(*n),
        AMQPValue::LongLongInt(n) => u32::try_from(*n).ok(),
        _ => None,
    }
}

struct AmqpSettle {
    acker: Acker,
    settled: AtomicBool,
    stop: watch::Receiver<bool>,
    handout: Arc<Handout>,
    _counted: [OutstandingOne; 2],
}

#[async_trait]
impl Settle for AmqpSettle {
    async fn settle(self: Box<Self>, how: Settlement) -> Result<(), SettleError> {
        self.settled.store(true, Ordering::Relaxed);
        let acker = &self.acker;
        let sent = async {
            match how {
                Settlement::Ack => acker.ack(BasicAckOptions::default()).await,
                Settlement::Requeue => acker.nack(BasicNackOptions { multiple: false, requeue: true }).await,
                Settlement::Reject => acker.reject(BasicRejectOptions { requeue: false }).await,
            }
        };
        written(sent, || acker.poisoned()).await
    }

    fn is_recalled(&self) -> bool {
        self.handout.is_over() || !self.acker.usable()
    }
}

/// What became of an ack or nack. One that is sent while the connection breaks may be left without an answer for good: known
/// soon after the channel is gone, and after [`SETTLE_TIMEOUT`] at the latest. One that is written after all settles a
/// message that is finished; one that is not leaves it to the broker, which delivers it again.
async fn written(
    sent: impl Future<Output = lapin::Result<bool>>,
    is_gone: impl Fn() -> bool,
) -> Result<(), SettleError> {
    let mut sent = std::pin::pin!(sent);
    let mut waited = Duration::ZERO;
    while waited < SETTLE_TIMEOUT {
        // Looked at before the wait: what fails with its channel has the time to say why.
        let gone = is_gone();
        match tokio::time::timeout(SETTLE_LOOK, &mut sent).await {
            Ok(Ok(true)) => return Ok(()),
            // Nothing was sent: the channel had died.
            Ok(Ok(false)) => break,
            Ok(Err(error)) => {
                return Err(match error.kind() {
                    ErrorKind::ProtocolError(refusal) => {
                        SettleError::Refused(refusal.get_message().to_string())
                    }
                    _ => SettleError::ChannelGone,
                });
            }
            Err(_) if gone => break,
            Err(_) => waited += SETTLE_LOOK,
        }
    }
    Err(SettleError::ChannelGone)
}

impl Drop for AmqpSettle {
    fn drop(&mut self) {
        // Once stopped or recalled, the closing channel gives everything back at once and in order; single nacks would
        // not.
        if self.settled.load(Ordering::Relaxed) || *self.stop.borrow() || self.is_recalled() {
            return;
        }
        // Without this it would hold its place in the prefetch for as long as the channel lives. Off the runtime the
        // connection is going anyway.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let acker = self.acker.clone();
            runtime.spawn(async move {
                // A channel that died meanwhile has given it back already.
                let options = BasicNackOptions { multiple: false, requeue: true };
                let _ = written(acker.nack(options), || acker.poisoned()).await;
            });
        }
    }
}

pub(super) struct Supervisor {
    pub(super) source: Source,
    pub(super) arrivals: mpsc::Sender<Arrived>,
    pub(super) stop: watch::Receiver<bool>,
    lines: Arc<Lines>,
    backoff: Backoff,
}

impl Supervisor {
    async fn run(mut self) {
        let mut stop = self.stop.clone();
        loop {
            let session = self.session().await;
            self.lines.clear();
            let Err(reason) = session else { break };
            if *stop.borrow() {
                break;
            }
            self.source.board.set(Side::Consume, Some(BrokerState::Connecting(reason)));
            let mut closing = self.source.closing.clone();
            tokio::select! {
                () = raised(&mut stop) => break,
                () = raised(&mut closing) => break,
                () = tokio::time::sleep(self.backoff.pause()) => {}
            }
        }
        self.source.board.set(Side::Consume, None);
    }

    /// One connection. `Ok` when the broker is being closed, else why the connection is lost.
    async fn session(&mut self) -> Result<(), String> {
        let mut closing = self.source.closing.clone();
        let connection = tokio::select! {
            () = raised(&mut closing) => return Ok(()),
            connected = self.source.address.connect("smista consume") => connected?,
        };
        tokio::select! {
            () = raised(&mut closing) => {
                farewell(&connection).await;
                return Ok(());
            }
            drained = self.drain_earlier(&connection) => if let Drained::Stopped(_open) = drained? {
                raised(&mut closing).await;
                farewell(&connection).await;
                return Ok(());
            },
        }
        tokio::select! {
            () = raised(&mut closing) => {
                farewell(&connection).await;
                return Ok(());
            }
            there = self.wait_for_topology(&connection) => there?,
        }
        self.source.board.set(Side::Consume, Some(BrokerState::Connected));
        self.backoff.reset();

        let shard = |(index, queue)| {
            let shard = Shard {
                connection: &connection,
                queue,
                index,
                prefetch: self.source.prefetch,
                lines: &self.lines,
                arrivals: &self.arrivals,
                stop: self.stop.clone(),
            };
            shard.run()
        };
        let mut shards: FuturesUnordered<_> =
            self.source.topology.input_queues().enumerate().map(shard).collect();
        // Subscriptions live on after the stop: for the acks of what was handed out, and because a queue whose active
        // consumer cancels goes on with the next one at once, while earlier messages are still out.
        let mut open = Vec::new();
        loop {
            tokio::select! {
                () = raised(&mut closing) => break,
                ended = shards.next() => match ended {
                    Some(subscription) => open.push(subscription?),
                    None => {
                        raised(&mut closing).await;
                        break;
                    }
                },
            }
        }
        farewell(&connection).await;
        Ok(())
    }

    async fn wait_for_topology(&mut self, connection: &Connection) -> Result<(), String> {
        loop {
            let report = declare::check_inputs(connection, &self.source.topology)
                .await
                .map_err(|error| error.to_string())?;
            let Some(fault) = report.faults.first() else { return Ok(()) };
            self.source.board.set(Side::Consume, Some(BrokerState::TopologyMissing(fault.to_string())));
            tokio::time::sleep(self.backoff.pause()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_ack_without_an_answer_holds_its_lane_up_for_a_moment_and_no_longer() {
        let never = std::future::pending;
        let begun = std::time::Instant::now();
        assert_eq!(written(never(), || true).await, Err(SettleError::ChannelGone));
        assert!(begun.elapsed() < SETTLE_TIMEOUT / 2);
        assert_eq!(written(async { Ok(false) }, || true).await, Err(SettleError::ChannelGone));
        assert_eq!(written(async { Ok(true) }, || true).await, Ok(()), "written before the channel died");
        assert_eq!(written(never(), || false).await, Err(SettleError::ChannelGone), "not for ever");
    }
}
