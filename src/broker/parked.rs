//! Parked messages: what is written on them when they are parked, and how that is read again. The body is kept byte
//! for byte; whatever the headers say stays small, and says nothing of the text.

use crate::broker::{DeliveryMeta, Outgoing};
use crate::interaction;
use crate::store::Destination;

/// Header with the kind of error, a short word for machines (`malformed`, `too_large`…).
pub const ERROR_CLASS: &str = "x-smista-error-class";
/// Header with the error for people.
pub const ERROR: &str = "x-smista-error";
/// Header with the number of deliveries, this one included.
pub const ATTEMPT: &str = "x-smista-attempt";
/// Header with the version of smista that parked it.
pub const VERSION: &str = "x-smista-version";
/// Header with the queue it came from.
pub const ORIGIN: &str = "x-smista-origin";

/// Class of a message refused by a worker without a word of its own.
pub const REJECTED: &str = "rejected";
/// Class of a message the broker parked because its deliveries never ended in a settlement.
pub const DELIVERY_LIMIT: &str = "delivery_limit";

/// An error text longer than this many bytes is cut: a header table must fit into one frame.
const MAX_ERROR_BYTES: usize = 1024;

/// Why and from where a message is parked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parking {
    /// Kind of error, a short word.
    pub class: String,
    /// The error, for people; cut at 1 KiB. Must not quote the message.
    pub error: String,
    /// Deliveries so far, this one included.
    pub attempt: u32,
    /// Queue it came from.
    pub origin: String,
    /// Routing key it came with; kept, so that a replay goes the same way.
    pub routing_key: String,
    /// The producer's id, when there is one.
    pub message_id: Option<String>,
}

impl Parking {
    /// Parks this delivery for that error.
    pub fn of(meta: &DeliveryMeta, class: &str, error: &str) -> Self {
        Self {
            class: class.to_owned(),
            error: error.to_owned(),
            attempt: meta.earlier_deliveries.saturating_add(1),
            origin: meta.queue.clone(),
            routing_key: meta.routing_key.clone(),
            message_id: meta.message_id.clone(),
        }
    }
}

/// The message to publish; only after its confirm may the original be acked.
pub fn parking(parking: Parking, body: Vec<u8>) -> Outgoing {
    let header = |name: &str, value: String| (name.to_owned(), value);
    Outgoing {
        destination: Destination::Parked,
        message_id: id_of(parking.message_id.as_deref(), &body),
        routing_key: parking.routing_key,
        headers: vec![
            header(ERROR_CLASS, cut(parking.class)),
            header(ERROR, cut(parking.error)),
            header(ATTEMPT, parking.attempt.to_string()),
            header(VERSION, env!("CARGO_PKG_VERSION").to_owned()),
            header(ORIGIN, parking.origin),
        ],
        body,
    }
}

/// What people call a parked message by: its own id, else the one its body tells, else one made from its body.
pub fn id_of(message_id: Option<&str>, body: &[u8]) -> String {
    match message_id {
        Some(id) if !id.is_empty() => id.to_owned(),
        _ => interaction::message_id(body).unwrap_or_else(|| unnamed(body)),
    }
}

/// A name for what has none.
pub fn unnamed(body: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    let hex: String = Sha256::digest(body).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("unnamed-{hex}")
}

/// The text for a class that the broker itself gave.
pub fn broker_reason(class: &str) -> &'static str {
    match class {
        DELIVERY_LIMIT => "delivered too often without being settled: it may be killing workers",
        REJECTED => "refused by a worker",
        "expired" => "expired in its queue",
        "maxlen" => "its queue was full",
        _ => "parked by the broker",
    }
}

fn cut(mut text: String) -> String {
    let mut end = text.len().min(MAX_ERROR_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta() -> DeliveryMeta {
        DeliveryMeta {
            queue: "smista.interactions.0".into(),
            routing_key: "anna".into(),
            message_id: Some("m-1".into()),
            earlier_deliveries: 2,
            ..DeliveryMeta::default()
        }
    }

    #[test]
    fn the_body_is_kept_and_the_headers_say_why() {
        let body = vec![0xff, 0x00, b'{'];
        let parked = parking(Parking::of(&meta(), "malformed", "channel is missing"), body.clone());
        assert_eq!(parked.body, body);
        assert_eq!(parked.message_id, "m-1");
        assert_eq!(parked.routing_key, "anna");
        let header = |name: &str| parked.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        assert_eq!(header(ERROR_CLASS), Some("malformed"));
        assert_eq!(header(ERROR), Some("channel is missing"));
        assert_eq!(header(ATTEMPT), Some("3"));
        assert_eq!(header(ORIGIN), Some("smista.interactions.0"));
        assert_eq!(header(VERSION), Some(env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn a_long_error_is_cut_between_characters() {
        let parked = parking(Parking::of(&meta(), "malformed", &"è".repeat(4000)), Vec::new());
        let (_, error) = &parked.headers[1];
        assert_eq!(error.len(), MAX_ERROR_BYTES);
        let parked =
            parking(Parking::of(&meta(), "malformed", &format!("x{}", "è".repeat(4000))), Vec::new());
        assert_eq!(parked.headers[1].1.len(), MAX_ERROR_BYTES - 1);
    }

    #[test]
    fn a_message_without_id_is_named_after_its_body() {
        let first = id_of(None, b"one");
        assert_eq!(first, id_of(Some(""), b"one"));
        assert_ne!(first, id_of(None, b"two"));
        assert!(first.starts_with("unnamed-"));
        assert_eq!(id_of(Some("m-7"), b"one"), "m-7");
    }

    #[test]
    fn a_message_without_property_is_named_by_its_body() {
        let check = |body: &str, id: Option<&str>| {
            let named = id_of(None, body.as_bytes());
            assert_eq!(named, id.map_or_else(|| unnamed(body.as_bytes()), str::to_owned), "{body}");
        };
        check(r#"{"message_id": "m-9", "no": ["channel"]}"#, Some("m-9"));
        check("\u{FEFF}{\"message_id\": \"m-9\"}", Some("m-9"));
        let deep = format!(r#"{{"x": {}{}, "message_id": "m-9"}}"#, "[".repeat(5000), "]".repeat(5000));
        check(&deep, Some("m-9"));
        check(r#"{"message_id": 9}"#, None);
        check(r#"{"message_id": " "}"#, None);
        check(r#"{"message_id": "m\u001b[2J"}"#, None);
        check(r#"{"inner": {"message_id": "m-9"}}"#, None);
        check(r#"[{"message_id": "m-9"}]"#, None);
        check(r#"["m-9"]"#, None);
        check(r#"{"message_id": "m-9""#, None);
        check(&format!(r#"{{"message_id": "m-9", "x": "{}"}}"#, "x".repeat(1 << 20)), None);
        assert_eq!(id_of(Some("m-7"), br#"{"message_id": "m-9"}"#), "m-7");
    }
}
