//! A person's word over a decision: the decision that takes its place.

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::compile::Policy;
use super::decision::{Action, Decision, Level, Reason};
use crate::journey::model::{StageView, Transition};
use crate::nlp::labels::{SentimentLabel, Stage};
use crate::nlp::understanding::Scored;

/// Name of the event that comes with it.
pub const EVENT: &str = "corrected";
/// Name of its reason among those of the rules.
pub const RULE: &str = "correction";

/// What is right; what is not given stays.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Right {
    /// Sentiment of the whole.
    pub sentiment: Option<SentimentLabel>,
    /// Intents, the most specific first; empty when nobody could tell.
    pub intents: Option<Vec<String>>,
    /// Where the customer stands.
    pub stage: Option<Stage>,
    /// Priority level.
    pub priority: Option<Level>,
    /// Queue, one of the policy's.
    pub queue: Option<String>,
}

/// The decision that takes another's place.
#[derive(Debug, Clone, PartialEq)]
pub struct Superseding {
    /// It: the next revision of the same message.
    pub decision: Decision,
    /// What is not as it was: `sentiment`, `intents`, `stage`, `priority`, `queue`.
    pub changed: Vec<&'static str>,
}

/// The queue is not one of the policy's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the policy has no queue {0}")]
pub struct NoSuchQueue(pub String);

/// What the event of a correction says beyond other events.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct CorrectedEvent<'a> {
    /// Always `corrected`.
    pub event: &'a str,
    /// The correction, as published on the exchange of corrections.
    pub correction_id: Uuid,
    /// The decision it replaces.
    pub supersedes: Uuid,
    /// What is not as it was: `sentiment`, `intents`, `stage`, `priority`, `queue`.
    pub changed: &'a [&'a str],
}

/// Makes the superseding decision; none when all of it was so already. What a person says has confidence 1. The sentiment's
/// score keeps its size and takes the label's sign (neutral: 0). A priority keeps its place within the level. The due time is
/// the policy's for level and queue, counted from `sent_at`; a message that went nowhere goes into the queue given. Journey,
/// flags and versions stay: they say what the superseded decision was made of.
///
/// # Errors
/// The queue is not one of the policy's.
pub fn superseding(
    policy: &Policy,
    decision: &Decision,
    sent_at: DateTime<Utc>,
    right: &Right,
    at: DateTime<Utc>,
) -> Result<Option<Superseding>, NoSuchQueue> {
    let mut new = decision.clone();
    let mut changed = Vec::new();
    if let Some(label) = right.sentiment.filter(|label| *label != decision.analysis.sentiment.label) {
        let sentiment = &mut new.analysis.sentiment;
        sentiment.score = match label {
            SentimentLabel::Negative => -sentiment.score.abs(),
            SentimentLabel::Neutral => 0.0,
            SentimentLabel::Positive => sentiment.score.abs(),
        };
        (sentiment.label, sentiment.confidence) = (label, 1.0);
        changed.push("sentiment");
    }
    if let Some(intents) = &right.intents
        && !decision.analysis.intents.iter().map(|intent| &intent.name).eq(intents)
    {
        let sure = |name: &String| Scored { name: name.clone(), confidence: 1.0 };
        new.analysis.intents = intents.iter().map(sure).collect();
        new.analysis.abstained = intents.is_empty();
        changed.push("intents");
    }
    let stage_now = decision.analysis.stage.as_ref().map(|stage| stage.name);
    if let Some(name) = right.stage.filter(|stage| Some(*stage) != stage_now) {
        let previous = decision.analysis.stage.as_ref().and_then(|stage| stage.previous);
        let transition = match previous.map(|previous| previous.cmp(&name)) {
            Some(std::cmp::Ordering::Less) => Transition::Advanced,
            Some(std::cmp::Ordering::Greater) => Transition::Regressed,
            _ => Transition::Same,
        };
        new.analysis.stage = Some(StageView { name, confidence: 1.0, previous, transition });
        changed.push("stage");
    }
    if let Some(level) = right.priority.filter(|level| *level != decision.priority.level) {
        let place = (decision.priority.score - floor(decision.priority.level)).clamp(0.0, 0.24);
        new.priority.level = level;
        new.priority.score = ((floor(level) + place) * 100.0).round() / 100.0;
        changed.push("priority");
    }
    if let Some(name) = right.queue.as_ref().filter(|name| decision.route.queue.as_ref() != Some(*name)) {
        let queue = policy.queues.get(name).ok_or_else(|| NoSuchQueue(name.clone()))?;
        new.route.queue = Some(name.clone());
        new.route.skills = queue.skills.clone();
        if matches!(new.route.action, Action::None | Action::SelfService) {
            new.route.action = Action::Queue;
        }
        changed.push("queue");
    }
    if changed.is_empty() {
        return Ok(None);
    }
    // A queue that the policy no longer has keeps the time it had.
    let queue = new.route.queue.as_ref().and_then(|name| policy.queues.get(name));
    if let Some(queue) = queue.filter(|_| changed.contains(&"priority") || changed.contains(&"queue")) {
        new.route.sla_due_at = policy.due(queue, new.priority.level, sent_at);
    }
    new.reasons.push(Reason {
        rule: RULE.to_owned(),
        text: "A supervisor corrected it".to_owned(),
        evidence: None,
        without: decision.priority.level,
    });
    new.revision = decision.revision + 1;
    new.decision_id = Decision::id_for(&decision.message_id, new.revision);
    new.supersedes = Some(decision.decision_id);
    // Times order the revisions, whatever the clocks of two machines say.
    new.decided_at = at.max(decision.decided_at + TimeDelta::milliseconds(1));
    Ok(Some(Superseding { decision: new, changed }))
}

/// Where a level begins among the scores; see [`super::decide::score`].
fn floor(level: Level) -> f32 {
    match level {
        Level::Low => 0.0,
        Level::Normal => 0.25,
        Level::High => 0.5,
        Level::Urgent => 0.75,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../tests/data/decision.json");

    fn example() -> (Policy, Decision) {
        (Policy::embedded_default().unwrap(), serde_json::from_str(EXAMPLE).unwrap())
    }

    #[test]
    fn a_correction_takes_the_decisions_place() {
        let (policy, decision) = example();
        let sent_at = decision.decided_at;
        let right = Right {
            sentiment: Some(SentimentLabel::Positive),
            intents: Some(vec!["billing.question".into()]),
            stage: Some(Stage::Retention),
            priority: Some(Level::Low),
            queue: Some("billing".into()),
        };
        let made = superseding(&policy, &decision, sent_at, &right, sent_at).unwrap().unwrap();
        assert_eq!(made.changed, ["sentiment", "intents", "stage", "priority", "queue"]);
        let new = &made.decision;
        assert_eq!((new.revision, new.supersedes), (2, Some(decision.decision_id)));
        assert_eq!(new.decision_id, Decision::id_for(&decision.message_id, 2));
        assert!(new.decided_at > decision.decided_at);
        assert_eq!(new.analysis.sentiment.score, decision.analysis.sentiment.score.abs());
        assert_eq!((new.analysis.intents.len(), new.analysis.intents[0].confidence), (1, 1.0));
        assert!(new.priority.score < 0.25, "{:?}", new.priority);
        assert_eq!(
            (new.route.queue.as_deref(), &new.route.skills),
            (Some("billing"), &vec!["billing".to_owned()])
        );
        assert_ne!(new.route.sla_due_at, decision.route.sla_due_at);
        assert_eq!(new.routing_key(), "low.billing.chat");
        assert_eq!(new.versions, decision.versions);
        let last = new.reasons.last().unwrap();
        assert_eq!((last.rule.as_str(), last.without), (RULE, decision.priority.level));
        let again = superseding(&policy, new, sent_at, &right, sent_at).unwrap();
        assert_eq!(again, None, "all of it is so already");
    }

    #[test]
    fn what_is_not_given_stays() {
        let (policy, decision) = example();
        let at = decision.decided_at;
        let right = Right { priority: Some(Level::High), ..Right::default() };
        let made = superseding(&policy, &decision, at, &right, at).unwrap().unwrap().decision;
        assert_eq!(made.analysis, decision.analysis);
        assert_eq!((&made.route.queue, &made.flags), (&decision.route.queue, &decision.flags));
        let right = Right { queue: Some("nowhere".into()), ..Right::default() };
        let refused = superseding(&policy, &decision, at, &right, at).unwrap_err();
        assert_eq!(refused.to_string(), "the policy has no queue nowhere");
        assert_eq!(superseding(&policy, &decision, at, &Right::default(), at), Ok(None));
    }
}
