//! `Engine` on libtorch: checks windows, forms batches, runs one encoder pass and every head, and keeps a window that
//! fails from failing its neighbours.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use rust_bert::bert::{BertConfig, BertEmbeddings, BertModel};
use tch::{Device, Kind, TchError, Tensor, nn};

use super::batch::{answer, padded, plan};
use super::bert::{
    Bert, Kinds, TaskHeads, WORD_EMBEDDINGS, inner_layer, mean_pool, normalise, pad, reference,
};
use super::whitening::Whitening;
use crate::nlp::engine::{Engine, EngineError, Target, Window, WindowOutput};
use crate::nlp::pack::{Pack, PackError};

/// How numbers are kept while the encoder runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// rust-bert's own forward in single precision: what the others are measured against.
    #[default]
    Reference,
    /// Single precision with fused attention.
    F32,
    /// Products in bfloat16, residuals in single precision; quick where the processor multiplies bfloat16 by itself.
    Bf16,
}

impl Precision {
    /// The quickest that this processor computes by itself. Processors with AMX have the instructions looked for, too.
    pub fn of_this_processor() -> Self {
        #[cfg(target_arch = "x86_64")]
        let has_bf16 = std::is_x86_feature_detected!("avx512bf16");
        #[cfg(not(target_arch = "x86_64"))]
        let has_bf16 = false;
        if has_bf16 { Self::Bf16 } else { Self::F32 }
    }

    /// Its name in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }
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

/// A pack's encoder and heads in memory. It may be sent to another thread, not shared.
pub struct TorchEngine {
    /// rust-bert's own forward, where it is to answer.
    reference: Option<Box<BertModel<BertEmbeddings>>>,
    /// In single precision: explanations come from it whatever answers.
    pub(super) bert: Bert,
    /// In lower precision, where that is to answer.
    lower: Option<Bert>,
    /// Where the pack has one.
    whitening: Option<Whitening>,
    /// Token embeddings in single precision.
    pub(super) words: Tensor,
    pub(super) heads: TaskHeads,
    positions: usize,
    vocabulary: usize,
    batch_tokens: usize,
}

static THREADS: Once = Once::new();

pub(super) fn set_threads(threads: usize) {
    if threads > 0 {
        THREADS.call_once(|| tch::set_num_threads(i32::try_from(threads).unwrap_or(i32::MAX)));
    }
}

impl TorchEngine {
    /// Reads `config.json` and `model.safetensors` of the pack; half-precision weights become single.
    pub fn load(pack: &Pack, options: TorchOptions) -> Result<Self, PackError> {
        set_threads(options.threads);
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
        let config = &BertConfig { output_hidden_states: Some(true), ..config.clone() };
        let mut store = nn::VarStore::new(Device::Cpu);
        let model = reference(&store.root(), config);
        let heads = TaskHeads::new(&store.root(), config.hidden_size, &pack.manifest.heads);
        tch::no_grad(|| store.read_safetensors(pack.dir.join("model.safetensors"))).map_err(failed)?;
        store.freeze();
        let whitening = Whitening::read(&pack.dir.join("model.safetensors")).map_err(failed)?;
        let mut variables = store.variables();
        let (reference, kinds) = match options.precision {
            Precision::Reference => (Some(Box::new(model)), None),
            Precision::F32 => (None, None),
            Precision::Bf16 => (None, Some(Kinds::MIXED)),
        };
        let of_kinds = |kinds| tch::no_grad(|| Bert::new(&variables, config, kinds)).map_err(failed);
        let bert = of_kinds(Kinds::F32)?;
        let lower = kinds.map(of_kinds).transpose()?;
        let words = variables.remove(WORD_EMBEDDINGS).ok_or("the encoder has no token embeddings")?;
        Ok(Self {
            reference,
            bert,
            lower,
            whitening,
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

    fn run(&self, windows: &[&Window]) -> Result<Vec<WindowOutput>, TchError> {
        let sequences: Vec<&[u32]> = windows.iter().map(|window| window.ids.as_slice()).collect();
        let longest = sequences.iter().map(|ids| ids.len()).max().unwrap_or(0);
        let length = padded(longest).min(self.positions);
        let (ids, mask) = pad(&sequences, length)?;
        let (hidden, inner) = match &self.reference {
            Some(model) => {
                let numbers = mask.as_ref().map(|mask| mask.f_to_kind(Kind::Int64)).transpose()?;
                let output = model
                    .forward_t(Some(&ids), numbers.as_ref(), None, None, None, None, None, false)
                    .map_err(|error| TchError::Torch(error.to_string()))?;
                let layers = output.all_hidden_states.unwrap_or_default();
                let inner = layers.get(inner_layer(layers.len())).map(Tensor::shallow_clone);
                (output.hidden_state, inner.ok_or_else(|| TchError::Torch("no inner layer".to_owned()))?)
            }
            None => {
                let words = Tensor::f_embedding(&self.words, &ids, -1, false, false)?;
                let bert = self.lower.as_ref().unwrap_or(&self.bert);
                bert.encode_through(&bert.embed(&words)?, mask.as_ref())?
            }
        };
        let pooled = mean_pool(&hidden, mask.as_ref())?;
        let [sentiment, intents, stage, emotions, signals] = self.heads.forward(&pooled)?;
        let inner = normalise(&mean_pool(&inner, mask.as_ref())?)?;
        let embedding = normalise(&pooled)?;
        let spread = self.whitening.as_ref().map(|whitening| whitening.apply(&embedding)).transpose()?;
        let columns = [sentiment, intents, stage, emotions, signals, embedding, inner];
        let [sentiment, intents, stage, emotions, signals, embedding, inner] =
            columns.map(Vec::<Vec<f32>>::try_from);
        let heads = [sentiment?, intents?, stage?, emotions?, signals?];
        let [sentiment, intents, stage, emotions, signals] = heads.map(Vec::into_iter);
        let outputs = embedding?
            .into_iter()
            .zip(inner?)
            .zip(sentiment)
            .zip(intents)
            .zip(stage)
            .zip(emotions)
            .zip(signals)
            .map(|((((((embedding, inner), sentiment), intents), stage), emotions), signals)| {
                let last = Vec::new();
                WindowOutput { sentiment, intents, stage, emotions, signals, embedding, last, inner }
            });
        let mut outputs: Vec<WindowOutput> = outputs.collect();
        if let Some(spread) = spread {
            for (output, row) in outputs.iter_mut().zip(Vec::<Vec<f32>>::try_from(spread)?) {
                output.last = std::mem::replace(&mut output.embedding, row);
            }
        }
        Ok(outputs)
    }
}

/// Makes the errors of a run those of a window.
pub(super) struct Failure(pub(super) EngineError);

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
        let attribute = || tch::with_grad(|| self.attribute(window, targets, length));
        catch_unwind(AssertUnwindSafe(attribute))
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
        &output.last,
        &output.inner,
    ];
    if parts.iter().all(|part| part.iter().all(|value| value.is_finite())) {
        return Ok(output);
    }
    Err(EngineError::Runtime("the encoder gave a number that is not finite".to_owned()))
}
