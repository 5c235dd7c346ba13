//! The domain form of what arrived: everything later rooms may know about a message.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// Live chat on a site or in an app.
    Chat,
    /// E-mail.
    Email,
    /// Telephone call transcript.
    Call,
    /// Text message.
    Sms,
    /// Messaging app.
    Messaging,
    /// Public or private post on a social network.
    Social,
    /// Review on a shop, map or app store.
    Review,
    /// Survey answer.
    Survey,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Self; 8] = [
        Self::Chat,
        Self::Email,
        Self::Call,
        Self::Sms,
        Self::Messaging,
        Self::Social,
        Self::Review,
        Self::Survey,
    ];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Email => "email",
            Self::Call => "call",
            Self::Sms => "sms",
            Self::Messaging => "messaging",
            Self::Social => "social",
            Self::Review => "review",
            Self::Survey => "survey",
        }
    }
}

impl std::fmt::Display for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who wrote or spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Author {
    /// The customer.
    #[default]
    Customer,
    /// A person of the contact centre.
    Agent,
    /// A machine of the contact centre.
    Bot,
}

/// Text that has been cleaned and redacted. Only `interaction/` makes it, so whoever holds one cannot leak what was
/// redacted (invariant I4).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CleanText(String);

impl CleanText {
    /// For the cleaning code of this room only.
    pub(in crate::interaction) fn new(redacted: String) -> Self {
        Self(redacted)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One speaker's turn. A plain message is one turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// Who.
    pub speaker: Author,
    /// What.
    pub text: CleanText,
    /// Start in the recording, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_ms: Option<u64>,
    /// End in the recording, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_ms: Option<u64>,
    /// The transcriber's confidence, 0…1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f32>,
}

/// Scores the customer gave.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Ratings {
    /// Likelihood to recommend, 0…10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nps: Option<u8>,
    /// Satisfaction, 1…5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csat: Option<u8>,
    /// Customer effort score, 1…7 (7 = easy).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ces: Option<u8>,
    /// Stars, 1…5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rating: Option<u8>,
}

/// Something attached to a message; carried on to the agent, never opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attachment {
    /// File name, redacted.
    pub name: String,
    /// Media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Size in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Where the producer keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// A message ready for analysis: valid, clean, redacted. Serialised as it stands into the store, so a decision can be
/// made again from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Interaction {
    /// The producer's id: the idempotency key.
    pub message_id: String,
    /// Thread, call or ticket.
    pub conversation_id: String,
    /// The customer, where the producer knows.
    pub customer_id: Option<String>,
    /// Keyed hashes (hex) of the identities, sorted.
    pub identities: Vec<String>,
    /// How it came.
    pub channel: Channel,
    /// Who wrote it.
    pub author: Author,
    /// When it was sent; the time of receipt when the producer did not say.
    pub sent_at: DateTime<Utc>,
    /// The producer's language hint, BCP 47.
    pub language_hint: Option<String>,
    /// Subject line.
    pub subject: Option<CleanText>,
    /// At least one.
    pub turns: Vec<Turn>,
    /// Scores given.
    pub ratings: Ratings,
    /// Producer's attributes, values redacted; visible to the policy.
    pub attributes: BTreeMap<String, String>,
    /// Carried to the agent.
    pub attachments: Vec<Attachment>,
    /// Set when a machine wrote it (out of office, bounce, receipt): what told so, e.g. `header:auto-submitted`.
    pub auto_reply: Option<String>,
    /// Fields the wire form does not know; counted, then left out.
    #[serde(skip)]
    pub unknown_fields: Vec<String>,
}

impl Interaction {
    /// The text that is analysed: the subject line, if any, and the customer's turns, one a line. When nobody but
    /// the contact centre speaks, its turns. Spans in decisions count Unicode scalar values in this text.
    pub fn document(&self) -> String {
        let customers = || self.turns.iter().filter(|turn| turn.speaker == Author::Customer);
        let any_customer = customers().next().is_some();
        let turns: Vec<&str> = if any_customer {
            customers().map(|turn| turn.text.as_str()).collect()
        } else {
            self.turns.iter().map(|turn| turn.text.as_str()).collect()
        };
        let subject = self.subject.as_ref().map(CleanText::as_str).filter(|text| !text.is_empty());
        subject.into_iter().chain(turns).collect::<Vec<_>>().join("\n")
    }

    /// Who takes effect in order (invariant I3): the customer if known, else the conversation.
    pub fn routing_key(&self) -> &str {
        self.customer_id.as_deref().unwrap_or(&self.conversation_id)
    }
}
