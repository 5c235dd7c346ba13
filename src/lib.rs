//! smista reads the messages that customers send a contact centre, understands them, and publishes a routing
//! decision for each. Data passes the modules from top to bottom and never back up.

pub mod nlp;
#[cfg(feature = "torch")]
pub mod training;
