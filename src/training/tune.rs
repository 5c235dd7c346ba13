//! Second stage: fine-tunes the encoder and the five heads together on the project's examples and on public data, each
//! row counting for the heads it knows.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tch::nn::OptimizerConfig as _;
use tch::{Kind, Tensor};

use super::align::{first_window, read_tokens};
use super::examples::{self, Example};
use super::recipe::{HeadWeights, Recipe};
use super::student::{HEADS, Student, Teacher, rate};
use super::target::{Row, StageTarget, Target};
use super::{Progress, Shuffle, TrainError, file, sources};
use crate::nlp::labels::{Emotion, INTENTS, SentimentLabel, SignalKind, Stage};
use crate::nlp::pack::{Heads, SigmoidHead, SoftmaxHead, TrainingData};
use crate::nlp::torch::bert::{Kinds, TaskHeads};

/// Mass of the first of several intents; the others share the rest.
const FIRST_INTENT: f32 = 0.65;
/// Part of a row without a stage in the stage loss, which asks for an even spread.
const NOBODY: f32 = 0.4;
/// Mass spread evenly over the labels, against overconfidence.
const SMOOTHING: f32 = 0.05;

/// What the stage was trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tuned {
    /// Rows by data set, the own examples among them.
    pub data: Vec<TrainingData>,
    /// Steps taken.
    pub steps: usize,
}

/// The heads of a core pack, not calibrated.
pub fn core_heads() -> Heads {
    let names = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect::<Vec<_>>();
    let softmax = |labels: Vec<String>| SoftmaxHead {
        labels,
        temperature: 1.0,
        threshold: 0.0,
        secondary_threshold: 0.5,
    };
    let sigmoid = |labels: Vec<String>| {
        let thresholds = vec![0.5; labels.len()];
        SigmoidHead { labels, temperature: 1.0, thresholds }
    };
    let of = |all: Vec<&str>| names(&all);
    Heads {
        sentiment: softmax(of(SentimentLabel::ALL.iter().map(|label| label.as_str()).collect())),
        intents: softmax(names(&INTENTS)),
        stage: softmax(of(Stage::ALL.iter().map(|label| label.as_str()).collect())),
        emotions: sigmoid(of(Emotion::ALL.iter().map(|label| label.as_str()).collect())),
        signals: sigmoid(of(SignalKind::ALL.iter().map(|label| label.as_str()).collect())),
    }
}

struct Sample {
    ids: Vec<u32>,
    target: Target,
    weight: f32,
}

/// Trains on the recipe's sources under `data` and on `examples`, starting from the folder `aligned`, and writes
/// `output` (weights with heads, configuration, tokenizer, `tuned.json`). Examples kept for development take no part.
pub fn run(
    recipe: &Recipe,
    data: &Path,
    examples: &[Example],
    aligned: &Path,
    output: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Tuned, TrainError> {
    let settings = &recipe.tune;
    let tokenizer = aligned.join("tokenizer.json");
    let tokens = read_tokens(&tokenizer, recipe.max_tokens)?;
    let sample = |row: &Row| {
        Ok::<_, TrainError>(Sample {
            ids: first_window(&tokens, &row.text)?,
            target: row.target.clone(),
            weight: row.weight,
        })
    };
    let own: Vec<&Row> =
        examples.iter().filter(|example| !example.development).map(|example| &example.row).collect();
    let mut used = vec![TrainingData {
        name: "smista examples".to_owned(),
        licence: "Apache-2.0 OR MIT".to_owned(),
        rows: own.len(),
        used_for: "sentiment, intents, stage, emotions, signals".to_owned(),
    }];
    let mut samples: Vec<Sample> = own.iter().map(|row| sample(row)).collect::<Result<_, _>>()?;
    for source in &settings.source {
        let taken = sources::read(data, source, recipe.seed)?;
        for row in taken.rows.iter().filter(|row| !row.text.is_empty()) {
            samples.push(sample(row)?);
        }
        used.push(TrainingData {
            name: source.name.clone(),
            licence: source.licence.clone(),
            rows: taken.rows.len(),
            used_for: source.used_for.clone(),
        });
    }

    tch::manual_seed(recipe.seed as i64);
    let mut student = Student::load(aligned, Kinds::MIXED)?;
    let heads =
        TaskHeads::new(&student.store.root().set_group(HEADS), student.config.hidden_size, &core_heads());
    student.store.float();
    let mut draws: Vec<usize> = (0..samples.len()).collect();
    for _ in 1..settings.own_repeat {
        draws.extend(0..own.len());
    }
    start_heads(recipe, &student, &heads, &samples, &draws)?;
    let steps = fit(recipe, &student, &heads, &samples, &draws, progress)?;

    student.save(output)?;
    let copy = output.join("tokenizer.json");
    file(&copy, std::fs::copy(&tokenizer, &copy))?;
    let tuned = Tuned { data: used, steps };
    let path = output.join("tuned.json");
    let json = serde_json::to_string_pretty(&tuned).map_err(|error| TrainError::content(&path, error))?;
    file(&path, std::fs::write(&path, json))?;
    Ok(tuned)
}

/// Trains the heads alone on the encoder's vectors as they are: a fine-tuning that starts from good heads bends the
/// encoder less and needs fewer steps (Kumar et al., 2022).
fn start_heads(
    recipe: &Recipe,
    student: &Student,
    heads: &TaskHeads,
    samples: &[Sample],
    draws: &[usize],
) -> Result<(), TrainError> {
    const BATCH: usize = 256;
    let settings = &recipe.tune;
    let sequences: Vec<&[u32]> = samples.iter().map(|sample| sample.ids.as_slice()).collect();
    let vectors = student.embed(&sequences, settings.batch)?;
    let mut optimizer = tch::nn::adamw(0.9, 0.999, 1e-3).build(&student.store, 0.0)?;
    let mut shuffle = Shuffle::new(recipe.seed ^ 0x4EAD);
    let mut order = draws.to_vec();
    let batches = order.len().div_ceil(BATCH);
    for epoch in 0..settings.head_epochs {
        shuffle.shuffle(&mut order);
        for (number, chunk) in order.chunks(BATCH).enumerate() {
            let rows: Vec<&Sample> = chunk.iter().map(|draw| &samples[*draw]).collect();
            let at: Vec<i64> = chunk.iter().map(|draw| *draw as i64).collect();
            let pooled = vectors.f_index_select(0, &Tensor::from_slice(&at))?;
            let loss = loss(&heads.forward(&pooled)?, &rows, &settings.head_weights)?;
            let step = epoch * batches + number;
            // The encoder's group has no gradient here and stays as it is.
            optimizer.set_lr_group(
                HEADS,
                rate(settings.head_start_rate, step, settings.head_epochs * batches, 0.05),
            );
            optimizer.backward_step(&loss);
        }
    }
    Ok(())
}

fn fit(
    recipe: &Recipe,
    student: &Student,
    heads: &TaskHeads,
    samples: &[Sample],
    draws: &[usize],
    progress: &mut dyn FnMut(Progress),
) -> Result<usize, TrainError> {
    let settings = &recipe.tune;
    let lengths: Vec<usize> = draws.iter().map(|draw| samples[*draw].ids.len()).collect();
    let mut shuffle = Shuffle::new(recipe.seed ^ 0x7E5);
    let mut batches: Vec<Vec<usize>> = Vec::new();
    for _ in 0..settings.epochs {
        batches.extend(shuffle.batches(&lengths, settings.batch));
    }
    let steps = batches.len();
    let mut teacher = Teacher::new(student)?;
    let mut average = 0.0;
    for (step, batch) in batches.iter().enumerate() {
        let rows: Vec<&Sample> = batch.iter().map(|row| &samples[draws[*row]]).collect();
        let thinned: Vec<Vec<u32>> =
            rows.iter().map(|row| thin(&row.ids, settings.token_dropout, &mut shuffle)).collect();
        let sequences: Vec<&[u32]> = thinned.iter().map(Vec::as_slice).collect();
        let (pooled, touched) = student.pooled(&sequences)?;
        let logits = heads.forward(&pooled.f_dropout(settings.dropout, true)?)?;
        let loss = loss(&logits, &rows, &settings.head_weights)?;
        let part = |peak: f64| rate(peak, step, steps, settings.warm_up);
        let (encoder_rate, head_rate) = (part(settings.encoder_rate), part(settings.head_rate));
        let loss = teacher.step(student, &loss, &[touched], encoder_rate, head_rate)?;
        average = if step == 0 { loss } else { 0.98 * average + 0.02 * loss };
        progress(Progress { step: step + 1, steps, loss: average });
    }
    Ok(steps)
}

/// The ids without some of the inner ones, so that a row seen again is not the same row; half of the texts stay whole.
fn thin(ids: &[u32], share: f64, random: &mut Shuffle) -> Vec<u32> {
    let mut chance = |below: f64| (random.next_bits() >> 11) as f64 / (1u64 << 53) as f64 <= below;
    if ids.len() < 6 || !chance(0.5) {
        return ids.to_vec();
    }
    let last = ids.len() - 1;
    let kept = ids.iter().enumerate().filter(|(place, _)| *place == 0 || *place == last || !chance(share));
    kept.map(|(_, id)| *id).collect()
}

/// The labels of a softmax head and the row's part in its loss; none when the row does not know the head.
type SoftTarget<'a> = &'a dyn Fn(&Target) -> Option<(Vec<usize>, f32)>;

fn loss(logits: &[Tensor; 5], rows: &[&Sample], weights: &HeadWeights) -> Result<Tensor, TrainError> {
    let [sentiment, intents, stage, emotions, signals] = logits;
    let soft = |logits: &Tensor, of: SoftTarget<'_>| {
        let labels = logits.size()[1] as usize;
        let (mut wanted, mut parts) = (vec![0.0f32; rows.len() * labels], vec![0.0f32; rows.len()]);
        for (row, sample) in rows.iter().enumerate() {
            if let Some((truth, part)) = of(&sample.target) {
                spread(&mut wanted[row * labels..(row + 1) * labels], &truth);
                parts[row] = part * sample.weight;
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
        soft(sentiment, &|target| target.sentiment.map(|label| (vec![label], 1.0)))?
            .f_mul_scalar(weights.sentiment)?,
        soft(intents, &|target| target.intents.clone().map(|labels| (labels, 1.0)))?
            .f_mul_scalar(weights.intents)?,
        soft(stage, &|target| match target.stage {
            StageTarget::Unknown => None,
            StageTarget::Nobody => Some((Vec::new(), NOBODY)),
            StageTarget::At(label) => Some((vec![label], 1.0)),
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

/// Puts a distribution over the labels: most on the first of `truth`, evenly when it is empty.
fn spread(wanted: &mut [f32], truth: &[usize]) {
    let even = 1.0 / wanted.len() as f32;
    if truth.is_empty() {
        wanted.fill(even);
        return;
    }
    wanted.fill(SMOOTHING * even);
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

/// Reads the own examples and gives those texts of one language that may be trained on.
pub fn training_texts(examples: &[Example], language: &str) -> Vec<String> {
    let fits = |example: &&examples::Example| example.language == language && !example.development;
    examples.iter().filter(fits).map(|example| example.row.text.clone()).collect()
}

#[cfg(test)]
mod tests {
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
    fn thinning_drops_about_the_share_and_keeps_the_ends() {
        let ids: Vec<u32> = (0..102).collect();
        let mut random = Shuffle::new(9);
        let thinned: Vec<Vec<u32>> = (0..400).map(|_| thin(&ids, 0.2, &mut random)).collect();
        assert!(thinned.iter().all(|ids| ids.first() == Some(&0) && ids.last() == Some(&101)));
        let whole = thinned.iter().filter(|ids| ids.len() == 102).count();
        assert!((150..250).contains(&whole), "{whole}");
        let kept: usize = thinned.iter().filter(|ids| ids.len() < 102).map(Vec::len).sum();
        let mean = kept as f64 / (400 - whole) as f64;
        assert!((80.0..84.0).contains(&mean), "{mean}");
    }

    #[test]
    fn heads_a_row_does_not_know_take_no_part() {
        let heads = core_heads();
        let sizes = [3, heads.intents.labels.len(), heads.stage.labels.len(), 7, 13];
        let logits = sizes.map(|size| {
            Tensor::ones([1, size as i64], (Kind::Float, tch::Device::Cpu)).set_requires_grad(true)
        });
        let target = Target::parse("intent=praise").unwrap();
        let sample = Sample { ids: vec![1], target, weight: 1.0 };
        let weights = HeadWeights { sentiment: 1.0, intents: 1.0, stage: 1.0, emotions: 1.0, signals: 1.0 };
        let loss = loss(&logits, &[&sample], &weights).unwrap();
        assert!((loss.double_value(&[]) - (heads.intents.labels.len() as f64).ln()).abs() < 1e-4);
        loss.backward();
        let moved = logits.map(|tensor| tensor.grad().abs().sum(Kind::Float).double_value(&[]) > 0.0);
        assert_eq!(moved, [false, true, false, false, false]);
    }
}
