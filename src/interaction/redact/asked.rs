//! Answers: what one turn asks for by name, a PIN or a password, and a later one says without naming it.

use std::sync::LazyLock;

use regex::Regex;

use super::numbers::DIGIT_WORD;
use super::phone::{is_amount, is_order};
use super::scan::{Kind, lead, looks_like_time, pattern, stands_alone};
use super::secret::{CODE, NOT_SECRET};

/// Turns that an answer may take: *one moment* comes before it.
const WITHIN: usize = 3;
const PASSWORD: &str = r"(?:passwords?|passphrase|pwd|psw|parola d'ordine|parola chiave|secret word|memorable word|parola segreta)";

static ASKS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(concat!(
        r"(?i)\?|\b(?:give|tell|share|read|confirm|provide|send|type|enter|need|let me have|please|what'?s|what is",
        r"|dica|dimmi|dirmi|dia|dammi|darmi|mi dà|mi dai|inserisc[ai]|fornisc[ai]|fornirmi|comunich?i|legga|leggimi",
        r"|conferm\w+|serve|occorre|scriva|scrivi|qual è|mandi|manda)\b"
    ))
});
/// *Never tell anybody your PIN* asks for nothing.
static NEVER: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(r"(?i)\b(?:never|not|don't|mai|non)\b"));
static NAMES_CODE: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(&format!(r"(?i)\b{CODE}\b")));
static NAMES_PASSWORD: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(&format!(r"(?i)\b{PASSWORD}\b")));

/// Three to ten digits, written or said, or letters and digits as codes have them.
static CODE_SAID: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(&format!(
        r"(?i)(?:[a-z]{{1,3}}-?)?\d(?:[ \-.]{{0,2}}\d){{2,9}}|\b{DIGIT_WORD}(?:[ ,\-]{{1,2}}{DIGIT_WORD}\b){{2,9}}"
    ))
});
/// A last word after *it's*.
static PASSWORD_SAID: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r#"(?i)^[^\n]{0,40}\b(?:it's|it is|that's|password is|è|e'|sarebbe):? ["'«“‘`(]{0,2}([^\s"'»”’`)]{4,64})[.!"'»”’`)]*(?: (?:thanks|thank you|grazie|ok)[.!]?)?$"#,
    )
});

fn matches(pattern: &Option<Regex>, text: &str) -> bool {
    pattern.as_ref().is_some_and(|pattern| pattern.is_match(text))
}

/// Replaces the answers in texts that stand one after another.
pub(super) fn redact_answers(parts: &mut [String]) {
    for asking in 0..parts.len() {
        let Some((asked, later)) = parts.get_mut(asking..).and_then(<[String]>::split_first_mut) else {
            return;
        };
        let asks_for = |name: &Option<Regex>| {
            let mut sentences = asked.split_inclusive(['.', '!', '?', '\n']);
            sentences.any(|one| matches(name, one) && matches(&ASKS, one) && !matches(&NEVER, one))
        };
        let (code, password) = (asks_for(&NAMES_CODE), asks_for(&NAMES_PASSWORD));
        if !(code || password) {
            continue;
        }
        for answer in later.iter_mut().take(WITHIN) {
            let said = if code { code_in(answer) } else { None };
            let said = said.or_else(|| if password { password_in(answer) } else { None });
            if let Some((start, end)) = said {
                answer.replace_range(start..end, Kind::Secret.placeholder());
                break;
            }
        }
    }
}

fn code_in(answer: &str) -> Option<(usize, usize)> {
    let fits = |start, end| {
        let span = answer.get(start..end).unwrap_or_default();
        stands_alone(answer, start, end)
            && !is_order(lead(answer, start, 40))
            && !is_amount(answer, start, end)
            && !looks_like_time(span)
    };
    CODE_SAID
        .as_ref()?
        .find_iter(answer)
        .map(|found| (found.start(), found.end()))
        .find(|(s, e)| fits(*s, *e))
}

fn password_in(answer: &str) -> Option<(usize, usize)> {
    let mixed = |word: &str| {
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        let letters = word.chars().filter(|c| c.is_alphabetic()).count();
        word.len() >= 5 && digits > 0 && letters > 1
    };
    let mut at = 0;
    for piece in answer.split_inclusive([' ', '\n']) {
        let word =
            piece.trim_end().trim_end_matches(['.', ',', ';', '!', '?', ')', '"', '\'', '»', '”', '’']);
        let start = at + word.len() - word.trim_start_matches(['(', '"', '\'', '«', '“', '‘']).len();
        let end = at + word.len();
        at += piece.len();
        let word = answer.get(start..end).unwrap_or_default();
        if mixed(word) && !word.starts_with('[') && !is_order(lead(answer, start, 40)) {
            return Some((start, end));
        }
    }
    let said = PASSWORD_SAID.as_ref()?.captures(answer)?.get(1)?;
    let word = said.as_str().trim_end_matches(['.', ',', '!', '?']);
    let refused = word.starts_with('[') || NOT_SECRET.contains(&word.to_lowercase().as_str());
    (!refused && word.chars().count() >= 4).then_some((said.start(), said.start() + word.len()))
}

#[cfg(test)]
pub(super) fn patterns() -> [bool; 6] {
    [
        NEVER.is_some(),
        ASKS.is_some(),
        NAMES_CODE.is_some(),
        NAMES_PASSWORD.is_some(),
        CODE_SAID.is_some(),
        PASSWORD_SAID.is_some(),
    ]
}
