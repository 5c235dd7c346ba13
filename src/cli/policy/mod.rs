//! `smista policy`: check, test, simulate and explain a policy.

mod page;
mod simulate;

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use anstyle::Style;
use anyhow::{Context as _, bail};
use chrono::Utc;
use clap::Subcommand;
use serde_json::json;

use super::style::{BAD, DIM, GOOD, HEADING, WARN, paint};
use super::{Hinted, Outcome, WrongUse};
use crate::config::Config;
use crate::nlp::labels::INTENTS;
use crate::routing::decision::{Level, SCHEMA};
use crate::routing::testing::{self, TestResult};
use crate::routing::{Decision, Facts, Policy, PolicyError, Routing, RuleTrace};

/// Check, test, simulate and explain the routing policy.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  smista policy check policy/default.toml\n  smista policy test")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say whether a policy is good; name file, line and rule of every mistake.
    #[command(
        after_help = "Examples:\n  smista policy check policy/default.toml\n  smista policy check policy/ours.toml --json"
    )]
    Check {
        /// The policy; the configured one, or the one inside the program, when left out.
        file: Option<PathBuf>,
        /// One JSON object on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Run the tests that sit beside a policy.
    #[command(
        after_help = "Examples:\n  smista policy test\n  smista policy test --policy policy/ours.toml --tests policy/tests\n  smista policy test --json | jq .failed"
    )]
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
    Simulate(simulate::Args),
    /// Show what the policy makes of a message: each rule, its effects, and what would be without it.
    #[command(
        after_help = "Examples:\n  smista policy explain --facts facts.json\n  echo '{\"intents\":[\"billing.dispute\"],\"sentiment\":\"negative\",\"signals\":[\"legal_threat\"]}' | smista policy explain\n  smista policy explain --facts facts.json --all\n\nThe names of the facts are in docs/policy.md, section Tests."
    )]
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

/// Runs the command. A policy with a mistake and a test that fails are failures; a file that is not there is wrong use.
pub async fn run(args: Args, config: Config) -> anyhow::Result<Outcome> {
    let configured = config.policy.path.clone();
    match args.command {
        Command::Check { file, json } => check(file.or(configured).as_deref(), json),
        Command::Test { policy, tests, json } => {
            test(policy.or(configured).as_deref(), tests.as_deref(), json)
        }
        Command::Simulate(args) => simulate::run(args, config).await,
        Command::Explain { facts, policy, all, json } => {
            explain(policy.or(configured).as_deref(), facts.as_deref(), all, json)
        }
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).map_err(|error| wrong(path, &error))
}

fn wrong(path: &Path, error: &std::io::Error) -> anyhow::Error {
    WrongUse(format!("{} cannot be read: {error}", path.display())).into()
}

/// The policy and what its file is called.
fn load(path: Option<&Path>) -> anyhow::Result<(Result<Policy, PolicyError>, String)> {
    Ok(match path {
        Some(path) => {
            let file = path.display().to_string();
            (Policy::from_text(&read(path)?, &file), file)
        }
        None => (Policy::embedded_default(), "the policy inside the program".to_owned()),
    })
}

/// The policy; a mistake in it is an error.
fn good(path: Option<&Path>) -> anyhow::Result<Policy> {
    let (policy, file) = load(path)?;
    policy.with_context(|| {
        Hinted::new(format!("{file} is refused"), "docs/policy.md says how to write a policy")
    })
}

fn check(path: Option<&Path>, as_json: bool) -> anyhow::Result<Outcome> {
    let (policy, file) = load(path)?;
    let mut out = anstream::stdout();
    let mut err = anstream::stderr();
    let outcome = if policy.is_ok() { Outcome::Done } else { Outcome::Failed };
    match policy {
        Ok(policy) => {
            let warnings: Vec<String> =
                policy.warnings().iter().map(|warning| warning.describe(&file)).collect();
            let (rules, queues) = (policy.rules().count(), policy.queues().count());
            if as_json {
                let (id, ok) = (policy.id(), true);
                let report = json!({"ok": ok, "policy": id, "rules": rules, "queues": queues, "faults": [], "warnings": warnings});
                writeln!(out, "{report}")?;
            } else {
                for warning in warnings {
                    writeln!(err, "{} {warning}", paint(WARN, "warning:"))?;
                }
                writeln!(err, "{} {file}: {rules} rules, {queues} queues", paint(GOOD, "good:"))?;
                writeln!(out, "{}", policy.id())?;
            }
        }
        Err(error) if as_json => {
            writeln!(out, "{}", json!({"ok": false, "faults": error.lines(), "warnings": []}))?
        }
        Err(error) => {
            for line in error.lines() {
                writeln!(err, "{} {line}", paint(BAD, "fault:"))?;
            }
        }
    }
    Ok(outcome)
}

fn test(path: Option<&Path>, tests: Option<&Path>, as_json: bool) -> anyhow::Result<Outcome> {
    let policy = good(path)?;
    let files = match (tests, path) {
        (Some(tests), _) => test_files(tests)?,
        (None, path) => beside(path)?,
    };
    let texts = files.iter().map(|(file, text)| (file.as_str(), text.as_str()));
    let results = testing::run(&policy, texts).context("the tests cannot be run")?;
    let failures: Vec<&TestResult> = results.iter().filter(|result| !result.passed()).collect();
    let (failed, passed) = (failures.len(), results.len() - failures.len());
    let text = if as_json {
        json!({"policy": policy.id(), "passed": passed, "failed": failed, "failures": failures}).to_string()
    } else {
        let mut lines = Vec::new();
        for failure in &failures {
            let TestResult { file, line, name, failures } = failure;
            lines.push(format!("{} {file}:{line}: {name}", paint(BAD, "failed")));
            lines.extend(failures.iter().map(|what| format!("       {what}")));
        }
        let (style, word) = if failed == 0 { (GOOD, "good") } else { (BAD, "failed") };
        lines.push(format!("{}: {passed} passed, {failed} failed", paint(style, word)));
        lines.join("\n")
    };
    writeln!(anstream::stdout(), "{text}")?;
    Ok(if failed == 0 { Outcome::Done } else { Outcome::Failed })
}

/// The tests in the folder beside a policy, or inside the program.
fn beside(path: Option<&Path>) -> anyhow::Result<Vec<(String, String)>> {
    let own = |(file, text): &(&str, &str)| ((*file).to_owned(), (*text).to_owned());
    path.map_or_else(
        || Ok(testing::EMBEDDED.iter().map(own).collect()),
        |path| test_files(&path.with_file_name("tests")),
    )
}

/// The same for the console; none where there are none.
pub fn tests_beside(path: Option<&Path>) -> Vec<(String, String)> {
    beside(path).unwrap_or_default()
}

/// The tests of a folder, by name, or of one file.
fn test_files(path: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let mut paths = if path.is_dir() {
        let entries = std::fs::read_dir(path).map_err(|error| wrong(path, &error))?;
        let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        paths
    } else {
        vec![path.to_owned()]
    };
    paths.sort();
    if paths.is_empty() {
        return Err(WrongUse(format!("{} has no *.toml with tests", path.display())).into());
    }
    paths.iter().map(|path| Ok((path.display().to_string(), read(path)?))).collect()
}

/// The text of a file, or of standard input for none and `-`, and what it is called.
fn input(path: Option<&Path>) -> anyhow::Result<(String, String)> {
    match path.filter(|path| *path != Path::new("-")) {
        Some(path) => Ok((path.display().to_string(), read(path)?)),
        None => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("standard input cannot be read")?;
            Ok(("standard input".to_owned(), text))
        }
    }
}

fn explain(path: Option<&Path>, facts: Option<&Path>, all: bool, as_json: bool) -> anyhow::Result<Outcome> {
    let policy = good(path)?;
    let (name, text) = input(facts)?;
    let value: serde_json::Value = serde_json::from_str(&text)
        .with_context(|| Hinted::new(format!("{name} is no JSON"), "give one JSON object with the facts"))?;
    let facts = if value.get("schema").and_then(serde_json::Value::as_str) == Some(SCHEMA) {
        let decision: Decision =
            serde_json::from_value(value).with_context(|| format!("{name} is no decision"))?;
        writeln!(
            anstream::stderr(),
            "{} a decision carries no attributes and no ratings",
            paint(WARN, "note:")
        )?;
        Facts::from_decision(&decision)
    } else {
        written(value, &policy).with_context(|| {
            Hinted::new(format!("{name} holds no facts"), "docs/policy.md, section Tests, names them")
        })?
    };
    let routing = policy.decide(&facts);
    let text = if as_json { serde_json::to_string(&routing)? } else { tree(&policy, &routing, all) };
    writeln!(anstream::stdout(), "{text}")?;
    Ok(Outcome::Done)
}

/// Facts written by hand. A message without `sent_at` is sent now.
fn written(value: serde_json::Value, policy: &Policy) -> anyhow::Result<Facts> {
    let fields =
        value.as_object().context("one JSON object is expected, such as {\"sentiment\":\"negative\"}")?;
    let dated = fields.contains_key("sent_at");
    let mut facts: Facts = serde_json::from_value(value)?;
    if !dated {
        facts.sent_at = Utc::now();
    }
    // An intent of one's own is known by the policy that asks for it.
    let own = |name: &str| policy.rules().any(|(_, when)| when.contains(&format!("\"{name}\"")));
    let unknown =
        facts.intents.iter().find(|intent| !INTENTS.contains(&intent.name.as_str()) && !own(&intent.name));
    if let Some(unknown) = unknown {
        let names = INTENTS.map(|name| format!("`{name}`")).join(", ");
        bail!(
            "intents: unknown intent `{}`, expected one of {names}, or one that the policy names",
            unknown.name
        );
    }
    Ok(facts)
}

/// A routing as a tree for people: the decision, then each rule with its effects and its counterfactual. `all` shows the
/// rules that do not match, too.
pub fn tree(policy: &Policy, routing: &Routing, all: bool) -> String {
    let Routing { priority, route, trace, .. } = routing;
    let level = paint(level_style(priority.level), priority.level.as_str());
    let action = paint(HEADING, route.action.as_str());
    let queue = route.queue.as_deref().unwrap_or("no queue");
    let mut lines = vec![format!("{level} {:.2}  {action} → {queue}", priority.score)];
    let due = route.sla_due_at.map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
    let lists = [
        ("skills", route.skills.join(", ")),
        ("language", route.language.clone()),
        ("due", due.unwrap_or_default()),
        ("flags", routing.flags.join(", ")),
        ("tags", routing.tags.join(", ")),
        ("events", routing.events.join(", ")),
    ];
    let said = lists.iter().filter(|(_, value)| !value.is_empty());
    lines.extend(said.map(|(name, value)| format!("  {} {value}", paint(DIM, name))));
    let matched = trace.iter().filter(|rule| rule.matched).count();
    lines.push(paint(DIM, &format!("{matched} of {} rules match ({})", trace.len(), policy.id())));
    let shown: Vec<&RuleTrace> =
        trace.iter().filter(|rule| all || rule.matched || rule.error.is_some()).collect();
    for (index, rule) in shown.iter().enumerate() {
        let (branch, stem) = if index + 1 == shown.len() { ("└─", "  ") } else { ("├─", "│ ") };
        let mut about = about(rule, routing, all).into_iter();
        lines.extend(about.next().map(|line| format!("{branch} {line}")));
        lines.extend(about.map(|line| format!("{stem}   {line}")));
    }
    lines.join("\n")
}

/// A rule's lines in the tree.
fn about(rule: &RuleTrace, routing: &Routing, all: bool) -> Vec<String> {
    let (style, mark) = match (rule.applied, rule.matched) {
        (true, _) => (GOOD, "✓"),
        (false, true) => (WARN, "·"),
        (false, false) => (DIM, "✗"),
    };
    let mut lines = vec![format!(
        "{}  {}",
        paint(style, &format!("{mark} {}", rule.rule)),
        paint(DIM, &rule.effects.describe())
    )];
    if let Some(reason) = rule.reason.as_ref().filter(|_| rule.matched) {
        let words =
            rule.evidence.map_or_else(String::new, |[from, to]| format!(" (characters {from} to {to})"));
        lines.push(format!("{reason}{words}"));
    }
    if rule.matched && !rule.applied {
        lines.push("matches, but an earlier rule ended the matter".to_owned());
    }
    if let Some(error) = &rule.error {
        lines.push(format!("{} {error}", paint(WARN, "cannot be told:")));
    }
    if all {
        let when: Vec<&str> = rule.when.split_whitespace().collect();
        lines.push(paint(DIM, &format!("when {}", when.join(" "))));
    }
    let now = (routing.priority.level, routing.route.action);
    if let Some(without) = rule.without.filter(|without| (without.priority, without.action) != now) {
        let level = paint(level_style(without.priority), without.priority.as_str());
        lines.push(format!("without it: {level}, {}", without.action.as_str()));
    }
    lines
}

fn level_style(level: Level) -> Style {
    match level {
        Level::Urgent => BAD,
        Level::High => WARN,
        Level::Normal => HEADING,
        Level::Low => DIM,
    }
}
