//! What the canary would decide otherwise: how often, in which ways, on which messages.

use axum::response::Response;
use maud::{Markup, html};

use super::parts;
use crate::console::canary::{MESSAGES, MOVES, Told};
use crate::console::guard::Viewer;
use crate::console::query::encoded;
use crate::console::words::Words;
use crate::routing::canary::{Aspect, Difference};
use crate::store::console::{Differing, Pairing};

/// The page.
pub(in crate::console) fn page(words: &Words, viewer: &Viewer, told: &Told) -> Response {
    let own = words.language.canary();
    let body = html! {
        main id="content" class="single full" {
            h1 { (own.title) }
            p class="quiet" { (own.how) }
            @match told.pairing() {
                None => div class="empty" { p class="big" aria-hidden="true" { "⇶" } h2 { (own.nothing) } p { (own.nothing_why) } },
                Some(pairing) => {
                    (form(words, told))
                    (summary(words, pairing))
                    h2 { (own.ways) }
                    (moves(words, told))
                    h2 { (own.messages) }
                    (messages(words, told))
                },
            }
        }
    };
    super::frame(words, Some(viewer), own.title, "policy", &body)
}

fn name(words: &Words, aspect: Aspect) -> &'static str {
    let own = words.language.canary();
    match aspect {
        Aspect::Action => own.action,
        Aspect::Queue => own.queue,
        Aspect::Priority => own.priority,
        Aspect::Flags => own.flags,
        Aspect::Intent => own.intent,
        Aspect::Stage => own.stage,
        Aspect::Sentiment => own.sentiment,
    }
}

fn form(words: &Words, told: &Told) -> Markup {
    let own = words.language.canary();
    html! {
        form method="get" action="/canary" class="narrow" role="search" {
            label { (own.pair) select name="pair" {
                @for (place, pairing) in told.pairings.iter().enumerate() {
                    option value=(place) selected[place == told.chosen] {
                        (pairing.last.format("%Y-%m-%d %H:00")) " · " (short(&pairing.live)) " → " (short(&pairing.shadow))
                    }
                }
            } }
            label { (own.aspect) select name="aspect" {
                option value="" { (words.any) }
                @for aspect in Aspect::ALL { option value=(aspect.as_str()) selected[told.aspect == Some(aspect)] { (name(words, aspect)) } }
            } }
            div class="row" { button { (words.apply) } a class="button plain" href="/canary" { (words.clear) } }
        }
    }
}

/// Of every hash its first eight digits.
fn short(maker: &str) -> String {
    let part = |part: &str| match part.split_once("sha256:") {
        Some((name, hash)) => format!("{name}{}", hash.chars().take(8).collect::<String>()),
        None => part.to_owned(),
    };
    maker.split(' ').map(part).collect::<Vec<_>>().join(" ")
}

fn summary(words: &Words, pairing: &Pairing) -> Markup {
    let own = words.language.canary();
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let share = 100.0 * pairing.differing as f64 / pairing.compared.max(1) as f64;
    html! {
        dl class="facts" {
            div { dt { (own.live) } dd { code title=(pairing.live) { (short(&pairing.live)) } } }
            div { dt { (own.shadow) } dd { code title=(pairing.shadow) { (short(&pairing.shadow)) } } }
            div { dt { (own.compared) } dd { strong { (pairing.compared) } } }
            div { dt { (own.differing) } dd { strong { (pairing.differing) } " (" (format!("{share:.1}")) " %)" } }
            div { dt { (own.span) } dd { (parts::time(pairing.first)) " – " (parts::time(pairing.last)) } }
        }
    }
}

fn moves(words: &Words, told: &Told) -> Markup {
    let own = words.language.canary();
    let shown = || {
        told.moved.iter().filter(|moved| told.aspect.is_none_or(|aspect| aspect == moved.difference.aspect))
    };
    html! {
        @if told.moved.len() >= MOVES as usize { p class="quiet small" { (own.moves_cut) " " (MOVES) } }
        @if shown().next().is_none() { p class="quiet" { (own.none) } } @else {
            div class="scroll" tabindex="0" role="region" aria-label=(own.ways) { table {
                thead { tr { th { (own.aspect) } th { (own.live) } th { (own.shadow) } th { (own.count) } } }
                tbody { @for moved in shown() {
                    tr {
                        td { (name(words, moved.difference.aspect)) }
                        td { (value(words, &moved.difference.live)) } td { (value(words, &moved.difference.shadow)) }
                        td class="sum" { (moved.count) }
                    }
                } }
            } }
        }
    }
}

/// A label in the reader's language where it has one, and a dash for nothing.
fn value<'a>(words: &Words, value: &'a str) -> &'a str {
    if value == "-" { "–" } else { words.label(value) }
}

fn messages(words: &Words, told: &Told) -> Markup {
    let own = words.language.canary();
    html! {
        @if told.differing.len() >= MESSAGES as usize { p class="quiet small" { (own.messages_cut) " " (MESSAGES) } }
        @if told.differing.is_empty() { p class="quiet" { (own.none) } } @else {
            div class="scroll" tabindex="0" role="region" aria-label=(own.messages) { table {
                thead { tr { th { (own.decided) } th { (words.conversation) } th { (own.differs_in) } th { (own.rules) } } }
                tbody { @for differing in &told.differing { (message(words, differing)) } }
            } }
        }
    }
}

fn message(words: &Words, differing: &Differing) -> Markup {
    let conversation = format!("/conversation/{}", encoded(&differing.conversation_id));
    let change = |difference: &Difference| {
        html! { li { (name(words, difference.aspect)) ": " (value(words, &difference.live)) " → " strong { (value(words, &difference.shadow)) } } }
    };
    let rules = |rules: &str| if rules.is_empty() { "–".to_owned() } else { rules.to_owned() };
    html! {
        tr {
            td { (parts::time(differing.decided_at)) }
            td { a href=(conversation) { (differing.conversation_id) } }
            td { ul class="notes" { @for difference in &differing.differences { (change(difference)) } } }
            td { @if differing.live_rules == differing.shadow_rules { (rules(&differing.live_rules)) } @else {
                (rules(&differing.live_rules)) " → " (rules(&differing.shadow_rules))
            } }
        }
    }
}
