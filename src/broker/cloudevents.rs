//! Attributes of CloudEvents 1.0 as headers (binary content mode of its AMQP binding): what a message is can be told without
//! reading its body. The names have `_`, which the binding prefers to `:`. What comes in needs none of them.

use crate::store::Destination;

/// Version of the specification.
pub const VERSION: &str = "1.0";
/// Header with the version of the specification.
pub const SPECVERSION: &str = "cloudEvents_specversion";
/// Header with the id of the message, unique within its source; that of AMQP's property `message_id`.
pub const ID: &str = "cloudEvents_id";
/// Header with where it comes from: `/` and the prefix of the exchanges.
pub const SOURCE: &str = "cloudEvents_source";
/// Header with the wire form of the body.
pub const TYPE: &str = "cloudEvents_type";

/// The wire form of what goes to an exchange; none for bodies that are handed on as they came.
pub fn kind(destination: Destination) -> Option<&'static str> {
    match destination {
        Destination::Decisions => Some("smista.decision.v1"),
        Destination::Events => Some("smista.event.v1"),
        Destination::Corrections => Some("smista.correction.v1"),
        Destination::Interactions | Destination::Parked => None,
    }
}

/// The headers of a message; none for bodies that are handed on as they came.
pub fn headers(destination: Destination, id: &str, prefix: &str) -> Vec<(String, String)> {
    let Some(kind) = kind(destination) else { return Vec::new() };
    [(SPECVERSION, VERSION), (ID, id), (SOURCE, &format!("/{prefix}")), (TYPE, kind)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_types_are_the_wire_forms() {
        use crate::routing::{decision, event};
        use crate::store::CORRECTION_SCHEMA;
        assert_eq!(kind(Destination::Decisions), Some(decision::SCHEMA));
        assert_eq!(kind(Destination::Events), Some(event::SCHEMA));
        assert_eq!(kind(Destination::Corrections), Some(CORRECTION_SCHEMA));
        assert!(headers(Destination::Parked, "m1", "smista").is_empty());
        let headers = headers(Destination::Decisions, "d1", "smista");
        assert_eq!(headers.len(), 4, "all that the specification asks for");
    }
}
