//! Small pieces that several pages use.

use chrono::{DateTime, SecondsFormat, Utc};
use maud::{Markup, html};

use crate::console::words::Words;

/// A time: exact here, relative once the script has seen it, exact again on hover.
pub(super) fn time(at: DateTime<Utc>) -> Markup {
    let exact = at.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    html! { time datetime=(at.to_rfc3339_opts(SecondsFormat::Secs, true)) title=(exact) { (at.format("%-d %b %H:%M")) } }
}

/// A time that stays as it is: where several are compared, how long ago says less.
pub(super) fn exact(at: DateTime<Utc>) -> Markup {
    let exact = at.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    html! { time data-exact datetime=(at.to_rfc3339_opts(SecondsFormat::Secs, true)) title=(exact) { (at.format("%Y-%m-%d %H:%M")) } }
}

/// When an answer is due, counted down by the script.
pub(super) fn due(words: &Words, at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Markup {
    let Some(at) = at else { return html! { span class="quiet" { (words.no_due) } } };
    let late = at < now;
    let exact = at.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    html! {
        span class=(if late { "due late" } else { "due" }) {
            span class="due-word" { (if late { words.overdue } else { words.due }) } " "
            time data-due datetime=(at.to_rfc3339_opts(SecondsFormat::Secs, true)) title=(exact) {
                (at.format("%-d %b %H:%M"))
            }
        }
    }
}

/// A priority as a badge; the word says it, the colour repeats it.
pub(super) fn priority(words: &Words, level: &str) -> Markup {
    html! { span class=(format!("badge p-{level}")) { (words.label(level)) } }
}

/// Names in a row.
pub(super) fn chips<'a>(names: impl IntoIterator<Item = &'a str>) -> Markup {
    html! { @for name in names { span class="chip" { (name.replace('_', " ")) } " " } }
}

/// 0…1 in hundredths.
pub(super) fn percent(share: f32) -> String {
    format!("{:.0} %", share * 100.0)
}
