//! A message that could not be decided, for people: redacted as far as its form can be told, whatever it is.

use serde_json::{Map, Value};

use super::normalise::normalise;
use super::redact::{redact, redact_attribute};

/// Characters shown.
const SHOWN: usize = 8_000;
/// Bytes looked at where the body is no JSON.
const LOOKED_AT: usize = 64 * 1024;
/// A word so long without a space may be encoded text, which nothing is recognised in.
const LONGEST_WORD: usize = 80;

/// The body with personal numbers, addresses and secrets replaced: JSON field by field, everything else as text. Addresses of
/// the customer, attached files and encoded mails are left out. Cut after 8,000 characters.
pub fn preview(body: &[u8]) -> String {
    let text = match serde_json::from_slice::<Value>(body) {
        Ok(value) => {
            let clean = clean("", value);
            serde_json::to_string_pretty(&clean).unwrap_or_default()
        }
        Err(_) => {
            let head = String::from_utf8_lossy(body.get(..LOOKED_AT).unwrap_or(body));
            clean_text(&unescaped(&head))
        }
    };
    let cut = text.chars().count() > SHOWN || body.len() > LOOKED_AT;
    let mut shown: String = text.chars().take(SHOWN).collect();
    if cut {
        shown.push('…');
    }
    shown
}

fn clean(name: &str, value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(key, value)| {
                let value = clean(&key, value);
                (clean_text(&key), value)
            });
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Value::Array(items) if name == "identities" => Value::from(format!("[{} left out]", items.len())),
        Value::String(_) if name == "mime" => Value::from("[left out]"),
        Value::Array(items) => items.into_iter().map(|item| clean(name, item)).collect(),
        Value::String(text) => Value::String(named(name, &text)),
        Value::Number(number) => {
            let text = number.to_string();
            let redacted = named(name, &text);
            if redacted == text { Value::Number(number) } else { Value::String(redacted) }
        }
        other => other,
    }
}

fn named(name: &str, text: &str) -> String {
    without_long_words(&redact_attribute(name, &normalise(text)))
}

fn clean_text(text: &str) -> String {
    without_long_words(&redact(&normalise(text)))
}

fn without_long_words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for piece in text.split_inclusive(char::is_whitespace) {
        let word = piece.trim_end();
        if word.chars().count() > LONGEST_WORD {
            out.push_str("[…]");
            out.push_str(&piece[word.len()..]);
        } else {
            out.push_str(piece);
        }
    }
    out
}

/// `\u0040` as JSON writes it, and its short forms, in what is no JSON as a whole.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let code = after.strip_prefix('u').and_then(|hex| hex.get(..4));
        let decoded = code.and_then(|hex| u32::from_str_radix(hex, 16).ok()).and_then(char::from_u32);
        if let (Some(c), Some(next)) = (decoded, after.get(5..)) {
            out.push(c);
            rest = next;
        } else {
            out.push(' ');
            rest = after.strip_prefix(['n', 't', 'r']).unwrap_or(after);
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_personal_is_shown_whatever_the_form() {
        let check = |body: &str, without: &[&str], with: &[&str]| {
            let shown = preview(body.as_bytes());
            for secret in without {
                assert!(!shown.contains(secret), "{secret} in {shown}");
            }
            for said in with {
                assert!(shown.contains(said), "{said} not in {shown}");
            }
        };
        let whole = r#"{"message_id":"m-1","identities":["mailto:anna@example.it"],"text":"la carta 4111 1111 1111 1111, anna@example.it","card":4111111111111111,"mime":"RnJvbTogYW5uYQ=="}"#;
        check(whole, &["anna@", "4111", "RnJvb"], &["m-1", "[CARD]", "[EMAIL]", "[1 left out]"]);
        let escaped = r#"{"text":"anna\u0040example.it 4111\u00201111 1111 1111""#;
        check(escaped, &["anna@", "example.it", "1111 1111"], &["[EMAIL]"]);
        check("scrivi a anna@example.it\u{0}", &["anna@"], &["scrivi a [EMAIL]"]);
        check(&"QUJD".repeat(50), &["QUJDQUJD"], &["[…]"]);
        check(r#"{"attributes":{"pin":"4821"}}"#, &["4821"], &["[SECRET]"]);
        check(&format!(r#"{{"text":"{}"}}"#, "ciao ".repeat(9000)), &[], &["ciao", "…"]);
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_far_as_they_go() {
        assert_eq!(preview(b""), "");
        assert!(preview(&[0xff, 0xfe, b'a']).contains('a'));
    }
}
