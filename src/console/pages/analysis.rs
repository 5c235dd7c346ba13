//! What was decided about a conversation and why, beside its transcript.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::{chart, parts, queue};
use crate::console::query::encoded;
use crate::console::words::Words;
use crate::interaction::Interaction;
use crate::journey::model::RiskLevel;
use crate::routing::Decision;
use crate::store::console::Reviewed;

/// The latest decision: brief, reasons, analysis, contacts, versions.
pub(super) fn side(
    words: &Words,
    decision: &Decision,
    reviewed: &Reviewed,
    address: &str,
    now: DateTime<Utc>,
) -> Markup {
    html! {
        aside class="decision" aria-label=(words.why) {
            h2 { (words.brief) }
            p class="brief" { (decision.journey.brief) }
            h2 { (words.why) }
            (reasons(words, decision, reviewed))
            dl class="facts" {
                div { dt { (words.route) } dd { (words.label(decision.route.action.as_str())) @if let Some(queue) = &decision.route.queue { " · " (queue) } " " (parts::chips(decision.route.skills.iter().map(String::as_str))) } }
                div { dt { (words.due) } dd { (parts::due(words, decision.route.sla_due_at, now)) } }
                div { dt { (words.flags) } dd { (parts::chips(decision.flags.iter().map(String::as_str))) } }
                (meaning(words, decision))
                (standing(words, decision))
            }
            (contacts(words, decision, reviewed, address))
            details {
                summary { (words.versions) }
                dl class="facts small" {
                    div { dt { (words.decision) } dd { code { (decision.decision_id) } " · " (words.revision) " " (decision.revision) } }
                    @if let Some(former) = decision.supersedes { div { dt { (words.supersedes) } dd { code { (former) } } } }
                    @for (name, version) in [
                        (words.model, &decision.versions.model),
                        (words.policy, &decision.versions.policy),
                        (words.input, &decision.versions.input),
                        (words.state, &decision.versions.state),
                    ] { div { dt { (name) } dd { code { (version) } } } }
                }
            }
        }
    }
}

fn reasons(words: &Words, decision: &Decision, reviewed: &Reviewed) -> Markup {
    let document =
        reviewed.messages.last().map(|(interaction, _)| interaction.document()).unwrap_or_default();
    let quoted = |[start, end]: [usize; 2]| -> String {
        document.chars().skip(start).take(end.saturating_sub(start)).collect()
    };
    html! {
        @if decision.reasons.is_empty() { p class="quiet" { (words.no_rules) } }
        ul class="reasons" {
            @for reason in &decision.reasons {
                li {
                    strong { (reason.text) }
                    @if let Some(evidence) = reason.evidence { q { (quoted(evidence)) } }
                    p class="quiet" { (words.without) ": " (words.label(reason.without.as_str())) " · " (words.rule) " " code { (reason.rule) } }
                }
            }
        }
    }
}

fn meaning(words: &Words, decision: &Decision) -> Markup {
    let analysis = &decision.analysis;
    html! {
        div { dt { (words.sentiment) } dd {
            (words.label(analysis.sentiment.label.as_str())) " " (format!("{:+.2}", analysis.sentiment.score))
            span class="quiet" { " · " (parts::percent(analysis.sentiment.confidence)) }
        } }
        div { dt { (words.intents) } dd {
            @if analysis.intents.is_empty() { span class="quiet" { (words.abstained) } }
            @for intent in &analysis.intents { span class="block" { (intent.name) " " span class="quiet" { (parts::percent(intent.confidence)) } } }
        } }
        @if let Some(stage) = &analysis.stage { div { dt { (words.stage) } dd {
            @if let Some(previous) = stage.previous.filter(|previous| *previous != stage.name) { (words.label(previous.as_str())) " → " }
            (words.label(stage.name.as_str())) " " span class="quiet" { (parts::percent(stage.confidence)) }
        } } }
        div { dt { (words.signals) } dd { (parts::chips(analysis.signals.iter().map(|signal| signal.name.as_str()))) } }
        div { dt { (words.emotions) } dd { (parts::chips(analysis.emotions.iter().map(|emotion| words.label(emotion.name.as_str())))) } }
    }
}

fn standing(words: &Words, decision: &Decision) -> Markup {
    let journey = &decision.journey;
    let risk = match journey.churn_risk.level {
        RiskLevel::Low => "low",
        RiskLevel::Medium => "medium",
        RiskLevel::High => "high",
    };
    html! {
        div { dt { (words.experience) } dd {
            @if let Some(previous) = journey.experience.previous { (previous) " → " }
            (journey.experience.score) " / 100"
        } }
        div { dt { (words.churn) } dd { (words.label(risk)) " " (parts::chips(journey.churn_risk.reasons.iter().map(String::as_str))) } }
        @if !journey.promises.is_empty() { div { dt { (words.promises) } dd {
            @for promise in &journey.promises { span class="block" {
                q { (promise.text) } " " span class="quiet" { (parts::time(promise.at)) " · " (if promise.kept { words.kept } else { words.not_kept }) }
            } }
        } } }
    }
}

fn contacts(words: &Words, decision: &Decision, reviewed: &Reviewed, address: &str) -> Markup {
    html! {
        h2 { (words.others) }
        p { a href=(format!("/conversation/{}/timeline", encoded(&reviewed.item.conversation_id))) { (words.language.maps().timeline_link) } }
        @if reviewed.others.is_empty() { p class="quiet" { (words.no_others) } } @else {
            ul class="notes" {
                @for item in &reviewed.others {
                    li { (parts::time(item.decided_at)) " " a href=(queue::link(item, address)) { (words.label(&item.channel)) " " (item.conversation_id) } " " span class="quiet" { (item.intent) } }
                }
            }
        }
        @if !decision.journey.contacts.is_empty() {
            details {
                summary { (words.contacts) " (" (decision.journey.contacts.len()) ")" }
                ol class="notes" {
                    @for contact in &decision.journey.contacts {
                        li { (parts::time(contact.at)) " " (words.label(contact.channel.as_str())) " " (contact.conversation_id) " "
                            span class="quiet" { (contact.intent.as_deref().unwrap_or("–")) " " (format!("{:+.2}", contact.sentiment)) } }
                    }
                }
            }
        }
    }
}

/// Sentiment from message to message, as a line and as a table.
pub(super) fn curve(words: &Words, messages: &[(Interaction, Decision)]) -> Markup {
    if messages.len() < 2 {
        return html! {};
    }
    let scores: Vec<f32> = messages.iter().map(|(_, decision)| decision.analysis.sentiment.score).collect();
    html! {
        h2 { (words.curve) }
        (chart::curve(words.curve, &scores))
        details {
            summary { (words.curve_table) }
            div class="scroll" tabindex="0" role="region" aria-label=(words.curve_table) { table {
                thead { tr { th { (words.at) } th { (words.channel) } th { (words.sentiment) } th { (words.score) } th { (words.intents) } } }
                tbody { @for (interaction, decision) in messages {
                    tr {
                        td { (parts::time(interaction.sent_at)) }
                        td { (words.label(interaction.channel.as_str())) }
                        td { (words.label(decision.analysis.sentiment.label.as_str())) }
                        td { (format!("{:+.2}", decision.analysis.sentiment.score)) }
                        td { (decision.analysis.intents.first().map_or("–", |intent| intent.name.as_str())) }
                    }
                } }
            } }
        }
    }
}
