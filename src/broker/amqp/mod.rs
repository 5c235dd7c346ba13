//! RabbitMQ. Two connections, since a broker in need blocks whoever publishes and acks must go on: one consumes, one
//! publishes. Each has a supervisor that never gives up: connect, check the topology, work, and after any fault begin
//! again. It declares nothing.

pub mod backlog;
mod connect;
mod consumer;
pub mod declare;
mod drain;
pub mod fault;
pub mod feed;
pub mod generations;
pub mod park;
mod publisher;
pub mod reshard;
mod shard;
mod state;
pub mod tap;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use self::connect::Address;
pub use self::consumer::earlier_deliveries;
use self::consumer::{AmqpConsumer, Outstanding};
use self::publisher::AmqpPublisher;
use self::state::{Board, Side};
use super::topology::Topology;
use super::{Broker, BrokerError, BrokerState, Consumer, Publisher};
use crate::config;

/// Longest wait for the broker's goodbye.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);

/// A RabbitMQ broker.
pub struct AmqpBroker {
    address: Address,
    topology: Arc<Topology>,
    board: Arc<Board>,
    publisher: Arc<AmqpPublisher>,
    outstanding: Outstanding,
    /// Set once: no new deliveries; supervisors end when nothing is outstanding.
    closing: watch::Sender<bool>,
    supervisors: Mutex<Vec<JoinHandle<()>>>,
}

impl AmqpBroker {
    /// Starts to connect for publishing; consuming starts with [`Broker::consume`]. Must be called on a tokio runtime.
    /// Fails only on what waiting cannot mend.
    pub fn start(config: &config::Broker) -> Result<Self, BrokerError> {
        let address = Address::from_config(config)?;
        let topology = Arc::new(Topology::of(config));
        let board = Arc::new(Board::new());
        board.set(Side::Publish, Some(BrokerState::Connecting(String::new())));
        let closing = watch::Sender::new(false);
        let (publisher, supervisor) = publisher::start(
            address.clone(),
            Arc::clone(&topology),
            Arc::clone(&board),
            config.confirm_timeout(),
            closing.subscribe(),
        );
        Ok(Self {
            address,
            topology,
            board,
            publisher,
            outstanding: Outstanding::default(),
            closing,
            supervisors: Mutex::new(vec![supervisor]),
        })
    }

    /// The address without its password.
    pub fn redacted_url(&self) -> String {
        self.address.redacted()
    }
}

#[async_trait]
impl Broker for AmqpBroker {
    async fn consume(&self, prefetch: u16) -> Result<Box<dyn Consumer>, BrokerError> {
        if prefetch == 0 {
            return Err(BrokerError::Config("a prefetch of 0 is unbounded".to_owned()));
        }
        self.board.set(Side::Consume, Some(BrokerState::Connecting(String::new())));
        let (consumer, supervisor) = AmqpConsumer::start(consumer::Source {
            address: self.address.clone(),
            topology: Arc::clone(&self.topology),
            board: Arc::clone(&self.board),
            prefetch,
            outstanding: self.outstanding.clone(),
            closing: self.closing.subscribe(),
        });
        self.supervisors.lock().unwrap_or_else(PoisonError::into_inner).push(supervisor);
        Ok(Box::new(consumer))
    }

    fn publisher(&self) -> Arc<dyn Publisher> {
        Arc::clone(&self.publisher) as Arc<dyn Publisher>
    }

    fn state(&self) -> watch::Receiver<BrokerState> {
        self.board.watch()
    }

    async fn close(&self) {
        self.outstanding.none_left().await;
        self.closing.send_replace(true);
        let supervisors: Vec<_> =
            self.supervisors.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect();
        for supervisor in supervisors {
            // A supervisor that panicked has closed its connection by that.
            let _ = supervisor.await;
        }
        self.board.set(Side::Consume, None);
        self.board.set(Side::Publish, Some(BrokerState::Closed));
    }
}

impl Drop for AmqpBroker {
    fn drop(&mut self) {
        self.closing.send_replace(true);
    }
}

/// Says goodbye; what the broker still holds for this connection goes back to its queues.
async fn farewell(connection: &lapin::Connection) {
    // Nobody is left to hear of a failure, and the broker notices a lost connection by itself.
    let _ = tokio::time::timeout(GOODBYE_TIMEOUT, connection.close(200, "done".into())).await;
}

/// Waits, unless the flag goes up; says whether it is up.
async fn pause(length: Duration, flag: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        () = raised(flag) => true,
        () = tokio::time::sleep(length) => false,
    }
}

/// Returns once the flag is up or nobody can raise it any more.
async fn raised(flag: &mut watch::Receiver<bool>) {
    let _ = flag.wait_for(|up| *up).await;
}
