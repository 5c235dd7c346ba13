//! Integration tests, one binary.

mod support;

mod end_to_end;
mod worker;
