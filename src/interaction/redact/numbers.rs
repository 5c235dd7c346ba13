//! Numbers said digit by digit in a call (`four one one one`, `tre tre uno`): judged by the digits they stand for.

use std::sync::LazyLock;

use regex::Regex;

use super::phone::{is_order, national};
use super::scan::{Found, Kind, each, lead, luhn, pattern};

/// Words for one digit in English and Italian, with `double` and `triple`.
pub(super) const DIGIT_WORD: &str = r"(?:(?:double|triple|doppio|triplo) )?(?:zero|oh|one|two|three|four|five|six|seven|eight|nine|uno|due|tre|quattro|cinque|sei|sette|otto|nove|\d)";

static SPOKEN: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(&format!(r"(?i)\b{DIGIT_WORD}(?:[ ,.\-]{{1,2}}{DIGIT_WORD}\b){{7,24}}")));

/// Adds spoken card and phone numbers.
pub(super) fn find_spoken(text: &str, found: &mut Vec<Found>) {
    each(SPOKEN.as_ref(), text, |start, end| {
        let span = text.get(start..end)?;
        if !span.chars().any(char::is_alphabetic) {
            return None;
        }
        let digits = said(span);
        let kind = if (13..=19).contains(&digits.len()) && luhn(&digits) {
            Kind::Card
        } else if national(&digits) || (digits.len() >= 9 && !is_order(lead(text, start, 40))) {
            Kind::Phone
        } else {
            return None;
        };
        found.push(Found { start, end, kind });
        Some(end)
    });
}

/// The digits that a span of words says.
fn said(span: &str) -> Vec<u8> {
    let mut digits = Vec::new();
    let mut times = 1;
    for word in span.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let digit = match word.to_lowercase().as_str() {
            "double" | "doppio" => {
                times = 2;
                continue;
            }
            "triple" | "triplo" => {
                times = 3;
                continue;
            }
            "zero" | "oh" => 0,
            "one" | "uno" => 1,
            "two" | "due" => 2,
            "three" | "tre" => 3,
            "four" | "quattro" => 4,
            "five" | "cinque" => 5,
            "six" | "sei" => 6,
            "seven" | "sette" => 7,
            "eight" | "otto" => 8,
            "nine" | "nove" => 9,
            other => match other.parse::<u8>() {
                Ok(digit) if digit < 10 => digit,
                _ => continue,
            },
        };
        digits.extend(std::iter::repeat_n(digit, times));
        times = 1;
    }
    digits
}

#[cfg(test)]
pub(super) fn patterns() -> [bool; 1] {
    [SPOKEN.is_some()]
}
