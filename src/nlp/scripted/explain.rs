//! The scripted engine's explanations: a phrase of the word list gives its weight to the words it was found in.

use super::super::cues::Folded;
use super::super::engine::{EngineError, Target, Window};
use super::super::labels::{Emotion, INTENTS, LabelKind, SentimentLabel, Stage};
use super::lexicon;

pub(super) fn explain(window: &Window, targets: &[Target]) -> Result<Vec<Vec<f32>>, EngineError> {
    let folded = Folded::new(&window.text);
    let words: Vec<&str> = folded.as_str().split_whitespace().collect();
    let padded = format!(" {} ", words.join(" "));
    targets
        .iter()
        .map(|target| {
            let phrases = phrases(*target)?;
            // One weight per id: the words between the two special tokens.
            let mut weights = vec![0.0; window.ids.len()];
            for phrase in phrases {
                let Some(at) = super::found(&padded, phrase) else { continue };
                let before = padded.get(..at).map_or(0, |text| text.matches(' ').count());
                let length = phrase.split(' ').count();
                let share = super::worth(phrase) / f32::from(u8::try_from(length).unwrap_or(u8::MAX));
                weights.iter_mut().skip(before).take(length).for_each(|weight| *weight += share);
            }
            Ok(weights)
        })
        .collect()
}

/// The phrases that speak for a label.
fn phrases(target: Target) -> Result<&'static [&'static str], EngineError> {
    let Target { kind, label } = target;
    let missing = EngineError::UnknownLabel { kind, label };
    fn of<T: PartialEq>(lists: &'static [(T, &'static [&'static str])], name: &T) -> &'static [&'static str] {
        lists.iter().find(|(known, _)| known == name).map_or(&[], |(_, words)| words)
    }
    Ok(match kind {
        LabelKind::Sentiment => match SentimentLabel::ALL.get(label).ok_or(missing)? {
            SentimentLabel::Negative => lexicon::NEGATIVE,
            SentimentLabel::Neutral => &[],
            SentimentLabel::Positive => lexicon::POSITIVE,
        },
        LabelKind::Intent => of(lexicon::INTENTS, INTENTS.get(label).ok_or(missing)?),
        LabelKind::Stage => of(lexicon::STAGES, Stage::ALL.get(label).ok_or(missing)?),
        LabelKind::Emotion => of(lexicon::EMOTIONS, Emotion::ALL.get(label).ok_or(missing)?),
        // It sees no signals.
        LabelKind::Signal => &[],
    })
}

#[cfg(test)]
mod tests {
    use super::super::ScriptedEngine;
    use super::*;
    use crate::nlp::engine::Engine as _;
    use crate::nlp::windows::{WindowMaker as _, WordWindows};

    fn check(text: &str, kind: LabelKind, label: usize, expected: &[&str]) {
        let window = WordWindows::default().windows(text).unwrap().remove(0);
        let weights = ScriptedEngine.explain(&window, &[Target { kind, label }]).unwrap().remove(0);
        assert_eq!(weights.len(), window.ids.len());
        let words = text.split_whitespace().zip(&weights[1..]).filter(|(_, weight)| **weight > 0.0);
        assert_eq!(words.map(|(word, _)| word).collect::<Vec<_>>(), expected, "{text}");
    }

    #[test]
    fn words_of_the_list_carry_their_label() {
        let intent = |name| INTENTS.iter().position(|intent| *intent == name).unwrap();
        check("My parcel is late, terrible", LabelKind::Sentiment, 0, &["late,", "terrible"]);
        check("Così va BENISSIMO, complimenti", LabelKind::Sentiment, 2, &["complimenti"]);
        check("Voglio disdire l'abbonamento", LabelKind::Intent, intent("subscription.cancel"), &["disdire"]);
        check("whatever this is", LabelKind::Signal, 0, &[]);
    }

    #[test]
    fn a_label_it_does_not_have_is_an_error() {
        let window = WordWindows::default().windows("x").unwrap().remove(0);
        let target = Target { kind: LabelKind::Stage, label: 99 };
        let missing = EngineError::UnknownLabel { kind: LabelKind::Stage, label: 99 };
        assert_eq!(ScriptedEngine.explain(&window, &[target]), Err(missing));
    }
}
