//! IBANs (ISO 13616): country, length and the mod 97 checksum; beside the word IBAN a mistyped one counts too.

use super::super::normalise::look_alike;
use super::scan::{Found, Kind, lead};

/// Length per country, from the SWIFT registry.
const LENGTHS: &[(&[u8; 2], usize)] = &[
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BI", 27),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DJ", 27),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FK", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HN", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MN", 20),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NI", 28),
    (b"NL", 18),
    (b"NO", 15),
    (b"OM", 23),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"RU", 33),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"SO", 23),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
    (b"YE", 30),
];

const SEPARATORS: &[char] = &[
    ' ', '-', '.', '/', '_', ',', ':', ';', '\n', '\u{2013}', '\u{2014}', '·', '|', '•', '‧', '∙', '*', '~',
    '=', '+', '\\', '→', '(', ')',
];
/// Separators one after another inside a number.
const MAX_GAP: usize = 5;

/// Adds the IBANs of `text`.
pub(super) fn find(text: &str, found: &mut Vec<Found>) {
    let mut skip_to = 0;
    let mut previous = ' ';
    for (start, c) in text.char_indices() {
        // Inside a word only where the country and its two check digits stand together.
        let begins = start >= skip_to
            && latin(c).is_some_and(|c| c.is_ascii_alphabetic())
            && (!previous.is_alphanumeric() || country_and_digits(text, start));
        previous = c;
        if begins && let Some(end) = at(text, start) {
            found.push(Found { start, end, kind: Kind::Iban });
            skip_to = end;
        }
    }
}

/// The letter or digit, as a Latin one where it looks like one.
fn latin(c: char) -> Option<char> {
    if c.is_ascii_alphanumeric() { Some(c) } else { look_alike(c) }
}

fn country_and_digits(text: &str, start: usize) -> bool {
    let mut ahead = text.get(start..).unwrap_or_default().chars();
    let mut letter = || ahead.next().and_then(latin).is_some_and(|c| c.is_ascii_alphabetic());
    letter() && letter() && ahead.by_ref().take(2).filter(char::is_ascii_digit).count() == 2
}

/// Where the IBAN that begins here ends.
fn at(text: &str, start: usize) -> Option<usize> {
    let mut compact: Vec<u8> = Vec::with_capacity(34);
    let mut separators = 0;
    let mut length = usize::MAX;
    for (offset, c) in text.get(start..)?.char_indices() {
        if let Some(plain) = latin(c) {
            separators = 0;
            compact.push(u8::try_from(plain.to_ascii_uppercase()).ok()?);
            match compact.len() {
                2 => {
                    let country: &[u8] = &compact;
                    length = LENGTHS.iter().find(|(code, _)| code.as_slice() == country)?.1;
                }
                3 | 4 if !plain.is_ascii_digit() => return None,
                _ => {}
            }
            if compact.len() == length {
                let end = start + offset + c.len_utf8();
                return valid(&compact, lead(text, start, 24)).then_some(end);
            }
        } else if SEPARATORS.contains(&c) && separators < MAX_GAP {
            separators += 1;
        } else {
            return None;
        }
    }
    None
}

fn valid(compact: &[u8], lead: &str) -> bool {
    let account = compact.get(4..).unwrap_or_default();
    // Words after two letters and two digits are no account: half of it at least is digits, in Malta a third.
    let digits = account.iter().filter(|byte| byte.is_ascii_digit()).count();
    if digits * 3 < account.len() {
        return false;
    }
    mod_97(compact) == 1 || lead.to_lowercase().contains("iban")
}

/// The checksum of ISO 7064: the first four characters go to the end, letters count from 10.
pub(super) fn mod_97(compact: &[u8]) -> u32 {
    let (head, tail) = compact.split_at(compact.len().min(4));
    tail.iter().chain(head).fold(0, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte.to_ascii_uppercase().saturating_sub(b'A')) + 10) % 97,
    })
}
