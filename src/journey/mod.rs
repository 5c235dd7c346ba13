//! Who the customer is by now: a pure fold of contacts into a journey. No I/O and no clock: time is the contacts' own.
//!
//! [`Contact::from`] takes what the fold needs of an analysed message, [`fold()`] puts it in its place in time and adds
//! everything up again. Each topic has a file of its own; none of them knows the store or the policy.

mod brief;
mod calendar;
mod changes;
mod churn;
mod contact;
mod cues;
mod due;
mod events;
mod experience;
pub mod fold;
mod goals;
pub mod map;
mod matters;
mod merge;
pub mod model;
mod names;
mod promises;
mod repeat;
pub mod spikes;
mod stage;
mod statements;
mod survey;
mod tone;
mod vector;
mod view;

pub use fold::{FoldSettings, Folded, fold};
pub use merge::merge;
pub use model::{Change, Contact, Journey, JourneyView};
pub use tone::{Persona, check as check_tone};

#[cfg(test)]
mod properties;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
