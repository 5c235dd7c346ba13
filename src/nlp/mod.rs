//! What a message means: tokens, batches, the engine, heads and calibration, cue rules, language, explanation.
//! Inference runs on threads of its own, never on tokio's.

pub mod decode;
pub mod engine;
pub mod labels;
pub mod pack;
pub mod tokens;
#[cfg(feature = "torch")]
pub mod torch;
pub mod understanding;

pub use understanding::Understanding;
