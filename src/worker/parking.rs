//! Messages that cannot be decided: set aside with the reason, never dropped, never tried for ever (invariant I7).

use crate::broker::parked::{self, Parking};
use crate::broker::{DeliveryMeta, Outgoing};
use crate::interaction::WireError;

/// Why a message is parked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Stable name of the error.
    pub class: &'static str,
    /// In words, free of message text.
    pub error: String,
}

impl Refusal {
    /// With the words of an error.
    pub fn new(class: &'static str, error: &dyn std::error::Error) -> Self {
        Self { class, error: error.to_string() }
    }
}

impl From<&WireError> for Refusal {
    fn from(error: &WireError) -> Self {
        Self::new(error.class(), error)
    }
}

/// The message for the parked queue: the body byte for byte, the reason in its headers.
pub fn outgoing(meta: &DeliveryMeta, body: &[u8], refusal: &Refusal) -> Outgoing {
    parked::parking(Parking::of(meta, refusal.class, &refusal.error), body.to_vec())
}
