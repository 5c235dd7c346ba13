//! A conversation: what to do with it, what was said, why it was decided so, and what was done since.

use axum::response::Response;
use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::marks::{Segment, spoken};
use super::{analysis, correction, csrf, parts, queue};
use crate::console::fault::Fault;
use crate::console::guard::Viewer;
use crate::console::query::encoded;
use crate::console::queue::Listed;
use crate::console::words::Words;
use crate::interaction::{Author, Interaction};
use crate::routing::Decision;
use crate::store::console::{Act, Note, Reviewed, Role, Status};

/// What the page is made of.
pub(in crate::console) struct View<'a> {
    pub words: &'a Words,
    pub viewer: &'a Viewer,
    pub listed: &'a Listed,
    pub reviewed: &'a Reviewed,
    /// The queues that a message can be sent to.
    pub queues: &'a [&'a str],
}

/// The page, with the list it was opened from beside it, and what was wrong with what was just asked for.
pub(in crate::console) fn page(view: &View<'_>, wrong: Option<Fault>, now: DateTime<Utc>) -> Response {
    let View { words, viewer, listed, reviewed, .. } = *view;
    let open = Some(reviewed.item.conversation_id.as_str());
    let body = queue::panes(words, viewer, listed, open, now, &pane(view, wrong, now));
    let title = format!("{} {}", words.conversation, reviewed.item.conversation_id);
    super::frame(words, Some(viewer), &title, "conversation", &body)
}

fn pane(view: &View<'_>, wrong: Option<Fault>, now: DateTime<Utc>) -> Markup {
    let View { words, viewer, listed, reviewed, .. } = *view;
    let item = &reviewed.item;
    let address = listed.query.address();
    let latest = reviewed.messages.last().map(|(_, decision)| decision);
    html! {
        section class="pane conversation" id="conversation" aria-labelledby="title" {
            p class="back" { a href=(format!("/queue{address}")) { "‹ " (words.back) } }
            @if let Some(wrong) = wrong { p role="alert" class="alert" { (super::what_is_wrong(words, wrong)) } }
            @else if let Some(text) = told_of(words, &listed.query.told) { p role="status" class="told" data-told { (text) } }
            header class="head" {
                h1 id="title" { (words.conversation) " " (item.conversation_id) }
                p class="line" {
                    (parts::priority(words, &item.priority))
                    span class="chip" { (words.label(item.status.as_str())) }
                    span { span class="quiet" { (words.assignee) " " } (if item.assignee.is_empty() { words.nobody } else { item.assignee.as_str() }) }
                    (parts::due(words, item.due_at, now))
                }
                @if viewer.role >= Role::Supervisor { (acts(view, &address)) }
            }
            div class="columns" {
                div class="said" {
                    h2 { (words.transcript) }
                    ol class="transcript" {
                        @for (interaction, decision) in &reviewed.messages { li { (message(words, interaction, decision)) } }
                    }
                    (analysis::curve(words, &reviewed.messages))
                }
                @if let Some(latest) = latest { (analysis::side(words, latest, reviewed, &address, now)) }
                div class="history" { (history(words, viewer, reviewed, &address)) }
            }
        }
    }
}

/// What was just done, in words.
fn told_of<'a>(words: &'a Words, told: &str) -> Option<&'a str> {
    Some(match told {
        "assign" => words.told_assign,
        "resolve" => words.told_resolve,
        "reopen" => words.told_reopen,
        "comment" => words.told_comment,
        "confirm" => words.told_confirm,
        "correct" => words.told_correct,
        _ => return None,
    })
}

fn action(item: &str, what: &str) -> String {
    format!("/conversation/{}/{what}", encoded(item))
}

fn acts(view: &View<'_>, address: &str) -> Markup {
    let View { words, viewer, reviewed, .. } = *view;
    let item = &reviewed.item;
    let (next, title) = match item.status {
        Status::Resolved => ("reopen", words.reopen),
        _ => ("resolve", words.resolve),
    };
    let latest = reviewed.messages.last().map(|(_, decision)| decision);
    html! {
        div class="acts" {
            @if let Some(latest) = latest {
                form method="post" action=(action(&item.conversation_id, "correct")) {
                    (hidden(viewer, latest, address))
                    button data-key="y" { (words.confirm) " " kbd { "y" } }
                }
            }
            @for (act, title, key) in [("assign", words.assign_me, "a"), (next, title, "r")] {
                form method="post" action=(action(&item.conversation_id, "act")) {
                    (csrf(viewer))
                    input type="hidden" name="list" value=(address);
                    button class="second" name="act" value=(act) data-key=(key) { (title) " " kbd { (key) } }
                }
            }
            @if let Some(latest) = latest {
                details class="correct" {
                    summary data-key="c" { (words.correct) " " kbd { "c" } }
                    (correction::panel(view, latest, &action(&item.conversation_id, "correct"), address))
                }
            }
        }
    }
}

/// What every form about a decision carries.
pub(super) fn hidden(viewer: &Viewer, decision: &Decision, address: &str) -> Markup {
    html! {
        (csrf(viewer))
        input type="hidden" name="list" value=(address);
        input type="hidden" name="message" value=(decision.message_id);
        input type="hidden" name="decision" value=(decision.decision_id);
    }
}

fn message(words: &Words, interaction: &Interaction, decision: &Decision) -> Markup {
    html! {
        p class="line quiet" { span { (words.label(interaction.channel.as_str())) } (parts::time(interaction.sent_at)) }
        @for spoken in spoken(interaction, decision) {
            @let (name, class) = match spoken.speaker {
                Some(Author::Customer) => (words.customer, "turn customer"),
                Some(Author::Agent) => (words.agent, "turn agent"),
                Some(Author::Bot) => (words.bot, "turn bot"),
                None => (words.subject, "turn subject"),
            };
            div class=(class) {
                span class="speaker" { (name) }
                p { @for segment in &spoken.segments { (marked(segment)) } }
            }
        }
        @if decision.degraded { p class="alert" { (words.degraded) } }
    }
}

fn marked(segment: &Segment) -> Markup {
    if segment.labels.is_empty() {
        return html! { (segment.text) };
    }
    let labels = segment.labels.join(" · ");
    html! { mark title=(labels) { (segment.text) span class="visually-hidden" { " [" (labels) "] " } } }
}

fn history(words: &Words, viewer: &Viewer, reviewed: &Reviewed, address: &str) -> Markup {
    html! {
        h2 { (words.history) }
        @if reviewed.notes.is_empty() { p class="quiet" { (words.no_history) } } @else {
            ol class="notes" { @for note in &reviewed.notes { li { (told(words, note)) } } }
        }
        @if !reviewed.corrections.is_empty() {
            h3 { (words.corrected) }
            ul class="notes" {
                @for correction in &reviewed.corrections {
                    @let intents = correction.intents.as_deref().unwrap_or_default().join(", ");
                    @let changed: Vec<&str> = [
                        correction.sentiment.map(|label| words.label(label.as_str())),
                        (!intents.is_empty()).then_some(intents.as_str()),
                        correction.stage.map(|stage| words.label(stage.as_str())),
                        correction.priority.map(|level| words.label(level.as_str())),
                        correction.queue.as_deref(),
                    ].into_iter().flatten().collect();
                    li {
                        (parts::time(correction.corrected_at)) " " strong { (correction.corrected_by) } ": "
                        (if changed.is_empty() { words.confirmed.to_owned() } else { changed.join(" · ") })
                    }
                }
            }
        }
        @if viewer.role >= Role::Supervisor {
            form method="post" action=(action(&reviewed.item.conversation_id, "act")) class="stack" {
                (csrf(viewer))
                input type="hidden" name="list" value=(address);
                label { (words.say) textarea name="text" rows="3" maxlength="4000" required {} }
                button name="act" value="comment" { (words.comment) }
            }
        }
    }
}

fn told(words: &Words, note: &Note) -> Markup {
    let what = match note.act {
        Act::Comment => words.did_comment,
        Act::Assign => words.did_assign,
        Act::Resolve => words.did_resolve,
        Act::Reopen => words.did_reopen,
        Act::Correct => words.did_correct,
    };
    html! {
        (parts::time(note.at)) " " strong { (note.account) } " " (what)
        @if !note.text.is_empty() { ": " span class="own-words" { (note.text) } }
    }
}
