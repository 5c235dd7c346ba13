//! `smista policy`: check, test and explain a policy.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::config::Config;
use crate::routing::compile::Effects;
use crate::routing::decision::Level;
use crate::routing::testing::{self, TestResult};
use crate::routing::{Facts, Policy, Routing, RuleTrace};

/// Wrong use, as against a failure.
const WRONG_USE: u8 = 2;

/// Check, test and explain the routing policy.
#[derive(Debug, Args)]
pub struct PolicyArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say whether a policy is good; name file, line and rule of every mistake.
    #[command(after_help = "Examples:\n  smista policy check policy/default.toml\n  smista policy check policy/ours.toml --json")]
    Check {
        /// The policy; the configured one, or the one inside the program, when left out.
        file: Option<PathBuf>,
        /// One JSON object on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Run the tests that sit beside a policy.
    #[command(after_help = "Examples:\n  smista policy test\n  smista policy test --policy policy/ours.toml --tests policy/tests\n  smista policy test --json | jq .failed")]
    Test {
        /// The policy; the configured one, or the one inside the program, when left out.
        #[arg(long)]
        policy: Option<PathBuf>,
        /// Folder of tests, or one file; the folder `tests` beside the policy, or the tests inside the program, when left out.
        #[arg(long)]
        tests: Option<PathBuf>,
        /// One JSON object on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Show what the policy makes of a message: each rule, its effects, and what would be without it.
    #[command(after_help = "Examples:\n  smista policy explain --facts facts.json\n  echo '{\"intents\":[\"billing.dispute\"],\"sentiment\":\"negative\",\"signals\":[\"legal_threat\"]}' | smista policy explain\n  smista policy explain --facts facts.json --all\n\nThe names of the facts are in docs/policy.md, section Tests.")]
    Explain {
        /// JSON file with the facts; standard input when left out or `-`.
        #[arg(long)]
        facts: Option<PathBuf>,
        /// The policy; the configured one, or the one inside the program, when left out.
        #[arg(long)]
        policy: Option<PathBuf>,
        /// Show rules that do not match, too, with their conditions.
        #[arg(long)]
        all: bool,
        /// One JSON object on standard output.
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command. Exit code 0: good; 1: a mistake or a failed test; 2: a file that cannot be read.
///
/// # Errors
///
/// When standard output cannot be written.
pub async fn run(args: PolicyArgs, config: Config) -> anyhow::Result<ExitCode> {
    let done = match args.command {
        Command::Check { file, json } => check(file.or(config.policy.path), json),
        Command::Test { policy, tests, json } => test(policy.or(config.policy.path), tests, json),
        Command::Explain { facts, policy, all, json } => {
            explain(policy.or(config.policy.path).as_deref(), facts.as_deref(), all, json)
        }
    };
    match done {
        Ok(code) => Ok(code),
        Err(Stop::Wrong(message)) => {
            let style = red();
            anstream::eprintln!("{style}error:{style:#} {message}");
            Ok(ExitCode::from(WRONG_USE))
        }
        Err(Stop::Refused(message)) => {
            let style = red();
            anstream::eprintln!("{style}refused:{style:#}\n{message}");
            Ok(ExitCode::FAILURE)
        }
        Err(Stop::Other(error)) => Err(error),
    }
}

/// Why a command ends early.
enum Stop {
    /// Wrong use: a file is not there.
    Wrong(String),
    /// The policy, a test or the facts are not good.
    Refused(String),
    Other(anyhow::Error),
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::Other(error.into())
    }
}

fn read(path: &Path) -> Result<String, Stop> {
    std::fs::read_to_string(path).map_err(|error| Stop::Wrong(format!("{} cannot be read: {error}", path.display())))
}

/// The policy, with its text's file name.
fn load(path: Option<&Path>) -> Result<(Policy, String), Stop> {
    let (file, policy) = match path {
        Some(path) => {
            let file = path.display().to_string();
            let policy = Policy::from_text(&read(path)?, &file);
            (file, policy)
        }
        None => ("(inside the program)".to_owned(), Policy::embedded_default()),
    };
    Ok((policy.map_err(|error| Stop::Refused(error.to_string()))?, file))
}

fn check(path: Option<PathBuf>, as_json: bool) -> Result<ExitCode, Stop> {
    let loaded = load(path.as_deref());
    if as_json {
        let report = match &loaded {
            Ok((policy, file)) => json!({
                "ok": true, "file": file, "policy": policy.id(), "rules": policy.rules().count(),
                "queues": policy.queues().collect::<Vec<_>>(),
                "warnings": policy.warnings().iter().map(|w| w.describe(file)).collect::<Vec<_>>(),
            }),
            Err(Stop::Refused(message)) => json!({ "ok": false, "faults": message.lines().collect::<Vec<_>>() }),
            Err(_) => return loaded.map(|_| ExitCode::SUCCESS),
        };
        writeln!(std::io::stdout(), "{report}")?;
        return Ok(if loaded.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let (policy, file) = loaded?;
    let (green, yellow) = (green(), yellow());
    for warning in policy.warnings() {
        anstream::eprintln!("{yellow}warning:{yellow:#} {}", warning.describe(&file));
    }
    let (rules, queues) = (policy.rules().count(), policy.queues().count());
    anstream::eprintln!("{green}good:{green:#} {file}: {rules} rules, {queues} queues");
    anstream::println!("{}", policy.id());
    Ok(ExitCode::SUCCESS)
}

fn test(path: Option<PathBuf>, tests: Option<PathBuf>, as_json: bool) -> Result<ExitCode, Stop> {
    let (policy, _) = load(path.as_deref())?;
    let files = match (&tests, &path) {
        (Some(tests), _) => test_files(tests)?,
        (None, Some(path)) => test_files(&path.with_file_name("tests"))?,
        (None, None) => testing::EMBEDDED.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect(),
    };
    let texts = files.iter().map(|(file, text)| (file.as_str(), text.as_str()));
    let results = testing::run(&policy, texts).map_err(|error| Stop::Refused(error.to_string()))?;
    let failed = results.iter().filter(|result| !result.passed()).count();
    if as_json {
        let report = json!({
            "policy": policy.id(), "passed": results.len() - failed, "failed": failed,
            "failures": results.iter().filter(|result| !result.passed()).collect::<Vec<_>>(),
        });
        writeln!(std::io::stdout(), "{report}")?;
    } else {
        print_results(&results, failed);
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The tests of a folder, by name, or of one file.
fn test_files(path: &Path) -> Result<Vec<(String, String)>, Stop> {
    let wrong = |error: std::io::Error| Stop::Wrong(format!("{} cannot be read: {error}", path.display()));
    let mut paths = if path.is_dir() {
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(path).map_err(wrong)? {
            paths.push(entry.map_err(wrong)?.path());
        }
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        paths
    } else {
        vec![path.to_owned()]
    };
    paths.sort();
    if paths.is_empty() {
        return Err(Stop::Wrong(format!("{} has no *.toml with tests", path.display())));
    }
    paths.iter().map(|path| Ok((path.display().to_string(), read(path)?))).collect()
}

fn print_results(results: &[TestResult], failed: usize) {
    let (red, green) = (red(), green());
    for result in results.iter().filter(|result| !result.passed()) {
        anstream::println!("{red}failed{red:#} {}:{}: {}", result.file, result.line, result.name);
        for failure in &result.failures {
            anstream::println!("       {failure}");
        }
    }
    let passed = results.len() - failed;
    let (style, word) = if failed == 0 { (green, "good") } else { (red, "failed") };
    anstream::println!("{style}{word}{style:#}: {passed} passed, {failed} failed");
}

fn explain(path: Option<&Path>, facts: Option<&Path>, all: bool, as_json: bool) -> Result<ExitCode, Stop> {
    let (policy, _) = load(path)?;
    let (name, text) = match facts.filter(|path| *path != Path::new("-")) {
        Some(path) => (path.display().to_string(), read(path)?),
        None => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("standard input cannot be read").map_err(Stop::Other)?;
            ("standard input".to_owned(), text)
        }
    };
    let facts: Facts =
        serde_json::from_str(&text).map_err(|error| Stop::Refused(format!("{name}: these are no facts: {error}")))?;
    let routing = policy.decide(&facts);
    if as_json {
        let text = serde_json::to_string(&routing).context("the routing cannot be written").map_err(Stop::Other)?;
        writeln!(std::io::stdout(), "{text}")?;
    } else {
        print_routing(&policy, &routing, all);
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints a routing as a tree: the decision, then each rule with its effects and its counterfactual.
pub fn print_routing(policy: &Policy, routing: &Routing, all: bool) {
    let (bold, dim) = (Style::new().bold(), Style::new().dimmed());
    let level = level_style(routing.priority.level);
    let route = &routing.route;
    let queue = route.queue.as_deref().unwrap_or("no queue");
    anstream::println!(
        "{level}{}{level:#} {:.2}  {bold}{}{bold:#} → {queue}",
        routing.priority.level.as_str(),
        routing.priority.score,
        route.action.as_str(),
    );
    let due = route.sla_due_at.map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
    let lists = [
        ("skills", route.skills.join(", ")),
        ("language", route.language.clone()),
        ("due", due.unwrap_or_default()),
        ("flags", routing.flags.join(", ")),
        ("tags", routing.tags.join(", ")),
        ("events", routing.events.join(", ")),
    ];
    for (name, value) in lists.iter().filter(|(_, value)| !value.is_empty()) {
        anstream::println!("  {dim}{name}{dim:#} {value}");
    }
    let shown: Vec<&RuleTrace> =
        routing.trace.iter().filter(|trace| all || trace.matched || trace.error.is_some()).collect();
    anstream::println!("{dim}{} of {} rules match ({}){dim:#}", matched(routing), routing.trace.len(), policy.id());
    for (index, trace) in shown.iter().enumerate() {
        print_rule(trace, index + 1 == shown.len(), routing, all);
    }
}

fn matched(routing: &Routing) -> usize {
    routing.trace.iter().filter(|trace| trace.matched).count()
}

fn print_rule(trace: &RuleTrace, last: bool, routing: &Routing, all: bool) {
    let (green, dim, yellow) = (green(), Style::new().dimmed(), yellow());
    let (branch, stem) = if last { ("└─", "  ") } else { ("├─", "│ ") };
    let (style, mark) = match (trace.applied, trace.matched) {
        (true, _) => (green, "✓"),
        (false, true) => (yellow, "·"),
        (false, false) => (dim, "✗"),
    };
    let effects = describe(&trace.effects);
    anstream::println!("{branch} {style}{mark} {}{style:#}  {dim}{effects}{dim:#}", trace.rule);
    let line = |text: &str| anstream::println!("{stem}   {text}");
    if let Some(reason) = trace.reason.as_ref().filter(|_| trace.matched) {
        let words = trace.evidence.map_or_else(String::new, |[from, to]| format!(" (characters {from} to {to})"));
        line(&format!("{reason}{words}"));
    }
    if trace.matched && !trace.applied {
        line("matches, but an earlier rule ended the matter");
    }
    if let Some(error) = &trace.error {
        line(&format!("{yellow}cannot be told:{yellow:#} {error}"));
    }
    if all {
        line(&format!("{dim}when {}{dim:#}", trace.when.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    let now = (routing.priority.level, routing.route.action);
    match trace.without {
        Some(without) if (without.priority, without.action) != now => {
            let level = level_style(without.priority);
            let (priority, action) = (without.priority.as_str(), without.action.as_str());
            line(&format!("without it: {level}{priority}{level:#}, {action}"));
        }
        _ => {}
    }
}

fn describe(effects: &Effects) -> String {
    let mut parts = Vec::new();
    parts.extend(effects.priority.map(|level| format!("priority {}", level.as_str())));
    parts.extend(effects.escalate.then(|| "escalate".to_owned()));
    parts.extend(effects.action.map(|action| format!("action {}", action.as_str())));
    parts.extend(effects.queue.as_ref().map(|queue| format!("queue {queue}")));
    let lists =
        [("skills", &effects.skills), ("flag", &effects.flags), ("tag", &effects.tags), ("event", &effects.events)];
    for (name, words) in lists.iter().filter(|(_, words)| !words.is_empty()) {
        parts.push(format!("{name} {}", words.join(" ")));
    }
    parts.extend(effects.stop.then(|| "stop".to_owned()));
    parts.join(", ")
}

fn level_style(level: Level) -> Style {
    match level {
        Level::Urgent => red(),
        Level::High => yellow(),
        Level::Normal => Style::new().bold(),
        Level::Low => Style::new().dimmed(),
    }
}

fn red() -> Style {
    AnsiColor::Red.on_default().bold()
}

fn yellow() -> Style {
    AnsiColor::Yellow.on_default().bold()
}

fn green() -> Style {
    AnsiColor::Green.on_default().bold()
}
