//! The timeline of a customer as text.

use anstyle::Style;

use crate::cli::row;
use crate::cli::style::{BAD, DIM, GOOD, HEADING, paint};
use crate::interaction::Author;
use crate::journey::map::{Moment, Timeline};
use crate::nlp::labels::SentimentLabel;

/// Widest line, at least.
const LEAST: usize = 60;

/// Who it is, what is open, what was promised, and message by message.
pub fn text(timeline: &Timeline) -> String {
    let width = row::width_of_stdout().max(LEAST);
    let channels: Vec<String> =
        timeline.channels.iter().map(|(channel, count)| format!("{count} {channel}")).collect();
    let stage = timeline.stage.map_or("none yet", |stage| stage.as_str());
    let experience = timeline.experience.map_or_else(|| "–".to_owned(), |score| score.to_string());
    let mut lines = vec![
        format!("{}  stage {stage}, experience {experience}", paint(HEADING, &timeline.customer)),
        format!("{} contacts: {}", timeline.contacts, channels.join(", ")),
    ];
    for goal in &timeline.open_goals {
        let since = goal.since.format("%Y-%m-%d");
        lines.push(format!("{} {} since {since}", paint(BAD, "open:"), goal.intent));
    }
    for promise in &timeline.promises {
        let (style, word) = if promise.kept { (GOOD, "promise:") } else { (BAD, "broken promise:") };
        let due = promise.due.map_or_else(String::new, |due| format!(", due {}", due.format("%Y-%m-%d")));
        let line = format!("“{}” on {}{due}", promise.text, promise.at.format("%Y-%m-%d"));
        lines.push(format!("{} {}", paint(style, word), row::shorten(&line, width - 17)));
    }
    lines.push(String::new());
    let untold = timeline.messages.saturating_sub(timeline.moments.len() as u64);
    if untold > 0 {
        lines.push(paint(DIM, &format!("… {untold} earlier messages")));
    }
    for moment in &timeline.moments {
        lines.extend(told(moment, width));
    }
    lines.join("\n")
}

fn told(moment: &Moment, width: usize) -> Vec<String> {
    let author = match moment.author {
        Author::Customer => "",
        Author::Agent => "agent: ",
        Author::Bot => "bot: ",
    };
    let mood: Style = match moment.sentiment {
        SentimentLabel::Negative => BAD,
        SentimentLabel::Neutral => DIM,
        SentimentLabel::Positive => GOOD,
    };
    let mut lines = vec![
        format!(
            "{}  {:<9} {}  {:<13} {:>3}  {}",
            paint(DIM, &moment.at.format("%Y-%m-%d %H:%M").to_string()),
            moment.channel.as_str(),
            paint(mood, &format!("{:+.2}", moment.sentiment_score)),
            moment.stage.map_or("–", |stage| stage.as_str()),
            moment.experience,
            moment.intent.as_deref().unwrap_or("unsure"),
        ),
        format!("{:18}{}", "", row::shorten(&format!("{author}{}", moment.summary), width - 18)),
    ];
    if !moment.events.is_empty() {
        let names: Vec<&str> = moment.events.iter().map(crate::journey::map::Happened::name).collect();
        lines.push(format!("{:18}{}", "", paint(DIM, &row::shorten(&names.join(", "), width - 18))));
    }
    lines
}
