//! The bridge to Chatwoot: messages of an account come in by its webhook; labels, priority, team and a private note go out
//! by its API.

mod incoming;
mod note;
mod outgoing;

pub(super) use incoming::Incoming;
pub(super) use outgoing::Desk;
