//! `Engine` on libtorch: checks windows, forms batches, runs one encoder pass and every head, and keeps a window that
//! fails from failing its neighbours.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use rust_bert::bert::{BertConfig, BertEmbeddings, BertModel};
use tch::{Device, Kind, TchError, Tensor, nn};

use super::batch::{answer, padded, plan};
use super::bert::{Bert, Kinds, TaskHeads, WORD_EMBEDDINGS, mean_pool, normalise, pad, reference};
use crate::nlp::engine::{Engine, EngineError, Target, Window, WindowOutput};
use crate::nlp::labels::LabelKind;
use crate::nlp::pack::{Pack, PackError};

/// How numbers are kept while the encoder runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// rust-bert's own forward in single precision: what the others are measured against.
    #[default]
    Reference,
    /// Single precision with fused attention.
    F32,
    /// bfloat16; quick where the processor multiplies it by itself.
    Bf16,
}

/// Settings of a [`TorchEngine`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TorchOptions {
    /// Threads of one operator; 0 leaves libtorch's own choice. The first engine of a process sets it for all.
    pub threads: usize,
    /// Number formats.
    pub precision: Precision,
    /// Most tokens of one batch, padding included.
    pub batch_tokens: usize,
}

impl Default for TorchOptions {
    fn default() -> Self {
        Self { threads: 0, precision: Precision::default(), batch_tokens: 2_048 }
    }
}

enum Forward {
    Reference(Box<BertModel<BertEmbeddings>>),
    Fused(Bert),
}

/// A pack's encoder and heads in memory. It may be sent to another thread, not shared.
pub struct TorchEngine {
    forward: Forward,
    /// Token embeddings in single precision.
    words: Tensor,
    heads: TaskHeads,
    positions: usize,
    vocabulary: usize,
    batch_tokens: usize,
}

static THREADS: Once = Once::new();

impl TorchEngine {
    /// Reads `config.json` and `model.safetensors` of the pack; half-precision weights become single.
    pub fn load(pack: &Pack, options: TorchOptions) -> Result<Self, PackError> {
        if options.threads > 0 {
            THREADS.call_once(|| tch::set_num_threads(i32::try_from(options.threads).unwrap_or(i32::MAX)));
        }
        let config_path = pack.dir.join("config.json");
        let text = std::fs::read_to_string(&config_path)
            .map_err(|source| PackError::Read { path: config_path.clone(), source })?;
        let config: BertConfig = serde_json::from_str(&text)
            .map_err(|error| PackError::Load { path: config_path, reason: error.to_string() })?;
        let weights = pack.dir.join("model.safetensors");
        // libtorch panics on sizes it cannot allocate; a damaged pack must stay an error.
        catch_unwind(|| Self::build(&config, pack, options))
            .unwrap_or_else(|_| Err("libtorch refused the sizes in config.json".to_owned()))
            .map_err(|reason| PackError::Load { path: weights, reason })
    }

    fn build(config: &BertConfig, pack: &Pack, options: TorchOptions) -> Result<Self, String> {
        let failed = |error: TchError| error.to_string();
        let mut store = nn::VarStore::new(Device::Cpu);
        let model = reference(&store.root(), config);
        let heads = TaskHeads::new(&store.root(), config.hidden_size, &pack.manifest.heads);
        tch::no_grad(|| store.read_safetensors(pack.dir.join("model.safetensors"))).map_err(failed)?;
        store.freeze();
        let kinds = match options.precision {
            Precision::Reference => None,
            Precision::F32 => Some(Kinds::F32),
            Precision::Bf16 => Some(Kinds::BF16),
        };
        let mut variables = store.variables();
        let forward = match kinds {
            None => Forward::Reference(Box::new(model)),
            Some(kinds) => {
                Forward::Fused(tch::no_grad(|| Bert::new(&variables, config, kinds)).map_err(failed)?)
            }
        };
        let words = variables.remove(WORD_EMBEDDINGS).ok_or("the encoder has no token embeddings")?;
        Ok(Self {
            forward,
            words,
            heads,
            positions: usize::try_from(config.max_position_embeddings).unwrap_or(0),
            vocabulary: usize::try_from(config.vocab_size).unwrap_or(0),
            batch_tokens: options.batch_tokens.max(1),
        })
    }

    fn check(&self, window: &Window) -> Result<(), EngineError> {
        if window.ids.is_empty() || window.ids.len() > self.positions {
            return Err(EngineError::WindowLength { len: window.ids.len(), max: self.positions });
        }
        match window.ids.iter().find(|id| **id as usize >= self.vocabulary) {
            Some(id) => Err(EngineError::UnknownToken { id: *id, size: self.vocabulary }),
            None => Ok(()),
        }
    }

    /// Hidden states from token embeddings.
    fn encode(&self, embedded: &Tensor, mask: Option<&Tensor>) -> Result<Tensor, TchError> {
        match &self.forward {
            Forward::Reference(model) => {
                let numbers = mask.map(|mask| mask.f_to_kind(Kind::Int64)).transpose()?;
                model
                    .forward_t(None, numbers.as_ref(), None, None, Some(embedded), None, None, false)
                    .map(|output| output.hidden_state)
                    .map_err(|error| TchError::Torch(error.to_string()))
            }
            Forward::Fused(bert) => bert.forward(embedded, mask),
        }
    }

    /// Gradient × input: the derivative of the label's logit by each token's embedding, times that embedding, summed
    /// over the hidden size (Simonyan et al. 2013, Shrikumar et al. 2016). One pass, and one way back per target.
    fn gradients(
        &self,
        window: &Window,
        targets: &[Target],
        length: usize,
    ) -> Result<Vec<Vec<f32>>, Failure> {
        let (ids, mask) = pad(&[window.ids.as_slice()], length)?;
        let embedded = tch::no_grad(|| Tensor::f_embedding(&self.words, &ids, -1, false, false))?;
        let embedded = embedded.f_detach()?.f_set_requires_grad(true)?;
        let pooled = mean_pool(&self.encode(&embedded, mask.as_ref())?, mask.as_ref())?;
        let [sentiment, intents, stage, emotions, signals] = self.heads.forward(&pooled)?;
        let mut weights = Vec::with_capacity(targets.len());
        for Target { kind, label } in targets {
            let head = match kind {
                LabelKind::Sentiment => &sentiment,
                LabelKind::Intent => &intents,
                LabelKind::Stage => &stage,
                LabelKind::Emotion => &emotions,
                LabelKind::Signal => &signals,
            };
            let column =
                i64::try_from(*label).ok().filter(|column| *column < head.size2().map_or(0, |s| s.1));
            let Some(column) = column else {
                return Err(Failure(EngineError::UnknownLabel { kind: *kind, label: *label }));
            };
            let logit = head.f_select(1, column)?.f_sum(Kind::Float)?;
            let gradient = Tensor::f_run_backward(&[logit], &[&embedded], true, false)?;
            let gradient = gradient.first().ok_or_else(|| Failure::from("no gradient".to_owned()))?;
            let products = gradient.f_mul(&embedded.f_detach()?)?;
            let sums = products.f_sum_dim_intlist([-1i64].as_slice(), false, Kind::Float)?.f_select(0, 0)?;
            let mut sums = Vec::<f32>::try_from(sums)?;
            sums.truncate(window.ids.len());
            for special in [0, window.ids.len().saturating_sub(1)] {
                sums.get_mut(special).into_iter().for_each(|weight| *weight = 0.0);
            }
            weights.push(sums);
        }
        Ok(weights)
    }

    fn run(&self, windows: &[&Window]) -> Result<Vec<WindowOutput>, TchError> {
        let sequences: Vec<&[u32]> = windows.iter().map(|window| window.ids.as_slice()).collect();
        let longest = sequences.iter().map(|ids| ids.len()).max().unwrap_or(0);
        let length = padded(longest).min(self.positions);
        let (ids, mask) = pad(&sequences, length)?;
        let embedded = Tensor::f_embedding(&self.words, &ids, -1, false, false)?;
        let hidden = self.encode(&embedded, mask.as_ref())?;
        let pooled = mean_pool(&hidden, mask.as_ref())?;
        let [sentiment, intents, stage, emotions, signals] = self.heads.forward(&pooled)?;
        let columns = [sentiment, intents, stage, emotions, signals, normalise(&pooled)?];
        let [sentiment, intents, stage, emotions, signals, embedding] =
            columns.map(Vec::<Vec<f32>>::try_from);
        let heads = [sentiment?, intents?, stage?, emotions?, signals?];
        let [sentiment, intents, stage, emotions, signals] = heads.map(Vec::into_iter);
        let outputs =
            embedding?.into_iter().zip(sentiment).zip(intents).zip(stage).zip(emotions).zip(signals).map(
                |(((((embedding, sentiment), intents), stage), emotions), signals)| WindowOutput {
                    sentiment,
                    intents,
                    stage,
                    emotions,
                    signals,
                    embedding,
                },
            );
        Ok(outputs.collect())
    }
}

/// Makes the errors of a run those of a window.
struct Failure(EngineError);

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self(EngineError::Runtime(reason))
    }
}

impl From<TchError> for Failure {
    fn from(error: TchError) -> Self {
        Self(EngineError::Runtime(error.to_string()))
    }
}

impl Engine for TorchEngine {
    fn infer(&mut self, windows: &[Window]) -> Vec<Result<WindowOutput, EngineError>> {
        let mut answers: Vec<Result<WindowOutput, EngineError>> = Vec::with_capacity(windows.len());
        let mut lengths = Vec::with_capacity(windows.len());
        for (index, window) in windows.iter().enumerate() {
            match self.check(window) {
                Ok(()) => {
                    lengths.push((index, window.ids.len()));
                    answers.push(Err(EngineError::Runtime("not answered".to_owned())));
                }
                Err(error) => answers.push(Err(error)),
            }
        }
        let engine = &*self;
        let mut run = |batch: &[usize]| {
            let batch: Vec<&Window> = batch.iter().map(|index| &windows[*index]).collect();
            match catch_unwind(AssertUnwindSafe(|| tch::no_grad(|| engine.run(&batch)))) {
                Ok(Ok(outputs)) => Ok(outputs),
                Ok(Err(error)) => Err(Failure::from(error.to_string())),
                Err(_) => Err(Failure::from("libtorch panicked".to_owned())),
            }
        };
        for batch in plan(&lengths, self.batch_tokens) {
            answer(&batch, &mut run, &mut |index, output| {
                answers[index] = output.map_err(|failure| failure.0).and_then(finite);
            });
        }
        answers
    }

    fn explain(&mut self, window: &Window, targets: &[Target]) -> Result<Vec<Vec<f32>>, EngineError> {
        self.check(window)?;
        // A panic in an earlier batch may have left gradients switched off.
        let length = padded(window.ids.len()).min(self.positions);
        let gradients = || tch::with_grad(|| self.gradients(window, targets, length));
        catch_unwind(AssertUnwindSafe(gradients))
            .unwrap_or_else(|_| Err(Failure::from("libtorch panicked".to_owned())))
            .map_err(|failure| failure.0)
    }
}

fn finite(output: WindowOutput) -> Result<WindowOutput, EngineError> {
    let parts = [
        &output.sentiment,
        &output.intents,
        &output.stage,
        &output.emotions,
        &output.signals,
        &output.embedding,
    ];
    if parts.iter().all(|part| part.iter().all(|value| value.is_finite())) {
        return Ok(output);
    }
    Err(EngineError::Runtime("the encoder gave a number that is not finite".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nlp::tokens::Tokens;
    use std::path::Path;

    #[test]
    fn padding_takes_no_part_in_an_explanation() {
        let pack = Pack::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models/core")).unwrap();
        let tokens = Tokens::load(&pack).unwrap();
        for precision in [Precision::Reference, Precision::F32] {
            let options = TorchOptions { precision, ..TorchOptions::default() };
            let engine = TorchEngine::load(&pack, options).unwrap();
            for text in ["the parcel came late and broken", "Il servizio è stato pessimo"] {
                let window = tokens.windows(text).unwrap().remove(0);
                let targets = [
                    Target { kind: LabelKind::Sentiment, label: 0 },
                    Target { kind: LabelKind::Stage, label: 4 },
                ];
                let weights = |more: usize| {
                    let length = window.ids.len() + more;
                    engine.gradients(&window, &targets, length).map_err(|failure| failure.0).unwrap()
                };
                let bare = weights(0);
                let top = bare.iter().flatten().map(|weight| weight.abs()).fold(0.0, f32::max);
                assert!(top > 0.0);
                for padding in [1, 5, 40] {
                    for (a, b) in bare.iter().flatten().zip(weights(padding).iter().flatten()) {
                        assert!((a - b).abs() < 1e-3 * top, "{text} {padding}: {a} {b}");
                    }
                }
            }
        }
    }
}
