//! The wire form `smista.interaction.v1`, as producers write it, and its JSON Schema. What the fields may hold is
//! checked in `fields`; this type is never handed to a later room.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::json::MAX_BYTES;
use super::model::{Author, Channel};
use super::text::is_unseen;

/// The schema this version reads.
pub const SCHEMA: &str = "smista.interaction.v1";

/// A customer's message, or a conversation, on its way to analysis. Exactly one of `text`, `turns` and `mime` is
/// given. Fields not named here are left out and counted. At most 1 MiB of UTF-8, nested at most 32 levels deep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(
    title = "smista.interaction.v1",
    extend("oneOf" = [{"required": ["text"]}, {"required": ["turns"]}, {"required": ["mime"]}])
)]
pub struct WireInteraction {
    /// Names this form and its version.
    #[schemars(extend("const" = "smista.interaction.v1"))]
    pub schema: String,
    /// The producer's unique id: the idempotency key. No control or invisible characters.
    #[schemars(length(min = 1, max = 200))]
    pub message_id: String,
    /// Thread, call or ticket. A call or chat may come piece by piece under one id.
    #[schemars(length(min = 1, max = 200))]
    pub conversation_id: String,
    /// The customer, where known; else `identities` are looked up, else the conversation stands for the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub customer_id: Option<String>,
    /// Addresses of the customer: `mailto:…`, `tel:…`, `whatsapp:…`. Stitched to one customer, kept as keyed hashes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(max = 320)))]
    pub identities: Vec<String>,
    /// How the message came.
    pub channel: Channel,
    /// Who wrote it; `customer` when absent.
    #[serde(default)]
    pub author: Author,
    /// When it was sent, RFC 3339; the time of receipt when absent. Not before 2000, at most a year ahead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<DateTime<Utc>>,
    /// Language hint, BCP 47, such as `it` or `en-GB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 35), regex(pattern = r"^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*$"))]
    pub language: Option<String>,
    /// Plain text. May be empty only on a survey or review that carries a score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Speaker turns, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2000))]
    pub turns: Option<Vec<WireTurn>>,
    /// An RFC 5322 message in base64; channel `email` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("contentEncoding" = "base64", "contentMediaType" = "message/rfc822"))]
    pub mime: Option<String>,
    /// Subject line; else the one of `mime`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2000))]
    pub subject: Option<String>,
    /// Likelihood to recommend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10))]
    pub nps: Option<u8>,
    /// Satisfaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 5))]
    pub csat: Option<u8>,
    /// Customer effort score; 7 is easy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 7))]
    pub ces: Option<u8>,
    /// Stars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 5))]
    pub rating: Option<u8>,
    /// Facts for the policy; names up to 64 bytes, values up to 1024.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub attributes: BTreeMap<String, String>,
    /// Carried on to the agent, never opened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub attachments: Vec<WireAttachment>,
}

/// Bytes an id may have.
pub(super) const MAX_ID: usize = 200;

/// The `message_id` of a body that may otherwise be wrong, if it is JSON and has one that could be taken.
pub fn message_id(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        message_id: String,
    }
    if body.len() > MAX_BYTES {
        return None;
    }
    let body = body.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(body);
    // An array would be read as the fields in order.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    let Named { message_id: id } = serde_json::from_slice(body).ok()?;
    (id.len() <= MAX_ID && !id.trim().is_empty() && !id.chars().any(is_unseen)).then_some(id)
}

/// One speaker's turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WireTurn {
    /// `customer`, `agent` or `bot`; the usual other names for them (`client`, `cliente`, `caller`, `operator`,
    /// `operatore`, `assistant`…) are understood.
    #[schemars(length(min = 1, max = 64))]
    pub speaker: String,
    /// What was said.
    pub text: String,
    /// Start in the recording, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_ms: Option<u64>,
    /// End in the recording, milliseconds; not before the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_ms: Option<u64>,
    /// The transcriber's confidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub confidence: Option<f32>,
}

/// Something attached; `name` or `url` is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("anyOf" = [{"required": ["name"]}, {"required": ["url"]}]))]
pub struct WireAttachment {
    /// File name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub name: Option<String>,
    /// Media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 127))]
    pub media_type: Option<String>,
    /// Size in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Where the producer keeps it; no script or data address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2000))]
    pub url: Option<String>,
}

/// The JSON Schema (draft 2020-12) of the wire form.
pub fn schema() -> Value {
    schemars::schema_for!(WireInteraction).to_value()
}
