//! Fits the model pack: alignment of the encoder with Italian, fine-tuning of encoder and heads, calibration,
//! evaluation. Prints nothing; progress goes to a callback.

pub mod calibrate;
pub mod corrections;
pub mod encode;
pub mod evaluate;
pub mod examples;
pub mod fit;
pub mod metrics;
pub mod recipe;
pub mod sources;
pub mod target;

#[cfg(feature = "torch")]
pub mod align;
#[cfg(feature = "torch")]
mod checkpoint;
#[cfg(feature = "torch")]
mod loss;
#[cfg(feature = "torch")]
mod measure;
#[cfg(feature = "torch")]
mod optimizer;
#[cfg(feature = "torch")]
pub mod pack;
#[cfg(feature = "torch")]
pub mod promote;
#[cfg(feature = "torch")]
pub mod settle;
#[cfg(feature = "torch")]
mod student;
#[cfg(feature = "torch")]
pub mod tune;
#[cfg(feature = "torch")]
pub mod vocabulary;
#[cfg(feature = "torch")]
pub mod whiten;

use std::path::{Path, PathBuf};

use crate::nlp::pack::PackError;

/// How far a stage is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Steps done.
    pub step: usize,
    /// Steps in all.
    pub steps: usize,
    /// Loss, averaged over the latest steps.
    pub loss: f64,
}

/// Why training or evaluation could not go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A file cannot be read or written.
    #[error("{path} cannot be read or written")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A line of a data file or recipe is not what it should be.
    #[error("{path}, line {line}: {reason}")]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A file as a whole is not what it should be.
    #[error("{path}: {reason}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The tokenizer refused.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// The pack that was written cannot be used.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// libtorch failed.
    #[cfg(feature = "torch")]
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
}

impl TrainError {
    pub(crate) fn content(path: &Path, reason: impl ToString) -> Self {
        Self::Content { path: path.to_owned(), reason: reason.to_string() }
    }
}

/// Adds the file's name to an I/O error.
pub(crate) fn file<T>(path: &Path, result: std::io::Result<T>) -> Result<T, TrainError> {
    result.map_err(|source| TrainError::File { path: path.to_owned(), source })
}

/// SplitMix64: small, seeded, the same on every machine, so that a recipe gives the same order of rows.
#[derive(Debug, Clone)]
pub struct Shuffle(u64);

impl Shuffle {
    /// A generator with that seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next_bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// Puts `items` in random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.next_bits() % (last as u64 + 1);
            items.swap(last, usize::try_from(other).unwrap_or(0));
        }
    }

    /// Indices of rows in batches of `size` with near lengths: shuffled, sorted within chunks of 40 batches, and the
    /// batches shuffled again.
    pub fn batches(&mut self, lengths: &[usize], size: usize) -> Vec<Vec<usize>> {
        let mut order: Vec<usize> = (0..lengths.len()).collect();
        self.shuffle(&mut order);
        let mut batches = Vec::new();
        for chunk in order.chunks_mut(size.max(1) * 40) {
            chunk.sort_by_key(|row| lengths[*row]);
            batches.extend(chunk.chunks(size.max(1)).map(<[usize]>::to_vec));
        }
        self.shuffle(&mut batches);
        batches
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_batches_with_every_row_once() {
        let lengths: Vec<usize> = (0..500).map(|row| row % 37 + 1).collect();
        let batches = Shuffle::new(3).batches(&lengths, 16);
        assert_eq!(batches, Shuffle::new(3).batches(&lengths, 16));
        assert_ne!(batches, Shuffle::new(4).batches(&lengths, 16));
        let mut rows: Vec<usize> = batches.iter().flatten().copied().collect();
        rows.sort_unstable();
        assert_eq!(rows, (0..500).collect::<Vec<_>>());
        for batch in batches {
            let (shortest, longest) =
                (batch.iter().map(|r| lengths[*r]).min(), batch.iter().map(|r| lengths[*r]).max());
            assert!(longest.unwrap() - shortest.unwrap() <= 3, "near lengths");
        }
    }
}
