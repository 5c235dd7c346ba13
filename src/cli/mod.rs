//! One file per command; the only code that prints. Machine output goes to stdout, people's output to stderr.
//!
//! A command is a file with `Args` (its clap arguments, with an example in `after_help`) and
//! `async fn run(args: Args, config: Config) -> anyhow::Result<Outcome>`, named once in [`Command`] and once in
//! [`dispatch`]. It prints with `writeln!(anstream::stdout(), …)?` so that a closed pipe ends it quietly.

pub mod analyze;
pub mod asyncapi;
pub mod bench;
pub mod chart;
pub mod completions;
pub mod console;
pub mod database;
pub mod demo;
pub mod doctor;
pub mod erase;
pub mod eval;
pub mod eval_signals;
pub mod export;
pub mod gateway;
pub mod import;
pub mod intents;
pub mod man;
pub mod map;
pub mod parked;
pub mod policy;
pub mod replay;
pub mod row;
pub mod samples;
pub mod schema;
pub mod setup;
pub mod since;
pub mod spikes;
pub mod style;
pub mod tally;
pub mod topology;
#[cfg(feature = "torch")]
pub mod train;
pub mod version;
pub mod words;
pub mod worker;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand, ValueEnum};

use crate::config::Config;

/// Reads customer messages, understands them, and decides who takes each.
#[derive(Debug, Parser)]
#[command(name = "smista", version, propagate_version = true, max_term_width = 110)]
#[command(
    after_help = "Examples:\n  smista demo\n  echo '{\"channel\":\"chat\",\"text\":\"My parcel never came\"}' | smista analyze\n  smista doctor"
)]
pub struct Cli {
    /// For every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Global {
    /// Configuration file [default: smista.toml in the current folder, if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Say more on stderr; twice for still more
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Colours in people's output: auto, always or never
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    pub color: Color,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Color {
    /// On terminals, unless `NO_COLOR` is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Color {
    /// Makes it hold for every stream of this process.
    pub fn apply(self) {
        match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}

/// The commands; their help is that of their `Args`.
#[derive(Debug, Subcommand)]
pub enum Command {
    Demo(demo::Args),
    Analyze(analyze::Args),
    Import(import::Args),
    Worker(worker::Args),
    Console(console::Args),
    Gateway(gateway::Args),
    Parked(parked::Args),
    Policy(policy::Args),
    Replay(replay::Args),
    Spikes(spikes::Args),
    Map(map::Args),
    Export(export::Args),
    Erase(erase::Args),
    Intents(intents::Args),
    Eval(eval::Args),
    Bench(bench::Args),
    #[cfg(feature = "torch")]
    Train(train::Args),
    Schema(schema::Args),
    Doctor(doctor::Args),
    Topology(topology::Args),
    Database(database::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// How a command that ran to its end went; what stopped one short is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All of it: exit code 0.
    Done,
    /// Something it looked at or worked on failed, and it has said what: exit code 1.
    Failed,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::SUCCESS,
            Outcome::Failed => Self::FAILURE,
        }
    }
}

/// The user asked for something that cannot be: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WrongUse(pub String);

/// What the user can do about an error; attach it with [`anyhow::Error::context`] and it is printed last.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Hinted {
    /// What went wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl Hinted {
    /// An error with its remedy.
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

impl Global {
    /// The configuration file: the one named, else `smista.toml` here, else none.
    pub fn config_file(&self) -> Option<PathBuf> {
        self.config.clone().or_else(|| Path::new("smista.toml").is_file().then(|| "smista.toml".into()))
    }

    /// The configuration these options lead to; files it names can be opened from any folder.
    pub fn load_config(&self) -> anyhow::Result<Config> {
        let file = self.config_file();
        let loaded = Config::load(file.as_deref()).map_err(|error| WrongUse(error.to_string()));
        let mut config = loaded.context(Hinted::new(
            match &file {
                Some(path) => format!("the configuration {} cannot be used", path.display()),
                None => "the configuration cannot be used".to_owned(),
            },
            "check the file and the SMISTA_* variables; `smista doctor` checks everything",
        ))?;
        setup::resolve_paths(&mut config, file.as_deref());
        Ok(config)
    }
}

/// Runs the command.
pub async fn dispatch(cli: Cli) -> anyhow::Result<Outcome> {
    let Cli { global, command } = cli;
    let ready = |service: bool| -> anyhow::Result<Config> {
        let config = global.load_config()?;
        setup::logging(&config, global.verbose, service)?;
        Ok(config)
    };
    match command {
        Command::Demo(args) => demo::run(args, ready(false)?).await,
        Command::Analyze(args) => analyze::run(args, ready(false)?).await,
        Command::Import(args) => import::run(args, ready(false)?).await,
        Command::Worker(args) => worker::run(args, ready(true)?, global.config_file()).await,
        Command::Console(args) => console::run(args, ready(true)?).await,
        Command::Gateway(args) => gateway::run(args, ready(true)?).await,
        Command::Parked(args) => parked::run(args, ready(false)?).await,
        Command::Policy(args) => policy::run(args, ready(false)?).await,
        Command::Replay(args) => replay::run(args, ready(false)?).await,
        Command::Spikes(args) => spikes::run(args, ready(false)?).await,
        Command::Map(args) => map::run(args, ready(false)?).await,
        Command::Export(args) => export::run(args, ready(false)?).await,
        Command::Erase(args) => erase::run(args, ready(false)?).await,
        Command::Intents(args) => intents::run(args, ready(false)?).await,
        Command::Eval(args) => eval::run(args, ready(false)?).await,
        Command::Bench(args) => bench::run(args, ready(false)?, global.config_file().as_deref()).await,
        #[cfg(feature = "torch")]
        Command::Train(args) => train::run(args, ready(false)?).await,
        Command::Schema(args) => schema::run(args, ready(false)?).await,
        Command::Topology(args) => topology::run(args, ready(false)?).await,
        Command::Database(args) => database::run(args, ready(false)?).await,
        Command::Doctor(args) => doctor::run(args, &global).await,
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}

/// Prints where a panic happened and nothing of what it said.
pub fn report_panic(at: Option<&std::panic::Location<'_>>) {
    use std::io::Write as _;

    let place = at.map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    let line = "internal error: a panic at";
    // Without a stderr there is nobody to tell.
    let _ = writeln!(anstream::stderr(), "{line} {place}; its message may quote a customer and is left out");
}

/// Prints an error with its causes and what to do about it, and gives the exit code.
pub fn report(error: &anyhow::Error) -> ExitCode {
    use std::io::Write as _;

    let closed_pipe = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe);
    if closed_pipe {
        return ExitCode::SUCCESS;
    }
    let mut stderr = anstream::stderr();
    let mut lines = vec![format!("{} {error}", style::paint(style::BAD, "error:"))];
    let mut last = error.to_string();
    for cause in error.chain().skip(1) {
        let text = cause.to_string();
        if !last.contains(&text) {
            lines.push(format!("  because: {text}"));
        }
        last = text;
    }
    if let Some(Hinted { hint, .. }) = error.downcast_ref() {
        lines.push(format!("{} {hint}", style::paint(style::HINT, "hint:")));
    }
    // Nowhere is left to say that stderr is closed.
    let _ = writeln!(stderr, "{}", lines.join("\n"));
    if error.is::<WrongUse>() { ExitCode::from(2) } else { ExitCode::FAILURE }
}
