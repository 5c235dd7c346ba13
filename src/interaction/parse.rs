//! From the wire form to [`Interaction`]: checks, channel cleaning, normalisation, redaction, in this order.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::error::WireError;
use super::fields::{Checked, Content, bad, read};
use super::identity::hash_identity;
use super::model::{Attachment, Author, Channel, CleanText, Interaction, Ratings, Turn};
use super::normalise::normalise;
use super::redact::{redact, redact_attribute, redact_name, redact_together, redact_url};
use super::text::one_line;
use super::wire::{WireAttachment, WireTurn};
use super::{call, chat, email, json, messaging, review, sms, social, survey};

/// What parsing needs from outside.
#[derive(Debug, Clone, Copy)]
pub struct ParseContext<'a> {
    /// When the message came in; stands in for `sent_at`.
    pub received_at: DateTime<Utc>,
    /// Key of the HMAC-SHA256 that identities are kept as.
    pub identity_key: &'a [u8],
    /// Which fields are required.
    pub mode: Mode<'a>,
}

/// Which fields are required.
#[derive(Debug, Clone, Copy)]
pub enum Mode<'a> {
    /// From the broker: `schema`, `message_id` and `conversation_id` are required.
    Queue,
    /// From a file or by hand: what is missing is filled in.
    Fill(Fallback<'a>),
}

/// What stands in for absent fields.
#[derive(Debug, Clone, Copy)]
pub struct Fallback<'a> {
    /// For an absent `message_id`.
    pub message_id: &'a str,
    /// For an absent `conversation_id`.
    pub conversation_id: &'a str,
    /// For an absent `channel`; with `mime` it is `email` in any case. None: an absent channel is an error.
    pub channel: Option<Channel>,
}

/// Reads one message: validated, cleaned for its channel, normalised, redacted.
///
/// # Errors
/// A [`WireError`] that names the field; permanent, so the message is to be parked. Never panics, whatever the bytes.
pub fn parse(body: &[u8], context: &ParseContext<'_>) -> Result<Interaction, WireError> {
    let checked = read(json::object(body)?, context)?;
    build(checked, context)
}

/// What a channel makes of the content.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Cleaned and normalised, not yet redacted.
    pub turns: Vec<Spoken>,
    /// A subject found inside the content.
    pub subject: Option<String>,
    /// Attachments found inside the content.
    pub attachments: Vec<WireAttachment>,
    /// What told that a machine wrote it.
    pub auto_reply: Option<String>,
}

/// One turn before redaction.
#[derive(Debug)]
pub(super) struct Spoken {
    pub speaker: Author,
    pub text: String,
    pub start_ms: Option<u64>,
    pub end_ms: Option<u64>,
    pub confidence: Option<f32>,
}

impl Spoken {
    /// A turn without times.
    pub(super) fn new(speaker: Author, text: String) -> Self {
        Self { speaker, text, start_ms: None, end_ms: None, confidence: None }
    }
}

fn build(checked: Checked, context: &ParseContext<'_>) -> Result<Interaction, WireError> {
    let field = match checked.content {
        Content::Text(_) => "text",
        Content::Turns(_) => "turns",
        Content::Mime(_) => "mime",
    };
    let mut heard = match checked.content {
        Content::Text(text) => hear_text(&text, checked.channel, checked.author, checked.subject.as_deref()),
        Content::Turns(turns) => hear_turns(turns, checked.channel)?,
        Content::Mime(mime) => email::from_mime(&mime, checked.author)?,
    };
    let subject = checked.subject.or(heard.subject).map(|subject| one_line(&normalise(&subject)));
    let mut subject = subject.filter(|subject| !subject.is_empty());
    heard.turns.retain(|turn| !turn.text.is_empty());
    if heard.turns.is_empty()
        && checked.channel == Channel::Email
        && let Some(subject) = subject.take()
    {
        // An e-mail may say all in its subject line.
        heard.turns.push(Spoken::new(checked.author, subject));
    }
    if heard.turns.is_empty() {
        // A score without a comment is an answer; its one turn is empty.
        let scored = matches!(checked.channel, Channel::Survey | Channel::Review)
            && checked.ratings != Ratings::default();
        if !scored {
            return Err(WireError::EmptyText { field });
        }
        heard.turns.push(Spoken::new(checked.author, String::new()));
    }
    redact_turns(&mut subject, &mut heard.turns);
    let attachments = heard.attachments.into_iter().chain(checked.attachments).map(attachment).collect();
    Ok(Interaction {
        message_id: checked.message_id,
        conversation_id: checked.conversation_id,
        customer_id: checked.customer_id,
        identities: identities(&checked.identities, context.identity_key)?,
        channel: checked.channel,
        author: checked.author,
        sent_at: checked.sent_at,
        language_hint: checked.language,
        subject: subject.map(CleanText::new),
        turns: heard.turns.into_iter().map(seal).collect(),
        ratings: checked.ratings,
        attributes: attributes(checked.attributes)?,
        attachments,
        auto_reply: heard.auto_reply,
        unknown_fields: checked.unknown,
    })
}

fn hear_text(text: &str, channel: Channel, author: Author, subject: Option<&str>) -> Heard {
    let turns = match channel {
        Channel::Email => return email::from_text(text, subject, author),
        Channel::Chat => chat::turns(text, author),
        Channel::Call => call::turns(text, author),
        Channel::Messaging => messaging::turns(text, author),
        Channel::Sms => vec![Spoken::new(author, sms::clean(text))],
        Channel::Social => vec![Spoken::new(author, social::clean(text))],
        Channel::Review => vec![Spoken::new(author, review::clean(text))],
        Channel::Survey => vec![Spoken::new(author, survey::clean(text))],
    };
    Heard { turns, ..Heard::default() }
}

fn hear_turns(turns: Vec<WireTurn>, channel: Channel) -> Result<Heard, WireError> {
    let mut spoken = Vec::with_capacity(turns.len());
    for (index, turn) in turns.into_iter().enumerate() {
        let speaker = chat::speaker(&turn.speaker).ok_or_else(|| {
            bad(format!("turns[{index}].speaker"), "is unknown; give customer, agent or bot".to_owned())
        })?;
        let text = match channel {
            Channel::Email => email::clean(&turn.text),
            Channel::Chat => chat::clean(&turn.text),
            Channel::Call => call::clean(&turn.text),
            Channel::Messaging => messaging::clean(&turn.text),
            Channel::Sms => sms::clean(&turn.text),
            Channel::Social => social::clean(&turn.text),
            Channel::Review => review::clean(&turn.text),
            Channel::Survey => survey::clean(&turn.text),
        };
        spoken.push(Spoken {
            speaker,
            text,
            start_ms: turn.start_ms,
            end_ms: turn.end_ms,
            confidence: turn.confidence,
        });
    }
    Ok(Heard { turns: spoken, ..Heard::default() })
}

/// Later rooms read the subject and the customer's turns as one text, and sometimes all turns: so they are redacted.
fn redact_turns(subject: &mut Option<String>, turns: &mut [Spoken]) {
    let mut together = |wanted: &dyn Fn(&Spoken) -> bool, subject: &mut Option<String>| {
        let mut parts: Vec<String> = subject.iter().cloned().collect();
        parts.extend(turns.iter().filter(|turn| wanted(turn)).map(|turn| turn.text.clone()));
        redact_together(&mut parts);
        let mut parts = parts.into_iter();
        if subject.is_some() {
            *subject = parts.next();
        }
        for (turn, text) in turns.iter_mut().filter(|turn| wanted(turn)).zip(parts) {
            turn.text = text;
        }
    };
    together(&|turn| turn.speaker == Author::Customer, subject);
    together(&|turn| turn.speaker != Author::Customer, &mut None);
    together(&|_| true, subject);
}

fn seal(turn: Spoken) -> Turn {
    Turn {
        speaker: turn.speaker,
        text: CleanText::new(turn.text),
        start_ms: turn.start_ms,
        end_ms: turn.end_ms,
        confidence: turn.confidence,
    }
}

fn identities(given: &[String], key: &[u8]) -> Result<Vec<String>, WireError> {
    let mut hashes = Vec::with_capacity(given.len());
    for (index, identity) in given.iter().enumerate() {
        let hash = hash_identity(identity, key).ok_or_else(|| {
            let remedy = "is no identity; give mailto:…, tel:… or whatsapp:… with an address or number";
            bad(format!("identities[{index}]"), remedy.to_owned())
        })?;
        hashes.push(hash);
    }
    hashes.sort_unstable();
    hashes.dedup();
    Ok(hashes)
}

fn attributes(given: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, WireError> {
    let mut attributes = BTreeMap::new();
    for (name, value) in given {
        let redacted = redact(&name);
        if redacted != name {
            let problem = "has personal data in its name; move it into the value".to_owned();
            return Err(bad(format!("attributes.{redacted}"), problem));
        }
        let value = redact_attribute(&name, &normalise(&value));
        attributes.insert(name, value);
    }
    Ok(attributes)
}

fn attachment(given: WireAttachment) -> Attachment {
    let name = given.name.as_deref().map(|name| redact_name(&one_line(&normalise(name))));
    Attachment {
        name: name.filter(|name| !name.is_empty()).unwrap_or_else(|| "attachment".to_owned()),
        media_type: given.media_type.map(|media| redact(&one_line(&normalise(&media)))),
        bytes: given.bytes,
        url: given.url.as_deref().map(redact_url),
    }
}

/// A customer's message of the given channel, made the same way as any other; for examples and tests.
///
/// # Errors
/// As [`parse`]: `empty_text` when there are no words.
pub fn sample(channel: Channel, text: &str) -> Result<Interaction, WireError> {
    let fallback = Fallback { message_id: "m-1", conversation_id: "k-1", channel: Some(channel) };
    let context = ParseContext {
        received_at: DateTime::from_timestamp(1_778_784_300, 0).unwrap_or_default(),
        identity_key: b"sample",
        mode: Mode::Fill(fallback),
    };
    parse(serde_json::json!({ "text": text }).to_string().as_bytes(), &context)
}
