//! The form of a text that rules read: lower case, no accents, plain quotes. One character for each of the original's,
//! so that spans carry over.

use std::ops::Range;

use unicode_normalization::char::decompose_canonical;

/// A folded text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folded {
    text: String,
    quoted: Vec<Range<usize>>,
}

/// A passage in double quotes longer than so many bytes is somebody else's text; a shorter one is a word in quotes.
const QUOTE_AT_LEAST: usize = 12;
/// Quotes further apart than this are not a pair.
const QUOTE_AT_MOST: usize = 600;

impl Folded {
    /// Folds `text`.
    pub fn new(text: &str) -> Self {
        let text: String = text.chars().map(fold).collect();
        let quoted = quotes(&text);
        Self { text, quoted }
    }

    /// The folded text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Unicode scalar values of a range of bytes of the folded text; the same in the original.
    pub fn span(&self, bytes: &Range<usize>) -> [usize; 2] {
        let count = |text: Option<&str>| text.map_or(0, |text| text.chars().count());
        let start = count(self.text.get(..bytes.start));
        [start, start + count(self.text.get(bytes.clone()))]
    }

    /// Whether the range lies in a quoted passage.
    pub fn is_quoted(&self, bytes: &Range<usize>) -> bool {
        self.quoted.iter().any(|quote| quote.start <= bytes.start && bytes.end <= quote.end)
    }

    /// The sentence around a range of bytes.
    pub fn sentence(&self, bytes: &Range<usize>) -> &str {
        let text = self.text.as_bytes();
        let ends = |at: usize| {
            let next = text.get(at + 1).copied().unwrap_or(b' ');
            match text.get(at) {
                Some(b'\n' | b'!' | b'?' | b';') => true,
                Some(b'.') => next.is_ascii_whitespace(),
                _ => false,
            }
        };
        let start = (0..bytes.start).rev().find(|at| ends(*at)).map_or(0, |at| at + 1);
        let end = (bytes.end..text.len()).find(|at| ends(*at)).map_or(text.len(), |at| at + 1);
        self.text.get(start..end).unwrap_or(&self.text)
    }
}

fn fold(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    match c {
        '’' | '‘' | '´' | '`' | 'ʼ' => return '\'',
        '“' | '”' | '„' | '«' | '»' | '‟' => return '"',
        '\u{a0}' | '\u{202f}' | '\u{2007}' => return ' ',
        '–' | '—' => return '-',
        _ => {}
    }
    let mut base = None;
    decompose_canonical(c, |part| {
        base.get_or_insert(part);
    });
    let base = base.unwrap_or(c);
    let mut lower = base.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(only), None) => only,
        _ => base,
    }
}

fn quotes(text: &str) -> Vec<Range<usize>> {
    let marks: Vec<usize> =
        text.bytes().enumerate().filter(|(_, byte)| *byte == b'"').map(|(at, _)| at).collect();
    let pairs = marks.chunks_exact(2).filter_map(|pair| match pair {
        [open, close] => Some(*open..*close + 1),
        _ => None,
    });
    pairs.filter(|quote| (QUOTE_AT_LEAST..=QUOTE_AT_MOST).contains(&quote.len())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn case_accents_and_quotes_are_folded() {
        assert_eq!(Folded::new("È PERCHÉ “L’ALTRO”…").as_str(), "e perche \"l'altro\"…");
    }

    #[test]
    fn sentences_and_quotes_are_found() {
        let folded = Folded::new("First one. He said \"we will call the police\" at 3.15 today! Last?");
        let at = folded.as_str().find("police").unwrap();
        let bytes = at..at + 6;
        assert!(folded.sentence(&bytes).trim().starts_with("he said"));
        assert!(folded.sentence(&bytes).ends_with("today!"));
        assert!(folded.is_quoted(&bytes));
        assert!(!folded.is_quoted(&(0..5)));
    }

    proptest! {
        #[test]
        fn one_character_for_one(text in any::<String>()) {
            let folded = Folded::new(&text);
            prop_assert_eq!(folded.as_str().chars().count(), text.chars().count());
        }
    }
}
