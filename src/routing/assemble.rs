//! Puts a decision together from what the rooms above found.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::decide::Routing;
use super::decision::{Analysis, Decision, SCHEMA, Versions};
use crate::interaction::Interaction;
use crate::journey::JourneyView;
use crate::journey::model::{GoalView, StageView};
use crate::nlp::Understanding;

/// What a decision is made of.
#[derive(Debug, Clone)]
pub struct Parts<'a> {
    /// What arrived.
    pub interaction: &'a Interaction,
    /// The customer, as stitched.
    pub customer_id: &'a str,
    /// What it means.
    pub understanding: Understanding,
    /// Where the customer stands, with this message folded in.
    pub journey: JourneyView,
    /// The stage now.
    pub stage: Option<StageView>,
    /// The goal now.
    pub goal: Option<GoalView>,
    /// What the policy says.
    pub routing: Routing,
    /// What all this was made with.
    pub versions: Versions,
    /// 1, or higher for a correction.
    pub revision: u32,
    /// Decision this one replaces.
    pub supersedes: Option<Uuid>,
    /// When.
    pub decided_at: DateTime<Utc>,
}

/// The decision as it is published.
pub fn assemble(parts: Parts<'_>) -> Decision {
    let Parts { interaction, understanding, routing, .. } = parts;
    Decision {
        schema: SCHEMA.to_owned(),
        decision_id: Decision::id_for(&interaction.message_id, parts.revision),
        revision: parts.revision,
        supersedes: parts.supersedes,
        message_id: interaction.message_id.clone(),
        conversation_id: interaction.conversation_id.clone(),
        customer_id: parts.customer_id.to_owned(),
        channel: interaction.channel,
        decided_at: parts.decided_at,
        degraded: understanding.degraded,
        analysis: Analysis {
            language: understanding.language,
            sentiment: understanding.sentiment,
            emotions: understanding.emotions,
            intents: understanding.intents,
            abstained: understanding.abstained,
            stage: parts.stage,
            signals: understanding.signals,
            goal: parts.goal,
            complexity: understanding.complexity,
            effort: understanding.effort,
            questions: understanding.questions,
            explanation: None,
        },
        journey: parts.journey,
        priority: routing.priority,
        route: routing.route,
        flags: routing.flags,
        tags: routing.tags,
        reasons: routing.reasons,
        attachments: interaction.attachments.clone(),
        versions: parts.versions,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Facts, Policy};
    use super::*;
    use crate::routing::decision::hash_json;

    /// The published example: what a decision looks like.
    const EXAMPLE: &str = include_str!("../../tests/data/decision.json");

    /// The example's interaction, understanding and journey, decided by the default policy.
    fn decision() -> Decision {
        let mut interaction: serde_json::Value = serde_json::json!({
            "message_id": "01JQ8Z3M5T9W2K", "conversation_id": "k8", "customer_id": "c-1001", "identities": [],
            "channel": "chat", "author": "customer", "sent_at": "2026-05-14T18:45:00Z", "language_hint": null,
            "subject": null, "turns": [], "ratings": {}, "attributes": {"tier": "gold"}, "attachments": [],
            "auto_reply": null,
        });
        interaction["turns"] = serde_json::json!([{"speaker": "customer", "text": "x"}]);
        let interaction: Interaction = serde_json::from_value(interaction).unwrap();
        let example: Decision = serde_json::from_str(EXAMPLE).unwrap();
        let analysis = example.analysis;
        let understanding = Understanding {
            language: analysis.language,
            sentiment: analysis.sentiment,
            emotions: analysis.emotions,
            intents: analysis.intents,
            abstained: analysis.abstained,
            stage: None,
            signals: analysis.signals,
            goal: analysis.goal.as_ref().map(|goal| goal.kind),
            complexity: analysis.complexity,
            effort: analysis.effort,
            questions: analysis.questions,
            turns: Vec::new(),
            embedding: Vec::new(),
            degraded: false,
        };
        let (journey, stage, goal) = (example.journey, analysis.stage, analysis.goal);
        let policy = Policy::embedded_default().unwrap();
        let facts = Facts::gather(&interaction, &understanding, &journey, stage.as_ref(), goal.as_ref());
        let routing = policy.decide(&facts);
        assemble(Parts {
            interaction: &interaction,
            customer_id: "c-1001",
            understanding,
            journey,
            stage,
            goal,
            routing,
            versions: Versions { policy: "default@sha256:…".to_owned(), ..example.versions },
            revision: 1,
            supersedes: None,
            decided_at: "2026-05-14T18:45:00.231Z".parse().unwrap(),
        })
    }

    /// Every path of names in a JSON value; items of a list share one.
    fn names(value: &serde_json::Value, path: &str, found: &mut std::collections::BTreeSet<String>) {
        match value {
            serde_json::Value::Object(object) => {
                for (key, value) in object {
                    let path = format!("{path}.{key}");
                    found.insert(path.clone());
                    names(value, &path, found);
                }
            }
            serde_json::Value::Array(items) => items.iter().for_each(|item| names(item, path, found)),
            _ => {}
        }
    }

    #[test]
    fn a_decision_has_every_name_of_the_published_example() {
        let text = serde_json::to_string(&decision()).unwrap();
        let (mut example, mut made) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
        names(&serde_json::from_str(EXAMPLE).unwrap(), "", &mut example);
        names(&serde_json::from_str(&text).unwrap(), "", &mut made);
        let missing: Vec<_> = example.difference(&made).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn the_whole_decision() {
        let text = serde_json::to_string_pretty(&decision()).unwrap();
        insta::assert_snapshot!(text);
    }

    #[test]
    fn numbers_are_written_short() {
        let text = serde_json::to_string(&decision()).unwrap();
        assert!(text.contains("\"confidence\":0.83") && text.contains("\"score\":-0.81"), "{text}");
        assert!(!text.contains("999") && !text.contains("0000"), "{text}");
    }

    /// Everything in `part` stands in `whole`, too.
    fn contains(whole: &serde_json::Value, part: &serde_json::Value) -> bool {
        match (whole, part) {
            (serde_json::Value::Object(whole), serde_json::Value::Object(part)) => {
                part.iter().all(|(key, part)| whole.get(key).is_some_and(|whole| contains(whole, part)))
            }
            (serde_json::Value::Array(whole), serde_json::Value::Array(part)) => {
                whole.len() == part.len() && whole.iter().zip(part).all(|(whole, part)| contains(whole, part))
            }
            (whole, part) => whole == part,
        }
    }

    #[test]
    fn the_published_example_is_read_and_written_the_same() {
        let example: Decision = serde_json::from_str(EXAMPLE).unwrap();
        let again: serde_json::Value =
            serde_json::from_str(&serde_json::to_string(&example).unwrap()).unwrap();
        assert!(contains(&again, &serde_json::from_str(EXAMPLE).unwrap()), "{again:#}");
    }

    #[test]
    fn the_published_example_is_what_the_default_policy_decides() {
        let (example, made): (Decision, Decision) = (serde_json::from_str(EXAMPLE).unwrap(), decision());
        assert_eq!(made.priority.level, example.priority.level);
        assert_eq!(made.route, example.route);
        assert!(example.flags.iter().all(|flag| made.flags.contains(flag)), "{:?}", made.flags);
        let reason = |decision: &Decision| {
            let reasons = decision.reasons.iter();
            let mut found = reasons.filter(|reason| reason.rule == "repeat-contact-open-goal");
            found.next().map(|reason| (reason.evidence, reason.without))
        };
        assert_eq!(reason(&made), reason(&example));
    }

    #[test]
    fn the_content_hash_is_of_the_content() {
        let decision = decision();
        let hash = decision.content_hash().unwrap();
        let stored: Decision = serde_json::from_str(&serde_json::to_string(&decision).unwrap()).unwrap();
        assert_eq!(stored.content_hash().unwrap(), hash, "a stored decision hashes the same");
        let later = Decision { decided_at: Utc::now(), ..decision.clone() };
        assert_eq!(later.content_hash().unwrap(), hash, "when it was decided does not count");
        let other = Decision { degraded: true, ..decision };
        assert_ne!(other.content_hash().unwrap(), hash);
    }

    #[test]
    fn the_hash_does_not_depend_on_the_order_of_keys() {
        // Written out by hand, so that it holds whatever map serde_json is built with.
        #[derive(serde::Serialize)]
        struct Down {
            b: Inner,
            a: u8,
        }
        #[derive(serde::Serialize)]
        struct Inner {
            d: &'static str,
            c: Vec<u8>,
        }
        #[derive(serde::Serialize)]
        struct Up {
            a: u8,
            b: Renni,
        }
        #[derive(serde::Serialize)]
        struct Renni {
            c: Vec<u8>,
            d: &'static str,
        }
        let down = hash_json(&Down { b: Inner { d: "\"é\n", c: vec![1, 2] }, a: 1 }).unwrap();
        let up = hash_json(&Up { a: 1, b: Renni { c: vec![1, 2], d: "\"é\n" } }).unwrap();
        assert_eq!(down, up);
        let canonical = "{\"a\":1,\"b\":{\"c\":[1,2],\"d\":\"\\\"é\\n\"}}";
        use sha2::{Digest as _, Sha256};
        let hex: String = Sha256::digest(canonical).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(down, format!("sha256:{hex}"));
    }

    #[test]
    fn the_decision_id_follows_from_message_and_revision() {
        let decision = decision();
        assert_eq!(decision.decision_id, Decision::id_for("01JQ8Z3M5T9W2K", 1));
        assert_ne!(decision.decision_id, Decision::id_for("01JQ8Z3M5T9W2K", 2));
        assert_eq!(decision.routing_key(), "urgent.technical.chat");
    }

    #[test]
    fn the_schema_accepts_what_is_published() {
        let schema = serde_json::to_value(crate::routing::schema()).unwrap();
        let text = serde_json::to_string(&decision()).unwrap();
        let made: serde_json::Value = serde_json::from_str(&text).unwrap();
        let known = schema["properties"].as_object().unwrap();
        for key in made.as_object().unwrap().keys() {
            assert!(known.contains_key(key), "{key}");
        }
        for key in schema["required"].as_array().unwrap() {
            assert!(made.get(key.as_str().unwrap()).is_some(), "{key}");
        }
    }
}
