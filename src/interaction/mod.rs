//! What arrives. The wire form is parsed once into [`Interaction`]: validated, cleaned per channel, normalised and
//! redacted. Pure: no I/O, no clock (the time of receipt is an argument). Only redacted text leaves this module.

mod call;
mod chat;
mod email;
mod error;
mod fields;
mod identity;
pub mod import;
mod json;
mod messaging;
pub mod model;
mod normalise;
mod parse;
mod preview;
mod redact;
mod review;
mod sms;
mod social;
mod survey;
mod text;
mod wire;

pub use error::WireError;
pub use identity::hash_identity;
pub use json::{MAX_BYTES, MAX_DEPTH};
pub use model::{Attachment, Author, Channel, CleanText, Interaction, Ratings, Turn};
pub use parse::{Fallback, Mode, ParseContext, parse, sample};
pub use preview::preview;
pub use redact::redact;
pub use wire::{SCHEMA, WireAttachment, WireInteraction, WireTurn, message_id, schema};

#[cfg(test)]
mod tests;
