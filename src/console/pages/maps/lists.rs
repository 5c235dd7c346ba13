//! Topics and their rises, who may leave, how often the model was right: tables, each with its numbers.

use axum::response::Response;
use chrono::DateTime;
use maud::{Markup, html};

use super::ways;
use crate::console::guard::Viewer;
use crate::console::maps::agreement::{Agreement, Found};
use crate::console::maps::lists::{DAYS, JUDGED, RISKS, SPIKES, Topics, WEEKS};
use crate::console::pages::{self, chart, parts};
use crate::console::query::encoded;
use crate::console::words::Words;
use crate::journey::map::Measure;
use crate::journey::model::RiskLevel;
use crate::store::Spike;
use crate::store::console::Risk;

/// What intents came up, day by day, and what rose; or that the day is none.
pub(in crate::console) fn topics(
    words: &Words,
    viewer: &Viewer,
    day: &str,
    topics: Option<&Topics>,
) -> Response {
    let own = words.language.maps();
    let body = html! {
        main id="content" class="single full" {
            h1 { (own.topics) }
            (ways(words, "/maps/topics"))
            form method="get" action="/maps/topics" class="narrow" role="search" {
                label { (own.last_day) input type="date" name="day" value=(day); }
                div class="row" { button { (words.apply) } a class="button plain" href="/maps/topics" { (words.clear) } }
            }
            @match topics {
                None => p class="alert" role="alert" { (own.wrong_until) },
                Some(topics) => {
                    p class="quiet small" { (DAYS) " " (own.topics_how) }
                    (by_day(words, topics))
                    h2 { (own.spikes) }
                    @if topics.is_cut { p class="told" role="status" { (own.spikes_cut) " " (SPIKES) } }
                    @if topics.spikes.is_empty() { p class="quiet" { (own.no_spikes) } }
                    @for spike in &topics.spikes { (rise(words, spike)) }
                },
            }
        }
    };
    pages::frame(words, Some(viewer), own.topics, "maps", &body)
}

fn date(day: i64, form: &str) -> String {
    DateTime::from_timestamp(day * 86_400, 0).map_or_else(String::new, |at| at.format(form).to_string())
}

fn by_day(words: &Words, topics: &Topics) -> Markup {
    let own = words.language.maps();
    if topics.intents.is_empty() {
        return html! { div class="empty" { p class="big" aria-hidden="true" { "▦" } h2 { (own.no_topics) } p { (own.no_topics_why) } } };
    }
    let most = topics.intents.iter().flat_map(|(_, days)| days).copied().max().unwrap_or(0);
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let class = |count: u64| super::grid::class(Measure::Contacts.shade(count as f64, most as f64));
    html! {
        div class="scroll" tabindex="0" role="region" aria-label=(own.topics) {
            table class="heat slim" {
                caption class="visually-hidden" { (own.topics) }
                thead { tr {
                    th scope="col" { (words.intents) }
                    @for day in topics.last + 1 - DAYS..=topics.last { th scope="col" title=(date(day, "%Y-%m-%d")) { (date(day, "%-d/%-m")) } }
                    th scope="col" { (own.all) }
                } }
                tbody { @for (intent, days) in &topics.intents {
                    tr {
                        th scope="row" { (intent) }
                        @for count in days { @if *count == 0 { td class="none" { "0" } } @else { td class=(class(*count)) { span { (count) } } } }
                        td class="sum" { span { (days.iter().sum::<u64>()) } }
                    }
                } }
            }
        }
    }
}

fn rise(words: &Words, spike: &Spike) -> Markup {
    let own = words.language.maps();
    html! {
        section class="rise" {
            h3 { (spike.topic.name()) " " span class="quiet" { (parts::exact(spike.since)) } }
            p { strong { (spike.count) } " " (own.in_the_hour) " " (format!("{:.1}", spike.expected)) }
            (chart::columns(own.hours, &spike.hours, 1))
            p class="quiet small" { (own.hours) ": " (spike.hours.iter().map(u64::to_string).collect::<Vec<_>>().join(" ")) }
            ul class="notes" { @for example in &spike.examples { li { q { (example.text) } } } }
        }
    }
}

/// Who may leave, and why.
pub(in crate::console) fn churn(words: &Words, viewer: &Viewer, risks: &[Risk], is_cut: bool) -> Response {
    let own = words.language.maps();
    let body = html! {
        main id="content" class="single full" {
            h1 { (own.churn) }
            (ways(words, "/maps/churn"))
            p class="quiet small" { (own.churn_how) }
            @if is_cut { p class="told" role="status" { (own.churn_cut) " " (RISKS) } }
            @if risks.is_empty() {
                div class="empty" { p class="big" aria-hidden="true" { "✓" } h2 { (own.no_churn) } p { (own.no_churn_why) } }
            } @else {
                div class="scroll" tabindex="0" role="region" aria-label=(own.churn) { table {
                    thead { tr { th { (words.customer) } th { (words.churn) } th { (own.reasons) } th { (words.experience) } th { (own.decided_last) } th { (words.conversation) } } }
                    tbody { @for risk in risks {
                        @let conversation = format!("/conversation/{}", encoded(&risk.conversation_id));
                        @let (level, class) = match risk.level {
                            RiskLevel::Low => ("low", "badge"),
                            RiskLevel::Medium => ("medium", "badge p-high"),
                            RiskLevel::High => ("high", "badge p-urgent"),
                        };
                        tr {
                            td { a href=(format!("{conversation}/timeline")) { (risk.customer) } }
                            td { span class=(class) { (words.label(level)) } }
                            td { (parts::chips(risk.reasons.iter().map(String::as_str))) }
                            td { (risk.experience) " / 100" }
                            td { (parts::time(risk.decided_at)) }
                            td { a href=(conversation) { (risk.conversation_id) } }
                        }
                    } }
                } }
            }
        }
    };
    pages::frame(words, Some(viewer), own.churn, "maps", &body)
}

/// How often supervisors found the model right.
pub(in crate::console) fn agreement(
    words: &Words,
    viewer: &Viewer,
    agreement: &Agreement,
    is_cut: bool,
) -> Response {
    let own = words.language.maps();
    let body = html! {
        main id="content" class="single full" {
            h1 { (own.agreement) }
            (ways(words, "/maps/agreement"))
            p class="quiet small" { (WEEKS) " " (own.agreement_how) }
            @if is_cut { p class="told" role="status" { (own.agreement_cut) " " (JUDGED) } }
            @if agreement.total.judged == 0 {
                div class="empty" { p class="big" aria-hidden="true" { "…" } h2 { (own.no_agreement) } p { (own.no_agreement_why) } }
            } @else {
                (by_intent(words, agreement))
                (by_week(words, agreement))
                (corrected(words, agreement))
                p class="quiet small" { (own.interval_how) }
            }
        }
    };
    pages::frame(words, Some(viewer), own.agreement, "maps", &body)
}

/// Judged, confirmed, intent corrected, share, interval.
fn found(found: Found) -> Markup {
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let share = found.share();
    html! {
        td { (found.judged) } td { (found.confirmed) } td { (found.judged - found.right) }
        td { (share.map_or_else(|| "–".to_owned(), |[share, _, _]| percent(share))) }
        td { (share.map_or_else(|| "–".to_owned(), |[_, low, high]| format!("{} … {}", percent(low), percent(high)))) }
    }
}

fn heads(words: &Words) -> Markup {
    let own = words.language.maps();
    html! { th { (own.judged) } th { (own.confirmed) } th { (own.corrected) } th { (own.share) } th { (own.interval) } }
}

fn by_intent(words: &Words, agreement: &Agreement) -> Markup {
    let own = words.language.maps();
    html! {
        h2 { (own.by_intent) }
        div class="scroll" tabindex="0" role="region" aria-label=(own.by_intent) { table {
            thead { tr { th { (own.decided) } (heads(words)) } }
            tbody {
                @for (intent, one) in &agreement.intents {
                    tr { th scope="row" { (if intent.is_empty() { own.no_intent } else { intent.as_str() }) } (found(*one)) }
                }
                tr { th scope="row" { (own.all) } (found(agreement.total)) }
            }
        } }
    }
}

fn by_week(words: &Words, agreement: &Agreement) -> Markup {
    let own = words.language.maps();
    html! {
        h2 { (own.by_week) }
        div class="scroll" tabindex="0" role="region" aria-label=(own.by_week) { table {
            thead { tr { th { (own.week) } (heads(words)) } }
            tbody { @for (week, one) in agreement.weeks.iter().rev() {
                tr { th scope="row" { (week.format("%Y-%m-%d").to_string()) } (found(*one)) }
            } }
        } }
    }
}

fn corrected(words: &Words, agreement: &Agreement) -> Markup {
    let own = words.language.maps();
    let count = agreement.corrected;
    html! {
        h2 { (own.what) }
        dl class="facts" {
            @for (name, count) in [
                (words.sentiment, count.sentiment),
                (own.intent, count.intent),
                (words.stage, count.stage),
                (words.priority, count.priority),
                (words.queue, count.queue),
            ] { div { dt { (name) } dd { (count) " / " (agreement.total.judged) } } }
        }
    }
}
