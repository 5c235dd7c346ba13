//! The file form of a policy: what stands in the TOML, strictly (unknown keys are refused), before anything is compiled.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::decision::{Action, Level};

/// Version of the file form that this program reads.
pub const VERSION: u32 = 1;

/// A policy file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyFile {
    /// Version of the file form.
    pub version: Spanned<u32>,
    /// Name of the policy; stands in every decision beside the hash of the text.
    pub name: Spanned<String>,
    /// How rules are taken.
    #[serde(rename = "match", default)]
    pub matching: Matching,
    /// IANA time zone of the opening hours and of `sent.hour`.
    pub time_zone: Spanned<String>,
    /// Days every queue is closed: `MM-DD` each year, or `YYYY-MM-DD`.
    #[serde(default)]
    pub holidays: Vec<Spanned<String>>,
    /// What holds when no rule says otherwise.
    pub defaults: Defaults,
    /// Who takes messages.
    pub queues: BTreeMap<String, Spanned<QueueFile>>,
    /// Named expressions that rules can use like facts.
    #[serde(default)]
    pub define: BTreeMap<String, Spanned<String>>,
    /// In order.
    #[serde(default)]
    pub rules: Vec<RuleFile>,
}

/// How rules are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Matching {
    /// The first rule that matches decides.
    First,
    /// Every rule that matches adds its effects.
    #[default]
    All,
}

/// What holds when no rule says otherwise.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    /// Priority level.
    #[serde(default)]
    pub priority: Level,
    /// Queue.
    pub queue: Spanned<String>,
    /// Language an agent needs when the message's cannot be told.
    #[serde(default = "english")]
    pub language: String,
}

fn english() -> String {
    "en".to_owned()
}

/// A queue.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueFile {
    /// Skills every message of the queue needs.
    #[serde(default)]
    pub skills: Vec<String>,
    /// Languages spoken; empty for any.
    #[serde(default)]
    pub languages: Vec<String>,
    /// `always`, or days and times: `mon-fri 08:00-20:00`.
    pub hours: Vec<Spanned<String>>,
    /// IANA time zone of its hours, if not the policy's.
    pub time_zone: Option<Spanned<String>>,
    /// Levels whose SLA runs around the clock.
    #[serde(default)]
    pub always_open_for: Vec<Level>,
    /// Time to an answer by level: `15m`, `4h`, `2d` of opening hours.
    #[serde(default)]
    pub sla: BTreeMap<Level, Spanned<String>>,
}

/// A rule: a condition and its effects.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleFile {
    /// Unique.
    pub name: Spanned<String>,
    /// CEL expression.
    pub when: Spanned<String>,
    /// At least this level.
    pub priority: Option<Level>,
    /// Queue, unless an earlier rule named one.
    pub queue: Option<Spanned<String>>,
    /// Skills the agent needs besides the queue's.
    #[serde(default)]
    pub skills: Vec<String>,
    /// To a person at once.
    #[serde(default)]
    pub escalate: bool,
    /// For supervisors.
    #[serde(default)]
    pub flag: Words,
    /// Free labels.
    #[serde(default)]
    pub tag: Words,
    /// Events to publish.
    #[serde(default)]
    pub event: Words,
    /// `self_service`, `queue` or `none`; `escalate` has a key of its own.
    pub action: Option<Action>,
    /// No later rule is looked at.
    #[serde(default)]
    pub stop: bool,
    /// Shown to people.
    pub reason: Option<String>,
}

/// One word or several.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "OneOrMany")]
pub struct Words(pub Vec<String>);

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl From<OneOrMany> for Words {
    fn from(words: OneOrMany) -> Self {
        match words {
            OneOrMany::One(word) => Self(vec![word]),
            OneOrMany::Many(words) => Self(words),
        }
    }
}

/// Something wrong in a policy, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Line in the file, from 1.
    pub line: usize,
    /// The rule it is in.
    pub rule: Option<String>,
    /// What is wrong.
    pub message: String,
}

/// A policy that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.lines().join("\n"))]
pub struct PolicyError {
    /// The file, as it was called.
    pub file: String,
    /// Everything found wrong, in order of lines.
    pub faults: Vec<Fault>,
}

impl PolicyError {
    /// `file:line: rule NAME: message`, one a fault.
    pub fn lines(&self) -> Vec<String> {
        self.faults.iter().map(|fault| fault.describe(&self.file)).collect()
    }
}

impl Fault {
    /// `file:line: rule NAME: message`.
    pub fn describe(&self, file: &str) -> String {
        let Self { line, rule, message } = self;
        match rule {
            Some(rule) => format!("{file}:{line}: rule `{rule}`: {message}"),
            None => format!("{file}:{line}: {message}"),
        }
    }
}

/// Reads the file form; the fault has the line of the mistake.
pub(super) fn parse(text: &str) -> Result<PolicyFile, Fault> {
    toml::from_str(text).map_err(|error| Fault {
        line: error.span().map_or(1, |span| line_of(text, span.start)),
        rule: None,
        message: error.message().to_owned(),
    })
}

/// Line (from 1) of a byte offset.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}
