//! Phone numbers: international ones by their prefix, Italian, British and American ones by their shape, any other
//! beside a word such as *call me* or *cellulare*. Order numbers, dates, times and amounts are let be.

use std::sync::LazyLock;

use regex::Regex;

use super::scan::{Found, Kind, after, before, digits, each, lead, looks_like_time, pattern};

/// `+39 333 …`, `0044 20 …`, with at most two separators between digits.
static INTERNATIONAL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"(?:\+ ?\(?[1-9]|\b00[ .\-]?(?:39|44|33|49|34|35[0-9]|41|43|32|31|30|36|38[0-9]|4[5-8]|42[01]|40|37[0-9]|7|9[0-58]|21[236]|20|1[ .\-]?\(?[2-9]))\)?(?:[ .\-–/()\n]{0,3}\d){6,14}",
    )
});

/// Numbers in the shapes of Italy, Britain, France and North America; `judge_national` counts their digits.
static NATIONAL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(concat!(
        r"39[ .\-]?3[2-9]\d[ .\-]?\d{3}[ .\-]?\d{3,4}", // Italian mobile with its country, no plus
        r"|\(?3[2-9][ .\-]?\d\)?(?:[ .\-–/\n]{0,3}\d){6,7}", // Italian mobile
        r"|\(0[1-9]\d{0,3}\)(?:[ .\-–/]{0,3}\d){4,9}",  // area code in brackets
        r"|0[1-9]\d{0,3}(?:[ .\-–/]{0,3}\d){4,9}",      // leading zero
        r"|(?:1[ .\-])?\(?[2-9]\d{2}\)?[ .\-]{1,2}[2-9]\d{2}[ .\-]\d{4}", // North America
        r"|\d(?:[ ,.\-]\d){8,10}",                      // read out digit by digit
    ))
});

/// A word for a phone, then at most a few words, then digits.
static CUED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(concat!(
        r"(?i)\b(?:tel|telefon\w*|telephone|phones?|mobile|cell|cellular[ei]|cellphone|fax|whatsapp|recapit[oi]",
        r"|my number|(?:il )?mio numero|contact number|call me|call us|call back|ring me|ring|text me|reach me|dial",
        r"|wa\.me|contatta(?:te)?mi|contattarmi|(?:ri)?chiama(?:te)?mi|(?:ri)?chiamarmi|mi (?:ri)?chiami(?:no)?)\b",
        r"[^\d\n+(]{0,25}\(?\d(?:[ .\-–/()]{0,3}\d){5,14}"
    ))
});

/// Digits soon behind a number, as in a list.
static FOLLOWING: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"^[^\d\n+(]{0,24}\(?\d(?:[ .\-–/()]{0,3}\d){5,14}"));

static ORDER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(concat!(
        r"(?i)(?:\b(?:ordin[ei]|orders?|ord|ticket|fattur\w*|invoice|pratica|protocollo|tracking|spedizione|shipment",
        r"|parcel|pacco|rif|riferimento|ref|reference|case|contratt[oi]|contract|bollett\w*|codice|code|id|sku|ean",
        r"|barcode|serial\w*|seriale|matricola|imei|account|conto|pod|pdr|polizza|policy|booking|prenotazione",
        r"|bigliett[oi]|articolo|item|prodott[oi]|product|modello|model|transaction|transazione|cro|trn|meter",
        r"|contatore|gift card|lotto|batch|iva|vat)\b|\b(?:nr|no)\.|#|n°|№)",
        // Nothing but small words: with a name or a verb between them the number is a telephone's.
        r"(?:[\s.:;,#=°№()\[\]/'’\x22*_\-–]|\b(?:n|nr|no|num|numero|numeri|number|numbers|id|code|codice|cod|is|was|are|è|e|era|sono|of|the|my",
        r"|your|our|its|this|that|with|for|and|del|della|dello|di|il|lo|la|l|mio|mia|nostro|vostro|suo|con|per|questo|questa",
        r"|ordin[ei]|orders?|tracking|pacco|parcel|spedizione|shipment|ref|reference|rif|riferimento|ticket|fattura|invoice",
        r"|pratica|cliente|customer|account|contratto|contract|polizza|policy|serie|serial|gift|card)\b){0,16}$"
    ))
});

/// A customer's number has nothing but small words before it; a name there makes the number that of a telephone.
static CUSTOMER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(concat!(
        r"(?i)\b(?:cliente|customer (?:number|id|no|code))\b",
        r"(?:[ .:,#=°\-]{1,3}(?:n|nr|no|num|numero|number|id|code|codice|è|e'|is|mio|my)\b){0,3}[ .:,#=°\-]{0,3}$"
    ))
});

/// One's own number is not that of an order.
static MINE: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"(?i)\b(?:mio|my) (?:nr|n|no|num|numero|number)\b[^\d\n]{0,10}$"));

static CUE_NEAR: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:tel|telefon\w*|telephone|phone|mobile|cell|cellulare|whatsapp|call me|chiama(?:te)?mi|recapito)\b[^\d\n]{0,25}$",
    )
});

/// Adds the phone numbers of `text`.
pub(super) fn find(text: &str, found: &mut Vec<Found>) {
    let mut push = |start, end| {
        found.push(Found { start, end, kind: Kind::Phone });
        Some(end)
    };
    each(INTERNATIONAL.as_ref(), text, |start, end| {
        let span = text.get(start..end)?;
        let inside = before(text, start).is_some_and(|c| c.is_alphanumeric() || c == '+')
            || after(text, end).is_some_and(char::is_alphanumeric);
        if inside || !international(span) { None } else { push(start, end) }
    });
    each(NATIONAL.as_ref(), text, |start, end| {
        shorter(text, start, end, judge_national).and_then(|end| push(start, end))
    });
    each(CUED.as_ref(), text, |start, end| {
        let span = text.get(start..end)?;
        let number = start + span.find(|c: char| c.is_ascii_digit())?;
        let gap = text.get(start..number)?;
        let end = shorter(text, number, end, judge_cued)?;
        if is_order(gap) { None } else { push(number, end) }
    });
    find_following(text, found);
}

/// A number found is a cue for the next one, so that a list is found whole and not one number a round.
fn find_following(text: &str, found: &mut Vec<Found>) {
    let mut ends: Vec<usize> =
        found.iter().filter(|found| found.kind == Kind::Phone).map(|found| found.end).collect();
    ends.sort_unstable();
    let mut reached = 0;
    for mut at in ends {
        if at < reached {
            continue;
        }
        while let Some((start, end)) = following(text, at) {
            found.push(Found { start, end, kind: Kind::Phone });
            at = end;
        }
        reached = at;
    }
}

fn following(text: &str, at: usize) -> Option<(usize, usize)> {
    let rest = text.get(at..)?;
    let span = FOLLOWING.as_ref()?.find(rest)?.as_str();
    let digit = span.find(|c: char| c.is_ascii_digit())?;
    let end = shorter(text, at + digit, at + span.len(), judge_cued)?;
    (!is_order(span.get(..digit)?)).then_some((at + digit, end))
}

/// A pattern takes as many digits as it can, at times a neighbour's; so fewer groups are tried too.
fn shorter(text: &str, start: usize, end: usize, judge: fn(&str, usize, usize) -> bool) -> Option<usize> {
    let mut end = end;
    loop {
        if judge(text, start, end) {
            return Some(end);
        }
        let span = text.get(start..end)?;
        let head = span
            .trim_end_matches(|c: char| c.is_ascii_digit())
            .trim_end_matches(|c: char| !c.is_ascii_digit());
        if head.len() < 6 {
            return None;
        }
        end = start + head.len();
    }
}

/// Digits go on behind the span, so that it is a part of something longer or an amount with decimals.
fn ends_inside(text: &str, end: usize) -> bool {
    let Some(next) = after(text, end) else { return false };
    let tail = text.get(end + next.len_utf8()..).unwrap_or_default();
    let figures = tail.bytes().take_while(u8::is_ascii_digit).count();
    next.is_alphanumeric()
        || (matches!(next, ',' | '.') && (1..=2).contains(&figures))
        || (next == ':' && figures > 0)
        || (matches!(next, '-' | '_') && tail.starts_with(char::is_alphabetic))
}

/// Something before the span makes it a part of a code or an amount.
fn starts_inside(text: &str, start: usize) -> bool {
    let Some(previous) = before(text, start) else { return false };
    let earlier = before(text, start - previous.len_utf8());
    previous.is_alphanumeric()
        || (matches!(previous, '-' | '_' | '.') && earlier.is_some_and(char::is_alphanumeric))
        || matches!(previous, '€' | '$' | '£' | '#')
}

pub(super) fn is_amount(text: &str, start: usize, end: usize) -> bool {
    let tail = text.get(end..).unwrap_or_default().trim_start();
    let head = text.get(..start).unwrap_or_default().trim_end();
    tail.starts_with(['€', '$', '£', '%'])
        || head.ends_with(['€', '$', '£'])
        || ["euro", "eur", "dollar", "pound", "gbp", "usd", "kwh"]
            .iter()
            .any(|unit| tail.get(..unit.len()).is_some_and(|word| word.eq_ignore_ascii_case(unit)))
}

/// Groups of three after the first, parted by dots: `350.000.000`.
fn thousands(span: &str) -> bool {
    let mut groups = span.split('.');
    let first = groups.next().unwrap_or_default();
    let rest: Vec<&str> = groups.collect();
    first.bytes().all(|b| b.is_ascii_digit()) && !rest.is_empty() && rest.iter().all(|group| group.len() == 3)
}

fn international(span: &str) -> bool {
    let digits = digits(span);
    // Two zeros begin many codes too, so that more is asked of what follows them.
    let zeros = span.starts_with('0');
    let (digits, least) =
        if zeros { (digits.get(2..).unwrap_or_default(), 10) } else { (digits.as_slice(), 8) };
    let plausible = match digits {
        [1, area, ..] => *area >= 2 && digits.len() == 11,
        [7, ..] => digits.len() == 11,
        [3, 9, next, ..] => matches!(next, 0 | 3 | 5 | 8) && (least..=13).contains(&digits.len()),
        _ => (least..=15).contains(&digits.len()),
    };
    plausible
        && !(span.starts_with('+') && thousands(span.trim_start_matches('+')) && digits.ends_with(&[0, 0, 0]))
}

fn judge_national(text: &str, start: usize, end: usize) -> bool {
    let Some(span) = text.get(start..end) else { return false };
    if ends_inside(text, end) || starts_inside(text, start) && !cue_near(text, start) {
        return false;
    }
    let digits = digits(span);
    let groups: Vec<usize> =
        span.split(|c: char| !c.is_ascii_digit()).map(str::len).filter(|length| *length > 0).collect();
    let america = groups.ends_with(&[3, 3, 4]) && matches!(digits.as_slice(), [2..=9, ..] | [1, 2..=9, ..]);
    let by_twos = groups.len() == 5 && groups.iter().all(|length| *length == 2);
    let by_ones = groups.len() >= 9 && groups.iter().all(|length| *length == 1);
    let whole = groups.iter().any(|length| *length >= 3) || by_twos || by_ones;
    let nine = digits.len() != 9
        || digits.first() == Some(&0)
        || matches!(groups.as_slice(), [9] | [3, 6] | [3, 3, 3]);
    (national(&digits) || america)
        && whole
        && nine
        && !looks_like_time(span)
        && !thousands(span)
        && !is_amount(text, start, end)
        && (cue_near(text, start) || !is_order(lead(text, start, 40)))
}

fn judge_cued(text: &str, start: usize, end: usize) -> bool {
    let Some(span) = text.get(start..end) else { return false };
    (6..=15).contains(&digits(span).len())
        && !ends_inside(text, end)
        && !looks_like_time(span)
        && !is_amount(text, start, end)
}

/// Whether digits have the form of an Italian, British or French number.
pub(super) fn national(digits: &[u8]) -> bool {
    match digits {
        [3, 9, 3, 2..=9, ..] if digits.len() >= 11 => digits.len() <= 12,
        [3, 2..=9, ..] => (9..=10).contains(&digits.len()),
        [0, 1..=9, ..] => (8..=11).contains(&digits.len()),
        _ => false,
    }
}

/// Whether words before a number say that it is an order, ticket or product number.
pub(super) fn is_order(lead: &str) -> bool {
    let matches = |pattern: &Option<Regex>| pattern.as_ref().is_some_and(|pattern| pattern.is_match(lead));
    (matches(&ORDER) || matches(&CUSTOMER)) && !matches(&MINE)
}

fn cue_near(text: &str, start: usize) -> bool {
    CUE_NEAR.as_ref().is_some_and(|cue| cue.is_match(lead(text, start, 40)))
}

#[cfg(test)]
pub(super) fn patterns() -> [bool; 8] {
    [
        INTERNATIONAL.is_some(),
        MINE.is_some(),
        CUSTOMER.is_some(),
        NATIONAL.is_some(),
        CUED.is_some(),
        FOLLOWING.is_some(),
        ORDER.is_some(),
        CUE_NEAR.is_some(),
    ]
}
