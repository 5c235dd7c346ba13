//! The run itself: reader thread, analysis side by side, fold in order, output.

use std::fs::File;
use std::io::{BufReader, BufWriter, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use futures::stream::{FuturesOrdered, StreamExt as _};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Args;
use super::lines::{Line, next_line};
use super::state::Customers;
use crate::cli::style;
use crate::cli::tally::Tally;
use crate::cli::{Hinted, Outcome, WrongUse, row, setup, words};
use crate::config::{Config, Explain};
use crate::interaction::{self, Channel, Fallback, Interaction, MAX_BYTES, Mode, ParseContext, WireError};
use crate::nlp::Understanding;
use crate::routing::Decision;
use crate::store;
use crate::worker::Pipeline;

/// One line on its way, with its number (from 1).
struct Numbered {
    number: u64,
    line: Line,
    at: DateTime<Utc>,
}

/// Why a line has no decision.
struct Fault {
    class: String,
    error: String,
}

impl From<WireError> for Fault {
    fn from(error: WireError) -> Self {
        Self { class: error.class().to_owned(), error: error.to_string() }
    }
}

type Analysed = Result<Box<(Interaction, Understanding)>, Fault>;

/// Where customers are kept.
enum State {
    Memory(Customers),
    Database,
}

/// Decides every line; `Failed` when any had no decision.
pub async fn run(args: Args, mut config: Config) -> anyhow::Result<Outcome> {
    if let Some(policy) = &args.policy {
        config.policy.path = Some(policy.clone());
    }
    if args.explain {
        config.engine.explain = Explain::Always;
    }
    let (store, mut state) = match &args.state {
        Some(url) => {
            config.store.url = state_url(url)?;
            config.store.url_file = None;
            (setup::store(&config).await?, State::Database)
        }
        None => (store::sqlite::memory().await?, State::Memory(Customers::new(config.store.merging))),
    };
    let read = Arc::new(AtomicU64::new(0));
    let (mut incoming, size) = open_input(&args, &read)?;
    let mut output = open_output(&args)?;
    let bar = progress(&args, size);
    let pipeline = Arc::new(setup::pipeline(&config, store).await?);
    let lines = Arc::new(LineParser {
        identity_key: setup::identity_key(&config)?,
        channel: args.channel.map(|channel| channel.0).or(args.text.as_ref().map(|_| Channel::Chat)),
    });

    let started = Instant::now();
    let mut tally = Tally::default();
    let mut waiting: FuturesOrdered<JoinHandle<(u64, Analysed)>> = FuturesOrdered::new();
    let mut open = true;
    while open || !waiting.is_empty() {
        tokio::select! {
            biased;
            Some(done) = waiting.next() => {
                let (number, analysed) = done.context("an analysis task ended early")?;
                let (decided, document) = match analysed {
                    Ok(pair) => (
                        decide(&pipeline, &mut state, &pair.0, &pair.1).await,
                        args.explain.then(|| pair.0.document()),
                    ),
                    Err(fault) => (Err(fault), None),
                };
                write_line(&mut output, number, &decided)?;
                match &decided {
                    Ok(decision) => tally.decided(decision),
                    Err(fault) => tally.failed(&format!("line {number}"), &format!("{} ({})", fault.error, fault.class)),
                }
                bar.set_position(if size.is_some() { read.load(Ordering::Relaxed) } else { tally.lines() });
                if let Ok(decision) = &decided {
                    explain(decision, args.text.is_some(), document.as_deref())?;
                }
            }
            line = incoming.recv(), if open && waiting.len() < usize::from(args.jobs) => match line {
                Some(line) => {
                    let numbered = line.context("the input cannot be read")?;
                    let (lines, pipeline) = (Arc::clone(&lines), Arc::clone(&pipeline));
                    waiting.push_back(tokio::spawn(async move {
                        let number = numbered.number;
                        (number, analyse(&lines, &pipeline, numbered).await)
                    }));
                }
                None => open = false,
            },
        }
    }
    output.flush().context("the output cannot be written")?;
    bar.finish_and_clear();
    if args.text.is_none() {
        summarise(&tally, started)?;
    }
    Ok(if tally.failures() == 0 { Outcome::Done } else { Outcome::Failed })
}

/// Parses lines; what they leave out is made from their number and content, so that a second run finds them again.
struct LineParser {
    identity_key: Arc<[u8]>,
    channel: Option<Channel>,
}

impl LineParser {
    fn parse(&self, number: u64, body: &[u8], at: DateTime<Utc>) -> Result<Interaction, WireError> {
        let digest = Sha256::digest(body);
        let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let id = format!("line-{number}-{hex}");
        let fallback = Fallback { message_id: &id, conversation_id: &id, channel: self.channel };
        let context =
            ParseContext { received_at: at, identity_key: &self.identity_key, mode: Mode::Fill(fallback) };
        let mut interaction = interaction::parse(body, &context)?;
        if interaction.conversation_id == id {
            interaction.conversation_id.clone_from(&interaction.message_id);
        }
        Ok(interaction)
    }
}

async fn analyse(lines: &LineParser, pipeline: &Pipeline, numbered: Numbered) -> Analysed {
    let interaction = match numbered.line {
        Line::TooLong { bytes } => return Err(WireError::TooLarge { bytes, limit: MAX_BYTES }.into()),
        Line::Whole(body) => lines.parse(numbered.number, &body, numbered.at)?,
    };
    let understanding = pipeline
        .analyse(&interaction)
        .await
        .map_err(|error| Fault { class: "analysis_failed".to_owned(), error: error.to_string() })?;
    Ok(Box::new((interaction, understanding)))
}

async fn decide(
    pipeline: &Pipeline,
    state: &mut State,
    interaction: &Interaction,
    understanding: &Understanding,
) -> Result<Decision, Fault> {
    let fault = |class: &str, error: &dyn std::error::Error| Fault {
        class: class.to_owned(),
        error: error.to_string(),
    };
    let now = Utc::now();
    match state {
        State::Database => {
            match pipeline.decided_before(interaction).await.map_err(|error| fault("store_failed", &error))? {
                Some(earlier) => Ok(earlier.decision),
                None => pipeline
                    .fold_and_commit(interaction, understanding, now)
                    .await
                    .map(|decided| decided.decision)
                    .map_err(|error| fault("store_failed", &error)),
            }
        }
        State::Memory(customers) => {
            let owner = customers.resolve(interaction);
            let mut before = customers.journey(&owner.customer);
            for former in customers.absorb(&owner) {
                before = pipeline.merge(&before, &former);
            }
            customers.vouch(&owner, interaction);
            let customer = owner.customer;
            let composed = pipeline
                .compose(interaction, understanding, &before, &customer, now)
                .await
                .map_err(|error| fault("internal_error", &error))?;
            let lasting = interaction.customer_id.is_some()
                || !interaction.identities.is_empty()
                || interaction.conversation_id != interaction.message_id;
            if lasting {
                customers.keep(customer, composed.after);
            }
            Ok(composed.decision)
        }
    }
}

fn write_line(output: &mut dyn Write, number: u64, decided: &Result<Decision, Fault>) -> anyhow::Result<()> {
    let line = match decided {
        Ok(decision) => serde_json::to_string(decision),
        Err(fault) => serde_json::to_string(
            &serde_json::json!({ "line": number, "error": fault.error, "class": fault.class }),
        ),
    }
    .context("a decision cannot be written as JSON")?;
    // Flushed line by line: whoever reads the other end gets each answer at once.
    writeln!(output, "{line}").and_then(|()| output.flush()).context("the output cannot be written")
}

/// Starts reading on a thread of its own; the number of bytes in all, where it is known.
fn open_input(
    args: &Args,
    read: &Arc<AtomicU64>,
) -> anyhow::Result<(mpsc::Receiver<std::io::Result<Numbered>>, Option<u64>)> {
    let mut size = None;
    let reader: Box<dyn std::io::Read + Send> = match (&args.text, &args.input) {
        (Some(text), _) => {
            Box::new(std::io::Cursor::new(serde_json::json!({ "text": text }).to_string().into_bytes()))
        }
        (None, Some(path)) => {
            let file = File::open(path).context(Hinted::new(
                format!("the input {} cannot be opened", path.display()),
                "name a file of JSON lines, or leave --input out to read standard input",
            ))?;
            size = file.metadata().ok().filter(std::fs::Metadata::is_file).map(|file| file.len());
            Box::new(file)
        }
        (None, None) => {
            if std::io::stdin().is_terminal() {
                writeln!(anstream::stderr(), "Reading JSON lines from the keyboard; end with Ctrl-D.")?;
            }
            Box::new(std::io::stdin())
        }
    };
    // One line beyond those at work is read ahead.
    let (sender, receiver) = mpsc::channel(1);
    let counter = Arc::clone(read);
    std::thread::Builder::new()
        .name("smista-reader".to_owned())
        .spawn(move || read_lines(reader, &counter, &sender))
        .context("the reader thread cannot start")?;
    Ok((receiver, size))
}

fn read_lines(
    reader: Box<dyn std::io::Read + Send>,
    read: &AtomicU64,
    lines: &mpsc::Sender<std::io::Result<Numbered>>,
) {
    let mut reader = BufReader::with_capacity(64 * 1024, reader);
    let (mut number, mut bytes) = (0, 0);
    loop {
        let line = next_line(&mut reader, MAX_BYTES, &mut bytes);
        read.store(bytes, Ordering::Relaxed);
        number += 1;
        let item = match line {
            Ok(None) => return,
            Ok(Some(Line::Whole(line))) if line.iter().all(u8::is_ascii_whitespace) => continue,
            Ok(Some(line)) => Ok(Numbered { number, line, at: Utc::now() }),
            Err(error) => Err(error),
        };
        let failed = item.is_err();
        if lines.blocking_send(item).is_err() || failed {
            return;
        }
    }
}

fn open_output(args: &Args) -> anyhow::Result<Box<dyn Write>> {
    let Some(path) = &args.output else {
        return Ok(Box::new(BufWriter::new(std::io::stdout().lock())));
    };
    let same = |input: &std::path::PathBuf| {
        input.canonicalize().is_ok_and(|input| path.canonicalize().is_ok_and(|output| input == output))
    };
    if args.input.as_ref().is_some_and(same) {
        return Err(WrongUse("--input and --output name the same file".to_owned()).into());
    }
    let file = File::create(path).context(Hinted::new(
        format!("the output {} cannot be opened", path.display()),
        "name a file in a folder that you may write to",
    ))?;
    Ok(Box::new(BufWriter::new(file)))
}

fn state_url(url: &str) -> anyhow::Result<String> {
    let known = ["sqlite:", "postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
    if known {
        Ok(url.to_owned())
    } else {
        Err(WrongUse(format!("--state is {url}; give sqlite:FILE, as in --state sqlite:{url}")).into())
    }
}

/// Only where people look at stderr and decisions do not run across it.
fn progress(args: &Args, size: Option<u64>) -> ProgressBar {
    let decisions_on_screen = args.output.is_none() && std::io::stdout().is_terminal();
    if args.text.is_some() || decisions_on_screen || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match size {
        Some(size) => (
            ProgressBar::new(size),
            "{elapsed_precise} {bar:40.cyan} {percent}%  {bytes}/{total_bytes}  {eta} left",
        ),
        None => (ProgressBar::no_length(), "{elapsed_precise} {spinner} {pos} lines  {per_sec}"),
    };
    bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(5));
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// For people: where a single text goes, on a terminal; and with its document, the words that carried the labels.
fn explain(decision: &Decision, single: bool, document: Option<&str>) -> anyhow::Result<()> {
    let mut stderr = anstream::stderr();
    if document.is_some() || (single && std::io::stderr().is_terminal()) {
        writeln!(stderr, "\n{}", row::explain(decision))?;
    }
    match document.map(|document| words::render(decision, document)) {
        Some(Some(words)) => writeln!(stderr, "\n{words}")?,
        Some(None) => writeln!(stderr, "  {}", style::paint(style::DIM, "no words carried a label"))?,
        None => {}
    }
    Ok(())
}

fn summarise(tally: &Tally, started: Instant) -> anyhow::Result<()> {
    let mut stderr = anstream::stderr();
    if std::io::stderr().is_terminal() {
        write!(stderr, "\n{}", tally.render(started.elapsed(), row::width_of_stderr()))?;
    } else if tally.failures() > 0 {
        writeln!(stderr, "{}", tally.failures_in_words())?;
    }
    Ok(())
}
