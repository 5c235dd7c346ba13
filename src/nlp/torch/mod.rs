//! The rust-bert engine: a pack's weights in libtorch and every head on one encoder pass, and checkpoints that stand in
//! for heads. Owns tensors; nothing outside this folder and `training` sees one. Build an engine on the thread it will
//! live on, never inside tokio.

mod batch;
pub mod bert;
mod engine;
mod explain;
mod replacement;
mod replacing;
pub mod whitening;

pub use engine::{Precision, TorchEngine, TorchOptions};
pub use replacement::Replacement;
pub use replacing::ReplacingEngine;
