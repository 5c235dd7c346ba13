//! `smista topology`: what has to be on the broker; declare it; check it; change its number of input queues.

mod reshard;

use std::io::Write as _;

use anyhow::Context as _;
use clap::Subcommand;
use comfy_table::Table;
use serde_json::json;

use super::style::{BAD, DIM, GOOD, HEADING, HINT, WARN, paint};
use super::{Hinted, Outcome};
use crate::broker::amqp::declare::{self, Depth, Problem, Report};
use crate::broker::amqp::{self};
use crate::broker::topology::{Topology, User};
use crate::config::Config;

/// Show, declare or check the exchanges and queues on RabbitMQ.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  smista topology show --users\n  smista topology apply --config smista.toml\n  smista topology check --json"
)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print what has to be there; asks no broker.
    #[command(
        after_help = "Examples:\n  smista topology show\n  smista topology show --users\n  smista topology show --json | jq '.queues[].name'"
    )]
    Show {
        /// Commands that make broker users with no more rights than each needs.
        #[arg(long)]
        users: bool,
        /// One JSON object on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Declare everything; safe to run again. Needs a user who may configure.
    #[command(
        after_help = "Examples:\n  SMISTA_BROKER__URL_FILE=/run/secrets/operator-url smista topology apply\n  smista topology apply --print-users"
    )]
    Apply {
        /// Print, when done, the commands that make broker users with no more rights than each needs.
        #[arg(long)]
        print_users: bool,
    },
    /// Look whether everything is there, and, where this user may configure, whether it is as it has to be.
    #[command(after_help = "Examples:\n  smista topology check\n  smista topology check --json | jq .faults")]
    Check {
        /// One JSON object on standard output.
        #[arg(long)]
        json: bool,
    },
    Reshard(reshard::Args),
}

/// Runs it.
pub async fn run(args: Args, config: Config) -> anyhow::Result<Outcome> {
    let topology = Topology::of(&config.broker).with_hooks(&config.gateway);
    match args.command {
        Command::Show { users, json } => show(&topology, &config, users, json),
        Command::Apply { print_users } => apply(&topology, &config, print_users).await,
        Command::Check { json } => check(&topology, &config, json).await,
        Command::Reshard(args) => reshard::run(args, config).await,
    }
}

fn show(topology: &Topology, config: &Config, users: bool, json: bool) -> anyhow::Result<Outcome> {
    let mut out = anstream::stdout();
    let users =
        if users { topology.users(amqp::Address::from_config(&config.broker)?.vhost()) } else { Vec::new() };
    if json {
        let mut document =
            serde_json::to_value(topology).context("the topology cannot be written as JSON")?;
        if !users.is_empty() {
            document["users"] =
                users.iter().map(|user| json!({"user": user, "commands": user.commands()})).collect();
        }
        writeln!(out, "{document}")?;
        return Ok(Outcome::Done);
    }
    let mut exchanges = table(["exchange", "type", "what nobody binds", "for"]);
    for exchange in &topology.exchanges {
        let alternate = exchange.alternate.as_deref().unwrap_or("-");
        exchanges.add_row([exchange.name.as_str(), exchange.kind, alternate, exchange.purpose]);
    }
    writeln!(out, "{exchanges}\n")?;
    let mut queues = table(["queue", "arguments", "for"]);
    for queue in &topology.queues {
        let arguments: Vec<String> =
            queue.arguments.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        queues.add_row([queue.name.as_str(), &arguments.join("\n"), queue.purpose]);
    }
    writeln!(out, "{queues}\n")?;
    let mut bindings = table(["exchange", "goes to", "key"]);
    for link in &topology.links {
        bindings.add_row([link.from.as_str(), &link.to, ""]);
    }
    for binding in &topology.bindings {
        bindings.add_row([binding.exchange.as_str(), &binding.queue, &binding.key]);
    }
    writeln!(out, "{bindings}")?;
    for user in &users {
        writeln!(out, "\n{}", user_lines(user))?;
    }
    Ok(Outcome::Done)
}

fn user_lines(user: &User) -> String {
    let [add, permit] = user.commands();
    format!("{}\n{add}\n{permit}", paint(DIM, &format!("# {}", user.purpose)))
}

async fn apply(topology: &Topology, config: &Config, print_users: bool) -> anyhow::Result<Outcome> {
    let connection = connect(config).await?;
    declare::apply(&connection, topology).await?;
    writeln!(
        anstream::stderr(),
        "{} {} exchanges, {} queues and {} bindings are there",
        paint(GOOD, "done:"),
        topology.exchanges.len(),
        topology.queues.len(),
        topology.bindings.len() + topology.links.len()
    )?;
    if print_users {
        for user in topology.users(amqp::Address::from_config(&config.broker)?.vhost()) {
            writeln!(anstream::stdout(), "{}", user_lines(&user))?;
        }
    }
    Ok(Outcome::Done)
}

async fn check(topology: &Topology, config: &Config, json: bool) -> anyhow::Result<Outcome> {
    let connection = connect(config).await?;
    let report = declare::check(&connection, topology, Depth::Shape).await?;
    let good = report.faults.is_empty();
    let mut out = anstream::stdout();
    if json {
        writeln!(out, "{}", json!({"ok": good, "faults": report.faults, "not_compared": report.unchecked}))?;
    } else {
        write!(out, "{}", findings(topology, &report))?;
    }
    Ok(if good { Outcome::Done } else { Outcome::Failed })
}

fn findings(topology: &Topology, report: &Report) -> String {
    let mut text = String::new();
    let names = topology
        .exchanges
        .iter()
        .map(|exchange| ("exchange", &exchange.name))
        .chain(topology.queues.iter().map(|queue| ("queue", &queue.name)));
    for (kind, name) in names {
        let fault = report.faults.iter().find(|fault| fault.kind == kind && fault.name == *name);
        let mark = match fault.map(|fault| fault.problem) {
            None if report.unchecked.contains(name) => paint(WARN, "there    "),
            None => paint(GOOD, "good     "),
            Some(Problem::Missing) => paint(BAD, "missing  "),
            Some(Problem::Different) => paint(BAD, "different"),
            Some(Problem::Surplus) => paint(BAD, "surplus  "),
        };
        text.push_str(&format!("{mark} {kind:<8} {name}\n"));
    }
    for fault in &report.faults {
        text.push_str(&format!(
            "\n{} {}\n  {}\n  {}\n",
            paint(HEADING, &format!("{} {}:", fault.kind, fault.name)),
            fault.problem,
            fault.detail,
            paint(HINT, &fault.remedy)
        ));
    }
    if !report.unchecked.is_empty() {
        text.push_str(
            "\nThis user may not configure: what is marked `there` exists, but its properties were not compared.\n",
        );
    }
    text
}

/// A connection, or an error that says what to do.
pub(super) async fn connect(config: &Config) -> anyhow::Result<lapin::Connection> {
    let address = amqp::Address::from_config(&config.broker)?;
    let connected = address.connect("smista topology").await;
    connected.map_err(|fault| Hinted::new(fault.to_string(), fault.remedy()).into())
}

/// An empty table in the style of the commands.
pub(super) fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_preset(comfy_table::presets::UTF8_HORIZONTAL_ONLY).set_header(header);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_name_each_fault_with_its_remedy() {
        let topology = Topology::of(&Config::load(None).unwrap().broker);
        let fault = declare::Fault {
            kind: "queue",
            name: "smista.interactions.0".into(),
            problem: Problem::Missing,
            detail: "no queue".into(),
            remedy: "run it".into(),
        };
        let report = Report { faults: vec![fault], unchecked: vec!["smista.decisions".into()] };
        let text = anstream::adapter::strip_str(&findings(&topology, &report)).to_string();
        assert!(text.contains("missing   queue    smista.interactions.0\n"), "{text}");
        assert!(text.contains("there     exchange smista.decisions\n"), "{text}");
        assert!(text.contains("good      exchange smista.events\n"), "{text}");
        assert!(text.contains("queue smista.interactions.0: is missing\n  no queue\n  run it\n"), "{text}");
    }
}
