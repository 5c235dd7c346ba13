//! The broker as one worker process sees it: deliveries, settlements and publishes that get lost, come late or twice.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use smista::broker::{
    Broker, BrokerError, BrokerState, Consumer, Delivery, DeliveryMeta, Outgoing, PublishError, Publisher,
    Settle, SettleError, Settlement,
};
use smista::clock;
use smista::store::Destination;
use tokio::sync::watch;

use super::world::{Mistake, Process, World};

/// Longest wait for what is out of a shard that is given away.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(20);
const RECONNECT: Duration = Duration::from_millis(300);

/// A worker's connections.
pub struct Connections {
    pub process: Arc<Process>,
    /// Of its consumer, one a shard; none while not connected.
    subscriptions: Arc<Mutex<Vec<u64>>>,
    stopped: Arc<AtomicBool>,
    state: watch::Sender<BrokerState>,
}

impl Connections {
    pub fn new(process: Arc<Process>) -> Arc<Self> {
        Arc::new(Self {
            process,
            subscriptions: Arc::default(),
            stopped: Arc::default(),
            state: watch::Sender::new(BrokerState::Connected),
        })
    }

    /// The connection to consume breaks; the worker learns of it when it next uses it.
    pub fn cut(&self) {
        let world = &self.process.world;
        world.ledger.lock().unwrap().disruptions += 1;
        world.note(|| format!("{} cut off", self.process.name));
        world.queues.lock().unwrap().disconnect(world, self.process.number);
        world.changed.notify_waiters();
    }

    /// Gives one of its shards away.
    pub fn give_away(&self, shard: usize) {
        let world = &self.process.world;
        let mut own = self.subscriptions.lock().unwrap();
        let Some(current) = own.get_mut(shard) else { return };
        let old = *current;
        let Some(fresh) = world.queues.lock().unwrap().give_away(old) else { return };
        *current = fresh;
        world.ledger.lock().unwrap().disruptions += 1;
        world.note(|| format!("{} gives shard {shard} away", self.process.name));
        world.queues.lock().unwrap().go_on(world, old);
        world.changed.notify_waiters();
        let world = Arc::clone(world);
        tokio::spawn(async move {
            clock::sleep(SETTLE_TIMEOUT).await;
            world.queues.lock().unwrap().close(&world, old);
            world.changed.notify_waiters();
        });
    }
}

#[async_trait]
impl Broker for Connections {
    async fn consume(&self, _: u16) -> Result<Box<dyn Consumer>, BrokerError> {
        Ok(Box::new(Taking {
            process: Arc::clone(&self.process),
            subscriptions: Arc::clone(&self.subscriptions),
            stopped: Arc::clone(&self.stopped),
        }))
    }

    fn publisher(&self) -> Arc<dyn Publisher> {
        Arc::new(Publishing(Arc::clone(&self.process)))
    }

    fn state(&self) -> watch::Receiver<BrokerState> {
        self.state.subscribe()
    }

    async fn close(&self) {
        self.process.pass("close", &self.process.name).await;
        let world = &self.process.world;
        world.queues.lock().unwrap().disconnect(world, self.process.number);
        world.changed.notify_waiters();
    }
}

struct Taking {
    process: Arc<Process>,
    subscriptions: Arc<Mutex<Vec<u64>>>,
    stopped: Arc<AtomicBool>,
}

impl Taking {
    fn take(&self) -> Option<(u64, u64, super::queues::Held)> {
        let world = &self.process.world;
        let own = self.subscriptions.lock().unwrap().clone();
        let mut queues = world.queues.lock().unwrap();
        own.into_iter().find_map(|subscription| {
            queues.take(world, subscription).map(|(place, held)| (subscription, place, held))
        })
    }

    fn is_connected(&self) -> bool {
        let own = self.subscriptions.lock().unwrap();
        let queues = self.process.world.queues.lock().unwrap();
        !own.is_empty() && own.iter().all(|subscription| queues.is_open(*subscription))
    }

    fn connect(&self) {
        let world = &self.process.world;
        let mut queues = world.queues.lock().unwrap();
        queues.disconnect(world, self.process.number);
        *self.subscriptions.lock().unwrap() =
            (0..world.plan.shards).map(|shard| queues.subscribe(self.process.number, shard)).collect();
    }
}

#[async_trait]
impl Consumer for Taking {
    async fn next(&mut self) -> Option<Delivery> {
        let world = Arc::clone(&self.process.world);
        let (subscription, place, held) = loop {
            let changed = world.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.process.is_dead() {
                std::future::pending::<()>().await;
            }
            if self.stopped.load(Ordering::Relaxed) {
                return None;
            }
            if !self.is_connected() {
                clock::sleep(RECONNECT).await;
                if !self.is_connected() && !self.process.is_dead() {
                    self.connect();
                    world.note(|| format!("{} connected", self.process.name));
                }
                continue;
            }
            if let Some(taken) = self.take() {
                break taken;
            }
            changed.await;
        };
        world.note(|| format!("{} receives {}", self.process.name, held.id));
        let meta = DeliveryMeta {
            queue: "q".to_owned(),
            routing_key: held.key,
            message_id: Some(held.id.clone()),
            content_type: None,
            earlier_deliveries: held.deliveries,
            redelivered: held.deliveries > 0,
            received_at: chrono::Utc::now(),
            trace: None,
        };
        let settler = Settling {
            process: Arc::clone(&self.process),
            stopped: Arc::clone(&self.stopped),
            subscription,
            place,
            id: held.id,
            settled: AtomicBool::new(false),
        };
        Some(Delivery::new(held.body.to_vec(), meta, Box::new(settler)))
    }

    async fn stop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.process.world.changed.notify_waiters();
    }
}

struct Settling {
    process: Arc<Process>,
    stopped: Arc<AtomicBool>,
    subscription: u64,
    place: u64,
    id: String,
    settled: AtomicBool,
}

impl Settling {
    /// I1: what an ack takes off the queue is safe elsewhere.
    fn check(&self) {
        let world = &self.process.world;
        let ledger = world.ledger.lock().unwrap();
        let parked = ledger.parked.contains_key(&self.id);
        let database = world.database.lock().unwrap();
        let missing = match database.outbox_of(&self.id) {
            _ if parked => None,
            None => Some("it is neither decided nor parked".to_owned()),
            Some(rows) => rows
                .into_iter()
                .find(|row| !ledger.bodies.contains_key(row))
                .map(|row| format!("{row} was not confirmed")),
        };
        drop((ledger, database));
        if let Some(missing) = missing {
            world.violated(format!("I1: {} was acked while {missing}", self.id));
        }
    }
}

#[async_trait]
impl Settle for Settling {
    async fn settle(self: Box<Self>, how: Settlement) -> Result<(), SettleError> {
        let world = &self.process.world;
        self.process.step("ack", &self.id).await;
        self.settled.store(true, Ordering::Relaxed);
        assert_eq!(how, Settlement::Ack, "the worker only ever acks");
        let cut = || {
            world.ledger.lock().unwrap().disruptions += 1;
            world.queues.lock().unwrap().disconnect(world, self.process.number);
            world.changed.notify_waiters();
        };
        if world.strikes("ack-lost", &self.id, world.plan.rates.ack) {
            cut();
            return Err(SettleError::ChannelGone);
        }
        let acked = world.queues.lock().unwrap().ack(world, self.subscription, self.place);
        if !acked {
            world.note(|| format!("{} could not ack {}", self.process.name, self.id));
            return Err(SettleError::ChannelGone);
        }
        world.note(|| format!("{} acked {}", self.process.name, self.id));
        self.check();
        world.changed.notify_waiters();
        self.process.pass("acked", &self.id).await;
        if world.strikes("ack-unanswered", &self.id, world.plan.rates.ack) {
            cut();
            return Err(SettleError::ChannelGone);
        }
        Ok(())
    }

    fn is_recalled(&self) -> bool {
        !self.process.world.queues.lock().unwrap().is_open(self.subscription)
    }
}

impl Drop for Settling {
    fn drop(&mut self) {
        if self.settled.load(Ordering::Relaxed) || self.process.is_dead() {
            return;
        }
        let world = &self.process.world;
        world.note(|| format!("{} dropped {}", self.process.name, self.id));
        let stopped = self.stopped.load(Ordering::Relaxed);
        world.queues.lock().unwrap().dropped(world, self.subscription, self.place, stopped);
        world.changed.notify_waiters();
    }
}

struct Publishing(Arc<Process>);

#[async_trait]
impl Publisher for Publishing {
    async fn publish(&self, message: Outgoing) -> Result<(), PublishError> {
        let Self(process) = self;
        let world = &process.world;
        let id = message.message_id.clone();
        if world.mistake == Mistake::AckBeforeConfirm {
            let process = Arc::clone(process);
            tokio::spawn(async move {
                process.step("publish", &message.message_id).await;
                arrive(&process.world, &message);
            });
            return Ok(());
        }
        process.step("publish", &id).await;
        let rate = world.plan.rates.publish;
        if world.strikes("publish-lost", &id, rate) {
            return Err(PublishError::Disconnected("lost on its way".to_owned()));
        }
        if world.strikes("publish-refused", &id, rate) {
            return Err(PublishError::Nacked);
        }
        if world.strikes("publish-unroutable", &id, rate) {
            return Err(PublishError::Unroutable(message.routing_key));
        }
        if world.strikes("confirm-late", &id, rate) {
            let world = Arc::clone(world);
            tokio::spawn(async move {
                world.pause("arrival", &message.message_id).await;
                arrive(&world, &message);
            });
            return Err(PublishError::ConfirmTimeout(Duration::from_secs(10)));
        }
        arrive(world, &message);
        process.step("confirm", &id).await;
        if world.strikes("confirm-lost", &id, rate) {
            return Err(PublishError::Disconnected("lost before the confirm".to_owned()));
        }
        Ok(())
    }
}

/// A queue holds the message. I2: the same id is the same message.
fn arrive(world: &World, message: &Outgoing) {
    let id = &message.message_id;
    let mut ledger = world.ledger.lock().unwrap();
    ledger.arrivals += 1;
    let mut wrong = None;
    if message.destination == Destination::Parked {
        let header = message.headers.iter().find(|(name, _)| name == "x-smista-error-class");
        let class = header.map(|(_, class)| class.clone()).unwrap_or_default();
        ledger.parked.entry(id.clone()).or_default().insert(class);
    } else if let Some(before) = ledger.bodies.get(id) {
        wrong = (*before != message.body).then(|| format!("I2: {id} was published with two bodies"));
    } else {
        ledger.bodies.insert(id.clone(), message.body.clone());
        ledger.published.push(id.clone());
    }
    drop(ledger);
    world.note(|| format!("{:?} {id} arrives", message.destination));
    if let Some(wrong) = wrong {
        world.violated(wrong);
    }
}
