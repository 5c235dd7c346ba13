//! What to do: priority, policy, decision, trace. Pure: the policy is compiled once from text; deciding does no I/O and
//! reads no clock.

pub mod assemble;
pub mod canary;
mod check;
pub mod compile;
pub mod correction;
pub mod decide;
pub mod decision;
pub mod event;
mod explain;
pub mod facts;
pub mod handle;
mod hours;
pub mod policy;
pub mod rules;
mod sample;
pub mod simulate;
pub mod testing;
#[cfg(test)]
mod tests;
pub mod variables;

pub use assemble::{Parts, assemble};
pub use compile::Policy;
pub use decide::{Routing, RuleTrace};
pub use decision::{Decision, schema};
pub use explain::explain;
pub use facts::Facts;
pub use handle::PolicyHandle;
pub use policy::PolicyError;
