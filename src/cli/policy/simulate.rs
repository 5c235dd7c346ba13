//! `smista policy simulate`: what another policy would have done with past messages, read from the store page by page or
//! from a file of decisions line by line.

use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};

use anstyle::Style;
use anyhow::Context as _;
use chrono::Utc;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::{good, level_style, page, wrong};
use crate::cli::since::Since;
use crate::cli::style::{DIM, HEADING, WARN, paint};
use crate::cli::{Hinted, Outcome, chart, row, setup};
use crate::config::Config;
use crate::routing::simulate::summary::{busiest, change, groups};
use crate::routing::simulate::{self, Simulation};
use crate::routing::{Decision, Policy};
use crate::store::simulation::simulate as simulation;
use crate::store::{Order, Span, Walk};

/// Widest line.
const WIDTH: usize = 100;

/// Show what another policy would change about past decisions.
#[derive(Debug, Clone, clap::Args)]
#[command(
    long_about = "Show what another policy would change about past decisions.\n\n\
        Decides the messages of the database again, under the policy in force and under the new one, and shows how many \
        change priority, action and queue, how many answers are due in which hour of the day, and the biggest changes with \
        the redacted texts. Nothing is written to the database.",
    after_help = "Examples:\n  \
        smista policy simulate --policy policy/ours.toml --since 30d\n  \
        smista policy simulate --policy policy/ours.toml --since 2026-05-01 --html changes.html\n  \
        smista policy simulate --policy new.toml --against old.toml --json | jq .changed\n  \
        smista policy simulate --policy new.toml --decisions decisions.jsonl\n\n\
        docs/policy.md, section What would change, says how to read it."
)]
pub struct Args {
    /// The new policy
    #[arg(long, value_name = "FILE")]
    pub policy: PathBuf,
    /// The policy to compare with [default: the configured one, else the one inside the program]
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
    /// Look at what was decided since: 24h, 30d, 4w, or a day such as 2026-05-14
    #[arg(long, value_name = "SINCE", default_value = "30d")]
    pub since: Since,
    /// Database that holds the decisions [default: store.url of the configuration]
    #[arg(long, value_name = "sqlite:FILE", conflicts_with = "decisions")]
    pub state: Option<String>,
    /// Read decisions from this file instead, one JSON object a line; `-` for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "since")]
    pub decisions: Option<PathBuf>,
    /// Write one page with charts, that needs no other file, to this file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// One JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

/// What came out, with what was compared.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The policy compared with.
    pub against: String,
    /// The new policy.
    pub policy: String,
    /// The time zone of the hours.
    pub time_zone: &'static str,
    /// The counts.
    #[serde(flatten)]
    pub simulation: Simulation,
}

/// Runs it.
pub async fn run(args: Args, mut config: Config) -> anyhow::Result<Outcome> {
    let old = good(args.against.as_deref().or(config.policy.path.as_deref()))?;
    let new = good(Some(&args.policy))?;
    let simulation = match &args.decisions {
        Some(file) => of_file(file, &old, &new)?,
        None => of_store(&args, &mut config, &old, &new).await?,
    };
    let report = Report { against: old.id(), policy: new.id(), time_zone: new.time_zone(), simulation };
    let mut err = anstream::stderr();
    if report.simulation.decisions == 0 {
        writeln!(err, "{} there are no decisions to look at", paint(WARN, "note:"))?;
    }
    if args.decisions.is_some() {
        let note = "decisions carry no author, text, attributes or ratings: rules that ask for them decide as for a customer's message without them (agents' messages count as customers'); simulate over the store to have them";
        writeln!(err, "{} {note}", paint(WARN, "note:"))?;
    }
    if let Some(file) = &args.html {
        std::fs::write(file, page::render(&report)).with_context(|| {
            Hinted::new(
                format!("{} cannot be written", file.display()),
                "name a file in a folder that is there",
            )
        })?;
        writeln!(err, "{} {}", paint(DIM, "page:"), file.display())?;
    }
    let text = if args.json { serde_json::to_string(&report)? } else { text(&report) };
    writeln!(anstream::stdout(), "{}", text.trim_end())?;
    Ok(Outcome::Done)
}

async fn of_store(
    args: &Args,
    config: &mut Config,
    old: &Policy,
    new: &Policy,
) -> anyhow::Result<Simulation> {
    let store = setup::kept(config, args.state.as_deref()).await?;
    let now = Utc::now();
    let mut walk = Walk::new(store, Span { since: args.since.moment(now), until: now, order: Order::Time });
    let bar = setup::counter("decisions");
    let ended = simulation(&mut walk, old, new, u64::MAX, |more| bar.inc(more)).await;
    bar.finish_and_clear();
    let (simulation, _) = ended.context("the database stopped answering")?;
    if let Some(unread) = walk.unread() {
        writeln!(anstream::stderr(), "{} {unread}; they are left out", paint(WARN, "warning:"))?;
    }
    Ok(simulation)
}

fn of_file(file: &Path, old: &Policy, new: &Policy) -> anyhow::Result<Simulation> {
    let (name, lines): (String, Box<dyn BufRead>) = if file == Path::new("-") {
        ("standard input".to_owned(), Box::new(std::io::stdin().lock()))
    } else {
        let opened = std::fs::File::open(file).map_err(|error| wrong(file, &error))?;
        (file.display().to_string(), Box::new(BufReader::new(opened)))
    };
    let mut simulation = Simulation::default();
    for (index, line) in lines.lines().enumerate() {
        let line = line.with_context(|| format!("{name} cannot be read"))?;
        if line.trim().is_empty() {
            continue;
        }
        let decision: Decision = serde_json::from_str(&line)
            .with_context(|| format!("{name}:{}: this is no decision", index + 1))?;
        simulation.add(&decision, None, old, new);
    }
    Ok(simulation)
}

fn text(report: &Report) -> String {
    let Report { against, policy, time_zone, simulation } = report;
    let mut lines = vec![
        format!("{} {}", paint(DIM, "from"), row::shorten(against, WIDTH - 5)),
        format!("{} {}", paint(DIM, "  to"), row::shorten(policy, WIDTH - 5)),
        format!(
            "{} of {} decisions change{}; {} answers due sooner, {} later",
            paint(HEADING, &simulation.changed.to_string()),
            simulation.decisions,
            percent(simulation.changed, simulation.decisions),
            simulation.due_sooner,
            simulation.due_later
        ),
    ];
    if simulation.not_as_recorded > 0 {
        let count = simulation.not_as_recorded;
        lines.push(paint(DIM, &format!("{count} were decided otherwise at the time: by another policy, or by what is not at hand here")));
    }
    if simulation.decisions > 0 {
        lines.push(counts(simulation));
        lines.push(hours(simulation, time_zone));
    }
    if !simulation.moves.is_empty() {
        lines.push(paint(HEADING, "moves"));
        let mut moves: Vec<_> = simulation.moves.iter().collect();
        moves.sort_by_key(|(what, count)| (what.what, std::cmp::Reverse(**count)));
        let line = |(what, count): (&simulate::Move, &u64)| {
            format!("{count:>7}  {} {} → {}", paint(DIM, &format!("{:<8}", what.what)), what.from, what.to)
        };
        lines.extend(moves.into_iter().map(line));
    }
    if !simulation.biggest.is_empty() {
        lines.push(format!("\n{}", paint(HEADING, "biggest changes")));
        lines.extend(simulation.biggest.iter().map(biggest));
    }
    lines.join("\n")
}

/// `(12.5%)`, with a space before it.
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return String::new();
    }
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let percent = part as f64 * 100.0 / whole as f64;
    format!(" ({percent:.1}%)")
}

fn counts(simulation: &Simulation) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(["", "", "before", "after", "change"]);
    for (heading, rows) in groups(simulation) {
        for (at, (name, pair)) in rows.iter().enumerate() {
            let heading = if at == 0 { heading } else { "" };
            table.add_row([
                heading.to_owned(),
                row::shorten(name, 40),
                pair.before.to_string(),
                pair.after.to_string(),
                change(*pair),
            ]);
        }
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

fn hours(simulation: &Simulation, time_zone: &str) -> String {
    let mut lines = vec![format!(
        "{} {}",
        paint(HEADING, "answers due by hour of the day"),
        paint(DIM, &format!("({time_zone}; 00 … 23)"))
    )];
    lines.push(paint(DIM, &format!("{:32}0     6     12    18        total  most", "")));
    for (queue, load) in busiest(&simulation.load) {
        let most = load.before.iter().chain(&load.after).copied().max().unwrap_or(0);
        for (name, side, counts) in [(queue.as_str(), "before", load.before), ("", "after", load.after)] {
            let (hour, peak) = peak(&counts);
            let total: u64 = counts.iter().sum();
            let when = if peak == 0 { String::new() } else { format!("{peak} at {hour:02}") };
            lines.push(format!(
                "{:24}{side:<8}{}  {total:>7}  {when}",
                row::shorten(name, 23),
                chart::sparks(&counts, most)
            ));
        }
    }
    lines.join("\n") + "\n"
}

/// The first hour with the most, and how many.
pub fn peak(counts: &simulate::Hours) -> (usize, u64) {
    let mut best = (0, 0);
    for (hour, count) in counts.iter().enumerate() {
        if *count > best.1 {
            best = (hour, *count);
        }
    }
    best
}

fn biggest(change: &simulate::Change) -> String {
    let outcome = |outcome: &simulate::Outcome| {
        let style: Style = level_style(outcome.priority);
        let queue = outcome.queue.as_deref().unwrap_or("no queue");
        format!("{} {} {queue}", paint(style, outcome.priority.as_str()), outcome.action.as_str())
    };
    let mut lines = vec![
        format!("{:>3}  {} → {}", change.size, outcome(&change.before), outcome(&change.after)),
        paint(
            DIM,
            &row::shorten(
                &format!(
                    "     {} {} {}",
                    change.sent_at.format("%Y-%m-%d %H:%M"),
                    change.channel,
                    change.message_id
                ),
                WIDTH,
            ),
        ),
    ];
    let rules = [("now", &change.rules_gained), ("no longer", &change.rules_lost)];
    for (word, rules) in rules.into_iter().filter(|(_, rules)| !rules.is_empty()) {
        lines.push(row::shorten(&format!("     {word}: {}", rules.join(", ")), WIDTH));
    }
    if change.alike > 1 {
        lines.push(paint(DIM, &format!("     {} messages change in this way", change.alike)));
    }
    if let Some(text) = &change.text {
        lines.push(row::shorten(&format!("     “{text}”"), WIDTH));
    }
    lines.join("\n")
}
