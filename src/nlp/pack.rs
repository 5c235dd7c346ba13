//! A model pack on disk: `pack.toml` beside its tokenizer, encoder configuration and weights. Every file is checked
//! against its SHA-256 before anything is loaded. No tensor type here: reading weights is the engine's work.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::checkpoint::CheckpointError;

/// `pack.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackManifest {
    /// Name of the pack, e.g. `core`.
    pub name: String,
    /// Format of this file; 1.
    pub format: u32,
    /// Longest window the encoder is given, special tokens included.
    pub max_tokens: usize,
    /// SHA-256 (lower-case hex) of each file of the pack, by file name.
    pub files: BTreeMap<String, String>,
    /// The heads.
    pub heads: Heads,
    /// What the pack was trained on, for the model card.
    #[serde(default)]
    pub training_data: Vec<TrainingData>,
    /// Measured results by `<task>.<set>`, for the model card.
    #[serde(default)]
    pub results: BTreeMap<String, BTreeMap<String, f64>>,
}

/// Labels and calibration of each head. Softmax heads share one temperature; sigmoid heads have a threshold per label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heads {
    /// Softmax over `negative neutral positive`.
    pub sentiment: SoftmaxHead,
    /// Softmax over the intents.
    pub intents: SoftmaxHead,
    /// Softmax over the stages.
    pub stage: SoftmaxHead,
    /// Independent labels.
    pub emotions: SigmoidHead,
    /// Independent labels.
    pub signals: SigmoidHead,
}

/// A head whose labels exclude each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoftmaxHead {
    /// In logit order.
    pub labels: Vec<String>,
    /// Logits are divided by this before softmax; fitted on development data.
    pub temperature: f32,
    /// Below this calibrated probability the head abstains; 0…1.
    pub threshold: f32,
    /// Further labels count when their calibrated probability reaches this; 0…1.
    pub secondary_threshold: f32,
    /// Confidence of an abstention: the share of them that were right on development data; 0…1.
    #[serde(default = "half")]
    pub abstention_confidence: f32,
}

fn half() -> f32 {
    0.5
}

/// A head of independent labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigmoidHead {
    /// In logit order.
    pub labels: Vec<String>,
    /// Logits are divided by this before the sigmoid.
    pub temperature: f32,
    /// One per label; 0…1.
    pub thresholds: Vec<f32>,
    /// Probability from which a label counts that a cue rule has found; 0 lets the cue decide alone. Empty: 0 for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with_cue: Vec<f32>,
}

/// A data set that went into a pack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingData {
    /// Its name.
    pub name: String,
    /// Its licence, SPDX where there is one.
    pub licence: String,
    /// Rows used.
    pub rows: usize,
    /// What for.
    pub used_for: String,
}

/// Why a pack cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A file is missing or unreadable.
    #[error("model pack file {path} cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// `pack.toml` is not what it should be.
    #[error("model pack manifest {path} is not valid: {reason}")]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file differs from the one the manifest names.
    #[error(
        "model pack file {path} has SHA-256 {actual}, the manifest says {expected}: the pack is damaged or was changed"
    )]
    Hash {
        /// The file.
        path: PathBuf,
        /// From the manifest.
        expected: String,
        /// Of the file.
        actual: String,
    },
    /// Weights or tokenizer cannot be loaded.
    #[error("model pack {path} cannot be loaded: {reason}")]
    Load {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A checkpoint that replaces a head cannot be used.
    #[error(transparent)]
    Checkpoint(#[from] Box<CheckpointError>),
}

/// A pack; one that was opened has had its files checked.
#[derive(Debug, Clone)]
pub struct Pack {
    /// Its folder.
    pub dir: PathBuf,
    /// Its manifest.
    pub manifest: PackManifest,
    /// `name@sha256:<hex>` of `pack.toml`, which names every other file's hash: the model version in decisions.
    pub version: String,
}

impl Pack {
    /// Reads the manifest and leaves the files that it names unchecked: enough to say which pack this is.
    pub fn read(dir: &Path) -> Result<Self, PackError> {
        let path = dir.join("pack.toml");
        let text = std::fs::read_to_string(&path)
            .map_err(|source| PackError::Read { path: path.clone(), source })?;
        let manifest: PackManifest = toml::from_str(&text)
            .map_err(|error| PackError::Manifest { path: path.clone(), reason: error.to_string() })?;
        let version = format!("{}@sha256:{}", manifest.name, hex(&Sha256::digest(text.as_bytes())));
        Ok(Self { dir: dir.to_owned(), manifest, version })
    }

    /// Reads the manifest and checks the hash of every file it names.
    pub fn open(dir: &Path) -> Result<Self, PackError> {
        let pack = Self::read(dir)?;
        for (name, expected) in &pack.manifest.files {
            let file = dir.join(name);
            let bytes =
                std::fs::read(&file).map_err(|source| PackError::Read { path: file.clone(), source })?;
            let actual = hex(&Sha256::digest(&bytes));
            if actual != *expected {
                return Err(PackError::Hash { path: file, expected: expected.clone(), actual });
            }
        }
        Ok(pack)
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
