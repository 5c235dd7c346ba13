//! Fits custom intents on sentence vectors: no retraining of the encoder, seconds to a minute. Weights, temperature and
//! thresholds; the latter two from cross-validation, so that they hold for texts the fit has not seen. Pure: the same
//! vectors and seed give the same result.

pub mod head;
pub mod linear;
pub mod read;

use std::collections::BTreeMap;

use self::head::{Rows, fit, likeness_only, softmax};
use self::linear::Matrix;
use super::Shuffle;
use super::calibrate::temperature;
use crate::nlp::custom::{CustomError, CustomIntents, FORMAT, Figures, IntentFigures, Manifest, Weights};
use crate::nlp::pack::SoftmaxHead;

/// Parts of the cross-validation.
const FOLDS: usize = 5;
/// Above so many examples three parts tell as much.
const MANY: usize = 4_000;
/// How hard the weights are held to the centroids, when too few examples tell what is best.
const USUAL_PULL: f32 = 10.0;
/// What is tried when there are [`ENOUGH`] examples of an intent.
const PULLS: [f32; 3] = [3.0, 10.0, 30.0];
const ENOUGH: usize = 30;
/// Share of right answers that the probability threshold may cost.
const TORN: f32 = 0.003;

/// What is fitted on.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// The intents; at least two.
    pub labels: &'a [String],
    /// A sentence vector per example.
    pub vectors: &'a Matrix,
    /// Index of each example's intent; none for an example of what is outside. Every intent has at least two.
    pub classes: &'a [Option<usize>],
    /// Version of the model pack that the vectors come from.
    pub pack: &'a str,
    /// Decides which examples are left out together.
    pub seed: u64,
}

/// Two intents that cross-validation takes for one another.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Confusion {
    /// The intent of the examples.
    pub label: String,
    /// What they were taken for.
    pub taken_for: String,
    /// How many.
    pub count: usize,
}

/// A fit and what cross-validation says of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Ready to be written or used.
    pub intents: CustomIntents,
    /// Most frequent first.
    pub confusions: Vec<Confusion>,
}

/// Fits. `progress` gets the steps done and those there are.
pub fn fit_intents(task: Task<'_>, progress: &mut dyn FnMut(usize, usize)) -> Result<Outcome, CustomError> {
    let inside: Vec<usize> = (0..task.classes.len()).filter(|at| task.classes[*at].is_some()).collect();
    let outside: Vec<usize> = (0..task.classes.len()).filter(|at| task.classes[*at].is_none()).collect();
    let classes: Vec<usize> = inside.iter().filter_map(|at| task.classes[*at]).collect();
    let (vectors, outside) = (task.vectors.select(&inside), task.vectors.select(&outside));
    let count = task.labels.len();
    let mut random = Shuffle::new(task.seed);
    let folds = folds(&classes, count, if classes.len() > MANY { 3 } else { FOLDS }, &mut random);
    let parts = folds.iter().max().map_or(0, |last| last + 1);
    let steps = parts + 2;

    let all = Rows { vectors: &vectors, classes: &classes, count };
    let pull = best_pull(all, &folds);
    progress(1, steps);
    let mut held = HeldOut {
        logits: Matrix::zeros(classes.len(), count),
        likeness: vec![0.0; classes.len()],
        outside: Vec::new(),
    };
    for fold in 0..parts {
        held.add(all, &folds, fold, pull, &outside);
        progress(fold + 2, steps);
    }
    let unseen = unseen(all, &mut random);
    let fitted = fit(all, pull);
    progress(steps, steps);

    let best = |at: usize| argmax(held.logits.row(at));
    let right: Vec<bool> = classes.iter().enumerate().map(|(at, class)| best(at) == *class).collect();
    let head = SoftmaxHead {
        labels: task.labels.to_vec(),
        temperature: 1.0,
        threshold: 0.0,
        secondary_threshold: 0.0,
    };
    let pairs: Vec<(&[f32], usize)> =
        classes.iter().enumerate().map(|(at, class)| (held.logits.row(at), *class)).collect();
    let temperature = temperature(&head, &pairs);
    let probability: Vec<f32> =
        (0..classes.len()).map(|at| top_probability(held.logits.row(at), temperature)).collect();
    let of_right = |values: &[f32]| -> Vec<f32> {
        values.iter().zip(&right).filter(|(_, right)| **right).map(|(value, _)| *value).collect()
    };
    let min_probability = quantile(of_right(&probability), TORN).min(0.5) * 0.999;
    let likeness_of_right = of_right(&held.likeness);
    let min_likeness = if held.outside.is_empty() {
        cut(likeness_of_right, &unseen, Price::SIMULATED)
    } else {
        cut(likeness_of_right, &held.outside, Price::TRUE)
    };

    let answered: Vec<bool> = held
        .likeness
        .iter()
        .zip(&probability)
        .map(|(likeness, probability)| *likeness >= min_likeness && *probability >= min_probability)
        .collect();
    let both = answered.iter().zip(&right).filter(|(answered, right)| **answered && **right).count();
    let answers = answered.iter().filter(|answered| **answered).count();
    let below =
        |values: &[f32]| share(values.iter().filter(|value| **value < min_likeness).count(), values.len());
    let figures = Figures {
        examples: classes.len(),
        outside_examples: outside.rows,
        accuracy: share(right.iter().filter(|right| **right).count(), right.len()),
        coverage: share(answers, answered.len()),
        answered_accuracy: share(both, answers),
        outside_rejected: (!held.outside.is_empty()).then(|| below(&held.outside)),
        unseen_rejected: below(&unseen),
        per_intent: per_intent(task.labels, &classes, &right),
    };
    let manifest = Manifest {
        format: FORMAT,
        pack: task.pack.to_owned(),
        weights: String::new(),
        labels: task.labels.to_vec(),
        temperature,
        min_probability,
        min_likeness,
        figures,
    };
    let weights = Weights {
        weights: fitted.weights.values,
        bias: fitted.bias,
        whiten: fitted.whiten.values,
        centre: fitted.centre,
        directions: fitted.directions.values,
        homes: fitted.homes.values,
    };
    let taken: Vec<usize> = (0..classes.len()).map(best).collect();
    Ok(Outcome {
        intents: CustomIntents::new(manifest, weights)?,
        confusions: confusions(task.labels, &classes, &taken),
    })
}

/// Scores of examples by fits that have not seen them.
struct HeldOut {
    logits: Matrix,
    likeness: Vec<f32>,
    /// Of every outside example, by every fit.
    outside: Vec<f32>,
}

impl HeldOut {
    fn add(&mut self, all: Rows<'_>, folds: &[usize], fold: usize, pull: f32, outside: &Matrix) {
        let (fitted, held) = without(all, folds, fold, pull);
        let rows = all.vectors.select(&held);
        let (logits, likeness) = (fitted.logits(&rows), fitted.likeness(&rows));
        for (row, at) in held.iter().enumerate() {
            self.logits.row_mut(*at).copy_from_slice(logits.row(row));
            self.likeness[*at] = likeness[row];
        }
        self.outside.extend(fitted.likeness(outside));
    }
}

/// The fit without one part, and the examples of that part.
fn without(all: Rows<'_>, folds: &[usize], fold: usize, pull: f32) -> (head::Fitted, Vec<usize>) {
    let (held, kept): (Vec<usize>, Vec<usize>) = (0..folds.len()).partition(|at| folds[*at] == fold);
    let classes: Vec<usize> = kept.iter().map(|at| all.classes[*at]).collect();
    let vectors = all.vectors.select(&kept);
    (fit(Rows { vectors: &vectors, classes: &classes, count: all.count }, pull), held)
}

/// The part of each example. Those of one intent go to the parts in turn, so that each part leaves some of them.
fn folds(classes: &[usize], count: usize, parts: usize, random: &mut Shuffle) -> Vec<usize> {
    let mut order: Vec<usize> = (0..classes.len()).collect();
    random.shuffle(&mut order);
    let mut next: Vec<usize> = (0..count).collect();
    let mut folds = vec![0; classes.len()];
    for at in order {
        folds[at] = next[classes[at]] % parts;
        next[classes[at]] += 1;
    }
    folds
}

/// The pull with the least loss on the first part, where there are examples enough to tell.
fn best_pull(all: Rows<'_>, folds: &[usize]) -> f32 {
    if all.vectors.rows < ENOUGH * all.count {
        return USUAL_PULL;
    }
    let loss = |pull: f32| {
        let (fitted, held) = without(all, folds, 0, pull);
        let logits = fitted.logits(&all.vectors.select(&held));
        let rows = held.iter().enumerate().map(|(row, at)| {
            let mut scores = logits.row(row).to_vec();
            softmax(&mut scores);
            -f64::from(scores[all.classes[*at]].max(1e-30)).ln()
        });
        rows.sum::<f64>()
    };
    let losses = PULLS.map(|pull| (pull, loss(pull)));
    losses.into_iter().min_by(|a, b| a.1.total_cmp(&b.1)).map_or(USUAL_PULL, |(pull, _)| pull)
}

/// Likeness of examples whose intents were left out: what texts of unknown intents look like. None with fewer than
/// three intents, since one alone has no direction.
fn unseen(all: Rows<'_>, random: &mut Shuffle) -> Vec<f32> {
    if all.count < 3 {
        return Vec::new();
    }
    let groups = FOLDS.min(all.count);
    let mut order: Vec<usize> = (0..all.count).collect();
    random.shuffle(&mut order);
    let mut group = vec![0; all.count];
    order.iter().enumerate().for_each(|(place, class)| group[*class] = place % groups);
    let mut found = Vec::new();
    for left_out in 0..groups {
        let (out, kept): (Vec<usize>, Vec<usize>) =
            (0..all.classes.len()).partition(|at| group[all.classes[*at]] == left_out);
        let mut number = BTreeMap::new();
        let classes: Vec<usize> = kept
            .iter()
            .map(|at| {
                let next = number.len();
                *number.entry(all.classes[*at]).or_insert(next)
            })
            .collect();
        let vectors = all.vectors.select(&kept);
        let fitted = likeness_only(Rows { vectors: &vectors, classes: &classes, count: number.len() });
        found.extend(fitted.likeness(&all.vectors.select(&out)));
    }
    found
}

/// What abstaining may cost.
#[derive(Debug, Clone, Copy)]
struct Price {
    /// Share of outside texts that must be kept away for each share of right answers lost.
    rate: f64,
    /// Most right answers lost, as a share.
    cap: f64,
}

impl Price {
    /// For examples of what is outside.
    const TRUE: Self = Self { rate: 3.0, cap: 0.02 };
    /// For left-out intents, which are nearer than most outside texts.
    const SIMULATED: Self = Self { rate: 10.0, cap: 0.01 };
}

/// Odd examples that may be lost at no price: of a few, the least like says little about the rest.
const ODD: usize = 2;

/// The likeness below which to abstain: as many outside texts below as the price allows.
fn cut(mut right: Vec<f32>, outside: &[f32], price: Price) -> f32 {
    right.sort_by(f32::total_cmp);
    let Some(lowest) = right.first() else { return 0.0 };
    let most = ODD.min(right.len() / 8) + (price.cap * right.len() as f64) as usize;
    let mut best = (f64::NEG_INFINITY, *lowest);
    for lost in 0..=most.min(right.len() - 1) {
        let threshold = match lost {
            // A little room below the least like of the examples.
            0 => lowest - 0.02,
            _ => f32::midpoint(right[lost - 1], right[lost]),
        };
        let kept_away = share(outside.iter().filter(|value| **value < threshold).count(), outside.len());
        let worth = kept_away - price.rate * share(lost.saturating_sub(ODD), right.len());
        if worth > best.0 {
            best = (worth, threshold);
        }
    }
    best.1
}

fn per_intent(labels: &[String], classes: &[usize], right: &[bool]) -> BTreeMap<String, IntentFigures> {
    let figures = |class: usize| {
        let own = classes.iter().zip(right).filter(|(of, _)| **of == class);
        let (examples, found) =
            own.fold((0, 0), |(all, found), (_, right)| (all + 1, found + usize::from(*right)));
        IntentFigures { examples, recall: share(found, examples) }
    };
    labels.iter().enumerate().map(|(class, label)| (label.clone(), figures(class))).collect()
}

fn confusions(labels: &[String], classes: &[usize], taken: &[usize]) -> Vec<Confusion> {
    let mut counts: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for (class, taken) in classes.iter().zip(taken).filter(|(class, taken)| class != taken) {
        *counts.entry((*class, *taken)).or_default() += 1;
    }
    let mut pairs: Vec<Confusion> = counts
        .into_iter()
        .map(|((class, taken), count)| Confusion {
            label: labels[class].clone(),
            taken_for: labels[taken].clone(),
            count,
        })
        .collect();
    pairs.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.label.cmp(&b.label)));
    pairs
}

fn top_probability(logits: &[f32], temperature: f32) -> f32 {
    let mut scores: Vec<f32> = logits.iter().map(|logit| logit / temperature).collect();
    softmax(&mut scores);
    scores.into_iter().fold(0.0, f32::max)
}

fn quantile(mut values: Vec<f32>, at: f32) -> f32 {
    values.sort_by(f32::total_cmp);
    let place = (at * values.len() as f32) as usize;
    values.get(place).copied().unwrap_or_default()
}

fn argmax(values: &[f32]) -> usize {
    (0..values.len()).max_by(|a, b| values[*a].total_cmp(&values[*b])).unwrap_or_default()
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests;
