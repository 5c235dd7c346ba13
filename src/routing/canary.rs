//! What a decision and its shadow have in common and where they differ.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use super::decision::{Decision, Versions};

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Aspect {
    /// What happens to the message.
    Action,
    /// Where it goes.
    Queue,
    /// How urgent it is.
    Priority,
    /// What a supervisor is told.
    Flags,
    /// The first intent.
    Intent,
    /// Where the customer stands.
    Stage,
    /// How they feel.
    Sentiment,
}

impl Aspect {
    /// Everything, what matters most first.
    pub const ALL: [Self; 7] =
        [Self::Action, Self::Queue, Self::Priority, Self::Flags, Self::Intent, Self::Stage, Self::Sentiment];

    /// The name in the store, in addresses and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Queue => "queue",
            Self::Priority => "priority",
            Self::Flags => "flags",
            Self::Intent => "intent",
            Self::Stage => "stage",
            Self::Sentiment => "sentiment",
        }
    }

    /// The one of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|aspect| aspect.as_str() == name)
    }

    /// What a decision says of it; `-` for nothing.
    fn of(self, decision: &Decision) -> String {
        let analysis = &decision.analysis;
        let said = match self {
            Self::Action => Some(decision.route.action.as_str().to_owned()),
            Self::Queue => decision.route.queue.clone(),
            Self::Priority => Some(decision.priority.level.as_str().to_owned()),
            Self::Flags => {
                let mut flags: Vec<&str> = decision.flags.iter().map(String::as_str).collect();
                flags.sort_unstable();
                (!flags.is_empty()).then(|| flags.join(", "))
            }
            Self::Intent => analysis.intents.first().map(|intent| intent.name.clone()),
            Self::Stage => analysis.stage.as_ref().map(|stage| stage.name.as_str().to_owned()),
            Self::Sentiment => Some(analysis.sentiment.label.as_str().to_owned()),
        };
        said.unwrap_or_else(|| "-".to_owned())
    }
}

/// One aspect in which they differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Difference {
    /// Which.
    pub aspect: Aspect,
    /// What was published.
    pub live: String,
    /// What the shadow would have.
    pub shadow: String,
}

/// A decision beside its shadow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The message.
    pub message_id: String,
    /// Its conversation.
    pub conversation_id: String,
    /// When the decision was made.
    pub decided_at: DateTime<Utc>,
    /// By which model and policy.
    pub live: String,
    /// By which model and policy the shadow.
    pub shadow: String,
    /// Rules that decided.
    pub live_rules: String,
    /// Rules that decided the shadow.
    pub shadow_rules: String,
    /// Where they differ; empty where they agree.
    pub differences: Vec<Difference>,
}

impl Comparison {
    /// Compares.
    pub fn of(live: &Decision, shadow: &Decision) -> Self {
        let differences = Aspect::ALL.into_iter().filter_map(|aspect| {
            let (live, shadow) = (aspect.of(live), aspect.of(shadow));
            (live != shadow).then_some(Difference { aspect, live, shadow })
        });
        Self {
            message_id: live.message_id.clone(),
            conversation_id: live.conversation_id.clone(),
            decided_at: live.decided_at,
            live: maker(&live.versions),
            shadow: maker(&shadow.versions),
            live_rules: rules(live),
            shadow_rules: rules(shadow),
            differences: differences.collect(),
        }
    }
}

fn maker(versions: &Versions) -> String {
    format!("{} {}", versions.model, versions.policy)
}

fn rules(decision: &Decision) -> String {
    let names: Vec<&str> = decision.reasons.iter().map(|reason| reason.rule.as_str()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::decision::{Action, Level};
    use super::*;

    fn decision() -> Decision {
        serde_json::from_str(include_str!("../../tests/data/decision.json")).unwrap()
    }

    #[test]
    fn equal_decisions_do_not_differ() {
        let live = decision();
        let mut shadow = live.clone();
        shadow.versions.policy = "other".to_owned();
        shadow.flags.reverse();
        let comparison = Comparison::of(&live, &shadow);
        assert_eq!(comparison.differences, []);
        assert_ne!(comparison.live, comparison.shadow);
    }

    #[test]
    fn every_aspect_is_compared() {
        let live = decision();
        let mut shadow = live.clone();
        shadow.route.action = if live.route.action == Action::None { Action::Queue } else { Action::None };
        shadow.route.queue = Some("elsewhere".to_owned());
        shadow.priority.level = if live.priority.level == Level::Low { Level::High } else { Level::Low };
        shadow.flags.push("zebra".to_owned());
        shadow.analysis.intents.clear();
        shadow.analysis.stage = None;
        shadow.analysis.sentiment.label = match live.analysis.sentiment.label.as_str() {
            "positive" => crate::nlp::labels::SentimentLabel::Negative,
            _ => crate::nlp::labels::SentimentLabel::Positive,
        };
        let found: Vec<Aspect> = Comparison::of(&live, &shadow)
            .differences
            .into_iter()
            .map(|difference| difference.aspect)
            .collect();
        assert_eq!(found, Aspect::ALL);
        assert!(Aspect::ALL.into_iter().all(|aspect| Aspect::from_name(aspect.as_str()) == Some(aspect)));
    }
}
