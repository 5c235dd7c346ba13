//! The panel that says what would have been right: one key for the commonest, a form for everything.

use maud::{Markup, html};

use super::conversation::{View, hidden};
use crate::nlp::labels::{INTENTS, SentimentLabel, Stage};
use crate::routing::Decision;
use crate::routing::decision::Level;

/// The panel for a decision; `to` is where its forms go.
pub(super) fn panel(view: &View<'_>, decision: &Decision, to: &str, address: &str) -> Markup {
    let words = view.words;
    let analysis = &decision.analysis;
    let (mood, level) = (analysis.sentiment.label.as_str(), decision.priority.level.as_str());
    let moods: Vec<&str> = SentimentLabel::ALL.iter().map(|label| label.as_str()).collect();
    let levels: Vec<&str> = Level::ALL.iter().map(|level| level.as_str()).collect();
    let keyed_moods = [("-", "negative"), ("0", "neutral"), ("+", "positive")];
    let keyed_levels = ["1", "2", "3", "4"].into_iter().zip(levels.iter().copied());
    let quick = |key: &str, name: &str, value: &str, now: &str| {
        html! {
            button class="second" name=(name) value=(value) data-quick=(key) disabled[value == now] {
                (words.label(value)) " " kbd { (key) }
            }
        }
    };
    let choice = |name: &str, title: &str, now: &str, options: &[&str]| {
        html! {
            label {
                (title)
                select name=(name) {
                    option value="" { (words.unchanged) ": " (words.label(now)) }
                    @for option in options { @if *option != now { option value=(option) { (words.label(option)) } } }
                }
            }
        }
    };
    let intent = analysis.intents.first().map_or("–", |intent| intent.name.as_str());
    let stage = analysis.stage.as_ref().map_or("–", |stage| stage.name.as_str());
    let stages: Vec<&str> = Stage::ALL.iter().map(|stage| stage.as_str()).collect();
    html! {
        div class="panel" {
            p class="quiet" { (words.correct_how) }
            @for (title, name, now, keyed) in [
                (words.sentiment, "sentiment", mood, keyed_moods.to_vec()),
                (words.priority, "priority", level, keyed_levels.collect()),
            ] {
                form method="post" action=(to) class="quick" role="group" aria-label=(title) {
                    (hidden(view.viewer, decision, address))
                    span class="quick-name" { (title) }
                    @for (key, value) in keyed { (quick(key, name, value, now)) }
                }
            }
            form method="post" action=(to) class="all" {
                (hidden(view.viewer, decision, address))
                (choice("sentiment", words.sentiment, mood, &moods))
                (choice("intent", words.intents, intent, &INTENTS))
                (choice("stage", words.stage, stage, &stages))
                (choice("priority", words.priority, level, &levels))
                (choice("queue", words.queue, decision.route.queue.as_deref().unwrap_or("–"), view.queues))
                label class="whole" { (words.note) textarea name="note" rows="2" maxlength="4000" {} }
                button { (words.correct_send) }
            }
        }
    }
}
