//! How much waits in the queues and who reads it, asked without taking anything.

use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use serde::Serialize;

use super::connect::{reply, short};
use super::park::ParkedQueue;
use crate::broker::BrokerError;

/// A queue as the broker tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Backlog {
    /// Its name.
    pub queue: String,
    /// The number of the input queue; null for the parked and the unrouted messages.
    pub shard: Option<usize>,
    /// Messages that wait for a consumer; null where there is no such queue.
    pub waiting: Option<u32>,
    /// Consumers, those that stand by included; null where there is no such queue.
    pub consumers: Option<u32>,
}

impl Backlog {
    /// An input queue that is not there, or that nobody reads.
    pub fn is_stuck(&self) -> bool {
        self.shard.is_some() && self.consumers.is_none_or(|consumers| consumers == 0)
    }
}

impl ParkedQueue {
    /// The input queues in order of their numbers, then the queues that keep what was parked and what nobody has bound.
    pub async fn backlog(&self) -> Result<Vec<Backlog>, BrokerError> {
        let inputs = self.topology.input_queues().enumerate().map(|(shard, queue)| (queue, Some(shard)));
        let kept = self.topology.kept_queues().map(|queue| (queue, None));
        let mut told = Vec::new();
        let mut channel = self.channel().await?;
        for (queue, shard) in inputs.chain(kept) {
            let name = short(queue).map_err(BrokerError::Config)?;
            let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
            let answer = reply(channel.queue_declare(name, passive, FieldTable::default())).await;
            if answer.is_err() {
                // The broker closes the channel on a queue that is not there.
                channel = self.channel().await?;
            }
            told.push(Backlog {
                queue: queue.to_owned(),
                shard,
                waiting: answer.as_ref().ok().map(lapin::Queue::message_count),
                consumers: answer.as_ref().ok().map(lapin::Queue::consumer_count),
            });
        }
        Ok(told)
    }
}
