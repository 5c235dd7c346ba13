//! `smista import`: files of other systems in, interactions out: as JSON lines, or published to the exchange that producers
//! use. A thread reads and converts; entries that cannot be read are named and stop nothing.

mod read;
mod sink;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use clap::ValueEnum;
use tokio::sync::mpsc;

use self::read::{Item, Reader};
use self::sink::Sink;
use super::analyze::ChannelArg;
use super::style::{BAD, WARN, paint};
use super::{Outcome, WrongUse};
use crate::config::Config;
use crate::interaction::import::{DayOrder, FIELDS, Format, Settings, is_field};

/// Entries read ahead of those written.
const AHEAD: usize = 64;
/// What the command line calls standard input.
const STDIN: &str = "-";

/// Turn files of other systems into interactions.
#[derive(Debug, Clone, clap::Args)]
#[command(
    long_about = "Turn files of other systems into interactions.\n\n\
        E-mails, tables, transcripts and chats become JSON lines for `smista analyze`, or with --publish messages for the workers. \
        Ids are made from what is in the files: importing a file again gives the same ids, and workers decide each \
        message once. An entry that cannot be read is named on standard error and stops nothing; then the exit code is 1. \
        docs/import.md has what becomes of each format.",
    after_help = "Examples:\n  \
        smista import --our-domain shop.example archive.mbox | smista analyze\n  \
        smista import --channel review --map text=Body --map rating=Stars reviews.csv\n  \
        smista import --agent \"Sara Conti\" calls/*.vtt --output calls.jsonl\n  \
        smista import --publish --our-domain shop.example mails/*.eml\n  \
        smista import --attribute imported=yes --publish contact-lens/*.json\n  \
        ssh mail cat archive.mbox | smista import --format mbox -"
)]
pub struct Args {
    /// Files to read; - for standard input, with --format
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// What they are
    #[arg(long, short, value_name = "FORMAT", value_enum, default_value = "auto")]
    pub format: FormatArg,
    /// E-mails from this domain, or from below it, are agents'; may be given several times
    #[arg(long, value_name = "DOMAIN", value_parser = domain)]
    pub our_domain: Vec<String>,
    /// This speaker of a transcript is an agent; may be given several times
    #[arg(long, value_name = "NAME")]
    pub agent: Vec<String>,
    /// This column of a table is that field, as in text=Body; may be given several times
    #[arg(long, value_name = "FIELD=COLUMN", value_parser = mapping)]
    pub map: Vec<(String, String)>,
    /// Channel where the file states none [default: call for transcripts]
    #[arg(long, value_name = "CHANNEL", value_enum)]
    pub channel: Option<ChannelArg>,
    /// Language where the file states none, such as it or en-GB
    #[arg(long, value_name = "LANGUAGE")]
    pub language: Option<String>,
    /// Time where the file states none, such as 2026-05-14T18:45:00Z
    #[arg(long, value_name = "TIME")]
    pub sent_at: Option<DateTime<Utc>>,
    /// A fact for the policy on every interaction, as in imported=yes; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = attribute)]
    pub attribute: Vec<(String, String)>,
    /// Order of days like 05/06/2026 in tables: dmy or mdy [default: none; such a row is refused]
    #[arg(long, value_name = "ORDER", value_enum, hide_possible_values = true)]
    pub dates: Option<Dates>,
    /// Zone of times that name none [default: journey.time_zone of the configuration]
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<Tz>,
    /// File for the JSON lines [default: standard output]
    #[arg(long, short, value_name = "FILE", conflicts_with = "publish")]
    pub output: Option<PathBuf>,
    /// Send them to RabbitMQ instead, each confirmed by the broker
    #[arg(long)]
    pub publish: bool,
    /// With --publish: the counts as one JSON object on standard output
    #[arg(long, requires = "publish")]
    pub json: bool,
}

/// An order of day and month on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Dates {
    /// 14/05/2026
    Dmy,
    /// 05/14/2026
    Mdy,
}

impl From<Dates> for DayOrder {
    fn from(dates: Dates) -> Self {
        match dates {
            Dates::Dmy => Self::DayMonthYear,
            Dates::Mdy => Self::MonthDayYear,
        }
    }
}

/// A format on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// By name and content
    Auto,
    /// One e-mail
    Eml,
    /// Mailbox of e-mails (mboxrd, mboxo)
    Mbox,
    /// Table with a heading; comma, semicolon, tab or bar
    Csv,
    /// Transcript in WebVTT
    Vtt,
    /// Transcript in SubRip
    Srt,
    /// Transcript of openai-whisper, faster-whisper, whisperX or whisper.cpp, in JSON
    Whisper,
    /// Result of Amazon Transcribe Call Analytics
    Transcribe,
    /// File of Amazon Connect Contact Lens, call or chat
    ContactLens,
    /// Conversations or messages of Chatwoot, as its interface or webhooks give them
    Chatwoot,
    /// Interactions, as this command writes them
    Interactions,
}

impl FormatArg {
    fn format(self) -> Option<Format> {
        match self {
            Self::Auto => None,
            Self::Eml => Some(Format::Eml),
            Self::Mbox => Some(Format::Mbox),
            Self::Csv => Some(Format::Csv),
            Self::Vtt => Some(Format::Vtt),
            Self::Srt => Some(Format::Srt),
            Self::Whisper => Some(Format::Whisper),
            Self::Transcribe => Some(Format::Transcribe),
            Self::ContactLens => Some(Format::ContactLens),
            Self::Chatwoot => Some(Format::Chatwoot),
            Self::Interactions => Some(Format::Interactions),
        }
    }
}

fn domain(text: &str) -> Result<String, String> {
    let domain = text.trim().trim_start_matches('@').trim_end_matches('.').to_lowercase();
    let fit = !domain.is_empty() && !domain.contains('@') && !domain.chars().any(char::is_whitespace);
    if fit { Ok(domain) } else { Err("give a domain such as shop.example".to_owned()) }
}

fn mapping(text: &str) -> Result<(String, String), String> {
    let (field, column) = text.split_once('=').ok_or("give FIELD=COLUMN, as in text=Body")?;
    let (field, column) = (field.trim(), column.trim());
    if !is_field(field) {
        return Err(format!(
            "there is no field {field}; give one of {} or attributes.NAME",
            FIELDS.join(", ")
        ));
    }
    if column.is_empty() {
        return Err(format!("which column is {field}? give FIELD=COLUMN, as in text=Body"));
    }
    Ok((field.to_owned(), column.to_owned()))
}

fn attribute(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("give NAME=VALUE, as in imported=yes")?;
    if name.trim().is_empty() {
        return Err("which attribute? give NAME=VALUE, as in imported=yes".to_owned());
    }
    Ok((name.trim().to_owned(), value.to_owned()))
}

/// What came of it, for the end.
#[derive(Debug, Default)]
struct Counts {
    files: u64,
    interactions: u64,
    left_out: BTreeMap<&'static str, u64>,
    refused: u64,
}

impl Counts {
    fn in_words(&self) -> String {
        let counted =
            |number: u64, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
        let mut text =
            format!("{} from {}", counted(self.interactions, "interaction"), counted(self.files, "file"));
        if !self.left_out.is_empty() {
            let reasons: Vec<String> =
                self.left_out.iter().map(|(why, number)| format!("{why} ({number})")).collect();
            text.push_str(&format!("; left out: {}", reasons.join(", ")));
        }
        if self.refused > 0 {
            text.push_str(&format!("; {}", paint(BAD, &format!("refused: {}", self.refused))));
        }
        text
    }
}

/// Converts every file; `Failed` when any entry was refused.
pub async fn run(args: Args, config: Config) -> anyhow::Result<Outcome> {
    let settings = settings(&args, &config)?;
    let mut sink = Sink::open(&args, &config).await?;
    let (sender, mut items) = mpsc::channel(AHEAD);
    let reader = Reader::new(settings, args.format.format(), args.attribute.clone(), sender);
    let files = args.files.clone();
    std::thread::Builder::new()
        .name("smista-reader".to_owned())
        .spawn(move || reader.files(&files))
        .context("the reader thread cannot start")?;

    let mut counts = Counts::default();
    let bar = sink.progress();
    while let Some(item) = items.recv().await {
        match item {
            Item::Ready(ready) => {
                sink.take(&ready).await?;
                counts.interactions += 1;
                bar.set_position(counts.interactions);
            }
            Item::LeftOut(why) => *counts.left_out.entry(why).or_default() += 1,
            Item::Refused { place, error, class } => {
                counts.refused += 1;
                let line = format!("{} {place}: {error} ({class})", paint(BAD, "refused:"));
                bar.suspend(|| writeln!(anstream::stderr(), "{line}"))?;
            }
            Item::Note(note) => {
                let line = format!("{} {note}", paint(WARN, "note:"));
                bar.suspend(|| writeln!(anstream::stderr(), "{line}"))?;
            }
            Item::FileDone => counts.files += 1,
        }
    }
    sink.finish().await?;
    bar.finish_and_clear();
    if args.json {
        let summary = serde_json::json!({
            "files": counts.files, "published": counts.interactions, "left_out": counts.left_out, "refused": counts.refused
        });
        writeln!(anstream::stdout(), "{summary}")?;
    } else {
        let sent = if args.publish { ", sent and confirmed" } else { "" };
        writeln!(anstream::stderr(), "{}{sent}", counts.in_words())?;
    }
    Ok(if counts.refused == 0 { Outcome::Done } else { Outcome::Failed })
}

fn settings(args: &Args, config: &Config) -> anyhow::Result<Settings> {
    let stdin = args.files.iter().filter(|file| file.as_os_str() == STDIN).count();
    if stdin > 0 && args.format == FormatArg::Auto {
        return Err(
            WrongUse("what standard input holds is not known; name it with --format".to_owned()).into()
        );
    }
    if stdin > 1 {
        return Err(WrongUse("standard input (-) can be read once; name it once".to_owned()).into());
    }
    let mut columns = BTreeMap::new();
    for (field, column) in &args.map {
        if let Some(other) = columns.insert(field.clone(), column.clone()) {
            return Err(
                WrongUse(format!("--map gives {field} two columns, {other} and {column}; give one")).into()
            );
        }
    }
    let zone = config.journey.time_zone.parse().context("journey.time_zone is no zone")?;
    Ok(Settings {
        our_domains: args.our_domain.clone(),
        agents: args.agent.clone(),
        columns,
        channel: args.channel.map(|channel| channel.0),
        language: args.language.clone(),
        sent_at: args.sent_at,
        day_order: args.dates.map(DayOrder::from),
        zone: args.time_zone.unwrap_or(zone),
    })
}

/// Whether this path stands for standard input.
fn is_stdin(path: &std::path::Path) -> bool {
    path.as_os_str() == STDIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_and_mappings() {
        assert_eq!(domain("@Shop.Example."), Ok("shop.example".to_owned()));
        assert!(domain("a@b").is_err() && domain(" ").is_err());
        assert_eq!(mapping("text= Body "), Ok(("text".to_owned(), "Body".to_owned())));
        assert_eq!(mapping("attributes.tier=Tier"), Ok(("attributes.tier".to_owned(), "Tier".to_owned())));
        assert_eq!(attribute("imported=a=b"), Ok(("imported".to_owned(), "a=b".to_owned())));
        assert!(attribute("=x").is_err() && attribute("x").is_err());
        for bad in ["text", "words=Body", "text=", "attributes.=x"] {
            assert!(mapping(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn counts_in_words() {
        let mut counts = Counts { files: 1, interactions: 1, ..Counts::default() };
        assert_eq!(counts.in_words(), "1 interaction from 1 file");
        counts.left_out.insert("empty rows", 2);
        counts.interactions = 0;
        assert_eq!(counts.in_words(), "0 interactions from 1 file; left out: empty rows (2)");
    }
}
