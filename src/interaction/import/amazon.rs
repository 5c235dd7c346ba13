//! Amazon Transcribe Call Analytics (post-call) and Amazon Connect Contact Lens, calls and chats: JSON with `Transcript`,
//! whose turns name a role or a participant of a role. Their own sentiment, categories and summaries are left where they are.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::ids::{digest, hex, taken};
use super::json::string;
use super::transcript::speaker;
use super::{ImportError, Settings, Transcribed, Whole, blank, split, times};
use crate::interaction::model::{Author, Channel};
use crate::interaction::wire::{WireAttachment, WireTurn};

const ATTACHMENTS: usize = 100;

/// A call of Amazon Transcribe Call Analytics; the conversation is the job.
pub(super) fn call_analytics(
    value: &Value,
    whole: &Whole<'_>,
    settings: &Settings,
) -> Result<Transcribed, ImportError> {
    read(value, string(value, &["JobName"]), "a result of Amazon Transcribe Call Analytics", whole, settings)
}

/// A call or chat of Contact Lens, or a chat transcript of Amazon Connect; the conversation is the contact.
pub(super) fn contact_lens(
    value: &Value,
    whole: &Whole<'_>,
    settings: &Settings,
) -> Result<Transcribed, ImportError> {
    let contact = string(value, &["CustomerMetadata", "ContactId"]).or_else(|| string(value, &["ContactId"]));
    read(value, contact, "a file of Contact Lens", whole, settings)
}

fn read(
    value: &Value,
    conversation: Option<String>,
    format: &'static str,
    whole: &Whole<'_>,
    settings: &Settings,
) -> Result<Transcribed, ImportError> {
    let list = value
        .get("Transcript")
        .and_then(Value::as_array)
        .ok_or(ImportError::NotThisFormat { format, missing: "it has no `Transcript`" })?;
    let roles: HashMap<String, Author> = value
        .get("Participants")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|one| {
            Some((string(one, &["ParticipantId"])?, role(&string(one, &["ParticipantRole"])?)?))
        })
        .collect();
    let begun = list.iter().filter_map(absolute).min();
    let (mut turns, mut attachments, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
    for (at, item) in list.iter().enumerate() {
        if let Some(why) = wordless(item) {
            attachments.extend(attached(item));
            left_out.push(why);
            continue;
        }
        let bad = |problem| ImportError::BadItem { item: "turn", number: at + 1, problem };
        let text = item
            .get("Content")
            .and_then(Value::as_str)
            .ok_or(bad("has no `Content`; give the file as it was written"))?;
        let participant = string(item, &["ParticipantId"]);
        let known = string(item, &["ParticipantRole"]).as_deref().and_then(role);
        let known =
            known.or_else(|| participant.as_ref().and_then(|id| roles.get(id).copied().or_else(|| role(id))));
        let author = known.ok_or(bad("names no role; `Participants` should say which it is"))?;
        let since =
            |time: DateTime<Utc>| u64::try_from(time.signed_duration_since(begun?).num_milliseconds()).ok();
        turns.push(WireTurn {
            speaker: speaker(author).to_owned(),
            text: text.trim().to_owned(),
            start_ms: item
                .get("BeginOffsetMillis")
                .and_then(Value::as_u64)
                .or_else(|| absolute(item).and_then(since)),
            end_ms: item.get("EndOffsetMillis").and_then(Value::as_u64),
            confidence: None,
        });
    }
    turns.retain(|turn| !turn.text.is_empty());
    for turn in &mut turns {
        turn.end_ms = turn.end_ms.filter(|end| turn.start_ms.is_none_or(|start| *end >= start));
    }
    if turns.is_empty() {
        return Err(ImportError::NoWords);
    }
    let content = hex(digest(&[whole.bytes]), 16);
    let conversation = conversation.as_deref().and_then(taken).or_else(|| whole.stem.and_then(taken));
    let conversation = conversation.unwrap_or_else(|| format!("transcript-{content}"));
    let channel = match string(value, &["Channel"]).as_deref() {
        Some("CHAT") => Channel::Chat,
        Some("VOICE") => Channel::Call,
        _ if begun.is_some() => settings.channel.unwrap_or(Channel::Chat),
        _ => settings.channel.unwrap_or(Channel::Call),
    };
    let mut interaction = blank(format!("{conversation}.{content}"), conversation, channel);
    interaction.language = string(value, &["LanguageCode"]).or_else(|| settings.language.clone());
    interaction.sent_at = begun.or_else(|| whole.stem.and_then(times::in_name)).or(settings.sent_at);
    attachments.truncate(ATTACHMENTS);
    interaction.attachments = attachments;
    Ok(Transcribed { parts: split::parts(&interaction, turns)?, unattributed: false, left_out })
}

fn role(name: &str) -> Option<Author> {
    match name {
        "CUSTOMER" => Some(Author::Customer),
        "AGENT" | "SUPERVISOR" => Some(Author::Agent),
        "SYSTEM" | "CUSTOM_BOT" | "BOT" => Some(Author::Bot),
        _ => None,
    }
}

/// When a turn of a chat was sent.
fn absolute(item: &Value) -> Option<DateTime<Utc>> {
    times::read(&string(item, &["AbsoluteTime"])?, chrono_tz::UTC, None)
}

/// What an item without words of its own is.
fn wordless(item: &Value) -> Option<&'static str> {
    let kind = string(item, &["Type"]).unwrap_or_default();
    let content = string(item, &["ContentType"]).unwrap_or_default();
    match kind.as_str() {
        "EVENT" => Some("chat events"),
        "ATTACHMENT" => Some("messages without words"),
        // JSON for a form of the chat window.
        _ if content.contains("interactive") => Some("interactive messages"),
        _ => None,
    }
}

fn attached(item: &Value) -> Vec<WireAttachment> {
    let list = item.get("Attachments").and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|one| {
        let name = string(one, &["AttachmentName"]).filter(|name| name.len() <= 255)?;
        let media_type = string(one, &["ContentType"]).filter(|media_type| media_type.len() <= 127);
        Some(WireAttachment { name: Some(name), media_type, bytes: None, url: None })
    })
    .collect()
}
