//! `smista bench pipeline`: from RabbitMQ to RabbitMQ, through worker processes and a database.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::measure::{Percentiles, rounded};
use super::scene::Scene;
use super::texts;
use crate::cli::style::{DIM, paint};
use crate::cli::{Outcome, setup};
use crate::config::{Config, EngineKind};

/// Measure workers from RabbitMQ to RabbitMQ: messages a second, and how long a decision takes under load
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Measure workers from RabbitMQ to RabbitMQ: messages a second, and how long a decision takes under load.\n\n\
        Starts workers of its own on the configured broker, with exchanges, queues and a database of its own, and removes them \
        afterwards. First everything at once, for the throughput; then at 25, 50 and 80 % of that in an open loop: messages \
        are sent at their time whatever becomes of the earlier ones, and a message's time counts from when it was due.",
    after_help = "Examples:\n  smista bench pipeline\n  smista bench pipeline --seconds 60 --workers 2\n  SMISTA_ENGINE__KIND=scripted smista bench pipeline --json\n  smista bench pipeline --store postgres://smista@localhost/empty_database"
)]
pub struct Args {
    /// Lines of JSON with `text`; without it, the texts of the sample conversations
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// About how long to measure, for the throughput and for each load
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
    /// Worker processes; more than one share the work only where broker.shards is above 1
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: u16,
    /// Database of the workers; it should be empty [default: an SQLite file of its own]
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    /// How the engine computes, or `scripted`.
    forward: &'static str,
    /// `sqlite` or `postgres`.
    store: &'static str,
    workers: u16,
    shards: u16,
    /// Decided for the throughput.
    messages: usize,
    messages_per_second: f64,
    /// Processor time of the workers for one message, milliseconds.
    cpu_ms_per_message: f64,
    /// Most resident memory of one worker, MiB.
    memory_mib: f64,
    /// At half load.
    #[serde(flatten)]
    half: Percentiles,
    loads: Vec<Load>,
}

#[derive(Debug, Serialize)]
struct Load {
    /// Share of the throughput.
    load: f64,
    /// Messages sent a second.
    messages_per_second: f64,
    messages: usize,
    #[serde(flatten)]
    passage: Percentiles,
}

/// Shares of the throughput at which passages are measured.
const LOADS: [f64; 3] = [0.25, 0.5, 0.8];

/// Measures and prints.
pub async fn run(args: Args, config: Config, file: Option<&Path>) -> anyhow::Result<Outcome> {
    let texts = texts::load(args.input.as_deref())?;
    let workers = usize::from(args.workers);
    let mut scene = Scene::open(&config, file, args.store.as_deref(), workers, texts).await?;
    let measured = measure(&args, &config, &mut scene).await;
    let closed = scene.close().await.context("what was declared on the broker could not be removed");
    let report = measured?;
    closed?;
    let text = if args.json { serde_json::to_string_pretty(&report)? } else { table(&report) };
    writeln!(anstream::stdout(), "{text}")?;
    Ok(Outcome::Done)
}

async fn measure(args: &Args, config: &Config, scene: &mut Scene) -> anyhow::Result<Report> {
    let seconds = f64::from(args.seconds);
    // Grows until it takes long enough to tell how many fill the time.
    let (mut messages, mut rate) = (200, 0.0);
    for _ in 0..8 {
        let took = flood(scene, messages).await?;
        rate = messages as f64 / took.as_secs_f64();
        if took > Duration::from_millis(1500) {
            break;
        }
        messages *= 3;
    }
    let messages = at_least(rate * seconds, 200);
    let before = scene.usage();
    let took = flood(scene, messages).await?;
    let after = scene.usage();
    let rate = messages as f64 / took.as_secs_f64();

    let mut loads = Vec::new();
    for load in LOADS {
        let per_second = rate * load;
        let messages = at_least(per_second * seconds, 100);
        scene.send(messages, Some(per_second)).await?;
        scene.settle().await?;
        let (mut passages, _) = scene.passages(messages);
        let passage = Percentiles::of(&mut passages).context("nothing was decided")?;
        loads.push(Load { load, messages_per_second: rounded(per_second), messages, passage });
    }
    let half = loads.iter().find(|load| load.load == 0.5).map(|load| load.passage);
    let url = args.store.as_deref().unwrap_or("sqlite:");
    Ok(Report {
        forward: if config.engine.kind == EngineKind::Scripted { "scripted" } else { setup::forward(config) },
        store: if url.starts_with("postgres") { "postgres" } else { "sqlite" },
        workers: args.workers,
        shards: config.broker.shards,
        messages,
        messages_per_second: rounded(rate),
        cpu_ms_per_message: rounded((after.cpu - before.cpu).as_secs_f64() * 1e3 / messages as f64),
        memory_mib: rounded(scene.usage().memory_mib),
        half: half.context("no load was measured")?,
        loads,
    })
}

fn at_least(messages: f64, least: usize) -> usize {
    (messages.max(0.0) as usize).max(least)
}

/// Sends so many as quickly as they are taken, and says how long it took from the first one to the last decision.
async fn flood(scene: &mut Scene, messages: usize) -> anyhow::Result<Duration> {
    let started = Instant::now();
    scene.send(messages, None).await?;
    scene.settle().await?;
    let (_, last) = scene.passages(messages);
    Ok(last.map_or_else(|| started.elapsed(), |last| last.saturating_duration_since(started)))
}

fn table(report: &Report) -> String {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_BORDERS_ONLY).set_header(["load", "messages/s", "p50", "p95", "p99"]);
    table.add_row([
        "all at once".to_owned(),
        format!("{:.0}", report.messages_per_second),
        String::new(),
        String::new(),
        String::new(),
    ]);
    for load in &report.loads {
        table.add_row([
            format!("{:.0} %", load.load * 100.0),
            format!("{:.0}", load.messages_per_second),
            format!("{:.1} ms", load.passage.p50_ms),
            format!("{:.1} ms", load.passage.p95_ms),
            format!("{:.1} ms", load.passage.p99_ms),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let plural = |count: u16, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let what = format!(
        "{}, {}, {}, {}; {:.2} ms of processor a message, {:.0} MiB at most; times from when a message was due to its decision",
        report.forward,
        report.store,
        plural(report.workers, "worker"),
        plural(report.shards, "input queue"),
        report.cpu_ms_per_message,
        report.memory_mib
    );
    format!("{table}\n{}", paint(DIM, &what))
}
