//! Integration tests, one binary.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[cfg(feature = "torch")]
mod accuracy;
mod cli;
mod console;
mod support;

mod bench;
mod broker;
mod broker_care;
mod canary;
mod doctor;
mod end_to_end;
#[cfg(feature = "torch")]
mod engine;
mod erase;
#[cfg(feature = "torch")]
mod explain;
mod fuzz_corpus;
mod gateway;
mod giving;
mod import;
mod intents;
mod journeys;
mod live;
mod offline;
mod pages;
mod parity;
mod past;
mod policy;
mod pressure;
mod privileges;
mod redaction;
#[cfg(feature = "torch")]
mod replace;
mod reshard;
#[cfg(feature = "torch")]
mod samples;
mod secrets;
mod sharing;
#[cfg(debug_assertions)]
mod simulation;
mod spikes;
mod store;
mod tls;
mod traces;
#[cfg(feature = "torch")]
mod training;
mod worker;
