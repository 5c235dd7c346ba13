//! Redaction: what identifies or opens something is replaced by its kind, `[CARD]` for instance. Patterns find
//! candidates, checksums and cue words decide. Works on normalised text; gives the same again on its own output.

mod asked;
mod card;
mod email;
mod encoded;
mod iban;
mod numbers;
mod phone;
mod scan;
mod secret;
mod tax;

pub(super) use encoded::redact_url;
use scan::{Found, Kind};

/// Rounds until nothing more is found. The second round finds nothing in practice; the cap bounds hostile text.
const ROUNDS: usize = 6;

/// Replaces personal numbers, addresses and secrets by placeholders: `[CARD] [IBAN] [EMAIL] [PHONE] [TAX_CODE] [VAT]
/// [NI] [SSN] [SECRET]`. Idempotent. Expects text in the form that parsing gives it (ASCII digits, nothing unseen).
pub fn redact(text: &str) -> String {
    let mut text = text.to_owned();
    for _ in 0..ROUNDS {
        let encoded = encoded::redact_words(&text);
        let next = redact_plain(encoded.as_deref().unwrap_or(&text));
        // What is replaced beside an encoded word leaves it with other neighbours, so such texts are looked at again.
        if next == text || !encoded::has_pair(next.as_bytes()) {
            return next;
        }
        text = next;
    }
    without_figures(&text)
}

/// [`redact`] of text in which nothing is percent-encoded.
fn redact_plain(text: &str) -> String {
    let mut text = text.to_owned();
    for _ in 0..ROUNDS {
        match round(&text) {
            Some(next) => text = next,
            None => return text,
        }
    }
    // Written to be found piece by piece: none of its figures is let be.
    without_figures(&text)
}

/// Every run of digits replaced, whatever it is.
fn without_figures(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_digits = false;
    for c in text.chars() {
        let digit = c.is_ascii_digit();
        if !digit {
            out.push(c);
        } else if !in_digits {
            out.push_str(Kind::Phone.placeholder());
        }
        in_digits = digit;
    }
    out
}

/// A value with its name as the cue: `pin` makes four digits a secret.
pub(super) fn redact_attribute(name: &str, value: &str) -> String {
    let cue = format!("{}: ", name.replace(['_', '-', '.'], " "));
    let redacted = redact(&format!("{cue}{value}"));
    match redacted.strip_prefix(&cue) {
        Some(rest) => rest.to_owned(),
        // The name took part in what was found; then the value alone is shown by its kind.
        None => redact(value),
    }
}

/// A file name, in which `_` stands for a space, and a number may stand close to a word.
pub(super) fn redact_name(name: &str) -> String {
    let spaced = name.replace('_', " ");
    for reading in [numbers_apart(&spaced), spaced] {
        let redacted = redact(&reading);
        if redacted != reading {
            return redacted;
        }
    }
    redact(name)
}

/// A space between a letter and a run of nine digits or more, on either side: `tel3401234567.pdf`.
fn numbers_apart(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    let mut rest = name;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (head, tail) = rest.split_at(start);
        let end = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
        let (run, after) = tail.split_at(end);
        let long = run.len() >= 9;
        out.push_str(head);
        if long && head.ends_with(char::is_alphabetic) {
            out.push(' ');
        }
        out.push_str(run);
        if long && after.starts_with(char::is_alphabetic) {
            out.push(' ');
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Redacts texts that stand one after another in a conversation, each by itself and then as one: a number dictated in
/// two turns is found too, and every part of it is replaced; so is what answers a question for a PIN or a password.
pub(super) fn redact_together(parts: &mut [String]) {
    numbers_together(parts);
    asked::redact_answers(parts);
}

fn numbers_together(parts: &mut [String]) {
    for part in parts.iter_mut() {
        *part = redact(part);
    }
    for _ in 0..ROUNDS {
        let joined = parts.join(" ");
        let mut starts = Vec::with_capacity(parts.len());
        let mut at = 0;
        for part in parts.iter() {
            starts.push(at);
            at += part.len() + 1;
        }
        let mut changed = false;
        for Found { start, end, kind } in find(&joined).into_iter().rev() {
            // Behind the first part that the span touches, so that earlier places stay where they are.
            for (part, from) in parts.iter_mut().zip(&starts).rev() {
                let (own_start, own_end) = (start.max(*from), end.min(from + part.len()));
                if own_start < own_end {
                    part.replace_range(own_start - from..own_end - from, kind.placeholder());
                    changed = true;
                }
            }
        }
        if !changed {
            return;
        }
    }
    for part in parts {
        *part = without_figures(part);
    }
}

/// One round; `None` when nothing was found.
fn round(text: &str) -> Option<String> {
    let found = find(text);
    if found.is_empty() {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for Found { start, end, kind } in found {
        out.push_str(text.get(at..start).unwrap_or_default());
        out.push_str(kind.placeholder());
        at = end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    Some(out)
}

/// What there is to replace, in order, nothing overlapping.
fn find(text: &str) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    email::find(text, &mut found);
    secret::find(text, &mut found);
    if text.bytes().any(|byte| byte.is_ascii_digit()) {
        iban::find(text, &mut found);
        card::find(text, &mut found);
        tax::find(text, &mut found);
        phone::find(text, &mut found);
    }
    numbers::find_spoken(text, &mut found);
    found.sort_unstable_by_key(|found| (found.start, found.end));
    let mut merged: Vec<Found> = Vec::with_capacity(found.len());
    for next in found {
        match merged.last_mut() {
            Some(last) if next.start < last.end => {
                last.end = last.end.max(next.end);
                last.kind = last.kind.min(next.kind);
            }
            _ => merged.push(next),
        }
    }
    merged
}

#[cfg(test)]
mod disguises;
#[cfg(test)]
mod tests;
