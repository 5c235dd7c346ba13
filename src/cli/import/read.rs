//! Reads the files and hands on what each entry became, on a thread of its own. What is converted is read once as a worker
//! reads it, so that nothing goes out that would be parked.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;

use super::is_stdin;
use crate::cli::analyze::lines::{Line, next_line};
use crate::interaction::import::{
    Format, Found, ImportError, MboxMessage, MboxSplitter, Settings, Table, Threads, Whole, delimiter, json,
    mail, sniff, subtitles,
};
use crate::interaction::{self, Mode, ParseContext, WireInteraction};

/// Bytes a file that is read as a whole, or one e-mail of a mailbox, may have.
const MAX_WHOLE: usize = 64 * 1024 * 1024;
/// Bytes of a file looked at to tell its format.
const HEAD: usize = 64 * 1024;

/// A message in its wire form.
pub(super) struct Ready {
    pub message_id: String,
    /// Customer, else conversation: what it is routed by.
    pub key: String,
    /// One line of JSON.
    pub body: String,
}

/// What an entry became.
pub(super) enum Item {
    Ready(Box<Ready>),
    LeftOut(&'static str),
    Refused { place: String, error: String, class: String },
    Note(String),
    FileDone,
}

/// Nobody takes what is read any more.
struct Gone;

/// Reads files in order.
pub(super) struct Reader {
    settings: Settings,
    format: Option<Format>,
    items: mpsc::Sender<Item>,
    threads: Threads,
    started: DateTime<Utc>,
    mails: u64,
    unattributed: u64,
    /// Too large for a message as they are.
    slimmed: u64,
    /// Without a time.
    untimed: u64,
    attributes: Vec<(String, String)>,
}

impl Reader {
    /// Every interaction gets these attributes where it has none of the name.
    pub(super) fn new(
        settings: Settings,
        format: Option<Format>,
        attributes: Vec<(String, String)>,
        items: mpsc::Sender<Item>,
    ) -> Self {
        let (threads, started) = (Threads::default(), Utc::now());
        Self {
            settings,
            format,
            items,
            threads,
            started,
            mails: 0,
            unattributed: 0,
            slimmed: 0,
            untimed: 0,
            attributes,
        }
    }

    /// Reads them all.
    pub(super) fn files(mut self, paths: &[PathBuf]) {
        for path in paths {
            if self.file(path).is_err() || self.send(Item::FileDone).is_err() {
                return;
            }
        }
        for note in self.notes() {
            if self.send(Item::Note(note)).is_err() {
                return;
            }
        }
    }

    /// What people should know of all of it.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.mails > 0 && self.settings.our_domains.is_empty() {
            notes.push(
                "every e-mail counts as the customer's; --our-domain says which are agents'".to_owned(),
            );
        }
        if self.slimmed > 0 {
            let what =
                "too large for one message, they go with their text and the names of their attachments";
            notes.push(format!("e-mails without their attachments: {}; {what}", self.slimmed));
        }
        if self.unattributed > 0 {
            let what = "all that is said in them counts as the customer's";
            notes.push(format!("transcripts that name no speakers: {}; {what}", self.unattributed));
        }
        if self.untimed > 0 {
            let what = "they count as sent when a worker takes them; --sent-at gives a time";
            notes.push(format!("interactions that state no time: {}; {what}", self.untimed));
        }
        notes
    }

    fn send(&self, item: Item) -> Result<(), Gone> {
        self.items.blocking_send(item).map_err(|_| Gone)
    }

    fn refuse(&self, place: &str, error: &ImportError) -> Result<(), Gone> {
        self.send(Item::Refused {
            place: place.to_owned(),
            error: error.to_string(),
            class: error.class().to_owned(),
        })
    }

    /// The rest of the file cannot be read.
    fn broken(&self, place: &str, what: &str, error: &std::io::Error) -> Result<(), Gone> {
        let class = "not_read".to_owned();
        self.send(Item::Refused { place: place.to_owned(), error: format!("{what}: {error}"), class })
    }

    fn file(&mut self, path: &Path) -> Result<(), Gone> {
        let name = if is_stdin(path) { "standard input".to_owned() } else { path.display().to_string() };
        if path.is_dir() {
            let error = "it is a folder; name the files in it".to_owned();
            return self.send(Item::Refused { place: name, error, class: "not_read".to_owned() });
        }
        let source: Box<dyn Read> = if is_stdin(path) {
            Box::new(std::io::stdin())
        } else {
            match File::open(path) {
                Ok(file) => Box::new(file),
                Err(error) => return self.broken(&name, "it cannot be opened", &error),
            }
        };
        let mut reader = BufReader::with_capacity(HEAD, source);
        let head = match reader.fill_buf() {
            Ok(head) => head,
            Err(error) => return self.broken(&name, "it cannot be read", &error),
        };
        let ending = path.extension().and_then(|ending| ending.to_str());
        let Some(format) = self.format.or_else(|| sniff(ending, head)) else {
            let error = "its format is not clear; name it with --format".to_owned();
            return self.send(Item::Refused { place: name, error, class: "unknown_format".to_owned() });
        };
        match format {
            Format::Mbox => self.mbox(&name, reader),
            Format::Csv => self.table(&name, reader),
            _ => {
                let bytes = match whole(reader) {
                    Ok(Ok(bytes)) => bytes,
                    Ok(Err(error)) => return self.refuse(&name, &error),
                    Err(error) => return self.broken(&name, "it cannot be read", &error),
                };
                let stem = path.file_stem().and_then(|stem| stem.to_str()).filter(|_| !is_stdin(path));
                self.whole(&name, format, &Whole { stem, bytes: &bytes })
            }
        }
    }

    fn whole(&mut self, name: &str, format: Format, whole: &Whole<'_>) -> Result<(), Gone> {
        match format {
            Format::Eml => self.mail(name, whole.bytes, None),
            Format::Vtt | Format::Srt => match subtitles(whole, &self.settings) {
                Ok(found) => {
                    self.unattributed += u64::from(found.unattributed);
                    found.parts.into_iter().try_for_each(|part| self.checked(name, part))
                }
                Err(error) => self.refuse(name, &error),
            },
            _ => {
                let found = json(whole, format, &self.settings);
                self.unattributed += found.unattributed;
                for entry in found.entries {
                    let place =
                        entry.place.map_or_else(|| name.to_owned(), |place| format!("{name}, {place}"));
                    match entry.found {
                        Ok(Found::Interaction(wire)) => self.checked(&place, *wire)?,
                        Ok(Found::LeftOut(why)) => self.send(Item::LeftOut(why))?,
                        Err(error) => self.refuse(&place, &error)?,
                    }
                }
                Ok(())
            }
        }
    }

    fn mail(&mut self, place: &str, raw: &[u8], received: Option<DateTime<Utc>>) -> Result<(), Gone> {
        self.mails += 1;
        match mail(raw, received, &self.settings, &mut self.threads) {
            Ok(wire) => {
                // Base64 of all of it would be longer than the message.
                self.slimmed += u64::from(wire.mime.as_ref().is_some_and(|mime| mime.len() < raw.len()));
                self.checked(place, wire)
            }
            Err(error) => self.refuse(place, &error),
        }
    }

    fn mbox(&mut self, name: &str, mut reader: impl BufRead) -> Result<(), Gone> {
        let mut splitter = MboxSplitter::new(MAX_WHOLE);
        let (mut begun, mut read) = (false, 0);
        loop {
            let line = match next_line(&mut reader, MAX_WHOLE, &mut read) {
                Ok(Some(Line::Whole(line))) => Some(line),
                Ok(Some(Line::TooLong { .. })) => None,
                Ok(None) => break,
                Err(error) => return self.broken(name, "the rest cannot be read", &error),
            };
            let line = line.as_deref();
            if !begun && line.is_some_and(|line| line.trim_ascii().is_empty()) {
                continue;
            }
            if !begun && !line.is_some_and(MboxSplitter::opens) {
                let missing = "no line `From ADDRESS DATE` begins it";
                return self
                    .refuse(name, &ImportError::NotThisFormat { format: "a mailbox (mbox)", missing });
            }
            begun = true;
            if let Some(message) = splitter.push(line) {
                self.boxed(name, message)?;
            }
        }
        splitter.end().map_or(Ok(()), |message| self.boxed(name, message))
    }

    fn boxed(&mut self, name: &str, message: MboxMessage) -> Result<(), Gone> {
        let place = format!("{name}, message {}", message.number);
        match message.raw {
            Some(raw) => self.mail(&place, &raw, message.received),
            None => self.refuse(&place, &ImportError::TooLarge { limit: MAX_WHOLE }),
        }
    }

    fn table(&mut self, name: &str, mut reader: BufReader<Box<dyn Read>>) -> Result<(), Gone> {
        let head = match reader.fill_buf() {
            Ok(head) => head,
            Err(error) => return self.broken(name, "it cannot be read", &error),
        };
        if head.starts_with(&[0xFF, 0xFE]) || head.starts_with(&[0xFE, 0xFF]) {
            return self.refuse(name, &ImportError::Utf16);
        }
        let first = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let delimiter = named_delimiter(first).unwrap_or_else(|| delimiter(first));
        let mut named = named_delimiter(first).is_some();
        let mut rows = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .from_reader(reader)
            .into_byte_records();
        let mut table: Option<Table> = None;
        for record in &mut rows {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    return self.broken(name, "the rest cannot be read", &std::io::Error::other(error));
                }
            };
            // That line says no more than this.
            if std::mem::take(&mut named) {
                continue;
            }
            let line = record.position().map_or(0, csv::Position::line);
            let place = format!("{name}, line {line}");
            let cells: Result<Vec<&str>, ImportError> = record
                .iter()
                .map(|cell| {
                    std::str::from_utf8(cell)
                        .map_err(|error| ImportError::NotUtf8 { at: error.valid_up_to() })
                })
                .collect();
            match (cells, &mut table) {
                (Ok(cells), Some(table)) => match table.row(&cells) {
                    Ok(Found::Interaction(wire)) => self.checked(&place, *wire)?,
                    Ok(Found::LeftOut(why)) => self.send(Item::LeftOut(why))?,
                    Err(error) => self.refuse(&place, &error)?,
                },
                (Err(error), Some(_)) => self.refuse(&place, &error)?,
                (cells, None) => match cells.and_then(|cells| Table::of(&cells, &self.settings)) {
                    Ok(known) => {
                        self.tell_unknown(name, &known)?;
                        table = Some(known);
                    }
                    Err(error) => return self.refuse(name, &error),
                },
            }
        }
        if table.is_none() {
            return self.send(Item::LeftOut("empty files"));
        }
        Ok(())
    }

    fn tell_unknown(&self, name: &str, table: &Table) -> Result<(), Gone> {
        if table.unknown().is_empty() {
            return Ok(());
        }
        let columns: Vec<String> = table.unknown().iter().map(|name| format!("`{name}`")).collect();
        let note = format!(
            "{name}: these columns are left out: {}; --map FIELD=COLUMN takes one in, attributes.NAME for facts of your own",
            columns.join(", ")
        );
        self.send(Item::Note(note))
    }

    /// Read once as a worker will, so that what would be parked is told now.
    fn checked(&mut self, place: &str, mut wire: WireInteraction) -> Result<(), Gone> {
        self.untimed += u64::from(wire.sent_at.is_none());
        for (name, value) in &self.attributes {
            wire.attributes.entry(name.clone()).or_insert_with(|| value.clone());
        }
        let context = ParseContext { received_at: self.started, identity_key: b"import", mode: Mode::Queue };
        let body = serde_json::to_string(&wire).unwrap_or_default();
        match interaction::parse(body.as_bytes(), &context) {
            Ok(found) => self.send(Item::Ready(Box::new(Ready {
                key: found.routing_key().to_owned(),
                message_id: found.message_id,
                body,
            }))),
            Err(error) => self.send(Item::Refused {
                place: place.to_owned(),
                error: error.to_string(),
                class: error.class().to_owned(),
            }),
        }
    }
}

/// The separator that a first line `sep=;` names, which some spreadsheets write.
fn named_delimiter(line: &[u8]) -> Option<u8> {
    let line = line.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(line);
    match line.strip_prefix(b"sep=")?.strip_suffix(b"\r").unwrap_or(line.strip_prefix(b"sep=")?) {
        [delimiter] if delimiter.is_ascii() => Some(*delimiter),
        _ => None,
    }
}

/// All of it, unless it is too long.
fn whole(reader: impl Read) -> std::io::Result<Result<Vec<u8>, ImportError>> {
    let mut bytes = Vec::new();
    reader.take(MAX_WHOLE as u64 + 1).read_to_end(&mut bytes)?;
    Ok(if bytes.len() > MAX_WHOLE { Err(ImportError::TooLarge { limit: MAX_WHOLE }) } else { Ok(bytes) })
}
