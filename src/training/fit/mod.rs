//! Fits custom intents on sentence vectors: no retraining of the encoder, seconds to a minute. Weights, temperature and
//! thresholds; the latter two from cross-validation, so that they hold for texts the fit has not seen. Pure: the same
//! vectors and seed give the same result.

pub mod background;
pub mod head;
mod held;
pub mod linear;
mod lines;
pub mod read;
mod words;

use std::collections::BTreeMap;
use std::ops::Range;

use self::background::usable;
use self::head::{Rows, fit, likeness_only, softmax};
use self::held::{HeldOut, Lines, Scores, without};
use self::linear::Matrix;
use self::lines::{Price, cut, lead};
use self::words::Told;
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
/// So many examples of an intent let the words' scores count as much as those of the vectors; more, more.
const ENOUGH_WORDS: f32 = 15.0;
const LEAST_SCALE: f32 = 0.25;
const MOST_SCALE: f32 = 4.0;
/// Share of right answers that the probability threshold may cost.
const TORN: f32 = 0.003;
/// Part of a line of refusal that is kept: texts to come lie further out than examples held back, which were written with the
/// others, in one language perhaps, or are known to the encoder.
const MARGIN: f32 = 0.75;
/// Above so many intents what is outside counts as one of them.
const FEW_INTENTS: usize = 30;

/// What is fitted on.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// The intents; at least two.
    pub labels: &'a [String],
    /// A sentence vector per example.
    pub vectors: &'a Matrix,
    /// Index of each example's intent; none for an example of what is outside. Every intent has at least two.
    pub classes: &'a [Option<usize>],
    /// Sentence vectors of generic texts, of which those unlike the intents stand for what is outside; may be none.
    pub background: &'a Matrix,
    /// The examples themselves, in the same order, for what their words say; none when vectors are all there is.
    pub texts: &'a [&'a str],
    /// The generic texts themselves; as many as their vectors, or none where `texts` are none.
    pub background_texts: &'a [&'a str],
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
    let given: Vec<usize> = (0..task.classes.len()).filter(|at| task.classes[*at].is_none()).collect();
    let classes: Vec<usize> = inside.iter().filter_map(|at| task.classes[*at]).collect();
    let (vectors, given) = (task.vectors.select(&inside), task.vectors.select(&given));
    let count = task.labels.len();
    let chosen = usable(&vectors, &classes, count, task.background);
    let generic = task.background.select(&chosen);
    let mut outside = given.clone();
    outside.values.extend_from_slice(&generic.values);
    outside.rows += generic.rows;
    let weights = outside_weights(classes.len(), count, given.rows, generic.rows);
    let mut random = Shuffle::new(task.seed);
    let folds = folds(&classes, count, if classes.len() > MANY { 3 } else { FOLDS }, &mut random);
    let parts = folds.iter().max().map_or(0, |last| last + 1);
    let steps = 2 * parts + 3;
    let told = Told::new(task, &classes, &chosen, &weights);

    let all = Rows { vectors: &vectors, classes: &classes, count, outside: &outside, weights: &weights };
    let pull = best_pull(all, &folds, parts);
    progress(1, steps);
    let mut held =
        HeldOut { inside: Scores::new(classes.len(), count), outside: Scores::new(outside.rows, count) };
    for fold in 0..parts {
        held.add(all, &folds, (fold, parts), pull);
        progress(fold + 2, steps);
    }
    let unseen = unseen(all, &mut random);
    let mut fitted = fit(all, pull);
    progress(parts + 2, steps);
    let words = told.as_ref().map(|told| {
        let scores = told.held_out(&folds, parts, &mut |done| progress(parts + 2 + done, steps));
        let scale = scale(classes.len(), count);
        held.hear(&scores, scale);
        told.fit(scale)
    });
    progress(steps, steps);

    // The line between intents and what is outside, for the fits of the parts as for the whole.
    if outside.rows > 0 {
        let (leads, others) = (held.inside.leads(), held.outside.leads());
        let (of_given, of_generic) = others.split_at(given.rows);
        let asked = lead(count, &leads, [of_given, of_generic]);
        held.inside.raise_outside(asked);
        held.outside.raise_outside(asked);
        fitted.bias.iter_mut().skip(count).for_each(|bias| *bias += asked);
    }
    let best = |at: usize| argmax(held.inside.of_intents(at));
    let right: Vec<bool> = classes.iter().enumerate().map(|(at, class)| best(at) == *class).collect();
    let temperature = best_temperature(&held.inside.logits, &classes);
    let kept: Vec<usize> =
        (0..classes.len()).filter(|at| right[*at] && !held.inside.is_outside(*at)).collect();
    let probability = kept.iter().map(|at| held.inside.probability(*at, temperature)).collect();
    let min_probability = quantile(probability, TORN).min(0.5) * MARGIN;
    let likeness = kept.iter().map(|at| held.inside.likeness[*at]).collect();
    // Where texts outside have a say of their own, no example need be lost to likeness.
    let odd = if outside.rows > 0 { 0 } else { Price::SIMULATED.odd };
    let min_likeness = if given.rows == 0 {
        cut(likeness, &unseen, Price { odd, ..Price::SIMULATED })
    } else {
        cut(likeness, &held.outside.likeness[..given.rows], Price { odd, ..Price::TRUE })
    };

    let min_likeness = if min_likeness > 0.0 { min_likeness * MARGIN } else { min_likeness };
    let lines = Lines { temperature, min_probability, min_likeness };
    let answered: Vec<bool> = (0..classes.len()).map(|at| !held.inside.refused(at, lines)).collect();
    let both = answered.iter().zip(&right).filter(|(answered, right)| **answered && **right).count();
    let answers = answered.iter().filter(|answered| **answered).count();
    let refused = |rows: Range<usize>| {
        let all = rows.len();
        (all > 0).then(|| share(rows.filter(|at| held.outside.refused(*at, lines)).count(), all))
    };
    let below = unseen.iter().filter(|value| **value < min_likeness).count();
    let figures = Figures {
        examples: classes.len(),
        outside_examples: given.rows,
        accuracy: share(right.iter().filter(|right| **right).count(), right.len()),
        coverage: share(answers, answered.len()),
        answered_accuracy: share(both, answers),
        outside_rejected: refused(0..given.rows),
        generic_texts: generic.rows,
        generic_rejected: refused(given.rows..outside.rows),
        unseen_rejected: share(below, unseen.len()),
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
        words,
    };
    let taken: Vec<usize> = (0..classes.len()).map(best).collect();
    Ok(Outcome {
        intents: CustomIntents::new(manifest, weights)?,
        confusions: confusions(task.labels, &classes, &taken),
    })
}

/// What each text outside counts, those given first: together about as much as two intents, as one when intents are many.
/// Those given count more than generic ones, but no more than all examples together.
fn outside_weights(examples: usize, count: usize, given: usize, generic: usize) -> Vec<f32> {
    let intents = if count > FEW_INTENTS { 1.0 } else { 2.0 };
    let share = |whole: f32, rows: usize| (whole / rows.max(1) as f32).min(1.0);
    let of_given = share(examples as f32, given);
    let of_generic = share(intents * examples as f32 / count.max(1) as f32, generic);
    [vec![of_given; given], vec![of_generic; generic]].concat()
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
fn best_pull(all: Rows<'_>, folds: &[usize], parts: usize) -> f32 {
    if all.vectors.rows < ENOUGH * all.count {
        return USUAL_PULL;
    }
    let loss = |pull: f32| {
        let (fitted, held) = without(all, folds, (0, parts), pull);
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
        let fitted = likeness_only(Rows { vectors: &vectors, classes: &classes, count: number.len(), ..all });
        found.extend(fitted.likeness(&all.vectors.select(&out)));
    }
    found
}

/// What the words' scores count beside those of the vectors. It is no matter of cross-validation: where the encoder was
/// trained on the very examples, their vectors are better than those of texts to come.
fn scale(examples: usize, intents: usize) -> f32 {
    (examples as f32 / intents.max(1) as f32 / ENOUGH_WORDS).clamp(LEAST_SCALE, MOST_SCALE)
}

fn best_temperature(logits: &[Vec<f32>], classes: &[usize]) -> f32 {
    let head = SoftmaxHead {
        labels: Vec::new(),
        temperature: 1.0,
        threshold: 0.0,
        secondary_threshold: 0.0,
        abstention_confidence: 0.5,
    };
    let pairs: Vec<(&[f32], usize)> =
        logits.iter().zip(classes).map(|(row, class)| (row.as_slice(), *class)).collect();
    temperature(&head, &pairs)
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
