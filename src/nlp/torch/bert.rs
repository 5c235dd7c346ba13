//! A BERT forward written on tensors: one product for query, key and value, fused attention, and a choice of precision.
//! It reads the variables of `rust_bert::bert::BertModel` by name, is differentiable, and is tested against that model.

use std::collections::HashMap;

use rust_bert::bert::{BertConfig, BertEmbeddings, BertModel};
use tch::{Kind, TchError, Tensor, nn};

use crate::nlp::pack::Heads;

/// Name of the token embedding table among the variables.
pub const WORD_EMBEDDINGS: &str = "embeddings.word_embeddings.weight";

const LAYER_NORM_EPS: f64 = 1e-12;

/// Which number formats a forward uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kinds {
    /// Of matrix products and attention.
    pub matmul: Kind,
    /// Of the residual stream and its layer norms.
    pub stream: Kind,
}

impl Kinds {
    /// Single precision everywhere.
    pub const F32: Self = Self { matmul: Kind::Float, stream: Kind::Float };
    /// Products in bfloat16, residuals in single precision: for training, and for inference in bfloat16.
    pub const MIXED: Self = Self { matmul: Kind::BFloat16, stream: Kind::Float };
    /// bfloat16 everywhere but in the pooled vector and the heads: quick, and twice as far from the reference.
    pub const BF16: Self = Self { matmul: Kind::BFloat16, stream: Kind::BFloat16 };
}

struct Affine {
    weight: Tensor,
    bias: Tensor,
}

impl Affine {
    fn linear(&self, x: &Tensor) -> Result<Tensor, TchError> {
        x.f_linear(&self.weight, Some(&self.bias))
    }

    fn norm(&self, x: &Tensor) -> Result<Tensor, TchError> {
        x.f_layer_norm(
            [x.size().last().copied().unwrap_or(0)],
            Some(&self.weight),
            Some(&self.bias),
            LAYER_NORM_EPS,
            false,
        )
    }
}

struct Layer {
    qkv: Affine,
    attended: Affine,
    attention_norm: Affine,
    up: Affine,
    down: Affine,
    output_norm: Affine,
}

/// The encoder ready to run. Made once for inference, once a step for training (casting is part of the gradient).
pub struct Bert {
    layers: Vec<Layer>,
    positions: Tensor,
    segment: Tensor,
    norm: Affine,
    heads: i64,
    kinds: Kinds,
    /// Share of the values left out at random; only in training.
    dropout: f64,
}

impl Bert {
    /// Takes the encoder's variables out of `variables`, under the names rust-bert gives them.
    pub fn new(
        variables: &HashMap<String, Tensor>,
        config: &BertConfig,
        kinds: Kinds,
    ) -> Result<Self, TchError> {
        let of = |name: &str, kind: Kind| {
            let tensor = variables.get(name).ok_or_else(|| {
                TchError::TensorNameNotFound(name.to_owned(), "the encoder's variables".to_owned())
            })?;
            tensor.f_to_kind(kind)
        };
        let affine = |name: &str, kind: Kind| {
            Ok::<_, TchError>(Affine {
                weight: of(&format!("{name}.weight"), kind)?,
                bias: of(&format!("{name}.bias"), kind)?,
            })
        };
        let mut layers = Vec::new();
        for number in 0..config.num_hidden_layers {
            let at = |part: &str| format!("encoder.layer.{number}.{part}");
            let parts = ["query", "key", "value"]
                .map(|part| affine(&at(&format!("attention.self.{part}")), kinds.matmul));
            let [query, key, value] = parts;
            let (query, key, value) = (query?, key?, value?);
            layers.push(Layer {
                qkv: Affine {
                    weight: Tensor::f_cat(&[&query.weight, &key.weight, &value.weight], 0)?,
                    bias: Tensor::f_cat(&[&query.bias, &key.bias, &value.bias], 0)?,
                },
                attended: affine(&at("attention.output.dense"), kinds.matmul)?,
                attention_norm: affine(&at("attention.output.LayerNorm"), kinds.stream)?,
                up: affine(&at("intermediate.dense"), kinds.matmul)?,
                down: affine(&at("output.dense"), kinds.matmul)?,
                output_norm: affine(&at("output.LayerNorm"), kinds.stream)?,
            });
        }
        Ok(Self {
            layers,
            positions: of("embeddings.position_embeddings.weight", Kind::Float)?,
            segment: of("embeddings.token_type_embeddings.weight", Kind::Float)?.f_select(0, 0)?,
            norm: affine("embeddings.LayerNorm", Kind::Float)?,
            heads: config.num_attention_heads,
            kinds,
            dropout: 0.0,
        })
    }

    /// With dropout after the embeddings, in the attention, and on what each layer adds, as BERT is trained.
    #[must_use]
    pub fn with_dropout(self, share: f64) -> Self {
        Self { dropout: share, ..self }
    }

    fn thinned(&self, x: Tensor) -> Result<Tensor, TchError> {
        if self.dropout == 0.0 { Ok(x) } else { x.f_dropout(self.dropout, true) }
    }

    /// Hidden states `[batch, length, hidden]` from token vectors of that shape. `mask` is `[batch, length]`, true for
    /// tokens and false for padding; none when nothing is padded.
    pub fn forward(&self, words: &Tensor, mask: Option<&Tensor>) -> Result<Tensor, TchError> {
        self.encode(&self.embed(words)?, mask)
    }

    /// What the first layer reads, `[batch, length, hidden]`: token vectors with their positions added, normalised.
    pub fn embed(&self, words: &Tensor) -> Result<Tensor, TchError> {
        let (_, length, _) = words.size3()?;
        let embedded = words.f_add(&self.positions.f_narrow(0, 0, length)?)?.f_add(&self.segment)?;
        self.norm.norm(&embedded)
    }

    /// Hidden states from what [`Bert::embed`] gives.
    pub fn encode(&self, embedded: &Tensor, mask: Option<&Tensor>) -> Result<Tensor, TchError> {
        Ok(self.encode_through(embedded, mask)?.0)
    }

    /// The same, and the hidden states after [`inner_layer`].
    pub fn encode_through(
        &self,
        embedded: &Tensor,
        mask: Option<&Tensor>,
    ) -> Result<(Tensor, Tensor), TchError> {
        let (batch, length, hidden) = embedded.size3()?;
        let mut stream = self.thinned(embedded.f_to_kind(self.kinds.stream)?)?;
        // tch 0.17 cannot leave the mask of attention out: nothing padded is a mask of zeros.
        let bias = match mask {
            Some(mask) => additive(mask, self.kinds.matmul)?,
            None => Tensor::f_zeros([1, 1, 1, length], (self.kinds.matmul, embedded.device()))?,
        };
        let bias = bias.f_expand([batch, self.heads, length, length], false)?;
        let tapped = inner_layer(self.layers.len());
        let mut inner = stream.shallow_clone();
        for (number, layer) in self.layers.iter().enumerate() {
            let qkv = layer.qkv.linear(&stream.f_to_kind(self.kinds.matmul)?)?;
            let parts = qkv
                .f_view([batch, length, 3, self.heads, hidden / self.heads])?
                .f_permute([2, 0, 3, 1, 4])?;
            let context = Tensor::f_scaled_dot_product_attention(
                &parts.f_select(0, 0)?,
                &parts.f_select(0, 1)?,
                &parts.f_select(0, 2)?,
                Some(&bias),
                self.dropout,
                false,
                None,
            )?;
            let context = context.f_transpose(1, 2)?.f_reshape([batch, length, hidden])?;
            let attended = self.thinned(layer.attended.linear(&context)?)?;
            stream = layer.attention_norm.norm(&stream.f_add(&attended)?)?;
            let widened = layer.up.linear(&stream.f_to_kind(self.kinds.matmul)?)?.f_gelu("none")?;
            let outer = self.thinned(layer.down.linear(&widened)?)?;
            stream = layer.output_norm.norm(&stream.f_add(&outer)?)?;
            if number == tapped {
                inner = stream.shallow_clone();
            }
        }
        Ok((stream, inner))
    }
}

/// Which of so many layers, from 0, tells best what texts are about before the last ones turn to the pack's own labels: the
/// last of the first two thirds.
pub fn inner_layer(layers: usize) -> usize {
    (layers * 2 / 3).saturating_sub(1)
}

fn additive(mask: &Tensor, kind: Kind) -> Result<Tensor, TchError> {
    mask.f_logical_not()?.f_to_kind(kind)?.f_mul_scalar(-10_000.0)?.f_unsqueeze(1)?.f_unsqueeze(1)
}

/// Mean of the hidden states over the tokens, `[batch, hidden]` in single precision.
pub fn mean_pool(hidden: &Tensor, mask: Option<&Tensor>) -> Result<Tensor, TchError> {
    let hidden = hidden.f_to_kind(Kind::Float)?;
    match mask {
        None => hidden.f_mean_dim([1i64].as_slice(), false, Kind::Float),
        Some(mask) => {
            let weights = mask.f_to_kind(Kind::Float)?.f_unsqueeze(-1)?;
            let sum = hidden.f_mul(&weights)?.f_sum_dim_intlist([1i64].as_slice(), false, Kind::Float)?;
            sum.f_div(&weights.f_sum_dim_intlist([1i64].as_slice(), false, Kind::Float)?)
        }
    }
}

/// Rows scaled to length 1.
pub fn normalise(vectors: &Tensor) -> Result<Tensor, TchError> {
    let length = vectors.f_norm_scalaropt_dim(2.0, [-1i64], true)?;
    vectors.f_div(&length.f_clamp_min(1e-12)?)
}

/// Token ids padded to `length`, `[batch, length]`, and their mask, which is none when nothing is padded.
pub fn pad(sequences: &[&[u32]], length: usize) -> Result<(Tensor, Option<Tensor>), TchError> {
    let mut ids = vec![0i64; sequences.len() * length];
    let mut mask = vec![false; ids.len()];
    for (row, sequence) in sequences.iter().enumerate() {
        for (column, id) in sequence.iter().take(length).enumerate() {
            ids[row * length + column] = i64::from(*id);
            mask[row * length + column] = true;
        }
    }
    let shape = [sequences.len() as i64, length as i64];
    let padded = mask.contains(&false);
    let ids = Tensor::f_from_slice(&ids)?.f_view(shape)?;
    Ok((ids, if padded { Some(Tensor::f_from_slice(&mask)?.f_view(shape)?) } else { None }))
}

/// The five heads: linear layers on the pooled vector.
pub struct TaskHeads {
    heads: [nn::Linear; 5],
}

impl TaskHeads {
    /// Variables `heads.<name>.weight` and `.bias` under `root`.
    pub fn new(root: &nn::Path<'_>, hidden: i64, heads: &Heads) -> Self {
        let sizes = [
            ("sentiment", heads.sentiment.labels.len()),
            ("intents", heads.intents.labels.len()),
            ("stage", heads.stage.labels.len()),
            ("emotions", heads.emotions.labels.len()),
            ("signals", heads.signals.labels.len()),
        ];
        let linear = |(name, size): (&str, usize)| {
            nn::linear(root / "heads" / name, hidden, size as i64, nn::LinearConfig::default())
        };
        Self { heads: sizes.map(linear) }
    }

    /// Logits of sentiment, intents, stage, emotions and signals, each `[batch, labels]`.
    pub fn forward(&self, pooled: &Tensor) -> Result<[Tensor; 5], TchError> {
        let [sentiment, intents, stage, emotions, signals] =
            self.heads.each_ref().map(|head| pooled.f_linear(&head.ws, head.bs.as_ref()));
        Ok([sentiment?, intents?, stage?, emotions?, signals?])
    }
}

/// Creates the encoder's variables under `root` and gives rust-bert's own model on them.
pub fn reference(root: &nn::Path<'_>, config: &BertConfig) -> BertModel<BertEmbeddings> {
    BertModel::new_with_optional_pooler(root, config, false)
}

#[cfg(test)]
mod tests;
