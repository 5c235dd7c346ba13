//! Intents of the user's own, fitted by `smista intents fit`: the folder they are kept in, and what they say of a
//! sentence vector. Reads and writes plain numbers; no tensor runtime here.

mod weights;
pub mod words;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::decode::MAX_INTENTS;
pub use weights::{Weights, likeness};
use weights::{check_shapes, decode, dot, encode};

/// The manifest's file name.
pub const MANIFEST: &str = "intents.toml";
/// The weights' file name.
pub const WEIGHTS: &str = "intents.safetensors";
/// The format this program writes. It reads the first one too, which knew no words.
pub const FORMAT: u32 = 2;
/// A further intent counts from this share of the probability.
const SECONDARY: f32 = 0.3;

/// `intents.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Format of this file; 2, or 1 without words.
    pub format: u32,
    /// Version of the model pack whose sentence vectors the intents were fitted on.
    pub pack: String,
    /// SHA-256 (lower-case hex) of `intents.safetensors`.
    pub weights: String,
    /// The intents, in logit order.
    pub labels: Vec<String>,
    /// Logits are divided by this before softmax.
    pub temperature: f32,
    /// Below this probability of the best intent the text is left unsaid; 0…1.
    pub min_probability: f32,
    /// Below this likeness to the nearest intent the text is outside all of them; −1…1.
    pub min_likeness: f32,
    /// What was measured while fitting.
    pub figures: Figures,
}

/// What was measured while fitting; shares are 0…1.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// Examples of the intents.
    pub examples: usize,
    /// Examples of what is none of them: rows labelled `other` or `oos`.
    pub outside_examples: usize,
    /// Cross-validated: share of examples whose best intent is right, abstaining aside.
    pub accuracy: f64,
    /// Cross-validated: share of examples that are answered, not abstained from.
    pub coverage: f64,
    /// Cross-validated: share of the answered that is right.
    pub answered_accuracy: f64,
    /// Cross-validated: share of the outside examples that are abstained from; absent without such examples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside_rejected: Option<f64>,
    /// Generic texts that stood for what is outside; the others were as near to an intent as its own examples.
    pub generic_texts: usize,
    /// Cross-validated: share of those texts that are abstained from; absent when there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generic_rejected: Option<f64>,
    /// Examples of intents that were left out of the fit: share abstained from for their likeness alone. Near misses, so
    /// it is a low estimate.
    pub unseen_rejected: f64,
    /// Examples and cross-validated recall by intent.
    pub per_intent: BTreeMap<String, IntentFigures>,
}

/// Figures of one intent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntentFigures {
    /// Its examples.
    pub examples: usize,
    /// Share of them that cross-validation gives to it, abstaining aside.
    pub recall: f64,
}

/// Why custom intents cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CustomError {
    /// A file is missing or unreadable.
    #[error("custom intents file {path} cannot be read or written")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("custom intents file {path} is not valid: {reason}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The weights differ from those the manifest names.
    #[error(
        "custom intents file {path} has SHA-256 {actual}, the manifest says {expected}: it is damaged or was changed"
    )]
    Hash {
        /// The file.
        path: PathBuf,
        /// From the manifest.
        expected: String,
        /// Of the file.
        actual: String,
    },
    /// They belong to other sentence vectors.
    #[error(
        "the custom intents in {path} were fitted on the model pack {fitted}, this one is {running}: \
         fit them again with `smista intents fit`"
    )]
    OtherPack {
        /// The folder.
        path: PathBuf,
        /// The pack they were fitted on.
        fitted: String,
        /// The pack in use.
        running: String,
    },
}

/// What the custom intents say of one text.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The accepted intents with their calibrated probabilities, most probable first, at most three; none when the text is
    /// outside them or no intent is probable enough.
    pub intents: Vec<(String, f32)>,
    /// How sure the answer is, 0…1: the first intent's probability, or when abstaining what that leaves.
    pub confidence: f32,
}

/// Custom intents in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomIntents {
    /// From the folder.
    pub manifest: Manifest,
    weights: Weights,
    /// `sha256:<hex>` of the manifest, which names the weights' hash.
    pub version: String,
}

impl CustomIntents {
    /// From numbers just fitted; `manifest.weights` is filled in.
    pub fn new(mut manifest: Manifest, weights: Weights) -> Result<Self, CustomError> {
        let path = Path::new(WEIGHTS);
        check_shapes(path, manifest.labels.len(), &weights)?;
        manifest.weights = hex(&Sha256::digest(encode(path, manifest.labels.len(), &weights)?));
        let version = version(&manifest_text(&manifest)?);
        Ok(Self { manifest, weights, version })
    }

    /// Reads a folder and checks its hash. `pack` is the version of the model pack in use.
    pub fn open(dir: &Path, pack: &str) -> Result<Self, CustomError> {
        let intents = Self::read(dir)?;
        if intents.manifest.pack == pack {
            return Ok(intents);
        }
        Err(CustomError::OtherPack {
            path: dir.to_owned(),
            fitted: intents.manifest.pack,
            running: pack.to_owned(),
        })
    }

    /// Reads a folder and checks its hash, whatever pack it was fitted on.
    pub fn read(dir: &Path) -> Result<Self, CustomError> {
        let path = dir.join(MANIFEST);
        let text = std::fs::read_to_string(&path)
            .map_err(|source| CustomError::File { path: path.clone(), source })?;
        let content = |reason: String| CustomError::Content { path: path.clone(), reason };
        let manifest: Manifest = toml::from_str(&text).map_err(|error| content(error.to_string()))?;
        if !(1..=FORMAT).contains(&manifest.format) {
            return Err(content(format!(
                "format {} is unknown; this program reads 1 to {FORMAT}",
                manifest.format
            )));
        }
        let numbers = [manifest.temperature, manifest.min_probability, manifest.min_likeness];
        if manifest.labels.is_empty()
            || !numbers.iter().all(|number| number.is_finite())
            || manifest.temperature <= 0.0
        {
            return Err(content("labels, temperature and thresholds must be sensible".to_owned()));
        }
        let file = dir.join(WEIGHTS);
        let bytes =
            std::fs::read(&file).map_err(|source| CustomError::File { path: file.clone(), source })?;
        let actual = hex(&Sha256::digest(&bytes));
        if actual != manifest.weights {
            return Err(CustomError::Hash { path: file, expected: manifest.weights, actual });
        }
        let weights = decode(&file, &bytes)?;
        check_shapes(&file, manifest.labels.len(), &weights)?;
        Ok(Self { manifest, weights, version: version(&text) })
    }

    /// Writes the folder: the weights first, so that a folder with a manifest is whole.
    pub fn write(&self, dir: &Path) -> Result<(), CustomError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| CustomError::File { path, source }
        };
        std::fs::create_dir_all(dir).map_err(failed(dir))?;
        let (manifest, weights) = (dir.join(MANIFEST), dir.join(WEIGHTS));
        let bytes = encode(&weights, self.manifest.labels.len(), &self.weights)?;
        let text = manifest_text(&self.manifest)?;
        std::fs::write(&weights, bytes).map_err(failed(&weights))?;
        std::fs::write(&manifest, text).map_err(failed(&manifest))
    }

    /// What they say of a sentence vector and its text; a vector of another length is outside.
    pub fn answer(&self, vector: &[f32], text: &str) -> Answer {
        let size = self.weights.centre.len();
        if vector.len() != size || size == 0 {
            return Answer { intents: Vec::new(), confidence: 0.0 };
        }
        let rows = self.weights.weights.chunks(size).zip(&self.weights.bias);
        let mut logits: Vec<f32> = rows.map(|(row, bias)| dot(row, vector) + bias).collect();
        if let Some(words) = &self.weights.words {
            words.add_to(text, &mut logits);
        }
        let mut ranked: Vec<(usize, f32)> =
            logits.into_iter().map(|logit| logit / self.manifest.temperature).enumerate().collect();
        let top = ranked.iter().map(|(_, logit)| *logit).fold(f32::NEG_INFINITY, f32::max);
        ranked.iter_mut().for_each(|(_, value)| *value = (*value - top).exp());
        let sum: f32 = ranked.iter().map(|(_, value)| value).sum();
        ranked.iter_mut().for_each(|(_, value)| *value /= sum);
        // The row past the intents is what is outside.
        let outside = ranked.get(self.manifest.labels.len()).map_or(0.0, |(_, probability)| *probability);
        ranked.truncate(self.manifest.labels.len());
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let best = ranked.first().map_or(0.0, |(_, probability)| *probability);
        let likeness = self.likeness(vector);
        if outside > best || likeness < self.manifest.min_likeness || best < self.manifest.min_probability {
            let inside = (0.5 * likeness / self.manifest.min_likeness.max(1e-3)).clamp(0.0, 1.0);
            return Answer { intents: Vec::new(), confidence: 1.0 - best * inside };
        }
        let label = |at: usize| self.manifest.labels.get(at).cloned().unwrap_or_default();
        let intents = ranked.iter().take(MAX_INTENTS).enumerate();
        let intents = intents
            .filter(|(rank, (_, probability))| *rank == 0 || *probability >= SECONDARY)
            .map(|(_, (at, probability))| (label(*at), *probability))
            .collect();
        Answer { intents, confidence: best }
    }

    fn likeness(&self, vector: &[f32]) -> f32 {
        let rows = self.weights.whiten.chunks(vector.len());
        let point: Vec<f32> = rows.map(|row| dot(row, vector)).collect();
        likeness(&point, &self.weights.centre, &self.weights.directions, &self.weights.homes)
    }
}

fn manifest_text(manifest: &Manifest) -> Result<String, CustomError> {
    toml::to_string_pretty(manifest)
        .map_err(|error| CustomError::Content { path: MANIFEST.into(), reason: error.to_string() })
}

fn version(text: &str) -> String {
    format!("sha256:{}", hex(&Sha256::digest(text.as_bytes())))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::words::Words;
    use super::*;

    /// Two intents along the axes of a plane.
    fn plane(min_likeness: f32) -> CustomIntents {
        let manifest = Manifest {
            format: FORMAT,
            pack: "core@1".to_owned(),
            weights: String::new(),
            labels: vec!["left".to_owned(), "up".to_owned()],
            temperature: 0.5,
            min_probability: 0.6,
            min_likeness,
            figures: Figures::default(),
        };
        let one = vec![1.0, 0.0, 0.0, 1.0];
        let weights = Weights {
            weights: one.clone(),
            bias: vec![0.0; 2],
            whiten: one.clone(),
            centre: vec![0.0; 2],
            directions: one.clone(),
            homes: one,
            words: None,
        };
        CustomIntents::new(manifest, weights).unwrap()
    }

    #[test]
    fn near_texts_are_answered_and_far_or_torn_ones_are_not() {
        let intents = plane(0.5);
        let names = |vector: &[f32]| {
            intents.answer(vector, "").intents.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(names(&[1.0, 0.0]), ["left"]);
        assert_eq!(names(&[0.1, 0.9]), ["up"]);
        assert!(names(&[0.7, 0.7]).is_empty(), "as much the one as the other");
        assert!(names(&[-1.0, -0.2]).is_empty(), "away from both");
        assert!(names(&[1.0]).is_empty(), "not a vector of this encoder");
        let sure = intents.answer(&[1.0, 0.0], "").confidence;
        assert!((sure - 0.880_797).abs() < 1e-4, "temperature 0.5 doubles the logits: {sure}");
        assert!(intents.answer(&[-1.0, -0.2], "").confidence > 0.9, "sure that it is outside");
    }

    #[test]
    fn a_text_nearer_to_what_is_outside_is_left_alone() {
        let mut intents = plane(-1.0);
        intents.manifest.min_probability = 0.0;
        intents.weights.weights.extend([0.5, 0.5]);
        intents.weights.bias.push(0.2);
        assert_eq!(intents.answer(&[1.0, 0.0], "").intents.len(), 1);
        let between = intents.answer(&[0.7, 0.6], "");
        assert_eq!(between.intents, [], "0.85 outside, 0.7 the best intent");
        assert!((0.5..0.8).contains(&between.confidence), "{}", between.confidence);
        let dir = tempfile::tempdir().unwrap();
        let intents = CustomIntents::new(intents.manifest, intents.weights).unwrap();
        intents.write(dir.path()).unwrap();
        assert_eq!(CustomIntents::open(dir.path(), "core@1").unwrap(), intents);
    }

    #[test]
    fn a_folder_comes_back_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let intents = plane(0.5);
        intents.write(dir.path()).unwrap();
        assert_eq!(CustomIntents::open(dir.path(), "core@1").unwrap(), intents);
        assert_ne!(plane(0.4).version, intents.version, "the version tells folders apart");
    }

    #[test]
    fn words_speak_beside_the_vector_and_are_kept() {
        let mut intents = plane(-1.0);
        intents.manifest.min_probability = 0.0;
        let [said, _] = words::runs("lucerna");
        let hashes: Vec<u32> = said.keys().copied().collect();
        intents.weights.words =
            Some(Words { hashes, rarity: vec![1.0], unknown: 1.0, weights: vec![0.0, 2.0, 0.0, 0.0] });
        let name =
            |intents: &CustomIntents, text: &str| intents.answer(&[1.0, 0.0], text).intents[0].0.clone();
        assert_eq!(name(&intents, "lanterna"), "left", "as the vector has it");
        assert_eq!(name(&intents, "Lucerna!"), "up");
        let dir = tempfile::tempdir().unwrap();
        let intents = CustomIntents::new(intents.manifest, intents.weights).unwrap();
        intents.write(dir.path()).unwrap();
        assert_eq!(CustomIntents::open(dir.path(), "core@1").unwrap(), intents);
        let mut torn = intents.clone();
        torn.weights.words.as_mut().unwrap().rarity.clear();
        assert!(CustomIntents::new(torn.manifest, torn.weights).is_err());
    }

    #[test]
    fn a_folder_of_the_first_format_is_still_read() {
        let dir = tempfile::tempdir().unwrap();
        plane(0.5).write(dir.path()).unwrap();
        let path = dir.path().join(MANIFEST);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("format = 2", "format = 1")).unwrap();
        assert_eq!(CustomIntents::open(dir.path(), "core@1").unwrap().manifest.format, 1);
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        let check = |spoil: &dyn Fn(&Path), expected: &str| {
            let dir = tempfile::tempdir().unwrap();
            plane(0.5).write(dir.path()).unwrap();
            spoil(dir.path());
            let error = CustomIntents::open(dir.path(), "core@1").unwrap_err().to_string();
            assert!(error.contains(expected), "{expected}: {error}");
        };
        let edit = |from: &'static str, to: &'static str| {
            move |dir: &Path| {
                let text = std::fs::read_to_string(dir.join(MANIFEST)).unwrap();
                assert!(text.contains(from), "{text}");
                std::fs::write(dir.join(MANIFEST), text.replace(from, to)).unwrap();
            }
        };
        check(&|dir| std::fs::remove_file(dir.join(MANIFEST)).unwrap(), "cannot be read");
        check(&|dir| std::fs::remove_file(dir.join(WEIGHTS)).unwrap(), "cannot be read");
        check(&|dir| std::fs::write(dir.join(WEIGHTS), b"x").unwrap(), "damaged or was changed");
        check(&edit("format = 2", "format = 9"), "format 9 is unknown");
        check(&edit("format = 2", "format = 2\ncolour = 2"), "colour");
        check(&edit("core@1", "core@2"), "fit them again");
        check(&edit("\"up\"", "\"up\", \"down\""), "3 intents");
        check(&edit("temperature = 0.5", "temperature = 0.0"), "sensible");
    }
}
