//! Applies a topology to a broker and checks it. Checking never creates anything: existence is asked for with passive
//! declares, which need no rights; shapes are compared by declaring what is known to exist.

use lapin::options::{ExchangeBindOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ErrorKind, ExchangeKind};
use serde::Serialize;

use super::connect::{reply, short};
use super::generations;
use crate::broker::BrokerError;
use crate::broker::topology::{Argument, Exchange, Queue, Topology};

/// How closely to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Is everything there? Needs no rights.
    Existence,
    /// And is it as described? Needs the right to configure; without it, existence is all that is told.
    Shape,
}

/// A part of the topology.
#[derive(Debug, Clone, Copy)]
pub enum Part<'a> {
    /// An exchange.
    Exchange(&'a Exchange),
    /// A queue.
    Queue(&'a Queue),
}

impl Part<'_> {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Exchange(exchange) => &exchange.name,
            Self::Queue(queue) => &queue.name,
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Self::Exchange(_) => "exchange",
            Self::Queue(_) => "queue",
        }
    }
}

/// Something is not as it has to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// `exchange` or `queue`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// What is wrong.
    pub problem: Problem,
    /// In the broker's words.
    pub detail: String,
    /// What to do.
    pub remedy: String,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// It is not there.
    Missing,
    /// It is there with other properties.
    Different,
    /// It should not be there.
    Surplus,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Missing => "is missing",
            Self::Different => "is different",
            Self::Surplus => "should not be there",
        })
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}; {}", self.kind, self.name, self.problem, self.remedy)
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct Report {
    /// What is wrong, in the order of the topology.
    pub faults: Vec<Fault>,
    /// What exists but could not be compared for want of rights.
    pub unchecked: Vec<String>,
}

/// Declares everything; what is there already stays as it is. Stops at the first thing that is there with other
/// properties, or that this user may not declare. Refuses a broker that has another set of input queues: with two sets
/// bound, every message would come twice.
pub async fn apply(connection: &Connection, topology: &Topology) -> Result<(), BrokerError> {
    if let Some(fault) = generations::surplus(connection, topology).await? {
        return Err(operation(fault.to_string()));
    }
    apply_unlinked(connection, topology).await?;
    let channel = open(connection).await?;
    for link in &topology.links {
        let (from, to) = (name(&link.from)?, name(&link.to)?);
        let options = ExchangeBindOptions::default();
        reply(channel.exchange_bind(to, from, "".into(), options, FieldTable::default()))
            .await
            .map_err(|error| operation(format!("{} to {}: {error}", link.to, link.from)))?;
    }
    Ok(())
}

/// The same but for the bindings between exchanges: nothing arrives in new input queues yet.
pub(super) async fn apply_unlinked(connection: &Connection, topology: &Topology) -> Result<(), BrokerError> {
    let channel = open(connection).await?;
    let parts = topology.exchanges.iter().map(Part::Exchange).chain(topology.queues.iter().map(Part::Queue));
    for part in parts {
        declare(&channel, part, false).await.map_err(|error| match classify(&error) {
            Answer::Wrong(problem) => operation(fault(part, problem, &error).to_string()),
            Answer::Forbidden => operation(format!(
                "this user may not declare {}: use the operator's (`smista topology show --users`)",
                part.name()
            )),
            Answer::Broken if error.to_string().contains("invalid exchange type") => operation(format!(
                "{} needs a plugin that the broker lacks: `rabbitmq-plugins enable \
                 rabbitmq_consistent_hash_exchange`, or set broker.shards = 1",
                part.name()
            )),
            Answer::Broken => operation(format!("{}: {error}", part.name())),
        })?;
    }
    for binding in &topology.bindings {
        let bound = channel.queue_bind(
            name(&binding.queue)?,
            name(&binding.exchange)?,
            name(&binding.key)?,
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        reply(bound)
            .await
            .map_err(|error| operation(format!("{} to {}: {error}", binding.queue, binding.exchange)))?;
    }
    Ok(())
}

/// Looks at everything. Bindings cannot be asked for over AMQP; [`apply`] puts them right.
pub async fn check(
    connection: &Connection,
    topology: &Topology,
    depth: Depth,
) -> Result<Report, BrokerError> {
    let parts = topology.exchanges.iter().map(Part::Exchange).chain(topology.queues.iter().map(Part::Queue));
    let mut report = check_parts(connection, parts, depth).await?;
    report.faults.extend(generations::surplus(connection, topology).await?);
    Ok(report)
}

/// What publishing needs.
pub async fn check_outputs(connection: &Connection, topology: &Topology) -> Result<Report, BrokerError> {
    let inputs = [topology.interactions(), topology.spread().to_owned()];
    let outputs = topology.exchanges.iter().filter(|exchange| !inputs.contains(&exchange.name));
    let outputs = outputs.map(Part::Exchange);
    check_parts(connection, outputs, Depth::Existence).await
}

/// What consuming needs.
pub async fn check_inputs(connection: &Connection, topology: &Topology) -> Result<Report, BrokerError> {
    let surplus = generations::surplus(connection, topology).await?;
    let inputs: Vec<&str> = topology.input_queues().collect();
    let queues =
        topology.queues.iter().filter(|queue| inputs.contains(&queue.name.as_str())).map(Part::Queue);
    let mut report = check_parts(connection, queues, Depth::Existence).await?;
    // First, since what is missing may have gone with it.
    report.faults.splice(0..0, surplus);
    Ok(report)
}

async fn check_parts<'a>(
    connection: &Connection,
    parts: impl Iterator<Item = Part<'a>>,
    depth: Depth,
) -> Result<Report, BrokerError> {
    let mut report = Report::default();
    let mut channel = open(connection).await?;
    for part in parts {
        let mut answer = declare(&channel, part, true).await;
        if answer.is_ok() && depth == Depth::Shape {
            answer = declare(&channel, part, false).await;
        }
        let Err(error) = answer else { continue };
        match classify(&error) {
            Answer::Wrong(problem) => report.faults.push(fault(part, problem, &error)),
            Answer::Forbidden => report.unchecked.push(part.name().to_owned()),
            Answer::Broken => return Err(operation(format!("{}: {error}", part.name()))),
        }
        // The broker closes the channel on every refusal.
        channel = open(connection).await?;
    }
    Ok(report)
}

async fn declare(channel: &Channel, part: Part<'_>, passive: bool) -> lapin::Result<()> {
    let unnameable = |text: String| lapin::Error::from(std::io::Error::other(text));
    match part {
        Part::Exchange(exchange) => {
            let mut arguments = FieldTable::default();
            if let Some(alternate) = &exchange.alternate {
                arguments
                    .insert("alternate-exchange".into(), AMQPValue::LongString(alternate.as_str().into()));
            }
            let kind = match exchange.kind {
                "fanout" => ExchangeKind::Fanout,
                "topic" => ExchangeKind::Topic,
                "direct" => ExchangeKind::Direct,
                other => ExchangeKind::Custom(other.to_owned()),
            };
            let options = ExchangeDeclareOptions { passive, durable: true, ..Default::default() };
            let name = short(&exchange.name).map_err(unnameable)?;
            reply(channel.exchange_declare(name, kind, options, arguments)).await
        }
        Part::Queue(queue) => {
            let mut arguments = FieldTable::default();
            for (name, value) in &queue.arguments {
                let value = match value {
                    Argument::Text(text) => AMQPValue::LongString(text.as_str().into()),
                    Argument::Number(number) => AMQPValue::LongLongInt(*number),
                    Argument::Flag(flag) => AMQPValue::Boolean(*flag),
                };
                arguments.insert((*name).into(), value);
            }
            let options = QueueDeclareOptions { passive, durable: true, ..Default::default() };
            let name = short(&queue.name).map_err(unnameable)?;
            reply(channel.queue_declare(name, options, arguments)).await.map(drop)
        }
    }
}

enum Answer {
    Wrong(Problem),
    Forbidden,
    Broken,
}

/// Whether the broker says that there is no such thing.
pub(super) fn is_missing(error: &lapin::Error) -> bool {
    matches!(classify(error), Answer::Wrong(Problem::Missing))
}

fn classify(error: &lapin::Error) -> Answer {
    match error.kind() {
        ErrorKind::ProtocolError(refusal) => match refusal.get_id() {
            404 => Answer::Wrong(Problem::Missing),
            406 => Answer::Wrong(Problem::Different),
            403 => Answer::Forbidden,
            _ => Answer::Broken,
        },
        _ => Answer::Broken,
    }
}

fn fault(part: Part<'_>, problem: Problem, error: &lapin::Error) -> Fault {
    let remedy = match problem {
        Problem::Missing => "run `smista topology apply` as the operator".to_owned(),
        Problem::Different | Problem::Surplus => match part {
            Part::Queue(queue) => format!(
                "drain it, then `rabbitmqctl delete_queue {}` and `smista topology apply`",
                queue.name
            ),
            Part::Exchange(_) => "delete it on the management page, then `smista topology apply`".to_owned(),
        },
    };
    let detail = match error.kind() {
        ErrorKind::ProtocolError(refusal) => refusal.get_message().to_string(),
        _ => error.to_string(),
    };
    Fault { kind: part.noun(), name: part.name().to_owned(), problem, detail, remedy }
}

async fn open(connection: &Connection) -> Result<Channel, BrokerError> {
    reply(connection.create_channel()).await.map_err(|error| operation(error.to_string()))
}

fn name(text: &str) -> Result<lapin::types::ShortString, BrokerError> {
    short(text).map_err(BrokerError::Config)
}

fn operation(text: impl Into<String>) -> BrokerError {
    BrokerError::Operation(text.into())
}
