//! A sequence-classification checkpoint in memory: its own tokenizer and one of rust-bert's models. Reads text, gives
//! the logits of the head it stands in for.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use rust_bert::RustBertError;
use rust_bert::albert::AlbertForSequenceClassification;
use rust_bert::bart::BartForSequenceClassification;
use rust_bert::bert::BertForSequenceClassification;
use rust_bert::deberta::DebertaForSequenceClassification;
use rust_bert::deberta_v2::DebertaV2ForSequenceClassification;
use rust_bert::distilbert::DistilBertModelClassifier;
use rust_bert::fnet::FNetForSequenceClassification;
use rust_bert::longformer::LongformerForSequenceClassification;
use rust_bert::mobilebert::MobileBertForSequenceClassification;
use rust_bert::pipelines::sequence_classification::SequenceClassificationOption as Model;
use rust_bert::roberta::RobertaForSequenceClassification;
use rust_bert::xlnet::XLNetForSequenceClassification;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tch::{Device, Kind, TchError, Tensor, nn};
use tokenizers::{Encoding, PostProcessor as _, Tokenizer};
use unicode_segmentation::UnicodeSegmentation as _;

use super::batch::{answer, padded, plan};
use super::engine::Failure;
use crate::nlp::checkpoint::{Checkpoint, Family, Fault, Head};
use crate::nlp::engine::EngineError;
use crate::nlp::tokens::{OVERLAP, cut};

/// A checkpoint ready to answer. It may be sent to another thread, not shared.
pub struct Replacement {
    checkpoint: Checkpoint,
    model: Model,
    tokenizer: Tokenizer,
    /// Tokens of text that fit beside the special ones.
    capacity: usize,
    batch_tokens: usize,
}

/// One piece of text as the model reads it, special tokens included.
struct Piece {
    text: usize,
    ids: Vec<u32>,
    segments: Vec<u32>,
}

impl Replacement {
    /// Reads tokenizer and weights; half-precision weights become single.
    pub fn load(checkpoint: &Checkpoint, batch_tokens: usize) -> Result<Self, Fault> {
        let (tokenizer, capacity) = tokenizer(checkpoint)?;
        let misfit = |reason: String| Fault::Weights { path: checkpoint.weights.clone(), reason };
        // rust-bert and libtorch panic on sizes that do not fit together; a wrong checkpoint must stay an error.
        let model = catch_unwind(|| tch::no_grad(|| load(checkpoint)))
            .unwrap_or_else(|_| Err(misfit("its sizes do not fit together".to_owned())))?;
        let checkpoint = checkpoint.clone();
        Ok(Self { checkpoint, model, tokenizer, capacity, batch_tokens: batch_tokens.max(1) })
    }

    /// The head it stands in for.
    pub fn head(&self) -> Head {
        self.checkpoint.head
    }

    /// The head's logits for every text, in order. A text longer than the model reads is read in parts.
    pub fn logits(&self, texts: &[&str]) -> Vec<Result<Vec<f32>, EngineError>> {
        let mut refused: HashMap<usize, EngineError> = HashMap::new();
        let mut pieces: Vec<Piece> = Vec::new();
        for (at, text) in texts.iter().enumerate() {
            match self.pieces(at, text) {
                Ok(own) => pieces.extend(own),
                // The tokenizer's own message may quote the text.
                Err(_) => {
                    let reason = format!("the tokenizer of the replaced {} refused a text", self.head());
                    refused.insert(at, EngineError::Runtime(reason));
                }
            }
        }
        let mut parts: Vec<Vec<(Vec<f32>, usize)>> = texts.iter().map(|_| Vec::new()).collect();
        let mut run = |batch: &[usize]| {
            let batch: Vec<&Piece> = batch.iter().filter_map(|at| pieces.get(*at)).collect();
            match catch_unwind(AssertUnwindSafe(|| tch::no_grad(|| self.run(&batch)))) {
                Ok(Ok(logits)) => Ok(logits),
                Ok(Err(error)) => Err(Failure::from(error.to_string())),
                Err(_) => Err(Failure::from("libtorch panicked".to_owned())),
            }
        };
        for batch in self.batches(&pieces) {
            answer(&batch, &mut run, &mut |at, logits| {
                let Some(piece) = pieces.get(at) else { return };
                match logits.map_err(|failure| failure.0).and_then(finite) {
                    Ok(logits) => {
                        if let Some(parts) = parts.get_mut(piece.text) {
                            parts.push((self.checkpoint.to_head(&logits), piece.ids.len()));
                        }
                    }
                    Err(error) => {
                        refused.insert(piece.text, error);
                    }
                }
            });
        }
        let whole = |(at, parts): (usize, Vec<(Vec<f32>, usize)>)| match refused.remove(&at) {
            Some(error) => Err(error),
            None if parts.is_empty() => Ok(self.checkpoint.nothing()),
            None => Ok(self.checkpoint.whole(&parts)),
        };
        parts.into_iter().enumerate().map(whole).collect()
    }

    fn pieces(&self, at: usize, text: &str) -> tokenizers::Result<Vec<Piece>> {
        let encoding = self.tokenizer.encode(text, false)?;
        let offsets = encoding.get_offsets();
        let sentences: Vec<usize> = text.split_sentence_bound_indices().map(|(at, _)| at).collect();
        cut(offsets, &sentences, self.capacity)
            .into_iter()
            .map(|range| {
                let part = Encoding::new(
                    encoding.get_ids()[range.clone()].to_vec(),
                    encoding.get_type_ids()[range.clone()].to_vec(),
                    encoding.get_tokens()[range.clone()].to_vec(),
                    encoding.get_word_ids()[range.clone()].to_vec(),
                    encoding.get_offsets()[range.clone()].to_vec(),
                    encoding.get_special_tokens_mask()[range.clone()].to_vec(),
                    encoding.get_attention_mask()[range].to_vec(),
                    Vec::new(),
                    HashMap::new(),
                );
                let whole = self.tokenizer.post_process(part, None, true)?;
                let (ids, segments) = (whole.get_ids().to_vec(), whole.get_type_ids().to_vec());
                Ok(Piece { text: at, ids, segments })
            })
            .collect()
    }

    fn batches(&self, pieces: &[Piece]) -> Vec<Vec<usize>> {
        let mut lengths: Vec<(usize, usize)> =
            pieces.iter().enumerate().map(|(at, piece)| (at, piece.ids.len())).collect();
        if self.checkpoint.family.takes_padding() {
            return plan(&lengths, self.batch_tokens);
        }
        lengths.sort_by_key(|(_, length)| *length);
        lengths
            .chunk_by(|(_, a), (_, b)| a == b)
            .flat_map(|like| {
                let length = like.first().map_or(1, |(_, length)| *length);
                like.chunks((self.batch_tokens / length.max(1)).max(1))
            })
            .map(|batch| batch.iter().map(|(at, _)| *at).collect())
            .collect()
    }

    fn run(&self, batch: &[&Piece]) -> Result<Vec<Vec<f32>>, TchError> {
        let longest = batch.iter().map(|piece| piece.ids.len()).max().unwrap_or(0);
        let length = if self.checkpoint.family.takes_padding() {
            padded(longest).min(self.checkpoint.positions()).max(longest)
        } else {
            longest
        };
        let rows = |of: fn(&Piece) -> &Vec<u32>, pad: u32| {
            let padded = batch.iter().flat_map(|piece| {
                let own = of(piece).iter().copied();
                own.chain(std::iter::repeat(pad)).take(length).map(i64::from)
            });
            let flat: Vec<i64> = padded.collect();
            Tensor::f_from_slice(&flat)?.f_view([batch.len() as i64, length as i64])
        };
        let ids = rows(|piece| &piece.ids, self.checkpoint.pad)?;
        let mask: Vec<i64> =
            batch.iter().flat_map(|piece| (0..length).map(|at| i64::from(at < piece.ids.len()))).collect();
        let mask = Tensor::f_from_slice(&mask)?.f_view([batch.len() as i64, length as i64])?;
        // A lone text is all of the first segment, which the models take for granted; only XLNet has one for [CLS].
        let segments = match self.checkpoint.family {
            Family::XlNet => Some(rows(|piece| &piece.segments, 0)?),
            _ => None,
        };
        let logits = self.model.forward_t(Some(&ids), Some(&mask), segments.as_ref(), None, None, false);
        Vec::<Vec<f32>>::try_from(logits.f_to_kind(Kind::Float)?)
    }
}

fn tokenizer(checkpoint: &Checkpoint) -> Result<(Tokenizer, usize), Fault> {
    let invalid = |error: tokenizers::Error| Fault::Invalid {
        path: checkpoint.tokenizer.clone(),
        reason: error.to_string(),
    };
    let mut tokenizer = Tokenizer::from_file(&checkpoint.tokenizer).map_err(invalid)?;
    tokenizer.with_truncation(None).map_err(invalid)?;
    tokenizer.with_padding(None);
    let size = checkpoint.vocabulary();
    match tokenizer.get_vocab(true).into_values().max() {
        Some(id) if id as usize >= size => return Err(Fault::Vocabulary { id, size }),
        _ => {}
    }
    let special = tokenizer.get_post_processor().map_or(0, |processor| processor.added_tokens(false));
    let positions = checkpoint.positions();
    let capacity = positions.saturating_sub(special);
    if capacity <= 2 * OVERLAP {
        return Err(Fault::NoRoom { positions });
    }
    Ok((tokenizer, capacity))
}

fn load(checkpoint: &Checkpoint) -> Result<Model, Fault> {
    let store = nn::VarStore::new(Device::Cpu);
    let config = checkpoint.tokenizer.with_file_name("config.json");
    let model = model(checkpoint.family, &store.root(), &checkpoint.config)
        .map_err(|reason| Fault::Invalid { path: config, reason })?;
    fill(&store, &checkpoint.weights, checkpoint.labels.len())?;
    Ok(model)
}

fn model(family: Family, root: &nn::Path<'_>, config: &Value) -> Result<Model, String> {
    fn read<C: DeserializeOwned>(config: &Value) -> Result<C, String> {
        serde_json::from_value(config.clone()).map_err(|error| error.to_string())
    }
    let failed = |error: RustBertError| error.to_string();
    Ok(match family {
        Family::Bert => {
            Model::Bert(BertForSequenceClassification::new(root, &read(config)?).map_err(failed)?)
        }
        Family::DistilBert => {
            Model::DistilBert(DistilBertModelClassifier::new(root, &read(config)?).map_err(failed)?)
        }
        Family::Roberta => {
            Model::Roberta(RobertaForSequenceClassification::new(root, &read(config)?).map_err(failed)?)
        }
        Family::Deberta => {
            Model::Deberta(DebertaForSequenceClassification::new(root, &read(config)?).map_err(failed)?)
        }
        Family::DebertaV2 => {
            Model::DebertaV2(DebertaV2ForSequenceClassification::new(root, &read(config)?).map_err(failed)?)
        }
        Family::Albert => {
            Model::Albert(AlbertForSequenceClassification::new(root, &read(config)?).map_err(failed)?)
        }
        Family::MobileBert => {
            Model::MobileBert(MobileBertForSequenceClassification::new(root, &read(config)?).map_err(failed)?)
        }
        Family::Longformer => {
            Model::Longformer(LongformerForSequenceClassification::new(root, &read(config)?).map_err(failed)?)
        }
        Family::XlNet => {
            Model::XLNet(XLNetForSequenceClassification::new(root, &read(config)?).map_err(failed)?)
        }
        Family::Bart => {
            Model::Bart(BartForSequenceClassification::new(root, &read(config)?).map_err(failed)?)
        }
        Family::FNet => {
            Model::FNet(FNetForSequenceClassification::new(root, &read(config)?).map_err(failed)?)
        }
    })
}

/// Names missing from the weights that a message shows.
const SHOWN: usize = 3;

/// Gives every variable of the model its value. What the file has beyond them (a language-modelling head, position
/// ids) is not needed.
fn fill(store: &nn::VarStore, weights: &Path, labels: usize) -> Result<(), Fault> {
    let misfit = |reason: String| Fault::Weights { path: weights.to_owned(), reason };
    let read = match weights.extension().and_then(|extension| extension.to_str()) {
        Some("safetensors") => Tensor::read_safetensors(weights),
        _ => Tensor::load_multi(weights),
    };
    let read =
        read.map_err(|error| Fault::Invalid { path: weights.to_owned(), reason: error.to_string() })?;
    // Layer norms had other names in older checkpoints.
    let current = |name: String| match (name.strip_suffix(".gamma"), name.strip_suffix(".beta")) {
        (Some(stem), _) => format!("{stem}.weight"),
        (_, Some(stem)) => format!("{stem}.bias"),
        _ => name,
    };
    let mut read: HashMap<String, Tensor> =
        read.into_iter().map(|(name, tensor)| (current(name), tensor)).collect();
    let mut missing = Vec::new();
    // In order, so that the same fault has the same message.
    let variables: BTreeMap<String, Tensor> = store.variables().into_iter().collect();
    for (name, mut variable) in variables {
        let Some(found) = read.remove(&name) else {
            missing.push(name);
            continue;
        };
        let (has, needs) = (found.size(), variable.size());
        if has != needs {
            let last_layer =
                needs.first() == i64::try_from(labels).ok().as_ref() && has.get(1..) == needs.get(1..);
            return Err(match has.first().copied().and_then(|count| usize::try_from(count).ok()) {
                Some(found) if last_layer => Fault::LabelCount { declared: labels, found },
                _ => misfit(format!("{name} is {has:?}, not {needs:?}")),
            });
        }
        let copied = found.f_to_kind(Kind::Float).and_then(|found| variable.f_copy_(&found));
        copied.map_err(|error| misfit(error.to_string()))?;
    }
    if missing.is_empty() {
        return Ok(());
    }
    let more = missing.len().saturating_sub(SHOWN);
    let names = missing.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    Err(misfit(format!("they lack {names}{rest}")))
}

fn finite(logits: Vec<f32>) -> Result<Vec<f32>, EngineError> {
    if logits.iter().all(|logit| logit.is_finite()) {
        return Ok(logits);
    }
    Err(EngineError::Runtime("the checkpoint gave a number that is not finite".to_owned()))
}

#[cfg(test)]
pub(super) mod tests;
