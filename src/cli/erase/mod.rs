//! `smista erase`: a customer leaves every table and every queue. Names stay in this process: what it prints and what it
//! leaves behind are counts and keyed hashes.

mod recognise;

use std::collections::BTreeMap;
use std::io::Write as _;

use anyhow::Context as _;
use chrono::Utc;
use serde_json::json;

use self::recognise::Recogniser;
use super::style::{DIM, GOOD, HINT, WARN, paint};
use super::topology::table;
use super::{Hinted, Outcome, WrongUse, setup};
use crate::broker::BrokerError;
use crate::broker::amqp::park::ParkedQueue;
use crate::broker::topology::Topology;
use crate::config::Config;
use crate::interaction::hash_identity;
use crate::store::{self, Erased, MarkKey, Subject};

/// Erase everything kept of a customer.
#[derive(Debug, Clone, clap::Args)]
#[command(
    long_about = "Erase everything kept of a customer.\n\n\
        Removes state, identities, messages, decisions, corrections and what waits to be published from the database, and \
        the customer's messages from the parked and unrouted queues. What remains is a record of the erasure without a \
        name, and keyed hashes by which a message from before is let go when it is delivered late. Safe to repeat.",
    after_help = "Examples:\n  \
        smista erase --customer c-1042 --dry-run\n  \
        smista erase --customer c-1042 --identity mailto:anna@example.org --identity tel:+393331234567\n  \
        smista erase --identity mailto:anna@example.org --json\n\n\
        Systems that have read decisions or events before keep their own copies: tell them too."
)]
pub struct Args {
    /// The customer's id
    #[arg(long, value_name = "ID", required_unless_present = "identities")]
    pub customer: Option<String>,
    /// An address of theirs, as in mailto:anna@example.org; may be given several times
    #[arg(long = "identity", value_name = "SCHEME:ADDRESS")]
    pub identities: Vec<String>,
    /// Only say what would go
    #[arg(long)]
    pub dry_run: bool,
    /// Leave the queues alone: for a database that no worker uses
    #[arg(long)]
    pub no_queues: bool,
    /// Database to erase from [default: store.url of the configuration]
    #[arg(long, value_name = "sqlite:FILE")]
    pub state: Option<String>,
    /// One JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

/// What went, or would go.
#[derive(Debug, Default)]
struct Report {
    erased: Erased,
    queues: BTreeMap<String, u64>,
    /// Messages in input queues, whosever they are.
    waiting: u64,
}

/// Runs it.
pub async fn run(args: Args, mut config: Config) -> anyhow::Result<Outcome> {
    if let Some(url) = &args.state {
        config.store.url.clone_from(url);
        config.store.url_file = None;
    }
    let secret = setup::identity_key(&config)?;
    let subject = subject(&args, &secret)?;
    let key = MarkKey::new(secret.clone());
    if let Some(file) = store::missing_file(&config.store).await? {
        let from = if args.state.is_some() { "--state" } else { "store.url" };
        return Err(WrongUse(format!("{from}: there is no database {}", file.display())).into());
    }
    // Before anything goes: without the queues the work is half done.
    let queues = if args.no_queues { None } else { Some(open(&config).await?) };

    let store = setup::store(&config).await?;
    let mut report = Report { erased: store.erase(&subject, &key, None).await?, ..Report::default() };
    if let Some(other) = report.erased.shared_with.first() {
        let message = format!("one of these identities belongs to another customer too: {other}");
        let hint = "nothing was erased; leave the identity out, or erase that customer as well";
        return Err(Hinted::new(message, hint).into());
    }
    if !args.dry_run {
        report.erased = store.erase(&subject, &key, Some(Utc::now())).await?;
    }
    if let Some(queues) = queues {
        let recogniser = Recogniser {
            key: &key,
            secret: &secret,
            marks: &report.erased.marks,
            customer: args.customer.as_deref(),
            identities: &args.identities,
        };
        let topology = Topology::of(&config.broker).with_hooks(&config.gateway);
        let swept = sweep(&queues, &topology, &recogniser, !args.dry_run).await;
        queues.close().await;
        (report.queues, report.waiting) = swept.context(Hinted::new(
            "the database is done, the queues are not",
            "run the same command again once the broker answers: it is safe to repeat",
        ))?;
        if !args.dry_run {
            store.note_swept(&report.erased, &report.queues).await?;
        }
    }
    print(&report, &args)?;
    Ok(Outcome::Done)
}

fn subject(args: &Args, secret: &[u8]) -> anyhow::Result<Subject> {
    let mut identities = Vec::new();
    for identity in &args.identities {
        identities.push(hash_identity(identity, secret).ok_or_else(|| {
            WrongUse(format!("--identity {identity}: not an address such as mailto:anna@example.org"))
        })?);
    }
    if args.customer.as_ref().is_some_and(|customer| customer.trim().is_empty()) {
        return Err(WrongUse("--customer is empty".to_owned()).into());
    }
    Ok(Subject { customer: args.customer.clone(), identities })
}

async fn open(config: &Config) -> anyhow::Result<ParkedQueue> {
    ParkedQueue::open(&config.broker).await.map_err(|error| {
        anyhow::Error::new(Hinted::new(
            format!("nothing was erased: {error}"),
            "the queues are part of it: give the operator's address; --no-queues is for a database without workers",
        ))
    })
}

async fn sweep(
    queues: &ParkedQueue,
    topology: &Topology,
    recogniser: &Recogniser<'_>,
    remove: bool,
) -> Result<(BTreeMap<String, u64>, u64), BrokerError> {
    let mut swept = BTreeMap::new();
    for queue in topology.kept_queues() {
        let taken = queues.sweep(queue, remove, |held| recogniser.knows(&held)).await?;
        swept.insert(queue.to_owned(), taken);
    }
    let mut waiting = 0;
    for queue in topology.input_queues() {
        waiting += queues.waiting(queue).await?;
    }
    Ok((swept, waiting))
}

fn print(report: &Report, args: &Args) -> anyhow::Result<()> {
    let mut out = anstream::stdout();
    let Report { erased, queues, waiting } = report;
    if args.json {
        let id = (!args.dry_run).then_some(erased.erasure_id);
        let document = json!({
            "dry_run": args.dry_run, "erasure_id": id, "tables": erased.tables, "unpublished": erased.unpublished,
            "queues": queues, "waiting": waiting,
        });
        writeln!(out, "{document}")?;
        return Ok(());
    }
    let mut rows = table(["place", if args.dry_run { "would go" } else { "gone" }]);
    let tables = erased.tables.iter().map(|(name, count)| (format!("table {name}"), *count));
    let queues = queues.iter().map(|(name, count)| (format!("queue {name}"), *count));
    for (place, count) in tables.chain(queues) {
        rows.add_row([place, count.to_string()]);
    }
    writeln!(out, "{rows}")?;
    let mut err = anstream::stderr();
    if args.dry_run {
        writeln!(err, "{} nothing was changed", paint(DIM, "dry run:"))?;
    } else {
        writeln!(err, "{} erasure {}", paint(GOOD, "done:"), erased.erasure_id)?;
    }
    if *waiting > 0 {
        writeln!(
            err,
            "{} {waiting} messages wait in the input queues; a worker lets those of this customer go.\n{}",
            paint(WARN, "note:"),
            paint(HINT, "Where producers leave sent_at out, run this again once they are worked off.")
        )?;
    }
    Ok(())
}
