//! The queues themselves: plain state, no waiting. Every message of a queue has its place (`seq`) for good, so that a
//! redelivery comes before everything published later.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::broker::parked::{self, Parking};
use crate::broker::{Outgoing, SettleError, Settlement};

/// A message of an input queue.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub body: Vec<u8>,
    pub routing_key: String,
    pub message_id: Option<String>,
    pub earlier_deliveries: u32,
}

impl Message {
    pub fn new(body: Vec<u8>, routing_key: &str, message_id: Option<&str>) -> Self {
        Self {
            body,
            routing_key: routing_key.to_owned(),
            message_id: message_id.map(str::to_owned),
            earlier_deliveries: 0,
        }
    }
}

/// A message on its way to a consumer; a copy stays with the queue until it is settled.
pub(super) struct Taken {
    pub queue: usize,
    pub queue_name: String,
    pub tag: u64,
    pub message: Message,
}

struct Queue {
    name: String,
    ready: BTreeMap<u64, Message>,
    unsettled: BTreeMap<u64, Message>,
}

pub(super) struct Queues {
    queues: Vec<Queue>,
    pub parked: VecDeque<Outgoing>,
    /// The first one is the active one; the next takes over when it goes.
    consumers: VecDeque<u64>,
    capacity: usize,
    delivery_limit: u32,
    next_seq: u64,
    next_consumer: u64,
    /// Where the next look for a message begins, so that no queue starves another.
    turn: usize,
}

impl Queues {
    pub fn new(prefix: &str, shards: u16, capacity: usize, delivery_limit: u16) -> Self {
        let queue = |n| Queue {
            name: format!("{prefix}.interactions.{n}"),
            ready: BTreeMap::new(),
            unsettled: BTreeMap::new(),
        };
        Self {
            queues: (0..shards.max(1)).map(queue).collect(),
            parked: VecDeque::new(),
            consumers: VecDeque::new(),
            capacity: capacity.max(1),
            delivery_limit: u32::from(delivery_limit),
            next_seq: 0,
            next_consumer: 0,
            turn: 0,
        }
    }

    /// Gives the message back when its queue is full.
    pub fn push(&mut self, message: Message) -> Result<(), Message> {
        let mut hasher = DefaultHasher::new();
        message.routing_key.hash(&mut hasher);
        let count = self.queues.len() as u64;
        let shard = usize::try_from(hasher.finish() % count).unwrap_or_default();
        let Some(queue) = self.queues.get_mut(shard) else { return Err(message) };
        if queue.ready.len() + queue.unsettled.len() >= self.capacity {
            return Err(message);
        }
        queue.ready.insert(self.next_seq, message);
        self.next_seq += 1;
        Ok(())
    }

    /// Gives the message back when the parked queue is full.
    pub fn park(&mut self, message: Outgoing) -> Result<(), Outgoing> {
        if self.parked.len() >= self.capacity {
            return Err(message);
        }
        self.parked.push_back(message);
        Ok(())
    }

    pub fn take(&mut self, consumer: u64, prefetch: usize) -> Option<Taken> {
        if self.consumers.front() != Some(&consumer) {
            return None;
        }
        let count = self.queues.len();
        for step in 0..count {
            let index = (self.turn + step) % count;
            let Some(queue) = self.queues.get_mut(index) else { continue };
            if queue.unsettled.len() >= prefetch {
                continue;
            }
            if let Some((tag, message)) = queue.ready.pop_first() {
                queue.unsettled.insert(tag, message.clone());
                self.turn = (index + 1) % count;
                return Some(Taken { queue: index, queue_name: queue.name.clone(), tag, message });
            }
        }
        None
    }

    pub fn settle(&mut self, queue: usize, tag: u64, how: &Settlement) -> Result<(), SettleError> {
        let full = self.parked.len() >= self.capacity;
        let limit = self.delivery_limit;
        let source = self.queues.get_mut(queue).ok_or(SettleError::ChannelGone)?;
        let mut message = source.unsettled.remove(&tag).ok_or(SettleError::ChannelGone)?;
        let class = match how {
            Settlement::Ack => return Ok(()),
            Settlement::Reject => parked::REJECTED,
            Settlement::Requeue => {
                message.earlier_deliveries += 1;
                if message.earlier_deliveries <= limit || full {
                    source.ready.insert(tag, message);
                    return Ok(());
                }
                parked::DELIVERY_LIMIT
            }
        };
        if full {
            source.unsettled.insert(tag, message);
            return Err(SettleError::Refused("the parked queue is full".to_owned()));
        }
        let parking = Parking {
            class: class.to_owned(),
            error: parked::broker_reason(class).to_owned(),
            attempt: message.earlier_deliveries.max(1),
            origin: source.name.clone(),
            routing_key: message.routing_key,
            message_id: message.message_id,
        };
        self.parked.push_back(parked::parking(parking, message.body));
        Ok(())
    }

    pub fn depth(&self) -> (usize, usize) {
        let waiting = self.queues.iter().map(|queue| queue.ready.len()).sum();
        let unsettled = self.queues.iter().map(|queue| queue.unsettled.len()).sum();
        (waiting, unsettled)
    }

    pub fn add_consumer(&mut self) -> u64 {
        let id = self.next_consumer;
        self.next_consumer += 1;
        self.consumers.push_back(id);
        id
    }

    pub fn has_consumer(&self, id: u64) -> bool {
        self.consumers.contains(&id)
    }

    pub fn remove_consumer(&mut self, id: u64) {
        self.consumers.retain(|consumer| *consumer != id);
    }

    pub fn drop_consumers(&mut self) {
        self.consumers.clear();
    }
}
