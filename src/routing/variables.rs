//! The names a policy's expressions may use, each documented, and their CEL values for one message. The reference in
//! `docs/policy.md` and the check of a policy at load are made from [`VARIABLES`].

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use cel::objects::{Key, Map};
use cel::{Context, Env, Value};
use chrono::{DateTime, Datelike, Timelike, Utc};
use chrono_tz::Tz;

use super::facts::Facts;
use crate::interaction::{Author, Channel};
use crate::journey::model::{RiskLevel, ToneIssue, Transition, Trend};
use crate::nlp::labels::{Emotion, INTENTS, SentimentLabel, SignalKind, Stage};
use crate::nlp::understanding::{Complexity, GoalKind};

/// The words a text fact can take, if they are a closed set.
pub type Domain = fn() -> Vec<&'static str>;

/// One documented fact.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its path, e.g. `journey.experience.score`.
    pub path: &'static str,
    /// CEL type, in words.
    pub kind: &'static str,
    /// What it says.
    pub doc: &'static str,
    /// The words it can take.
    pub domain: Option<Domain>,
    /// May be absent: to be guarded with `has(…)`.
    pub optional: bool,
}

const fn fact(path: &'static str, kind: &'static str, doc: &'static str) -> Variable {
    Variable { path, kind, doc, domain: None, optional: false }
}

const fn word(path: &'static str, kind: &'static str, doc: &'static str, domain: Domain) -> Variable {
    Variable { path, kind, doc, domain: Some(domain), optional: false }
}

const fn maybe(path: &'static str, kind: &'static str, doc: &'static str) -> Variable {
    Variable { path, kind, doc, domain: None, optional: true }
}

/// Every fact. Those of the analysis can also be written `analysis.NAME`, those of the interaction `interaction.NAME`.
pub const VARIABLES: &[Variable] = &[
    fact("intent", "text", "strongest intent, `\"\"` when none was sure enough"),
    fact("intents", "list of texts", "up to three intents, strongest first"),
    fact("intent_confidence", "map text → number", "confidence per intent, 0 for core intents not found"),
    fact("abstained", "bool", "no intent was sure enough"),
    word("sentiment.label", "text", "sentiment of the message", sentiments),
    fact("sentiment.score", "number", "−1 (negative) … 1 (positive)"),
    fact("sentiment.confidence", "number", "0…1"),
    fact("sentiment.first_third", "number", "score at the start"),
    fact("sentiment.last_third", "number", "score at the end"),
    fact("sentiment.shift", "number", "end minus start"),
    word("emotions", "list of texts", "emotions shown, strongest first", emotions),
    fact("emotion", "map text → number", "confidence per emotion, 0 when not shown: `emotion.anger > 0.8`"),
    word("signals", "list of texts", "signals found: `\"fraud\" in signals`", signals),
    fact("signal", "map text → bool", "whether a signal is there: `signal.legal_threat`"),
    fact("signal_confidence", "map text → number", "confidence per signal, 0 when not found"),
    word("stage", "text", "stage of the journey the customer is in, `\"\"` before any", stages),
    word("goal.kind", "text", "what the customer is after, `\"\"` if nothing", goals),
    fact("goal.open", "bool", "the goal is not met yet"),
    fact("goal.days", "number", "days since the goal was opened"),
    word("complexity", "text", "who can handle it", complexities),
    fact("effort", "number", "work the customer has had, 0…1"),
    fact("questions", "int", "questions asked in the message"),
    fact("language", "text", "ISO 639-1 code, `\"und\"` if it cannot be told"),
    fact("degraded", "bool", "analysed from cue rules alone, without the engine"),
    word("channel", "text", "how the message came", channels),
    word("author", "text", "who wrote it", authors),
    fact("auto_reply", "bool", "written by a machine: out of office, bounce, receipt"),
    fact("attachments", "int", "number of attachments"),
    fact("attributes", "map text → text", "the producer's attributes; guard with `has(attributes.tier)`"),
    maybe("ratings.nps", "int", "likelihood to recommend, 0…10"),
    maybe("ratings.csat", "int", "satisfaction, 1…5"),
    maybe("ratings.ces", "int", "ease, 1…7 (7 = easy)"),
    maybe("ratings.rating", "int", "stars, 1…5"),
    fact("sent.at", "timestamp", "when the message was sent"),
    fact("sent.hour", "int", "hour of the day in the policy's time zone, 0…23"),
    word("sent.weekday", "text", "day of the week in the policy's time zone", weekdays),
    fact("sent.weekend", "bool", "Saturday or Sunday in the policy's time zone"),
    fact("journey.contacts", "int", "earlier contacts"),
    fact("journey.repeat_contact.is_repeat", "bool", "the same problem was brought before"),
    fact("journey.repeat_contact.count", "int", "in so many earlier conversations"),
    fact("journey.repeat_contact.days", "number", "days since the first of them"),
    fact("journey.experience.score", "int", "experience, 0…100"),
    fact("journey.experience.change", "int", "experience now minus before this message"),
    word("journey.sentiment_trend", "text", "which way sentiment goes over the last contacts", trends),
    fact("journey.effort", "number", "work the customer has had of late, 0…1"),
    fact("journey.open_goals", "int", "things the customer wants and has not got yet"),
    word("journey.churn_risk.level", "text", "how likely the customer is to leave", risks),
    fact("journey.churn_risk.reasons", "list of texts", "what raised it"),
    fact("journey.promises.made", "int", "promises of the contact centre"),
    fact("journey.promises.broken", "int", "those of the last 30 days that the contacts tell were not kept"),
    word("journey.stage.previous", "text", "stage before this message, `\"\"` if none", stages),
    word("journey.stage.transition", "text", "which way the stage went", transitions),
    fact("journey.follow_up", "bool", "a follow-up is due"),
    fact("journey.prospect", "bool", "asks before buying: nothing yet shows that they bought"),
    fact("journey.contradictions.found", "int", "different things they were told of late"),
    fact("journey.contradictions.new", "int", "of these, those that came up with this message"),
    word(
        "journey.tone",
        "list of texts",
        "what is amiss with the contact centre's turns in the message",
        tones,
    ),
    fact("journey.root_cause", "text", "what a bad mark given with the message is about, `\"\"` if none"),
];

/// Root names that are reached below `analysis`.
const ANALYSIS: &[&str] = &[
    "intent",
    "intents",
    "intent_confidence",
    "abstained",
    "sentiment",
    "emotions",
    "emotion",
    "signals",
    "signal",
    "signal_confidence",
    "stage",
    "goal",
    "complexity",
    "effort",
    "questions",
    "language",
    "degraded",
];

/// Root names that are reached below `interaction`.
const INTERACTION: &[&str] =
    &["channel", "author", "auto_reply", "attachments", "attributes", "ratings", "sent", "language"];

fn sentiments() -> Vec<&'static str> {
    SentimentLabel::ALL.iter().map(|label| label.as_str()).collect()
}

fn emotions() -> Vec<&'static str> {
    Emotion::ALL.iter().map(|label| label.as_str()).collect()
}

fn signals() -> Vec<&'static str> {
    SignalKind::ALL.iter().map(|label| label.as_str()).collect()
}

fn stages() -> Vec<&'static str> {
    std::iter::once("").chain(Stage::ALL.iter().map(|label| label.as_str())).collect()
}

fn goals() -> Vec<&'static str> {
    vec!["", "solve", "ask", "compare", "buy", "change", "praise"]
}

fn complexities() -> Vec<&'static str> {
    vec!["bot", "standard", "expert"]
}

fn channels() -> Vec<&'static str> {
    Channel::ALL.iter().map(|channel| channel.as_str()).collect()
}

fn authors() -> Vec<&'static str> {
    vec!["customer", "agent", "bot"]
}

fn weekdays() -> Vec<&'static str> {
    vec!["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
}

fn risks() -> Vec<&'static str> {
    vec!["low", "medium", "high"]
}

fn trends() -> Vec<&'static str> {
    vec!["improving", "steady", "worsening"]
}

fn tones() -> Vec<&'static str> {
    ToneIssue::ALL.iter().map(|issue| issue.as_str()).collect()
}

fn transitions() -> Vec<&'static str> {
    vec!["advanced", "regressed", "same"]
}

/// The path without a leading `analysis.` or `interaction.`.
pub(super) fn plain(path: &str) -> &str {
    path.strip_prefix("analysis.").or_else(|| path.strip_prefix("interaction.")).unwrap_or(path)
}

/// The documented fact of that path, if it is one.
pub(super) fn lookup(path: &str) -> Option<&'static Variable> {
    VARIABLES.iter().find(|variable| variable.path == plain(path))
}

/// The reference of all facts as a Markdown table, as it stands in `docs/policy.md`.
pub fn reference() -> String {
    let mut table = String::from("| fact | type | says | words |\n|---|---|---|---|\n");
    for variable in VARIABLES {
        let words = variable.domain.map_or_else(String::new, |domain| {
            domain().iter().map(|word| format!("`{word:?}`")).collect::<Vec<_>>().join(" ")
        });
        let absent = if variable.optional { "; may be absent: guard with `has(…)`" } else { "" };
        let Variable { path, kind, doc, .. } = variable;
        table.push_str(&format!("| `{path}` | {kind} | {doc}{absent} | {words} |\n"));
    }
    table
}

/// A CEL context that holds the facts whose root names are in `wanted`.
pub(super) fn context(
    env: &Arc<Env>,
    facts: &Facts,
    zone: Tz,
    wanted: &BTreeSet<String>,
) -> Context<'static, 'static> {
    let mut context = Context::with_env(Arc::clone(env));
    for name in wanted {
        if let Some(value) = root(name, facts, zone) {
            context.add_variable_from_value(name.as_str(), value);
        }
    }
    context
}

/// Whether a root name exists.
pub(super) fn is_root(name: &str) -> bool {
    matches!(name, "analysis" | "interaction")
        || VARIABLES.iter().any(|variable| variable.path.split('.').next() == Some(name))
}

/// The value of one root name.
fn root(name: &str, facts: &Facts, zone: Tz) -> Option<Value> {
    let group = |names: &[&str]| {
        let members = names.iter().filter_map(|name| Some((Key::from(*name), root(name, facts, zone)?)));
        Value::Map(Map { map: Arc::new(members.collect()) })
    };
    Some(match name {
        "analysis" => group(ANALYSIS),
        "interaction" => group(INTERACTION),
        "intent" => text(facts.intents.first().map_or("", |intent| intent.name.as_str())),
        "intents" => texts(facts.intents.iter().map(|intent| intent.name.as_str())),
        "intent_confidence" => {
            let core = INTENTS.iter().map(|name| (*name, 0.0));
            numbers(core.chain(facts.intents.iter().map(|i| (i.name.as_str(), i.confidence))))
        }
        "abstained" => Value::Bool(facts.abstained),
        "sentiment" => map([
            ("label", text(facts.sentiment.label.as_str())),
            ("score", number(facts.sentiment.score)),
            ("confidence", number(facts.sentiment.confidence)),
            ("first_third", number(facts.sentiment.first_third)),
            ("last_third", number(facts.sentiment.last_third)),
            ("shift", number(facts.sentiment.shift)),
        ]),
        "emotions" => texts(facts.emotions.iter().map(|emotion| emotion.name.as_str())),
        "emotion" => {
            let none = Emotion::ALL.iter().map(|emotion| (emotion.as_str(), 0.0));
            numbers(none.chain(facts.emotions.iter().map(|e| (e.name.as_str(), e.confidence))))
        }
        "signals" => texts(facts.signals.iter().map(|signal| signal.name.as_str())),
        "signal" => {
            let kinds = SignalKind::ALL.iter();
            map(kinds.map(|kind| (kind.as_str(), Value::Bool(facts.signal(*kind).is_some()))))
        }
        "signal_confidence" => {
            let none = SignalKind::ALL.iter().map(|kind| (kind.as_str(), 0.0));
            numbers(none.chain(facts.signals.iter().rev().map(|s| (s.name.as_str(), s.confidence))))
        }
        "stage" => text(stage_name(facts.stage)),
        "goal" => map([
            ("kind", text(facts.goal.map_or("", goal_name))),
            ("open", Value::Bool(facts.goal_open)),
            ("days", number(facts.goal_days)),
        ]),
        "complexity" => text(match facts.complexity {
            Complexity::Bot => "bot",
            Complexity::Standard => "standard",
            Complexity::Expert => "expert",
        }),
        "effort" => number(facts.effort),
        "questions" => int(facts.questions),
        "language" => text(&facts.language),
        "degraded" => Value::Bool(facts.degraded),
        "channel" => text(facts.channel.as_str()),
        "author" => text(match facts.author {
            Author::Customer => "customer",
            Author::Agent => "agent",
            Author::Bot => "bot",
        }),
        "auto_reply" => Value::Bool(facts.auto_reply),
        "attachments" => int(facts.attachments),
        "attributes" => map(facts.attributes.iter().map(|(key, value)| (key.as_str(), text(value)))),
        "ratings" => {
            let given = [
                ("nps", facts.ratings.nps),
                ("csat", facts.ratings.csat),
                ("ces", facts.ratings.ces),
                ("rating", facts.ratings.rating),
            ];
            map(given.into_iter().filter_map(|(key, value)| Some((key, Value::Int(i64::from(value?))))))
        }
        "sent" => sent(facts.sent_at, zone),
        "journey" => journey(facts),
        _ => return None,
    })
}

fn sent(at: DateTime<Utc>, zone: Tz) -> Value {
    let local = at.with_timezone(&zone);
    let day = local.weekday().num_days_from_monday();
    let name = weekdays().get(day as usize).copied().unwrap_or_default();
    map([
        ("at", Value::Timestamp(at.fixed_offset())),
        ("hour", Value::Int(i64::from(local.hour()))),
        ("weekday", text(name)),
        ("weekend", Value::Bool(day >= 5)),
    ])
}

fn journey(facts: &Facts) -> Value {
    let journey = &facts.journey;
    let now = i64::from(journey.experience);
    let change = now - journey.previous_experience.map_or(now, i64::from);
    let risk = match journey.churn_risk.level {
        RiskLevel::Low => "low",
        RiskLevel::Medium => "medium",
        RiskLevel::High => "high",
    };
    let trend = match journey.sentiment_trend {
        Trend::Improving => "improving",
        Trend::Steady => "steady",
        Trend::Worsening => "worsening",
    };
    let transition = match facts.transition {
        Transition::Advanced => "advanced",
        Transition::Regressed => "regressed",
        Transition::Same => "same",
    };
    map([
        ("contacts", int(journey.contacts)),
        (
            "repeat_contact",
            map([
                ("is_repeat", Value::Bool(journey.is_repeat)),
                ("count", int(journey.repeats)),
                ("days", number(journey.repeat_days)),
            ]),
        ),
        ("experience", map([("score", Value::Int(now)), ("change", Value::Int(change))])),
        ("sentiment_trend", text(trend)),
        ("effort", number(journey.effort)),
        ("open_goals", int(journey.open_goals)),
        (
            "churn_risk",
            map([
                ("level", text(risk)),
                ("reasons", texts(journey.churn_risk.reasons.iter().map(String::as_str))),
            ]),
        ),
        ("promises", map([("made", int(journey.promises)), ("broken", int(journey.broken_promises))])),
        (
            "stage",
            map([("previous", text(stage_name(facts.previous_stage))), ("transition", text(transition))]),
        ),
        ("follow_up", Value::Bool(journey.follow_up)),
        ("prospect", Value::Bool(journey.prospect)),
        (
            "contradictions",
            map([("found", int(journey.contradictions)), ("new", int(journey.new_contradictions))]),
        ),
        ("tone", texts(journey.tone.iter().map(String::as_str))),
        ("root_cause", text(journey.root_cause.as_deref().unwrap_or_default())),
    ])
}

fn stage_name(stage: Option<Stage>) -> &'static str {
    stage.map_or("", Stage::as_str)
}

fn goal_name(goal: GoalKind) -> &'static str {
    match goal {
        GoalKind::Solve => "solve",
        GoalKind::Ask => "ask",
        GoalKind::Compare => "compare",
        GoalKind::Buy => "buy",
        GoalKind::Change => "change",
        GoalKind::Praise => "praise",
    }
}

fn text(value: &str) -> Value {
    Value::from(value)
}

fn texts<'a>(values: impl Iterator<Item = &'a str>) -> Value {
    Value::List(Arc::new(values.map(text).collect()))
}

/// A number with the decimals of its `f32`, so that `0.83` compares equal to `0.83`.
fn number(value: f32) -> Value {
    Value::Float(value.to_string().parse().unwrap_or_else(|_| f64::from(value)))
}

fn int(value: usize) -> Value {
    Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

fn numbers<'a>(entries: impl Iterator<Item = (&'a str, f32)>) -> Value {
    map(entries.map(|(key, value)| (key, number(value))))
}

fn map<'a>(entries: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let map: HashMap<Key, Value> = entries.into_iter().map(|(key, value)| (Key::from(key), value)).collect();
    Value::Map(Map { map: Arc::new(map) })
}
