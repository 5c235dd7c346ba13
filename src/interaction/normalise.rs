//! One form for every text: NFC, ASCII digits, plain line ends, no unseen characters, no left-over entities, no runs
//! of white space. Idempotent. Redaction relies on it: what hides a number from a pattern is gone before.

use std::iter::once;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{decompose_compatible, is_combining_mark};

use super::text::{is_unseen, pop_entity};

/// The one form of `text`. Lines stay lines; at most one blank line follows another.
pub fn normalise(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        push_plain(&mut plain, c);
    }
    let composed: String =
        if plain.is_ascii() { plain } else { latin_words(&plain.nfc().collect::<String>()) };
    tidy_space(&composed)
}

/// Adds a character in its plain form and, when it closes an entity, puts the character meant in the entity's place.
/// That one may close another (`&amp;lt;`), so this goes on until nothing changes; each round shortens the text.
fn push_plain(out: &mut String, c: char) {
    if let Some(number) = enclosed_number(c) {
        out.push_str(&number.to_string());
        return;
    }
    let mut next = plain_char(out, c);
    while let Some(c) = next {
        out.push(c);
        next = if c == ';' { pop_entity(out).and_then(|decoded| plain_char(out, decoded)) } else { None };
    }
}

fn plain_char(out: &str, c: char) -> Option<char> {
    if c.is_ascii() && !c.is_ascii_control() {
        return Some(c);
    }
    match c {
        '\n' | '\u{0B}' | '\u{0C}' | '\u{85}' | '\u{2028}' | '\u{2029}' => return Some('\n'),
        '\r' => return Some('\r'),
        '\t' => return Some(' '),
        // A plain hyphen, so that separators in numbers are few; long dashes stay, they are punctuation.
        '\u{2010}' | '\u{2011}' | '\u{2212}' => return Some('-'),
        'ª' | 'º' => return Some(c),
        _ => {}
    }
    if is_unseen(c) {
        return None;
    }
    if c.is_whitespace() {
        return Some(' ');
    }
    // A mark on a digit shows nothing in writing and hides the digit from every pattern.
    if is_combining_mark(c) && out.ends_with(|last: char| last.is_ascii_digit()) {
        return None;
    }
    Some(ascii_digit(c).or_else(|| ascii_form(c)).unwrap_or(c))
}

/// The single ASCII character that a full-width, circled, raised or mathematical one stands for.
fn ascii_form(c: char) -> Option<char> {
    let (mut first, mut count) = (None, 0);
    decompose_compatible(c, |part| {
        first = first.or(Some(part));
        count += 1;
    });
    first.filter(|part| count == 1 && part.is_ascii_graphic())
}

/// The number in brackets, with a full stop, or in a filled circle that one character shows (`⑷`, `⒋`, `❹`).
fn enclosed_number(c: char) -> Option<u32> {
    let code = u32::from(c);
    Some(match code {
        0x2460..=0x2473 => code - 0x2460 + 1,
        0x2474..=0x2487 => code - 0x2474 + 1,
        0x2488..=0x249B => code - 0x2488 + 1,
        0x24EB..=0x24F4 => code - 0x24EB + 11,
        0x24F5..=0x24FE => code - 0x24F5 + 1,
        0x24EA | 0x24FF | 0x1F100 | 0x1F10B | 0x1F10C => 0,
        0x2776..=0x277F => code - 0x2776 + 1,
        0x2780..=0x2789 => code - 0x2780 + 1,
        0x278A..=0x2793 => code - 0x278A + 1,
        0x1F101..=0x1F10A => code - 0x1F101,
        _ => return None,
    })
}

/// Cyrillic and Greek letters that look like a Latin one, and that one.
const LOOK_ALIKES: &[(char, char)] = &[
    ('А', 'A'),
    ('В', 'B'),
    ('С', 'C'),
    ('Е', 'E'),
    ('Н', 'H'),
    ('І', 'I'),
    ('Ј', 'J'),
    ('К', 'K'),
    ('М', 'M'),
    ('О', 'O'),
    ('Р', 'P'),
    ('Ѕ', 'S'),
    ('Т', 'T'),
    ('Х', 'X'),
    ('У', 'Y'),
    ('а', 'a'),
    ('с', 'c'),
    ('е', 'e'),
    ('һ', 'h'),
    ('і', 'i'),
    ('ј', 'j'),
    ('о', 'o'),
    ('р', 'p'),
    ('ѕ', 's'),
    ('х', 'x'),
    ('у', 'y'),
    ('Ѵ', 'V'),
    ('ԁ', 'd'),
    ('ԛ', 'q'),
    ('ԝ', 'w'),
    ('Ԛ', 'Q'),
    ('Ԝ', 'W'),
    ('Α', 'A'),
    ('Β', 'B'),
    ('Ε', 'E'),
    ('Ζ', 'Z'),
    ('Η', 'H'),
    ('Ι', 'I'),
    ('Κ', 'K'),
    ('Μ', 'M'),
    ('Ν', 'N'),
    ('Ο', 'O'),
    ('Ρ', 'P'),
    ('Τ', 'T'),
    ('Υ', 'Y'),
    ('Χ', 'X'),
    ('ο', 'o'),
];

/// The Latin letter that a character looks like.
pub(super) fn look_alike(c: char) -> Option<char> {
    matches!(c, '\u{370}'..='\u{52F}')
        .then(|| LOOK_ALIKES.iter().find(|(foreign, _)| *foreign == c).map(|(_, latin)| *latin))
        .flatten()
}

/// A word of Latin letters or digits and letters that only look like them is put into Latin ones; a word of another
/// script stays.
fn latin_words(text: &str) -> String {
    if !text.chars().any(|c| look_alike(c).is_some()) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(char::is_alphanumeric) {
        let (gap, tail) = rest.split_at(start);
        let end = tail.find(|c: char| !c.is_alphanumeric()).unwrap_or(tail.len());
        let (word, after) = tail.split_at(end);
        out.push_str(gap);
        // Not where it would make an entity or a letter with a mark, which another pass would change again.
        let apart = !out.ends_with('&') && !out.ends_with("&#") && !after.starts_with(is_combining_mark);
        let mixed = word.bytes().any(|byte| byte.is_ascii_alphanumeric())
            && !word.is_ascii()
            && word.chars().all(|c| c.is_ascii() || look_alike(c).is_some());
        if mixed && apart {
            out.extend(word.chars().map(|c| look_alike(c).unwrap_or(c)));
        } else {
            out.push_str(word);
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// First code point of each run of ten decimal digits outside ASCII that has no ASCII decomposition.
const DIGIT_ZEROS: &[u32] = &[
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0DE6,
    0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0,
    0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0x104A0, 0x10D30, 0x11066,
    0x110F0, 0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x11730, 0x118E0, 0x11C50,
    0x11D50, 0x11DA0, 0x16A60, 0x16B50, 0x1E140, 0x1E2F0, 0x1E950,
];

fn ascii_digit(c: char) -> Option<char> {
    let code = u32::from(c);
    let at = DIGIT_ZEROS.partition_point(|zero| *zero <= code).checked_sub(1)?;
    let value = code - DIGIT_ZEROS.get(at)?;
    char::from_digit(value, 10)
}

/// CR and CRLF to LF, one space between words, none at line ends, at most one blank line in a row, none around.
fn tidy_space(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut blank_lines = 0;
    let text = text.replace("\r\n", "\n");
    for line in text.split(['\n', '\r']) {
        let mut words = line.split(' ').filter(|word| !word.is_empty());
        let Some(first) = words.next() else {
            blank_lines += 1;
            continue;
        };
        if !out.is_empty() {
            out.push_str(if blank_lines > 0 { "\n\n" } else { "\n" });
        }
        blank_lines = 0;
        for (index, word) in once(first).chain(words).enumerate() {
            if index > 0 {
                out.push(' ');
            }
            out.push_str(word);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(given: &str, wanted: &str) {
        assert_eq!(normalise(given), wanted, "{given:?}");
    }

    #[test]
    fn forms() {
        check("  Perche\u{301} \t no?\r\n\r\n\r\nSi\u{300}\rok ", "Perché no?\n\nSì\nok");
        check("a\u{200B}b\u{202E}c\u{FEFF}d\u{AD}e\u{7}f", "abcdef");
        check("٤١١١ ४१ ４１ 𝟜𝟙 ④①", "4111 41 41 41 41");
        check("4\u{FE0F}\u{20E3}1\u{332}1", "411");
        check("⑷⑴⒈⒈ ❶⓿ ⑫", "4111 10 12");
        check("RSSMRА85Т10 IТ60 В2В", "RSSMRA85T10 IT60 B2B");
        check("спасибо, Мария", "спасибо, Мария");
        check("caff&egrave; &amp;amp; t&#232; &amp;lt;b&amp;gt; &unknown; &", "caffè & tè <b> &unknown; &");
        check("&#8203;&#x31;&nbsp;2", "1 2");
        check("555\u{2011}1234 – ok — 1º piano", "555-1234 – ok — 1º piano");
        check("one\u{2028}two\u{A0}three", "one\ntwo three");
        check(" \u{200B} \n ", "");
    }

    #[test]
    fn entities_in_entities_take_one_pass() {
        let nested = format!("&{}lt;", "amp;".repeat(200_000));
        assert_eq!(normalise(&nested), "<");
    }

    proptest! {
        #[test]
        fn twice_is_once(text in "\\PC{0,200}|(&|amp;|lt;|#59;|#38;|\u{200B}|\u{301}|\u{323}|1|e|\u{212A}|;|\r|\n| ){0,40}") {
            let once = normalise(&text);
            prop_assert_eq!(normalise(&once), once);
        }

        #[test]
        fn twice_is_once_on_anything(text in any::<String>()) {
            let once = normalise(&text);
            prop_assert!(!once.chars().any(|c| is_unseen(c) && c != '\n'));
            prop_assert_eq!(normalise(&once), once);
        }
    }
}
