//! What a message means: tokens, batches, the engine, heads and calibration, cue rules, language, explanation.
//! Inference runs on threads of its own, never on tokio's.

pub mod engine;
pub mod labels;
pub mod pack;
pub mod understanding;

pub use understanding::Understanding;
