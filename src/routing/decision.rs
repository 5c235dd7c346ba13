//! `smista.decision.v1`: what is published. Fields may be added, never renamed.

use chrono::{DateTime, SecondsFormat, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::interaction::{Attachment, Channel};
use crate::journey::model::{GoalView, JourneyView, StageView};
use crate::nlp::explain::Explained;
use crate::nlp::labels::Emotion;
use crate::nlp::understanding::{Complexity, Language, Scored, Sentiment, Signal, SignalSource};

/// Value of `schema`.
pub const SCHEMA: &str = "smista.decision.v1";

/// Name space of decision ids (UUID version 5 over `message_id/revision`).
const NAMESPACE: Uuid = Uuid::from_u128(0x7b0c_52d6_6f1e_4d1b_9a55_73a1_1d2f_9e04);

/// A routing decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// Always `smista.decision.v1`.
    pub schema: String,
    /// Derived from `message_id` and `revision`: the same however often the message is delivered.
    pub decision_id: Uuid,
    /// 1 for the first decision of a message; corrections count up.
    pub revision: u32,
    /// Decision this one replaces in meaning.
    pub supersedes: Option<Uuid>,
    /// The interaction.
    pub message_id: String,
    /// Its conversation.
    pub conversation_id: String,
    /// Its customer, as stitched.
    pub customer_id: String,
    /// How it came.
    pub channel: Channel,
    /// When it was decided.
    #[serde(serialize_with = "millis")]
    pub decided_at: DateTime<Utc>,
    /// What it means.
    pub analysis: Analysis,
    /// Where the customer stands.
    pub journey: JourneyView,
    /// How urgent.
    pub priority: Priority,
    /// Who takes it.
    pub route: Route,
    /// For supervisors.
    pub flags: Vec<String>,
    /// Free labels set by the policy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Why, in the order the rules matched.
    pub reasons: Vec<Reason>,
    /// Carried on to the agent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// What made this decision.
    pub versions: Versions,
    /// Made without the engine.
    pub degraded: bool,
}

/// The analysis as published: the message's own meaning, with stage and goal set against the journey.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Analysis {
    /// Language.
    pub language: Language,
    /// Sentiment.
    pub sentiment: Sentiment,
    /// Strongest first.
    pub emotions: Vec<Scored<Emotion>>,
    /// Up to three.
    pub intents: Vec<Scored<String>>,
    /// No intent was sure enough.
    pub abstained: bool,
    /// Where the customer stands now; none until something places them.
    pub stage: Option<StageView>,
    /// Facts found.
    pub signals: Vec<Signal>,
    /// What the customer is after.
    pub goal: Option<GoalView>,
    /// Who can handle it.
    pub complexity: Complexity,
    /// 0…1.
    pub effort: f32,
    /// Not answered yet.
    pub questions: Vec<String>,
    /// The words that carried the labels; absent when this decision was not explained (`engine.explain`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Vec<Explained>>,
}

/// Priority level, lowest first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Can wait.
    Low,
    /// In turn.
    #[default]
    Normal,
    /// Before others.
    High,
    /// Now.
    Urgent,
}

impl Level {
    /// Every level, lowest first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Normal, Self::High, Self::Urgent];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Urgent => "urgent",
        }
    }
}

/// Priority.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Priority {
    /// Level.
    pub level: Level,
    /// 0…1; orders messages of one level.
    pub score: f32,
}

/// What to do with the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// A bot or an article can answer.
    SelfService,
    /// Into a queue.
    Queue,
    /// A person at once.
    Escalate,
    /// Nothing to do.
    None,
}

impl Action {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SelfService => "self_service",
            Self::Queue => "queue",
            Self::Escalate => "escalate",
            Self::None => "none",
        }
    }
}

/// Where it goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Route {
    /// What.
    pub action: Action,
    /// Queue name; none when the action is `none`.
    pub queue: Option<String>,
    /// Skills the agent needs.
    pub skills: Vec<String>,
    /// Language the agent needs.
    pub language: String,
    /// Answer due by.
    pub sla_due_at: Option<DateTime<Utc>>,
}

/// One rule that matched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// Rule name.
    pub rule: String,
    /// For people.
    pub text: String,
    /// Span of the words that carried it, as in `analysis.signals`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<[usize; 2]>,
    /// Priority level had this rule not matched.
    pub without: Level,
}

/// Hashes that make the decision reproducible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Versions {
    /// Pack, `name@sha256:…`.
    pub model: String,
    /// Policy, `name@sha256:…`.
    pub policy: String,
    /// Wire schema version, `v1`.
    pub schema: String,
    /// Hash of the redacted interaction.
    pub input: String,
    /// Hash of the customer's state before this message.
    pub state: String,
    /// Hash of what else it depends on: the settings of journey, persona and languages. None in decisions from before there was
    /// one, and in those of a pipeline that was not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<String>,
}

impl Decision {
    /// The id of a message's decision.
    pub fn id_for(message_id: &str, revision: u32) -> Uuid {
        Uuid::new_v5(&NAMESPACE, format!("{message_id}/{revision}").as_bytes())
    }

    /// What is the same for equal interaction, state, model and policy (invariant I5): the decision without `decided_at`
    /// and without the words shown for it, which are the explanation, the evidence of reasons, and the span of signals
    /// that the model alone saw. Those depend on `engine.explain` and, in their weights, on the machine's arithmetic; all
    /// that routes is there. A decision always has a JSON form; its parts are finite numbers, texts and times.
    pub fn reproducible(&self) -> Result<Value, serde_json::Error> {
        let mut bare = self.clone();
        bare.analysis.explanation = None;
        bare.reasons.iter_mut().for_each(|reason| reason.evidence = None);
        let signals = &mut bare.analysis.signals;
        for signal in signals.iter_mut().filter(|signal| signal.source == SignalSource::Model) {
            (signal.span, signal.text) = (None, None);
        }
        // Signals stand in order of their spans.
        signals.sort_by_key(|signal| signal.name);
        let mut value = serde_json::to_value(bare)?;
        if let Some(object) = value.as_object_mut() {
            object.remove("decided_at");
        }
        Ok(value)
    }

    /// `sha256:…` over what is reproducible of it.
    pub fn content_hash(&self) -> Result<String, serde_json::Error> {
        hash_json(&self.reproducible()?)
    }

    /// AMQP routing key, `<priority>.<queue>.<channel>`.
    pub fn routing_key(&self) -> String {
        let queue = self.route.queue.as_deref().unwrap_or("none");
        format!("{}.{}.{}", self.priority.level.as_str(), queue, self.channel)
    }
}

/// `sha256:…` of the canonical JSON (object keys sorted) of a value. The keys are sorted here, not left to the map that
/// `serde_json` happens to be built with.
pub fn hash_json<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    let mut canonical = Vec::new();
    write_canonical(&serde_json::to_value(value)?, &mut canonical)?;
    let hex: String = Sha256::digest(&canonical).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("sha256:{hex}"))
}

fn write_canonical(value: &Value, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    match value {
        Value::Object(object) => {
            let mut entries: Vec<_> = object.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| key.as_str());
            out.push(b'{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                serde_json::to_writer(&mut *out, key)?;
                out.push(b':');
                write_canonical(value, out)?;
            }
            out.push(b'}');
        }
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_canonical(item, out)?;
            }
            out.push(b']');
        }
        plain => serde_json::to_writer(&mut *out, plain)?,
    }
    Ok(())
}

/// JSON Schema of a decision.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(Decision)
}

fn millis<S: serde::Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&at.to_rfc3339_opts(SecondsFormat::Millis, true))
}
