//! What a batch of rows costs: cross entropies of the heads that each row knows.

use tch::{Kind, Tensor};

use super::TrainError;
use super::recipe::HeadWeights;
use super::target::{StageTarget, Target};

/// Mass of the first of several intents; the others share the rest.
const FIRST_INTENT: f32 = 0.65;
/// Mass spread evenly over the labels, against overconfidence.
const SMOOTHING: f32 = 0.05;

/// A training row as the encoder takes it.
pub(super) struct Sample {
    pub ids: Vec<u32>,
    pub target: Target,
    pub weight: f32,
    /// Number of an auxiliary head and the row's label there.
    pub auxiliary: Option<(usize, usize)>,
}

/// The labels of a softmax head, empty for its last one, that none holds; none when the row does not know the head.
type SoftTarget<'a> = &'a dyn Fn(&Target) -> Option<Vec<usize>>;

/// Loss of the five heads over a batch.
pub(super) fn tasks(
    logits: &[Tensor; 5],
    rows: &[&Sample],
    weights: &HeadWeights,
) -> Result<Tensor, TrainError> {
    let [sentiment, intents, stage, emotions, signals] = logits;
    let soft = |logits: &Tensor, of: SoftTarget<'_>| {
        let labels = logits.size()[1] as usize;
        let (mut wanted, mut parts) = (vec![0.0f32; rows.len() * labels], vec![0.0f32; rows.len()]);
        for (row, sample) in rows.iter().enumerate() {
            if let Some(truth) = of(&sample.target) {
                spread(&mut wanted[row * labels..(row + 1) * labels], &truth);
                parts[row] = sample.weight;
            }
        }
        let wanted = Tensor::from_slice(&wanted).f_view([rows.len() as i64, labels as i64])?;
        let each = logits.f_log_softmax(-1, Kind::Float)?.f_mul(&wanted)?;
        let each = each.f_sum_dim_intlist([-1i64].as_slice(), false, Kind::Float)?.f_neg()?;
        weighted(&each, &parts)
    };
    let independent = |logits: &Tensor, of: &dyn Fn(&Target) -> Option<Vec<usize>>| {
        let labels = logits.size()[1] as usize;
        let (mut wanted, mut parts) = (vec![0.0f32; rows.len() * labels], vec![0.0f32; rows.len()]);
        for (row, sample) in rows.iter().enumerate() {
            if let Some(truth) = of(&sample.target) {
                truth.iter().for_each(|label| wanted[row * labels + label] = 1.0);
                parts[row] = sample.weight;
            }
        }
        let wanted = Tensor::from_slice(&wanted).f_view([rows.len() as i64, labels as i64])?;
        // log(1 + e^x) − x·y is the cross entropy of a sigmoid.
        let each = logits.f_softplus()?.f_sub(&logits.f_mul(&wanted)?)?;
        weighted(&each.f_sum_dim_intlist([-1i64].as_slice(), false, Kind::Float)?, &parts)
    };
    let total = [
        soft(sentiment, &|target| target.sentiment.map(|label| vec![label]))?
            .f_mul_scalar(weights.sentiment)?,
        soft(intents, &|target| target.intents.clone())?.f_mul_scalar(weights.intents)?,
        soft(stage, &|target| match target.stage {
            StageTarget::Unknown => None,
            StageTarget::Nobody => Some(Vec::new()),
            StageTarget::At(label) => Some(vec![label]),
        })?
        .f_mul_scalar(weights.stage)?,
        independent(emotions, &|target| target.emotions.clone())?.f_mul_scalar(weights.emotions)?,
        independent(signals, &|target| target.signals.clone())?.f_mul_scalar(weights.signals)?,
    ];
    Ok(Tensor::f_stack(&total, 0)?.f_sum(Kind::Float)?)
}

/// Sum of the rows' losses by their parts, over the size of the batch: a batch in which few rows know a head moves
/// that head little.
fn weighted(each: &Tensor, parts: &[f32]) -> Result<Tensor, TrainError> {
    Ok(each.f_mul(&Tensor::from_slice(parts))?.f_sum(Kind::Float)?.f_div_scalar(parts.len().max(1) as f64)?)
}

/// Puts a distribution over the labels: most on the first of `truth`, on the last label when it is empty.
fn spread(wanted: &mut [f32], truth: &[usize]) {
    let last = [wanted.len().saturating_sub(1)];
    let truth = if truth.is_empty() { &last } else { truth };
    wanted.fill(SMOOTHING / wanted.len() as f32);
    let rest = truth.len() - 1;
    for (rank, label) in truth.iter().enumerate() {
        let part = match (rank, rest) {
            (0, 0) => 1.0,
            (0, _) => FIRST_INTENT,
            _ => (1.0 - FIRST_INTENT) / rest as f32,
        };
        wanted[*label] += (1.0 - SMOOTHING) * part;
    }
}

/// Loss of auxiliary head `head` over a batch: 0 when no row of the batch is of its set.
pub(super) fn auxiliary(logits: &Tensor, rows: &[&Sample], head: usize) -> Result<Tensor, TrainError> {
    let labels: Vec<i64> = rows
        .iter()
        .map(|row| row.auxiliary.filter(|(of, _)| *of == head).map_or(0, |(_, label)| label as i64))
        .collect();
    let parts: Vec<f32> = rows
        .iter()
        .map(|row| if row.auxiliary.is_some_and(|(of, _)| of == head) { row.weight } else { 0.0 })
        .collect();
    let chosen = logits
        .f_log_softmax(-1, Kind::Float)?
        .f_gather(1, &Tensor::from_slice(&labels).f_unsqueeze(-1)?, false)?
        .f_squeeze_dim(-1)?
        .f_neg()?;
    weighted(&chosen, &parts)
}

#[cfg(test)]
mod tests {
    use super::super::tune::core_heads;
    use super::*;

    #[test]
    fn a_target_is_a_distribution_with_the_first_intent_ahead() {
        for truth in [vec![], vec![2], vec![2, 0], vec![1, 2, 3]] {
            let mut wanted = vec![0.0; 5];
            spread(&mut wanted, &truth);
            assert!((wanted.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{truth:?}");
            if let Some(first) = truth.first() {
                assert!(
                    wanted.iter().enumerate().all(|(label, part)| label == *first || *part < wanted[*first])
                );
            }
        }
    }

    #[test]
    fn heads_a_row_does_not_know_take_no_part() {
        let heads = core_heads();
        let sizes = [3, heads.intents.labels.len(), heads.stage.labels.len(), 7, 13];
        let logits = sizes.map(|size| {
            Tensor::ones([1, size as i64], (Kind::Float, tch::Device::Cpu)).set_requires_grad(true)
        });
        let target = Target::parse("intent=praise").unwrap();
        let sample = Sample { ids: vec![1], target, weight: 1.0, auxiliary: None };
        let weights = HeadWeights { sentiment: 1.0, intents: 1.0, stage: 1.0, emotions: 1.0, signals: 1.0 };
        let loss = tasks(&logits, &[&sample], &weights).unwrap();
        assert!((loss.double_value(&[]) - (heads.intents.labels.len() as f64).ln()).abs() < 1e-4);
        loss.backward();
        let moved = logits.map(|tensor| tensor.grad().abs().sum(Kind::Float).double_value(&[]) > 0.0);
        assert_eq!(moved, [false, true, false, false, false]);
    }

    #[test]
    fn an_auxiliary_head_learns_from_its_own_rows_only() {
        let row = |auxiliary| Sample { ids: vec![1], target: Target::default(), weight: 0.5, auxiliary };
        let logits = Tensor::zeros([3, 4], (Kind::Float, tch::Device::Cpu)).set_requires_grad(true);
        let rows = [&row(Some((0, 3))), &row(Some((1, 2))), &row(None)];
        let loss = auxiliary(&logits, &rows, 0).unwrap();
        assert!((loss.double_value(&[]) - 0.5 * 4f64.ln() / 3.0).abs() < 1e-6);
        loss.backward();
        let moved = logits.grad().abs().sum_dim_intlist([1i64].as_slice(), false, Kind::Float);
        assert_eq!(
            Vec::<f32>::try_from(moved).unwrap().iter().map(|change| *change > 0.0).collect::<Vec<_>>(),
            [true, false, false]
        );
    }
}
