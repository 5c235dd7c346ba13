//! JSON of other systems: which of them wrote it, one document or one on each line, and what its parts become.

use chrono::DateTime;
use serde_json::Value;

use super::{
    Entry, Format, Found, ImportError, Settings, Transcribed, Whole, amazon, chatwoot, transcript, utf8,
    whisper,
};
use crate::interaction::wire::{SCHEMA, WireInteraction};
use crate::interaction::{Mode, ParseContext, parse};

/// What a file of JSON became.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Entries {
    /// In order.
    pub entries: Vec<Entry>,
    /// Transcripts that named no speakers.
    pub unattributed: u64,
}

impl Entries {
    pub(super) fn push(&mut self, place: Option<&str>, found: Result<Found, ImportError>) {
        self.entries.push(Entry { place: place.map(str::to_owned), found });
    }

    fn transcribed(&mut self, place: Option<&str>, found: Result<Transcribed, ImportError>) {
        match found {
            Ok(found) => {
                self.unattributed += u64::from(found.unattributed);
                found.left_out.into_iter().for_each(|why| self.push(place, Ok(Found::LeftOut(why))));
                found.parts.into_iter().for_each(|part| self.push(place, Ok(part.into())));
            }
            Err(error) => self.push(place, Err(error)),
        }
    }
}

/// A file of JSON in the given format, or in the one that it shows itself to be. A file whose first line is JSON by itself
/// has a document on each line.
pub fn json(whole: &Whole<'_>, format: Format, settings: &Settings) -> Entries {
    let mut entries = Entries::default();
    let text = match utf8(whole.bytes) {
        Ok(text) => text,
        Err(error) => {
            entries.push(None, Err(error));
            return entries;
        }
    };
    let failure = match serde_json::from_str::<Value>(text) {
        Ok(value) => {
            document(&value, None, whole, format, settings, &mut entries);
            return entries;
        }
        Err(failure) => failure,
    };
    let mut lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty()).peekable();
    let by_line = lines.peek().is_some_and(|(_, first)| serde_json::from_str::<Value>(first).is_ok());
    if !by_line {
        entries.push(None, Err(not_json(&failure, 0)));
        return entries;
    }
    for (at, line) in lines {
        let place = format!("line {}", at + 1);
        match serde_json::from_str(line) {
            Ok(value) => {
                let stem = whole.stem.map(|stem| format!("{stem}-{}", at + 1));
                let whole = Whole { stem: stem.as_deref(), bytes: line.as_bytes() };
                document(&value, Some(&place), &whole, format, settings, &mut entries);
            }
            Err(failure) => entries.push(Some(&place), Err(not_json(&failure, at))),
        }
    }
    entries
}

fn not_json(error: &serde_json::Error, lines_before: usize) -> ImportError {
    let problem = if error.is_eof() { "it ends too early" } else { "a syntax error" };
    ImportError::NotJson { problem, line: lines_before + error.line(), column: error.column() }
}

fn document(
    value: &Value,
    place: Option<&str>,
    whole: &Whole<'_>,
    format: Format,
    settings: &Settings,
    entries: &mut Entries,
) {
    let known = if format == Format::Json { of(value) } else { Some(format) };
    match known {
        Some(Format::Whisper) => {
            let cues = whisper::cues(value);
            let found = cues.and_then(|(cues, about)| transcript::transcribed(whole, cues, about, settings));
            entries.transcribed(place, found);
        }
        Some(Format::Transcribe) => {
            entries.transcribed(place, amazon::call_analytics(value, whole, settings))
        }
        Some(Format::ContactLens) => entries.transcribed(place, amazon::contact_lens(value, whole, settings)),
        Some(Format::Chatwoot) => chatwoot::messages(value, place, settings, entries),
        Some(Format::Interactions) => entries.push(place, interaction(value)),
        _ => entries.push(place, Err(ImportError::UnknownJson)),
    }
}

/// An interaction as it is, to be published after somebody has looked at it.
fn interaction(value: &Value) -> Result<Found, ImportError> {
    serde_json::from_value::<WireInteraction>(value.clone()).map(Found::from).or_else(|_| {
        // The parser of messages names the field that is wrong.
        let context =
            ParseContext { received_at: DateTime::UNIX_EPOCH, identity_key: b"import", mode: Mode::Queue };
        parse(value.to_string().as_bytes(), &context)?;
        Err(ImportError::UnknownJson)
    })
}

/// Which system writes such JSON.
fn of(value: &Value) -> Option<Format> {
    if value.get("schema").is_some_and(|schema| *schema == SCHEMA) {
        return Some(Format::Interactions);
    }
    let first = |list: &Value| list.get(0).cloned().unwrap_or_default();
    if let Some(turns) = value.get("Transcript").filter(|turns| turns.is_array()) {
        let contact =
            ["CustomerMetadata", "ContactId", "Version"].iter().any(|name| value.get(name).is_some());
        return if contact || first(turns).get("ParticipantId").is_some() {
            Some(Format::ContactLens)
        } else {
            Some(Format::Transcribe)
        };
    }
    if value.get("transcription").or_else(|| value.get("segments")).is_some_and(Value::is_array) {
        return Some(Format::Whisper);
    }
    if ["message_type", "messages", "payload", "data"].iter().any(|name| value.get(name).is_some()) {
        return Some(Format::Chatwoot);
    }
    let item = first(value);
    if item.get("text").is_some() && item.get("start").or_else(|| item.get("offsets")).is_some() {
        return Some(Format::Whisper);
    }
    let chatwoot = item.get("message_type").or_else(|| item.get("messages")).is_some();
    chatwoot.then_some(Format::Chatwoot)
}

/// A string that is not empty; numbers as their figures.
pub(super) fn string(value: &Value, path: &[&str]) -> Option<String> {
    let found = path.iter().try_fold(value, |value, name| value.get(name))?;
    let text = match found {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}
