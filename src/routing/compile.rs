//! From the file form to a policy that can decide: expressions compiled once, queues and hours parsed, and everything that
//! is wrong found together, with line and rule.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cel::{Env, Program};
use chrono::Duration;
use chrono_tz::Tz;
use sha2::{Digest, Sha256};
use toml::Spanned;

use super::check::{self, Facet, Findings};
use super::decision::{Action, Level};
use super::facts::Facts;
use super::hours::{self, Holidays, Hours};
use super::policy::{Fault, Matching, PolicyError, PolicyFile, QueueFile, RuleFile, VERSION, line_of, parse};
use super::{sample, variables};
use crate::nlp::labels::SignalKind;

/// The policy inside the program.
pub const DEFAULT: &str = include_str!("../../policy/default.toml");

/// Longest expression accepted, in bytes.
const MAX_EXPRESSION: usize = 4_000;

/// Longest name of a queue, in bytes: with priority and channel it makes a routing key, which AMQP ends at 255.
const LONGEST_NAME: usize = 100;

/// A policy ready to decide. Compiled once, shared by threads.
pub struct Policy {
    pub(super) name: String,
    pub(super) hash: String,
    text: String,
    pub(super) matching: Matching,
    pub(super) zone: Tz,
    pub(super) holidays: Holidays,
    pub(super) priority: Level,
    pub(super) queue: String,
    pub(super) language: String,
    pub(super) queues: BTreeMap<String, Queue>,
    pub(super) definitions: Vec<Definition>,
    pub(super) rules: Vec<Rule>,
    /// Root names of the facts that any expression reads.
    pub(super) wanted: BTreeSet<String>,
    pub(super) env: Arc<Env>,
    pub(super) warnings: Vec<Fault>,
}

/// A queue.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    pub(super) skills: Vec<String>,
    pub(super) languages: Vec<String>,
    pub(super) hours: Hours,
    pub(super) around_the_clock: Vec<Level>,
    pub(super) sla: BTreeMap<Level, Duration>,
}

/// A named expression.
pub(super) struct Definition {
    pub(super) name: String,
    pub(super) program: Program,
    signals: Vec<SignalKind>,
    labels: Vec<Facet>,
}

/// A rule.
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) when: Program,
    pub(super) text: String,
    /// Signals it asks for, those of the definitions it uses included.
    pub(super) signals: Vec<SignalKind>,
    /// Other labels it asks for, likewise.
    pub(super) labels: Vec<Facet>,
    pub(super) effects: Effects,
    pub(super) reason: Option<String>,
}

/// What a rule does when it matches.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Effects {
    /// At least this level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<Level>,
    /// Queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Skills.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skills: Vec<String>,
    /// To a person at once.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub escalate: bool,
    /// Flags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// Tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Events.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// Action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// No later rule counts.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stop: bool,
}

impl std::fmt::Debug for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Policy")
            .field("id", &self.id())
            .field("rules", &self.rules.len())
            .finish_non_exhaustive()
    }
}

impl Policy {
    /// The policy inside the program.
    pub fn embedded_default() -> Result<Self, PolicyError> {
        Self::from_text(DEFAULT, "policy/default.toml")
    }

    /// Compiles a policy. `file` is what faults call it.
    pub fn from_text(text: &str, file: &str) -> Result<Self, PolicyError> {
        let parsed =
            parse(text).map_err(|fault| PolicyError { file: file.to_owned(), faults: vec![fault] })?;
        Compiler { text, faults: Vec::new(), warnings: Vec::new() }
            .compile(parsed)
            .map_err(|faults| PolicyError { file: file.to_owned(), faults })
    }

    /// `name@sha256:…`, as decisions carry it.
    pub fn id(&self) -> String {
        format!("{}@{}", self.name, self.hash)
    }

    /// As it was compiled.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The time zone of its hours.
    pub fn time_zone(&self) -> &'static str {
        self.zone.name()
    }

    /// Things worth a look, none of which keeps the policy from deciding.
    pub fn warnings(&self) -> &[Fault] {
        &self.warnings
    }

    /// Names of the rules, in order, with their conditions.
    pub fn rules(&self) -> impl Iterator<Item = (&str, &str)> {
        self.rules.iter().map(|rule| (rule.name.as_str(), rule.text.as_str()))
    }

    /// Names of the queues.
    pub fn queues(&self) -> impl Iterator<Item = &str> {
        self.queues.keys().map(String::as_str)
    }
}

struct Compiler<'a> {
    text: &'a str,
    faults: Vec<Fault>,
    warnings: Vec<Fault>,
}

impl Compiler<'_> {
    fn line<T>(&self, spanned: &Spanned<T>) -> usize {
        line_of(self.text, spanned.span().start)
    }

    fn fault(&mut self, line: usize, rule: Option<&str>, message: String) {
        self.faults.push(Fault { line, rule: rule.map(str::to_owned), message });
    }

    fn compile(mut self, file: PolicyFile) -> Result<Policy, Vec<Fault>> {
        if *file.version.get_ref() != VERSION {
            let message = format!(
                "version {} is not known; this program reads version {VERSION}",
                file.version.get_ref()
            );
            self.fault(self.line(&file.version), None, message);
        }
        if !is_word(file.name.get_ref()) {
            self.fault(self.line(&file.name), None, "the name needs letters, digits, `-` or `_`".to_owned());
        }
        let zone = self.zone(&file.time_zone);
        let mut holidays = Holidays::default();
        for day in &file.holidays {
            if let Err(message) = holidays.add(day.get_ref()) {
                self.fault(self.line(day), None, message);
            }
        }
        let mut queues = BTreeMap::new();
        for (name, queue) in file.queues {
            let line = self.line(&queue);
            if !is_word(&name) {
                self.fault(line, None, format!("queue `{name}`: a name needs letters, digits, `-` or `_`"));
            }
            if name.len() > LONGEST_NAME {
                let message = format!(
                    "queue `{}…`: a name has at most {LONGEST_NAME} characters, it is part of a routing key",
                    name.chars().take(20).collect::<String>()
                );
                self.fault(line, None, message);
            }
            let queue = self.queue(queue.into_inner(), zone);
            queues.extend(queue.map(|queue| (name, queue)));
        }
        let known: BTreeSet<String> = queues.keys().cloned().collect();
        self.known_queue(&file.defaults.queue, &known, None);

        let env = Arc::new(Env::stdlib());
        let defined: BTreeSet<String> = file.define.keys().cloned().collect();
        let mut parts = Parts { defined, ..Parts::default() };
        let definitions = self.definitions(&file.define, &mut parts);
        let mut rules: Vec<Rule> = Vec::new();
        for rule in file.rules {
            if rules.iter().any(|other| other.name == *rule.name.get_ref()) {
                let name = rule.name.get_ref().clone();
                self.fault(self.line(&rule.name), Some(&name), "two rules have this name".to_owned());
            }
            rules.extend(self.rule(rule, &known, &definitions, &mut parts));
        }
        if self.faults.is_empty() {
            self.evaluate(&definitions, &rules, &parts, &env, zone);
        }
        if !self.faults.is_empty() {
            self.faults.sort_by_key(|fault| fault.line);
            return Err(self.faults);
        }
        let hex: String =
            Sha256::digest(self.text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Policy {
            name: file.name.into_inner(),
            hash: format!("sha256:{hex}"),
            text: self.text.to_owned(),
            matching: file.matching,
            zone,
            holidays,
            priority: file.defaults.priority,
            queue: file.defaults.queue.into_inner(),
            language: file.defaults.language,
            queues,
            definitions,
            rules,
            wanted: parts.wanted,
            env,
            warnings: self.warnings,
        })
    }

    fn zone(&mut self, name: &Spanned<String>) -> Tz {
        name.get_ref().parse().unwrap_or_else(|_| {
            let message = format!("`{}` is no time zone; write for example `Europe/Rome`", name.get_ref());
            self.fault(self.line(name), None, message);
            Tz::UTC
        })
    }

    fn queue(&mut self, queue: QueueFile, zone: Tz) -> Option<Queue> {
        let zone = queue.time_zone.as_ref().map_or(zone, |name| self.zone(name));
        let entries = queue.hours.iter().map(|entry| entry.get_ref().as_str());
        let hours = match Hours::parse(entries, zone) {
            Ok(hours) => Some(hours),
            Err(message) => {
                let line = queue.hours.first().map_or(1, |entry| self.line(entry));
                self.fault(line, None, message);
                None
            }
        };
        let mut sla = BTreeMap::new();
        for (level, time) in &queue.sla {
            match hours::sla(time.get_ref()) {
                Ok(time) => drop(sla.insert(*level, time)),
                Err(message) => self.fault(self.line(time), None, message),
            }
        }
        Some(Queue {
            skills: queue.skills,
            languages: queue.languages,
            hours: hours?,
            around_the_clock: queue.always_open_for,
            sla,
        })
    }

    fn known_queue(&mut self, queue: &Spanned<String>, known: &BTreeSet<String>, rule: Option<&str>) {
        let name = queue.get_ref();
        if !known.contains(name) {
            let near = check::nearest(name, known.iter().map(String::as_str));
            self.fault(self.line(queue), rule, format!("there is no queue `{name}`{near}"));
        }
    }

    fn program(
        &mut self,
        source: &Spanned<String>,
        rule: Option<&str>,
        parts: &mut Parts,
    ) -> Option<(Program, Findings)> {
        let line = self.line(source);
        let text = source.get_ref();
        if text.len() > MAX_EXPRESSION {
            self.fault(line, rule, format!("the expression is longer than {MAX_EXPRESSION} bytes"));
            return None;
        }
        let program = match Program::compile(text) {
            Ok(program) => program,
            Err(errors) => {
                for error in &errors.errors {
                    let (row, column) = error.pos;
                    self.fault(line, rule, format!("{} (at {row}:{column} of the expression)", error.msg));
                }
                if errors.errors.is_empty() {
                    self.fault(line, rule, "the expression cannot be read".to_owned());
                }
                return None;
            }
        };
        let found = check::names(&program, &parts.defined);
        for message in &found.faults {
            self.fault(line, rule, message.clone());
        }
        for message in &found.warnings {
            self.warnings.push(Fault { line, rule: rule.map(str::to_owned), message: message.clone() });
        }
        let references = program.references();
        let used = references.variables().into_iter().filter(|name| variables::is_root(name));
        parts.wanted.extend(used.map(str::to_owned));
        parts.attributes.extend(found.attributes.iter().cloned());
        Some((program, found))
    }

    /// Compiles the definitions and puts each after those it uses.
    fn definitions(
        &mut self,
        define: &BTreeMap<String, Spanned<String>>,
        parts: &mut Parts,
    ) -> Vec<Definition> {
        let mut waiting = Vec::new();
        for (name, source) in define {
            let line = self.line(source);
            parts.lines.insert(name.clone(), line);
            if variables::is_root(name) || !is_identifier(name) {
                self.fault(line, None, format!("`{name}` cannot be defined: it is a fact or no identifier"));
            }
            if let Some((program, found)) = self.program(source, None, parts) {
                let uses: Vec<String> = program
                    .references()
                    .variables()
                    .into_iter()
                    .filter(|used| define.contains_key(*used))
                    .map(str::to_owned)
                    .collect();
                let (signals, labels) = (found.signals, found.labels);
                waiting.push((uses, Definition { name: name.clone(), program, signals, labels }));
            }
        }
        let mut placed: Vec<Definition> = Vec::new();
        while !waiting.is_empty() {
            let ready = waiting.iter().position(|(uses, _)| {
                uses.iter().all(|used| placed.iter().any(|definition| definition.name == *used))
            });
            let Some(ready) = ready else { break };
            let (uses, mut definition) = waiting.remove(ready);
            definition.signals.extend(signals_of(&uses, &placed));
            definition.labels.extend(labels_of(&uses, &placed));
            placed.push(definition);
        }
        if self.faults.is_empty() {
            for (_, definition) in waiting {
                let line = parts.lines.get(&definition.name).copied().unwrap_or(1);
                self.fault(line, None, format!("`{}` is defined by itself", definition.name));
            }
        }
        placed
    }

    fn rule(
        &mut self,
        rule: RuleFile,
        queues: &BTreeSet<String>,
        definitions: &[Definition],
        parts: &mut Parts,
    ) -> Option<Rule> {
        let name = rule.name.get_ref().clone();
        let line = self.line(&rule.name);
        if !is_word(&name) {
            self.fault(line, Some(&name), "a rule's name needs letters, digits, `-` or `_`".to_owned());
        }
        if let Some(queue) = &rule.queue {
            self.known_queue(queue, queues, Some(&name));
        }
        if rule.action == Some(Action::Escalate) {
            self.fault(line, Some(&name), "write `escalate = true`, not `action = \"escalate\"`".to_owned());
        }
        if rule.action == Some(Action::None) && rule.escalate {
            self.fault(line, Some(&name), "a rule cannot escalate and do nothing".to_owned());
        }
        let effects = Effects {
            priority: rule.priority,
            queue: rule.queue.map(Spanned::into_inner),
            skills: rule.skills,
            escalate: rule.escalate,
            flags: rule.flag.0,
            tags: rule.tag.0,
            events: rule.event.0,
            action: rule.action,
            stop: rule.stop,
        };
        if effects == Effects::default() {
            self.fault(line, Some(&name), "the rule has no effect".to_owned());
        }
        if (effects.priority.is_some() || effects.escalate)
            && rule.reason.as_deref().is_none_or(str::is_empty)
        {
            self.fault(
                line,
                Some(&name),
                "a rule that sets a priority or escalates needs a reason".to_owned(),
            );
        }
        let line = self.line(&rule.when);
        let (when, found) = self.program(&rule.when, Some(&name), parts)?;
        let used: Vec<String> = when.references().variables().into_iter().map(str::to_owned).collect();
        let mut signals = found.signals;
        signals.extend(signals_of(&used, definitions));
        let mut labels = found.labels;
        labels.extend(labels_of(&used, definitions));
        let (text, reason) = (rule.when.into_inner(), rule.reason);
        Some(Rule { name, line, when, text, signals, labels, effects, reason })
    }

    /// Runs everything on complete facts, part by part, and on bare ones, as a whole.
    fn evaluate(
        &mut self,
        definitions: &[Definition],
        rules: &[Rule],
        parts: &Parts,
        env: &Arc<Env>,
        zone: Tz,
    ) {
        let mut full = variables::context(env, &sample::full(&parts.attributes), zone, &parts.wanted);
        let mut bare = variables::context(env, &Facts::default(), zone, &parts.wanted);
        for definition in definitions {
            let line = parts.lines.get(&definition.name).copied().unwrap_or(1);
            let checked = check::types(&definition.program, &full)
                .and_then(|()| definition.program.execute(&full).map_err(|error| check::explain(&error)))
                .and_then(|value| {
                    let plain = definition.program.execute(&bare);
                    Ok((value, plain.map_err(|error| on_bare(&check::explain(&error)))?))
                });
            match checked {
                Ok((value, plain)) => {
                    full.add_variable_from_value(definition.name.as_str(), value);
                    bare.add_variable_from_value(definition.name.as_str(), plain);
                }
                Err(message) => {
                    self.fault(line, None, format!("`{}`: {message}", definition.name));
                    // What uses it would only repeat this.
                    return;
                }
            }
        }
        for rule in rules {
            let checked = check::types(&rule.when, &full).and_then(|()| {
                for (context, note) in [(&full, None), (&bare, Some(on_bare as fn(&str) -> String))] {
                    match rule.when.execute(context) {
                        Ok(cel::Value::Bool(_)) => {}
                        Ok(other) => {
                            return Err(format!(
                                "the condition gives a {}, not true or false",
                                other.type_of()
                            ));
                        }
                        Err(error) => {
                            let message = check::explain(&error);
                            return Err(note.map_or_else(|| message.clone(), |note| note(&message)));
                        }
                    }
                }
                Ok(())
            });
            if let Err(message) = checked {
                self.fault(rule.line, Some(&rule.name), message);
            }
        }
    }
}

fn on_bare(message: &str) -> String {
    format!("fails on a message about which little is known: {message}")
}

/// What the compiler gathers over all expressions.
#[derive(Default)]
struct Parts {
    defined: BTreeSet<String>,
    wanted: BTreeSet<String>,
    attributes: BTreeSet<String>,
    lines: BTreeMap<String, usize>,
}

fn signals_of(used: &[String], definitions: &[Definition]) -> Vec<SignalKind> {
    let used = definitions.iter().filter(|definition| used.contains(&definition.name));
    used.flat_map(|definition| definition.signals.iter().copied()).collect()
}

fn labels_of(used: &[String], definitions: &[Definition]) -> Vec<Facet> {
    let used = definitions.iter().filter(|definition| used.contains(&definition.name));
    used.flat_map(|definition| definition.labels.iter().cloned()).collect()
}

fn is_word(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

fn is_identifier(name: &str) -> bool {
    is_word(name) && !name.contains('-') && !name.starts_with(|c: char| c.is_ascii_digit())
}
