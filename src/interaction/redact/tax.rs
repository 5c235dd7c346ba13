//! Numbers the state gives: codice fiscale and partita IVA, UK National Insurance, US Social Security.

use std::sync::LazyLock;

use regex::Regex;

use super::scan::{Found, Kind, digits, each, lead, luhn, pattern, stands_alone};

/// Sixteen characters, digits or the letters that stand for them, up to three separators between any.
static TAX_CODE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let (letter, digit, sep) = ("[A-Z]", "[0-9LMNPQRSTUV]", r"[ .,;:\-–—_/|·•*\n]{0,3}");
    let month = "[A-EHLMPRST]";
    let six = std::iter::repeat_n(letter, 6).collect::<Vec<_>>().join(sep);
    let place = std::iter::repeat_n(digit, 3).collect::<Vec<_>>().join(sep);
    pattern(&format!(
        "(?i){six}{sep}{digit}{sep}{digit}{sep}{month}{sep}{digit}{sep}{digit}{sep}{letter}{sep}{place}{sep}{letter}"
    ))
});
static TAX_CUE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(r"(?i)(?:codice fiscale|cod\.? ?fisc\w*\.?|\bc\.? ?f\.?|tax code|fiscal code)[^\n]{0,12}$")
});

/// Its name behind it.
static TAX_NAME: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"(?i)^[ ,:;()\-–]{1,3}(?:è |e' |is )?(?:il |la |the |my |mio |il mio )?(?:codice fiscale|cod\.? ?fisc|c\.? ?f\b|tax code|fiscal code)",
    )
});

/// Eleven digits with IT before them.
static VAT_PREFIXED: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"(?i)\bIT[ .\-]?\d(?:[ .\-]?\d){10}"));
static VAT_CUED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(r"(?i)(?:\bp\.? ?iva|\bpartita ?iva|\bpiva|\bvat)\b[^\d\n]{0,20}\d(?:[ .\-]?\d){7,11}")
});

/// A company's codice fiscale has eleven digits; only its name tells it from an order number.
static COMPANY_CUED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"(?i)(?:codice fiscale|\bcod\.? ?fisc\w*\.?|\bc\.? ?f\b\.?|\bfiscal code|\btax code)[^\d\n]{0,20}\d(?:[ .\-]?\d){10}",
    )
});

static NI: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"(?i)[A-CEGHJ-PR-TW-Z][ .\-]?[A-CEGHJ-NPR-TW-Z](?:[ .\-]?\d){6}[ .\-]?[A-D]"));

static SSN: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(r"\d{3}[ .\-–]?\d{2}[ .\-–]?\d{4}"));
static SSN_CUE: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"(?i)\b(?:ssn|social security)\b[^\d\n]{0,30}$"));

/// Adds the numbers of `text`.
pub(super) fn find(text: &str, found: &mut Vec<Found>) {
    each(TAX_CODE.as_ref(), text, |start, end| {
        let span = text.get(start..end)?;
        let code: Vec<u8> = span.bytes().filter(u8::is_ascii_alphanumeric).collect();
        let figures = code.iter().filter(|byte| byte.is_ascii_digit()).count();
        // Words apart can spell letters only; a code has figures, and more of them when it is written apart.
        let enough = if code.len() == span.len() { figures >= 1 } else { figures >= 3 };
        let named_behind =
            || TAX_NAME.as_ref().is_some_and(|name| name.is_match(text.get(end..).unwrap_or_default()));
        let cued =
            || TAX_CUE.as_ref().is_some_and(|cue| cue.is_match(lead(text, start, 30))) || named_behind();
        // Glued to a word, its check letter has to be right.
        let glued = code.len() == span.len() && figures >= 5 && tax_code(&code);
        let is_code = enough && (glued || stands_alone(text, start, end) && (tax_code(&code) || cued()));
        is_code.then(|| add(found, start, end, Kind::TaxCode))
    });
    each(VAT_PREFIXED.as_ref(), text, |start, end| {
        let is_vat = stands_alone(text, start, end) && luhn(&digits(text.get(start..end)?));
        is_vat.then(|| add(found, start, end, Kind::Vat))
    });
    each(VAT_CUED.as_ref(), text, |start, end| {
        let span = text.get(start..end)?;
        let number = start + span.find(|c: char| c.is_ascii_digit())?;
        let alone = !text.get(end..)?.starts_with(|c: char| c.is_alphanumeric());
        alone.then(|| add(found, number, end, Kind::Vat))
    });
    each(COMPANY_CUED.as_ref(), text, |start, end| {
        let span = text.get(start..end)?;
        let number = start + span.find(|c: char| c.is_ascii_digit())?;
        let alone = !text.get(end..)?.starts_with(|c: char| c.is_alphanumeric());
        alone.then(|| add(found, number, end, Kind::TaxCode))
    });
    each(NI.as_ref(), text, |start, end| {
        let letters: String = text
            .get(start..end)?
            .chars()
            .filter(char::is_ascii_alphabetic)
            .take(2)
            .collect::<String>()
            .to_uppercase();
        let used = !["BG", "GB", "KN", "NK", "NT", "TN", "ZZ"].contains(&letters.as_str());
        (used && stands_alone(text, start, end)).then(|| add(found, start, end, Kind::Ni))
    });
    each(SSN.as_ref(), text, |start, end| {
        let span = text.get(start..end)?;
        let hyphens = span.matches(['-', '–']).count() == 2;
        let cued = || SSN_CUE.as_ref().is_some_and(|cue| cue.is_match(lead(text, start, 50)));
        let is_ssn = stands_alone(text, start, end) && ssn(&digits(span)) && (hyphens || cued());
        is_ssn.then(|| add(found, start, end, Kind::Ssn))
    });
}

fn add(found: &mut Vec<Found>, start: usize, end: usize, kind: Kind) -> usize {
    found.push(Found { start, end, kind });
    end
}

/// The check letter of a codice fiscale (decree of 23 December 1976): characters at odd places by table, at even
/// places by value, sum modulo 26.
pub(super) fn tax_code(code: &[u8]) -> bool {
    const ODD: [u32; 26] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let Some((check, body)) = code.split_last() else { return false };
    if body.len() != 15 {
        return false;
    }
    let sum: u32 = body
        .iter()
        .enumerate()
        .map(|(index, byte)| {
            let value = match byte {
                b'0'..=b'9' => u32::from(byte - b'0'),
                _ => u32::from(byte.to_ascii_uppercase().saturating_sub(b'A')),
            };
            let odd =
                || usize::try_from(value).ok().and_then(|value| ODD.get(value)).copied().unwrap_or_default();
            if index % 2 == 0 { odd() } else { value }
        })
        .sum();
    sum % 26 == u32::from(check.to_ascii_uppercase().saturating_sub(b'A'))
}

/// Ranges that are given out: area not 000, 666 or 9xx; group not 00; serial not 0000.
fn ssn(digits: &[u8]) -> bool {
    match digits {
        [a, b, c, d, e, rest @ ..] => {
            *a != 9
                && [*a, *b, *c] != [0, 0, 0]
                && [*a, *b, *c] != [6, 6, 6]
                && [*d, *e] != [0, 0]
                && rest != [0, 0, 0, 0]
        }
        _ => false,
    }
}

#[cfg(test)]
pub(super) fn patterns() -> [bool; 8] {
    [
        TAX_CODE.is_some(),
        TAX_CUE.is_some(),
        VAT_PREFIXED.is_some(),
        VAT_CUED.is_some(),
        COMPANY_CUED.is_some(),
        NI.is_some(),
        SSN.is_some(),
        SSN_CUE.is_some(),
    ]
}
