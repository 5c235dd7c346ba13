//! What to do: priority, policy, decision, trace. Pure: the policy is compiled once from text; deciding does no I/O and
//! reads no clock.

pub mod decision;

pub use decision::Decision;
