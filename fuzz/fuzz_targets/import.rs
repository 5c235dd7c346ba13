//! See `../targets.rs`.
#![no_main]

#[allow(dead_code)] // each target calls one of them
#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::import(data));
