//! The fault matrix: what breaks around a worker, one test per row, against real servers and real worker processes.
//! The short form runs with the other tests; `SMISTA_FAULTS=long` (scripts/faults) takes the full counts and durations.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

mod broker;
mod database;
mod figures;
mod handover;
mod input;
mod load;
mod network;
mod worker;
