//! The console as a browser meets it: who may do what, what a page shows, and what it must never let through.

mod api;
mod canary;
pub mod desk;
mod doors;
mod erasure;
mod maps;
mod oidc;
mod operations;
mod pages;
mod policy;
mod provider;
mod queue;
