//! The personal map: one customer's contacts across channels, with what was wanted, promised and felt.

use axum::response::Response;
use maud::{Markup, html};

use crate::console::guard::Viewer;
use crate::console::pages::{self, chart, erasure, parts};
use crate::console::query::encoded;
use crate::console::words::Words;
use crate::interaction::Author;
use crate::journey::map::{Moment, Timeline};
use crate::journey::model::Closing;
use crate::store::console::ErasureRequest;

/// The page; `conversation` is the one it was reached from.
pub(in crate::console) fn page(
    words: &Words,
    viewer: &Viewer,
    conversation: &str,
    timeline: &Timeline,
    request: Option<&ErasureRequest>,
) -> Response {
    let own = words.language.maps();
    let body = html! {
        main id="content" class="single full" {
            p { a href=(address(conversation)) { "‹ " (own.back) } }
            h1 { (own.timeline) " " (timeline.customer) }
            (standing(words, timeline))
            (curve(words, timeline))
            (goals(words, timeline))
            (promises(words, timeline))
            h2 { (own.moments) }
            (moments(words, conversation, timeline))
            (erasure::asking(words, viewer, conversation, request))
        }
    };
    pages::frame(words, Some(viewer), own.timeline, "timeline", &body)
}

fn address(conversation: &str) -> String {
    format!("/conversation/{}", encoded(conversation))
}

fn standing(words: &Words, timeline: &Timeline) -> Markup {
    let own = words.language.maps();
    let channels: Vec<String> = timeline
        .channels
        .iter()
        .map(|(channel, count)| format!("{count} {}", words.label(channel.as_str())))
        .collect();
    let shown = timeline.moments.len() as u64;
    html! {
        @if timeline.messages > shown {
            p class="told" role="status" { (own.latest_of) " " (shown) " / " (timeline.messages) }
        }
        dl class="facts" {
            div { dt { (words.stage) } dd { (timeline.stage.map_or(own.no_stage, |stage| words.label(stage.as_str()))) } }
            div { dt { (words.experience) } dd { @if let Some(score) = timeline.experience { (score) " / 100" } @else { "–" } } }
            div { dt { (own.contacts) } dd { (timeline.contacts) @if !channels.is_empty() { ": " (channels.join(" · ")) } } }
            div { dt { (own.open_goals) } dd {
                @if timeline.open_goals.is_empty() { span class="quiet" { (own.no_open_goals) } }
                @for goal in &timeline.open_goals { span class="block" { (goal.intent) " " span class="quiet" { (own.open_since) " " (parts::exact(goal.since)) } } }
            } }
        }
    }
}

fn own_words(timeline: &Timeline) -> Vec<&Moment> {
    timeline.moments.iter().filter(|moment| moment.counts).collect()
}

/// Sentiment from contact to contact, as a line and as a table.
fn curve(words: &Words, timeline: &Timeline) -> Markup {
    let own = words.language.maps();
    let contacts = own_words(timeline);
    if contacts.is_empty() {
        return html! { p class="empty" { (own.no_contacts) } };
    }
    let scores: Vec<f32> = contacts.iter().map(|moment| moment.sentiment_score).collect();
    html! {
        h2 { (own.curve) }
        @if scores.len() > 1 { (chart::curve(own.curve, &scores)) }
        details {
            summary { (words.curve_table) }
            div class="scroll" tabindex="0" role="region" aria-label=(own.curve) { table {
                thead { tr { th { (words.at) } th { (words.channel) } th { (words.stage) } th { (words.sentiment) } th { (words.score) } th { (own.effort) } th { (words.experience) } } }
                tbody { @for moment in contacts {
                    tr {
                        td { (parts::exact(moment.at)) }
                        td { (words.label(moment.channel.as_str())) }
                        td { (moment.stage.map_or(own.no_stage, |stage| words.label(stage.as_str()))) }
                        td { (words.label(moment.sentiment.as_str())) }
                        td { (format!("{:+.2}", moment.sentiment_score)) }
                        td { (format!("{:.2}", moment.effort)) }
                        td { (moment.experience) }
                    }
                } }
            } }
        }
    }
}

fn goals(words: &Words, timeline: &Timeline) -> Markup {
    let own = words.language.maps();
    let how = |how: Closing| match how {
        Closing::Met => own.goal_met,
        Closing::Answered => own.goal_answered,
        Closing::ByAgent => own.goal_by_agent,
        Closing::GivenUp => own.goal_given_up,
        Closing::Silence => own.goal_silence,
    };
    html! {
        h2 { (own.goals) }
        @if timeline.goals.is_empty() { p class="quiet" { (own.no_goals) } } @else {
            div class="scroll" tabindex="0" role="region" aria-label=(own.goals) { table {
                thead { tr { th { (own.goal) } th { (own.opened) } th { (own.closed) } th { (own.how) } } }
                tbody { @for goal in &timeline.goals {
                    tr {
                        td { (goal.intent) } td { (parts::exact(goal.opened_at)) }
                        td { @if let Some(at) = goal.closed_at { (parts::exact(at)) } @else { span class="chip" { (own.goal_open) } } }
                        td { (goal.how.map_or("", how)) }
                    }
                } }
            } }
        }
    }
}

fn promises(words: &Words, timeline: &Timeline) -> Markup {
    if timeline.promises.is_empty() {
        return html! {};
    }
    let own = words.language.maps();
    html! {
        h2 { (words.promises) }
        ul class="notes" { @for promise in &timeline.promises {
            li {
                q { (promise.text) } " " span class="quiet" {
                    (parts::exact(promise.at))
                    @if let Some(due) = promise.due { " · " (own.due) " " (parts::exact(due)) }
                    " · "
                } (if promise.kept { words.kept } else { words.not_kept })
            }
        } }
    }
}

fn moments(words: &Words, conversation: &str, timeline: &Timeline) -> Markup {
    let own = words.language.maps();
    html! {
        ol class="timeline" { @for moment in &timeline.moments {
            @let (who, class) = match moment.author {
                Author::Customer if moment.counts => (words.customer, "moment customer"),
                Author::Customer => (own.machine, "moment"),
                Author::Agent => (words.agent, "moment"),
                Author::Bot => (words.bot, "moment"),
            };
            li class=(class) {
                p class="line" {
                    (parts::exact(moment.at)) strong { (who) } span class="chip" { (words.label(moment.channel.as_str())) }
                    a href=(address(&moment.conversation_id)) aria-current=[(moment.conversation_id == conversation).then_some("true")] { (moment.conversation_id) }
                }
                p class="own-words" { (moment.summary) }
                p class="line small" {
                    @if moment.counts {
                        span class=(format!("mood m-{}", moment.sentiment)) { (words.label(moment.sentiment.as_str())) " " (format!("{:+.2}", moment.sentiment_score)) }
                        @if let Some(intent) = &moment.intent { span { (intent) } }
                        @if let Some(stage) = moment.stage { span class="quiet" { (words.label(stage.as_str())) } }
                        (parts::priority(words, &moment.priority))
                        @if let Some(queue) = &moment.queue { span class="quiet" { (queue) } }
                    }
                    (parts::chips(moment.events.iter().map(|event| event.name())))
                }
            }
        } }
    }
}
