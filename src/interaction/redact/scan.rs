//! What the finders share: kinds, spans, neighbours of a span, and a search that tries every start.

use regex::Regex;

/// What was found; of two that overlap the first named here gives the placeholder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Secret,
    Iban,
    Email,
    TaxCode,
    Card,
    Ssn,
    Ni,
    Vat,
    Phone,
}

impl Kind {
    pub(super) fn placeholder(self) -> &'static str {
        match self {
            Self::Secret => "[SECRET]",
            Self::Iban => "[IBAN]",
            Self::Email => "[EMAIL]",
            Self::TaxCode => "[TAX_CODE]",
            Self::Card => "[CARD]",
            Self::Ssn => "[SSN]",
            Self::Ni => "[NI]",
            Self::Vat => "[VAT]",
            Self::Phone => "[PHONE]",
        }
    }
}

/// A span of bytes to replace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub start: usize,
    pub end: usize,
    pub kind: Kind,
}

/// A pattern of this room. They are constants, and a test compiles every one, so none is ever missing.
pub(super) fn pattern(source: &str) -> Option<Regex> {
    Regex::new(source).ok()
}

/// Tries `judge` on each match. After a refusal the search goes on one character further, so that a false candidate
/// hides no true one; after an acceptance behind the accepted end.
pub(super) fn each(
    pattern: Option<&Regex>,
    text: &str,
    mut judge: impl FnMut(usize, usize) -> Option<usize>,
) {
    let Some(pattern) = pattern else { return };
    let mut at = 0;
    while let Some(found) = pattern.find_at(text, at) {
        at = match judge(found.start(), found.end()) {
            Some(end) => end.max(found.start() + 1),
            None => found.start() + 1,
        };
        while !text.is_char_boundary(at) {
            at += 1;
        }
        if at > text.len() {
            return;
        }
    }
}

/// The character before a byte position.
pub(super) fn before(text: &str, at: usize) -> Option<char> {
    text.get(..at)?.chars().next_back()
}

/// The character at a byte position.
pub(super) fn after(text: &str, at: usize) -> Option<char> {
    text.get(at..)?.chars().next()
}

/// Whether neither neighbour is a letter or digit.
pub(super) fn stands_alone(text: &str, start: usize, end: usize) -> bool {
    let joins = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    !joins(before(text, start)) && !joins(after(text, end))
}

/// Up to `count` characters before a position.
pub(super) fn lead(text: &str, at: usize, count: usize) -> &str {
    let head = text.get(..at).unwrap_or_default();
    let start = head.char_indices().rev().take(count).last().map_or(at, |(index, _)| index);
    head.get(start..).unwrap_or_default()
}

/// The digits of a span.
pub(super) fn digits(text: &str) -> Vec<u8> {
    text.bytes().filter(u8::is_ascii_digit).map(|byte| byte - b'0').collect()
}

/// The Luhn checksum (ISO/IEC 7812-1, annex B).
pub(super) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, digit)| {
            let digit = u32::from(*digit);
            match (index % 2, digit) {
                (0, _) => digit,
                (_, 5..) => digit * 2 - 9,
                _ => digit * 2,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Whether a span is written like a date or a span of times: `12/05/2024`, `2024-05-12`, `9.30-12.30`.
pub(super) fn looks_like_time(span: &str) -> bool {
    let parts: Vec<&str> =
        span.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).collect();
    let value = |part: &str| part.parse::<u32>().unwrap_or(u32::MAX);
    let (day, month) = (
        |p: &str| p.len() <= 2 && (1..=31).contains(&value(p)),
        |p: &str| p.len() <= 2 && (1..=12).contains(&value(p)),
    );
    let year = |p: &str| p.len() == 4 && (1900..=2100).contains(&value(p)) || p.len() == 2;
    let (hour, minute) = (|p: &str| p.len() <= 2 && value(p) <= 24, |p: &str| p.len() == 2 && value(p) <= 59);
    match parts.as_slice() {
        [d, m, y] if p_date(d, m, y, day, month, year) => true,
        [y, m, d] if y.len() == 4 && year(y) && month(m) && day(d) => true,
        [d, m, y, h, min, ..] if p_date(d, m, y, day, month, year) && hour(h) && minute(min) => true,
        [y, m, d, h, ..] if y.len() == 4 && year(y) && month(m) && day(d) && hour(h) => true,
        [h1, m1, h2, m2] => hour(h1) && minute(m1) && hour(h2) && minute(m2),
        _ => false,
    }
}

fn p_date(
    d: &str,
    m: &str,
    y: &str,
    day: impl Fn(&str) -> bool,
    month: impl Fn(&str) -> bool,
    year: impl Fn(&str) -> bool,
) -> bool {
    year(y) && (day(d) && month(m) || month(d) && day(m))
}
