//! `smista parked`: look at parked messages, replay or discard them.

use std::collections::BTreeSet;
use std::io::Write as _;

use clap::Subcommand;
use serde_json::json;

use super::style::{BAD, DIM, GOOD, HEADING, paint};
use super::topology::table;
use super::{Hinted, Outcome};
use crate::broker::BrokerError;
use crate::broker::amqp::park::{Entry, ParkedQueue, Which};
use crate::config::Config;

/// Look at messages that could not be decided, replay or discard them.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  smista parked list\n  smista parked show m-1042\n  smista parked replay m-1042\n  smista parked discard m-1042"
)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The oldest ones, without their text.
    #[command(
        after_help = "Examples:\n  smista parked list\n  smista parked list --json | jq '.messages[].id'"
    )]
    List {
        /// How many at most.
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// One JSON object on standard output.
        #[arg(long)]
        json: bool,
    },
    /// One of them.
    #[command(
        after_help = "Examples:\n  smista parked show m-1042\n  smista parked show m-1042 --body > message.json\n\nThe body is what the customer sent, not redacted."
    )]
    Show {
        /// Its id.
        id: String,
        /// The body alone, byte for byte.
        #[arg(long, conflicts_with = "json")]
        body: bool,
        /// One JSON object on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Send them to the workers again; each leaves the parked queue once the broker has it.
    #[command(after_help = "Examples:\n  smista parked replay m-1042 m-1043\n  smista parked replay --all")]
    Replay {
        /// Their ids.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        ids: Vec<String>,
        /// Every one that is parked now.
        #[arg(long)]
        all: bool,
        /// One JSON object on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Remove them for good.
    #[command(after_help = "Example:\n  smista parked discard m-1042")]
    Discard {
        /// Their ids.
        #[arg(required = true)]
        ids: Vec<String>,
        /// One JSON object on standard output.
        #[arg(long)]
        json: bool,
    },
}

/// Runs it.
pub async fn run(args: Args, config: Config) -> anyhow::Result<Outcome> {
    let queue = ParkedQueue::open(&config.broker).await.map_err(hinted)?;
    let outcome = match args.command {
        Command::List { limit, json } => list(&queue, limit, json).await,
        Command::Show { id, body, json } => show(&queue, &id, body, json).await,
        Command::Replay { ids, all, json } => {
            let which = if all { Which::All } else { Which::Ids(ids.into_iter().collect()) };
            let mut done = Vec::new();
            let ended = queue.replay(&which, |entry| done.push(entry.id.clone())).await;
            told("replayed", &which, &done, ended, json)
        }
        Command::Discard { ids, json } => {
            let which = Which::Ids(ids.into_iter().collect());
            let mut done = Vec::new();
            let ended = queue.discard(&which, |entry| done.push(entry.id.clone())).await;
            told("discarded", &which, &done, ended, json)
        }
    };
    queue.close().await;
    outcome
}

async fn list(queue: &ParkedQueue, limit: usize, json: bool) -> anyhow::Result<Outcome> {
    let (total, entries) = queue.list(limit).await.map_err(hinted)?;
    let mut out = anstream::stdout();
    if json {
        writeln!(out, "{}", json!({"total": total, "messages": entries}))?;
        return Ok(Outcome::Done);
    }
    if entries.is_empty() {
        writeln!(anstream::stderr(), "nothing is parked")?;
        return Ok(Outcome::Done);
    }
    let mut rows = table(["id", "parked", "class", "error", "from", "bytes"]);
    for entry in &entries {
        rows.add_row([
            harmless(&entry.id),
            when(entry),
            harmless(&entry.error_class),
            harmless(&entry.error),
            harmless(entry.origin.as_deref().unwrap_or("-")),
            entry.bytes.to_string(),
        ]);
    }
    writeln!(out, "{rows}")?;
    if entries.len() < total as usize {
        writeln!(anstream::stderr(), "{} of {total}; --limit shows more", entries.len())?;
    }
    Ok(Outcome::Done)
}

async fn show(queue: &ParkedQueue, id: &str, body: bool, json: bool) -> anyhow::Result<Outcome> {
    let Some((entry, bytes)) = queue.find(id).await.map_err(hinted)? else {
        return Err(anyhow::Error::new(Hinted::new(
            format!("nothing parked has the id {}", harmless(id)),
            "`smista parked list` shows the ids",
        )));
    };
    if body {
        // Past the colour filter: byte for byte.
        std::io::stdout().write_all(&bytes)?;
        return Ok(Outcome::Done);
    }
    let mut out = anstream::stdout();
    if json {
        writeln!(out, "{}", serde_json::to_value(&entry)?)?;
        return Ok(Outcome::Done);
    }
    let attempt = entry.attempt.map_or_else(|| "-".to_owned(), |attempt| attempt.to_string());
    for (name, value) in [
        ("id", entry.id.as_str()),
        ("parked", &when(&entry)),
        ("class", &entry.error_class),
        ("error", &entry.error),
        ("deliveries", &attempt),
        ("version", entry.version.as_deref().unwrap_or("-")),
        ("from", entry.origin.as_deref().unwrap_or("-")),
        ("routing key", &entry.routing_key),
        ("bytes", &entry.bytes.to_string()),
    ] {
        writeln!(out, "{} {}", paint(HEADING, &format!("{name:<12}")), harmless(value))?;
    }
    writeln!(anstream::stderr(), "{}", paint(DIM, "--body prints what the customer sent, not redacted"))?;
    Ok(Outcome::Done)
}

/// Says what was done, even when it ended early.
fn told(
    verb: &str,
    which: &Which,
    done: &[String],
    ended: Result<(), BrokerError>,
    json: bool,
) -> anyhow::Result<Outcome> {
    let missing: Vec<&String> = match which {
        Which::Ids(ids) => {
            let done: BTreeSet<&String> = done.iter().collect();
            ids.iter().filter(|id| !done.contains(id)).collect()
        }
        Which::All => Vec::new(),
    };
    if json {
        writeln!(
            anstream::stdout(),
            "{}",
            json!({verb: done, "not_found": if ended.is_ok() { missing.clone() } else { Vec::new() }, "error": ended.as_ref().err().map(ToString::to_string)})
        )?;
    } else {
        let mut err = anstream::stderr();
        writeln!(err, "{} {}", paint(GOOD, &format!("{verb}:")), done.len())?;
        if ended.is_ok() {
            for id in &missing {
                writeln!(err, "{} {}", paint(BAD, "not parked:"), harmless(id))?;
            }
        }
    }
    ended.map_err(hinted)?;
    Ok(if missing.is_empty() { Outcome::Done } else { Outcome::Failed })
}

fn when(entry: &Entry) -> String {
    entry.parked_at.map_or_else(|| "-".to_owned(), |at| at.format("%Y-%m-%d %H:%M:%SZ").to_string())
}

/// Ids and errors come from outside: what would steer the terminal or hide is shown as its code.
fn harmless(text: &str) -> String {
    let hides = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    text.chars().map(|c| if hides(c) { c.escape_unicode().to_string() } else { c.to_string() }).collect()
}

fn hinted(error: BrokerError) -> anyhow::Error {
    let hint = match &error {
        BrokerError::Config(_) => "check the [broker] section of the configuration",
        BrokerError::Operation(_) => {
            "use the operator's address (`smista topology show --users`); `smista topology check` looks at the queues"
        }
    };
    anyhow::Error::new(Hinted::new(error.to_string(), hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_shown_as_code() {
        assert_eq!(harmless("m-1\u{1b}[2J"), "m-1\\u{1b}[2J");
        assert_eq!(harmless("a\u{202e}b\nc"), "a\\u{202e}b\\u{a}c");
        assert_eq!(harmless("perché no"), "perché no");
    }
}
