//! The pages as HTML. Everything that comes from a store or an address is escaped by `maud`; nothing is marked as safe.

pub(super) mod access;
pub(super) mod analysis;
pub(super) mod canary;
pub(super) mod chart;
pub(super) mod conversation;
mod correction;
pub(super) mod erasure;
pub(super) mod maps;
pub(super) mod marks;
pub(super) mod operations;
pub(super) mod parked;
pub(super) mod parts;
pub(super) mod policy;
pub(super) mod queue;
pub(super) mod sign_in;
pub(super) mod simulation;

use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use super::assets::{ICON, SCRIPT, STYLE};
use super::fault::Fault;
use super::guard::Viewer;
use super::words::{Language, Words};
use crate::store::console::Role;

/// A page's frame. `at` names the pane that a narrow screen shows.
pub(super) fn frame(
    words: &Words,
    viewer: Option<&Viewer>,
    title: &str,
    at: &str,
    body: &Markup,
) -> Response {
    let now = chrono::Utc::now().timestamp_micros();
    let page = html! {
        (DOCTYPE)
        html lang=(words.language.code()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · " (words.console) }
                link rel="stylesheet" href=(STYLE.address());
                link rel="icon" type="image/svg+xml" href=(ICON.address());
                script src=(SCRIPT.address()) defer {}
            }
            body data-at=(at) data-now=(now) data-news=(words.news) data-overdue=(words.overdue) data-due=(words.due) {
                a class="skip" href="#content" { (words.skip) }
                header class="top" {
                    a class="name" href="/queue" { span class="logo" aria-hidden="true" { "⇶" } " " (words.console) }
                    @if let Some(viewer) = viewer { (who(words, viewer)) }
                }
                (body)
                @if viewer.is_some() { (help(words)) }
            }
        }
    };
    Html(page.into_string()).into_response()
}

fn who(words: &Words, viewer: &Viewer) -> Markup {
    let other = match words.language {
        Language::En => (Language::It, "Italiano"),
        Language::It => (Language::En, "English"),
    };
    html! {
        nav class="who" aria-label=(words.account) {
            span class="me" { span class="quiet" { (words.signed_in_as) " " } strong { (viewer.account) } " " span class="chip" { (viewer.role.as_str()) } }
            a href="/maps" { (words.language.maps().title) }
            a href="/policy" { (words.language.policy().title) }
            a href="/canary" { (words.language.canary().title) }
            @if viewer.role >= Role::Operator { a href="/operations" { (words.language.operations().title) } }
            @if viewer.role >= Role::Operator { a href="/erasures" { (words.language.erasure().short) } }
            @if viewer.role == Role::Admin { a href="/access" { (words.access_short) } }
            button type="button" class="plain" data-key="?" aria-haspopup="dialog" { (words.keys) " " kbd { "?" } }
            form method="post" action="/language" {
                (csrf(viewer))
                input type="hidden" name="language" value=(other.0.code());
                button class="plain" lang=(other.0.code()) { (other.1) }
            }
            form method="post" action="/sign-out" { (csrf(viewer)) button class="plain" { (words.sign_out) } }
        }
    }
}

fn help(words: &Words) -> Markup {
    let keys = [
        ("j / k", words.key_move),
        ("Enter", words.key_open),
        ("/", words.key_search),
        ("y", words.key_confirm),
        ("c", words.key_correct),
        ("- 0 + · 1–4", words.key_quick),
        ("a", words.key_assign),
        ("r", words.key_resolve),
        ("?", words.key_help),
    ];
    html! {
        dialog id="help" aria-labelledby="help-title" {
            h2 id="help-title" { (words.keys) }
            dl class="keys" { @for (key, what) in keys { div { dt { kbd { (key) } } dd { (what) } } } }
            form method="dialog" { button autofocus { (words.close) } }
        }
    }
}

/// What every form carries.
pub(super) fn csrf(viewer: &Viewer) -> Markup {
    html! { input type="hidden" name="csrf" value=(viewer.csrf); }
}

/// A fault in words.
fn what_is_wrong(words: &Words, fault: Fault) -> &'static str {
    match fault {
        Fault::BadRequest => words.fault_bad,
        Fault::SignIn => words.sign_in,
        Fault::Forbidden => words.fault_forbidden,
        Fault::Forged => words.fault_forged,
        Fault::NotFound => words.fault_missing,
        Fault::Conflict => words.fault_overtaken,
        Fault::Unavailable => words.fault_away,
        Fault::Broker => words.language.operations().broker_away,
    }
}

/// A fault as a page.
pub(super) fn fault(words: &Words, fault: Fault) -> Response {
    let text = what_is_wrong(words, fault);
    let body = html! {
        main id="content" class="single" {
            h1 { (words.fault_title) }
            p role="alert" { (text) }
            p { a class="button" href="/queue" { (words.fault_again) } }
        }
    };
    frame(words, None, words.fault_title, "fault", &body)
}
