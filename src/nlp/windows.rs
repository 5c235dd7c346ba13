//! How a text becomes windows, whichever engine reads them: the pack's tokenizer, or plain words for the scripted
//! engine.

use std::sync::Arc;

use super::engine::Window;
use super::tokens::{TokenError, Tokens};

/// Cuts a text into windows that together hold all of it, in order; a text with nothing to read has none.
pub trait WindowMaker: Send + Sync {
    /// The windows of `text`. Each window's `text` is a piece of it.
    fn windows(&self, text: &str) -> Result<Vec<Window>, TokenError>;

    /// The first `limit` of these windows, each with where its tokens stand in `text`.
    fn placed(&self, text: &str, limit: usize) -> Result<Vec<PlacedWindow>, TokenError>;
}

/// A window and where its tokens stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedWindow {
    /// The window.
    pub window: Window,
    /// One per id: `[start, end)` in Unicode scalar values of the whole text; none for special tokens.
    pub spans: Vec<Option<[usize; 2]>>,
}

impl WindowMaker for Tokens {
    fn windows(&self, text: &str) -> Result<Vec<Window>, TokenError> {
        Tokens::windows(self, text)
    }

    fn placed(&self, text: &str, limit: usize) -> Result<Vec<PlacedWindow>, TokenError> {
        Tokens::placed(self, text, limit)
    }
}

/// Windows of so many words, for engines that read `Window::text`. The ids only stand for the number of words.
#[derive(Debug, Clone, Copy)]
pub struct WordWindows {
    /// Words in a window at most; at least 1.
    pub words: usize,
}

impl Default for WordWindows {
    fn default() -> Self {
        Self { words: 126 }
    }
}

impl WindowMaker for WordWindows {
    fn windows(&self, text: &str) -> Result<Vec<Window>, TokenError> {
        Ok(self.placed(text, usize::MAX)?.into_iter().map(|placed| placed.window).collect())
    }

    fn placed(&self, text: &str, limit: usize) -> Result<Vec<PlacedWindow>, TokenError> {
        let words: Vec<(usize, &str)> = text
            .split_whitespace()
            .map(|word| (word.as_ptr() as usize - text.as_ptr() as usize, word))
            .collect();
        let pieces = words.chunks(self.words.max(1)).filter_map(|chunk| {
            let (start, _) = chunk.first()?;
            let (last, word) = chunk.last()?;
            let piece = text.get(*start..last + word.len())?;
            let count = |text: Option<&str>| text.map_or(0, |text| text.chars().count());
            let mut at = count(text.get(..*start));
            let mut from = *start;
            let mut spans = vec![None];
            for (begin, word) in chunk {
                at += count(text.get(from..*begin));
                let end = at + word.chars().count();
                spans.push(Some([at, end]));
                (at, from) = (end, begin + word.len());
            }
            spans.push(None);
            Some(PlacedWindow {
                window: Window { ids: vec![1; chunk.len() + 2], text: Arc::from(piece) },
                spans,
            })
        });
        Ok(pieces.take(limit).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_cut_in_order() {
        let windows = WordWindows { words: 2 }.windows(" uno  due\ntre ").unwrap();
        let texts: Vec<&str> = windows.iter().map(|window| &*window.text).collect();
        assert_eq!(texts, ["uno  due", "tre"]);
        assert_eq!(windows[0].ids.len(), 4);
        assert_eq!(WordWindows::default().windows(" \n").unwrap(), []);
    }

    #[test]
    fn words_are_placed_in_scalar_values() {
        let text = "È  così 😡\npiù";
        let placed = WordWindows { words: 3 }.placed(text, 9).unwrap();
        assert_eq!(placed[0].spans, [None, Some([0, 1]), Some([3, 7]), Some([8, 9]), None]);
        assert_eq!(placed[1].spans, [None, Some([10, 13]), None]);
        assert_eq!(WordWindows { words: 3 }.placed(text, 1).unwrap().len(), 1);
    }

    proptest! {
        #[test]
        fn no_word_is_lost(text in "\\PC{0,300}", words in 1usize..20) {
            let windows = WordWindows { words }.windows(&text).unwrap();
            let back: Vec<&str> = windows.iter().flat_map(|window| window.text.split_whitespace()).collect();
            prop_assert_eq!(back, text.split_whitespace().collect::<Vec<_>>());
        }
    }
}
