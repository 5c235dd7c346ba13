//! `smista bench inference`: the engine alone. Every way of computing takes its turn in every round, so that what else
//! the machine does hits all of them alike; ratios are of turns of one round.

use std::collections::VecDeque;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::measure::{Percentiles, median, rounded};
use super::texts;
use crate::cli::style::{DIM, paint};
use crate::cli::{Outcome, WrongUse, setup};
use crate::config::{Config, EngineKind, Forward};
use crate::nlp::analyzer::Model;
use crate::nlp::decode::{Decoded, decode};
use crate::nlp::engine::{Engine, Window, WindowOutput};
use crate::nlp::pack::Heads;

/// Measure the engine alone: tokens and messages a second, and how long one message takes by itself
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Measure the engine alone: tokens and messages a second, and how long one message takes by itself.\n\n\
        All heads answer. With --against, other ways of computing take turns with the configured one (engine.forward) in the same run, and what \
        they say is compared: largest difference of a calibrated probability, share of texts with the same labels.",
    after_help = "Examples:\n  smista bench inference\n  smista bench inference --against reference --against f32\n  smista bench inference --input texts.jsonl --seconds 30 --json"
)]
pub struct Args {
    /// Lines of JSON with `text`; without it, the texts of the sample conversations
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Also measure this way of computing, and compare
    #[arg(long, value_name = "FORWARD", value_parser = ["reference", "f32", "bf16"])]
    against: Vec<String>,
    /// About how long to measure throughput, for each way of computing
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What came out.
#[derive(Debug, Serialize)]
struct Report {
    /// The model pack's version, or `scripted`.
    model: String,
    /// The way of computing that is configured, as it runs on this processor.
    forward: &'static str,
    /// Threads of one operation; 0 is one per core.
    threads: usize,
    /// Different texts.
    texts: usize,
    /// Tokens of the text in the middle, special ones included.
    median_tokens: usize,
    #[serde(flatten)]
    figures: Figures,
    /// The others, in the order asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    against: Vec<Against>,
}

#[derive(Debug, Serialize)]
struct Figures {
    tokens_per_second: f64,
    messages_per_second: f64,
    /// Of one message by itself, tokens to head outputs.
    #[serde(flatten)]
    alone: Percentiles,
}

#[derive(Debug, Serialize)]
struct Against {
    forward: &'static str,
    #[serde(flatten)]
    figures: Figures,
    /// How many times as many tokens a second the configured one manages, median of the rounds.
    ratio: f64,
    /// Largest difference of a calibrated probability of any head on any text.
    largest_difference: f64,
    /// Share of texts with the same sentiment, intents, stage, emotions and signals.
    same_labels: f64,
}

/// Measures and prints.
pub async fn run(args: Args, config: Config) -> anyhow::Result<Outcome> {
    if config.engine.kind == EngineKind::Scripted && !args.against.is_empty() {
        return Err(WrongUse("--against: the scripted engine computes in one way only".to_owned()).into());
    }
    let (done, result) = tokio::sync::oneshot::channel();
    let json = args.json;
    std::thread::Builder::new()
        .name("bench".to_owned())
        .spawn(move || drop(done.send(measure(&args, &config))))?;
    let report = result.await.context("the measurement ended without an answer")??;
    let text = if json { serde_json::to_string_pretty(&report)? } else { table(&report) };
    writeln!(anstream::stdout(), "{text}")?;
    Ok(Outcome::Done)
}

/// One way of computing, ready.
struct Contestant {
    forward: &'static str,
    engine: Box<dyn Engine>,
    /// Tokens a second, one for each round.
    rates: Vec<f64>,
}

fn contestant(config: &Config, forward: Forward) -> anyhow::Result<(Model, Contestant)> {
    let mut config = config.clone();
    config.engine.forward = forward;
    let (model, mut build) = setup::model(&config)?;
    let engine = build().map_err(|error| setup::engine_error(&config, error))?;
    Ok((model, Contestant { forward: setup::forward(&config), engine, rates: Vec::new() }))
}

fn measure(args: &Args, config: &Config) -> anyhow::Result<Report> {
    let texts = texts::load(args.input.as_deref())?;
    let (model, first) = contestant(config, config.engine.forward)?;
    let mut contestants = vec![first];
    for name in &args.against {
        let forward = Forward::ALL.into_iter().find(|forward| forward.as_str() == name);
        contestants.push(contestant(config, forward.unwrap_or(Forward::Reference))?.1);
    }
    let mut messages = Vec::with_capacity(texts.len());
    for text in &texts {
        let windows = model.windows.windows(text).context("a text cannot be cut into tokens")?;
        messages.push(windows);
    }
    messages.retain(|windows| !windows.is_empty());
    let all: Vec<Window> = messages.iter().flatten().cloned().collect();
    let tokens: usize = all.iter().map(|window| window.ids.len()).sum();

    // The first answers warm memory up and are those compared.
    let mut answers = Vec::new();
    for contestant in &mut contestants {
        let outputs: Result<Vec<WindowOutput>, _> = contestant.engine.infer(&all).into_iter().collect();
        answers.push(outputs.context("a text cannot be analysed")?);
    }
    // A turn is about a fifth of the time, and at least once all texts.
    let slice = Duration::from_secs(u64::from(args.seconds)) / ROUNDS;
    for _ in 0..ROUNDS {
        for contestant in &mut contestants {
            let (started, mut passes) = (Instant::now(), 0usize);
            while passes == 0 || started.elapsed() < slice {
                std::hint::black_box(contestant.engine.infer(&all));
                passes += 1;
            }
            contestant.rates.push((tokens * passes) as f64 / started.elapsed().as_secs_f64());
        }
    }
    let per_message = tokens as f64 / messages.len().max(1) as f64;
    let mut figures = VecDeque::new();
    for contestant in &mut contestants {
        let mut alone = Vec::new();
        for windows in messages.iter().take(ALONE) {
            let started = Instant::now();
            std::hint::black_box(contestant.engine.infer(windows));
            alone.push(started.elapsed());
        }
        let rate = median(contestant.rates.clone());
        figures.push_back(Figures {
            tokens_per_second: rounded(rate),
            messages_per_second: rounded(rate / per_message),
            alone: Percentiles::of(&mut alone).context("no text has tokens")?,
        });
    }
    let mut lengths: Vec<usize> =
        messages.iter().map(|windows| windows.iter().map(|window| window.ids.len()).sum()).collect();
    lengths.sort_unstable();
    let own = figures.pop_front().context("nothing was measured")?;
    let mut against = Vec::new();
    let (Some(configured), Some(said)) = (contestants.first(), answers.first()) else {
        anyhow::bail!("nothing was measured");
    };
    for ((contestant, figures), outputs) in
        contestants.iter().skip(1).zip(figures).zip(answers.iter().skip(1))
    {
        let ratios = configured.rates.iter().zip(&contestant.rates).map(|(own, other)| own / other);
        let agreement = agreement(&model.heads, said, outputs);
        against.push(Against {
            forward: contestant.forward,
            figures,
            ratio: rounded(median(ratios.collect())),
            largest_difference: f64::from(agreement.largest),
            same_labels: agreement.same,
        });
    }
    let forward = configured.forward;
    Ok(Report {
        model: model.version,
        forward,
        threads: config.engine.threads,
        texts: messages.len(),
        median_tokens: lengths.get(lengths.len() / 2).copied().unwrap_or_default(),
        figures: own,
        against,
    })
}

/// Turns of each way of computing.
const ROUNDS: u32 = 5;
/// Messages that go through the engine by themselves.
const ALONE: usize = 300;

struct Agreement {
    largest: f32,
    same: f64,
}

fn agreement(heads: &Heads, a: &[WindowOutput], b: &[WindowOutput]) -> Agreement {
    let (mut largest, mut same) = (0f32, 0usize);
    for (a, b) in a.iter().zip(b) {
        let (one, other) = (decode(heads, a), decode(heads, b));
        let probabilities = |decoded: &Decoded, output: &WindowOutput| {
            let mut all = decoded.sentiment.to_vec();
            all.extend(&decoded.intent_probabilities);
            all.extend(&decoded.stage_probabilities);
            all.extend(crate::nlp::decode::sigmoid(&heads.emotions, &output.emotions));
            all.extend(crate::nlp::decode::sigmoid(&heads.signals, &output.signals));
            all
        };
        let pairs = probabilities(&one, a).into_iter().zip(probabilities(&other, b));
        largest = pairs.map(|(a, b)| (a - b).abs()).fold(largest, f32::max);
        same += usize::from(labels(&one) == labels(&other));
    }
    Agreement { largest, same: same as f64 / a.len().max(1) as f64 }
}

/// What is decided by.
fn labels(decoded: &Decoded) -> impl PartialEq {
    let intents: Vec<String> = decoded.intents.iter().map(|(intent, _)| intent.clone()).collect();
    let emotions: Vec<_> = decoded.emotions.iter().map(|(emotion, _)| *emotion).collect();
    let signals: Vec<_> = decoded.signals.iter().map(|(signal, _)| *signal).collect();
    let stage = decoded.stage.map(|(stage, _)| stage);
    (decoded.sentiment_label().0, intents, stage, emotions, signals)
}

fn table(report: &Report) -> String {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_BORDERS_ONLY).set_header([
        "forward",
        "tokens/s",
        "messages/s",
        "alone p50",
        "p95",
        "p99",
        "the first is",
        "largest difference",
        "same labels",
    ]);
    let row = |forward: &str, figures: &Figures, rest: [String; 3]| {
        let alone = &figures.alone;
        let [ratio, difference, same] = rest;
        [
            forward.to_owned(),
            format!("{:.0}", figures.tokens_per_second),
            format!("{:.0}", figures.messages_per_second),
            format!("{:.1} ms", alone.p50_ms),
            format!("{:.1} ms", alone.p95_ms),
            format!("{:.1} ms", alone.p99_ms),
            ratio,
            difference,
            same,
        ]
    };
    table.add_row(row(report.forward, &report.figures, [String::new(), String::new(), String::new()]));
    for other in &report.against {
        let rest = [
            format!("{:.2} × as fast", other.ratio),
            format!("{:.4}", other.largest_difference),
            format!("{:.2} %", other.same_labels * 100.0),
        ];
        table.add_row(row(other.forward, &other.figures, rest));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let threads = match report.threads {
        0 => "a thread per core".to_owned(),
        1 => "1 thread".to_owned(),
        threads => format!("{threads} threads"),
    };
    let what = format!(
        "{}, {} texts of {} tokens in the middle, {threads}; shared machines are noisy: compare within one run",
        report.model, report.texts, report.median_tokens
    );
    format!("{table}\n{}", paint(DIM, &what))
}
