//! A Hugging Face sequence-classification checkpoint that stands in for a head of the pack: its files, its family, its
//! labels and how they map to ours. No tensor type here: the model itself is the engine's work. Downloads nothing.

mod labels;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub use labels::{Head, NOWHERE};

use super::pack::{Heads, hex};
use crate::config::{Replace, Replacement};

/// Architectures that can replace a head. `reformer` is missing on purpose: its attention draws at random, so the same
/// message could be decided differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `bert`
    Bert,
    /// `distilbert`
    DistilBert,
    /// `roberta`, `xlm-roberta`, `camembert`
    Roberta,
    /// `deberta`
    Deberta,
    /// `deberta-v2`, which v3 is too
    DebertaV2,
    /// `albert`
    Albert,
    /// `mobilebert`
    MobileBert,
    /// `longformer`
    Longformer,
    /// `xlnet`
    XlNet,
    /// `bart`
    Bart,
    /// `fnet`
    FNet,
}

/// `model_type` as it stands in `config.json`.
const MODEL_TYPES: [(&str, Family); 13] = [
    ("bert", Family::Bert),
    ("distilbert", Family::DistilBert),
    ("roberta", Family::Roberta),
    ("xlm-roberta", Family::Roberta),
    ("camembert", Family::Roberta),
    ("deberta", Family::Deberta),
    ("deberta-v2", Family::DebertaV2),
    ("albert", Family::Albert),
    ("mobilebert", Family::MobileBert),
    ("longformer", Family::Longformer),
    ("xlnet", Family::XlNet),
    ("bart", Family::Bart),
    ("fnet", Family::FNet),
];

/// Longest input where the architecture sets no limit.
const UNLIMITED: usize = 512;

impl Family {
    /// Whether padding at the end changes nothing under an attention mask. The others only take inputs of one length
    /// together.
    pub fn takes_padding(self) -> bool {
        matches!(
            self,
            Self::Bert | Self::DistilBert | Self::Roberta | Self::Deberta | Self::DebertaV2 | Self::Albert
        )
    }

    /// Token id that pads, unless `config.json` says otherwise.
    fn usual_pad(self) -> u32 {
        match self {
            Self::Roberta | Self::Longformer | Self::Bart => 1,
            _ => 0,
        }
    }
}

/// Why a checkpoint cannot replace a head; says what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("engine.replace.{head}: {fault}")]
pub struct CheckpointError {
    /// The head.
    pub head: Head,
    /// What is wrong.
    #[source]
    pub fault: Fault,
}

/// What is wrong with a checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// There is no such folder.
    #[error("there is no folder {0}; name the folder that holds the checkpoint")]
    NoFolder(String),
    /// It looks like the name of a hub repository that is not on this machine.
    #[error(
        "{0} is neither a folder nor in the local Hugging Face cache, and nothing is downloaded at the start; \
         `hf download {0} config.json tokenizer.json model.safetensors` brings it into the cache"
    )]
    NotHere(String),
    /// A file of the checkpoint is missing.
    #[error("{folder} holds no {file}; {remedy}")]
    Missing {
        /// The folder.
        folder: PathBuf,
        /// The file.
        file: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// A file cannot be read.
    #[error("{path} cannot be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{path} is not valid: {reason}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// An architecture that is not supported.
    #[error("model_type \"{model_type}\" is not supported; choose a checkpoint of one of {supported}")]
    ModelType {
        /// As in `config.json`; empty when it is missing there.
        model_type: String,
        /// All that are.
        supported: String,
    },
    /// `labels` names a label that the checkpoint has not.
    #[error("labels names \"{label}\", which the checkpoint does not have; it has {own}")]
    NoSuchLabel {
        /// As in the configuration.
        label: String,
        /// Those of the checkpoint.
        own: String,
    },
    /// `labels` maps to a label that the head has not.
    #[error("labels maps \"{label}\" to \"{target}\", which is no label of {head}; choose one of {known}")]
    NoSuchTarget {
        /// The checkpoint's.
        label: String,
        /// As in the configuration.
        target: String,
        /// The head.
        head: Head,
        /// Those of the head.
        known: String,
    },
    /// A label of the checkpoint leads nowhere.
    #[error("the checkpoint's labels {unmapped} are none of {head}; map each in labels to one of {known}")]
    Unmapped {
        /// Those without a target.
        unmapped: String,
        /// The head.
        head: Head,
        /// Those of the head.
        known: String,
    },
    /// Labels that exclude each other, but fewer than two.
    #[error(
        "its labels lead to {found} of {head}, and a choice needs at least two; map more of them in labels"
    )]
    OneLabel {
        /// How many.
        found: usize,
        /// The head.
        head: Head,
    },
    /// The weights are for another number of labels.
    #[error(
        "config.json has {declared} labels and the weights are for {found}; make id2label in config.json name every \
         output of the classifier"
    )]
    LabelCount {
        /// In `config.json`.
        declared: usize,
        /// In the weights.
        found: usize,
    },
    /// The weights do not fit the architecture.
    #[error(
        "the weights {path} do not fit config.json: {reason}; take both from one sequence-classification checkpoint"
    )]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The tokenizer belongs to another model.
    #[error("tokenizer.json has token id {id}, the model only {size} tokens; take both from one checkpoint")]
    Vocabulary {
        /// The largest id.
        id: u32,
        /// Rows of the embedding.
        size: usize,
    },
    /// The model reads next to nothing at a time.
    #[error("the model reads at most {positions} tokens, which leaves no room for text")]
    NoRoom {
        /// Tokens, special ones included.
        positions: usize,
    },
}

/// A checkpoint whose files are there and whose labels lead to those of a head.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// The head it stands in for.
    pub head: Head,
    /// Its architecture.
    pub family: Family,
    /// `config.json`, with `id2label` and what else the architecture leaves to defaults.
    pub config: Value,
    /// `model.safetensors` or `rust_model.ot`.
    pub weights: PathBuf,
    /// `tokenizer.json`.
    pub tokenizer: PathBuf,
    /// Its labels in logit order.
    pub labels: Vec<String>,
    /// Pads batches.
    pub pad: u32,
    /// `HEAD@sha256:…` over its files and settings: part of the model version in decisions.
    pub version: String,
    mapped: labels::Mapped,
}

impl Checkpoint {
    /// Reads `config.json`, looks for the other files, maps the labels and hashes it all. `heads` are the pack's.
    pub fn open(head: Head, settings: &Replacement, heads: &Heads) -> Result<Self, CheckpointError> {
        Self::read(head, settings, heads).map_err(|fault| CheckpointError { head, fault })
    }

    fn read(head: Head, settings: &Replacement, heads: &Heads) -> Result<Self, Fault> {
        let folder = Path::new(&settings.checkpoint);
        if !folder.is_dir() {
            let name = settings.checkpoint.clone();
            return Err(if is_hub_name(&name) { Fault::NotHere(name) } else { Fault::NoFolder(name) });
        }
        let file = |file: &'static str, remedy: &'static str| {
            let path = folder.join(file);
            let missing = || Fault::Missing { folder: folder.to_owned(), file, remedy };
            if path.is_file() { Ok(path) } else { Err(missing()) }
        };
        let config_path = file("config.json", "name the folder of a whole checkpoint")?;
        let tokenizer = file(
            "tokenizer.json",
            "AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER) of Python's transformers writes it",
        )?;
        let libtorch = folder.join("rust_model.ot");
        let weights = match file(
            "model.safetensors",
            "AutoModelForSequenceClassification.from_pretrained(FOLDER).save_pretrained(FOLDER, \
             max_shard_size=\"20GB\") of Python's transformers writes it in one piece",
        ) {
            Err(_) if libtorch.is_file() => libtorch,
            found => found?,
        };
        let invalid = |reason: String| Fault::Invalid { path: config_path.clone(), reason };
        let text = std::fs::read_to_string(&config_path)
            .map_err(|source| Fault::Read { path: config_path.clone(), source })?;
        let mut config: Value = serde_json::from_str(&text).map_err(|error| invalid(error.to_string()))?;
        let model_type = config["model_type"].as_str().unwrap_or_default();
        let family = MODEL_TYPES.iter().find(|(name, _)| *name == model_type).map(|(_, family)| *family);
        let family = family.ok_or_else(|| Fault::ModelType {
            model_type: model_type.to_owned(),
            supported: labels::list(MODEL_TYPES.iter().map(|(name, _)| *name)),
        })?;
        let labels = own_labels(&config).map_err(invalid)?;
        let mapped = labels::Mapped::new(head, &labels, settings, heads)?;
        let pad = config["pad_token_id"].as_u64().and_then(|id| u32::try_from(id).ok());
        let pad = pad.unwrap_or(family.usual_pad());
        let version = format!("{head}@sha256:{}", hash(&[&config_path, &tokenizer, &weights], settings)?);
        complete(&mut config, family, &labels);
        Ok(Self { head, family, config, weights, tokenizer, labels, pad, version, mapped })
    }

    /// Tokens the model reads at once, special ones included.
    pub fn positions(&self) -> usize {
        let declared =
            self.config["max_position_embeddings"].as_u64().and_then(|at| usize::try_from(at).ok());
        match (declared, self.family) {
            (None, _) | (_, Family::XlNet) => UNLIMITED,
            // Their positions begin behind that of the padding.
            (Some(declared), Family::Roberta | Family::Longformer) => declared.saturating_sub(2),
            (Some(declared), _) => declared,
        }
    }

    /// Rows of the token embedding.
    pub fn vocabulary(&self) -> usize {
        self.config["vocab_size"].as_u64().and_then(|size| usize::try_from(size).ok()).unwrap_or_default()
    }

    /// Puts labels, temperature and thresholds of the replaced head in the place of the pack's.
    pub fn replace_in(&self, heads: &mut Heads) {
        self.mapped.replace_in(self.head, heads);
    }

    /// From the checkpoint's logits to those of the head's labels as [`Checkpoint::replace_in`] lists them.
    pub fn to_head(&self, logits: &[f32]) -> Vec<f32> {
        self.mapped.to_head(logits)
    }

    /// The head's logits for a text in which the checkpoint's tokenizer finds nothing.
    pub fn nothing(&self) -> Vec<f32> {
        self.mapped.nothing()
    }

    /// From the head's logits for the parts of a text, with their lengths, to those of the whole.
    pub fn whole(&self, parts: &[(Vec<f32>, usize)]) -> Vec<f32> {
        self.mapped.whole(parts)
    }
}

/// Opens every checkpoint of the configuration, and puts their labels and versions in the place of the pack's.
pub fn replace(
    settings: &Replace,
    heads: &mut Heads,
    version: &mut String,
) -> Result<Vec<Checkpoint>, Box<CheckpointError>> {
    let mut opened = Vec::new();
    for (name, settings) in settings.named() {
        // Every key of the section is a head.
        let Some(head) = Head::from_name(name) else { continue };
        let checkpoint = Checkpoint::open(head, settings, heads)?;
        checkpoint.replace_in(heads);
        version.push('+');
        version.push_str(&checkpoint.version);
        opened.push(checkpoint);
    }
    Ok(opened)
}

/// `org/name`, and nothing that only a path would have.
pub fn is_hub_name(name: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    name.split_once('/').is_some_and(|(org, name)| plain(org) && plain(name))
}

/// Where the hub's own tools keep that repository under `cache`, if they do.
pub fn in_hub_cache(cache: &Path, name: &str) -> Option<PathBuf> {
    if !is_hub_name(name) {
        return None;
    }
    let repository = cache.join(format!("models--{}", name.replace('/', "--")));
    let revision = std::fs::read_to_string(repository.join("refs/main")).ok()?;
    let snapshot = repository.join("snapshots").join(revision.trim());
    snapshot.is_dir().then_some(snapshot)
}

/// The checkpoint's labels in logit order; two without names when `config.json` has none, as the hub's tools leave
/// them out.
fn own_labels(config: &Value) -> Result<Vec<String>, String> {
    let Some(named) = config.get("id2label").filter(|named| !named.is_null()) else {
        let count = config["num_labels"].as_u64().unwrap_or(2);
        return Ok((0..count).map(|at| format!("LABEL_{at}")).collect());
    };
    let named = named.as_object().ok_or("id2label is not an object")?;
    (0..named.len())
        .map(|at| {
            let label =
                named.get(&at.to_string()).ok_or_else(|| format!("id2label has no entry \"{at}\""))?;
            label.as_str().map(str::to_owned).ok_or_else(|| format!("id2label \"{at}\" is not a string"))
        })
        .collect()
}

/// Fills in what the architecture's reader must have and the hub's tools may leave out or write in another form.
fn complete(config: &mut Value, family: Family, labels: &[String]) {
    let named: serde_json::Map<String, Value> =
        labels.iter().enumerate().map(|(at, label)| (at.to_string(), json!(label))).collect();
    config["id2label"] = named.into();
    config["num_labels"] = json!(labels.len());
    // Names may repeat, and nothing reads it.
    config["label2id"] = Value::Null;
    if family == Family::Longformer && config["attention_window"].is_u64() {
        let layers = config["num_hidden_layers"].as_u64().and_then(|layers| usize::try_from(layers).ok());
        config["attention_window"] = json!(vec![config["attention_window"].clone(); layers.unwrap_or(1)]);
    }
}

fn hash(files: &[&PathBuf], settings: &Replacement) -> Result<String, Fault> {
    let mut all = Sha256::new();
    for path in files {
        let failed = |source| Fault::Read { path: (*path).clone(), source };
        let mut file = std::fs::File::open(path).map_err(failed)?;
        let mut one = Sha256::new();
        std::io::copy(&mut file, &mut one).map_err(failed)?;
        all.update(one.finalize());
    }
    // They change the answers as much as the weights do; where the folder lies does not.
    let Replacement { checkpoint: _, labels, temperature, threshold, secondary_threshold } = settings;
    all.update(json!([labels, temperature, threshold, secondary_threshold]).to_string());
    Ok(hex(&all.finalize()))
}

#[cfg(test)]
mod tests;
