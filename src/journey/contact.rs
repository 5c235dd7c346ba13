//! What the fold takes of an analysed message.

use std::collections::BTreeSet;

use chrono_tz::Tz;

use super::cues;
use super::matters::{Act, Matter};
use super::model::{Contact, OfPromise, Outcome};
use super::statements;
use super::vector;
use crate::interaction::{Author, Channel, Interaction};
use crate::nlp::Understanding;
use crate::nlp::labels::Emotion;

/// Longest summary and promise, in characters.
const SUMMARY: usize = 160;
const PROMISE: usize = 200;
/// Promises kept of one contact.
const PROMISES: usize = 5;
/// A sentence of so many words says something.
const ANSWER_WORDS: usize = 5;

impl Contact {
    /// From the message and what it means. Promises are taken from the contact centre's turns only, in its own words.
    /// Days that are named ("tomorrow") are days of `zone`.
    pub fn from(interaction: &Interaction, understanding: &Understanding, zone: Tz) -> Self {
        let author = who_speaks(interaction);
        let said = |wanted: Author| {
            let theirs = move |speaker: Author| (speaker == Author::Customer) == (wanted == Author::Customer);
            interaction
                .turns
                .iter()
                .filter(move |turn| theirs(turn.speaker))
                .flat_map(|turn| cues::sentences(turn.text.as_str()))
        };
        let auto_reply = interaction.auto_reply.is_some();
        let promises = if auto_reply {
            Vec::new()
        } else {
            said(Author::Agent)
                .filter(|sentence| cues::promises(sentence))
                .map(|sentence| shortened(sentence, PROMISE))
                .take(PROMISES)
                .collect()
        };
        let gives_up = said(Author::Customer).any(cues::gives_up);
        // What the customer says last decides; the contact centre's word counts where the customer says nothing.
        let tells: fn(&str) -> bool = if author == Author::Customer { cues::resolved } else { cues::done };
        let by = if author == Author::Customer { author } else { Author::Agent };
        // "It worked again. Then it went off." is no end.
        let place =
            |is: &dyn Fn(&str) -> bool| said(by).enumerate().filter(|(_, it)| is(it)).last().map(|it| it.0);
        let end = place(&tells);
        let resolved = end.is_some() && (author != Author::Customer || end > place(&cues::relapsed));
        let settles: BTreeSet<Matter> =
            said(by).filter(|sentence| resolved && tells(sentence)).flat_map(Matter::named).collect();
        let closed = author != Author::Customer && said(Author::Agent).any(cues::closing);
        let answers = author == Author::Agent
            && !auto_reply
            && said(Author::Agent).any(|sentence| {
                !cues::promises(sentence)
                    && !sentence.ends_with('?')
                    && sentence.split_whitespace().count() >= ANSWER_WORDS
            });
        let outcome = if gives_up {
            Outcome::GivenUp
        } else if resolved {
            Outcome::Resolved
        } else if closed {
            Outcome::Closed
        } else {
            Outcome::None
        };
        Self {
            message_id: interaction.message_id.clone(),
            conversation_id: interaction.conversation_id.clone(),
            channel: interaction.channel,
            author,
            at: interaction.sent_at,
            intents: understanding.intents.clone(),
            sentiment: understanding.sentiment.score,
            stage: understanding.stage.as_ref().map(|stage| stage.name),
            stage_confidence: understanding.stage.as_ref().map_or(0.0, |stage| stage.confidence),
            signals: understanding.signals.iter().map(|signal| signal.name).collect(),
            goal: understanding.goal,
            effort: understanding.effort,
            ratings: interaction.ratings,
            promises,
            auto_reply,
            language: understanding.language.code.clone(),
            outcome,
            gratitude: understanding.emotions.iter().any(|emotion| emotion.name == Emotion::Gratitude),
            promise_unkept: said(Author::Customer).any(cues::unkept),
            of_promise: of_promise(said(Author::Customer)),
            embedding: vector::rounded(&understanding.embedding),
            summary: shortened(&interaction.document(), SUMMARY),
            answers,
            settles: settles.into_iter().collect(),
            statements: if auto_reply { Vec::new() } else { statements::found(interaction, zone) },
        }
    }

    /// Whether it answers what the contact centre asked: it speaks of what was before, and asks for nothing new.
    pub fn is_survey(&self) -> bool {
        self.channel == Channel::Survey
    }

    /// Whether it says something about the customer: the customer wrote it, not a machine and not the contact centre.
    pub fn counts(&self) -> bool {
        self.author == Author::Customer && !self.auto_reply
    }
}

fn of_promise<'a>(sentences: impl Iterator<Item = &'a str>) -> OfPromise {
    let (mut of, mut about, mut done) = (OfPromise::default(), BTreeSet::new(), BTreeSet::new());
    for sentence in sentences {
        let missing = cues::missing(sentence);
        of.missing |= missing;
        if missing || cues::unkept(sentence) {
            of.by_name |= cues::speaks_of_promise(sentence);
            about.extend(Matter::named(sentence));
        } else if cues::fulfilled(sentence) {
            done.extend(Act::named(sentence));
        }
    }
    (of.about, of.done) = (about.into_iter().collect(), done.into_iter().collect());
    of
}

/// A transcript in which only the contact centre speaks is the contact centre's, whatever it is filed under.
fn who_speaks(interaction: &Interaction) -> Author {
    let customer_speaks = interaction.turns.iter().any(|turn| turn.speaker == Author::Customer);
    match (interaction.author, interaction.turns.first()) {
        (Author::Customer, Some(first)) if !customer_speaks => first.speaker,
        (author, _) => author,
    }
}

/// The first words of a text on one line, cut between words, with an ellipsis when cut; at most `most` characters.
pub(super) fn shortened(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= most {
        return line;
    }
    let start: String = line.chars().take(most.saturating_sub(1)).collect();
    let cut = start.rfind(' ').filter(|at| *at > start.len() / 2).unwrap_or(start.len());
    format!("{}…", start.get(..cut).unwrap_or(&start).trim_end_matches([',', ';', ':', ' ']))
}
