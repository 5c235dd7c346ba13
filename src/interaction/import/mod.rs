//! Files of other systems as interactions: e-mails, tables, transcripts, chats. Makes the wire form and nothing else: what comes
//! out is read by [`parse`](super::parse()) like any producer's message. Ids are made from the content alone, so that the
//! same file gives the same ids. Pure: it gets bytes, lines or cells, and opens nothing.

mod amazon;
mod chatwoot;
mod error;
mod ids;
mod json;
mod mail;
mod mbox;
mod sniff;
mod speakers;
mod split;
mod subtitles;
mod table;
mod times;
mod transcript;
mod whisper;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

pub use error::ImportError;
pub use json::{Entries, json};
pub use mail::{Threads, mail};
pub use mbox::{MboxMessage, MboxSplitter};
pub use sniff::{Format, sniff};
pub use subtitles::subtitles;
pub use table::{FIELDS, Table, delimiter, is_field};
pub use times::DayOrder;

use super::model::Channel;
use super::wire::{SCHEMA, WireInteraction};
use super::{Author, MAX_BYTES};

/// What the files do not say themselves.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Domains of the contact centre, lower case; an e-mail from one of them or from below it is an agent's.
    pub our_domains: Vec<String>,
    /// Names of speakers who are agents.
    pub agents: Vec<String>,
    /// Column names of a table by field.
    pub columns: BTreeMap<String, String>,
    /// Channel where the file states none.
    pub channel: Option<Channel>,
    /// Language where the file states none, BCP 47.
    pub language: Option<String>,
    /// Time where the file states none.
    pub sent_at: Option<DateTime<Utc>>,
    /// Order of days written in figures, such as 05/06/2026; without it they are none.
    pub day_order: Option<DayOrder>,
    /// Zone of times that name none.
    pub zone: Tz,
}

/// A file read as a whole.
#[derive(Debug, Clone, Copy)]
pub struct Whole<'a> {
    /// Its name without folder and ending; none where it has no name.
    pub stem: Option<&'a str>,
    /// What is in it.
    pub bytes: &'a [u8],
}

/// What one entry of a file became.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// A message.
    Interaction(Box<WireInteraction>),
    /// Nothing to analyse, with the reason in the plural: `private notes`.
    LeftOut(&'static str),
}

/// An entry of a file with several.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Where in the file: `line 3`, `message 81`; none for all of it.
    pub place: Option<String>,
    /// What it became.
    pub found: Result<Found, ImportError>,
}

impl From<WireInteraction> for Found {
    fn from(interaction: WireInteraction) -> Self {
        Self::Interaction(Box::new(interaction))
    }
}

/// What a transcript gives: one interaction, or several where it is longer than one may be.
#[derive(Debug, Clone, PartialEq)]
pub struct Transcribed {
    /// In order.
    pub parts: Vec<WireInteraction>,
    /// It named no speakers, so that all of it counts as the customer's.
    pub unattributed: bool,
    /// What in it has no words, each with the reason.
    pub left_out: Vec<&'static str>,
}

/// An interaction with its ids and nothing said yet.
fn blank(message_id: String, conversation_id: String, channel: Channel) -> WireInteraction {
    WireInteraction {
        schema: SCHEMA.to_owned(),
        message_id,
        conversation_id,
        customer_id: None,
        identities: Vec::new(),
        channel,
        author: Author::Customer,
        sent_at: None,
        language: None,
        text: None,
        turns: None,
        mime: None,
        subject: None,
        nps: None,
        csat: None,
        ces: None,
        rating: None,
        attributes: BTreeMap::new(),
        attachments: Vec::new(),
    }
}

/// Bytes it has on the wire.
fn size(interaction: &WireInteraction) -> usize {
    // Its fields are all of kinds that JSON has.
    serde_json::to_vec(interaction).map_or(MAX_BYTES + 1, |body| body.len())
}

/// UTF-8, without the mark that some programs put before it.
fn utf8(bytes: &[u8]) -> Result<&str, ImportError> {
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(ImportError::Utf16);
    }
    let text =
        std::str::from_utf8(bytes).map_err(|error| ImportError::NotUtf8 { at: error.valid_up_to() })?;
    Ok(text.strip_prefix('\u{FEFF}').unwrap_or(text))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_json;
