//! `models/core/recipe.toml`: what the pack is trained on and how. Strict: an unknown field or label is an error.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::target::Target;
use super::{TrainError, file};

/// The recipe.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Name of the pack.
    pub name: String,
    /// Seed of every shuffle and of new weights.
    pub seed: u64,
    /// Longest window, special tokens included.
    pub max_tokens: usize,
    /// Number format of the encoder's products while it is trained.
    pub precision: Precision,
    /// The vocabulary.
    pub vocabulary: Vocabulary,
    /// The alignment stage.
    pub align: Align,
    /// The task stage.
    pub tune: Tune,
    /// The stage after fine-tuning; left out where missing.
    pub settle: Option<Settle>,
    /// Before the pack; left out where missing.
    pub whiten: Option<Whiten>,
}

/// Number format of the encoder's products while it is trained; weights and their updates are in single precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// bfloat16: quicker where the processor multiplies it.
    Bf16,
    /// Single precision.
    F32,
}

/// How many Italian pieces are learned.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vocabulary {
    /// Size of the Italian vocabulary that is learned; what the base lacks of it is added.
    pub learned: usize,
    /// Most pieces added.
    pub added: usize,
    /// Fewest occurrences of a piece.
    pub min_frequency: u64,
}

/// Distillation from the English encoder on sentence pairs.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Align {
    /// Steps.
    pub steps: usize,
    /// Pairs a step.
    pub batch: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Share of the steps in which the rate rises.
    pub warm_up: f64,
    /// Every so many steps the English side is trained too.
    pub english_every: usize,
    /// Most words of either side.
    pub max_words: usize,
    /// Pairs kept aside to measure retrieval.
    pub held_out: usize,
    /// Where the pairs come from.
    pub source: Vec<PairSource>,
}

/// Distillation from the tuned encoder's English side on the same pairs: tuning pulls the two languages apart, this brings
/// Italian back.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settle {
    /// Steps.
    pub steps: usize,
    /// Pairs a step.
    pub batch: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Share of the steps in which the rate rises.
    pub warm_up: f64,
    /// Every so many steps the English side is held to where it was.
    pub english_every: usize,
    /// What the inner layer counts beside the last.
    pub inner_weight: f64,
    /// How far the weights go from the tuned ones toward those reached; 0…1.
    pub share: f64,
}

/// A linear map that spreads sentence vectors evenly.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Whiten {
    /// From 0, nothing but the mean, to 0.5, every direction alike.
    pub power: f64,
    /// About how many pairs it is learned on.
    pub pairs: usize,
}

/// A file of sentence pairs, English tab Italian.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairSource {
    /// Its name in the model card.
    pub name: String,
    /// Its licence.
    pub licence: String,
    /// Path within the data folder.
    pub file: String,
    /// Most pairs taken; none for all.
    pub limit: Option<usize>,
    /// How often each pair counts.
    #[serde(default = "one")]
    pub repeat: usize,
}

fn one() -> usize {
    1
}

/// Fine-tuning of encoder and heads.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tune {
    /// Passes over the mix in which only the heads learn.
    pub head_epochs: usize,
    /// Peak learning rate of the heads in those passes.
    pub head_start_rate: f64,
    /// Passes over the mix.
    pub epochs: usize,
    /// Rows a step.
    pub batch: usize,
    /// Peak learning rate of the encoder.
    pub encoder_rate: f64,
    /// Peak learning rate of the heads.
    pub head_rate: f64,
    /// Share of the steps in which the rates rise.
    pub warm_up: f64,
    /// Dropout on the pooled vector.
    pub dropout: f64,
    /// Dropout inside the encoder.
    pub encoder_dropout: f64,
    /// Part of the old in the running mean of the weights that the stage leaves behind; 0 leaves the last weights.
    pub mean_decay: f64,
    /// Share of the tokens left out of every second text.
    pub token_dropout: f64,
    /// Part of each head in the loss.
    pub head_weights: HeadWeights,
    /// How often each own example counts in one pass.
    pub own_repeat: usize,
    /// Every so many steps a batch of sentence pairs keeps Italian where English is.
    pub align_every: usize,
    /// Pairs in such a batch.
    pub align_batch: usize,
    /// Its part in the loss.
    pub align_weight: f64,
    /// The same for the inner layer that custom intents read too.
    #[serde(default)]
    pub align_inner_weight: f64,
    /// Part of the auxiliary heads in the loss.
    pub auxiliary_weight: f64,
    /// Public data.
    pub source: Vec<Source>,
    /// Public data with label sets of their own, each learned by a head that the pack leaves out: they keep the
    /// encoder good at telling fine intents apart, which tenants' own intents live on.
    #[serde(default)]
    pub auxiliary: Vec<Auxiliary>,
}

/// Part of each head in the loss.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadWeights {
    /// Sentiment.
    pub sentiment: f64,
    /// Intents.
    pub intents: f64,
    /// Stage.
    pub stage: f64,
    /// Emotions.
    pub emotions: f64,
    /// Signals.
    pub signals: f64,
}

/// A public data set whose labels stay as they are.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auxiliary {
    /// Its name in the model card.
    pub name: String,
    /// Its licence.
    pub licence: String,
    /// What it is for.
    pub used_for: String,
    /// Paths within the data folder.
    pub files: Vec<String>,
    /// How a file is read.
    pub format: Format,
    /// Part of a row in the loss.
    pub weight: f32,
    /// Every so many rows of the files, from the first, takes no part, so that the encoder can be measured on those.
    pub aside: Option<usize>,
    /// How often each row counts in one pass.
    #[serde(default = "one")]
    pub repeat: usize,
    /// Most rows of one label.
    pub per_label: Option<usize>,
    /// Most words.
    #[serde(default = "sixty")]
    pub max_words: usize,
    /// Labels whose rows take no part.
    #[serde(default)]
    pub leave_out: Vec<String>,
}

/// A public data set and how its labels become ours.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its name in the model card.
    pub name: String,
    /// Its licence.
    pub licence: String,
    /// What it is for.
    pub used_for: String,
    /// Paths within the data folder.
    pub files: Vec<String>,
    /// How a file is read.
    pub format: Format,
    /// Part of a row in the loss.
    pub weight: f32,
    /// Every so many rows of the files, from the first, takes no part, so that the encoder can be measured on those.
    pub aside: Option<usize>,
    /// Most rows taken, at random; none for all.
    pub limit: Option<usize>,
    /// Most rows of one label of the set.
    pub per_label: Option<usize>,
    /// Fewest words.
    #[serde(default = "one")]
    pub min_words: usize,
    /// Most words.
    #[serde(default = "sixty")]
    pub max_words: usize,
    /// What parts several labels in one cell.
    pub split: Option<String>,
    /// Target by label. A label that stands nowhere leaves its row out, unless `rest` is given.
    #[serde(default)]
    pub map: BTreeMap<String, String>,
    /// Target of labels that `map` does not name.
    pub rest: Option<String>,
    /// Targets by number, for graded labels.
    #[serde(default)]
    pub range: Vec<RangeTarget>,
}

fn sixty() -> usize {
    60
}

/// Target of the labels from `from` to `to`, both included.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RangeTarget {
    /// Least.
    pub from: f64,
    /// Greatest.
    pub to: f64,
    /// The target.
    pub target: String,
}

/// How a file is read.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Format {
    /// Quoted cells with a header.
    Csv {
        /// Column of the text.
        text: String,
        /// Column of the label.
        label: String,
    },
    /// One row a line, no quoting; the last cell holds whatever is left.
    Lines {
        /// What parts the cells.
        delimiter: char,
        /// The first line names columns.
        header: bool,
        /// Cells of a line.
        cells: usize,
        /// Cell of the text, from 0.
        text: usize,
        /// Cell of the label, from 0.
        label: usize,
    },
    /// A JSON object of lists of `[text, label]`.
    JsonPairs {
        /// The lists to take.
        keys: Vec<String>,
    },
    /// One JSON object a line.
    JsonLines {
        /// Field of the text.
        text: String,
        /// Field of the label.
        label: String,
    },
}

impl Recipe {
    /// Reads a recipe and checks every label it names.
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        let text = file(path, std::fs::read_to_string(path))?;
        let recipe: Self = toml::from_str(&text).map_err(|error| TrainError::content(path, error))?;
        recipe.validate().map_err(|reason| TrainError::content(path, reason))?;
        Ok(recipe)
    }

    fn validate(&self) -> Result<(), String> {
        let counts = [self.align.batch, self.tune.batch, self.align.english_every, self.tune.align_every];
        let settle = self.settle.iter().flat_map(|settle| [settle.batch, settle.english_every]);
        if counts.into_iter().chain(settle).any(|count| count == 0) {
            return Err("batch, english_every and align_every must be at least 1".to_owned());
        }
        if self.settle.iter().any(|settle| !(0.0..=1.0).contains(&settle.share)) {
            return Err("settle.share must lie between 0 and 1".to_owned());
        }
        let asides = self.tune.source.iter().map(|source| source.aside);
        let asides = asides.chain(self.tune.auxiliary.iter().map(|source| source.aside));
        if asides.flatten().any(|aside| aside < 2) {
            return Err("aside must be at least 2".to_owned());
        }
        for source in &self.tune.source {
            let targets =
                source.map.values().chain(&source.rest).chain(source.range.iter().map(|range| &range.target));
            for target in targets {
                Target::parse(target).map_err(|reason| format!("{}: {reason}", source.name))?;
            }
        }
        Ok(())
    }
}
