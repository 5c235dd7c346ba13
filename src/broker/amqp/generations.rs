//! Which sets of input queues are on the broker. Asked for by passive declares, which need no rights and create nothing.

use lapin::Connection;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;

use super::connect::{reply, short};
use super::declare::{Fault, Problem, is_missing};
use crate::broker::BrokerError;
use crate::broker::topology::{Topology, input_queue};

/// How many later generations are looked for: a worker may have slept through some.
const LATER: u16 = 4;

/// An input queue as the broker tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Depth {
    /// Its name.
    pub queue: String,
    /// Messages that wait; those with a worker are not counted.
    pub waiting: u32,
    /// Whether somebody consumes it, or has not settled all he had of it.
    pub consumed: bool,
}

/// What the broker says of a queue; none where there is none.
pub async fn depth(connection: &Connection, queue: &str) -> Result<Option<Depth>, BrokerError> {
    let failed = |error: lapin::Error| BrokerError::Operation(format!("{queue}: {error}"));
    let channel = reply(connection.create_channel()).await.map_err(failed)?;
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let name = short(queue).map_err(BrokerError::Config)?;
    match reply(channel.queue_declare(name, options, FieldTable::default())).await {
        Ok(found) => {
            reply(channel.close(200, "looked".into())).await.map_err(failed)?;
            Ok(Some(Depth {
                queue: queue.to_owned(),
                waiting: found.message_count(),
                consumed: found.consumer_count() > 0,
            }))
        }
        // The broker has closed the channel with its answer.
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// The input queues of one generation, up to the first that is not there.
pub async fn queues(
    connection: &Connection,
    prefix: &str,
    generation: u16,
) -> Result<Vec<Depth>, BrokerError> {
    let mut found = Vec::new();
    for shard in 0..u16::MAX {
        match depth(connection, &input_queue(prefix, generation, shard)).await? {
            Some(queue) => found.push(queue),
            None => break,
        }
    }
    Ok(found)
}

/// The input queues of earlier generations: a reshard that is not done, whose messages come before those of this one.
pub async fn earlier(connection: &Connection, topology: &Topology) -> Result<Vec<Depth>, BrokerError> {
    let mut found = Vec::new();
    for generation in 0..topology.generation {
        found.extend(queues(connection, &topology.prefix, generation).await?);
    }
    Ok(found)
}

/// An input queue that nobody with this configuration would read: another number of shards, or another generation.
pub(super) async fn surplus(
    connection: &Connection,
    topology: &Topology,
) -> Result<Option<Fault>, BrokerError> {
    let Topology { prefix, generation, .. } = topology;
    let fault = |name: String, detail: &str, remedy: String| Fault {
        kind: "queue",
        name,
        problem: Problem::Surplus,
        detail: detail.to_owned(),
        remedy,
    };
    for later in *generation..generation.saturating_add(LATER) {
        let name = input_queue(prefix, later + 1, 0);
        if depth(connection, &name).await?.is_some() {
            return Ok(Some(fault(
                name,
                "the input queues were made anew by a reshard",
                format!(
                    "set broker.generation = {} and broker.shards as `smista topology reshard` said",
                    later + 1
                ),
            )));
        }
    }
    let shards = u16::try_from(topology.input_queues().count()).unwrap_or(u16::MAX);
    let name = input_queue(prefix, *generation, shards);
    if depth(connection, &name).await?.is_some() {
        return Ok(Some(fault(
            name,
            "the broker has more input queues than broker.shards",
            "nobody would read it: set broker.shards as it was, and change it by `smista topology reshard`"
                .to_owned(),
        )));
    }
    for earlier in (0..*generation).rev() {
        let name = input_queue(prefix, earlier, 0);
        if depth(connection, &name).await?.is_some() {
            return Ok(Some(fault(
                name,
                "input queues of an earlier generation are still there",
                format!("end the reshard: `smista topology reshard --shards {shards} --wait`"),
            )));
        }
    }
    Ok(None)
}
