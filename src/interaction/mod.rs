//! What arrives. The wire form is parsed once into [`Interaction`]: validated, cleaned per channel, normalised and
//! redacted. Pure: no I/O, no clock (the time of receipt is an argument). Only redacted text leaves this module.

pub mod model;

pub use model::{Attachment, Author, Channel, CleanText, Interaction, Ratings, Turn};
