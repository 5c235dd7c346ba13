//! `smista demo`: the real worker on the shipped samples, with the in-process broker and a database of its own.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use chrono::NaiveDate;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::samples::{self, Sample};
use super::style::{self, paint};
use super::tally::Tally;
use super::{Outcome, row, setup};
use crate::broker::embedded::{EmbeddedBroker, EmbeddedOptions};
use crate::broker::{Broker, Outgoing, parked};
use crate::config::Config;
use crate::console::{Console, password};
use crate::interaction::{Mode, ParseContext, parse};
use crate::routing::{Decision, PolicyHandle};
use crate::store::console::{Account, ConsoleStore, Role};
use crate::store::{Destination, Store};
use crate::telemetry::Health;
use crate::worker;

/// Without news for so long the queues are looked at: everything may have been decided on an earlier run.
const QUIET: Duration = Duration::from_millis(200);
/// Who signs in to the console of a demo.
const DEMO_ACCOUNT: &str = "demo";
/// When the demo is broken off nobody takes what is still published: the worker is not waited for any longer.
const GOODBYE: Duration = Duration::from_millis(500);

/// Decide the shipped sample conversations, with everything inside this process.
#[derive(Debug, Clone, clap::Args)]
#[command(
    long_about = "Decide the shipped sample conversations, with everything inside this process: broker, database, engine.\n\n\
        The samples are eleven days of a made-up company's customers, in English and Italian, over every channel. They \
        pass the same worker that serves RabbitMQ.",
    after_help = "Examples:\n  smista demo\n  smista demo --words\n  smista demo --json | jq .route\n  smista demo --console\n  smista demo --samples | smista analyze"
)]
pub struct Args {
    /// Print decisions as JSON lines
    #[arg(long, conflicts_with = "words")]
    pub json: bool,
    /// Show what the customer said (redacted) under each decision
    #[arg(long)]
    pub words: bool,
    /// Print the sample interactions themselves as JSON lines, and decide nothing
    #[arg(long, conflicts_with_all = ["json", "words", "pace", "state", "console"])]
    pub samples: bool,
    /// Wait so many milliseconds between two messages
    #[arg(long, value_name = "MS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=60_000))]
    pub pace: u64,
    /// Then serve the supervisor's console on what was decided, until Ctrl-C; prints an address that signs in once
    #[arg(long)]
    pub console: bool,
    /// Keep the database in this file [default: a temporary one]
    #[arg(long, value_name = "sqlite:FILE")]
    pub state: Option<String>,
}

/// A folder that goes when the demo ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(format!("smista-demo-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&folder)
            .with_context(|| format!("the temporary folder {} cannot be made", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's own cleaning of temporary folders.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs it.
pub async fn run(args: Args, mut config: Config) -> anyhow::Result<Outcome> {
    let samples = samples::load().context("the shipped samples cannot be read")?;
    if args.samples {
        let mut stdout = std::io::stdout().lock();
        for sample in &samples {
            writeln!(stdout, "{}", sample.body)?;
        }
        return Ok(Outcome::Done);
    }
    let scratch = Scratch::new()?;
    config.store.url_file = None;
    config.store.url = match &args.state {
        Some(url) if url.starts_with("sqlite:") => url.clone(),
        Some(path) => format!("sqlite:{path}"),
        None => format!("sqlite:{}", scratch.0.join("demo.db").display()),
    };
    let loading = Instant::now();
    let kept = setup::console_store(&config).await?;
    let store: Arc<dyn Store> = kept.clone();
    let pipeline = setup::pipeline(&config, Arc::clone(&store)).await?;
    let mut screen = Screen::new(&args, &samples);
    screen.opening(&pipeline, loading.elapsed())?;

    let started = Instant::now();
    let options = EmbeddedOptions { capacity: samples.len().max(64), ..EmbeddedOptions::default() };
    let broker = EmbeddedBroker::new(options);
    let outputs = Outputs::of(&broker);
    let stop = CancellationToken::new();
    let context = setup::lanes(&config, pipeline, broker.publisher(), Health::default());
    let mut settings = setup::worker_settings(&config)?;
    settings.shutdown_timeout = GOODBYE;
    let running = tokio::spawn(worker::run(Arc::new(broker.clone()), context, settings, stop.clone()));
    let producing = tokio::spawn(produce(broker.clone(), samples.clone(), Duration::from_millis(args.pace)));

    let shown = tokio::select! {
        shown = collect(&broker, store.as_ref(), outputs, &mut screen) => shown,
        interrupted = tokio::signal::ctrl_c() => interrupted.context("Ctrl-C cannot be watched"),
    };
    let took = started.elapsed();
    stop.cancel();
    producing.abort();
    running.await.context("the worker ended early")??;
    shown?;
    screen.closing(took)?;
    if args.console {
        serve_console(&config, kept).await?;
    }
    drop(scratch);
    Ok(if screen.is_complete() { Outcome::Done } else { Outcome::Failed })
}

/// The console on what was decided, until Ctrl-C.
async fn serve_console(config: &Config, store: Arc<dyn ConsoleStore>) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    super::worker::stop_on_signals(&stop)?;
    let account = Account {
        name: DEMO_ACCOUNT.to_owned(),
        role: Role::Admin,
        // Nobody knows it: the only way in is the address below.
        password: password::hash(&password::token())?,
        disabled: false,
        language: String::new(),
        created_at: chrono::Utc::now(),
    };
    store.add_account(&account).await?;
    // The address printed is the one that works here, whatever a proxy would say.
    let settings = crate::config::Console { public_url: None, ..config.console.clone() };
    let policy = PolicyHandle::new(setup::policy(config)?);
    let tests = super::policy::tests_beside(config.policy.path.as_deref());
    // The broker of the demo is inside the program and has nothing to show by then.
    let console = Console::new(store, settings, None, policy, tests, stop)?;
    let once = console.offer_once(DEMO_ACCOUNT);
    let (address, serving) = super::console::start(console).await?;
    let mut out = anstream::stderr();
    writeln!(out, "\n{} http://{address}{once}", paint(style::HEADING, "Console:"))?;
    writeln!(out, "The address signs in once, as {DEMO_ACCOUNT}. Ctrl-C ends the demo.")?;
    serving.await.context("the console ended early")
}

/// What the worker publishes.
struct Outputs {
    decisions: mpsc::Receiver<Outgoing>,
    events: mpsc::Receiver<Outgoing>,
    parked: mpsc::Receiver<Outgoing>,
}

impl Outputs {
    fn of(broker: &EmbeddedBroker) -> Self {
        Self {
            decisions: broker.subscribe(Destination::Decisions),
            events: broker.subscribe(Destination::Events),
            parked: broker.subscribe(Destination::Parked),
        }
    }
}

async fn produce(broker: EmbeddedBroker, samples: Vec<Sample>, pace: Duration) {
    for sample in samples {
        // A full queue only makes it wait; a closed broker means that the demo is over.
        while let Err(error) =
            broker.publish_interaction(sample.body.clone().into_bytes(), &sample.key, Some(&sample.id)).await
        {
            if matches!(error, crate::broker::PublishError::Disconnected(_)) {
                return;
            }
        }
        if !pace.is_zero() {
            tokio::time::sleep(pace).await;
        }
    }
}

/// Shows decisions in the order of the samples until there is one for each.
async fn collect(
    broker: &EmbeddedBroker,
    store: &dyn Store,
    mut outputs: Outputs,
    screen: &mut Screen<'_>,
) -> anyhow::Result<()> {
    while !screen.is_finished() {
        tokio::select! {
            Some(message) = outputs.decisions.recv() => {
                let decision = serde_json::from_slice(&message.body).context("a decision cannot be read back")?;
                screen.decided(decision)?;
            }
            Some(_) = outputs.events.recv() => screen.events += 1,
            Some(message) = outputs.parked.recv() => screen.parked(&message)?,
            () = tokio::time::sleep(QUIET) => {
                if broker.depth() == (0, 0) {
                    for id in screen.missing() {
                        if let Some((decision, _)) = store.decided(&id).await? {
                            screen.decided(decision)?;
                        }
                    }
                }
            }
        }
    }
    while outputs.events.try_recv().is_ok() {
        screen.events += 1;
    }
    Ok(())
}

/// What became of a sample.
enum Fate {
    Decided(Box<Decision>),
    Parked(String),
}

/// Prints in the order of the samples what comes in any order.
struct Screen<'a> {
    args: &'a Args,
    samples: &'a [Sample],
    arrived: BTreeMap<usize, Fate>,
    next: usize,
    day: Option<NaiveDate>,
    width: usize,
    tally: Tally,
    events: u64,
}

impl<'a> Screen<'a> {
    fn new(args: &'a Args, samples: &'a [Sample]) -> Self {
        let width = row::width_of_stdout();
        let (arrived, tally) = (BTreeMap::new(), Tally::default());
        Self { args, samples, arrived, next: 0, day: None, width, tally, events: 0 }
    }

    fn is_finished(&self) -> bool {
        self.next == self.samples.len()
    }

    fn is_complete(&self) -> bool {
        self.is_finished() && self.tally.failures() == 0
    }

    fn missing(&self) -> Vec<String> {
        let missing = |at: &usize| !self.arrived.contains_key(at);
        (self.next..self.samples.len()).filter(missing).map(|at| self.samples[at].id.clone()).collect()
    }

    fn opening(&self, pipeline: &worker::Pipeline, took: Duration) -> anyhow::Result<()> {
        if self.args.json {
            return Ok(());
        }
        let mut out = anstream::stdout();
        let languages = "English and Italian, every channel";
        writeln!(out, "{}", paint(style::HEADING, "smista demo"))?;
        writeln!(
            out,
            "{} messages of a made-up company's customers: {languages}, all in this process.",
            self.samples.len()
        )?;
        let model = row::shorten(pipeline.model_version(), self.width.saturating_sub(30).max(30));
        writeln!(
            out,
            "{}",
            paint(style::DIM, &format!("Model {model}, ready in {:.1} s", took.as_secs_f64()))
        )?;
        writeln!(
            out,
            "{}\n\n{}",
            paint(
                style::DIM,
                "goes to: → a queue   ! a person at once   ↻ self-service   · nobody      mood: −1 … +1"
            ),
            row::heading(self.width)
        )?;
        Ok(())
    }

    fn decided(&mut self, decision: Decision) -> anyhow::Result<()> {
        let id = decision.message_id.clone();
        self.arrive(&id, Fate::Decided(Box::new(decision)))
    }

    fn parked(&mut self, message: &Outgoing) -> anyhow::Result<()> {
        let header = |name: &str| {
            message.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
        };
        let reason = format!("{} ({})", header(parked::ERROR), header(parked::ERROR_CLASS));
        self.arrive(&message.message_id, Fate::Parked(reason))
    }

    fn arrive(&mut self, id: &str, fate: Fate) -> anyhow::Result<()> {
        if let Some(at) = self.samples.iter().position(|sample| sample.id == id)
            && at >= self.next
        {
            self.arrived.insert(at, fate);
        }
        while let Some(fate) = self.arrived.remove(&self.next) {
            self.show(&self.samples[self.next], &fate)?;
            self.next += 1;
        }
        Ok(())
    }

    fn show(&mut self, sample: &Sample, fate: &Fate) -> anyhow::Result<()> {
        let mut out = anstream::stdout();
        let day = sample.at.date_naive();
        if !self.args.json && self.day.replace(day) != Some(day) {
            writeln!(out, "{}", paint(style::HEADING, &day.format("%A %-d %B %Y").to_string()))?;
        }
        match fate {
            Fate::Decided(decision) => {
                self.tally.decided(decision);
                if self.args.json {
                    writeln!(out, "{}", serde_json::to_string(decision)?)?;
                } else {
                    writeln!(out, "{}", row::line(decision, sample.at, self.width))?;
                }
            }
            Fate::Parked(reason) => {
                self.tally.failed(&sample.id, reason);
                if self.args.json {
                    let line =
                        serde_json::json!({ "line": self.next + 1, "error": reason, "class": "parked" });
                    writeln!(out, "{line}")?;
                } else {
                    writeln!(out, "{}", paint(style::BAD, &format!("{} parked: {reason}", sample.id)))?;
                }
            }
        }
        if self.args.words {
            let words = words(sample)?;
            writeln!(
                out,
                "      {}",
                paint(style::DIM, &row::shorten(&words, self.width.saturating_sub(6)))
            )?;
        }
        Ok(())
    }

    fn closing(&self, took: Duration) -> anyhow::Result<()> {
        if self.args.json {
            return Ok(());
        }
        let mut out = anstream::stdout();
        write!(out, "\n{}", self.tally.render(took, self.width))?;
        if self.events > 0 {
            writeln!(out, "{} events on customers' journeys were published with them.", self.events)?;
        }
        writeln!(out, "\n{}", paint(style::HEADING, "Try next"))?;
        for (command, what) in [
            ("smista demo --words", "the same, with what the customers said"),
            ("smista analyze --text \"…\"", "a message of your own"),
            (
                "smista demo --samples > samples.jsonl",
                "the messages as JSON lines, to change and feed to smista analyze",
            ),
            ("smista demo --console", "the same, then the supervisor's console in a browser"),
            ("smista doctor", "what is missing to run it with RabbitMQ"),
        ] {
            writeln!(out, "  {command:38} {}", paint(style::DIM, what))?;
        }
        Ok(())
    }
}

/// What was said, redacted, on one line.
fn words(sample: &Sample) -> anyhow::Result<String> {
    let context = ParseContext { received_at: sample.at, identity_key: b"", mode: Mode::Queue };
    let interaction = parse(sample.body.as_bytes(), &context)?;
    Ok(interaction.document().split_whitespace().collect::<Vec<_>>().join(" "))
}
