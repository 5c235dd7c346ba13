//! Who the customer is by now: a pure fold of contacts into a journey. No I/O and no clock.

pub mod model;

pub use model::{Change, Contact, Journey, JourneyView};
