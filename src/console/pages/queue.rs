//! The queue: views and filters on the left, the list in the middle, the conversation on the right.

use axum::response::Response;
use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::{csrf, parts};
use crate::console::guard::Viewer;
use crate::console::query::{QueueQuery, encoded};
use crate::console::queue::{COUNTED, Listed};
use crate::console::words::Words;
use crate::interaction::Channel;
use crate::nlp::labels::{SentimentLabel, SignalKind, Stage};
use crate::routing::decision::Level;
use crate::store::console::{Item, Status};

/// Flags that a row shows; the conversation has all.
const FLAGS: usize = 3;

/// With no conversation open.
pub(in crate::console) fn page(
    words: &Words,
    viewer: &Viewer,
    listed: &Listed,
    now: DateTime<Utc>,
) -> Response {
    let empty = html! {
        section class="pane conversation" aria-label=(words.conversation) {
            div class="empty" { p class="big" aria-hidden="true" { "⇶" } h2 { (words.open_one) } p { (words.open_one_why) } p class="keys-only" { (words.open_keys) } }
        }
    };
    let body = panes(words, viewer, listed, None, now, &empty);
    super::frame(words, Some(viewer), words.queue_title, "list", &body)
}

/// The three panes; `open` is the conversation shown in the third.
pub(super) fn panes(
    words: &Words,
    viewer: &Viewer,
    listed: &Listed,
    open: Option<&str>,
    now: DateTime<Utc>,
    conversation: &Markup,
) -> Markup {
    html! {
        div class="panes" {
            (left(words, viewer, listed))
            main id="content" class="pane list" aria-label=(words.queue_title) {
                (list(words, listed, open, now))
            }
            (conversation)
        }
    }
}

fn left(words: &Words, viewer: &Viewer, listed: &Listed) -> Markup {
    let names = [words.to_do, words.mine, words.unassigned, words.urgent, words.resolved];
    let address = listed.query.address();
    html! {
        aside class="pane filters" aria-label=(words.filters) {
            nav aria-label=(words.views) {
                h2 { (words.views) }
                ul class="views" {
                    @for (name, (query, count)) in names.iter().zip(&listed.views) {
                        li {
                            a href=(format!("/queue{}", query.address())) aria-current=[(query.address() == address).then_some("page")] {
                                span { (name) }
                                span class="count" { (counted(*count)) }
                            }
                        }
                    }
                }
                @if !listed.saved.is_empty() {
                    h2 { (words.saved_views) }
                    ul class="views" {
                        @for (name, query) in &listed.saved {
                            li class="saved" {
                                a href=(format!("/queue{query}")) aria-current=[(*query == address).then_some("page")] { (name) }
                                form method="post" action="/views" {
                                    (csrf(viewer))
                                    input type="hidden" name="name" value=(name);
                                    input type="hidden" name="forget" value="1";
                                    button class="plain" aria-label=(format!("{}: {name}", words.forget)) { "×" }
                                }
                            }
                        }
                    }
                }
            }
            details class="filter-box" open {
                summary { h2 { (words.filters) } }
                (filters(words, &listed.query))
                form method="post" action="/views" class="stack save" {
                    (csrf(viewer))
                    input type="hidden" name="query" value=(address);
                    label { (words.save_view) input name="name" maxlength="60" required placeholder=(words.view_name); }
                    button class="plain" { (words.save_view) }
                }
            }
        }
    }
}

fn filters(words: &Words, query: &QueueQuery) -> Markup {
    let selects: [(&str, &str, &str, Vec<&str>); 6] = [
        (
            "priority",
            words.priority,
            &query.priority,
            Level::ALL.iter().rev().map(|level| level.as_str()).collect(),
        ),
        ("status", words.status, &query.status, Status::ALL.iter().map(|status| status.as_str()).collect()),
        (
            "channel",
            words.channel,
            &query.channel,
            Channel::ALL.iter().map(|channel| channel.as_str()).collect(),
        ),
        ("stage", words.stage, &query.stage, Stage::ALL.iter().map(|stage| stage.as_str()).collect()),
        (
            "sentiment",
            words.sentiment,
            &query.sentiment,
            SentimentLabel::ALL.iter().map(|label| label.as_str()).collect(),
        ),
        ("sort", words.sort, &query.sort, vec!["newest"]),
    ];
    html! {
        form method="get" action="/queue" role="search" class="stack" {
            @if !query.view.is_empty() { input type="hidden" name="view" value=(query.view); }
            label { (words.search) input type="search" name="q" value=(query.q) data-key="/"; }
            @for (name, title, chosen, options) in selects {
                label {
                    (title)
                    select name=(name) {
                        option value="" { (if name == "sort" { words.most_urgent } else { words.any }) }
                        @for option in options {
                            option value=(option) selected[option == chosen] {
                                (if name == "sort" { words.newest } else { words.label(option) })
                            }
                        }
                    }
                }
            }
            label { (words.queue) input name="queue" value=(query.queue); }
            label { (words.language_label) input name="language" value=(query.language) maxlength="3"; }
            label { (words.signal) input name="signal" value=(query.signal) list="signals"; }
            datalist id="signals" { @for signal in SignalKind::ALL { option value=(signal.as_str()) {} } }
            div class="row" { button { (words.apply) } a class="button plain" href="/queue" { (words.clear) } }
        }
    }
}

fn list(words: &Words, listed: &Listed, open: Option<&str>, now: DateTime<Utc>) -> Markup {
    let address = listed.query.address();
    html! {
        div class="list-head" {
            h1 { (words.queue_title) }
            p class="news" role="status" { a href=(format!("/queue{address}")) data-news-bar hidden {} }
        }
        noscript { p class="quiet" { (words.script_off) } }
        @if listed.is_cut && listed.items.is_empty() {
            div class="empty" { p class="big" aria-hidden="true" { "…" } h2 { (words.not_yet) } p { (words.not_yet_why) } }
        } @else if listed.items.is_empty() {
            div class="empty" { p class="big" aria-hidden="true" { "✓" } h2 { (words.nothing_here) } p { (words.nothing_here_why) } }
        } @else {
            ul class="items" {
                @for item in &listed.items {
                    li { (row(words, item, &address, open == Some(item.conversation_id.as_str()), now)) }
                }
            }
        }
        nav class="row pages" aria-label=(words.next_page) {
            @if !listed.query.after.is_empty() { a class="button plain" href=(format!("/queue{address}")) { (words.first_page) } }
            @if let Some(next) = &listed.next { a class="button" href=(format!("/queue{}", listed.query.behind(next))) { (if listed.is_cut { words.look_further } else { words.next_page }) } }
        }
    }
}

fn row(words: &Words, item: &Item, address: &str, is_open: bool, now: DateTime<Utc>) -> Markup {
    html! {
        a class="item" href=(link(item, address)) aria-current=[is_open.then_some("true")] data-row {
            span class="line" {
                (parts::priority(words, &item.priority))
                span class="quiet" { (words.label(&item.channel)) }
                span class="end" { @if item.due_at.is_some() { (parts::due(words, item.due_at, now)) } }
            }
            span class="excerpt" { (item.excerpt) }
            span class="line" {
                span class=(format!("mood m-{}", item.sentiment)) { (words.label(&item.sentiment)) }
                @if !item.queue.is_empty() { span { (item.queue) } }
                @if !item.intent.is_empty() { span class="quiet" { (item.intent) } }
            }
            span class="line" {
                (parts::chips(item.flags.iter().take(FLAGS).map(String::as_str)))
                @if item.flags.len() > FLAGS { span class="quiet" { "+" (item.flags.len() - FLAGS) " " (words.more_flags) } }
                span class="end quiet" {
                    @if item.status != Status::Open { (words.label(item.status.as_str())) " " }
                    @if !item.assignee.is_empty() { (item.assignee) " " }
                    (parts::time(item.decided_at))
                }
            }
        }
    }
}

/// The address of a conversation, opened from a list.
pub(super) fn link(item: &Item, address: &str) -> String {
    format!("/conversation/{}{address}", encoded(&item.conversation_id))
}

fn counted(count: u64) -> String {
    if count >= COUNTED.into() { format!("{}+", COUNTED - 1) } else { count.to_string() }
}
