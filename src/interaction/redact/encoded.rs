//! Percent-encoded text and addresses of the web: what stands in them is looked for in its decoded form, however often it
//! was encoded.

use super::super::normalise::normalise;
use super::{redact, redact_attribute, redact_plain, without_figures};

/// Rounds of decoding and normalising; each shortens the text, and more than two are hostile.
const ROUNDS: usize = 4;

/// The text with each encoded word that hides something replaced by its decoded and redacted form; `None` when there is
/// none.
pub(super) fn redact_words(text: &str) -> Option<String> {
    if !has_pair(text.as_bytes()) {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut changed = false;
    for piece in text.split_inclusive([' ', '\n']) {
        let word = piece.trim_end_matches([' ', '\n']);
        match has_pair(word.as_bytes()).then(|| redact_word(word)).flatten() {
            Some(redacted) => {
                // An encoded line break breaks no line: a subject or a name stays one.
                out.push_str(&redacted.replace('\n', " "));
                out.push_str(piece.get(word.len()..).unwrap_or_default());
                changed = true;
            }
            None => out.push_str(piece),
        }
    }
    changed.then_some(out)
}

fn redact_word(word: &str) -> Option<String> {
    let mut plain = word.to_owned();
    for _ in 0..ROUNDS {
        plain = normalise(&decoded(&plain));
        if !has_pair(plain.as_bytes()) {
            let redacted = redact_plain(&plain);
            return (redacted != plain).then_some(redacted);
        }
    }
    Some(without_figures(&plain))
}

/// Whether a per cent sign stands before two hexadecimal digits.
pub(super) fn has_pair(bytes: &[u8]) -> bool {
    bytes
        .windows(3)
        .any(|part| matches!(part, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit()))
}

/// Decoded as often as it was encoded, in one pass: what a decoded byte completes is decoded at once.
fn decoded(text: &str) -> String {
    let mut bytes: Vec<u8> = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        bytes.push(byte);
        while let [.., b'%', high, low] = bytes.as_slice() {
            let hex = |byte: &u8| char::from(*byte).to_digit(16);
            let Some(value) =
                hex(high).zip(hex(low)).and_then(|(high, low)| u8::try_from(high * 16 + low).ok())
            else {
                break;
            };
            bytes.truncate(bytes.len() - 3);
            bytes.push(value);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An address: credentials are left out, host, each part and each value of the query is redacted in its decoded form.
pub(in super::super) fn redact_url(url: &str) -> String {
    let (head, query) = url.split_once(['?', '#']).map_or((url, None), |(head, query)| (head, Some(query)));
    let mark = url.get(head.len()..head.len() + 1).unwrap_or_default();
    let head = match head.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_once('/').map_or((rest, None), |(host, path)| (host, Some(path)));
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            let path: String = path
                .map(|path| path.split('/').map(|part| format!("/{}", redact_part("", part))).collect())
                .unwrap_or_default();
            format!("{scheme}://{}{path}", redact_part("", host))
        }
        None => redact_part("", head),
    };
    let Some(query) = query else { return redact(&head) };
    let pairs: Vec<String> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, value)) => format!("{}={}", redact_part("", name), redact_part(name, value)),
            None => redact_part("", pair),
        })
        .collect();
    // As a whole once more: the host can be the cue for what follows (`wa.me/39…`).
    format!("{}{mark}{}", redact(&head), pairs.join("&"))
}

/// A percent-encoded part, kept as it stands when there is nothing in it.
fn redact_part(name: &str, part: &str) -> String {
    // A plus stands for a space or for itself, as in an international number.
    for reading in [&part.replace('+', " "), part] {
        let decoded = normalise(&decoded(reading));
        let redacted = if name.is_empty() { redact(&decoded) } else { redact_attribute(name, &decoded) };
        if redacted != decoded {
            return redacted.replace([' ', '\n'], "+");
        }
    }
    redact(part)
}
