//! The general map as text: a grid of one figure, shaded on a terminal, and a list of all of them.

use anstyle::{Ansi256Color, Style};

use super::Figure;
use crate::cli::style::{DIM, HEADING, paint};
use crate::interaction::Channel;
use crate::journey::map::{Cell, FEWEST, Map};

/// Columns of a stage's name, and of a figure.
const NAME: usize = 14;
const WIDTH: usize = 10;

/// Dark enough for light letters, the fifth the strongest.
const BLUE: [u8; 5] = [17, 18, 19, 20, 26];
const GREEN: [u8; 5] = [22, 22, 28, 28, 34];
const RED: [u8; 5] = [52, 52, 88, 124, 160];

/// Both.
pub fn text(map: &Map, by: Figure) -> String {
    let mut lines = vec![paint(HEADING, by.told()), heading(map)];
    let cells = map.cells.iter().chain(&map.stages).chain(&map.channels).chain([&map.total]);
    let cells: Vec<&Cell> = cells.collect();
    // Only what stands inside is shaded by the most: the sums would leave it pale.
    let most = map.cells.iter().filter_map(|cell| by.of(cell)).fold(0.0, f64::max);
    let find = |stage: Option<&str>, channel: Option<Channel>| {
        cells.iter().find(|cell| cell.stage == stage && cell.channel == channel).copied()
    };
    let columns = || map.channels.iter().map(|cell| cell.channel).chain([None]);
    for stage in map.stages.iter().map(|cell| cell.stage).chain([None]) {
        let mut line = format!("{:NAME$}", stage.unwrap_or("all"));
        for channel in columns() {
            let inside = stage.is_some() && channel.is_some();
            line.push_str(&shown(find(stage, channel), by, inside.then_some(most)));
        }
        lines.push(line);
    }
    lines.push(String::new());
    lines.push(paint(
        HEADING,
        &format!(
            "{:NAME$}{:<10}{:>9}{:>10}{:>8}{:>10}{:>8}{:>15}",
            "stage", "channel", "contacts", "sentiment", "effort", "drop-off", "repeat", "first contact"
        ),
    ));
    lines.extend(map.cells.iter().chain([&map.total]).map(listed));
    lines.push(paint(DIM, &format!("–: fewer than {FEWEST} to tell from")));
    lines.join("\n")
}

fn heading(map: &Map) -> String {
    let names = map.channels.iter().filter_map(|cell| cell.channel).map(Channel::as_str).chain(["all"]);
    let names: String = names.map(|name| format!("{name:>WIDTH$}")).collect();
    paint(DIM, &format!("{:NAME$}{names}", ""))
}

/// A figure in its column, shaded by how much it is of the most.
fn shown(cell: Option<&Cell>, by: Figure, most: Option<f64>) -> String {
    let Some(cell) = cell else { return format!("{:>WIDTH$}", "") };
    let figure = by.of(cell);
    let text = format!("{:>WIDTH$}", figure.map_or_else(|| "–".to_owned(), |value| number(by, value)));
    match (figure, most) {
        (Some(value), Some(most)) => paint(shade(by, value, most), &text),
        _ => text,
    }
}

fn number(by: Figure, value: f64) -> String {
    match by {
        Figure::Contacts => format!("{value:.0}"),
        Figure::Sentiment => format!("{value:+.2}"),
        Figure::Effort => format!("{value:.2}"),
        Figure::DropOff | Figure::Repeat | Figure::Resolution => format!("{:.0} %", value * 100.0),
    }
}

/// Red where it is bad, green where it is good, blue where it is only much.
fn shade(by: Figure, value: f64, most: f64) -> Style {
    let (colours, part) = match by {
        Figure::Contacts => (BLUE, if most > 0.0 { value / most } else { 0.0 }),
        Figure::Sentiment if value < 0.0 => (RED, -value),
        Figure::Sentiment => (GREEN, value),
        Figure::Resolution => (GREEN, value),
        Figure::Effort | Figure::DropOff | Figure::Repeat => (RED, value),
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 4")]
    let step = (part.clamp(0.0, 1.0) * 4.0).round() as usize;
    let colour = colours.get(step).copied().unwrap_or(16);
    Style::new().bg_color(Some(Ansi256Color(colour).into())).fg_color(Some(Ansi256Color(231).into()))
}

fn listed(cell: &Cell) -> String {
    let figure = |by: Figure| by.of(cell).map_or_else(|| "–".to_owned(), |value| number(by, value));
    format!(
        "{:NAME$}{:<10}{:>9}{:>10}{:>8}{:>10}{:>8}{:>15}",
        cell.stage.unwrap_or("all"),
        cell.channel.map_or("all", Channel::as_str),
        cell.contacts,
        figure(Figure::Sentiment),
        figure(Figure::Effort),
        figure(Figure::DropOff),
        figure(Figure::Repeat),
        figure(Figure::Resolution),
    )
}
