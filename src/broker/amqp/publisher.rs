//! The publishing connection: one channel with confirms, shared by everybody, many publishes in flight. A publish is
//! done only when the broker has confirmed it and returned nothing.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, Connection, Event};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::connect::{Address, reply, short};
use super::state::{Backoff, Board, Side};
use super::{declare, farewell, pause, raised};
use crate::broker::topology::Topology;
use crate::broker::{BrokerState, Outgoing, PublishError, Publisher, cloudevents, parked};
use crate::failpoint;

/// AMQP's delivery mode for messages that outlive the broker.
const PERSISTENT: u8 = 2;
/// How often to look whether connection and channel still live; events usually tell earlier.
const PULSE: Duration = Duration::from_secs(1);
/// Longest wait for the close of a channel that gave no confirm; past it the connection is given up too.
const CHANNEL_CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// A channel in use, and which one it is.
#[derive(Clone)]
struct Live {
    channel: Channel,
    generation: u64,
}

/// What publishers can do now.
#[derive(Clone)]
enum Line {
    /// Wait; with the reason.
    Down(String),
    /// Publish.
    Up(Live),
}

/// Publishes over whatever channel is up.
pub(super) struct AmqpPublisher {
    line: watch::Receiver<Line>,
    /// Generations of channels found broken.
    faults: mpsc::UnboundedSender<u64>,
    topology: Arc<Topology>,
    confirm_timeout: Duration,
}

pub(super) fn start(
    address: Address,
    topology: Arc<Topology>,
    board: Arc<Board>,
    confirm_timeout: Duration,
    closing: watch::Receiver<bool>,
) -> (Arc<AmqpPublisher>, JoinHandle<()>) {
    let (line, watched) = watch::channel(Line::Down("not connected yet".to_owned()));
    let (faults, found) = mpsc::unbounded_channel();
    let publisher =
        Arc::new(AmqpPublisher { line: watched, faults, topology: Arc::clone(&topology), confirm_timeout });
    let supervisor = Supervisor {
        address,
        topology,
        board,
        line,
        faults: found,
        closing,
        generation: 0,
        backoff: Backoff::new(),
    };
    (publisher, tokio::spawn(supervisor.run()))
}

impl AmqpPublisher {
    /// The channel, waiting for one no longer than for a confirm.
    async fn live(&self) -> Result<Live, PublishError> {
        let mut line = self.line.clone();
        let up = timeout(self.confirm_timeout, line.wait_for(|line| matches!(line, Line::Up(_)))).await;
        if let Ok(Ok(up)) = up
            && let Line::Up(live) = &*up
        {
            return Ok(live.clone());
        }
        Err(PublishError::Disconnected(match &*self.line.borrow() {
            Line::Down(reason) => reason.clone(),
            Line::Up(_) => "the connection has just come back".to_owned(),
        }))
    }

    fn broken(&self, live: &Live) {
        // A supervisor that is gone has closed the connection: nothing to mend.
        let _ = self.faults.send(live.generation);
    }
}

#[async_trait]
impl Publisher for AmqpPublisher {
    async fn publish(&self, message: Outgoing) -> Result<(), PublishError> {
        let exchange = self.topology.exchange_of(message.destination);
        let (Ok(exchange), Ok(key)) = (short(&exchange), short(&message.routing_key)) else {
            return Err(PublishError::Unroutable(message.routing_key));
        };
        let mut headers =
            cloudevents::headers(message.destination, &message.message_id, &self.topology.prefix);
        headers.extend(message.headers);
        let properties = properties(&message.message_id, &headers);
        let live = self.live().await?;
        let sent =
            timeout(self.confirm_timeout, send(&live.channel, exchange, key, &message.body, properties))
                .await;
        let confirmation = match sent {
            Ok(Ok(confirmation)) => confirmation,
            Ok(Err(error)) => {
                self.broken(&live);
                return Err(PublishError::Disconnected(error.to_string()));
            }
            Err(_) => {
                self.broken(&live);
                return Err(PublishError::ConfirmTimeout(self.confirm_timeout));
            }
        };
        match confirmation {
            Confirmation::Ack(None) => Ok(()),
            Confirmation::Ack(Some(_)) => Err(PublishError::Unroutable(message.routing_key)),
            Confirmation::Nack(_) => Err(PublishError::Nacked),
            Confirmation::NotRequested => {
                self.broken(&live);
                Err(PublishError::Disconnected("the channel gives no confirms".to_owned()))
            }
        }
    }
}

/// Sends one message, `mandatory`, and waits for its confirm.
pub(super) async fn send(
    channel: &Channel,
    exchange: ShortString,
    key: ShortString,
    body: &[u8],
    properties: BasicProperties,
) -> lapin::Result<Confirmation> {
    let options = BasicPublishOptions { mandatory: true, immediate: false };
    let confirm = channel.basic_publish(exchange, key, options, body, properties).await?;
    failpoint::pass("publish", "").await;
    confirm.await
}

/// Properties of everything smista publishes.
pub(super) fn properties(message_id: &str, headers: &[(String, String)]) -> BasicProperties {
    let mut table = FieldTable::default();
    for (name, value) in headers {
        if let Ok(name) = short(name) {
            table.insert(name, AMQPValue::LongString(value.as_str().into()));
        }
    }
    // An id too long for the property is replaced by one made from it, the same every time.
    let id =
        short(message_id).or_else(|_| short(&parked::unnamed(message_id.as_bytes()))).unwrap_or_default();
    BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type("application/json".into())
        .with_message_id(id)
        .with_headers(table)
        .with_timestamp(u64::try_from(chrono::Utc::now().timestamp()).unwrap_or_default())
}

/// Why a session ended.
enum Ended {
    Closing,
    Lost(String),
}

struct Supervisor {
    address: Address,
    topology: Arc<Topology>,
    board: Arc<Board>,
    line: watch::Sender<Line>,
    faults: mpsc::UnboundedReceiver<u64>,
    closing: watch::Receiver<bool>,
    generation: u64,
    backoff: Backoff,
}

impl Supervisor {
    async fn run(mut self) {
        loop {
            match self.session().await {
                Ended::Closing => break,
                Ended::Lost(reason) => {
                    self.down(BrokerState::Connecting(reason.clone()), reason);
                    if pause(self.backoff.pause(), &mut self.closing).await {
                        break;
                    }
                }
            }
        }
        self.line.send_replace(Line::Down("closed".to_owned()));
    }

    fn down(&self, state: BrokerState, reason: String) {
        self.line.send_replace(Line::Down(reason));
        self.board.set(Side::Publish, Some(state));
    }

    /// One connection, from the first handshake until it is lost.
    async fn session(&mut self) -> Ended {
        let mut closing = self.closing.clone();
        let connection = tokio::select! {
            () = raised(&mut closing) => return Ended::Closing,
            connected = self.address.connect("smista publish") => match connected {
                Ok(connection) => connection,
                Err(fault) => return Ended::Lost(fault.to_string()),
            },
        };
        tokio::select! {
            () = raised(&mut closing) => {
                farewell(&connection).await;
                Ended::Closing
            }
            ended = self.serve(&connection) => ended,
        }
    }

    /// One channel after another, while the connection lives.
    async fn serve(&mut self, connection: &Connection) -> Ended {
        loop {
            match declare::check_outputs(connection, &self.topology).await {
                Err(error) => return Ended::Lost(error.to_string()),
                Ok(report) => {
                    if let Some(fault) = report.faults.first() {
                        let text = fault.to_string();
                        self.down(BrokerState::TopologyMissing(text.clone()), text);
                        tokio::time::sleep(self.backoff.pause()).await;
                        continue;
                    }
                }
            }
            let channel = match open(connection).await {
                Ok(channel) => channel,
                Err(error) => return Ended::Lost(error.to_string()),
            };
            self.generation += 1;
            self.backoff.reset();
            let live = Live { channel, generation: self.generation };
            if let Some(lost) = self.watch_channel(connection, &live).await {
                return Ended::Lost(lost);
            }
            self.down(
                BrokerState::Connecting("a new channel is opened".to_owned()),
                "the channel broke".to_owned(),
            );
            if live.channel.status().connected() {
                let closed = timeout(CHANNEL_CLOSE_TIMEOUT, live.channel.close(200, "rebuild".into())).await;
                if !matches!(closed, Ok(Ok(()))) {
                    return Ended::Lost("the broker gave no answer".to_owned());
                }
            }
        }
    }

    /// Returns when the channel is broken; with a reason when the connection is lost with it.
    async fn watch_channel(&mut self, connection: &Connection, live: &Live) -> Option<String> {
        let mut events = std::pin::pin!(connection.events_listener());
        let mut blocked = false;
        self.up(live);
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(Event::ConnectionBlocked(reason)) => {
                        blocked = true;
                        let text = format!("the broker takes no messages now: {reason}");
                        self.down(BrokerState::Blocked(reason), text);
                    }
                    Some(Event::ConnectionUnblocked) => {
                        blocked = false;
                        self.up(live);
                    }
                    Some(Event::Error(error)) if !connection.status().connected() => return Some(error.to_string()),
                    Some(_) => {}
                    None => return Some("the connection ended".to_owned()),
                },
                generation = self.faults.recv() => {
                    // A blocked connection confirms nothing: its timeouts say nothing of the channel.
                    if generation == Some(live.generation) && !blocked {
                        return (!connection.status().connected()).then(|| "the connection broke".to_owned());
                    }
                }
                () = tokio::time::sleep(PULSE) => {
                    if !connection.status().connected() {
                        return Some("the connection broke".to_owned());
                    }
                    if !live.channel.status().connected() {
                        return None;
                    }
                }
            }
        }
    }

    fn up(&self, live: &Live) {
        self.line.send_replace(Line::Up(live.clone()));
        self.board.set(Side::Publish, Some(BrokerState::Connected));
    }
}

async fn open(connection: &Connection) -> lapin::Result<Channel> {
    let channel = reply(connection.create_channel()).await?;
    reply(channel.confirm_select(ConfirmSelectOptions::default())).await?;
    Ok(channel)
}
