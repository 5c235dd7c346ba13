//! `smista spikes`: topics that rose against their own past, with the hours before.

use std::io::Write as _;

use chrono::Utc;
use serde_json::{Value, json};

use super::since::Since;
use super::style::{BAD, DIM, HEADING, paint};
use super::{Outcome, row, setup};
use crate::config::Config;
use crate::journey::spikes::ratio;
use crate::store::Spike;

/// List topics that rose against their own past.
#[derive(Debug, Clone, clap::Args)]
#[command(
    long_about = "List topics that rose against their own past.\n\n\
        A topic is an intent, or a phrase that several customers use. Each line is a topic and an hour (UTC, by when the \
        messages were sent): how many messages there are by now, how many were to be expected, and the 24 hours up to \
        that one. Below it are some of the messages, as far as they are still kept.",
    after_help = "Examples:\n  \
        smista spikes\n  \
        smista spikes --since 24h --state sqlite:customers.db\n  \
        smista spikes --since 2026-05-01 --json | jq '.spikes[].topic'"
)]
pub struct Args {
    /// How far back: a span such as 24h or 7d, a day, or a moment
    #[arg(long, value_name = "SPAN", default_value = "7d")]
    pub since: Since,
    /// Database to look into [default: store.url of the configuration]
    #[arg(long, value_name = "sqlite:FILE")]
    pub state: Option<String>,
    /// One JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

/// Runs it.
pub async fn run(args: Args, mut config: Config) -> anyhow::Result<Outcome> {
    let since = args.since.moment(Utc::now());
    let store = setup::kept(&mut config, args.state.as_deref()).await?;
    let spikes = store.spikes(since).await?;
    let mut out = anstream::stdout();
    if args.json {
        let spikes: Vec<Value> = spikes.iter().map(object).collect();
        writeln!(out, "{}", json!({ "since": since, "spikes": spikes }))?;
        return Ok(Outcome::Done);
    }
    if spikes.is_empty() {
        let since = since.format("%Y-%m-%d %H:%M");
        writeln!(anstream::stderr(), "no topic has risen above its own past since {since} UTC")?;
        return Ok(Outcome::Done);
    }
    let topics = spikes.iter().map(|spike| spike.topic.name().chars().count());
    let width = topics.max().unwrap_or(0).clamp(5, 40);
    let heading = format!(
        "{:16}  {:width$}  {:>6}  {:>8}  {:>6}  24 hours",
        "hour (UTC)", "topic", "count", "expected", "ratio"
    );
    writeln!(out, "{}", paint(HEADING, &heading))?;
    let room = row::width_of_stdout().saturating_sub(4);
    for spike in &spikes {
        let count = format!("{:>6}", spike.count);
        writeln!(
            out,
            "{:16}  {:width$}  {}  {:>8.1}  {:>6.1}  {}",
            spike.since.format("%Y-%m-%d %H:%M"),
            row::shorten(spike.topic.name(), width),
            paint(BAD, &count),
            spike.expected,
            ratio(spike.count, spike.expected),
            sparkline(&spike.hours),
        )?;
        for example in &spike.examples {
            let text = row::shorten(&example.text, room.min(120));
            writeln!(out, "    {}", paint(DIM, &text))?;
        }
    }
    Ok(Outcome::Done)
}

fn object(spike: &Spike) -> Value {
    json!({
        "topic": spike.topic.name(),
        "kind": spike.topic.kind(),
        "since": spike.since,
        "raised_at": spike.raised_at,
        "count": spike.count,
        "expected": spike.expected,
        "ratio": ratio(spike.count, spike.expected),
        "hours": spike.hours,
        "examples": spike.examples,
    })
}

/// One block an hour, as high as its share of the highest; nothing is the lowest.
fn sparkline(hours: &[u64]) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = hours.iter().copied().max().unwrap_or(0).max(1);
    hours
        .iter()
        .map(|count| {
            let step = usize::try_from((count * 7).div_ceil(most)).unwrap_or(7);
            BLOCKS.get(step).copied().unwrap_or('█')
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_as_blocks() {
        for (hours, expected) in
            [(&[][..], ""), (&[0, 0][..], "▁▁"), (&[0, 1, 5, 10][..], "▁▂▅█"), (&[0, 1][..], "▁█")]
        {
            assert_eq!(sparkline(hours), expected, "{hours:?}");
        }
    }
}
