//! What another policy would change about past decisions. Both policies decide on the same facts, so that only the
//! difference between them shows. What is kept does not grow with the number of decisions.

mod change;
pub mod summary;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Timelike as _, Utc};
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use change::Kind;
pub use change::{Change, Outcome};

use super::compile::Policy;
use super::decide::Routing;
use super::decision::{Decision, Level};
use super::facts::Facts;
use crate::interaction::Interaction;

/// Changes told one by one, at most.
const TOLD: usize = 20;
/// Of one kind so many stay when there are others to tell.
const ALIKE: usize = 3;

/// A count under both policies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Pair<T = u64> {
    /// Under the policy compared with.
    pub before: T,
    /// Under the new one.
    pub after: T,
}

/// Answers due in each hour of the day, from midnight on, in the new policy's time zone.
pub type Hours = [u64; 24];

/// What changes over many decisions.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Simulation {
    /// Decisions looked at.
    pub decisions: u64,
    /// When the first and the last of their messages were sent.
    pub sent: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// Those that change in priority, action or queue.
    pub changed: u64,
    /// Those that the policy compared with decides otherwise than it is recorded: another one was in force.
    pub not_as_recorded: u64,
    /// How many made which move.
    #[serde(serialize_with = "as_list")]
    pub moves: BTreeMap<Move, u64>,
    /// Answers due earlier.
    pub due_sooner: u64,
    /// Answers due later.
    pub due_later: u64,
    /// Messages of each level.
    pub priorities: BTreeMap<Level, Pair>,
    /// Messages for each action.
    pub actions: BTreeMap<&'static str, Pair>,
    /// Messages in each queue; `none` for those in no queue.
    pub queues: BTreeMap<String, Pair>,
    /// Messages with each flag.
    pub flags: BTreeMap<String, Pair>,
    /// Answers due by hour of the day, for each queue.
    pub load: BTreeMap<String, Pair<Hours>>,
    /// The biggest changes, the biggest first; of those that change in the same way by the same rules at most three as
    /// long as there are others to tell.
    pub biggest: Vec<Change>,
    /// Their messages' ids.
    pub examples: Vec<String>,
    /// How many messages change in each way.
    #[serde(skip)]
    kinds: HashMap<Kind, u64>,
}

/// From what to what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Move {
    /// `priority`, `action` or `queue`.
    pub what: &'static str,
    /// Under the old policy.
    pub from: String,
    /// Under the new one.
    pub to: String,
}

/// Which side of a pair.
type Side<T> = fn(&mut Pair<T>) -> &mut T;

impl Simulation {
    /// Decides a past message under both policies. With the interaction, on all its facts; a decision alone tells
    /// neither attributes nor ratings.
    pub fn add(
        &mut self,
        decision: &Decision,
        interaction: Option<&Interaction>,
        old: &Policy,
        new: &Policy,
    ) {
        let facts = match interaction {
            Some(interaction) => Facts::from_past(decision, interaction),
            None => Facts::from_decision(decision),
        };
        let (before, after) = (old.decide(&facts), new.decide(&facts));
        self.decisions += 1;
        let (first, last) = self.sent.unwrap_or((facts.sent_at, facts.sent_at));
        self.sent = Some((first.min(facts.sent_at), last.max(facts.sent_at)));
        let recorded = Outcome::recorded(decision);
        self.count(&before, &after, new);
        let change = Change::new(decision, interaction, &facts, &before, &after);
        self.not_as_recorded += u64::from(!change.before.routes_as(&recorded));
        if change.size == 0 {
            return;
        }
        self.changed += 1;
        for (what, from, to) in change.moves() {
            *self.moves.entry(Move { what, from, to }).or_default() += 1;
        }
        let kind = change.kind();
        let alike = self.kinds.entry(kind.clone()).or_default();
        *alike += 1;
        let alike = *alike;
        let at = self.biggest.partition_point(|other| other.rank(&change) != Ordering::Greater);
        self.biggest.insert(at, change);
        if self.biggest.len() > TOLD {
            let least = self.least_missed();
            self.biggest.remove(least);
        }
        for change in self.biggest.iter_mut().filter(|change| change.kind() == kind) {
            change.alike = alike;
        }
        self.examples = self.biggest.iter().map(|change| change.message_id.clone()).collect();
    }

    /// The last one of the kind that is told most often, when that is too often; else the last.
    fn least_missed(&self) -> usize {
        let mut told: HashMap<Kind, (usize, usize)> = HashMap::new();
        for (place, change) in self.biggest.iter().enumerate() {
            let (count, last) = told.entry(change.kind()).or_default();
            (*count, *last) = (*count + 1, place);
        }
        let most = told.values().filter(|(count, _)| *count > ALIKE).max();
        most.map_or(self.biggest.len().saturating_sub(1), |(_, last)| *last)
    }

    fn count(&mut self, before: &Routing, after: &Routing, new: &Policy) {
        let sides: [(&Routing, Side<u64>, Side<Hours>); 2] = [
            (before, |pair| &mut pair.before, |load| &mut load.before),
            (after, |pair| &mut pair.after, |load| &mut load.after),
        ];
        for (routing, side, hours) in sides {
            *side(self.priorities.entry(routing.priority.level).or_default()) += 1;
            *side(self.actions.entry(routing.route.action.as_str()).or_default()) += 1;
            let queue = routing.route.queue.as_deref().unwrap_or("none");
            *side(self.queues.entry(queue.to_owned()).or_default()) += 1;
            for flag in &routing.flags {
                *side(self.flags.entry(flag.clone()).or_default()) += 1;
            }
            if let Some(due) = routing.route.sla_due_at {
                let hour = due.with_timezone(&new.zone).hour() as usize;
                let load = hours(self.load.entry(queue.to_owned()).or_default());
                load.iter_mut().skip(hour).take(1).for_each(|count| *count += 1);
            }
        }
        if let (Some(before), Some(after)) = (before.route.sla_due_at, after.route.sla_due_at) {
            self.due_sooner += u64::from(after < before);
            self.due_later += u64::from(after > before);
        }
    }
}

fn as_list<S: Serializer>(moves: &BTreeMap<Move, u64>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Line<'a> {
        #[serde(flatten)]
        what: &'a Move,
        count: u64,
    }
    let mut list = serializer.serialize_seq(Some(moves.len()))?;
    for (what, count) in moves {
        list.serialize_element(&Line { what, count: *count })?;
    }
    list.end()
}
