//! An engine without a model, for tests and dry runs only: it looks words up in a short English and Italian list and
//! turns what it finds into logits for every head. It is deterministic and quick, it understands nothing, and no
//! figure of quality may be taken from it.

mod explain;
mod lexicon;

use std::hash::{DefaultHasher, Hash, Hasher};

use super::cues::Folded;
use super::engine::{Engine, EngineError, Target, Window, WindowOutput};
use super::labels::{Emotion, INTENTS, SentimentLabel, SignalKind, Stage};
use super::pack::{Heads, SigmoidHead, SoftmaxHead};
use crate::failpoint;

/// Length of its sentence vectors.
const EMBEDDING: usize = 64;
/// Logit of a label whose words are not there.
const ABSENT: f32 = -4.0;

/// Labels and calibration of the scripted engine.
pub fn manifest() -> Heads {
    let softmax = |labels: Vec<String>, threshold, secondary_threshold| SoftmaxHead {
        labels,
        temperature: 1.0,
        threshold,
        secondary_threshold,
        abstention_confidence: 0.5,
    };
    let sigmoid = |labels: Vec<String>| SigmoidHead {
        thresholds: vec![0.5; labels.len()],
        labels,
        temperature: 1.0,
        with_cue: Vec::new(),
    };
    let names = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect::<Vec<_>>();
    Heads {
        sentiment: softmax(SentimentLabel::ALL.iter().map(ToString::to_string).collect(), 0.0, 1.0),
        intents: softmax(names(&INTENTS), 0.3, 0.15),
        stage: softmax(Stage::ALL.iter().map(ToString::to_string).collect(), 0.3, 1.0),
        emotions: sigmoid(Emotion::ALL.iter().map(ToString::to_string).collect()),
        signals: sigmoid(SignalKind::ALL.iter().map(ToString::to_string).collect()),
    }
}

/// Its version, as it stands in decisions.
pub fn version() -> String {
    format!("scripted@{}", lexicon::version())
}

/// The engine.
#[derive(Debug, Clone, Copy, Default)]
pub struct ScriptedEngine;

impl Engine for ScriptedEngine {
    fn infer(&mut self, windows: &[Window]) -> Vec<Result<WindowOutput, EngineError>> {
        windows.iter().map(|window| answer(&window.text)).collect()
    }

    fn explain(&mut self, window: &Window, targets: &[Target]) -> Result<Vec<Vec<f32>>, EngineError> {
        explain::explain(window, targets)
    }
}

fn answer(text: &str) -> Result<WindowOutput, EngineError> {
    if failpoint::block("infer", text) {
        return Err(EngineError::Runtime("a failpoint".to_owned()));
    }
    Ok(read(text))
}

fn read(text: &str) -> WindowOutput {
    let folded = Folded::new(text);
    let padded = format!(" {} ", folded.as_str().split_whitespace().collect::<Vec<_>>().join(" "));
    let count = |words: &[&str]| -> f32 { words.iter().map(|word| weight(&padded, word)).sum() };
    let (bad, good) = (count(lexicon::NEGATIVE), count(lexicon::POSITIVE));
    let intents: Vec<f32> = INTENTS
        .iter()
        .map(|intent| {
            let words = lexicon::INTENTS
                .iter()
                .find(|(name, _)| name == intent)
                .map_or(0.0, |(_, words)| count(words));
            match *intent {
                // What nothing is known of.
                "other" => 2.5,
                _ if words > 0.0 => 2.0 + words.min(6.0),
                _ => -1.0,
            }
        })
        .collect();
    let best = (0..INTENTS.len()).max_by(|a, b| intents[*a].total_cmp(&intents[*b])).unwrap_or_default();
    let usual = lexicon::stage(INTENTS[best]);
    let stage = Stage::ALL
        .iter()
        .map(|stage| {
            let words =
                lexicon::STAGES.iter().find(|(name, _)| name == stage).map_or(0.0, |(_, words)| count(words));
            words + if usual == Some(*stage) { 2.0 } else { 0.0 }
        })
        .collect();
    let emotions = Emotion::ALL
        .iter()
        .map(|emotion| {
            let words = lexicon::EMOTIONS
                .iter()
                .find(|(name, _)| name == emotion)
                .map_or(0.0, |(_, words)| count(words));
            if words > 0.0 { words.min(4.0) } else { ABSENT }
        })
        .collect();
    WindowOutput {
        sentiment: vec![bad.min(6.0), 1.0, (good - bad * 0.5).clamp(0.0, 6.0)],
        intents,
        stage,
        emotions,
        // Signals are the cue rules' work; a word list would only say the same again.
        signals: vec![ABSENT; SignalKind::ALL.len()],
        embedding: embed(&padded),
        last: Vec::new(),
        inner: Vec::new(),
    }
}

/// A word list entry stands for the beginning of a word or phrase; longer phrases say more.
fn weight(padded: &str, entry: &str) -> f32 {
    if found(padded, entry).is_some() { worth(entry) } else { 0.0 }
}

fn worth(entry: &str) -> f32 {
    if entry.contains(' ') { 3.0 } else { 2.0 }
}

/// Where the entry first stands at the beginning of a word.
fn found(padded: &str, entry: &str) -> Option<usize> {
    let at_start = |at: usize| {
        padded.as_bytes().get(at.wrapping_sub(1)).is_none_or(|byte| !byte.is_ascii_alphanumeric())
    };
    padded.match_indices(entry).map(|(at, _)| at).find(|at| at_start(*at))
}

/// A bag of words, hashed.
fn embed(padded: &str) -> Vec<f32> {
    let mut vector = vec![0.0_f32; EMBEDDING];
    for word in padded.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() > 2) {
        // Inflections share their first letters.
        let stem: String = word.chars().take(5).collect();
        let mut hasher = DefaultHasher::new();
        stem.hash(&mut hasher);
        let hash = hasher.finish();
        let place = usize::try_from(hash % EMBEDDING as u64).unwrap_or_default();
        if let Some(value) = vector.get_mut(place) {
            *value += if hash & (1 << 40) == 0 { 1.0 } else { -1.0 };
        }
    }
    let norm = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if norm > 0.0 {
        vector.iter_mut().for_each(|value| *value /= norm);
    }
    vector
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nlp::decode::decode;
    use proptest::prelude::*;

    fn top(text: &str) -> (Option<String>, SentimentLabel) {
        let decoded = decode(&manifest(), &read(text));
        (decoded.intents.first().map(|(name, _)| name.clone()), decoded.sentiment_label().0)
    }

    #[test]
    fn plain_sentences_are_sorted() {
        use SentimentLabel::{Negative, Neutral, Positive};
        for (text, intent, sentiment) in [
            ("Where is my order?", "order.status", Neutral),
            ("Dov'è il mio ordine?", "order.status", Neutral),
            ("My parcel is late and the box arrived damaged, terrible", "delivery.problem", Negative),
            ("Il pacco è arrivato rotto, sono furioso", "delivery.problem", Negative),
            ("I was charged twice this month, this is unacceptable", "billing.dispute", Negative),
            ("Voglio disdire l'abbonamento", "subscription.cancel", Neutral),
            ("I forgot my password", "account.access", Neutral),
            ("Somebody used my card without my permission", "security.fraud", Neutral),
            ("Thank you, brilliant service!", "praise", Positive),
            ("Complimenti, servizio eccellente!", "praise", Positive),
            ("I want to speak to a human", "agent.request", Neutral),
            ("ciao", "smalltalk", Neutral),
            ("the colour of the moon", "other", Neutral),
        ] {
            assert_eq!(top(text), (Some(intent.to_owned()), sentiment), "{text:?}");
        }
    }

    #[test]
    fn every_intent_has_words_and_only_known_ones_are_listed() {
        for intent in INTENTS.iter().filter(|intent| **intent != "other") {
            assert!(
                lexicon::INTENTS.iter().any(|(name, words)| name == intent && words.len() >= 4),
                "{intent}"
            );
        }
        assert!(lexicon::INTENTS.iter().all(|(name, _)| INTENTS.contains(name)));
    }

    #[test]
    fn like_texts_have_like_vectors() {
        let dot = |a: &str, b: &str| -> f32 {
            read(a).embedding.iter().zip(read(b).embedding).map(|(a, b)| a * b).sum()
        };
        let same = dot("my washing machine leaks water again", "the washing machine is leaking water");
        let other = dot("my washing machine leaks water again", "how much is the family plan");
        assert!(same > 0.5 && other < same - 0.3, "{same} {other}");
    }

    proptest! {
        #[test]
        fn any_text_gives_every_head(text in any::<String>()) {
            let output = read(&text);
            prop_assert_eq!(output.clone(), read(&text));
            let sizes = [output.sentiment.len(), output.intents.len(), output.stage.len(), output.emotions.len(), output.signals.len()];
            prop_assert_eq!(sizes, [3, 36, 7, 7, 13]);
        }
    }
}
