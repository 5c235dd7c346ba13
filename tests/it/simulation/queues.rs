//! The broker's queues as plain state: one active consumer each, everything in its place, what is not settled comes
//! back when its channel goes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::world::{Mistake, World};

#[derive(Debug, Clone)]
pub struct Held {
    pub id: String,
    pub key: String,
    pub body: Arc<[u8]>,
    pub deliveries: u32,
}

/// One consumer of one queue.
struct Subscription {
    process: usize,
    shard: usize,
    /// Not acked, by place.
    out: BTreeMap<u64, Held>,
    /// Handed out and neither settled nor dropped.
    open: usize,
    /// Being given away: nothing more is handed out.
    over: bool,
}

#[derive(Default)]
struct Queue {
    ready: BTreeMap<u64, Held>,
    line: VecDeque<u64>,
}

pub struct Queues {
    queues: Vec<Queue>,
    subscriptions: BTreeMap<u64, Subscription>,
    next_place: u64,
    next_subscription: u64,
}

impl Queues {
    pub fn new(shards: usize) -> Self {
        Self {
            queues: (0..shards).map(|_| Queue::default()).collect(),
            subscriptions: BTreeMap::new(),
            next_place: 0,
            next_subscription: 0,
        }
    }

    pub fn push(&mut self, shard: usize, held: Held) {
        self.queues[shard].ready.insert(self.next_place, held);
        self.next_place += 1;
    }

    pub fn is_empty(&self) -> bool {
        self.queues.iter().all(|queue| queue.ready.is_empty())
            && self.subscriptions.values().all(|subscription| subscription.out.is_empty())
    }

    /// To the end of the queue's line.
    pub fn subscribe(&mut self, process: usize, shard: usize) -> u64 {
        let number = self.next_subscription;
        self.next_subscription += 1;
        let subscription = Subscription { process, shard, out: BTreeMap::new(), open: 0, over: false };
        self.subscriptions.insert(number, subscription);
        self.queues[shard].line.push_back(number);
        number
    }

    pub fn is_open(&self, subscription: u64) -> bool {
        self.subscriptions.get(&subscription).is_some_and(|subscription| !subscription.over)
    }

    pub fn take(&mut self, world: &World, subscription: u64) -> Option<(u64, Held)> {
        let number = subscription;
        let subscription = self.subscriptions.get_mut(&number)?;
        let queue = &mut self.queues[subscription.shard];
        let active = queue.line.front() == Some(&number) && !subscription.over;
        if !active || subscription.out.len() >= world.plan.prefetch {
            return None;
        }
        let (place, held) = queue.ready.pop_first()?;
        subscription.open += 1;
        *world.ledger.lock().unwrap().deliveries.entry(held.id.clone()).or_default() += 1;
        if world.mistake != Mistake::AckOnDelivery {
            subscription.out.insert(place, held.clone());
        }
        Some((place, held))
    }

    /// Acks. `false` when the channel is gone.
    pub fn ack(&mut self, world: &World, subscription: u64, place: u64) -> bool {
        let number = subscription;
        let Some(subscription) = self.subscriptions.get_mut(&number) else { return false };
        subscription.out.remove(&place);
        subscription.open -= 1;
        self.go_on(world, number);
        true
    }

    /// The handle is gone and nothing was settled; `stopped` when its worker takes nothing more.
    pub fn dropped(&mut self, world: &World, subscription: u64, place: u64, stopped: bool) {
        let number = subscription;
        let Some(subscription) = self.subscriptions.get_mut(&number) else { return };
        subscription.open -= 1;
        if world.mistake == Mistake::DropIsAck {
            subscription.out.remove(&place);
        } else if !subscription.over
            && !stopped
            && let Some(held) = subscription.out.remove(&place)
        {
            // A single nack, which a queue with a delivery limit puts behind the rest.
            let shard = subscription.shard;
            self.next_place += 1;
            let place = self.next_place;
            self.put_back(world, shard, place, held);
        }
        self.go_on(world, number);
    }

    /// Gives a shard away: the worker goes to the end of the line, and what it has not begun goes to the next one.
    pub fn give_away(&mut self, subscription: u64) -> Option<u64> {
        let current = self.subscriptions.get_mut(&subscription).filter(|current| !current.over)?;
        current.over = true;
        let (process, shard) = (current.process, current.shard);
        Some(self.subscribe(process, shard))
    }

    /// Everything out of a subscription that is given away was settled: the channel closes.
    pub fn go_on(&mut self, world: &World, subscription: u64) {
        let done = self.subscriptions.get(&subscription).is_some_and(|one| one.over && one.open == 0);
        if done {
            self.close(world, subscription);
        }
    }

    /// The channel is gone, and everything unsettled comes back.
    pub fn close(&mut self, world: &World, subscription: u64) {
        let number = subscription;
        let Some(subscription) = self.subscriptions.remove(&number) else { return };
        let shard = subscription.shard;
        self.queues[shard].line.retain(|other| *other != number);
        for (place, held) in subscription.out {
            let place = if world.mistake == Mistake::RequeueBehind {
                self.next_place += 1;
                self.next_place - 1
            } else {
                place
            };
            self.put_back(world, shard, place, held);
        }
    }

    /// All channels of a process.
    pub fn disconnect(&mut self, world: &World, process: usize) {
        let own: Vec<u64> = self
            .subscriptions
            .iter()
            .filter(|(_, subscription)| subscription.process == process)
            .map(|(number, _)| *number)
            .collect();
        for number in own {
            self.close(world, number);
        }
    }

    fn put_back(&mut self, world: &World, shard: usize, place: u64, mut held: Held) {
        held.deliveries += 1;
        if held.deliveries > world.plan.delivery_limit {
            world.note(|| format!("{} parked by the broker", held.id));
            let mut ledger = world.ledger.lock().unwrap();
            ledger.parked.entry(held.id).or_default().insert("delivery_limit".to_owned());
        } else {
            self.queues[shard].ready.insert(place, held);
        }
    }
}
