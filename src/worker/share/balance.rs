//! Which worker should be active on which shard, and when a worker gives one away. A plain value: rows and the time come
//! in, shards to give away come out.
//!
//! Every worker works out the same plan from the same list of living workers. A queue's active consumer is the one that
//! has waited longest in its line, so a plan comes true when everybody but a shard's owner goes to the end of that
//! shard's line once. Standbys go first; the active one, which has to settle what it holds, follows when they are behind
//! the owner, so that a shard moves in one step.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::broker::Place;
use crate::store::Attendance;

/// How long things take until they count.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// A worker whose beat stands still for so long, and over so many looks, is dead.
    pub dead_after: Duration,
    /// See `dead_after`: a database that was away has shown nobody's beat.
    pub dead_looks: u32,
    /// A dead worker's line is taken off the list after so long.
    pub forget_after: Duration,
    /// A plan holds for so long before anybody moves, so that several workers starting at once cause one move.
    pub settle: Duration,
    /// The active worker follows the standbys after so long.
    pub follow: Duration,
    /// Active on a shard of somebody else's for so long, for whatever reason: goes to the end again. Doubles each time.
    pub again: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            dead_after: Duration::from_secs(4),
            dead_looks: 4,
            forget_after: Duration::from_secs(60),
            settle: Duration::from_secs(2),
            follow: Duration::from_millis(1500),
            again: Duration::from_secs(15),
        }
    }
}

/// Longest pause between two moves off the same shard under the same plan.
const AGAIN_CAP: Duration = Duration::from_secs(300);

/// What one worker knows of its team.
#[derive(Debug)]
pub struct Balance {
    me: String,
    patience: Patience,
    seen: BTreeMap<String, Seen>,
    /// Names of the living, sorted, and the owner of each shard as an index into them.
    living: Vec<String>,
    owners: Vec<usize>,
    shards: Vec<Shard>,
}

#[derive(Debug)]
struct Seen {
    row: Attendance,
    since: Instant,
    looks: u32,
}

/// What this worker does about one shard.
#[derive(Debug)]
struct Shard {
    /// The owner and the number of its place. A new number: the owner stands at the end of the line again.
    target: Option<(String, u64)>,
    since: Instant,
    /// Has gone to the end of the line since then.
    moved: bool,
    /// Active, under the number, since.
    served: Option<(u64, Instant)>,
    again: Duration,
}

impl Balance {
    /// Knows nobody yet.
    pub fn new(me: String, patience: Patience) -> Self {
        Self {
            me,
            patience,
            seen: BTreeMap::new(),
            living: Vec::new(),
            owners: Vec::new(),
            shards: Vec::new(),
        }
    }

    /// Takes the list in; gives the workers whose lines are to be taken off it.
    pub fn look(&mut self, rows: Vec<Attendance>, now: Instant) -> Vec<Attendance> {
        let mut before = std::mem::take(&mut self.seen);
        for row in rows {
            let seen = match before.remove(&row.worker) {
                Some(seen) if seen.row.beat == row.beat => Seen { looks: seen.looks + 1, ..seen },
                _ => Seen { row, since: now, looks: 0 },
            };
            self.seen.insert(seen.row.worker.clone(), seen);
        }
        let forget = self.patience.forget_after;
        let gone = self.seen.values().filter(|seen| self.is_dead(seen, now) && now - seen.since >= forget);
        gone.map(|seen| seen.row.clone()).collect()
    }

    fn is_dead(&self, seen: &Seen, now: Instant) -> bool {
        seen.row.worker != self.me
            && now - seen.since >= self.patience.dead_after
            && seen.looks >= self.patience.dead_looks
    }

    /// The shards to give away now.
    pub fn surplus(&mut self, places: &[Place], now: Instant) -> Vec<usize> {
        self.plan(places.len(), now);
        self.shards.resize_with(places.len(), || Shard {
            target: None,
            since: now,
            moved: false,
            served: None,
            again: self.patience.again,
        });
        let mut surplus = Vec::new();
        for (index, (shard, place)) in self.shards.iter_mut().zip(places).enumerate() {
            let owner = self.owners.get(index).and_then(|owner| self.living.get(*owner));
            let target = owner.and_then(|owner| {
                let number = self.seen.get(owner)?.row.places.get(index)?;
                Some((owner.clone(), *number))
            });
            if shard.target != target {
                *shard = Shard { target, since: now, moved: false, again: self.patience.again, ..*shard };
            }
            shard.note(place, now);
            let Some((owner, _)) = &shard.target else { continue };
            if *owner != self.me && !place.moving && shard.is_due(self.patience, now) {
                if shard.moved {
                    shard.again = (shard.again * 2).min(AGAIN_CAP);
                }
                shard.moved = true;
                shard.served = None;
                surplus.push(index);
            }
        }
        surplus
    }

    /// Workers alive and shards that are this one's by the plan.
    pub fn share(&self) -> (usize, usize) {
        let me = self.living.binary_search(&self.me).ok();
        (self.living.len(), self.owners.iter().filter(|owner| Some(**owner) == me).count())
    }

    /// A worker with another number of shards is of another configuration and shares nothing with this one.
    fn plan(&mut self, shards: usize, now: Instant) {
        let living: Vec<String> = self
            .seen
            .values()
            .filter(|seen| seen.row.places.len() == shards && !self.is_dead(seen, now))
            .map(|seen| seen.row.worker.clone())
            .collect();
        if living != self.living || self.owners.len() != shards {
            self.owners = owners(&living, shards);
            self.living = living;
        }
    }
}

impl Shard {
    fn note(&mut self, place: &Place, now: Instant) {
        let known = self.served.is_some_and(|(number, _)| number == place.number);
        if !place.active {
            self.served = None;
        } else if !known {
            self.served = Some((place.number, now));
        }
    }

    fn is_due(&self, patience: Patience, now: Instant) -> bool {
        match (self.moved, self.served) {
            (false, None) => now - self.since >= patience.settle,
            (false, Some(_)) => now - self.since >= patience.settle + patience.follow,
            (true, None) => false,
            (true, Some((_, since))) => now - since >= self.again,
        }
    }
}

/// An owner for each shard, as indices into `workers`. Every worker has as many as any other or one more; the same
/// workers always have the same shards, whatever their order of coming; when one comes or goes few shards move that
/// need not.
pub fn owners(workers: &[String], shards: usize) -> Vec<usize> {
    if workers.is_empty() {
        return Vec::new();
    }
    let mut wishes: Vec<(u64, usize, usize)> = Vec::with_capacity(workers.len() * shards);
    for (index, worker) in workers.iter().enumerate() {
        for shard in 0..shards {
            wishes.push((attraction(worker, shard), index, shard));
        }
    }
    wishes.sort_unstable_by(|a, b| b.cmp(a));
    let (full, mut extra) = (shards / workers.len(), shards % workers.len());
    let mut loads = vec![0; workers.len()];
    let mut owners: Vec<Option<usize>> = vec![None; shards];
    for (_, worker, shard) in wishes {
        let (Some(load), Some(owner @ None)) = (loads.get_mut(worker), owners.get_mut(shard)) else {
            continue;
        };
        if *load < full || (*load == full && extra > 0) {
            if *load == full {
                extra -= 1;
            }
            *load += 1;
            *owner = Some(worker);
        }
    }
    // None is left over: the places add up to the shards.
    owners.into_iter().map(Option::unwrap_or_default).collect()
}

fn attraction(worker: &str, shard: usize) -> u64 {
    let digest = Sha256::digest(format!("{worker}/{shard}"));
    digest.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests;
