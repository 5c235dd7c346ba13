//! Tables: a heading that names fields, a message in each row.

use std::collections::HashMap;

use super::ids::{digest, hex};
use super::{Found, ImportError, Settings, blank, times};
use crate::interaction::chat;
use crate::interaction::model::{Author, Channel};
use crate::interaction::text::shown;
use crate::interaction::wire::WireInteraction;

/// What a column can be; `attributes.NAME` besides.
pub const FIELDS: [&str; 17] = [
    "message_id",
    "conversation_id",
    "customer_id",
    "email",
    "phone",
    "whatsapp",
    "channel",
    "speaker",
    "author",
    "sent_at",
    "language",
    "subject",
    "text",
    "nps",
    "csat",
    "ces",
    "rating",
];

/// Before the name of an attribute.
const ATTRIBUTE: &str = "attributes.";
/// Names of columns in an error.
const TOLD: usize = 20;

/// Whether a column can be this.
pub fn is_field(name: &str) -> bool {
    FIELDS.contains(&name) || name.strip_prefix(ATTRIBUTE).is_some_and(|name| !name.is_empty())
}

/// What separates the cells of this heading: of comma, semicolon, tab and bar the one that comes most often outside quotes.
pub fn delimiter(heading: &[u8]) -> u8 {
    let mut quoted = false;
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0), (b'|', 0)];
    for byte in heading {
        quoted ^= *byte == b'"';
        if let Some((_, count)) = counts.iter_mut().find(|(delimiter, _)| !quoted && delimiter == byte) {
            *count += 1;
        }
    }
    // The first of several with the same count.
    counts.iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(delimiter, _)| *delimiter)
}

/// A table whose heading was read.
#[derive(Debug)]
pub struct Table {
    /// The field of each column.
    fields: Vec<Option<String>>,
    unknown: Vec<String>,
    /// How often a row without an id has come already.
    seen: HashMap<[u8; 16], u32>,
    settings: Settings,
}

impl Table {
    /// By its heading. Case does not matter, and blanks and hyphens are as underscores.
    ///
    /// # Errors
    /// No column is known, one is there twice, one named by the user is not there, or nothing tells the channel.
    pub fn of(heading: &[&str], settings: &Settings) -> Result<Self, ImportError> {
        let columns: Vec<&str> =
            heading.iter().map(|name| name.trim().trim_start_matches('\u{FEFF}')).collect();
        let mut fields: Vec<Option<String>> = vec![None; columns.len()];
        for (field, column) in &settings.columns {
            let at = columns.iter().position(|name| name.eq_ignore_ascii_case(column.trim()));
            let place = at
                .and_then(|at| fields.get_mut(at))
                .ok_or_else(|| ImportError::NoColumn { column: shown(column), columns: told(&columns) })?;
            *place = Some(field.clone());
        }
        for (place, name) in fields.iter_mut().zip(&columns) {
            let field = match name.get(..ATTRIBUTE.len()) {
                Some(prefix) if prefix.eq_ignore_ascii_case(ATTRIBUTE) => {
                    format!("{ATTRIBUTE}{}", name.get(ATTRIBUTE.len()..).unwrap_or_default().trim())
                }
                _ => name.to_lowercase().replace([' ', '-'], "_"),
            };
            // What the user has named stands for the field alone.
            if place.is_none() && is_field(&field) && !settings.columns.contains_key(&field) {
                *place = Some(field);
            }
        }
        for (at, field) in fields.iter().enumerate() {
            if let Some(field) = field
                && fields.iter().skip(at + 1).flatten().any(|other| other == field)
            {
                return Err(ImportError::TwoColumns { field: shown(field) });
            }
        }
        let has = |wanted: &str| fields.iter().flatten().any(|field| field == wanted);
        if !["text", "subject", "nps", "csat", "ces", "rating"].into_iter().any(has) {
            return Err(ImportError::NoHeading { fields: FIELDS.join(", ") });
        }
        if !has("channel") && settings.channel.is_none() {
            return Err(ImportError::NoChannel);
        }
        let left = fields.iter().zip(&columns).filter(|(field, name)| field.is_none() && !name.is_empty());
        let unknown = left.map(|(_, name)| shown(name)).collect();
        Ok(Self { fields, unknown, seen: HashMap::new(), settings: settings.clone() })
    }

    /// Columns that are left out, since nothing is known of them.
    pub fn unknown(&self) -> &[String] {
        &self.unknown
    }

    /// The next row. Without a `message_id` it gets one made from its cells and from how many such rows came before; without a
    /// `conversation_id` it is a conversation of its own.
    ///
    /// # Errors
    /// It has more or fewer cells than the heading, or one that cannot be read.
    pub fn row(&mut self, cells: &[&str]) -> Result<Found, ImportError> {
        if cells.iter().all(|cell| cell.trim().is_empty()) {
            return Ok(Found::LeftOut("empty rows"));
        }
        let beyond = cells.get(self.fields.len()..).unwrap_or_default();
        if cells.len() < self.fields.len() || beyond.iter().any(|cell| !cell.trim().is_empty()) {
            return Err(ImportError::WrongCells { found: cells.len(), wanted: self.fields.len() });
        }
        let mut row = blank(String::new(), String::new(), self.settings.channel.unwrap_or(Channel::Chat));
        row.sent_at = self.settings.sent_at;
        row.language.clone_from(&self.settings.language);
        let mut has_channel = self.settings.channel.is_some();
        for (field, cell) in self.fields.iter().zip(cells) {
            let value = cell.trim();
            let Some(field) = field.as_deref().filter(|_| !value.is_empty()) else { continue };
            has_channel |= field == "channel";
            set(&mut row, field, value, &self.settings)?;
        }
        if !has_channel {
            return Err(ImportError::NoChannel);
        }
        let scored = row.nps.or(row.csat).or(row.ces).or(row.rating).is_some();
        if row.text.is_none() && (scored || row.subject.is_some()) {
            row.text = Some(String::new());
        }
        if row.message_id.is_empty() {
            row.message_id = self.id(cells);
        }
        if row.conversation_id.is_empty() {
            row.conversation_id.clone_from(&row.message_id);
        }
        Ok(row.into())
    }

    fn id(&mut self, cells: &[&str]) -> String {
        let known =
            self.fields.iter().zip(cells).filter_map(|(field, cell)| Some((field.as_deref()?, cell.trim())));
        let pieces: Vec<&[u8]> = known
            .filter(|(_, cell)| !cell.is_empty())
            .flat_map(|(field, cell)| [field.as_bytes(), cell.as_bytes()])
            .collect();
        let digest = digest(&pieces);
        let times = self.seen.entry(digest).or_default();
        *times += 1;
        format!("row-{}.{times}", hex(digest, 32))
    }
}

fn set(row: &mut WireInteraction, field: &str, value: &str, settings: &Settings) -> Result<(), ImportError> {
    let owned = || Some(value.to_owned());
    match field {
        "message_id" => value.clone_into(&mut row.message_id),
        "conversation_id" => value.clone_into(&mut row.conversation_id),
        "customer_id" => row.customer_id = owned(),
        "email" => row.identities.push(format!("mailto:{}", value.trim_start_matches("mailto:"))),
        "phone" => row.identities.push(format!("tel:{}", value.trim_start_matches("tel:"))),
        "whatsapp" => row.identities.push(format!("whatsapp:{}", value.trim_start_matches("whatsapp:"))),
        "channel" => row.channel = channel(value)?,
        "speaker" => row.author = author("speaker", value)?,
        "author" => row.author = author("author", value)?,
        "sent_at" => {
            let problem = "is no time; write it as 2026-05-14T18:45:00Z or 2026-05-14 18:45, or give --dates for days like 14/05/2026";
            row.sent_at = Some(
                times::read(value, settings.zone, settings.day_order)
                    .ok_or(ImportError::BadCell { field: "sent_at", problem })?,
            );
        }
        "language" => row.language = owned(),
        "subject" => row.subject = owned(),
        "text" => row.text = owned(),
        "nps" => row.nps = Some(score("nps", value, "is no score; give a whole number 0 to 10")?),
        "csat" => row.csat = Some(score("csat", value, "is no score; give a whole number 1 to 5")?),
        "ces" => row.ces = Some(score("ces", value, "is no score; give a whole number 1 to 7")?),
        "rating" => row.rating = Some(score("rating", value, "is no score; give a whole number 1 to 5")?),
        attribute => {
            let name = attribute.strip_prefix(ATTRIBUTE).unwrap_or(attribute);
            row.attributes.insert(name.to_owned(), value.to_owned());
        }
    }
    Ok(())
}

fn channel(value: &str) -> Result<Channel, ImportError> {
    let problem =
        "is none that is known; give one of chat, email, call, sms, messaging, social, review, survey";
    let name = value.to_lowercase().replace("e-mail", "email");
    let known = Channel::ALL.into_iter().find(|channel| channel.as_str() == name);
    known.ok_or(ImportError::BadCell { field: "channel", problem })
}

fn author(field: &'static str, value: &str) -> Result<Author, ImportError> {
    let known = chat::speaker(value);
    known.ok_or(ImportError::BadCell { field, problem: "names nobody known; give customer, agent or bot" })
}

/// `4`, or `4.0` as spreadsheets write it; its range is checked with the rest of the message.
fn score(field: &'static str, value: &str, problem: &'static str) -> Result<u8, ImportError> {
    let whole = value.split_once(['.', ',']).filter(|(_, rest)| rest.bytes().all(|byte| byte == b'0'));
    whole.map_or(value, |(whole, _)| whole).parse().map_err(|_| ImportError::BadCell { field, problem })
}

fn told(columns: &[&str]) -> String {
    let mut told: Vec<String> = columns.iter().take(TOLD).map(|name| format!("`{}`", shown(name))).collect();
    if columns.len() > TOLD {
        told.push(format!("{} more", columns.len() - TOLD));
    }
    told.join(", ")
}
