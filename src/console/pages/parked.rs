//! The parked messages: the list, one of them, and the question before any goes.

use std::collections::BTreeSet;

use axum::response::Response;
use maud::{Markup, html};

use super::{csrf, parts};
use crate::broker::amqp::park::Entry;
use crate::console::guard::Viewer;
use crate::console::operations::Away;
use crate::console::operator::Told;
use crate::console::query::encoded;
use crate::console::words::Words;

/// The list, or why there is none.
pub(in crate::console) fn list(
    words: &Words,
    viewer: &Viewer,
    listed: Result<&(u32, Vec<Entry>), &Away>,
    told: &Told,
    wrong: Option<&str>,
) -> Response {
    let own = words.language.operations();
    let body = html! {
        main id="content" class="single wide" {
            p { a href="/operations" { "← " (own.title) } }
            h1 { (own.parked) @if let Ok((total, _)) = listed { " " span class="count" { (total) } } }
            @if let Some(wrong) = wrong { p class="alert" role="alert" { (wrong) } }
            (said(words, told))
            @match listed {
                Err(away) => (super::operations::away(words, away)),
                Ok((_, entries)) if entries.is_empty() => p class="empty" { (own.parked_none) },
                Ok((total, entries)) => (table(words, viewer, *total, entries)),
            }
        }
    };
    super::frame(words, Some(viewer), own.parked, "parked", &body)
}

fn said(words: &Words, told: &Told) -> Markup {
    let own = words.language.operations();
    let done = match told.told.as_str() {
        "replay" => own.replayed,
        "discard" => own.discarded,
        _ => return html! {},
    };
    html! {
        p class="told" role="status" data-told {
            (done) " " (told.done)
            @if told.missing > 0 { " · " (own.not_found) " " (told.missing) }
        }
    }
}

fn table(words: &Words, viewer: &Viewer, total: u32, entries: &[Entry]) -> Markup {
    let own = words.language.operations();
    html! {
        @if entries.len() < total as usize { p class="quiet" { (own.parked_some) } }
        form method="post" action="/parked" {
            (csrf(viewer))
            div class="scroll" tabindex="0" role="region" aria-label=(own.parked) { table {
                thead { tr { th { (own.choose) } th { (own.id) } th { (own.age) } th { (own.class) } th { (own.error) } th { (own.origin) } th { (own.bytes) } } }
                tbody { @for entry in entries {
                    tr {
                        td { input type="checkbox" name="id" value=(entry.id) aria-label=(format!("{} {}", own.choose, entry.id)); }
                        td { a href=(address(entry)) { (entry.id) } }
                        td { (age(entry)) }
                        td { (entry.error_class) }
                        td { (entry.error) }
                        td { (entry.origin.as_deref().unwrap_or("–")) }
                        td { (entry.bytes) }
                    }
                } }
            } }
            (buttons(words))
        }
    }
}

fn buttons(words: &Words) -> Markup {
    let own = words.language.operations();
    html! {
        p class="acts-row" {
            button name="act" value="replay" { (own.replay) } " " span class="quiet" { (own.replay_how) }
        }
        p class="acts-row" {
            button class="plain" name="act" value="discard" { (own.discard) } " " span class="quiet" { (own.discard_how) }
        }
    }
}

fn address(entry: &Entry) -> String {
    format!("/parked/{}", encoded(&entry.id))
}

fn age(entry: &Entry) -> Markup {
    entry.parked_at.map_or_else(|| html! { "–" }, parts::time)
}

/// One message, its body redacted.
pub(in crate::console) fn one(words: &Words, viewer: &Viewer, entry: &Entry, text: &str) -> Response {
    let own = words.language.operations();
    let body = html! {
        main id="content" class="single wide" {
            p { a href="/parked" { "← " (own.parked) } }
            h1 { (entry.id) }
            dl class="facts" {
                div { dt { (own.age) } dd { (age(entry)) } }
                div { dt { (own.class) } dd { (entry.error_class) } }
                div { dt { (own.error) } dd { (entry.error) } }
                div { dt { (own.attempt) } dd { @if let Some(attempt) = entry.attempt { (attempt) } @else { "–" } } }
                div { dt { (own.origin) } dd { (entry.origin.as_deref().unwrap_or("–")) } }
                div { dt { (own.routing_key) } dd { (entry.routing_key) } }
                div { dt { (own.version) } dd { (entry.version.as_deref().unwrap_or("–")) } }
                div { dt { (own.bytes) } dd { (entry.bytes) } }
            }
            h2 { (own.body) }
            pre class="raw" tabindex="0" { (text) }
            form method="post" action="/parked" {
                (csrf(viewer))
                input type="hidden" name="id" value=(entry.id);
                (buttons(words))
            }
        }
    };
    super::frame(words, Some(viewer), &entry.id, "parked", &body)
}

/// The question.
pub(in crate::console) fn sure(words: &Words, viewer: &Viewer, ids: &BTreeSet<String>) -> Response {
    let own = words.language.operations();
    let body = html! {
        main id="content" class="single wide" {
            h1 { (own.discard_sure) }
            p { (own.discard_what) }
            ul class="notes" { @for id in ids { li { (id) } } }
            form method="post" action="/parked" {
                (csrf(viewer))
                input type="hidden" name="sure" value="yes";
                @for id in ids { input type="hidden" name="id" value=(id); }
                p class="acts-row" {
                    button name="act" value="discard" { (own.discard_yes) } " "
                    a class="button plain" href="/parked" { (own.keep) }
                }
            }
        }
    };
    super::frame(words, Some(viewer), own.discard_sure, "parked", &body)
}
