//! A decision as people read it: one line in a list, or a few lines by itself.

use chrono::{DateTime, Utc};

use super::style::{self, paint};
use crate::interaction::Channel;
use crate::nlp::labels::SentimentLabel;
use crate::routing::Decision;
use crate::routing::decision::{Action, Level};

/// Width assumed where no terminal tells.
const USUAL_WIDTH: usize = 116;
/// From here on there is room for the stage.
const WITH_STAGE: usize = 96;

/// Columns of the terminal at standard output.
pub fn width_of_stdout() -> usize {
    width(&comfy_table::Table::new())
}

/// Columns of the terminal at standard error.
pub fn width_of_stderr() -> usize {
    let mut table = comfy_table::Table::new();
    table.use_stderr();
    width(&table)
}

fn width(table: &comfy_table::Table) -> usize {
    let told = || std::env::var("COLUMNS").ok()?.parse().ok();
    table.width().map(usize::from).or_else(told).filter(|width| *width >= 40).unwrap_or(USUAL_WIDTH)
}

struct Cell {
    text: String,
    width: usize,
    style: anstyle::Style,
}

/// The heading over [`line()`].
pub fn heading(width: usize) -> String {
    let cells = layout(["time", "channel", "priority", "goes to", "mood", "intent", "stage", "why"], width);
    cells
        .map(|cell| {
            format!("{}{:cell_width$}{:#}", style::HEADING, cell.0, style::HEADING, cell_width = cell.1)
        })
        .collect::<Vec<_>>()
        .join(" ")
        .trim_end()
        .to_owned()
}

/// One line of at most `width` columns.
pub fn line(decision: &Decision, at: DateTime<Utc>, width: usize) -> String {
    let texts = [
        at.format("%H:%M").to_string(),
        channel(decision.channel).to_owned(),
        decision.priority.level.as_str().to_owned(),
        route(decision),
        format!("{:+.2}", decision.analysis.sentiment.score),
        intent(decision),
        decision.analysis.stage.as_ref().map_or("–".to_owned(), |stage| stage.name.to_string()),
        why(decision),
    ];
    let styles = [
        style::DIM,
        anstyle::Style::new(),
        level_style(decision.priority.level),
        action_style(decision.route.action),
        mood_style(decision.analysis.sentiment.label),
        anstyle::Style::new(),
        anstyle::Style::new(),
        style::DIM,
    ];
    let cells: Vec<Cell> = layout([0, 1, 2, 3, 4, 5, 6, 7], width)
        .map(|(index, width)| Cell { text: texts[index].clone(), width, style: styles[index] })
        .collect();
    let painted: Vec<String> = cells
        .iter()
        .enumerate()
        .map(|(at, cell)| {
            let text = shorten(&cell.text, cell.width);
            let room = if at + 1 == cells.len() { 0 } else { cell.width - text.chars().count() };
            format!("{}{}", paint(cell.style, &text), " ".repeat(room))
        })
        .collect();
    painted.join(" ").trim_end().to_owned()
}

/// Which columns fit, with their widths; the last takes what is left.
fn layout<T>(columns: [T; 8], width: usize) -> impl Iterator<Item = (T, usize)> {
    let widths = [5, 9, 8, 14, 5, 19, 13];
    let stage = width >= WITH_STAGE;
    let fixed: usize = widths.iter().map(|width| width + 1).sum::<usize>() - if stage { 0 } else { 14 };
    let rest = width.saturating_sub(fixed);
    let widths = [
        widths[0],
        widths[1],
        widths[2],
        widths[3],
        widths[4],
        widths[5],
        if stage { 13 } else { 0 },
        if rest >= 8 { rest } else { 0 },
    ];
    columns.into_iter().zip(widths).filter(|(_, width)| *width > 0)
}

/// Several lines on one decision: where it goes, why, and what was found.
pub fn explain(decision: &Decision) -> String {
    let analysis = &decision.analysis;
    let level = decision.priority.level;
    let mut lines = vec![format!(
        "{}  {}  {} {:+.2}  {}",
        paint(level_style(level), level.as_str()),
        paint(action_style(decision.route.action), &route(decision)),
        paint(mood_style(analysis.sentiment.label), analysis.sentiment.label.as_str()),
        analysis.sentiment.score,
        intent(decision),
    )];
    for reason in &decision.reasons {
        let changes = if reason.without == level {
            String::new()
        } else {
            paint(style::DIM, &format!(" (without this: {})", reason.without.as_str()))
        };
        lines.push(format!("  {}{changes}", reason.text));
    }
    for signal in &analysis.signals {
        if let Some(words) = &signal.text {
            lines.push(paint(style::DIM, &format!("  {}: “{words}”", signal.name)));
        }
    }
    lines.join("\n")
}

/// At most `width` characters, the last one an ellipsis when something was cut.
pub fn shorten(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// Colour of a level.
pub fn level_style(level: Level) -> anstyle::Style {
    match level {
        Level::Urgent => style::BAD,
        Level::High => style::WARN,
        Level::Normal => anstyle::Style::new(),
        Level::Low => style::DIM,
    }
}

fn action_style(action: Action) -> anstyle::Style {
    match action {
        Action::Escalate => style::BAD,
        Action::Queue => anstyle::Style::new(),
        Action::SelfService => style::HINT,
        Action::None => style::DIM,
    }
}

fn mood_style(label: SentimentLabel) -> anstyle::Style {
    match label {
        SentimentLabel::Negative => style::BAD,
        SentimentLabel::Neutral => style::DIM,
        SentimentLabel::Positive => style::GOOD,
    }
}

fn channel(channel: Channel) -> &'static str {
    channel.as_str()
}

fn route(decision: &Decision) -> String {
    let queue = decision.route.queue.as_deref().unwrap_or("a person");
    match decision.route.action {
        Action::Escalate => format!("! {queue}"),
        Action::Queue => format!("→ {queue}"),
        Action::SelfService => "↻ self-service".to_owned(),
        Action::None => "· nobody".to_owned(),
    }
}

fn intent(decision: &Decision) -> String {
    decision.analysis.intents.first().map_or("unsure".to_owned(), |intent| intent.name.clone())
}

/// The reasons that people would name first: those that changed the level, then the others.
fn why(decision: &Decision) -> String {
    let level = decision.priority.level;
    let (weighty, others): (Vec<_>, Vec<_>) =
        decision.reasons.iter().partition(|reason| reason.without != level);
    let texts: Vec<&str> = weighty.iter().chain(&others).map(|reason| reason.text.as_str()).collect();
    if texts.is_empty() { "In turn: no rule asks for more".to_owned() } else { texts.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortened_text_keeps_its_width() {
        let check = |text, width, expected| assert_eq!(shorten(text, width), expected);
        check("perché", 6, "perché");
        check("perché no", 7, "perché…");
        check("one two", 5, "one…");
        check("", 3, "");
    }

    #[test]
    fn the_heading_fits_every_width() {
        for width in [40, 80, 95, 96, 100, 120, 200] {
            let plain = anstream::adapter::strip_str(&heading(width)).to_string();
            assert!(plain.chars().count() <= width.max(80), "{width}: {plain}");
            assert_eq!(plain.contains("stage"), width >= WITH_STAGE, "{width}: {plain}");
        }
    }
}
