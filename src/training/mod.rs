//! Fits the model pack: alignment of the encoder with Italian, fine-tuning of the heads, evaluation.
