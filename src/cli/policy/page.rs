//! A simulation as one page: no script, no other file, no other host; readable in light and dark, and on a phone.

use std::fmt::Write as _;

use super::simulate::{Report, peak, percent};
use crate::cli::chart::{self, escaped};
use crate::routing::simulate::summary::{busiest, change, groups};
use crate::routing::simulate::{Change, Outcome, Pair};

const STYLE: &str = include_str!("page.css");

/// The page.
pub fn render(report: &Report) -> String {
    let simulation = &report.simulation;
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>What another policy would change</title>\n\
         <style>\n{STYLE}</style>\n<main>\n<h1>What another policy would change</h1>\n"
    );
    let _ = writeln!(
        page,
        "<p><b>{}</b> of {} decisions change{}. {} answers are due sooner, {} later.</p>",
        simulation.changed,
        simulation.decisions,
        percent(simulation.changed, simulation.decisions),
        simulation.due_sooner,
        simulation.due_later
    );
    let _ = writeln!(
        page,
        "<dl><dt><i class=\"before\"></i> before</dt><dd>{}</dd><dt><i class=\"after\"></i> after</dt><dd>{}</dd>{}</dl>",
        escaped(&report.against),
        escaped(&report.policy),
        simulation.sent.map_or_else(String::new, |(first, last)| format!(
            "<dt>messages sent</dt><dd>{} to {}</dd>",
            first.format("%Y-%m-%d %H:%M"),
            last.format("%Y-%m-%d %H:%M UTC")
        ))
    );
    if simulation.not_as_recorded > 0 {
        let count = simulation.not_as_recorded;
        let _ = writeln!(
            page,
            "<p>{count} of them were decided otherwise at the time: by another policy, or by what is not at hand here.</p>"
        );
    }
    for (heading, rows) in groups(simulation) {
        page.push_str(&counted(heading, &rows));
    }
    page.push_str(&hours(report));
    if !simulation.biggest.is_empty() {
        page.push_str("<h2>Biggest changes</h2>\n<ol>\n");
        simulation.biggest.iter().for_each(|change| page.push_str(&one(change)));
        page.push_str("</ol>\n");
    }
    page.push_str("</main>\n</html>\n");
    page
}

fn counted(heading: &str, rows: &[(String, Pair)]) -> String {
    let title = format!("Messages by {heading}");
    let bars: Vec<_> = rows.iter().map(|(name, pair)| (name.clone(), pair.before, pair.after)).collect();
    let mut table = format!(
        "<table><caption>{title}</caption><tr><th>{heading}</th><th>before</th><th>after</th><th>change</th></tr>\n"
    );
    for (name, pair) in rows {
        let (before, after) = (pair.before, pair.after);
        let name = escaped(name);
        let _ = writeln!(table, "<tr><th>{name}</th><td>{before}<td>{after}<td>{}</tr>", change(*pair));
    }
    table.push_str("</table>\n");
    let chart = chart::bars(&title, &bars);
    format!(
        "<section><h2>{title}</h2>\n<figure>{chart}</figure>\n<details><summary>As a table</summary>{table}</details></section>\n"
    )
}

fn hours(report: &Report) -> String {
    let load = busiest(&report.simulation.load);
    if load.is_empty() {
        return String::new();
    }
    let zone = escaped(report.time_zone);
    let mut out =
        format!("<h2>Answers due by hour of the day</h2>\n<p>Hours of {zone}.</p>\n<div class=\"days\">\n");
    for (queue, pair) in load {
        let total = |counts: &[u64; 24]| counts.iter().sum::<u64>();
        let most = |counts: &[u64; 24]| match peak(counts) {
            (_, 0) => "none".to_owned(),
            (hour, count) => format!("{} in all, {count} at {hour:02}", total(counts)),
        };
        let name = escaped(&queue);
        let chart = chart::hours(&format!("Answers due in {queue} by hour"), &pair.before, &pair.after);
        let _ = write!(
            out,
            "<section><h3>{name}</h3><figure>{chart}</figure><p>before: {}; after: {}</p>\n\
             <details><summary>As a table</summary><table><caption>Answers due in {name}</caption>\
             <tr><th>hour</th><th>before</th><th>after</th></tr>\n",
            most(&pair.before),
            most(&pair.after)
        );
        for (hour, (before, after)) in pair.before.iter().zip(pair.after).enumerate() {
            let _ = writeln!(out, "<tr><th>{hour:02}:00</th><td>{before}<td>{after}</tr>");
        }
        out.push_str("</table></details></section>\n");
    }
    out.push_str("</div>\n");
    out
}

fn one(change: &Change) -> String {
    let outcome = |outcome: &Outcome| {
        let (level, action) = (outcome.priority.as_str(), outcome.action.as_str());
        let queue = escaped(outcome.queue.as_deref().unwrap_or("no queue"));
        format!("<b class=\"{level}\">{level}</b> {action} {queue}")
    };
    let mut out = format!("<li><p>{} → {}</p>", outcome(&change.before), outcome(&change.after));
    if let Some(text) = &change.text {
        let _ = write!(out, "<blockquote>{}</blockquote>", escaped(text));
    }
    let rules = [("now", &change.rules_gained), ("no longer", &change.rules_lost)];
    for (word, rules) in rules.into_iter().filter(|(_, rules)| !rules.is_empty()) {
        let _ = write!(out, "<p class=\"dim\">{word}: {}</p>", escaped(&rules.join(", ")));
    }
    if change.alike > 1 {
        let _ = write!(out, "<p class=\"dim\">{} messages change in this way</p>", change.alike);
    }
    let (sent, channel) = (change.sent_at.format("%Y-%m-%d %H:%M UTC"), change.channel);
    let _ = writeln!(out, "<p class=\"dim\">{sent}, {channel}, {}</p></li>", escaped(&change.message_id));
    out
}
