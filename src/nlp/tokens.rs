//! From text to the windows an engine reads. Owns the tokenizer of a pack and the cutting of long texts; runs no
//! inference and never drops a token.

use std::ops::Range;
use std::sync::Arc;

use tokenizers::Tokenizer;
use unicode_segmentation::UnicodeSegmentation;

use super::engine::Window;
use super::pack::{Pack, PackError};
use super::windows::PlacedWindow;

/// Tokens that two windows share where a text had to be cut inside a sentence.
pub(super) const OVERLAP: usize = 16;

/// The tokenizer of a pack.
#[derive(Debug, Clone)]
pub struct Tokens {
    tokenizer: Tokenizer,
    cls: u32,
    sep: u32,
    capacity: usize,
}

/// A window with the byte spans of its tokens in the text.
type Cut = (Window, Vec<(usize, usize)>);

impl Tokens {
    /// Reads `tokenizer.json` of the pack. Fails when it cannot be read, lacks `[CLS]` or `[SEP]`, or when
    /// `max_tokens` leaves no room for text.
    pub fn load(pack: &Pack) -> Result<Self, PackError> {
        let path = pack.dir.join("tokenizer.json");
        let failed = |reason: String| PackError::Load { path: path.clone(), reason };
        let tokenizer = Tokenizer::from_file(&path).map_err(|error| failed(error.to_string()))?;
        Self::new(tokenizer, pack.manifest.max_tokens).map_err(failed)
    }

    /// Takes a tokenizer whose windows hold at most `max_tokens` tokens, `[CLS]` and `[SEP]` included.
    pub fn new(mut tokenizer: Tokenizer, max_tokens: usize) -> Result<Self, String> {
        tokenizer.with_truncation(None).map_err(|error| error.to_string())?;
        tokenizer.with_padding(None);
        let special = |token: &str| {
            tokenizer.token_to_id(token).ok_or_else(|| format!("the tokenizer has no {token} token"))
        };
        let (cls, sep) = (special("[CLS]")?, special("[SEP]")?);
        let capacity = max_tokens.saturating_sub(2);
        if capacity <= 2 * OVERLAP {
            return Err(format!("max_tokens = {max_tokens} leaves no room for text"));
        }
        Ok(Self { tokenizer, cls, sep, capacity })
    }

    /// The windows of a text, in order: one for a short text; a long one is cut at sentence ends where possible, else
    /// with an overlap. Every token stands in a window. A text without tokens has none.
    pub fn windows(&self, text: &str) -> Result<Vec<Window>, TokenError> {
        let encoding =
            self.tokenizer.encode_fast(text, false).map_err(|error| TokenError(error.to_string()))?;
        let ids = encoding.get_ids();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        if ids.len() <= self.capacity {
            return Ok(vec![self.window(ids, text)]);
        }
        Ok(self.cut_up(text)?.into_iter().map(|(window, _)| window).collect())
    }

    /// The first `limit` windows of [`Tokens::windows`], with the place of every token.
    pub fn placed(&self, text: &str, limit: usize) -> Result<Vec<PlacedWindow>, TokenError> {
        let windows = self.cut_up(text)?;
        let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        let character = |byte: usize| starts.partition_point(|start| *start < byte);
        let place = |(window, offsets): Cut| {
            let tokens = offsets.into_iter().map(|(from, to)| Some([character(from), character(to)]));
            let spans = std::iter::once(None).chain(tokens).chain(std::iter::once(None)).collect();
            PlacedWindow { window, spans }
        };
        Ok(windows.into_iter().take(limit).map(place).collect())
    }

    /// Every window with the byte spans of its tokens, special ones left out.
    fn cut_up(&self, text: &str) -> Result<Vec<Cut>, TokenError> {
        let encoding = self.tokenizer.encode(text, false).map_err(|error| TokenError(error.to_string()))?;
        let (ids, offsets) = (encoding.get_ids(), encoding.get_offsets());
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        if ids.len() <= self.capacity {
            return Ok(vec![(self.window(ids, text), offsets.to_vec())]);
        }
        let sentences: Vec<usize> = text.split_sentence_bound_indices().map(|(at, _)| at).collect();
        let cuts = cut(offsets, &sentences, self.capacity);
        Ok(cuts
            .into_iter()
            .map(|range| {
                let from = offsets.get(range.start).map_or(0, |span| span.0);
                let to = offsets.get(range.end - 1).map_or(text.len(), |span| span.1);
                let own = offsets.get(range.clone()).unwrap_or_default().to_vec();
                (self.window(&ids[range], text.get(from..to).unwrap_or(text)), own)
            })
            .collect())
    }

    /// Number of token ids, added tokens included.
    pub fn vocabulary(&self) -> usize {
        self.tokenizer.get_vocab_size(true)
    }

    fn window(&self, ids: &[u32], text: &str) -> Window {
        let mut all = Vec::with_capacity(ids.len() + 2);
        all.push(self.cls);
        all.extend_from_slice(ids);
        all.push(self.sep);
        Window { ids: all, text: Arc::from(text) }
    }
}

/// The tokenizer refused a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the text cannot be tokenized: {0}")]
pub struct TokenError(pub String);

/// Ranges of at most `capacity` tokens that cover all of them. `offsets` are the tokens' byte spans, `sentences` the
/// byte positions where sentences begin, ascending.
pub(super) fn cut(offsets: &[(usize, usize)], sentences: &[usize], capacity: usize) -> Vec<Range<usize>> {
    let starts_sentence = |token: usize| {
        let (before, at) = (offsets[token - 1].0, offsets[token].0);
        let next = sentences.partition_point(|start| *start <= before);
        sentences.get(next).is_some_and(|start| *start <= at)
    };
    let mut ranges = Vec::new();
    let mut start = 0;
    while start < offsets.len() {
        let full = start + capacity;
        if full >= offsets.len() {
            ranges.push(start..offsets.len());
            break;
        }
        // A window less than half full costs more than a broken sentence.
        let sentence = (start + capacity / 2..=full).rev().find(|token| starts_sentence(*token));
        match sentence {
            Some(end) => {
                ranges.push(start..end);
                start = end;
            }
            None => {
                ranges.push(start..full);
                start = full - OVERLAP;
            }
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokenizers::models::wordpiece::WordPiece;
    use tokenizers::normalizers::BertNormalizer;
    use tokenizers::pre_tokenizers::bert::BertPreTokenizer;

    fn tokens(max_tokens: usize) -> Tokens {
        let words = ["[UNK]", "[CLS]", "[SEP]", "a", "b", ".", "##b"];
        let vocab = words.iter().zip(0u32..).map(|(word, id)| ((*word).to_owned(), id)).collect();
        let model = WordPiece::builder().vocab(vocab).unk_token("[UNK]".into()).build().unwrap();
        let mut tokenizer = Tokenizer::new(model);
        tokenizer.with_normalizer(Some(BertNormalizer::default()));
        tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
        Tokens::new(tokenizer, max_tokens).unwrap()
    }

    #[test]
    fn short_text_is_one_window_with_its_special_tokens() {
        let windows = tokens(64).windows("A b.").unwrap();
        assert_eq!(windows.len(), 1);
        assert_eq!(windows[0].ids, [1, 3, 4, 5, 2]);
        assert_eq!(&*windows[0].text, "A b.");
    }

    #[test]
    fn nothing_to_read_is_no_window() {
        assert_eq!(tokens(64).windows("").unwrap(), []);
        assert_eq!(tokens(64).windows(" \n\t").unwrap(), []);
    }

    #[test]
    fn long_text_is_cut_at_sentence_ends() {
        let sentence = format!("{}. ", "A b".to_owned() + &" a".repeat(20));
        let windows = tokens(64).windows(&sentence.repeat(5)).unwrap();
        assert!(windows.len() > 1);
        for window in &windows {
            assert!(window.ids.len() <= 64);
            assert!(window.text.starts_with('A') && window.text.ends_with('.'), "{:?}", window.text);
        }
        let total: usize = windows.iter().map(|window| window.ids.len() - 2).sum();
        assert_eq!(total, 5 * 23, "no token lost or doubled");
    }

    #[test]
    fn a_tokenizer_without_room_is_refused() {
        assert!(Tokens::new(tokens(64).tokenizer, 20).is_err());
    }

    proptest! {
        #[test]
        fn every_token_is_covered(count in 1usize..600, sentences in prop::collection::vec(0usize..1800, 0..40)) {
            let offsets: Vec<_> = (0..count).map(|token| (token * 3, token * 3 + 2)).collect();
            let mut sentences = sentences;
            sentences.sort_unstable();
            let ranges = cut(&offsets, &sentences, 62);
            let mut reached = 0;
            for range in &ranges {
                prop_assert!(range.start <= reached && range.len() <= 62 && range.end > reached);
                reached = range.end;
            }
            prop_assert_eq!(reached, count);
        }

        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,400}") {
            for window in tokens(40).windows(&text).unwrap() {
                prop_assert!(window.ids.len() > 2 && window.ids.len() <= 40);
            }
        }
    }
}
