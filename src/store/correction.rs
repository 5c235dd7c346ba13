//! What a person said a message should have been.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::interaction::Interaction;
use crate::nlp::labels::{SentimentLabel, Stage};
use crate::routing::correction::Right;
use crate::routing::decision::Level;

/// A correction of one message. What it leaves out was right, or nobody looked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Correction {
    /// Its own id; recording the same one twice changes nothing.
    pub correction_id: Uuid,
    /// The message.
    pub message_id: String,
    /// When it was made.
    pub corrected_at: DateTime<Utc>,
    /// Who made it.
    pub corrected_by: String,
    /// The right sentiment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentiment: Option<SentimentLabel>,
    /// The right intents, the most specific first; empty when nobody could tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intents: Option<Vec<String>>,
    /// The right stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// The right priority level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Level>,
    /// The right queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Correction {
    /// What it says is right.
    pub fn right(&self) -> Right {
        Right {
            sentiment: self.sentiment,
            intents: self.intents.clone(),
            stage: self.stage,
            priority: self.priority,
            queue: self.queue.clone(),
        }
    }

    /// Takes over what an earlier correction of the message says and this one does not, so that the latest one says all.
    pub fn over(mut self, earlier: &Self) -> Self {
        self.sentiment = self.sentiment.or(earlier.sentiment);
        self.intents = self.intents.or_else(|| earlier.intents.clone());
        self.stage = self.stage.or(earlier.stage);
        self.priority = self.priority.or(earlier.priority);
        self.queue = self.queue.or_else(|| earlier.queue.clone());
        self
    }
}

/// `smista.correction.v1`: a correction as it is published. Fields may be added, never renamed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CorrectionMessage {
    /// Always `smista.correction.v1`.
    pub schema: String,
    /// The decision that was looked at.
    pub decision_id: Uuid,
    /// The decision that takes its place; absent when it was confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<Uuid>,
    /// The message's conversation.
    pub conversation_id: String,
    /// What was said.
    #[serde(flatten)]
    pub correction: Correction,
}

/// Name of the form.
pub const SCHEMA: &str = "smista.correction.v1";

/// A correction with the redacted message it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Corrected {
    /// The correction.
    pub correction: Correction,
    /// The message.
    pub interaction: Interaction,
}
