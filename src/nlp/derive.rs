//! What follows from labels by rule: goal, complexity, effort. Pure.

use super::cues::Cue;
use super::labels::{SignalKind, Stage};
use super::understanding::{Complexity, GoalKind};

/// What the customer is after, by the strongest intent. Without an intent a question is still a question, and small
/// talk, suggestions and whatever the centre does not handle open no goal.
pub fn goal(intent: Option<&str>, stage: Option<Stage>, asks: bool) -> Option<GoalKind> {
    let Some(intent) = intent else { return asks.then_some(GoalKind::Ask) };
    Some(match intent {
        "product.compare" => GoalKind::Compare,
        "order.place" | "account.open" | "subscription.renew" => GoalKind::Buy,
        "payment.problem" if stage == Some(Stage::Purchase) => GoalKind::Buy,
        "order.change"
        | "order.cancel"
        | "account.update"
        | "account.close"
        | "subscription.change"
        | "subscription.cancel"
        | "return.request"
        | "appointment.manage"
        | "privacy.request" => GoalKind::Change,
        "product.question" | "product.price" | "order.status" | "delivery.options" | "refund.status"
        | "billing.question" | "promotion.question" | "policy.question" => GoalKind::Ask,
        "praise" => GoalKind::Praise,
        "feedback.suggestion" | "smalltalk" | "other" => return None,
        // Core intents about something that went wrong, and intents of the tenant's own.
        _ => GoalKind::Solve,
    })
}

/// Intents that a knowledge base, a status look-up or a form answers.
const SIMPLE: [&str; 14] = [
    "product.question",
    "product.price",
    "order.status",
    "delivery.options",
    "refund.status",
    "promotion.question",
    "billing.question",
    "account.open",
    "account.access",
    "account.update",
    "appointment.manage",
    "policy.question",
    "praise",
    "smalltalk",
];

/// Intents that need knowledge, rights or care that not every agent has.
const HARD: [&str; 4] = ["billing.dispute", "security.fraud", "privacy.request", "technical.outage"];

/// Signals that do.
const GRAVE: [SignalKind; 5] = [
    SignalKind::LegalThreat,
    SignalKind::Safety,
    SignalKind::Vulnerable,
    SignalKind::Fraud,
    SignalKind::Outage,
];

/// What complexity is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// Strongest first.
    pub intents: &'a [String],
    /// All of the message.
    pub signals: &'a [SignalKind],
    /// The message is negative.
    pub negative: bool,
    /// Words of the customer.
    pub words: usize,
}

/// Who can handle it. **Expert**: a grave signal, a hard intent, or an unhappy customer who comes back. **Bot**: not
/// negative, at most 60 words, one or two intents, all simple, and no signal but praise or deadline. **Standard**:
/// everything else, also when nothing was understood.
pub fn complexity(task: &Task<'_>) -> Complexity {
    let has = |kind| task.signals.contains(&kind);
    let hard = task.intents.iter().any(|intent| HARD.contains(&intent.as_str()));
    if hard || GRAVE.iter().any(|kind| has(*kind)) || (task.negative && has(SignalKind::RepeatContact)) {
        return Complexity::Expert;
    }
    let simple = (1..=2).contains(&task.intents.len())
        && task.intents.iter().all(|intent| SIMPLE.contains(&intent.as_str()));
    let plain = task.signals.iter().all(|kind| matches!(kind, SignalKind::Praise | SignalKind::Deadline));
    if simple && plain && !task.negative && task.words <= 60 { Complexity::Bot } else { Complexity::Standard }
}

/// How much work the customer has had, 0…1: `1 − Π (1 − part)` over these parts, so that each adds and none alone
/// decides: every effort cue with its rule's weight (repeats, transfers, waiting, explaining again, vain tries); 0.3 ×
/// how negative the message is (`max(0, −score)`); 0.15 × words up to 300; 0.2 × customer turns beyond 4, up to 24; and
/// 0.8 × (7 − CES) / 6 where the customer gave a customer effort score (7 = easy).
pub fn effort(cues: &[Cue], score: f32, words: usize, turns: usize, ces: Option<u8>) -> f32 {
    let share = |count: usize, most: u16| {
        f32::from(u16::try_from(count).unwrap_or(u16::MAX).min(most)) / f32::from(most)
    };
    let told = ces.map_or(0.0, |ces| 0.8 * f32::from(7 - ces.clamp(1, 7)) / 6.0);
    let parts = cues.iter().map(|cue| cue.effort).chain([
        0.3 * (-score).max(0.0),
        0.15 * share(words, 300),
        0.2 * share(turns.saturating_sub(4), 20),
        told,
    ]);
    1.0 - parts.map(|part| 1.0 - part.clamp(0.0, 1.0)).product::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nlp::labels::INTENTS;
    use proptest::prelude::*;

    #[test]
    fn goals_follow_the_intent() {
        for (intent, stage, asks, expected) in [
            (Some("order.place"), None, false, Some(GoalKind::Buy)),
            (Some("product.compare"), None, true, Some(GoalKind::Compare)),
            (Some("payment.problem"), Some(Stage::Purchase), false, Some(GoalKind::Buy)),
            (Some("payment.problem"), Some(Stage::Support), false, Some(GoalKind::Solve)),
            (Some("subscription.cancel"), None, false, Some(GoalKind::Change)),
            (Some("praise"), None, false, Some(GoalKind::Praise)),
            (Some("smalltalk"), None, true, None),
            (Some("tenant.own"), None, false, Some(GoalKind::Solve)),
            (None, None, true, Some(GoalKind::Ask)),
            (None, None, false, None),
        ] {
            assert_eq!(goal(intent, stage, asks), expected, "{intent:?}");
        }
    }

    #[test]
    fn the_lists_name_core_intents() {
        assert!(SIMPLE.iter().chain(&HARD).all(|intent| INTENTS.contains(intent)));
    }

    #[test]
    fn complexity_follows_its_rule() {
        let check = |intents: &[&str], signals: &[SignalKind], negative, words, expected| {
            let intents: Vec<String> = intents.iter().map(|intent| (*intent).to_owned()).collect();
            let task = Task { intents: &intents, signals, negative, words };
            assert_eq!(complexity(&task), expected, "{task:?}");
        };
        check(&["order.status"], &[], false, 8, Complexity::Bot);
        check(&["order.status"], &[], true, 8, Complexity::Standard);
        check(&["order.status"], &[], false, 80, Complexity::Standard);
        check(&["order.status"], &[SignalKind::AgentRequest], false, 8, Complexity::Standard);
        check(&["order.status"], &[SignalKind::RepeatContact], true, 8, Complexity::Expert);
        check(&["technical.problem"], &[SignalKind::Safety], false, 8, Complexity::Expert);
        check(&["billing.dispute"], &[], false, 8, Complexity::Expert);
        check(&[], &[], false, 8, Complexity::Standard);
    }

    fn cue(effort: f32) -> Cue {
        Cue { rule: "x".into(), signal: None, confidence: 0.9, effort, span: [0, 1], text: "x".into() }
    }

    #[test]
    fn effort_adds_up() {
        let none = effort(&[], 0.0, 10, 1, None);
        let repeated = effort(&[cue(0.3)], -0.5, 10, 1, None);
        let worn = effort(&[cue(0.3), cue(0.25)], -0.9, 120, 12, None);
        assert!(none < 0.05 && none < repeated && repeated < worn && worn < 1.0, "{none} {repeated} {worn}");
        assert!(effort(&[], 0.0, 1, 1, Some(1)) > 0.75);
        assert!(effort(&[], 0.0, 1, 1, Some(7)) < 0.05);
    }

    proptest! {
        #[test]
        fn effort_stays_in_range(
            efforts in prop::collection::vec(-1.0f32..2.0, 0..20), score in -1.0f32..1.0,
            words in 0usize..100_000, turns in 0usize..1000, ces in prop::option::of(0u8..20),
        ) {
            let cues: Vec<Cue> = efforts.into_iter().map(cue).collect();
            prop_assert!((0.0..=1.0).contains(&effort(&cues, score, words, turns, ces)));
        }
    }
}
