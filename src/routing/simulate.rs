//! What another policy would change about past decisions. Both policies decide on the same facts, so that only the
//! difference between them shows.

use std::collections::BTreeMap;

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use super::compile::Policy;
use super::decide::Routing;
use super::decision::Decision;
use super::facts::Facts;

/// Messages named as examples, at most.
const EXAMPLES: usize = 10;

/// What changed over many decisions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Decisions looked at.
    pub decisions: usize,
    /// Those that change in priority, action or queue.
    pub changed: usize,
    /// How many made which move.
    #[serde(serialize_with = "as_list")]
    pub moves: BTreeMap<Move, usize>,
    /// Ids of the first messages that change.
    pub examples: Vec<String>,
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

impl Changes {
    /// Decides a past decision under both policies.
    pub fn add(&mut self, decision: &Decision, old: &Policy, new: &Policy) {
        let facts = Facts::from_decision(decision);
        let (before, after) = (points(&old.decide(&facts)), points(&new.decide(&facts)));
        self.decisions += 1;
        let mut changed = false;
        for ((what, from), (_, to)) in before.into_iter().zip(after) {
            if from != to {
                changed = true;
                *self.moves.entry(Move { what, from, to }).or_default() += 1;
            }
        }
        if changed {
            self.changed += 1;
            if self.examples.len() < EXAMPLES {
                self.examples.push(decision.message_id.clone());
            }
        }
    }
}

/// What is compared.
fn points(routing: &Routing) -> [(&'static str, String); 3] {
    let queue = routing.route.queue.clone().unwrap_or_else(|| "none".to_owned());
    [
        ("priority", routing.priority.level.as_str().to_owned()),
        ("action", routing.route.action.as_str().to_owned()),
        ("queue", queue),
    ]
}

fn as_list<S: Serializer>(moves: &BTreeMap<Move, usize>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Line<'a> {
        #[serde(flatten)]
        what: &'a Move,
        count: usize,
    }
    let mut list = serializer.serialize_seq(Some(moves.len()))?;
    for (what, count) in moves {
        list.serialize_element(&Line { what, count: *count })?;
    }
    list.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_counted() {
        let example: Decision = serde_json::from_str(include_str!("../../tests/data/decision.json")).unwrap();
        let old = Policy::embedded_default().unwrap();
        let mut same = Changes::default();
        same.add(&example, &old, &old);
        assert_eq!(same, Changes { decisions: 1, ..Changes::default() });

        let text = super::super::compile::DEFAULT.replace("queue = \"technical\"", "queue = \"general\"");
        let new = Policy::from_text(&text, "new").unwrap();
        let mut changes = Changes::default();
        changes.add(&example, &old, &new);
        let written = serde_json::to_value(&changes).unwrap();
        assert_eq!(
            written,
            serde_json::json!({
                "decisions": 1, "changed": 1, "examples": ["01JQ8Z3M5T9W2K"],
                "moves": [{"what": "queue", "from": "technical", "to": "general", "count": 1}],
            })
        );
    }
}
