//! Tests of a policy, written beside it: facts given, routing expected. Pure: texts come in as arguments.

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::compile::Policy;
use super::decide::Routing;
use super::decision::{Action, Level};
use super::facts::Facts;
use super::policy::{Fault, PolicyError, line_of};

/// Tests of the policy inside the program: file name and text.
pub const EMBEDDED: &[(&str, &str)] = &[
    ("policy/tests/escalation.toml", include_str!("../../policy/tests/escalation.toml")),
    ("policy/tests/priority.toml", include_str!("../../policy/tests/priority.toml")),
    ("policy/tests/queues.toml", include_str!("../../policy/tests/queues.toml")),
];

/// A file of tests.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct TestFile {
    /// The tests.
    #[serde(rename = "case")]
    cases: Vec<Spanned<Case>>,
}

/// One test.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    given: Facts,
    expect: Expectation,
}

/// What is expected; what is not named may be anything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expectation {
    priority: Option<Level>,
    action: Option<Action>,
    escalate: Option<bool>,
    queue: Option<String>,
    /// At least these.
    skills: Vec<String>,
    /// At least these.
    flags: Vec<String>,
    /// At least these.
    tags: Vec<String>,
    /// At least these.
    events: Vec<String>,
    /// These rules apply, among others.
    rules: Vec<String>,
    /// These do not.
    not_rules: Vec<String>,
    /// When an answer is due, RFC 3339.
    sla_due_at: Option<chrono::DateTime<chrono::Utc>>,
}

/// How one test ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TestResult {
    /// Its file.
    pub file: String,
    /// Line of the test.
    pub line: usize,
    /// Its name.
    pub name: String,
    /// What was not as expected; empty when the test passed.
    pub failures: Vec<String>,
}

impl TestResult {
    /// As expected.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

/// Runs tests, given as file name and text. A file that cannot be read as tests is an error that names the line; so is a
/// file without any test, which would otherwise pass for good.
pub fn run<'a>(
    policy: &Policy,
    files: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Vec<TestResult>, PolicyError> {
    let mut results = Vec::new();
    for (file, text) in files {
        for case in parse(file, text)? {
            let line = line_of(text, case.span().start);
            let case = case.into_inner();
            let routing = policy.decide(&case.given);
            let mut failures = case.expect.compare(&routing);
            let known = |rule: &&String| !policy.rules().any(|(name, _)| name == rule.as_str());
            for rule in case.expect.rules.iter().chain(&case.expect.not_rules).filter(known) {
                failures.push(format!("the policy has no rule `{rule}`"));
            }
            if case.expect == Expectation::default() {
                failures.push("the test expects nothing".to_owned());
            }
            results.push(TestResult { file: file.to_owned(), line, name: case.name, failures });
        }
    }
    Ok(results)
}

fn parse(file: &str, text: &str) -> Result<Vec<Spanned<Case>>, PolicyError> {
    let refused = |line, message| PolicyError {
        file: file.to_owned(),
        faults: vec![Fault { line, rule: None, message }],
    };
    let parsed: TestFile = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        refused(line, error.message().to_owned())
    })?;
    if parsed.cases.is_empty() {
        return Err(refused(1, "there is no test in this file".to_owned()));
    }
    Ok(parsed.cases)
}

/// What is given in the tests, for checks over all of them.
#[cfg(test)]
pub(super) fn facts<'a>(
    files: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Vec<Facts>, PolicyError> {
    let mut facts = Vec::new();
    for (file, text) in files {
        facts.extend(parse(file, text)?.into_iter().map(|case| case.into_inner().given));
    }
    Ok(facts)
}

impl Expectation {
    fn compare(&self, routing: &Routing) -> Vec<String> {
        let mut failures = Vec::new();
        let mut differ = |what: &str, wanted: String, got: String| {
            if wanted != got {
                failures.push(format!("{what}: expected {wanted}, got {got}"));
            }
        };
        if let Some(level) = self.priority {
            differ("priority", level.as_str().to_owned(), routing.priority.level.as_str().to_owned());
        }
        if let Some(action) = self.action {
            differ("action", action.as_str().to_owned(), routing.route.action.as_str().to_owned());
        }
        if let Some(escalate) = self.escalate {
            differ("escalate", escalate.to_string(), (routing.route.action == Action::Escalate).to_string());
        }
        if let Some(queue) = &self.queue {
            differ("queue", queue.clone(), routing.route.queue.clone().unwrap_or_else(|| "none".to_owned()));
        }
        if let Some(due) = self.sla_due_at {
            let got = routing.route.sla_due_at.map_or_else(|| "none".to_owned(), |at| at.to_rfc3339());
            differ("sla_due_at", due.to_rfc3339(), got);
        }
        let lists = [
            ("skill", &self.skills, &routing.route.skills),
            ("flag", &self.flags, &routing.flags),
            ("tag", &self.tags, &routing.tags),
            ("event", &self.events, &routing.events),
        ];
        for (what, wanted, got) in lists {
            for item in wanted.iter().filter(|item| !got.contains(item)) {
                failures.push(format!("{what} `{item}` is missing, got {got:?}"));
            }
        }
        let applied = |rule: &str| routing.trace.iter().any(|trace| trace.applied && trace.rule == rule);
        for rule in self.rules.iter().filter(|rule| !applied(rule)) {
            failures.push(format!("rule `{rule}` did not apply"));
        }
        for rule in self.not_rules.iter().filter(|rule| applied(rule)) {
            failures.push(format!("rule `{rule}` applied"));
        }
        failures
    }
}
