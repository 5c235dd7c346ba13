//! Strict reading of the wire form's fields: types, ranges, lengths, allowed values. Fields nobody knows are listed,
//! never an error. Cleans and redacts nothing.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};

use super::error::WireError;
use super::json::kind;
use super::model::{Author, Channel, Ratings};
use super::parse::{Mode, ParseContext};
use super::text::{is_unseen, shown};
use super::wire::{MAX_ID, SCHEMA, WireAttachment, WireTurn};

/// Turns one message may have.
pub(super) const MAX_TURNS: usize = 2_000;
const MAX_IDENTITIES: usize = 20;
const MAX_IDENTITY: usize = 320;
const MAX_ATTRIBUTES: usize = 64;
const MAX_ATTRIBUTE_NAME: usize = 64;
const MAX_ATTRIBUTE_VALUE: usize = 1_024;
const MAX_ATTACHMENTS: usize = 100;
const MAX_SUBJECT: usize = 2_000;
const MAX_UNKNOWN: usize = 32;
/// 2000-01-01, before which no contact centre message was sent.
const EARLIEST: i64 = 946_684_800;

/// What somebody said, in one of its three forms.
#[derive(Debug)]
pub(super) enum Content {
    Text(String),
    Turns(Vec<WireTurn>),
    Mime(String),
}

/// The wire form after its checks.
#[derive(Debug)]
pub(super) struct Checked {
    pub message_id: String,
    pub conversation_id: String,
    pub customer_id: Option<String>,
    pub identities: Vec<String>,
    pub channel: Channel,
    pub author: Author,
    pub sent_at: DateTime<Utc>,
    pub language: Option<String>,
    pub content: Content,
    pub subject: Option<String>,
    pub ratings: Ratings,
    pub attributes: BTreeMap<String, String>,
    pub attachments: Vec<WireAttachment>,
    pub unknown: Vec<String>,
}

/// Reads every field of the object.
pub(super) fn read(map: Map<String, Value>, context: &ParseContext<'_>) -> Result<Checked, WireError> {
    let mut unknown = Vec::new();
    let mut fields = Fields { map, prefix: String::new(), unknown: &mut unknown };
    schema(&mut fields, context)?;
    let fallback = match context.mode {
        Mode::Queue => None,
        Mode::Fill(fallback) => Some(fallback),
    };
    let message_id = fields
        .id("message_id")?
        .or_else(|| fallback.map(|fallback| fallback.message_id.to_owned()))
        .ok_or_else(|| missing("message_id", "give the producer's unique id of this message"))?;
    let conversation_id = fields
        .id("conversation_id")?
        .or_else(|| fallback.map(|fallback| fallback.conversation_id.to_owned()))
        .ok_or_else(|| missing("conversation_id", "give the id of the thread, call or ticket"))?;
    let has_mime = fields.map.get("mime").is_some_and(|value| !value.is_null());
    let channel = match fields.string("channel")? {
        Some(name) => channel(&name)?,
        None => fallback
            .and_then(|fallback| if has_mime { Some(Channel::Email) } else { fallback.channel })
            .ok_or_else(|| missing("channel", CHANNELS))?,
    };
    let author = match fields.string("author")? {
        None => Author::Customer,
        Some(name) => author(&name)?,
    };
    let content = content(&mut fields, channel)?;
    let checked = Checked {
        message_id,
        conversation_id,
        customer_id: fields.id("customer_id")?,
        identities: identities(&mut fields)?,
        channel,
        author,
        sent_at: sent_at(&mut fields, context.received_at)?,
        language: language(&mut fields)?,
        content,
        subject: fields.capped("subject", MAX_SUBJECT)?,
        ratings: Ratings {
            nps: fields.score("nps", 0, 10)?,
            csat: fields.score("csat", 1, 5)?,
            ces: fields.score("ces", 1, 7)?,
            rating: fields.score("rating", 1, 5)?,
        },
        attributes: attributes(&mut fields)?,
        attachments: attachments(&mut fields)?,
        unknown: Vec::new(),
    };
    fields.finish();
    Ok(Checked { unknown, ..checked })
}

const CHANNELS: &str = "give one of chat, email, call, sms, messaging, social, review, survey";

fn schema(fields: &mut Fields<'_>, context: &ParseContext<'_>) -> Result<(), WireError> {
    match fields.string("schema")? {
        Some(name) if name == SCHEMA => Ok(()),
        Some(name) => Err(WireError::WrongSchema { found: shown(&name) }),
        None if matches!(context.mode, Mode::Fill(_)) => Ok(()),
        None => Err(missing("schema", "give \"smista.interaction.v1\"")),
    }
}

fn channel(name: &str) -> Result<Channel, WireError> {
    Channel::ALL
        .into_iter()
        .find(|channel| channel.as_str() == name)
        .ok_or_else(|| bad("channel", format!("is `{}`, which is unknown; {CHANNELS}", shown(name))))
}

fn author(name: &str) -> Result<Author, WireError> {
    match name {
        "customer" => Ok(Author::Customer),
        "agent" => Ok(Author::Agent),
        "bot" => Ok(Author::Bot),
        other => Err(bad(
            "author",
            format!("is `{}`, which is unknown; give one of customer, agent, bot", shown(other)),
        )),
    }
}

fn content(fields: &mut Fields<'_>, channel: Channel) -> Result<Content, WireError> {
    const FORMS: [&str; 3] = ["text", "turns", "mime"];
    for name in FORMS {
        if fields.map.get(name).is_some_and(Value::is_null) {
            fields.map.remove(name);
        }
    }
    let given: Vec<&str> = FORMS.into_iter().filter(|name| fields.map.contains_key(*name)).collect();
    match given.as_slice() {
        [] => Err(WireError::NoContent),
        ["text"] => Ok(Content::Text(fields.string("text")?.unwrap_or_default())),
        ["turns"] => turns(fields).map(Content::Turns),
        [_] if channel != Channel::Email => {
            Err(bad("mime", format!("belongs to channel email, this is {channel}; give `text` or `turns`")))
        }
        [_] => Ok(Content::Mime(fields.string("mime")?.unwrap_or_default())),
        several => Err(WireError::SeveralContents { found: several.join(" and ") }),
    }
}

fn turns(fields: &mut Fields<'_>) -> Result<Vec<WireTurn>, WireError> {
    let items = fields.array("turns")?;
    if items.is_empty() {
        return Err(WireError::EmptyText { field: "turns" });
    }
    if items.len() > MAX_TURNS {
        return Err(WireError::TooManyTurns { found: items.len(), limit: MAX_TURNS });
    }
    let mut turns = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        let mut turn = fields.nested("turns", index, item)?;
        let start_ms = turn.unsigned("start_ms")?;
        let end_ms = turn.unsigned("end_ms")?;
        if let (Some(start), Some(end)) = (start_ms, end_ms)
            && end < start
        {
            return Err(bad(
                turn.path("end_ms"),
                "is before `start_ms`; give milliseconds from the start".into(),
            ));
        }
        turns.push(WireTurn {
            speaker: turn
                .capped("speaker", MAX_ATTRIBUTE_NAME)?
                .ok_or_else(|| missing(turn.path("speaker"), "give customer, agent or bot"))?,
            text: turn.string("text")?.ok_or_else(|| missing(turn.path("text"), "give what was said"))?,
            start_ms,
            end_ms,
            confidence: turn.fraction("confidence")?,
        });
        turn.finish();
    }
    Ok(turns)
}

fn identities(fields: &mut Fields<'_>) -> Result<Vec<String>, WireError> {
    let items = fields.array("identities")?;
    cap("identities", items.len(), MAX_IDENTITIES)?;
    let mut identities = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        let path = format!("identities[{index}]");
        match item {
            Value::String(text) if text.len() > MAX_IDENTITY => {
                return Err(WireError::TooLong { field: path, length: text.len(), limit: MAX_IDENTITY });
            }
            Value::String(text) => identities.push(text),
            other => return Err(wrong_type(path, &other, "a string such as \"mailto:…\"")),
        }
    }
    Ok(identities)
}

fn sent_at(fields: &mut Fields<'_>, received_at: DateTime<Utc>) -> Result<DateTime<Utc>, WireError> {
    let Some(text) = fields.capped("sent_at", 64)? else { return Ok(received_at) };
    let time = DateTime::parse_from_rfc3339(text.trim())
        .map_err(|_| bad("sent_at", "is no RFC 3339 time; give one such as 2026-05-14T18:45:00Z".into()))?
        .to_utc();
    if time.timestamp() < EARLIEST {
        return Err(bad("sent_at", "is before the year 2000; check the producer's clock and format".into()));
    }
    if time.signed_duration_since(received_at) > TimeDelta::days(366) {
        return Err(bad(
            "sent_at",
            "is more than a year ahead; check the producer's clock and format".into(),
        ));
    }
    Ok(time)
}

fn language(fields: &mut Fields<'_>) -> Result<Option<String>, WireError> {
    let Some(text) = fields.capped("language", 35)? else { return Ok(None) };
    let tag = text.trim().replace('_', "-");
    let mut subtags = tag.split('-');
    let primary = subtags.next().unwrap_or_default();
    let primary_fits = (2..=8).contains(&primary.len()) && primary.bytes().all(|b| b.is_ascii_alphabetic());
    let rest_fits =
        subtags.all(|s| (1..=8).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_alphanumeric()));
    if primary_fits && rest_fits {
        Ok(Some(tag))
    } else {
        Err(bad("language", "is no BCP 47 tag; give one such as it or en-GB, or leave it out".into()))
    }
}

fn attributes(fields: &mut Fields<'_>) -> Result<BTreeMap<String, String>, WireError> {
    let entries = match fields.take("attributes") {
        None => return Ok(BTreeMap::new()),
        Some(Value::Object(map)) => map,
        Some(other) => return Err(wrong_type("attributes".into(), &other, "an object of strings")),
    };
    cap("attributes", entries.len(), MAX_ATTRIBUTES)?;
    let mut attributes = BTreeMap::new();
    for (name, value) in entries {
        let path = format!("attributes.{}", shown(&name));
        if name.is_empty() || name.len() > MAX_ATTRIBUTE_NAME || name.chars().any(is_unseen) {
            return Err(bad(path, "has no fit name; give 1 to 64 bytes without control characters".into()));
        }
        match value {
            Value::Null => {}
            Value::String(text) if text.len() > MAX_ATTRIBUTE_VALUE => {
                return Err(WireError::TooLong {
                    field: path,
                    length: text.len(),
                    limit: MAX_ATTRIBUTE_VALUE,
                });
            }
            Value::String(text) => {
                attributes.insert(name, text);
            }
            other => return Err(wrong_type(path, &other, "a string")),
        }
    }
    Ok(attributes)
}

fn attachments(fields: &mut Fields<'_>) -> Result<Vec<WireAttachment>, WireError> {
    let items = fields.array("attachments")?;
    cap("attachments", items.len(), MAX_ATTACHMENTS)?;
    let mut attachments = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        let mut part = fields.nested("attachments", index, item)?;
        let attachment = WireAttachment {
            name: part.capped("name", 255)?,
            media_type: part.capped("media_type", 127)?,
            bytes: part.unsigned("bytes")?,
            url: part.capped("url", 2_000)?,
        };
        if attachment.name.is_none() && attachment.url.is_none() {
            return Err(missing(part.path("name"), "give the file's name or its url"));
        }
        if let Some(url) = &attachment.url
            && !safe_url(url)
        {
            return Err(bad(part.path("url"), "is no plain address; give one such as https://…".into()));
        }
        part.finish();
        attachments.push(attachment);
    }
    Ok(attachments)
}

/// An address with a scheme, none that runs or holds content.
fn safe_url(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once(':') else { return false };
    let named =
        !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+.-".contains(&b));
    let runs = ["javascript", "vbscript", "data"].iter().any(|bad| scheme.eq_ignore_ascii_case(bad));
    named && !runs && !rest.is_empty() && !url.chars().any(|c| is_unseen(c) || c.is_whitespace())
}

fn cap(field: &'static str, found: usize, limit: usize) -> Result<(), WireError> {
    if found > limit { Err(WireError::TooMany { field, found, limit }) } else { Ok(()) }
}

pub(super) fn bad(field: impl Into<String>, problem: String) -> WireError {
    WireError::BadValue { field: field.into(), problem }
}

fn missing(field: impl Into<String>, remedy: &'static str) -> WireError {
    WireError::MissingField { field: field.into(), remedy }
}

fn wrong_type(field: String, found: &Value, expected: &'static str) -> WireError {
    WireError::WrongType { field, found: kind(found), expected }
}

/// One object being read; what is left at the end is unknown. A null counts as absent.
struct Fields<'a> {
    map: Map<String, Value>,
    prefix: String,
    unknown: &'a mut Vec<String>,
}

impl Fields<'_> {
    fn path(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name).filter(|value| !value.is_null())
    }

    fn string(&mut self, name: &str) -> Result<Option<String>, WireError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong_type(self.path(name), &other, "a string")),
        }
    }

    fn capped(&mut self, name: &str, limit: usize) -> Result<Option<String>, WireError> {
        let text = self.string(name)?;
        match text {
            Some(text) if text.len() > limit => {
                Err(WireError::TooLong { field: self.path(name), length: text.len(), limit })
            }
            text => Ok(text),
        }
    }

    fn id(&mut self, name: &str) -> Result<Option<String>, WireError> {
        let Some(id) = self.capped(name, MAX_ID)? else { return Ok(None) };
        if id.trim().is_empty() {
            return Err(bad(self.path(name), "is empty; give an id".into()));
        }
        if id.chars().any(is_unseen) {
            return Err(bad(
                self.path(name),
                "has control or invisible characters; give an id without them".into(),
            ));
        }
        Ok(Some(id))
    }

    fn number(&mut self, name: &str) -> Result<Option<f64>, WireError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(number.as_f64()),
            Some(other) => Err(wrong_type(self.path(name), &other, "a number")),
        }
    }

    fn score(&mut self, name: &str, least: u8, most: u8) -> Result<Option<u8>, WireError> {
        let Some(number) = self.number(name)? else { return Ok(None) };
        (least..=most).find(|score| f64::from(*score) == number).map(Some).ok_or_else(|| {
            bad(self.path(name), format!("is out of range; give a whole number {least} to {most}"))
        })
    }

    fn unsigned(&mut self, name: &str) -> Result<Option<u64>, WireError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Number(number)) => number
                .as_u64()
                .map(Some)
                .ok_or_else(|| bad(self.path(name), "is no whole number from 0; give one".into())),
            Some(other) => Err(wrong_type(self.path(name), &other, "a whole number")),
        }
    }

    fn fraction(&mut self, name: &str) -> Result<Option<f32>, WireError> {
        let Some(number) = self.number(name)? else { return Ok(None) };
        if (0.0..=1.0).contains(&number) {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a confidence needs no more than single precision"
            )]
            Ok(Some(number as f32))
        } else {
            Err(bad(self.path(name), "is out of range; give a number from 0 to 1".into()))
        }
    }

    fn array(&mut self, name: &str) -> Result<Vec<Value>, WireError> {
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => Ok(items),
            Some(other) => Err(wrong_type(self.path(name), &other, "an array")),
        }
    }

    fn nested(&mut self, name: &str, index: usize, item: Value) -> Result<Fields<'_>, WireError> {
        let path = format!("{name}[{index}]");
        match item {
            Value::Object(map) => Ok(Fields { map, prefix: format!("{path}."), unknown: self.unknown }),
            other => Err(wrong_type(path, &other, "an object")),
        }
    }

    /// Lists what nobody took, each name once, whichever entry of a list it came from.
    fn finish(self) {
        let place: String = self.prefix.chars().filter(|c| !c.is_ascii_digit()).collect();
        for name in self.map.keys() {
            let name = format!("{place}{}", shown(name));
            if self.unknown.len() < MAX_UNKNOWN && !self.unknown.contains(&name) {
                self.unknown.push(name);
            }
        }
    }
}
