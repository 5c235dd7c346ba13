//! Which tokens carried a label: gradient × input, averaged along the way from an empty window (integrated gradients,
//! Sundararajan et al. 2017). The gradient at the text alone says little here: the layer norm over the embeddings takes
//! out what lies along them, and a sure label has next to none.

use tch::{Kind, Tensor};

use super::bert::{mean_pool, pad};
use super::engine::{Failure, TorchEngine};
use crate::nlp::engine::{EngineError, Target, Window};
use crate::nlp::labels::LabelKind;

/// Points on the way and what each counts, by Gauss and Legendre: five of them name the words that are missed most as well as
/// sixteen equal ones do. They go through the encoder as one batch.
const POINTS: ([f32; 5], [f32; 5]) = (
    [0.046_910_077, 0.230_765_35, 0.5, 0.769_234_66, 0.953_089_9],
    [0.118_463_44, 0.239_314_34, 0.284_444_45, 0.239_314_34, 0.118_463_44],
);
/// The same for a window of more than [`SHORT`] tokens, where each costs much.
const FEW_POINTS: ([f32; 3], [f32; 3]) =
    ([0.112_701_67, 0.5, 0.887_298_35], [5.0 / 18.0, 8.0 / 18.0, 5.0 / 18.0]);
const SHORT: usize = 48;
/// What stands for an empty place, `[PAD]`.
const EMPTY: i64 = 0;

impl TorchEngine {
    /// The weights of [`crate::nlp::engine::Engine::explain`], the window padded to `length`: the difference between
    /// what the first layer reads of a token and of an empty place, times the mean gradient of the label's logit on the
    /// way from one to the other, summed over the hidden size. One pass over the points, and one way back per target.
    pub(super) fn attribute(
        &self,
        window: &Window,
        targets: &[Target],
        length: usize,
    ) -> Result<Vec<Vec<f32>>, Failure> {
        let (ids, mask) = pad(&[window.ids.as_slice()], length)?;
        let last = window.ids.len().saturating_sub(1);
        let mut bare = window.ids.clone();
        bare.iter_mut().take(last).skip(1).for_each(|id| *id = EMPTY as u32);
        let (bare, _) = pad(&[bare.as_slice()], length)?;
        let read = |ids: &Tensor| {
            tch::no_grad(|| self.bert.embed(&Tensor::f_embedding(&self.words, ids, -1, false, false)?))
        };
        let from = read(&bare)?;
        let way = read(&ids)?.f_sub(&from)?;
        let (places, parts): (&[f32], &[f32]) =
            if window.ids.len() > SHORT { (&FEW_POINTS.0, &FEW_POINTS.1) } else { (&POINTS.0, &POINTS.1) };
        let column = |values: &[f32]| Tensor::f_from_slice(values)?.f_view([-1, 1, 1]);
        let (shares, parts) = (column(places)?, column(parts)?);
        let points = from.f_add(&way.f_mul(&shares)?)?.f_detach()?.f_set_requires_grad(true)?;
        let size = i64::try_from(length).unwrap_or(i64::MAX);
        let mask = mask.map(|mask| mask.f_expand([shares.size()[0], size], false)).transpose()?;
        let pooled = mean_pool(&self.bert.encode(&points, mask.as_ref())?, mask.as_ref())?;
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
            let (_, labels) = head.size2()?;
            let Some(column) = i64::try_from(*label).ok().filter(|column| *column < labels) else {
                return Err(Failure(EngineError::UnknownLabel { kind: *kind, label: *label }));
            };
            let logit = head.f_select(1, column)?.f_sum(Kind::Float)?;
            let gradient = Tensor::f_run_backward(&[logit], &[&points], true, false)?;
            let gradient = gradient.first().ok_or_else(|| Failure::from("no gradient".to_owned()))?;
            let mean = gradient.f_mul(&parts)?.f_sum_dim_intlist([0i64].as_slice(), true, Kind::Float)?;
            let sums = mean.f_mul(&way)?.f_sum_dim_intlist([-1i64].as_slice(), false, Kind::Float)?;
            let mut sums = Vec::<f32>::try_from(sums.f_select(0, 0)?)?;
            sums.truncate(window.ids.len());
            // Special tokens stand at both ends of the way.
            for special in [0, last] {
                sums.get_mut(special).into_iter().for_each(|weight| *weight = 0.0);
            }
            weights.push(sums);
        }
        Ok(weights)
    }
}

#[cfg(test)]
mod tests {
    use super::super::engine::{Precision, TorchOptions};
    use super::*;
    use crate::nlp::pack::Pack;
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
                    engine.attribute(&window, &targets, length).map_err(|failure| failure.0).unwrap()
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
