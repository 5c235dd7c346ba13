//! What a person said a message should have been.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::interaction::Interaction;
use crate::nlp::labels::{SentimentLabel, Stage};

/// A correction of one message. What it leaves out was right, or nobody looked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A correction with the redacted message it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Corrected {
    /// The correction.
    pub correction: Correction,
    /// The message.
    pub interaction: Interaction,
}
