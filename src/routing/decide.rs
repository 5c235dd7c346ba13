//! From facts to a routing: which rules match, what they add up to, and what would be without each.

use cel::Value;
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::check;
use super::compile::{Effects, Policy, Rule};
use super::decision::{Action, Level, Priority, Reason, Route};
use super::facts::Facts;
use super::policy::Matching;
use super::variables;
use crate::journey::model::RiskLevel;

/// What a policy decided about one message.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Routing {
    /// How urgent.
    pub priority: Priority,
    /// Who takes it.
    pub route: Route,
    /// For supervisors.
    pub flags: Vec<String>,
    /// Free labels.
    pub tags: Vec<String>,
    /// Events to publish.
    pub events: Vec<String>,
    /// Why, in the order of the rules.
    pub reasons: Vec<Reason>,
    /// Every rule.
    pub trace: Vec<RuleTrace>,
}

/// What became of one rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RuleTrace {
    /// Its name.
    pub rule: String,
    /// Its condition.
    pub when: String,
    /// The condition holds.
    pub matched: bool,
    /// Its effects count: it matched and no earlier rule ended the matter.
    pub applied: bool,
    /// Why the condition could not be evaluated; it then does not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What it does.
    pub effects: Effects,
    /// Its reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Words that carried it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<[usize; 2]>,
    /// Priority and action without it, when it applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without: Option<Without>,
}

/// The counterfactual: what would be, had the rule not matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Without {
    /// Priority level.
    pub priority: Level,
    /// Action.
    pub action: Action,
}

/// The effects of all rules that count, added up.
#[derive(Debug, Clone, PartialEq)]
struct Sum<'a> {
    level: Level,
    action: Action,
    queue: &'a str,
    skills: Vec<String>,
    flags: Vec<String>,
    tags: Vec<String>,
    events: Vec<String>,
    applied: Vec<bool>,
}

impl Policy {
    /// Decides. Pure: SLAs run from `facts.sent_at`.
    pub fn decide(&self, facts: &Facts) -> Routing {
        let outcomes = self.evaluate(facts);
        let matched: Vec<bool> = outcomes.iter().map(|outcome| *outcome == Ok(true)).collect();
        let sum = self.add_up(&matched, None);
        let mut reasons = Vec::new();
        let mut trace = Vec::with_capacity(self.rules.len());
        for (index, ((rule, outcome), applied)) in
            self.rules.iter().zip(outcomes).zip(&sum.applied).enumerate()
        {
            let evidence = if *applied { evidence(rule, facts) } else { None };
            let without = applied.then(|| {
                let sum = self.add_up(&matched, Some(index));
                Without { priority: sum.level, action: sum.action }
            });
            if let (Some(without), Some(text)) = (without, &rule.reason) {
                let text = text.clone();
                reasons.push(Reason { rule: rule.name.clone(), text, evidence, without: without.priority });
            }
            trace.push(RuleTrace {
                rule: rule.name.clone(),
                when: rule.text.clone(),
                matched: outcome == Ok(true),
                applied: *applied,
                error: outcome.err(),
                effects: rule.effects.clone(),
                reason: rule.reason.clone(),
                evidence,
                without,
            });
        }
        let Sum { level, mut flags, tags, events, .. } = sum.clone();
        let route = self.route(&sum, facts, &mut flags);
        Routing {
            priority: Priority { level, score: score(level, facts) },
            route,
            flags,
            tags,
            events,
            reasons,
            trace,
        }
    }

    /// Whether each rule's condition holds; an error says why it cannot be told.
    fn evaluate(&self, facts: &Facts) -> Vec<Result<bool, String>> {
        let mut context = variables::context(&self.env, facts, self.zone, &self.wanted);
        for definition in &self.definitions {
            if let Ok(value) = definition.program.execute(&context) {
                context.add_variable_from_value(definition.name.as_str(), value);
            }
        }
        let holds = |rule: &Rule| match rule.when.execute(&context) {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(other) => Err(format!("gives a {}, not true or false", other.type_of())),
            Err(error) => Err(check::explain(&error)),
        };
        self.rules.iter().map(holds).collect()
    }

    /// Adds up the effects of the rules that match, `skip` left out.
    fn add_up(&self, matched: &[bool], skip: Option<usize>) -> Sum<'_> {
        let mut level: Option<Level> = None;
        let mut action: Option<Action> = None;
        let mut queue: Option<&str> = None;
        let mut escalate = false;
        let (mut skills, mut flags, mut tags, mut events) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut applied = vec![false; self.rules.len()];
        for (index, ((rule, matches), applied)) in
            self.rules.iter().zip(matched).zip(&mut applied).enumerate()
        {
            if !matches || skip == Some(index) {
                continue;
            }
            *applied = true;
            let effects = &rule.effects;
            level = level.max(effects.priority);
            action = match (action, effects.action) {
                (Some(Action::None), _) | (_, Some(Action::None)) => Some(Action::None),
                (earlier, later) => earlier.or(later),
            };
            queue = queue.or(effects.queue.as_deref());
            escalate |= effects.escalate;
            add(&mut skills, &effects.skills);
            add(&mut flags, &effects.flags);
            add(&mut tags, &effects.tags);
            add(&mut events, &effects.events);
            if effects.stop || self.matching == Matching::First {
                break;
            }
        }
        let action = match action {
            Some(Action::None) => Action::None,
            _ if escalate => Action::Escalate,
            other => other.unwrap_or(Action::Queue),
        };
        let level = level.unwrap_or(self.priority);
        Sum { level, action, queue: queue.unwrap_or(&self.queue), skills, flags, tags, events, applied }
    }

    fn route(&self, sum: &Sum<'_>, facts: &Facts, flags: &mut Vec<String>) -> Route {
        let language = if facts.language == "und" { &self.language } else { &facts.language }.clone();
        let queue = self.queues.get(sum.queue).filter(|_| sum.action != Action::None);
        let Some(queue) = queue else {
            return Route { action: sum.action, queue: None, skills: Vec::new(), language, sla_due_at: None };
        };
        if !queue.languages.is_empty() && !queue.languages.contains(&language) {
            add(flags, &["language_not_served".to_owned()]);
        }
        let mut skills = queue.skills.clone();
        add(&mut skills, &sum.skills);
        let sla_due_at = self.due(queue, sum.level, facts.sent_at);
        Route { action: sum.action, queue: Some(sum.queue.to_owned()), skills, language, sla_due_at }
    }

    pub(super) fn due(
        &self,
        queue: &super::compile::Queue,
        level: Level,
        from: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let sla = *queue.sla.get(&level)?;
        if queue.around_the_clock.contains(&level) {
            return from.checked_add_signed(sla);
        }
        queue.hours.due(from, sla, &self.holidays)
    }
}

/// Appends what is not there yet.
fn add(list: &mut Vec<String>, more: &[String]) {
    for item in more {
        if !list.contains(item) {
            list.push(item.clone());
        }
    }
}

/// Span of the first signal that the rule asks for and the message has.
fn evidence(rule: &Rule, facts: &Facts) -> Option<[usize; 2]> {
    rule.signals.iter().find_map(|kind| facts.signal(*kind)?.span)
}

/// The score that orders messages of one level: a quarter of 0…1 for each level (low from 0, normal from 0.25, high from
/// 0.5, urgent from 0.75), and within it
///
/// `0.30·negativity + 0.20·effort + 0.15·repeat + 0.10·broken promise + 0.10·churn + 0.15·(1 − experience/100)`
///
/// where negativity is `max(0, −sentiment.score)`, repeat and broken promise are 0 or 1, and churn is 0, ½ or 1. The sum is
/// spread over 0.24, so that a higher level always scores higher, and rounded to two decimals.
pub fn score(level: Level, facts: &Facts) -> f32 {
    let yes = |fact: bool| if fact { 1.0 } else { 0.0 };
    let unit = |value: f32| if value.is_finite() { value.clamp(0.0, 1.0) } else { 0.0 };
    let churn = match facts.journey.churn_risk.level {
        RiskLevel::Low => 0.0,
        RiskLevel::Medium => 0.5,
        RiskLevel::High => 1.0,
    };
    let pressure = 0.30 * unit(-facts.sentiment.score)
        + 0.20 * unit(facts.effort)
        + 0.15 * yes(facts.journey.is_repeat)
        + 0.10 * yes(facts.journey.broken_promises > 0)
        + 0.10 * churn
        + 0.15 * (1.0 - unit(f32::from(facts.journey.experience) / 100.0));
    let floor = match level {
        Level::Low => 0.0,
        Level::Normal => 0.25,
        Level::High => 0.5,
        Level::Urgent => 0.75,
    };
    ((floor + 0.24 * unit(pressure)) * 100.0_f32).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_inside_the_program_is_good() {
        let policy = Policy::embedded_default().unwrap();
        assert_eq!(policy.warnings(), []);
        let routing = policy.decide(&Facts::default());
        assert_eq!(routing.priority.level, Level::Normal);
        assert_eq!(routing.route.queue.as_deref(), Some("general"));
    }
}
