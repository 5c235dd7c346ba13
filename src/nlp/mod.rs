//! What a message means: tokens, batches, the engine, heads and calibration, cue rules, language, explanation.
//! Inference runs on threads of its own, never on tokio's.

pub mod analyzer;
pub mod batch;
pub mod checkpoint;
pub mod cues;
pub mod custom;
pub mod decode;
pub mod derive;
pub mod engine;
pub mod explain;
pub mod labels;
pub mod language;
pub mod merge;
pub mod pack;
pub mod questions;
pub mod scripted;
pub mod service;
pub mod signals;
pub mod thresholds;
pub mod tokens;
#[cfg(feature = "torch")]
pub mod torch;
pub mod understanding;
pub mod windows;

pub use understanding::Understanding;
