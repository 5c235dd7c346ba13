//! How the workers do.

use axum::response::Response;
use chrono::DateTime;
use maud::{Markup, html};

use super::{chart, parts};
use crate::broker::amqp::backlog::Backlog;
use crate::console::guard::Viewer;
use crate::console::operations::attending::{Attending, Life};
use crate::console::operations::{Away, Hour, MINUTES, Operations, percentile};
use crate::console::words::Words;
use crate::store::console::LAGS;

/// The page.
pub(in crate::console) fn page(words: &Words, viewer: &Viewer, told: &Operations) -> Response {
    let own = words.language.operations();
    let body = html! {
        main id="content" class="single wide" {
            h1 { (own.title) " " span class="quiet small" { (parts::time(told.now)) } }
            (glance(words, told))
            (pace(words, &told.hour()))
            h2 { (own.queues) }
            (broker(words, &told.broker))
            h2 { (own.workers) }
            (workers(words, &told.workers))
        }
    };
    super::frame(words, Some(viewer), own.title, "operations", &body)
}

fn glance(words: &Words, told: &Operations) -> Markup {
    let own = words.language.operations();
    let hour = told.hour();
    let total: u64 = hour.all.iter().sum();
    let (degraded, looked_at) = told.degraded;
    html! {
        h2 { (own.at_work) }
        dl class="facts" {
            div { dt { (own.decided) } dd { strong { (total) } " · " (per_minute(total)) " " (own.per_minute) } }
            div { dt { (own.half_within) } dd { (within(percentile(&hour.all, 50))) } }
            div { dt { (own.most_within) } dd { (within(percentile(&hour.all, 95))) } }
            div { dt { (own.unsent) } dd {
                @if told.counts.unsent == 0 { "0 " span class="chip" { (own.fine) } } @else {
                    strong { (told.counts.unsent) }
                    @if let Some(since) = told.counts.oldest_unsent { " " span class="quiet" { (own.unsent_since) " " (parts::time(since)) } }
                }
            } }
            div { dt { (own.without_model) } dd {
                (degraded) " " (own.of) " " (looked_at) " "
                @if degraded > 0 { span class="badge p-high" { (words.degraded) } } @else if looked_at > 0 { span class="chip" { (own.fine) } }
            } }
            div { dt { (own.messages) } dd { (told.counts.messages) " · " (own.customers) " " (told.counts.customers) } }
        }
    }
}

fn per_minute(total: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let share = total as f64 / MINUTES as f64;
    format!("{share:.1}")
}

/// An upper bound as people write it.
fn within(class: Option<usize>) -> String {
    let Some(class) = class else { return "–".to_owned() };
    let text = |millis: i64| match millis {
        millis if millis < 1_000 => format!("{millis} ms"),
        2_500 => "2.5 s".to_owned(),
        millis if millis < 60_000 => format!("{} s", millis / 1_000),
        millis => format!("{} min", millis / 60_000),
    };
    match (LAGS.get(class), LAGS.last()) {
        (Some(millis), _) => format!("≤ {}", text(*millis)),
        (None, Some(last)) => format!("> {}", text(*last)),
        (None, None) => String::new(),
    }
}

fn pace(words: &Words, hour: &Hour) -> Markup {
    let own = words.language.operations();
    let counts: Vec<u64> = hour.minutes.iter().map(|(_, classes)| classes.iter().sum()).collect();
    if counts.iter().all(|count| *count == 0) {
        return html! { p class="empty" { (own.nothing_decided) } };
    }
    // A class as a step: the bounds grow about by half an order each.
    let steps: Vec<u64> = hour
        .minutes
        .iter()
        .map(|(_, classes)| percentile(classes, 95).map_or(0, |class| class as u64 + 1))
        .collect();
    let busiest = counts.iter().copied().max().unwrap_or(0);
    let slowest = steps.iter().copied().max().unwrap_or(0);
    let slowest = usize::try_from(slowest).ok().and_then(|steps| steps.checked_sub(1));
    html! {
        div class="charts" {
            figure { figcaption { (own.decisions_chart) " " span class="quiet" { "↑ " (busiest) } } (chart::columns(own.decisions_chart, &counts, 1)) }
            figure { figcaption { (own.latency_chart) " " span class="quiet" { "↑ " (within(slowest)) } } (chart::columns(own.latency_chart, &steps, 1)) }
        }
        p class="quiet small" { (own.latency_how) }
        details {
            summary { (own.as_table) }
            div class="scroll" tabindex="0" role="region" aria-label=(own.decisions_chart) { table {
                thead { tr { th { (own.minute) } th { (own.count) } th { (own.median) } th { (own.p95) } } }
                tbody { @for ((minute, classes), count) in hour.minutes.iter().zip(&counts).rev() {
                    tr {
                        td { (clock(*minute)) } td { (count) }
                        td { (within(percentile(classes, 50))) } td { (within(percentile(classes, 95))) }
                    }
                } }
            } }
        }
    }
}

fn clock(minute: i64) -> String {
    DateTime::from_timestamp(minute * 60, 0).map_or_else(String::new, |at| at.format("%H:%M").to_string())
}

/// Why the broker has nothing to tell.
pub(super) fn away(words: &Words, away: &Away) -> Markup {
    let own = words.language.operations();
    match away {
        Away::None => html! { p class="empty" { (own.no_broker) } },
        Away::Failed(error) => {
            html! { p class="alert" role="alert" { (own.broker_away) " " code { (error) } } }
        }
    }
}

fn broker(words: &Words, told: &Result<Vec<Backlog>, Away>) -> Markup {
    let own = words.language.operations();
    let queues = match told {
        Ok(queues) => queues,
        Err(why) => return away(words, why),
    };
    let number = |count: Option<u32>| count.map_or_else(|| own.absent.to_owned(), |count| count.to_string());
    html! {
        div class="scroll" tabindex="0" role="region" aria-label=(own.queues) { table {
            thead { tr { th { (own.queue) } th { (own.waiting) } th { (own.consumers) } th { (own.state) } } }
            tbody { @for queue in queues {
                tr {
                    td { code { (queue.queue) } }
                    td { (number(queue.waiting)) }
                    td { @if queue.shard.is_some() { (number(queue.consumers)) } @else { "–" } }
                    td {
                        @if queue.is_stuck() { span class="badge p-urgent" { (if queue.waiting.is_none() { own.absent } else { own.stuck }) } }
                        @else if queue.shard.is_some() { span class="chip" { (own.fine) } }
                        @else if queue.queue.ends_with(".parked") && queue.waiting.is_some_and(|waiting| waiting > 0) { a href="/parked" { (own.parked_look) } }
                    }
                }
            } }
        } }
        p { a class="button" href="/parked" { (own.parked) } }
    }
}

fn workers(words: &Words, workers: &[Attending]) -> Markup {
    let own = words.language.operations();
    if workers.is_empty() {
        return html! { p class="quiet" { (own.no_workers) } };
    }
    html! {
        div class="scroll" tabindex="0" role="region" aria-label=(own.workers) { table {
            thead { tr { th { (own.worker) } th { (own.team) } th { (own.subscriptions) } th { (own.life) } } }
            tbody { @for worker in workers {
                tr {
                    td { code { (worker.worker) } } td { (worker.team) } td { (worker.subscriptions) }
                    td { @match worker.life {
                        Life::Lives => { span class="chip" { (own.lives) } },
                        Life::Unknown => { span class="quiet" { (own.unknown) } },
                        Life::Silent => { span class="badge p-urgent" { (own.silent) " " (worker.still_for.as_secs()) " s" } },
                    } }
                }
            } }
        } }
    }
}
