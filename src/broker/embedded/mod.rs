//! The broker of the embedded mode: queues in this process, with the acknowledgement semantics of RabbitMQ. What is
//! unsettled when its handle drops is delivered again, in its old place; what is refused or delivered too often is
//! parked; a publish that nobody takes is unroutable. Nothing survives the process: the store does.

mod queue;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::Utc;
use tokio::sync::{Notify, mpsc, watch};

use self::queue::{Message, Queues};
use super::{
    Broker, BrokerError, BrokerState, Consumer, Delivery, DeliveryMeta, Outgoing, PublishError, Publisher,
    Settle, SettleError, Settlement,
};
use crate::store::Destination;

/// Size and limits of the in-process broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedOptions {
    /// Prefix of the queue names.
    pub prefix: String,
    /// Number of input queues.
    pub shards: u16,
    /// Messages an input queue, a subscription or the parked queue holds before publishers wait or are refused.
    pub capacity: usize,
    /// Redeliveries before a message is parked.
    pub delivery_limit: u16,
    /// Longest wait of a publish for room.
    pub confirm_timeout: Duration,
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self {
            prefix: "smista".to_owned(),
            shards: 1,
            capacity: 1024,
            delivery_limit: 100,
            confirm_timeout: Duration::from_secs(10),
        }
    }
}

/// The in-process broker. Clones share the same queues.
#[derive(Clone)]
pub struct EmbeddedBroker {
    inner: Arc<Inner>,
}

struct Inner {
    options: EmbeddedOptions,
    queues: Mutex<Queues>,
    /// Rung after every change of `queues`.
    changed: Notify,
    subscribers: Mutex<Vec<(Destination, mpsc::Sender<Outgoing>)>>,
    state: watch::Sender<BrokerState>,
}

impl EmbeddedBroker {
    /// An empty broker, working at once.
    pub fn new(options: EmbeddedOptions) -> Self {
        let queues = Queues::new(&options.prefix, options.shards, options.capacity, options.delivery_limit);
        Self {
            inner: Arc::new(Inner {
                options,
                queues: Mutex::new(queues),
                changed: Notify::new(),
                subscribers: Mutex::new(Vec::new()),
                state: watch::Sender::new(BrokerState::Connected),
            }),
        }
    }

    /// Puts a message into the input queue of its routing key; waits while that queue is full, at most the confirm
    /// timeout.
    pub async fn publish_interaction(
        &self,
        body: Vec<u8>,
        routing_key: &str,
        message_id: Option<&str>,
    ) -> Result<(), PublishError> {
        let message = Message::new(body, routing_key, message_id);
        let inner = &self.inner;
        let mut waiting = Some(message);
        let published = inner
            .until(inner.options.confirm_timeout, || {
                let mut queues = inner.queues();
                if inner.closed() {
                    return Some(Err(PublishError::Disconnected("the broker is closed".to_owned())));
                }
                let message = waiting.take()?;
                match queues.push(message) {
                    Ok(()) => Some(Ok(())),
                    Err(full) => {
                        waiting = Some(full);
                        None
                    }
                }
            })
            .await
            .unwrap_or(Err(PublishError::Nacked));
        inner.changed.notify_waiters();
        published
    }

    /// A queue of its own bound to everything published to `destination` from now on. A slow reader holds publishers
    /// up. What the queues themselves park is only in [`EmbeddedBroker::parked`].
    pub fn subscribe(&self, destination: Destination) -> mpsc::Receiver<Outgoing> {
        let (sender, receiver) = mpsc::channel(self.inner.options.capacity.max(1));
        self.inner.subscribers().push((destination, sender));
        receiver
    }

    /// What is parked, oldest first.
    pub fn parked(&self) -> Vec<Outgoing> {
        self.inner.queues().parked.iter().cloned().collect()
    }

    /// Messages waiting and messages unsettled, over all input queues.
    pub fn depth(&self) -> (usize, usize) {
        self.inner.queues().depth()
    }
}

impl Inner {
    fn queues(&self) -> MutexGuard<'_, Queues> {
        // The state is consistent between statements: a panic elsewhere while it was held spoils nothing.
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn subscribers(&self) -> MutexGuard<'_, Vec<(Destination, mpsc::Sender<Outgoing>)>> {
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn closed(&self) -> bool {
        *self.state.borrow() == BrokerState::Closed
    }

    /// Asks `ready` again after every change until it answers; `None` after `limit`.
    async fn until<T>(&self, limit: Duration, ready: impl FnMut() -> Option<T>) -> Option<T> {
        tokio::time::timeout(limit, self.wait(ready)).await.ok()
    }

    async fn wait<T>(&self, mut ready: impl FnMut() -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before the look, so that no change between look and sleep is missed.
            changed.as_mut().enable();
            if let Some(answer) = ready() {
                return answer;
            }
            changed.await;
        }
    }

    async fn publish(&self, message: Outgoing) -> Result<(), PublishError> {
        if self.closed() {
            return Err(PublishError::Disconnected("the broker is closed".to_owned()));
        }
        let targets: Vec<_> = {
            let mut subscribers = self.subscribers();
            subscribers.retain(|(_, sender)| !sender.is_closed());
            subscribers
                .iter()
                .filter(|(destination, _)| *destination == message.destination)
                .map(|(_, sender)| sender.clone())
                .collect()
        };
        let mut routed = false;
        for target in targets {
            // A subscriber that went away meanwhile is no route; one that has no room refuses the publish.
            match target.send_timeout(message.clone(), self.options.confirm_timeout).await {
                Ok(()) => routed = true,
                Err(mpsc::error::SendTimeoutError::Closed(_)) => {}
                Err(mpsc::error::SendTimeoutError::Timeout(_)) => return Err(PublishError::Nacked),
            }
        }
        if message.destination == Destination::Parked {
            return self.queues().park(message).map_err(|_| PublishError::Nacked);
        }
        if routed { Ok(()) } else { Err(PublishError::Unroutable(message.routing_key)) }
    }

    fn settle(&self, queue: usize, tag: u64, how: &Settlement) -> Result<(), SettleError> {
        let settled = self.queues().settle(queue, tag, how);
        self.changed.notify_waiters();
        settled
    }
}

#[async_trait]
impl Broker for EmbeddedBroker {
    async fn consume(&self, prefetch: u16) -> Result<Box<dyn Consumer>, BrokerError> {
        let id = self.inner.queues().add_consumer();
        Ok(Box::new(EmbeddedConsumer {
            inner: Arc::clone(&self.inner),
            id,
            prefetch: usize::from(prefetch.max(1)),
            stopped: AtomicBool::new(false),
        }))
    }

    fn publisher(&self) -> Arc<dyn Publisher> {
        Arc::new(EmbeddedPublisher { inner: Arc::clone(&self.inner) })
    }

    fn state(&self) -> watch::Receiver<BrokerState> {
        self.inner.state.subscribe()
    }

    async fn close(&self) {
        self.inner.queues().drop_consumers();
        self.inner.changed.notify_waiters();
        self.inner.wait(|| (self.inner.queues().depth().1 == 0).then_some(())).await;
        self.inner.state.send_replace(BrokerState::Closed);
        self.inner.changed.notify_waiters();
    }
}

struct EmbeddedPublisher {
    inner: Arc<Inner>,
}

#[async_trait]
impl Publisher for EmbeddedPublisher {
    async fn publish(&self, message: Outgoing) -> Result<(), PublishError> {
        self.inner.publish(message).await
    }
}

struct EmbeddedConsumer {
    inner: Arc<Inner>,
    id: u64,
    prefetch: usize,
    stopped: AtomicBool,
}

#[async_trait]
impl Consumer for EmbeddedConsumer {
    async fn next(&mut self) -> Option<Delivery> {
        let inner = &self.inner;
        let taken = inner
            .wait(|| {
                let mut queues = inner.queues();
                if self.stopped.load(Ordering::Relaxed) || !queues.has_consumer(self.id) {
                    return Some(None);
                }
                queues.take(self.id, self.prefetch).map(Some)
            })
            .await?;
        let handle = EmbeddedSettle {
            inner: Arc::clone(inner),
            queue: taken.queue,
            tag: taken.tag,
            settled: AtomicBool::new(false),
        };
        let message = taken.message;
        let meta = DeliveryMeta {
            queue: taken.queue_name,
            routing_key: message.routing_key,
            message_id: message.message_id,
            content_type: Some("application/json".to_owned()),
            earlier_deliveries: message.earlier_deliveries,
            redelivered: message.earlier_deliveries > 0,
            received_at: Utc::now(),
            trace: None,
        };
        Some(Delivery::new(message.body, meta, Box::new(handle)))
    }

    async fn stop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.inner.queues().remove_consumer(self.id);
        self.inner.changed.notify_waiters();
    }
}

impl Drop for EmbeddedConsumer {
    fn drop(&mut self) {
        self.inner.queues().remove_consumer(self.id);
        self.inner.changed.notify_waiters();
    }
}

struct EmbeddedSettle {
    inner: Arc<Inner>,
    queue: usize,
    tag: u64,
    settled: AtomicBool,
}

#[async_trait]
impl Settle for EmbeddedSettle {
    async fn settle(self: Box<Self>, how: Settlement) -> Result<(), SettleError> {
        self.inner.settle(self.queue, self.tag, &how)?;
        self.settled.store(true, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for EmbeddedSettle {
    fn drop(&mut self) {
        if !self.settled.load(Ordering::Relaxed) {
            // It is still there: nothing else settles this tag, and the only failure is that it is not.
            let _ = self.inner.settle(self.queue, self.tag, &Settlement::Requeue);
        }
    }
}
