//! One message that another policy would treat otherwise, and how big a difference that is.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::interaction::{Channel, Interaction};
use crate::routing::decide::Routing;
use crate::routing::decision::{Action, Decision, Level};
use crate::routing::facts::Facts;

/// Characters of a message's text that are shown.
const TEXT: usize = 240;

/// What a policy does with a message.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// How urgent.
    pub priority: Level,
    /// Order within the level.
    pub score: f32,
    /// What.
    pub action: Action,
    /// Into which queue.
    pub queue: Option<String>,
    /// Answer due by.
    pub sla_due_at: Option<DateTime<Utc>>,
}

impl Outcome {
    fn of(routing: &Routing) -> Self {
        Self {
            priority: routing.priority.level,
            score: routing.priority.score,
            action: routing.route.action,
            queue: routing.route.queue.clone(),
            sla_due_at: routing.route.sla_due_at,
        }
    }

    /// As it was published.
    pub(super) fn recorded(decision: &Decision) -> Self {
        Self {
            priority: decision.priority.level,
            score: decision.priority.score,
            action: decision.route.action,
            queue: decision.route.queue.clone(),
            sla_due_at: decision.route.sla_due_at,
        }
    }

    /// The same level, action and queue.
    pub(super) fn routes_as(&self, other: &Self) -> bool {
        (self.priority, self.action, &self.queue) == (other.priority, other.action, &other.queue)
    }
}

/// A message that changes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// The message.
    pub message_id: String,
    /// The conversation it belongs to.
    pub conversation_id: String,
    /// Its decision.
    pub decision_id: uuid::Uuid,
    /// How it came.
    pub channel: Channel,
    /// When it was sent.
    pub sent_at: DateTime<Utc>,
    /// First words of the redacted text; none when only the decision is known.
    pub text: Option<String>,
    /// Under the policy compared with.
    pub before: Outcome,
    /// Under the new one.
    pub after: Outcome,
    /// Rules that apply now and did not before.
    pub rules_gained: Vec<String>,
    /// Rules that applied and no longer do.
    pub rules_lost: Vec<String>,
    /// Points: 10 for each step of priority, 25 when escalation begins or ends, 15 for another change of action, 5 for
    /// another queue.
    pub size: u32,
    /// How many messages change in the same way by the same rules, this one among them.
    pub alike: u64,
}

/// Messages that change in the same way by the same rules: what changes from what to what, and rules gained and lost.
pub(super) type Kind = (Vec<(&'static str, String, String)>, Vec<String>, Vec<String>);

impl Change {
    pub(super) fn kind(&self) -> Kind {
        (self.moves().collect(), self.rules_gained.clone(), self.rules_lost.clone())
    }

    pub(super) fn new(
        decision: &Decision,
        interaction: Option<&Interaction>,
        facts: &Facts,
        before: &Routing,
        after: &Routing,
    ) -> Self {
        let (old, new) = (Outcome::of(before), Outcome::of(after));
        let size = size(&old, &new);
        // Most messages do not change: their texts are not copied.
        let text = interaction.filter(|_| size > 0).map(|interaction| first_words(&interaction.document()));
        Self {
            message_id: decision.message_id.clone(),
            conversation_id: decision.conversation_id.clone(),
            decision_id: decision.decision_id,
            channel: decision.channel,
            sent_at: facts.sent_at,
            text,
            rules_gained: applied_only_in(after, before),
            rules_lost: applied_only_in(before, after),
            before: old,
            after: new,
            size,
            alike: 1,
        }
    }

    /// Bigger ones first; of the same size the one whose score moves more, then the older one.
    pub(super) fn rank(&self, other: &Self) -> Ordering {
        let shift = |change: &Self| (change.after.score - change.before.score).abs();
        let (mine, theirs) = ((self.sent_at, &self.message_id), (other.sent_at, &other.message_id));
        other
            .size
            .cmp(&self.size)
            .then_with(|| shift(other).total_cmp(&shift(self)))
            .then_with(|| mine.cmp(&theirs))
    }

    /// What changes, from what to what.
    pub(super) fn moves(&self) -> impl Iterator<Item = (&'static str, String, String)> {
        let points = |outcome: &Outcome| {
            [
                ("priority", outcome.priority.as_str().to_owned()),
                ("action", outcome.action.as_str().to_owned()),
                ("queue", outcome.queue.clone().unwrap_or_else(|| "none".to_owned())),
            ]
        };
        let both = points(&self.before).into_iter().zip(points(&self.after));
        both.filter(|((_, from), (_, to))| from != to).map(|((what, from), (_, to))| (what, from, to))
    }
}

fn size(before: &Outcome, after: &Outcome) -> u32 {
    let step = |level: Level| Level::ALL.iter().position(|other| *other == level).unwrap_or_default();
    let steps = step(before.priority).abs_diff(step(after.priority));
    let action = match (before.action, after.action) {
        (before, after) if before == after => 0,
        (Action::Escalate, _) | (_, Action::Escalate) => 25,
        _ => 15,
    };
    let queue = if before.queue == after.queue { 0 } else { 5 };
    u32::try_from(10 * steps).unwrap_or(u32::MAX).saturating_add(action + queue)
}

fn applied_only_in(routing: &Routing, other: &Routing) -> Vec<String> {
    let applied =
        |routing: &Routing, name: &str| routing.trace.iter().any(|rule| rule.applied && rule.rule == name);
    let rules = routing.trace.iter().filter(|rule| rule.applied && !applied(other, &rule.rule));
    rules.map(|rule| rule.rule.clone()).collect()
}

/// On one line, cut between words where there are any.
fn first_words(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= TEXT {
        return line;
    }
    let cut: String = line.chars().take(TEXT - 1).collect();
    let kept = cut.rsplit_once(' ').map_or(cut.as_str(), |(kept, _)| kept);
    format!("{kept}…")
}
