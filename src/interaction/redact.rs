//! Redaction: what identifies or opens something is replaced by its kind, `[CARD]` for instance. Patterns find
//! candidates, checksums and cue words decide. Works on normalised text; gives the same again on its own output.

mod card;
mod email;
mod iban;
mod numbers;
mod phone;
mod scan;
mod secret;
mod tax;

use scan::{Found, Kind};

/// Rounds until nothing more is found. The second round finds nothing in practice; the cap bounds hostile text.
const ROUNDS: usize = 6;

/// Replaces personal numbers, addresses and secrets by placeholders: `[CARD] [IBAN] [EMAIL] [PHONE] [TAX_CODE] [VAT]
/// [NI] [SSN] [SECRET]`. Idempotent. Expects text in the form that parsing gives it (ASCII digits, nothing unseen).
pub fn redact(text: &str) -> String {
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

/// A file name, in which `_` stands for a space.
pub(super) fn redact_name(name: &str) -> String {
    let spaced = name.replace('_', " ");
    let redacted = redact(&spaced);
    if redacted == spaced { redact(name) } else { redacted }
}

/// An address: credentials are left out, each part and each value of the query is redacted in its decoded form.
pub(super) fn redact_url(url: &str) -> String {
    let (head, query) = url.split_once(['?', '#']).map_or((url, None), |(head, query)| (head, Some(query)));
    let mark = url.get(head.len()..head.len() + 1).unwrap_or_default();
    let head = match head.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_once('/').map_or((rest, None), |(host, path)| (host, Some(path)));
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            let path: String = path
                .map(|path| path.split('/').map(|part| format!("/{}", redact_part("", part))).collect())
                .unwrap_or_default();
            format!("{scheme}://{host}{path}")
        }
        None => redact_part("", head),
    };
    let Some(query) = query else { return head };
    let pairs: Vec<String> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, value)) => format!("{}={}", redact_part("", name), redact_part(name, value)),
            None => redact_part("", pair),
        })
        .collect();
    format!("{head}{mark}{}", pairs.join("&"))
}

/// A percent-encoded part, kept as it stands when there is nothing in it.
fn redact_part(name: &str, part: &str) -> String {
    // A plus stands for a space or for itself, as in an international number.
    for reading in [part, &part.replace('+', "%2B")] {
        let decoded = super::normalise::normalise(&percent_decoded(reading));
        let redacted = if name.is_empty() { redact(&decoded) } else { redact_attribute(name, &decoded) };
        if redacted != decoded {
            return redacted.replace([' ', '\n'], "+");
        }
    }
    redact(part)
}

fn percent_decoded(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let hex = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let pair = if byte == b'%' { hex(ahead.next()).zip(hex(ahead.next())) } else { None };
        match pair.and_then(|(high, low)| u8::try_from(high * 16 + low).ok()) {
            Some(decoded) => {
                bytes.push(decoded);
                rest = ahead;
            }
            None => bytes.push(if byte == b'+' { b' ' } else { byte }),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Redacts texts that stand one after another in a conversation, each by itself and then as one: a number dictated in
/// two turns is found too, and every part of it is replaced.
pub(super) fn redact_together(parts: &mut [String]) {
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
mod tests;
