//! `smista export`: what was decided, what arrived, or how customers stand, as a flat table for analysts. Rows go from the
//! store to the file a page at a time, so that a year takes the memory of a row group.

mod decisions;
mod interactions;
mod journeys;
mod lines;
mod parquet;
mod table;

use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use clap::ValueEnum;

use self::table::{Column, Head, Sheet};
use super::since::Since;
use super::style::{GOOD, WARN, paint};
use super::{Hinted, Outcome, WrongUse, setup};
use crate::config::Config;
use crate::store::{Order, Span, Store, Walk};

/// Customers on a page; a journey is larger than a decision.
const CUSTOMERS: u32 = 50;

/// Write decisions, interactions or journeys to a file for analysis.
#[derive(Debug, Clone, clap::Args)]
#[command(
    long_about = "Write decisions, interactions or journeys to a file for analysis.\n\n\
        One row per decision, per message or per customer, as Parquet, CSV or JSON lines. Texts are redacted, as everywhere; \
        --without-text leaves them out altogether. The file is written under a name ending in .part and gets its own name \
        when it is whole. docs/export.md has every column.",
    after_help = "Examples:\n  \
        smista export decisions --since 30d --out decisions.parquet\n  \
        smista export interactions --since 2026-05-01 --until 2026-06-01 --without-text --out may.csv\n  \
        smista export journeys --since 365d --format jsonl --out customers.json --force\n  \
        duckdb -c \"SELECT channel, avg(sentiment_score) FROM 'decisions.parquet' GROUP BY 1\""
)]
pub struct Args {
    /// Which rows
    #[arg(value_enum)]
    pub what: What,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// How [default: by the ending of the file: .parquet, .csv or .jsonl]
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub format: Option<Format>,
    /// Decided (journeys: changed) since: 24h, 30d, 4w, a day such as 2026-05-14, or a moment
    #[arg(long, value_name = "SINCE", default_value = "30d")]
    pub since: Since,
    /// Up to here, itself left out [default: now]
    #[arg(long, value_name = "UNTIL")]
    pub until: Option<Since>,
    /// Leave out what people wrote, and what quotes it
    #[arg(long)]
    pub without_text: bool,
    /// Replace a file that is there
    #[arg(long)]
    pub force: bool,
    /// Database to read [default: store.url of the configuration]
    #[arg(long, value_name = "sqlite:FILE")]
    pub state: Option<String>,
}

/// What can be exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// A row per decision
    Decisions,
    /// A row per message
    Interactions,
    /// A row per customer
    Journeys,
}

impl What {
    fn name(self) -> &'static str {
        match self {
            Self::Decisions => "decisions",
            Self::Interactions => "interactions",
            Self::Journeys => "journeys",
        }
    }
}

/// Format of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Apache Parquet, Snappy
    Parquet,
    /// RFC 4180, with a heading
    Csv,
    /// One JSON object a line
    Jsonl,
}

impl Format {
    fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "parquet" => Some(Self::Parquet),
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            _ => None,
        }
    }
}

/// Runs it.
pub async fn run(args: Args, mut config: Config) -> anyhow::Result<Outcome> {
    let Some(format) = args.format.or_else(|| Format::of(&args.out)) else {
        let file = args.out.display();
        return Err(WrongUse(format!(
            "{file} has no ending that says which format: give --format parquet, csv or jsonl"
        ))
        .into());
    };
    let (since, until) = args.since.span(args.until)?;
    if args.out.is_dir() {
        return Err(WrongUse(format!("{} is a folder: name a file in --out", args.out.display())).into());
    }
    if !args.force && args.out.exists() {
        let file = args.out.display();
        return Err(WrongUse(format!("{file} is there already: name another file, or give --force")).into());
    }
    let store = setup::kept(&mut config, args.state.as_deref()).await?;
    let part = part(&args.out);
    let span = Span { since, until, order: Order::Time };
    let written = match write(&args, format, &part, store, span).await {
        Ok(written) => written,
        Err(error) => {
            // What is half written helps nobody; that it could not be removed is not the error to tell.
            let _ = std::fs::remove_file(&part);
            return Err(error);
        }
    };
    std::fs::rename(&part, &args.out).with_context(|| unwritable(&args.out))?;
    let mut err = anstream::stderr();
    if written == 0 {
        writeln!(err, "{} there is nothing to export in that span", paint(WARN, "note:"))?;
    }
    let what = args.what.name();
    writeln!(err, "{} {written} {what} in {}", paint(GOOD, "written:"), args.out.display())?;
    Ok(Outcome::Done)
}

fn part(out: &Path) -> PathBuf {
    let mut name: OsString = out.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

fn unwritable(path: &Path) -> Hinted {
    Hinted::new(
        format!("{} cannot be written", path.display()),
        "name a file in a folder that is there and has room",
    )
}

async fn write(
    args: &Args,
    format: Format,
    part: &Path,
    store: Arc<dyn Store>,
    span: Span,
) -> anyhow::Result<u64> {
    let open = |heads: Vec<Head>| -> anyhow::Result<Box<dyn Sheet>> {
        let file = File::create(part).with_context(|| unwritable(part))?;
        Ok(match format {
            Format::Parquet => Box::new(parquet::Parquet::new(file, heads, args.what.name())?),
            Format::Csv => Box::new(lines::Csv::new(file, heads)?),
            Format::Jsonl => Box::new(lines::JsonLines::new(file, heads)),
        })
    };
    let bar = setup::counter(args.what.name());
    let mut written = 0;
    match args.what {
        What::Decisions | What::Interactions => {
            let columns = match args.what {
                What::Decisions => decisions::columns(),
                _ => interactions::columns(),
            };
            let columns = chosen(columns, args.without_text);
            let mut sheet = open(table::heads(&columns))?;
            let mut walk = Walk::new(store, span);
            while let Some(page) = walk.next().await.context("the database cannot be read to the end")? {
                for past in &page {
                    sheet.add(table::row(&columns, past)).with_context(|| unwritable(part))?;
                }
                written += page.len() as u64;
                bar.inc(page.len() as u64);
            }
            sheet.finish().with_context(|| unwritable(part))?;
            if let Some(unread) = walk.unread() {
                writeln!(
                    anstream::stderr(),
                    "{} {unread}; they are not in the file",
                    paint(WARN, "warning:")
                )?;
            }
        }
        What::Journeys => {
            let columns = chosen(journeys::columns(), args.without_text);
            let mut sheet = open(table::heads(&columns))?;
            let mut after = String::new();
            loop {
                let page = store.journeys(&span, &after, CUSTOMERS).await;
                let page = page.context("the database cannot be read to the end")?;
                let Some(last) = page.last() else { break };
                after.clone_from(
                    last.as_ref().map_or_else(|lost| &lost.customer, |last| &last.state.customer),
                );
                for known in &page {
                    match known {
                        Ok(known) => {
                            sheet.add(table::row(&columns, known)).with_context(|| unwritable(part))?;
                            written += 1;
                        }
                        Err(lost) => writeln!(
                            anstream::stderr(),
                            "{} {lost}; it is not in the file",
                            paint(WARN, "warning:")
                        )?,
                    }
                }
                bar.inc(page.len() as u64);
            }
            sheet.finish().with_context(|| unwritable(part))?;
        }
    }
    bar.finish_and_clear();
    Ok(written)
}

fn chosen<R>(mut columns: Vec<Column<R>>, without_text: bool) -> Vec<Column<R>> {
    columns.retain(|column| !(without_text && column.kind == table::Kind::Words));
    columns
}

/// A time in milliseconds since 1970, as in the file.
fn millis(at: DateTime<Utc>) -> i64 {
    at.timestamp_millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_documented_in_its_order() {
        let text = include_str!("../../../docs/export.md");
        let documented = |heading: &str| -> Vec<(String, String)> {
            let (_, rest) = text.split_once(&format!("\n## {heading}\n")).unwrap();
            let section = rest.split("\n## ").next().unwrap();
            let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
            rows.map(|row| {
                let mut cells = row.split('|').map(|cell| cell.trim().trim_end_matches('`').to_owned());
                (cells.next().unwrap(), cells.next().unwrap())
            })
            .collect()
        };
        let told = |heads: Vec<Head>| -> Vec<(String, String)> {
            heads.into_iter().map(|head| (head.name.to_owned(), head.told())).collect()
        };
        assert_eq!(documented("Decisions"), told(table::heads(&decisions::columns())));
        assert_eq!(documented("Interactions"), told(table::heads(&interactions::columns())));
        assert_eq!(documented("Journeys"), told(table::heads(&journeys::columns())));
    }

    #[test]
    fn the_ending_says_the_format() {
        for (name, format) in [
            ("a.parquet", Some(Format::Parquet)),
            ("b.x.csv", Some(Format::Csv)),
            ("c", None),
            ("d.txt", None),
        ] {
            assert_eq!(Format::of(Path::new(name)), format, "{name}");
        }
        assert_eq!(part(Path::new("x/a.csv")), Path::new("x/a.csv.part"));
    }
}
