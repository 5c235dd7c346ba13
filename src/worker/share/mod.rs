//! Shares the input queues among the workers that live: says in the store that this one does, looks who else does, and
//! gives away the shards that are another's. The broker keeps every order: it has one active consumer per queue, and a
//! shard changes hands only after what is out of it was settled.

pub mod balance;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use self::balance::{Balance, Patience};
use crate::broker::Shards;
use crate::store::{Attendance, Store, StoreError};
use crate::telemetry::events;

/// How often a worker shows itself and looks around.
const BEAT: Duration = Duration::from_secs(1);
/// Longest wait to take the own line off the list when stopping.
const FAREWELL: Duration = Duration::from_secs(2);

/// Shares until `stop`.
pub async fn run(store: Arc<dyn Store>, shards: Arc<dyn Shards>, stop: CancellationToken) {
    let me = uuid::Uuid::new_v4().simple().to_string();
    let balance = Balance::new(me.clone(), Patience::default());
    let mut sharing = Sharing { store, shards, me, beat: 0, listed: false, balance, told: Told::default() };
    let mut ticks = tokio::time::interval(BEAT);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = ticks.tick() => {}
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = sharing.tick() => {}
        }
    }
    // A line that stays is noticed by its beat.
    let _ = tokio::time::timeout(FAREWELL, sharing.leave()).await;
}

struct Sharing {
    store: Arc<dyn Store>,
    shards: Arc<dyn Shards>,
    me: String,
    beat: i64,
    listed: bool,
    balance: Balance,
    told: Told,
}

/// What was said last, so that only changes are.
#[derive(Default)]
struct Told {
    active: Vec<bool>,
    share: (usize, usize),
    failing: bool,
}

impl Sharing {
    async fn tick(&mut self) {
        let places = self.shards.places();
        self.tell_active(places.iter().map(|place| place.active).collect());
        if places.len() == 1 {
            // With one queue there is nothing to share: the broker has the next one take over.
            return;
        }
        let shared = if places.is_empty() { self.leave().await } else { self.share().await };
        let failing = shared.is_err();
        if let Err(error) = shared
            && !self.told.failing
        {
            events::SharingFailed { error: &error.to_string() }.emit();
        }
        self.told.failing = failing;
    }

    async fn share(&mut self) -> Result<(), StoreError> {
        let places = self.shards.places();
        self.beat += 1;
        self.listed = true;
        let me = Attendance {
            worker: self.me.clone(),
            beat: self.beat,
            places: places.iter().map(|place| place.number).collect(),
        };
        let team = self.shards.team();
        let rows = self.store.attend(team, &me).await?;
        let now = Instant::now();
        for gone in self.balance.look(rows, now) {
            self.store.dismiss(team, &gone.worker, gone.beat).await?;
        }
        // Looked at again: the store may have taken its time.
        let places = self.shards.places();
        if places.is_empty() {
            return Ok(());
        }
        for shard in self.balance.surplus(&places, now) {
            events::ShardGivenAway { shard }.emit();
            self.shards.give_away(shard);
        }
        let share = self.balance.share();
        if share != self.told.share {
            let (workers, shards) = share;
            events::Shared { workers, shards, of: places.len() }.emit();
            self.told.share = share;
        }
        Ok(())
    }

    /// Not connected or stopping: others take this worker's shards.
    async fn leave(&mut self) -> Result<(), StoreError> {
        if !self.listed {
            return Ok(());
        }
        self.store.dismiss(self.shards.team(), &self.me, self.beat).await?;
        self.listed = false;
        Ok(())
    }

    fn tell_active(&mut self, active: Vec<bool>) {
        if active == self.told.active {
            return;
        }
        events::ActiveShards(active.iter().filter(|active| **active).count()).emit();
        for (shard, active) in active.iter().enumerate() {
            if *active && self.told.active.get(shard) != Some(&true) {
                events::ShardTaken { shard }.emit();
            }
        }
        self.told.active = active;
    }
}
