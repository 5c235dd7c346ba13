//! Tests of the room as a whole: the default policy, faults of bad ones, counterfactuals, the decision's shape.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::decision::{Action, Level};
use super::facts::Facts;
use super::testing;
use super::{Policy, PolicyHandle, variables};
use crate::nlp::labels::{Emotion, INTENTS, SentimentLabel, SignalKind, Stage};

const HEAD: &str = r#"
version = 1
name = "t"
match = "all"
time_zone = "Europe/Rome"
[defaults]
queue = "general"
[queues.general]
hours = ["always"]
sla = { normal = "1h" }
[queues.other]
hours = ["always"]
"#;

fn rule(name: &str, when: &str, effects: &str) -> String {
    format!("[[rules]]\nname = \"{name}\"\nwhen = '{when}'\n{effects}\nreason = \"r\"\n")
}

fn policy(rules: &str) -> Policy {
    Policy::from_text(&format!("{HEAD}{rules}"), "t.toml").unwrap()
}

/// The faults of a policy that has one rule with this condition.
fn faults(when: &str) -> Vec<String> {
    match Policy::from_text(&format!("{HEAD}{}", rule("bad", when, "flag = \"f\"")), "t.toml") {
        Ok(_) => Vec::new(),
        Err(error) => error.lines(),
    }
}

#[test]
fn the_tests_beside_the_default_policy_pass() {
    let policy = Policy::embedded_default().unwrap();
    let results = testing::run(&policy, testing::EMBEDDED.iter().copied()).unwrap();
    assert!(results.len() >= 40, "{}", results.len());
    let failed: Vec<_> = results.iter().filter(|result| !result.passed()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn every_rule_of_the_default_policy_is_tested() {
    let policy = Policy::embedded_default().unwrap();
    let mut seen = BTreeSet::new();
    for facts in testing::facts(testing::EMBEDDED.iter().copied()).unwrap() {
        seen.extend(policy.decide(&facts).trace.into_iter().filter(|t| t.applied).map(|t| t.rule));
    }
    let never: Vec<_> = policy.rules().map(|(name, _)| name).filter(|name| !seen.contains(*name)).collect();
    assert!(never.is_empty(), "no test makes these apply: {never:?}");
}

#[test]
fn a_wrong_expectation_fails() {
    let policy = Policy::embedded_default().unwrap();
    let text = r#"
[[case]]
name = "wrong"
given = { signals = ["safety"] }
expect = { priority = "low", escalate = false, queue = "sales", flags = ["x"], rules = ["deadline", "nope"], not_rules = ["danger"] }
[[case]]
name = "empty"
expect = {}
"#;
    let results = testing::run(&policy, [("x.toml", text)]).unwrap();
    assert_eq!(results[0].failures.len(), 8, "{results:#?}");
    assert_eq!(results[0].line, 2);
    assert!(!results[1].passed());
    let error = testing::run(
        &policy,
        [("x.toml", "[[case]]\nname = \"a\"\ngiven = { signals = [\"fire\"] }\nexpect = {}")],
    );
    assert!(error.unwrap_err().lines()[0].starts_with("x.toml:"), "names file and line");
    assert!(testing::run(&policy, [("x.toml", "case = []")]).is_err());
}

#[test]
fn mistakes_in_a_condition_are_found_when_the_policy_is_loaded() {
    let check = |when: &str, part: &str| {
        let faults = faults(when);
        assert_eq!(faults.len(), 1, "{when}: {faults:?}");
        assert!(faults[0].contains(part) && faults[0].contains(":15: rule `bad`:"), "{when}: {}", faults[0]);
    };
    check("sentimnt.label == \"negative\"", "no fact `sentimnt.label` (did you mean `sentiment.label`?)");
    check("sentiment.lable == \"negative\"", "no fact `sentiment.lable`");
    check("true || nonsense", "no fact `nonsense`");
    check("journey.repeat_contact.is_repeated", "did you mean `journey.repeat_contact.is_repeat`?");
    check("analysis.mood == 1", "no fact `analysis.mood`");
    check("\"frud\" in signals", "never \"frud\" (did you mean `fraud`?)");
    check("signal.frud", "never \"frud\"");
    check("signals.exists(s, s == \"fraud\") && sentiment.label == \"bad\"", "never \"bad\"");
    check("stage in [\"support\", \"suport\"]", "never \"suport\"");
    check("channel == \"e-mail\"", "did you mean `email`?");
    check("emotion[\"rage\"] > 0.5", "never \"rage\"");
    check("effort > \"much\"", "does not work on");
    check("false && effort == \"much\"", "a number is never equal to a string");
    check("false && intent > 3", "does not work on");
    check("3 in intents", "a number is never in a list of type string");
    check("effort", "gives a float, not true or false");
    check("effort && true", "need true or false");
    check("ratings.nps <= 6", "`ratings.nps` may be absent");
    check("attributes.tier == \"gold\"", "`attributes.tier` may be absent");
    check("attributes[\"tier\"] == \"gold\"", "`attributes.tier` may be absent");
    check("intents[0] == \"praise\"", "fails on a message about which little is known");
    check("intent ==", "of the expression");
    check("size(intent, 3) > 1", "");
    check("frobnicate(intent)", "");
    check("{\"a\": 1}.a == 1", "maps and messages cannot be written");
    check("intents.exists(i, i == 3)", "never equal");
}

#[test]
fn conditions_that_are_good_are_taken() {
    for when in [
        "\"fraud\" in signals",
        "signal.fraud && signal_confidence.fraud > 0.5 && signal_confidence[\"fraud\"] > 0.5",
        "intent == \"billing.dispute\" || analysis.intent == \"billing.dispute\"",
        "\"refund.request\" in analysis.intents && interaction.channel == \"chat\"",
        "has(attributes.tier) && attributes.tier == \"gold\"",
        "\"tier\" in attributes && attributes[\"tier\"] == \"gold\"",
        "has(interaction.attributes.tier) && interaction.attributes.tier == \"gold\"",
        "has(ratings.nps) && ratings.nps <= 6",
        "intents.exists(i, i.startsWith(\"billing.\"))",
        "intents.all(i, i in [\"praise\", \"smalltalk\"])",
        "intent_confidence[\"billing.dispute\"] > 0.8 && emotion.anger >= 0.5 && emotion[\"anger\"] > 0.1",
        "sent.hour >= 20 || sent.weekend || sent.weekday == \"monday\"",
        "sent.at > timestamp(\"2026-01-01T00:00:00Z\")",
        "size(intents) > 0 && intents[0] == \"praise\"",
        "journey.experience.score < 30 && journey.experience.change < -10",
        "intent.matches(\"^billing\")",
        "stage == \"\" || goal.kind == \"\"",
        "int(journey.repeat_contact.days) > 2",
    ] {
        assert_eq!(faults(when), Vec::<String>::new(), "{when}");
    }
}

#[test]
fn an_unknown_intent_is_a_warning_only() {
    let policy =
        policy(&rule("own", "\"warranty.claim\" in intents || intent == \"refund.reqest\"", "flag = \"f\""));
    let warnings: Vec<_> = policy.warnings().iter().map(|fault| fault.describe("t.toml")).collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[1].contains("did you mean `refund.request`?"), "{warnings:?}");
}

#[test]
fn mistakes_outside_conditions_are_found_with_their_line() {
    let check = |text: String, line: usize, part: &str| {
        let error = Policy::from_text(&text, "t.toml").unwrap_err();
        let prefix = format!("t.toml:{line}:");
        assert!(
            error.lines().iter().any(|fault| fault.starts_with(&prefix) && fault.contains(part)),
            "{part}: {error}"
        );
    };
    check(HEAD.replace("version = 1", "version = 2"), 2, "version 2");
    check(HEAD.replace("name = \"t\"", "name = \"a b\""), 3, "name");
    check(HEAD.replace("match = \"all\"", "match = \"some\""), 4, "some");
    check(HEAD.replace("Europe/Rome", "Europe/Roma"), 5, "time zone");
    check(HEAD.replace("queue = \"general\"", "queue = \"generl\""), 7, "did you mean `general`?");
    check(HEAD.replace("\"1h\"", "\"1 hour\""), 10, "no time");
    check(HEAD.replacen("always", "mon-fri", 1), 9, "no hours");
    check(format!("{HEAD}colour = 1\n"), 13, "colour");
    check(format!("{HEAD}{}", rule("a", "true", "prio = \"high\"")), 16, "prio");
    check(
        format!("{HEAD}{}", rule("a", "true", "queue = \"othr\"")),
        16,
        "rule `a`: there is no queue `othr`",
    );
    check(format!("{HEAD}{}", rule("a", "true", "")), 14, "no effect");
    check(format!("{HEAD}{}", rule("a", "true", "action = \"escalate\"")), 14, "write `escalate = true`");
    check(
        format!("{HEAD}{}", rule("a", "true", "escalate = true\naction = \"none\"")),
        14,
        "cannot escalate",
    );
    let twice = rule("a", "true", "flag = \"f\"").repeat(2);
    check(format!("{HEAD}{twice}"), 19, "two rules");
    check(format!("{HEAD}[define]\nx = 'effrt > 0.5'\n"), 14, "no fact `effrt`");
    check(format!("{HEAD}[define]\nx = 'y'\ny = 'x'\n"), 14, "defined by itself");
    check(format!("{HEAD}[define]\nintent = 'true'\n"), 14, "cannot be defined");
    check("version = ".to_owned(), 1, "");
    check(HEAD.replace("version = 1\n", ""), 1, "version");
}

#[test]
fn definitions_may_use_each_other_in_any_order() {
    let text = format!(
        "{HEAD}[define]\na = 'b && upset'\nb = '\"fraud\" in signals'\nupset = 'effort > 0.5'\n{}",
        rule("r", "a", "priority = \"high\"")
    );
    let policy = Policy::from_text(&text, "t.toml").unwrap();
    let facts: Facts = serde_json::from_str(
        r#"{"effort":0.9,"signals":[{"name":"fraud","confidence":0.9,"source":"cue","span":[3,8]}]}"#,
    )
    .unwrap();
    let routing = policy.decide(&facts);
    assert_eq!(routing.priority.level, Level::High);
    assert_eq!(routing.reasons[0].evidence, Some([3, 8]), "evidence is found through definitions");
}

#[test]
fn first_takes_one_rule_and_all_adds_up() {
    let rules = rule("one", "true", "priority = \"low\"\nflag = \"a\"\nqueue = \"other\"")
        + &rule(
            "two",
            "true",
            "priority = \"high\"\nflag = [\"b\", \"a\"]\nqueue = \"general\"\nescalate = true",
        );
    let all = policy(&rules).decide(&Facts::default());
    assert_eq!((all.priority.level, all.route.action), (Level::High, Action::Escalate));
    assert_eq!((all.route.queue.as_deref(), all.flags.len()), (Some("other"), 2));
    let text = format!("{HEAD}{rules}").replace("match = \"all\"", "match = \"first\"");
    let first = Policy::from_text(&text, "t.toml").unwrap().decide(&Facts::default());
    assert_eq!((first.priority.level, first.route.action), (Level::Low, Action::Queue));
    assert!(first.trace[1].matched && !first.trace[1].applied);
    assert_eq!(first.reasons[0].without, Level::High, "without the first rule the second decides");
}

#[test]
fn the_counterfactual_says_what_would_be_without_the_rule() {
    let rules = rule("normal", "true", "priority = \"normal\"")
        + &rule("high", "true", "priority = \"high\"")
        + &rule("urgent", "true", "priority = \"urgent\"\nescalate = true")
        + &rule("flag", "true", "flag = \"f\"");
    let routing = policy(&rules).decide(&Facts::default());
    let without: Vec<_> = routing.reasons.iter().map(|reason| reason.without).collect();
    assert_eq!(without, [Level::Urgent, Level::Urgent, Level::High, Level::Urgent]);
    assert_eq!(routing.trace[2].without.unwrap().action, Action::Queue);
}

#[test]
fn a_condition_that_fails_while_deciding_does_not_hold_and_is_told() {
    let policy = policy(&rule("age", "has(attributes.age) && int(attributes.age) > 60", "flag = \"senior\""));
    let facts = |age: &str| -> Facts {
        serde_json::from_value(serde_json::json!({"attributes": {"age": age}})).unwrap()
    };
    assert_eq!(policy.decide(&facts("61")).flags, ["senior"]);
    let routing = policy.decide(&facts("old"));
    assert!(routing.flags.is_empty());
    assert!(routing.trace[0].error.is_some());
}

#[test]
fn a_reload_takes_a_good_policy_and_refuses_a_bad_one() {
    let handle = PolicyHandle::new(policy(""));
    let before = handle.current().id();
    assert!(
        handle.reload(&format!("{HEAD}{}", rule("bad", "nonsense", "flag = \"f\"")), "new.toml").is_err()
    );
    assert_eq!(handle.current().id(), before);
    let held = handle.current();
    let id = handle.reload(&format!("{HEAD}{}", rule("good", "true", "flag = \"f\"")), "new.toml").unwrap();
    assert_eq!(handle.clone().current().id(), id);
    assert_ne!(id, before);
    assert_eq!(held.id(), before, "a message under way keeps its policy");
}

#[test]
fn the_id_carries_name_and_hash_of_the_text() {
    let id = Policy::embedded_default().unwrap().id();
    assert!(id.starts_with("default@sha256:") && id.len() == "default@sha256:".len() + 64, "{id}");
}

#[test]
fn every_documented_fact_exists_and_every_fact_is_documented() {
    let text = include_str!("../../docs/policy.md");
    for variable in variables::VARIABLES {
        let guard = if variable.optional { format!("!has({0}) || ", variable.path) } else { String::new() };
        let when = format!("{guard}{0} == {0}", variable.path);
        assert_eq!(faults(&when), Vec::<String>::new(), "{}", variable.path);
    }
    let table = variables::reference();
    assert!(text.contains(&table), "docs/policy.md lacks this reference:\n{table}");
    let effects =
        ["priority", "queue", "skills", "escalate", "flag", "tag", "event", "action", "stop", "reason"];
    for effect in effects {
        assert!(text.contains(&format!("`{effect}`")), "{effect}");
    }
}

fn any_facts() -> impl Strategy<Value = Facts> {
    let names = |all: Vec<&'static str>| proptest::sample::subsequence(all.clone(), 0..=all.len().min(4));
    (
        names(INTENTS.to_vec()),
        names(SignalKind::ALL.iter().map(|s| s.as_str()).collect()),
        names(Emotion::ALL.iter().map(|e| e.as_str()).collect()),
        proptest::sample::select(SentimentLabel::ALL),
        proptest::option::of(proptest::sample::select(Stage::ALL)),
        (any::<bool>(), any::<u8>(), any::<bool>(), 0..5_usize, 0..3_usize),
        (proptest::option::of(0..=10_u8), ".{0,6}", any::<f32>(), -4_000_000_000_i64..8_000_000_000_i64),
        proptest::collection::btree_map("(tier|segment|[a-z]{1,5})", ".{0,8}", 0..3),
    )
        .prop_map(|(intents, signals, emotions, sentiment, stage, journey, rest, attributes)| {
            let value = serde_json::json!({
                "intents": intents, "signals": signals, "emotions": emotions,
                "sentiment": sentiment.as_str(), "attributes": attributes,
            });
            let mut facts: Facts = serde_json::from_value(value).unwrap();
            facts.stage = stage;
            facts.journey.is_repeat = journey.0;
            facts.journey.experience = journey.1;
            facts.auto_reply = journey.2;
            facts.questions = journey.3;
            facts.journey.broken_promises = journey.4;
            facts.ratings.nps = rest.0;
            facts.language = rest.1;
            facts.effort = rest.2;
            facts.sent_at = chrono::DateTime::from_timestamp(rest.3, 0).unwrap();
            facts
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_facts_are_decided(facts in any_facts()) {
        let policy = Policy::embedded_default().unwrap();
        let routing = policy.decide(&facts);
        prop_assert_eq!(&routing, &policy.decide(&facts), "deciding is a function of the facts");
        prop_assert!(routing.trace.iter().all(|trace| trace.error.is_none()), "{:?}", routing.trace);
        let floor = match routing.priority.level {
            Level::Low => 0.0, Level::Normal => 0.25, Level::High => 0.5, Level::Urgent => 0.75,
        };
        prop_assert!((floor..floor + 0.245).contains(&routing.priority.score), "{:?}", routing.priority);
        if facts.auto_reply {
            prop_assert_eq!(routing.route.action, Action::None);
        }
        prop_assert_eq!(routing.route.queue.is_none(), routing.route.action == Action::None);
        if let Some(due) = routing.route.sla_due_at {
            prop_assert!(due > facts.sent_at);
        }
    }

    #[test]
    fn the_counterfactual_is_the_policy_without_the_rule(facts in any_facts()) {
        let text = super::compile::DEFAULT;
        let routing = Policy::embedded_default().unwrap().decide(&facts);
        for trace in routing.trace.iter().filter(|trace| trace.applied) {
            let pruned = without_rule(text, &trace.rule);
            let other = Policy::from_text(&pruned, "pruned").unwrap().decide(&facts);
            let without = trace.without.unwrap();
            prop_assert_eq!((other.priority.level, other.route.action), (without.priority, without.action), "{}", trace.rule);
        }
    }

    #[test]
    fn a_rule_that_does_not_match_changes_nothing(facts in any_facts(), at in 0..30_usize) {
        let text = super::compile::DEFAULT;
        let policy = Policy::embedded_default().unwrap();
        let mut parts: Vec<String> = text.split("[[rules]]").map(str::to_owned).collect();
        let at = 1 + at % (parts.len() - 1);
        parts.insert(at, "\nname = \"never\"\nwhen = 'effort < -1.0 && effort > 1.0'\npriority = \"urgent\"\nescalate = true\nstop = true\nreason = \"r\"\n\n".to_owned());
        let other = Policy::from_text(&parts.join("[[rules]]"), "more").unwrap();
        let (mut left, mut right) = (policy.decide(&facts), other.decide(&facts));
        left.trace.clear();
        right.trace.clear();
        prop_assert_eq!(left, right);
    }

    #[test]
    fn any_text_is_compiled_or_refused(text in ".{0,200}", when in "[a-z().&|!=<>\"' 0-9\\[\\]]{0,60}") {
        let _ = Policy::from_text(&text, "x");
        let quoted = toml::Value::String(when).to_string();
        let text = format!("{HEAD}[[rules]]\nname = \"x\"\nwhen = {quoted}\nflag = \"f\"\n");
        if let Err(error) = Policy::from_text(&text, "x") {
            prop_assert!(!error.faults.is_empty());
        }
    }
}

/// The text without the rule of that name.
fn without_rule(text: &str, name: &str) -> String {
    let own = format!("\nname = \"{name}\"\n");
    text.split("[[rules]]").filter(|part| !part.starts_with(&own)).collect::<Vec<_>>().join("[[rules]]")
}
