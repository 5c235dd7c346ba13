//! `smista map`: the journey map, of all customers or of one.

mod grid;
mod personal;

use std::io::Write as _;

use anyhow::Context as _;
use clap::ValueEnum;
use serde_json::json;

use super::analyze::ChannelArg;
use super::since::Since;
use super::style::{WARN, paint};
use super::{Hinted, Outcome, setup};
use crate::config::Config;
use crate::journey::map::{Cell, Filter, Measure};
use crate::store::journey_map;

/// Messages of a customer that are shown, the latest.
const MOMENTS: u32 = 500;

/// Show the journey map, of all customers or of one.
#[derive(Debug, Clone, clap::Args)]
#[command(
    long_about = "Show the journey map, of all customers or of one.\n\n\
        The general map has a cell for each stage and channel: contacts, mean sentiment and effort, the share of journeys \
        that end there with something left open, the share of contacts that bring the same problem again, and the share of \
        first contacts that settle it. What is made of fewer than five is a dash. Messages count by when they were sent. \
        With --customer it is the timeline of one. docs/maps.md has the formulas and the JSON.",
    after_help = "Examples:\n  \
        smista map\n  \
        smista map --since 7d --by drop-off\n  \
        smista map --since 2026-05-01 --until 2026-06-01 --language it --json | jq .total\n  \
        smista map --customer c-1001"
)]
pub struct Args {
    /// Sent since: 24h, 30d, 4w, a day such as 2026-05-14, or a moment
    #[arg(long, value_name = "SINCE", default_value = "30d")]
    pub since: Since,
    /// Up to here, itself left out [default: now]
    #[arg(long, value_name = "UNTIL")]
    pub until: Option<Since>,
    /// Count contacts through this channel only
    #[arg(long, value_name = "CHANNEL", value_enum)]
    pub channel: Option<ChannelArg>,
    /// Count contacts in this language only, as en or it
    #[arg(long, value_name = "CODE")]
    pub language: Option<String>,
    /// What the grid shows; the list below it has everything
    #[arg(long, value_name = "FIGURE", value_enum, default_value = "contacts")]
    pub by: Figure,
    /// The timeline of this customer instead
    #[arg(long, value_name = "ID", conflicts_with_all = ["since", "until", "channel", "language", "by"])]
    pub customer: Option<String>,
    /// Database to read [default: store.url of the configuration]
    #[arg(long, value_name = "sqlite:FILE")]
    pub state: Option<String>,
    /// One JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

/// A figure of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Figure {
    /// How many there are
    Contacts,
    /// Mean sentiment
    Sentiment,
    /// Mean effort
    Effort,
    /// Journeys that end there unmet
    DropOff,
    /// The same problem again
    Repeat,
    /// Settled at first contact
    Resolution,
}

impl Figure {
    /// Its value; none where there are too few.
    fn of(self, cell: &Cell) -> Option<f64> {
        let measure = match self {
            Self::Contacts => Measure::Contacts,
            Self::Sentiment => Measure::Sentiment,
            Self::Effort => Measure::Effort,
            Self::DropOff => Measure::DropOff,
            Self::Repeat => Measure::Repeat,
            Self::Resolution => Measure::Resolution,
        };
        measure.of(cell)
    }

    fn told(self) -> &'static str {
        match self {
            Self::Contacts => "contacts",
            Self::Sentiment => "mean sentiment, −1…1",
            Self::Effort => "mean effort, 0…1",
            Self::DropOff => "drop-off: journeys that end there unmet",
            Self::Repeat => "repeat rate: the same problem again",
            Self::Resolution => "first-contact resolution",
        }
    }
}

/// Runs it.
pub async fn run(args: Args, mut config: Config) -> anyhow::Result<Outcome> {
    let (since, until) = args.since.span(args.until)?;
    let store = setup::kept(&mut config, args.state.as_deref()).await?;
    let mut out = anstream::stdout();
    if let Some(customer) = &args.customer {
        let found = store.timeline(customer, MOMENTS).await.context("the database stopped answering")?;
        let timeline = found.ok_or_else(|| {
            Hinted::new(
                format!("there is no customer {customer} in this database"),
                "check the id and the database (--state, or store.url in smista.toml)",
            )
        })?;
        let text = if args.json { serde_json::to_string(&timeline)? } else { personal::text(&timeline) };
        writeln!(out, "{text}")?;
        return Ok(Outcome::Done);
    }
    let filter = Filter { channel: args.channel.map(|channel| channel.0), language: args.language.clone() };
    let bar = setup::counter("messages");
    let map = journey_map(store.as_ref(), since, until, filter, |rows| bar.inc(rows));
    let map = map.await.context("the database stopped answering")?;
    bar.finish_and_clear();
    let unmapped = store.unmapped().await.context("the database stopped answering")?;
    let mut err = anstream::stderr();
    if args.json {
        let mut object = json!({
            "since": since, "until": until, "channel": args.channel.map(|channel| channel.0),
            "language": args.language, "unmapped": unmapped,
        });
        if let (Some(object), serde_json::Value::Object(map)) =
            (object.as_object_mut(), serde_json::to_value(&map)?)
        {
            object.extend(map);
        }
        writeln!(out, "{object}")?;
    } else if map.total.contacts > 0 {
        writeln!(out, "{}", grid::text(&map, args.by))?;
    }
    if map.total.contacts == 0 {
        writeln!(err, "{} there are no contacts in that span", paint(WARN, "note:"))?;
    }
    if unmapped > 0 {
        let note = "messages were decided before there was a map: `smista console index` takes them in";
        writeln!(err, "{} {unmapped} {note}", paint(WARN, "note:"))?;
    }
    Ok(Outcome::Done)
}
