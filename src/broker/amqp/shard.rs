//! One input queue's subscription, and how it is given away: the worker goes to the end of the queue's line by a second
//! subscription, hands nothing more out of the first, waits until what it handed out is settled, and closes the first
//! channel. The broker then has the next in line go on, beginning with what was not handed out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::Utc;
use futures::StreamExt as _;
use lapin::options::{BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection};
use tokio::sync::{Notify, mpsc, watch};

use super::connect::{reply, short};
use super::consumer::{Arrived, Outstanding};
use super::raised;
use crate::broker::{Place, Shards};

/// Longest wait for what was handed out of a shard that is given away. What is not settled by then is delivered to the
/// next worker as well; whichever commits it second finds it decided, as after a crash.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(20);

/// What was handed out of one subscription.
#[derive(Default)]
pub(super) struct Handout {
    pub outstanding: Outstanding,
    over: AtomicBool,
}

impl Handout {
    /// Nothing more may be handed out.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }
}

/// Where this consumer stands in the line of each queue.
pub(super) struct Lines {
    team: String,
    places: Mutex<Vec<Option<Place>>>,
    asked: Vec<Notify>,
    next: Mutex<u64>,
}

impl Lines {
    pub fn new(team: String, shards: usize) -> Self {
        Self {
            team,
            places: Mutex::new(vec![None; shards]),
            asked: (0..shards).map(|_| Notify::new()).collect(),
            next: Mutex::new(0),
        }
    }

    /// The connection is gone, and every place with it.
    pub fn clear(&self) {
        self.lock().fill(None);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<Place>>> {
        // Every entry is valid by itself.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn subscribed(&self, shard: usize) {
        let number = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            *next += 1;
            *next
        };
        if let Some(place) = self.lock().get_mut(shard) {
            *place = Some(Place { number, active: false, moving: false });
        }
    }

    fn change(&self, shard: usize, change: impl FnOnce(&mut Place)) {
        if let Some(Some(place)) = self.lock().get_mut(shard) {
            change(place);
        }
    }

    async fn asked(&self, shard: usize) {
        match self.asked.get(shard) {
            Some(asked) => asked.notified().await,
            None => std::future::pending().await,
        }
    }
}

impl Shards for Lines {
    fn team(&self) -> &str {
        &self.team
    }

    fn places(&self) -> Vec<Place> {
        self.lock().iter().copied().collect::<Option<Vec<Place>>>().unwrap_or_default()
    }

    fn give_away(&self, shard: usize) {
        self.change(shard, |place| place.moving = true);
        if let Some(asked) = self.asked.get(shard) {
            asked.notify_one();
        }
    }
}

/// A channel and what comes over it; dropping the second cancels the subscription.
pub(super) struct Subscription {
    channel: Channel,
    deliveries: lapin::Consumer,
    handout: Arc<Handout>,
}

impl Subscription {
    /// Hands nothing more out, waits for what was, and leaves the line.
    pub async fn finish(self) -> Result<(), String> {
        self.handout.end();
        self.settled().await;
        self.leave().await
    }

    /// Waits for what was handed out, not for ever.
    async fn settled(&self) {
        let _ = tokio::time::timeout(SETTLE_TIMEOUT, self.handout.outstanding.none_left()).await;
    }

    async fn leave(self) -> Result<(), String> {
        // Closed, not cancelled: a queue whose active consumer cancels goes on before it has everything back.
        close(&self.channel).await
    }
}

/// One input queue of a connection.
pub(super) struct Shard<'a> {
    pub connection: &'a Connection,
    pub queue: &'a str,
    pub index: usize,
    pub prefetch: u16,
    pub lines: &'a Lines,
    pub arrivals: &'a mpsc::Sender<Arrived>,
    pub stop: watch::Receiver<bool>,
}

impl Shard<'_> {
    /// Consumes the queue, on one channel after another. Ends with the subscription in use when stopped, with an error
    /// when the connection is lost or what it needs is not there any more.
    pub async fn run(mut self) -> Result<Subscription, String> {
        let queue: Arc<str> = self.queue.into();
        let mut current = self.open().await?;
        self.lines.subscribed(self.index);
        loop {
            let delivery = tokio::select! {
                biased;
                () = raised(&mut self.stop) => return Ok(current),
                () = self.lines.asked(self.index) => {
                    match self.give_away(current).await? {
                        Moved::On(fresh) => current = fresh,
                        Moved::Stopped(current) => return Ok(current),
                    }
                    continue;
                }
                delivery = current.deliveries.next() => delivery,
            };
            let delivery = match delivery {
                Some(Ok(delivery)) => delivery,
                Some(Err(error)) => return Err(format!("{queue}: {error}")),
                None => {
                    return Err(format!(
                        "{queue}: the broker ended the subscription; was the queue deleted?"
                    ));
                }
            };
            self.lines.change(self.index, |place| place.active = true);
            let handout = Arc::clone(&current.handout);
            let arrived = Arrived { delivery, queue: Arc::clone(&queue), at: Utc::now(), handout };
            tokio::select! {
                biased;
                () = raised(&mut self.stop) => return Ok(current),
                () = self.lines.asked(self.index) => match self.give_away(current).await? {
                    Moved::On(fresh) => current = fresh,
                    Moved::Stopped(current) => return Ok(current),
                },
                sent = self.arrivals.send(arrived) => {
                    if sent.is_err() {
                        // The consumer was dropped: the same as a stop.
                        return Ok(current);
                    }
                }
            }
        }
    }

    async fn give_away(&mut self, current: Subscription) -> Result<Moved, String> {
        let fresh = self.open().await?;
        current.handout.end();
        tokio::select! {
            biased;
            () = raised(&mut self.stop) => {
                // The place at the end of the line is not needed any more, and must not be served before the rest is back.
                close(&fresh.channel).await?;
                return Ok(Moved::Stopped(current));
            }
            () = current.settled() => {}
        }
        current.leave().await?;
        self.lines.subscribed(self.index);
        Ok(Moved::On(fresh))
    }

    async fn open(&self) -> Result<Subscription, String> {
        let queue = short(self.queue)?;
        let opened = async {
            let channel = reply(self.connection.create_channel()).await?;
            reply(channel.basic_qos(self.prefetch, BasicQosOptions::default())).await?;
            let options = BasicConsumeOptions::default();
            let deliveries =
                reply(channel.basic_consume(queue, "".into(), options, FieldTable::default())).await?;
            Ok(Subscription { channel, deliveries, handout: Arc::default() })
        };
        opened.await.map_err(|error: lapin::Error| error.to_string())
    }
}

/// How giving away ended.
enum Moved {
    /// At the end of the line.
    On(Subscription),
    /// Stopped meanwhile; with the subscription that things were handed out of.
    Stopped(Subscription),
}

async fn close(channel: &Channel) -> Result<(), String> {
    reply(channel.close(200, "given away".into())).await.map_err(|error| error.to_string())
}
