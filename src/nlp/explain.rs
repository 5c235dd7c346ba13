//! Which words carried a label: from the weights of tokens to words and spans of the redacted text. Pure; the weights
//! are an engine's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use unicode_segmentation::UnicodeSegmentation;

use super::labels::{LabelKind, SentimentLabel};
use super::understanding::{SignalSource, Understanding};
use super::windows::PlacedWindow;

/// Labels of one message that an engine is asked about at most.
pub const MAX_LABELS: usize = 6;
/// Windows of one message that are explained at most; a longer text is explained by its beginning.
pub const MAX_WINDOWS: usize = 2;
/// Spans shown for one label at most.
pub const MAX_SPANS: usize = 5;
/// Signals among the labels asked about, at most.
const MAX_SIGNALS: usize = 3;
/// A word counts when it has this share of the strongest word's weight.
const WORD_SHARE: f32 = 0.25;
/// A span is shown when it has this share of the strongest span's weight.
const SPAN_SHARE: f32 = 0.1;

/// The words that carried one label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Explained {
    /// The head.
    pub kind: LabelKind,
    /// The label.
    pub name: String,
    /// Strongest first, at most five, none overlapping.
    pub spans: Vec<WeightedSpan>,
}

/// Words in a row that spoke for a label.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WeightedSpan {
    /// First character, counted in Unicode scalar values of the redacted text.
    pub start: usize,
    /// One past the last character.
    pub end: usize,
    /// Share of the strongest span's weight, above 0 and at most 1, in hundredths.
    pub weight: f32,
}

impl WeightedSpan {
    /// `[start, end)`.
    pub fn span(self) -> [usize; 2] {
        [self.start, self.end]
    }
}

/// A word of the text and how much it speaks for a label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Word {
    /// `[start, end)` in Unicode scalar values.
    pub span: [usize; 2],
    /// Sum of its tokens' weights.
    pub weight: f32,
    /// A sentence ends between the word before and this one.
    pub after_break: bool,
}

/// The labels to ask an engine about: signals that it alone saw, a mood, intents, the strongest emotion, the stage. A
/// signal with a cue has its words already.
pub(super) fn labels(found: &Understanding) -> Vec<(LabelKind, String)> {
    let signals = found.signals.iter().filter(|signal| signal.source == SignalSource::Model);
    let signals = signals.take(MAX_SIGNALS).map(|signal| (LabelKind::Signal, signal.name.to_string()));
    let mood = (found.sentiment.label != SentimentLabel::Neutral)
        .then(|| (LabelKind::Sentiment, found.sentiment.label.to_string()));
    let intents = found.intents.iter().map(|intent| (LabelKind::Intent, intent.name.clone()));
    let emotion =
        found.emotions.first().map(|emotion| (LabelKind::Emotion, emotion.name.as_str().to_owned()));
    let stage = found.stage.as_ref().map(|stage| (LabelKind::Stage, stage.name.to_string()));
    signals.chain(mood).chain(intents).chain(emotion).chain(stage).take(MAX_LABELS).collect()
}

/// The words of `text` that the windows hold, with the weights of their tokens added up. `weights` has one list per
/// window, one weight per id. A word in two windows has the larger of its weights.
pub fn words(text: &str, windows: &[PlacedWindow], weights: &[Vec<f32>]) -> Vec<Word> {
    let mut words = split(text);
    let mut known: Vec<Option<f32>> = vec![None; words.len()];
    for (window, weights) in windows.iter().zip(weights) {
        let mut own: Vec<Option<f32>> = vec![None; words.len()];
        for (place, weight) in window.spans.iter().zip(weights) {
            let Some([start, _]) = place else { continue };
            let at = words.partition_point(|word| word.span[1] <= *start);
            if words.get(at).is_some_and(|word| word.span[0] <= *start)
                && let Some(sum) = own.get_mut(at)
            {
                *sum = Some(sum.unwrap_or_default() + weight);
            }
        }
        for (known, own) in known.iter_mut().zip(own) {
            *known = match (*known, own) {
                (Some(before), Some(now)) => Some(before.max(now)),
                (before, now) => before.or(now),
            };
        }
    }
    for (word, weight) in words.iter_mut().zip(&known) {
        word.weight = weight.unwrap_or_default();
    }
    let mut seen = known.iter();
    words.retain(|_| seen.next().is_some_and(Option::is_some));
    words
}

/// Words as the Unicode standard cuts them, emoji included, punctuation left out; all of weight 0.
fn split(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let (mut at, mut after_break) = (0, false);
    for piece in text.split_word_bounds() {
        let end = at + piece.chars().count();
        // Symbols and pictures stand from U+2190 on, general punctuation before it.
        if piece.chars().any(|c| c.is_alphanumeric() || c >= '\u{2190}') {
            words.push(Word { span: [at, end], weight: 0.0, after_break });
            after_break = false;
        } else {
            after_break |= piece.contains(['.', '!', '?', ';', ':', '\n']);
        }
        at = end;
    }
    words
}

/// The spans that carried a label: words that speak for it with a share of the strongest one's weight, in a row where
/// they stand in one sentence with at most one word between them that does not speak against it. A span weighs what
/// its words weigh together.
pub fn spans(words: &[Word]) -> Vec<WeightedSpan> {
    let top = words.iter().map(|word| word.weight).fold(0.0, f32::max);
    if !(top > 0.0 && top.is_finite()) {
        return Vec::new();
    }
    // First word, one past the last, weight.
    let mut found: Vec<(usize, usize, f32)> = Vec::new();
    for (at, word) in words.iter().enumerate().filter(|(_, word)| word.weight >= WORD_SHARE * top) {
        if let Some((_, end, weight)) = found.last_mut() {
            let between = words.get(*end..at).unwrap_or_default();
            let broken = words.get(*end..=at).unwrap_or_default().iter().any(|word| word.after_break);
            if between.len() <= 1 && between.iter().all(|word| word.weight >= 0.0) && !broken {
                *weight += between.iter().map(|word| word.weight).sum::<f32>() + word.weight;
                *end = at + 1;
                continue;
            }
        }
        found.push((at, at + 1, word.weight));
    }
    found.sort_by(|a, b| b.2.total_cmp(&a.2).then(a.0.cmp(&b.0)));
    let strongest = found.first().map_or(1.0, |span| span.2);
    found
        .into_iter()
        .take(MAX_SPANS)
        .take_while(|(.., weight)| *weight >= SPAN_SHARE * strongest)
        .filter_map(|(first, end, weight)| {
            let (first, last) = (words.get(first)?, words.get(end.checked_sub(1)?)?);
            // Hundredths: differences of arithmetic between machines lie below them but for rare borders.
            let weight = (weight / strongest * 100.0).round() / 100.0;
            Some(WeightedSpan { start: first.span[0], end: last.span[1], weight })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nlp::engine::Window;
    use crate::nlp::windows::{WindowMaker as _, WordWindows};
    use proptest::prelude::*;

    /// Weights by word; `_` joins tokens of one word, given apart.
    fn check(text: &str, weights: &[f32], expected: &[(&str, f32)]) {
        let placed = WordWindows::default().placed(text, 1).unwrap();
        let weights: Vec<f32> = [0.0].iter().chain(weights).chain(&[0.0]).copied().collect();
        assert_eq!(weights.len(), placed[0].spans.len(), "{text}");
        let found = spans(&words(text, &placed, &[weights]));
        let shown: Vec<(String, f32)> = found
            .iter()
            .map(|span| (text.chars().skip(span.start).take(span.end - span.start).collect(), span.weight))
            .collect();
        let expected: Vec<(String, f32)> =
            expected.iter().map(|(word, w)| ((*word).to_owned(), *w)).collect();
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn words_are_merged_to_spans() {
        check("one two three", &[0.0, 2.0, 0.1], &[("two", 1.0)]);
        check("one two three", &[1.0, 1.0, 0.0], &[("one two", 1.0)]);
        check("one two three four", &[1.0, 0.0, 1.0, -1.0], &[("one two three", 1.0)]);
        check("one two three", &[1.0, -0.1, 0.5], &[("one", 1.0), ("three", 0.5)]);
        check("a b c d e", &[1.0, 0.0, 0.0, 0.5, 0.6], &[("d e", 1.0), ("a", 0.91)]);
        check("Done. Never again", &[1.0, 1.0, 0.0], &[("Done", 1.0), ("Never", 1.0)]);
        check("pagato, due volte!", &[1.0, 1.0, 1.0], &[("pagato, due volte", 1.0)]);
        check("È così 😡 più", &[0.0, 0.0, 3.0, 0.0], &[("😡", 1.0)]);
        check("nothing speaks", &[0.0, -1.0], &[]);
        check("not a number", &[f32::NAN, 0.0, 0.0], &[]);
    }

    #[test]
    fn at_most_five_spans() {
        let text = "a b c d e f g h i j k l m n";
        let weights: Vec<f32> = (0..14).map(|at| if at % 2 == 0 { 1.0 } else { -0.5 }).collect();
        let placed = WordWindows::default().placed(text, 1).unwrap();
        let weights: Vec<f32> = [0.0].into_iter().chain(weights).chain([0.0]).collect();
        assert_eq!(spans(&words(text, &placed, &[weights])).len(), MAX_SPANS);
    }

    fn placed(spans: &[Option<[usize; 2]>]) -> PlacedWindow {
        PlacedWindow { window: Window { ids: vec![1; spans.len()], text: "".into() }, spans: spans.to_vec() }
    }

    #[test]
    fn tokens_of_a_word_are_added_up_and_overlaps_taken_once() {
        let text = "unhelpful, l'ordine ko";
        let first = placed(&[None, Some([0, 2]), Some([2, 9]), Some([9, 10]), Some([11, 12]), None]);
        let second = placed(&[None, Some([11, 12]), Some([12, 13]), Some([13, 19]), Some([20, 22]), None]);
        let weights = [vec![9.0, 0.5, 0.25, 7.0, 2.0, 9.0], vec![0.0, 0.5, 0.5, 0.5, -1.0, 0.0]];
        let found: Vec<_> =
            words(text, &[first, second], &weights).iter().map(|word| (word.span, word.weight)).collect();
        assert_eq!(found, [([0, 9], 0.75), ([11, 19], 2.0), ([20, 22], -1.0)]);
    }

    proptest! {
        #[test]
        fn spans_stay_within_the_text_and_apart(
            text in "\\PC{0,120}",
            weights in prop::collection::vec(-2.0_f32..2.0, 0..60),
        ) {
            let placed = WordWindows { words: 7 }.placed(&text, 3).unwrap();
            let mut from = weights.into_iter();
            let lists: Vec<Vec<f32>> = placed
                .iter()
                .map(|window| window.spans.iter().map(|_| from.next().unwrap_or_default()).collect())
                .collect();
            let length = text.chars().count();
            let mut found = spans(&words(&text, &placed, &lists));
            prop_assert!(found.len() <= MAX_SPANS);
            prop_assert!(found.first().is_none_or(|span| span.weight >= 1.0));
            prop_assert!(found.is_sorted_by(|a, b| a.weight >= b.weight));
            found.sort_by_key(|span| span.start);
            for span in &found {
                prop_assert!(span.start < span.end && span.end <= length);
                prop_assert!(span.weight > 0.0 && span.weight <= 1.0);
            }
            for pair in found.windows(2) {
                prop_assert!(pair[0].end <= pair[1].start);
            }
        }
    }
}
