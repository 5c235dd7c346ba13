//! What another policy would change.

use std::time::Duration;

use axum::response::Response;
use maud::{Markup, html};
use similar::{ChangeTag, TextDiff};

use super::chart;
use crate::console::guard::Viewer;
use crate::console::policy::{Outcome, Trial};
use crate::console::query::encoded;
use crate::console::words::Words;
use crate::routing::simulate::summary::{busiest, change, groups};
use crate::routing::simulate::{Change, Outcome as Routed, Pair, Simulation};

/// Time that a diff may take.
const DIFF_TIME: Duration = Duration::from_millis(300);

/// The page: how far it is, or what came out.
pub(in crate::console) fn page(words: &Words, viewer: &Viewer, trial: &Trial) -> Response {
    let own = words.language.policy();
    let body = html! {
        main id="content" class="single wide" {
            p { a href="/policy" { "← " (own.back) } }
            h1 { (own.simulation) }
            dl class="facts" {
                div { dt { (own.before) } dd { code { (trial.old.id()) } } }
                div { dt { (own.after) } dd { code { (trial.new.id()) } } }
                div { dt { (own.simulate_days) } dd { (trial.days) " · " (trial.account) } }
            }
            @match trial.result() {
                None => p class="told" role="status" { (own.running) " " (trial.looked_at()) " " (own.looked_at) },
                Some(Err(())) => p class="alert" role="alert" { (own.broke_off) },
                Some(Ok(outcome)) => (came_out(words, trial, outcome)),
            }
            h2 { (own.diff) }
            (diff(words, trial.old.text(), trial.new.text()))
        }
    };
    super::frame(words, Some(viewer), own.simulation, "policy", &body)
}

fn came_out(words: &Words, trial: &Trial, outcome: &Outcome) -> Markup {
    let (own, simulation) = (words.language.policy(), &outcome.simulation);
    if simulation.decisions == 0 {
        return html! { p class="empty" { (own.nothing) } };
    }
    html! {
        p role="status" {
            strong { (simulation.changed) } " " (own.of) " " (simulation.decisions) " " (own.change) "; "
            (simulation.due_sooner) " " (own.sooner) ", " (simulation.due_later) " " (own.later) "."
            @if simulation.not_as_recorded > 0 { " " span class="quiet" { (simulation.not_as_recorded) " " (own.not_as_recorded) "." } }
        }
        @if outcome.is_cut { p class="alert" { (own.is_cut) } }
        @for (heading, rows) in groups(simulation) { (counted(words, heading, &rows)) }
        (load(words, trial.new.time_zone(), simulation))
        h2 { (own.biggest) }
        @if simulation.biggest.is_empty() { p class="quiet" { (own.biggest_none) } }
        ol class="notes" { @for change in &simulation.biggest { (one(words, change)) } }
    }
}

/// Each row has its numbers and its bars.
fn counted(words: &Words, heading: &str, rows: &[(String, Pair)]) -> Markup {
    let own = words.language.policy();
    let title = match heading {
        "priority" => own.by_priority,
        "action" => own.by_action,
        "queue" => own.by_queue,
        _ => own.by_flag,
    };
    let most = rows.iter().map(|(_, pair)| pair.before.max(pair.after)).max().unwrap_or(0);
    html! {
        h2 { (title) }
        div class="scroll" tabindex="0" role="region" aria-label=(title) { table {
            thead { tr { th { (title) } th { (own.before) } th { (own.after) } th { (own.difference) } th { (own.before) " / " (own.after) } } }
            tbody { @for (name, pair) in rows {
                tr { td { (words.label(name)) } td { (pair.before) } td { (pair.after) } td { (change(*pair)) } td { (chart::pair(pair.before, pair.after, most)) } }
            } }
        } }
    }
}

fn load(words: &Words, zone: &str, simulation: &Simulation) -> Markup {
    let own = words.language.policy();
    let queues = busiest(&simulation.load);
    if queues.is_empty() {
        return html! {};
    }
    html! {
        h2 { (own.load) " " span class="quiet small" { "(" (zone) ")" } }
        p class="legend small" { span class="before" { (own.before) } " " span class="after" { (own.after) } }
        div class="charts" { @for (queue, pair) in &queues {
            figure {
                figcaption { (queue) " " span class="quiet" { (pair.before.iter().sum::<u64>()) " → " (pair.after.iter().sum::<u64>()) } }
                (chart::pairs(&format!("{}: {queue}", own.load), &pair.before, &pair.after))
                details {
                    summary { (own.as_table) }
                    table {
                        thead { tr { th { (own.hour) } th { (own.before) } th { (own.after) } } }
                        tbody { @for (hour, (before, after)) in pair.before.iter().zip(&pair.after).enumerate() {
                            tr { td { (format!("{hour:02}:00")) } td { (before) } td { (after) } }
                        } }
                    }
                }
            }
        } }
    }
}

fn one(words: &Words, change: &Change) -> Markup {
    let own = words.language.policy();
    let routed = |routed: &Routed| {
        let (level, action) = (words.label(routed.priority.as_str()), words.label(routed.action.as_str()));
        format!("{level}, {action}, {}", routed.queue.as_deref().unwrap_or("–"))
    };
    html! {
        li {
            p { (routed(&change.before)) " → " strong { (routed(&change.after)) } }
            @if let Some(text) = &change.text { blockquote { (text) } }
            @for (word, rules) in [(own.rules_now, &change.rules_gained), (own.rules_gone, &change.rules_lost)] {
                @if !rules.is_empty() { p class="quiet" { (word) ": " (rules.join(", ")) } }
            }
            @if change.alike > 1 { p class="quiet" { (change.alike) " " (own.alike) } }
            p { a href=(format!("/conversation/{}", encoded(&change.conversation_id))) { (own.open) " " (change.conversation_id) } }
        }
    }
}

fn diff(words: &Words, old: &str, new: &str) -> Markup {
    let own = words.language.policy();
    if old == new {
        return html! { p class="quiet" { (own.diff_none) } };
    }
    // Coarser past this, so that two long texts with nothing in common hold no page up.
    let diff = TextDiff::configure().timeout(DIFF_TIME).diff_lines(old, new);
    html! {
        pre class="raw diff" tabindex="0" {
            @for (at, group) in diff.grouped_ops(2).iter().enumerate() {
                @if at > 0 { "…\n" }
                @for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
                    @match change.tag() {
                        ChangeTag::Delete => del { "- " (change.value()) },
                        ChangeTag::Insert => ins { "+ " (change.value()) },
                        ChangeTag::Equal => span { "  " (change.value()) },
                    }
                }
            }
        }
    }
}
