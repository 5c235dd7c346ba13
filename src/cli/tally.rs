//! What many decisions add up to, for the table at the end of a run.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use comfy_table::{Attribute, Cell, ContentArrangement, Table, presets};

use super::style::{self, paint};
use crate::nlp::labels::{SentimentLabel, Stage};
use crate::routing::Decision;
use crate::routing::decision::{Action, Level};

/// Failures told one by one; the rest is only counted.
const FAILURES_SHOWN: usize = 5;
/// Queues told one by one.
const QUEUES_SHOWN: usize = 8;

/// Counts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tally {
    decided: u64,
    failed: u64,
    first_failures: Vec<String>,
    levels: BTreeMap<Level, u64>,
    actions: BTreeMap<&'static str, u64>,
    queues: BTreeMap<String, u64>,
    moods: BTreeMap<SentimentLabel, u64>,
    stages: BTreeMap<Option<Stage>, u64>,
    flags: BTreeMap<String, u64>,
}

impl Tally {
    /// Counts a decision.
    pub fn decided(&mut self, decision: &Decision) {
        self.decided += 1;
        *self.levels.entry(decision.priority.level).or_default() += 1;
        *self.actions.entry(action(decision.route.action)).or_default() += 1;
        if let Some(queue) = &decision.route.queue {
            *self.queues.entry(queue.clone()).or_default() += 1;
        }
        *self.moods.entry(decision.analysis.sentiment.label).or_default() += 1;
        *self.stages.entry(decision.analysis.stage.as_ref().map(|stage| stage.name)).or_default() += 1;
        for flag in &decision.flags {
            *self.flags.entry(flag.clone()).or_default() += 1;
        }
    }

    /// Counts a message without decision: which one, and why.
    pub fn failed(&mut self, which: &str, error: &str) {
        self.failed += 1;
        if self.first_failures.len() < FAILURES_SHOWN {
            self.first_failures.push(format!("{which}: {error}"));
        }
    }

    /// Decided and failed together.
    pub fn lines(&self) -> u64 {
        self.decided + self.failed
    }

    /// Messages without decision.
    pub fn failures(&self) -> u64 {
        self.failed
    }

    /// The first failures, one a line, and how many there are.
    pub fn failures_in_words(&self) -> String {
        let mut text = format!("{} of {} could not be decided:", self.failed, self.lines());
        for failure in &self.first_failures {
            let _ = write!(text, "\n  {failure}");
        }
        let untold = self.failed - self.first_failures.len() as u64;
        if untold > 0 {
            let _ = write!(text, "\n  … and {untold} more");
        }
        text
    }

    /// The table, ending with a line break.
    pub fn render(&self, took: Duration, width: usize) -> String {
        let seconds = took.as_secs_f64();
        let speed = if seconds > 0.0 { self.lines() as f64 / seconds } else { 0.0 };
        let mut text = format!(
            "{} in {seconds:.2} s ({speed:.0} a second)\n",
            paint(style::HEADING, &format!("{} decisions", self.decided)),
        );
        if self.decided > 0 {
            let _ = writeln!(text, "{}", self.table(width));
        }
        if self.failed > 0 {
            let _ = writeln!(text, "{}", paint(style::BAD, &self.failures_in_words()));
        }
        text
    }

    fn table(&self, width: usize) -> Table {
        let mut table = Table::new();
        table
            .load_preset(presets::UTF8_BORDERS_ONLY)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(u16::try_from(width).unwrap_or(u16::MAX));
        let heading = |text| Cell::new(text).add_attribute(Attribute::Bold);
        table.set_header(["priority", "action", "queue", "sentiment", "stage", "flags"].map(heading));
        table.add_row([
            column(self.levels.iter().rev().map(|(level, count)| (level.as_str(), *count))),
            column(by_count(self.actions.iter().map(|(action, count)| (*action, *count)), usize::MAX)),
            column(by_count(self.queues.iter().map(|(queue, count)| (queue.as_str(), *count)), QUEUES_SHOWN)),
            column(self.moods.iter().map(|(mood, count)| (mood.as_str(), *count))),
            column(
                self.stages.iter().map(|(stage, count)| (stage.map_or("none yet", Stage::as_str), *count)),
            ),
            column(by_count(self.flags.iter().map(|(flag, count)| (flag.as_str(), *count)), QUEUES_SHOWN)),
        ]);
        table
    }
}

fn action(action: Action) -> &'static str {
    match action {
        Action::Escalate => "escalate",
        Action::Queue => "queue",
        Action::SelfService => "self-service",
        Action::None => "none",
    }
}

/// The most frequent first, at most `shown` of them.
fn by_count<'a>(
    counts: impl Iterator<Item = (&'a str, u64)>,
    shown: usize,
) -> impl Iterator<Item = (&'a str, u64)> {
    let mut counts: Vec<(&str, u64)> = counts.collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.into_iter().take(shown)
}

fn column<'a>(counts: impl Iterator<Item = (&'a str, u64)>) -> String {
    let lines: Vec<String> = counts.map(|(label, count)| format!("{count:>4} {label}")).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_up_to_a_few() {
        let mut tally = Tally::default();
        for line in 1..=7 {
            tally.failed(&format!("line {line}"), "not JSON");
        }
        let text = tally.failures_in_words();
        assert!(text.starts_with("7 of 7 could"), "{text}");
        assert!(
            text.contains("line 5") && !text.contains("line 6") && text.ends_with("and 2 more"),
            "{text}"
        );
        assert!(tally.render(Duration::from_secs(1), 100).contains("0 decisions"));
    }
}
