//! smista reads the messages that customers send a contact centre, understands them, and publishes a routing
//! decision for each. Data passes the modules from top to bottom and never back up.

pub mod config;

pub mod interaction;

pub mod nlp;

pub mod training;

pub mod journey;

pub mod routing;

pub mod store;

pub mod broker;

pub mod worker;

pub mod console;

pub mod gateway;

pub mod telemetry;

pub mod cli;

pub mod failpoint;

pub mod clock;
