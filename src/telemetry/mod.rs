//! Every log line and metric is an event type in [`events`], its name in one enum; ids, never text. Also the address
//! operators look at: metrics, liveness, readiness.

pub mod events;
pub mod health;
pub mod http;
pub mod logging;
pub mod trace;

pub use events::Metric;
pub use health::Health;
