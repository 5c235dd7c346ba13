//! Payment card numbers: the Luhn checksum on any grouping, with the issuer's prefix where the grouping alone says
//! little; beside a word for card a mistyped one counts too.

use std::sync::LazyLock;

use regex::Regex;

use super::scan::{Found, Kind, after, before, each, lead, luhn, pattern};

/// Digits of several cards run together.
const MOST_TOGETHER: usize = 64;
const MIN_DIGITS: usize = 12;
const MAX_DIGITS: usize = 19;
/// Separators one after another inside a number.
const MAX_GAP: usize = 6;
const SEPARATORS: &[char] = &[
    ' ', '-', '.', '/', '_', ',', '\n', '\u{2013}', '\u{2014}', '·', '*', ':', '|', '(', ')', '•', '+', '=',
    '~', '→', ';', '"', '\'', '‧', '∙', '<', '>', '\\', '#', '…', '&', '!', '?', '%',
];

static CUE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:carta|card|visa|mastercard|amex|american express|maestro|bancomat|postepay|pan)\b[^\d\n]{0,30}$",
    )
});
/// What is said between the parts of a number read aloud.
static FILLER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"(?i)\d[ ,;.…\-]{1,3}(?:(?:and|then|next|uh|uhm|um|er|finally|e|ed|poi|dopo|quindi|infine|ehm|eh|comma|virgola)[ ,;.…\-]{1,3}){1,3}\d",
    )
});
static NOT_CARD: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(r"(?i)\b(?:ordine|order|tracking|spedizione|ticket|pratica|gift|regalo|fedelt[aà]|loyalty)\b")
});

/// A group of digits in a run.
#[derive(Debug, Clone, Copy)]
struct Group {
    start: usize,
    end: usize,
}

/// Adds the card numbers of `text`.
pub(super) fn find(text: &str, found: &mut Vec<Found>) {
    let mut run: Vec<Group> = Vec::new();
    let mut gap = 0;
    let mut in_digits = false;
    let mut filled = Vec::new();
    each(FILLER.as_ref(), text, |start, end| {
        filled.push(start + 1..end - 1);
        Some(end - 1)
    });
    let mut filled = filled.into_iter().peekable();
    for (index, c) in text.char_indices() {
        while filled.next_if(|range| range.end <= index).is_some() {}
        if filled.peek().is_some_and(|range| range.contains(&index)) {
            in_digits = false;
        } else if c.is_ascii_digit() {
            match run.last_mut() {
                Some(group) if in_digits => group.end = index + 1,
                _ => run.push(Group { start: index, end: index + 1 }),
            }
            in_digits = true;
            gap = 0;
        } else {
            in_digits = false;
            gap += 1;
            if gap > MAX_GAP || !SEPARATORS.contains(&c) {
                judge(text, &run, found);
                run.clear();
            }
        }
    }
    judge(text, &run, found);
}

/// Tries every span of whole groups, longest first from each start.
fn judge(text: &str, run: &[Group], found: &mut Vec<Found>) {
    let mut first = 0;
    while first < run.len() {
        let mut taken = None;
        let mut count = 0;
        if let Some(group) = run.get(first)
            && cards_together(text.get(group.start..group.end).unwrap_or_default())
        {
            found.push(Found { start: group.start, end: group.end, kind: Kind::Card });
            first += 1;
            continue;
        }
        for (offset, group) in run.get(first..).unwrap_or_default().iter().enumerate() {
            count += group.end - group.start;
            if count > MAX_DIGITS {
                break;
            }
            if count >= MIN_DIGITS && is_card(text, run.get(first..=first + offset).unwrap_or_default()) {
                taken = Some(offset);
            }
        }
        if let Some(offset) = taken
            && let (Some(head), Some(tail)) = (run.get(first), run.get(first + offset))
        {
            found.push(Found { start: head.start, end: tail.end, kind: Kind::Card });
            first += offset;
        }
        first += 1;
    }
}

/// Whether digits without a gap are several card numbers, one behind the other.
fn cards_together(digits: &str) -> bool {
    fn all(digits: &[u8]) -> bool {
        [16, 15, 14].into_iter().any(|length| {
            digits
                .split_at_checked(length)
                .is_some_and(|(card, rest)| luhn(card) && issuer(card) && (rest.is_empty() || all(rest)))
        })
    }
    (28..=MOST_TOGETHER).contains(&digits.len()) && all(&super::scan::digits(digits))
}

fn is_card(text: &str, groups: &[Group]) -> bool {
    let (Some(head), Some(tail)) = (groups.first(), groups.last()) else { return false };
    let digits: Vec<u8> = groups
        .iter()
        .flat_map(|group| text.get(group.start..group.end).unwrap_or_default().bytes())
        .map(|byte| byte - b'0')
        .collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.end - group.start).collect();
    let in_word = before(text, head.start).is_some_and(char::is_alphabetic)
        || after(text, tail.end).is_some_and(char::is_alphabetic);
    if luhn(&digits) && digits.iter().any(|digit| *digit != 0) {
        let card_shape = matches!(lengths.as_slice(), [16] | [4, 4, 4, 4] | [4, 6, 5]);
        return issuer(&digits) || (card_shape && !in_word);
    }
    let alone = matches!(lengths.as_slice(), [13..=19] | [4, 4, 4, 4] | [4, 6, 5] | [4, 4, 4, 4, 3]);
    if !alone || in_word {
        return false;
    }
    let lead = lead(text, head.start, 48);
    let matches = |pattern: &Option<Regex>| pattern.as_ref().is_some_and(|pattern| pattern.is_match(lead));
    matches(&CUE) && !matches(&NOT_CARD)
}

/// Whether prefix and length are those of a card scheme.
fn issuer(digits: &[u8]) -> bool {
    let prefix =
        |count: usize| digits.iter().take(count).fold(0_u32, |value, digit| value * 10 + u32::from(*digit));
    match digits.len() {
        12 => matches!(prefix(2), 50 | 56..=58 | 67) && prefix(4) >= 5018,
        13 => prefix(1) == 4,
        14 => matches!(prefix(3), 300..=305) || matches!(prefix(2), 36 | 38 | 39),
        15 => matches!(prefix(2), 34 | 37) || matches!(prefix(4), 2014 | 2131 | 2149 | 1800),
        16..=19 => {
            prefix(1) == 4
                || matches!(prefix(2), 50..=69 | 35 | 36 | 38 | 39 | 81)
                || matches!(prefix(4), 2200..=2204 | 2221..=2720)
                || matches!(prefix(3), 300..=305)
        }
        _ => false,
    }
}

#[cfg(test)]
pub(super) fn patterns() -> [bool; 2] {
    [CUE.is_some(), NOT_CARD.is_some()]
}
