//! Integration tests, one binary.

mod support;

mod end_to_end;
#[cfg(test)]
mod store;
mod worker;
