//! Which input queues this worker works on, and who else does.

use metrics::{counter, gauge};
use tracing::{debug, info, warn};

use super::Metric;

/// The number of input queues that this worker is the active consumer of, as far as deliveries have shown.
pub struct ActiveShards(pub usize);

impl ActiveShards {
    /// Records it.
    pub fn emit(self) {
        #[expect(clippy::cast_precision_loss, reason = "shards are few")]
        gauge!(Metric::ActiveShards.name()).set(self.0 as f64);
    }
}

/// This worker turned out to be the active consumer of an input queue.
pub struct ShardTaken {
    /// Its number.
    pub shard: usize,
}

impl ShardTaken {
    /// Records it.
    pub fn emit(self) {
        info!(shard = self.shard, "active on shard");
    }
}

/// This worker goes to the end of an input queue's line of consumers: the queue is another's by the plan.
pub struct ShardGivenAway {
    /// Its number.
    pub shard: usize,
}

impl ShardGivenAway {
    /// Records it.
    pub fn emit(self) {
        counter!(Metric::ShardsGivenAway.name()).increment(1);
        debug!(shard = self.shard, "shard given away");
    }
}

/// The workers that share the input queues are others than before.
pub struct Shared {
    /// Workers alive.
    pub workers: usize,
    /// Input queues that are this one's.
    pub shards: usize,
    /// Input queues in all.
    pub of: usize,
}

impl Shared {
    /// Records it.
    pub fn emit(self) {
        info!(workers = self.workers, shards = self.shards, of = self.of, "input queues shared");
    }
}

/// The list of workers could not be read; until it can be, nothing moves.
pub struct SharingFailed<'a> {
    /// The cause.
    pub error: &'a str,
}

impl SharingFailed<'_> {
    /// Records it.
    pub fn emit(self) {
        warn!(error = self.error, "the list of workers cannot be kept; shards stay where they are");
    }
}
