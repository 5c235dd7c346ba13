//! The stretches of a conversation whose sentiment is read by itself: each customer turn, or the thirds of a longer
//! message.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use crate::interaction::{Author, Interaction};

/// A message shorter than this has one mood.
const WORDS_FOR_THIRDS: usize = 24;

/// A stretch of the customer's words.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Piece {
    /// Which turn, when it is one.
    pub turn: Option<usize>,
    /// The words.
    pub text: String,
    /// How many.
    pub words: usize,
    /// Its windows among those asked for.
    pub windows: Range<usize>,
    /// −1…1, once read.
    pub score: f32,
}

impl Piece {
    fn new(turn: Option<usize>, text: &str) -> Self {
        let words = text.split_whitespace().count();
        Self { turn, text: text.to_owned(), words, windows: 0..0, score: 0.0 }
    }
}

/// The customer's turns if there are several, else the thirds of a message of some length, else nothing.
pub(super) fn pieces(interaction: &Interaction, document: &str, windows: usize) -> Vec<Piece> {
    let turns = interaction.turns.iter().enumerate().filter(|(_, turn)| turn.speaker == Author::Customer);
    let turns: Vec<Piece> = turns.map(|(at, turn)| Piece::new(Some(at), turn.text.as_str())).collect();
    if turns.len() > 1 {
        return turns.into_iter().filter(|piece| piece.words > 0).collect();
    }
    let words = document.split_whitespace().count();
    if words < WORDS_FOR_THIRDS && windows < 2 { Vec::new() } else { split(document, words) }
}

/// Cuts at sentence ends into at most three pieces of about a third of the words; none if it is one sentence.
fn split(document: &str, words: usize) -> Vec<Piece> {
    let mut thirds = [String::new(), String::new(), String::new()];
    let mut before = 0;
    for sentence in document.split_sentence_bounds() {
        let count = sentence.split_whitespace().count();
        // Where the middle of the sentence falls.
        let third = ((2 * before + count) * 3 / (2 * words).max(1)).min(2);
        thirds[third].push_str(sentence);
        before += count;
    }
    let pieces: Vec<Piece> =
        thirds.iter().map(|text| Piece::new(None, text)).filter(|piece| piece.words > 0).collect();
    if pieces.len() > 1 { pieces } else { Vec::new() }
}

/// Mean score of the first and of the last third of the words, each piece counting with the words it has there.
pub(super) fn thirds(pieces: &[Piece]) -> Option<(f32, f32)> {
    let total: usize = pieces.iter().map(|piece| piece.words).sum();
    if total == 0 {
        return None;
    }
    let mean = |from: usize, to: usize| {
        let (mut start, mut sum, mut count) = (0, 0.0, 0.0);
        for piece in pieces {
            // In thirds of a word, so that the borders are whole numbers.
            let end = start + 3 * piece.words;
            let shared = end.min(to).saturating_sub(start.max(from));
            let shared = f32::from(u16::try_from(shared).unwrap_or(u16::MAX));
            sum += piece.score * shared;
            count += shared;
            start = end;
        }
        if count > 0.0 { sum / count } else { 0.0 }
    };
    Some((mean(0, total), mean(2 * total, 3 * total)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn piece(words: usize, score: f32) -> Piece {
        Piece { turn: None, text: String::new(), words, windows: 0..0, score }
    }

    #[test]
    fn thirds_are_means_by_words() {
        assert_eq!(thirds(&[]), None);
        assert_eq!(thirds(&[piece(10, 0.5)]), Some((0.5, 0.5)));
        assert_eq!(thirds(&[piece(3, -1.0), piece(3, 0.0), piece(3, 1.0)]), Some((-1.0, 1.0)));
        let (first, last) = thirds(&[piece(1, -1.0), piece(8, 1.0)]).unwrap();
        assert!((first - 1.0 / 3.0).abs() < 1e-6 && (last - 1.0).abs() < 1e-6, "{first} {last}");
    }

    #[test]
    fn a_message_is_split_at_sentences() {
        let text = "One two three four. Five six seven eight. Nine ten eleven twelve.";
        let texts: Vec<String> = split(text, 12).into_iter().map(|piece| piece.text).collect();
        assert_eq!(texts, ["One two three four. ", "Five six seven eight. ", "Nine ten eleven twelve."]);
        assert_eq!(split("one sentence of some words and no end", 8), []);
    }

    proptest! {
        #[test]
        fn no_word_is_lost_in_splitting(text in "[a-zà ]{0,10}([.!?] ?[A-Z][a-z ]{0,30}){0,12}") {
            let words = text.split_whitespace().count();
            let pieces = split(&text, words);
            if !pieces.is_empty() {
                let letters = |text: &str| text.split_whitespace().collect::<String>();
                let back: String = pieces.iter().map(|piece| letters(&piece.text)).collect();
                prop_assert_eq!(back, letters(&text));
            }
        }
    }
}
