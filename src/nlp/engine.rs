//! The contract between analysis and inference. No tensor type appears here, so that another runtime can take the
//! place of rust-bert by implementing one trait.

use std::sync::Arc;

use super::labels::LabelKind;

/// One piece of text as the encoder reads it: at most `max_tokens` of the pack, special tokens included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Token ids with `[CLS]` first and `[SEP]` last; never empty, unpadded.
    pub ids: Vec<u32>,
    /// The redacted text that the ids stand for; used by engines that read words instead of tokens.
    pub text: Arc<str>,
}

impl Window {
    /// What the window weighs among those of a text: its tokens without the special ones, at least 1.
    pub fn weight(&self) -> f32 {
        f32::from(u16::try_from(self.ids.len().saturating_sub(2).max(1)).unwrap_or(u16::MAX))
    }
}

/// Raw head outputs for one window: logits, before calibration, in the label order of the head: the pack's, unless a
/// checkpoint replaces it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WindowOutput {
    /// `[negative, neutral, positive]`.
    pub sentiment: Vec<f32>,
    /// One logit per intent label of the pack.
    pub intents: Vec<f32>,
    /// One logit per journey stage of the pack.
    pub stage: Vec<f32>,
    /// One logit per emotion label (independent, sigmoid).
    pub emotions: Vec<f32>,
    /// One logit per signal label (independent, sigmoid).
    pub signals: Vec<f32>,
    /// Mean-pooled, L2-normalised sentence vector; compared by dot product.
    pub embedding: Vec<f32>,
    /// The same as the encoder's last layer gives it, before it was spread evenly; empty where it was not.
    pub last: Vec<f32>,
    /// The same of a layer inside the encoder, which the pack's own labels have shaped less; empty where there is none.
    /// Custom intents live on both, see [`features`].
    pub inner: Vec<f32>,
}

impl WindowOutput {
    /// The vector of the last layer, as it is.
    pub fn outer(&self) -> &Vec<f32> {
        if self.last.is_empty() { &self.embedding } else { &self.last }
    }
}

/// What custom intents are fitted on: the vector of the last layer and that of the inner layer, one after the other, together of
/// length 1.
pub fn features(outer: &[f32], inner: &[f32]) -> Vec<f32> {
    let scale = if inner.is_empty() { 1.0 } else { std::f32::consts::FRAC_1_SQRT_2 };
    outer.iter().chain(inner).map(|value| value * scale).collect()
}

/// Why a window got no output. An engine answers every window by itself: one bad window never fails its neighbours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The window has no tokens or more than the encoder's positions.
    #[error("window of {len} tokens is outside the encoder's range 1..={max}")]
    WindowLength {
        /// Tokens in the window.
        len: usize,
        /// Positions the encoder has.
        max: usize,
    },
    /// A token id is outside the vocabulary.
    #[error("token id {id} is outside the vocabulary of {size}")]
    UnknownToken {
        /// The id.
        id: u32,
        /// The size of the vocabulary.
        size: usize,
    },
    /// The runtime failed on this input.
    #[error("inference failed: {0}")]
    Runtime(String),
    /// This engine has no explanations.
    #[error("this engine does not explain its answers")]
    NoExplanation,
    /// A label is asked about that the head does not have.
    #[error("the {kind} head has no label number {label}")]
    UnknownLabel {
        /// The head.
        kind: LabelKind,
        /// The number asked for.
        label: usize,
    },
    /// The engine's thread is gone.
    #[error("the engine has stopped")]
    Stopped,
}

/// A label of a head, to be explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The head.
    pub kind: LabelKind,
    /// Number of the label in the head's logit order.
    pub label: usize,
}

/// Something that turns windows into head outputs. It lives on a thread of its own and blocks while it works.
pub trait Engine: Send {
    /// Answers every window, in order: `result.len() == windows.len()`.
    fn infer(&mut self, windows: &[Window]) -> Vec<Result<WindowOutput, EngineError>>;

    /// How much each token of a window speaks for each target: one list per target, in order, with one weight per id of
    /// the window, 0 for special tokens. Weights of one list compare with each other; a negative one speaks against the
    /// label. An answer depends on its window and target alone. Costs about a pass for each target and one more.
    fn explain(&mut self, window: &Window, targets: &[Target]) -> Result<Vec<Vec<f32>>, EngineError> {
        let _ = (window, targets);
        Err(EngineError::NoExplanation)
    }
}
