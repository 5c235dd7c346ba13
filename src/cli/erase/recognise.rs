//! Whether a message in a queue is the erased customer's. Parked bodies are as the producer sent them, broken ones
//! among them, so several things are looked at; what cannot be read is searched for the names given on the command line.

use std::collections::BTreeSet;

use base64::Engine as _;
use serde_json::Value;

use crate::broker::amqp::park::Held;
use crate::interaction::{MAX_BYTES, hash_identity};
use crate::store::{Kind, MarkKey};

/// In bytes that are no JSON, a shorter id of digits only would be found in anybody's text.
const TELLING: usize = 6;

/// Knows the customer by marks, and by the names that the operator gave.
pub(super) struct Recogniser<'a> {
    pub key: &'a MarkKey,
    pub secret: &'a [u8],
    pub marks: &'a BTreeSet<String>,
    pub customer: Option<&'a str>,
    pub identities: &'a [String],
}

impl Recogniser<'_> {
    /// Whether it is theirs.
    pub fn knows(&self, held: &Held<'_>) -> bool {
        self.is_marked(&[Kind::Customer, Kind::Conversation], held.routing_key)
            || held.message_id.is_some_and(|id| self.is_marked(&[Kind::Message], id))
            || self.knows_body(held.body)
    }

    fn knows_body(&self, body: &[u8]) -> bool {
        let json = (body.len() <= MAX_BYTES).then(|| serde_json::from_slice::<Value>(body).ok()).flatten();
        match json {
            Some(value) => self.knows_value("", &value),
            None => texts_of(body).iter().any(|text| self.named_in(text)),
        }
    }

    /// The fields that say whose a message is, wherever they stand and however they are written; and the names given, as
    /// the whole of any value.
    fn knows_value(&self, field: &str, value: &Value) -> bool {
        match value {
            Value::Object(fields) => fields.iter().any(|(name, value)| self.knows_value(name, value)),
            Value::Array(items) => items.iter().any(|item| self.knows_value(field, item)),
            Value::Number(number) => self.customer == Some(number.to_string().as_str()),
            Value::String(text) => {
                let kinds: &[Kind] = match field {
                    "customer_id" => &[Kind::Customer],
                    "conversation_id" => &[Kind::Conversation],
                    "message_id" | "supersedes" => &[Kind::Message],
                    _ => &[],
                };
                self.customer == Some(text.trim())
                    || self.is_marked(kinds, text)
                    || (field == "identities" && self.is_theirs(text))
                    || self.identities.contains(text)
                    // What somebody says may name others; every other field is about whose it is.
                    || (!matches!(field, "text" | "html") && self.addressed_in(text))
                    || (field == "mime" && self.named_in_mail(text))
                    || self.is_theirs_inside(text)
            }
            Value::Null | Value::Bool(_) => false,
        }
    }

    fn is_marked(&self, kinds: &[Kind], id: &str) -> bool {
        kinds.iter().any(|kind| self.marks.contains(&self.key.mark(*kind, id)))
    }

    fn is_theirs(&self, identity: &str) -> bool {
        hash_identity(identity, self.secret).is_some_and(|hash| self.is_marked(&[Kind::Identity], &hash))
    }

    /// A text that is JSON itself, as of a producer that encodes twice.
    fn is_theirs_inside(&self, text: &str) -> bool {
        let text = text.trim_start();
        (text.starts_with(['{', '[']) && text.len() <= MAX_BYTES)
            .then(|| serde_json::from_str::<Value>(text).ok())
            .flatten()
            .is_some_and(|value| self.knows_value("", &value))
    }

    fn named_in_mail(&self, mime: &str) -> bool {
        let mail = base64::engine::general_purpose::STANDARD.decode(mime.trim());
        mail.is_ok_and(|mail| self.addressed_in(&String::from_utf8_lossy(&mail)))
    }

    fn named_in(&self, text: &str) -> bool {
        let named = self.customer.filter(|id| {
            let telling = id.len() >= TELLING || id.chars().any(char::is_alphabetic);
            telling && contains_word(text, id)
        });
        named.is_some() || self.addressed_in(text)
    }

    fn addressed_in(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        self.identities.iter().any(|identity| {
            let address = identity.split_once(':').map_or(identity.as_str(), |(_, address)| address);
            contains_word(&text, &address.trim().to_lowercase())
        })
    }
}

/// What bytes that are no JSON may say: as UTF-8, and as UTF-16 in both byte orders where zero bytes hint at it.
fn texts_of(body: &[u8]) -> Vec<String> {
    let mut texts = vec![String::from_utf8_lossy(body).into_owned()];
    if body.contains(&0) {
        let wide = |of: fn([u8; 2]) -> u16| {
            let units: Vec<u16> = body.as_chunks().0.iter().map(|pair| of(*pair)).collect();
            String::from_utf16_lossy(&units)
        };
        texts.extend([wide(u16::from_le_bytes), wide(u16::from_be_bytes)]);
    }
    let unescaped: Vec<String> =
        texts.iter().filter(|text| text.contains("\\u")).map(|text| unescaped(text)).collect();
    texts.extend(unescaped);
    texts
}

/// With JSON's `\u00fc` as the letter it stands for; what is none stays as it is.
fn unescaped(text: &str) -> String {
    let mut parts = text.split("\\u");
    let mut units: Vec<u16> = parts.next().unwrap_or_default().encode_utf16().collect();
    for part in parts {
        let code = part.get(..4).and_then(|code| u16::from_str_radix(code, 16).ok());
        let rest = match code {
            Some(unit) => {
                units.push(unit);
                part.get(4..).unwrap_or_default()
            }
            None => {
                units.extend("\\u".encode_utf16());
                part
            }
        };
        units.extend(rest.encode_utf16());
    }
    String::from_utf16_lossy(&units)
}

/// Whether the word stands in the text with no letter or digit right before or after it.
fn contains_word(text: &str, word: &str) -> bool {
    let part_of_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '-');
    !word.is_empty()
        && text.match_indices(word).any(|(at, found)| {
            let after = text.get(at + found.len()..).and_then(|rest| rest.chars().next());
            let before = text.get(..at).and_then(|start| start.chars().next_back());
            !part_of_word(before) && !part_of_word(after)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn check(routing_key: &str, body: &[u8], expected: bool) {
        let key = MarkKey::new(Arc::from(b"k".as_slice()));
        let mail = hash_identity("mailto:anna@example.org", b"k").unwrap();
        let marks = BTreeSet::from([
            key.mark(Kind::Customer, "c-7"),
            key.mark(Kind::Conversation, "k-1"),
            key.mark(Kind::Message, "m-1"),
            key.mark(Kind::Identity, &mail),
        ]);
        let identities = ["mailto:anna@example.org".to_owned()];
        let recogniser = Recogniser {
            key: &key,
            secret: b"k",
            marks: &marks,
            customer: Some("c-7"),
            identities: &identities,
        };
        let held = Held { message_id: None, routing_key, body };
        assert_eq!(recogniser.knows(&held), expected, "{routing_key} {}", String::from_utf8_lossy(body));
    }

    #[test]
    fn theirs() {
        let mail =
            base64::engine::general_purpose::STANDARD.encode("From: Anna <Anna@Example.org>\r\n\r\nhi");
        check("c-7", b"\xff\xfe", true);
        check("k-1", b"{", true);
        for body in [
            r#"{"customer_id":"c-7"}"#,
            r#"{"conversation_id":"k-1","text":"hi"}"#,
            r#"{"message_id":"m-1"}"#,
            r#"{"identities":["MAILTO:Anna@example.org"]}"#,
            r#"{"customerId":"c-7"}"#,
            r#"{"data":{"inner":[{"customer_id":"c-7"}]}}"#,
            r#"{"schema":"smista.decision.v1","message_id":"m-1"}"#,
            r#"{"customer_id":"c-7","#,
            "From: <anna@example.org> wrote",
        ] {
            check("x", body.as_bytes(), true);
        }
        check("x", format!(r#"{{"mime":"{mail}"}}"#).as_bytes(), true);
        let twice = serde_json::Value::from(r#"{"customer_id":"c-7","text":"hi"}"#).to_string();
        check("x", twice.as_bytes(), true);
        check("x", br#"{"customer_id":"c\u002d7","text":"cut"#, true);
        check("x", br#"{"customer_id":"c\u002d8","text":"cut \ud83d \uzzzz"#, false);
        check("x", br#"{"attributes":{"email":"anna@example.org"}}"#, true);
        check("x", br#"{"subject":"Re: your mail to Anna@example.org"}"#, true);
        for broken in [r#"{"customer_id":"c-7","#, "from anna@example.org"] {
            let wide: Vec<u8> = broken.encode_utf16().flat_map(u16::to_le_bytes).collect();
            check("x", &wide, true);
            let wide: Vec<u8> = broken.encode_utf16().flat_map(u16::to_be_bytes).collect();
            check("x", &[&[0xfe, 0xff], wide.as_slice()].concat(), true);
        }
    }

    #[test]
    fn somebody_elses() {
        for body in [
            r#"{"customer_id":"c-70"}"#,
            r#"{"customer_id":"k-1"}"#,
            r#"{"text":"as I told you in c-7 before"}"#,
            r#"{"turns":[{"speaker":"customer","text":"ask anna@example.org"}]}"#,
            r#"{"conversation_id":"k-10","identities":["mailto:ann@example.org"]}"#,
            "{c-70 c-7x xc-7",
            "joanna@example.org",
        ] {
            check("c-8", body.as_bytes(), false);
        }
    }
}
