//! How a text becomes windows, whichever engine reads them: the pack's tokenizer, or plain words for the scripted
//! engine.

use std::sync::Arc;

use super::engine::Window;
use super::tokens::{TokenError, Tokens};

/// Cuts a text into windows that together hold all of it, in order; a text with nothing to read has none.
pub trait WindowMaker: Send + Sync {
    /// The windows of `text`. Each window's `text` is a piece of it.
    fn windows(&self, text: &str) -> Result<Vec<Window>, TokenError>;
}

impl WindowMaker for Tokens {
    fn windows(&self, text: &str) -> Result<Vec<Window>, TokenError> {
        Tokens::windows(self, text)
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
        let words: Vec<(usize, &str)> = text
            .split_whitespace()
            .map(|word| (word.as_ptr() as usize - text.as_ptr() as usize, word))
            .collect();
        let pieces = words.chunks(self.words.max(1)).filter_map(|chunk| {
            let (start, _) = chunk.first()?;
            let (last, word) = chunk.last()?;
            let piece = text.get(*start..last + word.len())?;
            Some(Window { ids: vec![1; chunk.len() + 2], text: Arc::from(piece) })
        });
        Ok(pieces.collect())
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

    proptest! {
        #[test]
        fn no_word_is_lost(text in "\\PC{0,300}", words in 1usize..20) {
            let windows = WordWindows { words }.windows(&text).unwrap();
            let back: Vec<&str> = windows.iter().flat_map(|window| window.text.split_whitespace()).collect();
            prop_assert_eq!(back, text.split_whitespace().collect::<Vec<_>>());
        }
    }
}
