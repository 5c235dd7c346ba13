//! Another number of input queues without losing a message or its place. The new set has names of its own (a generation) and
//! is bound to the entry before the old one is unbound: whatever comes in between comes twice, once in each, and
//! is decided once. Workers begin with the new set only when the old one is gone, so all that came before comes first,
//! and nothing has to be moved. Every step can be repeated: an interrupted run is ended by running it again.

use std::time::Duration;

use lapin::options::{
    ExchangeBindOptions, ExchangeDeclareOptions, ExchangeDeleteOptions, ExchangeUnbindOptions,
    QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::{Connection, ExchangeKind};

use super::connect::{reply, short};
use super::declare::{self, is_missing};
use super::generations::{self, Depth};
use crate::broker::BrokerError;
use crate::broker::topology::Topology;
use crate::config;

/// How often to look at the old queues.
const LOOK: Duration = Duration::from_millis(500);
/// So many looks in a row must find them empty and without consumers before they are deleted. A publish that was routed
/// just before the switch may still be on its way.
const EMPTY_LOOKS: u32 = 4;

/// From one set of input queues to another.
#[derive(Debug, Clone, PartialEq)]
pub struct Reshard {
    /// The configuration that workers have now.
    pub from: config::Broker,
    /// The one they get.
    pub to: config::Broker,
    /// An earlier run has been interrupted.
    pub begun: bool,
    /// The old queues as they are.
    pub old: Vec<Depth>,
}

/// What is being done, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The new queues are there; nothing arrives in them yet.
    Declared,
    /// What arrives goes to the new queues.
    Switched,
    /// The old queues still hold or have these.
    Waiting {
        /// Messages that wait.
        messages: u64,
        /// Queues with a consumer.
        consumed: usize,
    },
    /// The old queues are gone.
    Done,
}

impl Reshard {
    /// Looks at the broker and finds what there is to do.
    pub async fn plan(
        connection: &Connection,
        config: &config::Broker,
        shards: u16,
    ) -> Result<Self, BrokerError> {
        let refused = |text: String| Err(BrokerError::Operation(text));
        let prefix = &config.prefix;
        // With the configuration changed already, what is to be emptied is the generation before.
        if let Some(generation) = last_earlier(connection, config).await? {
            if shards != config.shards {
                return refused(format!(
                    "the reshard to {} shards is not done: end it first, with --shards {0}",
                    config.shards
                ));
            }
            let old = generations::queues(connection, prefix, generation).await?;
            let from = with(config, generation, u16::try_from(old.len()).unwrap_or(u16::MAX));
            return Ok(Self { from, to: config.clone(), begun: true, old });
        }
        let old = generations::queues(connection, prefix, config.generation).await?;
        let next = config.generation.saturating_add(1);
        let to = with(config, next, shards);
        let new = generations::queues(connection, prefix, next).await?;
        let begun = exchange_exists(connection, Topology::of(&to).spread()).await?;
        if !new.is_empty() && !begun {
            return refused(format!(
                "a reshard to another number of shards than {shards} is not done, and {} of its queues are there: \
                 run it again with that number",
                new.len()
            ));
        }
        if old.is_empty() && begun {
            return refused(format!(
                "done already: set broker.shards = {shards} and broker.generation = {next}"
            ));
        }
        if old.len() != usize::from(config.shards) {
            return refused(format!(
                "the broker has {} input queues of generation {}, the configuration says {}: set broker.shards and \
                 broker.generation as they were, or `smista topology apply` if nothing is there yet",
                old.len(),
                config.generation,
                config.shards
            ));
        }
        Ok(Self { from: config.clone(), to, begun, old })
    }

    /// The old queues' names.
    pub fn old_names(&self) -> Vec<String> {
        Topology::of(&self.from).input_queues().map(str::to_owned).collect()
    }

    /// Messages that wait in the old queues.
    pub fn waiting(&self) -> u64 {
        self.old.iter().map(|queue| u64::from(queue.waiting)).sum()
    }

    /// Old queues that have a consumer.
    pub fn consumed(&self) -> usize {
        self.old.iter().filter(|queue| queue.consumed).count()
    }

    /// Does it, or what is left of it; returns when the old queues are gone.
    pub async fn run(&self, connection: &Connection, mut tell: impl FnMut(Step)) -> Result<(), BrokerError> {
        let (from, to) = (Topology::of(&self.from), Topology::of(&self.to));
        declare::apply_unlinked(connection, &to).await?;
        tell(Step::Declared);
        let entry = to.interactions();
        bind(connection, &entry, to.spread()).await?;
        unbind(connection, &entry, from.spread()).await?;
        tell(Step::Switched);
        let names = self.old_names();
        self.until_done(connection, &names, &mut tell).await?;
        // The last one first: as long as the first is there, the rest is known not to be done.
        for queue in names.iter().rev() {
            delete_queue(connection, queue).await?;
        }
        delete_exchange(connection, from.spread()).await?;
        tell(Step::Done);
        Ok(())
    }

    /// Waits until nothing waits in the old queues and nobody consumes them: then nothing of theirs is under way either.
    async fn until_done(
        &self,
        connection: &Connection,
        names: &[String],
        tell: &mut impl FnMut(Step),
    ) -> Result<(), BrokerError> {
        let mut quiet = 0;
        while quiet < EMPTY_LOOKS {
            let (mut messages, mut consumed) = (0, 0);
            for name in names {
                if let Some(depth) = generations::depth(connection, name).await? {
                    messages += u64::from(depth.waiting);
                    consumed += usize::from(depth.consumed);
                }
            }
            quiet = if messages == 0 && consumed == 0 { quiet + 1 } else { 0 };
            tell(Step::Waiting { messages, consumed });
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }
}

fn with(config: &config::Broker, generation: u16, shards: u16) -> config::Broker {
    config::Broker { generation, shards, ..config.clone() }
}

async fn last_earlier(connection: &Connection, config: &config::Broker) -> Result<Option<u16>, BrokerError> {
    for generation in (0..config.generation).rev() {
        if !generations::queues(connection, &config.prefix, generation).await?.is_empty() {
            return Ok(Some(generation));
        }
    }
    Ok(None)
}

async fn exchange_exists(connection: &Connection, exchange: &str) -> Result<bool, BrokerError> {
    let channel = open(connection).await?;
    let options = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
    let declared =
        channel.exchange_declare(name(exchange)?, ExchangeKind::Fanout, options, FieldTable::default());
    match reply(declared).await {
        Ok(()) => Ok(true),
        Err(error) if is_missing(&error) => Ok(false),
        Err(error) => Err(failed(exchange, &error)),
    }
}

async fn bind(connection: &Connection, from: &str, to: &str) -> Result<(), BrokerError> {
    let channel = open(connection).await?;
    let options = ExchangeBindOptions::default();
    let bound = channel.exchange_bind(name(to)?, name(from)?, "".into(), options, FieldTable::default());
    reply(bound).await.map_err(|error| failed(to, &error))
}

/// What is not bound, or not there any more, is as it has to be.
async fn unbind(connection: &Connection, from: &str, to: &str) -> Result<(), BrokerError> {
    if !exchange_exists(connection, to).await? {
        return Ok(());
    }
    let channel = open(connection).await?;
    let options = ExchangeUnbindOptions::default();
    let unbound = channel.exchange_unbind(name(to)?, name(from)?, "".into(), options, FieldTable::default());
    reply(unbound).await.map_err(|error| failed(to, &error))
}

async fn delete_queue(connection: &Connection, queue: &str) -> Result<(), BrokerError> {
    let channel = open(connection).await?;
    // Quorum queues know no "only if empty": that they are was looked at, and nothing is bound to them.
    let deleted = channel.queue_delete(name(queue)?, QueueDeleteOptions::default());
    reply(deleted).await.map(drop).map_err(|error| failed(queue, &error))
}

async fn delete_exchange(connection: &Connection, exchange: &str) -> Result<(), BrokerError> {
    let channel = open(connection).await?;
    let deleted = channel.exchange_delete(name(exchange)?, ExchangeDeleteOptions::default());
    reply(deleted).await.map_err(|error| failed(exchange, &error))
}

async fn open(connection: &Connection) -> Result<lapin::Channel, BrokerError> {
    reply(connection.create_channel()).await.map_err(|error| BrokerError::Operation(error.to_string()))
}

fn name(text: &str) -> Result<lapin::types::ShortString, BrokerError> {
    short(text).map_err(BrokerError::Config)
}

fn failed(what: &str, error: &lapin::Error) -> BrokerError {
    BrokerError::Operation(format!("{what}: {error}"))
}
