//! Fits what words say of intents: support vector machines, each intent against the rest, with the squared hinge loss
//! (Fan et al., *LIBLINEAR*, 2008) over weighted runs of words and letters.

use std::collections::BTreeMap;

use super::Task;
use super::linear::minimise;
use crate::nlp::custom::words::{Words, runs};

/// Weight of an error beside the penalty on large weights.
const COST: f32 = 0.5;
const ITERATIONS: usize = 30;
/// A run counts from so many examples, where there are more than a handful.
const FREQUENT: u32 = 2;
/// Below so many texts every run counts.
const HANDFUL: usize = 200;
/// Most weights: the rarest runs are left out beyond it.
const MOST_WEIGHTS: usize = 2_000_000;

/// Texts with their outcomes.
#[derive(Debug, Clone, Copy)]
pub struct Texts<'a> {
    /// The texts.
    pub texts: &'a [&'a str],
    /// The outcome of each, `0..outcomes`.
    pub outcomes: &'a [usize],
    /// What an error in each one costs; 1 is usual.
    pub weights: &'a [f32],
    /// How many outcomes there are.
    pub count: usize,
}

/// Fits; the weights are for margins of about 1.
pub fn fit(texts: Texts<'_>) -> Words {
    let mut words = known(texts);
    let rows: Vec<Vec<(usize, f32)>> = texts
        .texts
        .iter()
        .map(|text| words.vector(text).into_iter().chain([(words.hashes.len(), 1.0)]).collect())
        .collect();
    let count = texts.count;
    let start = vec![0.0; (words.hashes.len() + 1) * count];
    let mut margins = vec![0.0_f32; count];
    words.weights = minimise(start, ITERATIONS, |weights, gradient| {
        gradient.copy_from_slice(weights);
        let mut loss = 0.5 * weights.iter().map(|weight| f64::from(weight * weight)).sum::<f64>();
        for ((row, outcome), cost) in rows.iter().zip(texts.outcomes).zip(texts.weights) {
            margins.fill(0.0);
            for (place, value) in row {
                let own = &weights[place * count..(place + 1) * count];
                margins.iter_mut().zip(own).for_each(|(margin, weight)| *margin += value * weight);
            }
            // Most margins are wide enough and have no slope.
            let mut slopes: Vec<(usize, f32)> = Vec::with_capacity(count);
            for (class, margin) in margins.iter().enumerate() {
                let side = if class == *outcome { 1.0 } else { -1.0 };
                let short = 1.0 - side * margin;
                if short > 0.0 {
                    loss += f64::from(COST * cost * short * short);
                    slopes.push((class, -2.0 * COST * cost * side * short));
                }
            }
            for (place, value) in row {
                let own = &mut gradient[place * count..(place + 1) * count];
                slopes.iter().for_each(|(class, slope)| own[*class] += value * slope);
            }
        }
        loss
    });
    words
}

/// The runs that count, with how rare they are: the logarithm of the share of texts without them, smoothed.
fn known(texts: Texts<'_>) -> Words {
    let mut frequencies: BTreeMap<u32, u32> = BTreeMap::new();
    for text in texts.texts {
        for hash in runs(text).iter().flat_map(BTreeMap::keys) {
            *frequencies.entry(*hash).or_default() += 1;
        }
    }
    let enough = if texts.texts.len() < HANDFUL { 1 } else { FREQUENT };
    let mut kept: Vec<(u32, u32)> = frequencies.into_iter().filter(|(_, count)| *count >= enough).collect();
    kept.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    kept.truncate(MOST_WEIGHTS / texts.count.max(1));
    kept.sort_unstable();
    let rarity = |frequency: u32| ((1 + texts.texts.len()) as f32 / (1 + frequency) as f32).ln() + 1.0;
    Words {
        hashes: kept.iter().map(|(hash, _)| *hash).collect(),
        rarity: kept.iter().map(|(_, frequency)| rarity(*frequency)).collect(),
        unknown: rarity(0),
        weights: Vec::new(),
    }
}

/// The words of the examples and of what is outside, in that order.
pub struct Told<'a> {
    texts: Vec<&'a str>,
    outcomes: Vec<usize>,
    weights: Vec<f32>,
    count: usize,
}

impl<'a> Told<'a> {
    /// `classes` are those of the examples that have one, `chosen` the generic texts that stand for what is outside, and
    /// `outside` what each text outside counts. None when the task has no texts.
    pub fn new(task: Task<'a>, classes: &[usize], chosen: &[usize], outside: &[f32]) -> Option<Self> {
        if task.texts.len() != task.classes.len() || task.background_texts.len() != task.background.rows {
            return None;
        }
        let (inside, given): (Vec<usize>, Vec<usize>) =
            (0..task.classes.len()).partition(|at| task.classes[*at].is_some());
        let own = inside.iter().chain(&given).map(|at| task.texts[*at]);
        let intents = task.labels.len();
        Some(Self {
            texts: own.chain(chosen.iter().map(|at| task.background_texts[*at])).collect(),
            outcomes: [classes, &vec![intents; outside.len()]].concat(),
            weights: [&vec![1.0; classes.len()], outside].concat(),
            count: intents + usize::from(!outside.is_empty()),
        })
    }

    /// Scores of all texts by fits that have not seen them. `folds` are the parts of the examples; texts outside go to the
    /// parts in turn.
    pub fn held_out(&self, folds: &[usize], parts: usize, done: &mut dyn FnMut(usize)) -> Vec<Vec<f32>> {
        let part_of = |at: usize| folds.get(at).copied().unwrap_or_else(|| (at - folds.len()) % parts);
        let mut scores = vec![Vec::new(); self.texts.len()];
        for part in 0..parts {
            let (held, kept): (Vec<usize>, Vec<usize>) =
                (0..self.texts.len()).partition(|at| part_of(*at) == part);
            let texts: Vec<&str> = kept.iter().map(|at| self.texts[*at]).collect();
            let outcomes: Vec<usize> = kept.iter().map(|at| self.outcomes[*at]).collect();
            let weights: Vec<f32> = kept.iter().map(|at| self.weights[*at]).collect();
            let of = Texts { texts: &texts, outcomes: &outcomes, weights: &weights, count: self.count };
            let fitted = fit(of);
            for at in held {
                scores[at] = vec![0.0; self.count];
                fitted.add_to(self.texts[at], &mut scores[at]);
            }
            done(part + 1);
        }
        scores
    }

    /// The fit on all texts, its scores times `scale`.
    pub fn fit(&self, scale: f32) -> Words {
        let Self { texts, outcomes, weights, count } = self;
        let mut words = fit(Texts { texts, outcomes, weights, count: *count });
        words.weights.iter_mut().for_each(|weight| *weight *= scale);
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_tell_intents_apart_are_found() {
        let texts =
            ["top up my card", "top up by cheque", "card was stolen", "my phone was stolen", "top up now"];
        let outcomes = [0, 0, 1, 1, 0];
        let words = fit(Texts { texts: &texts, outcomes: &outcomes, weights: &[1.0; 5], count: 2 });
        assert!(words.fits(2));
        let best = |text: &str| {
            let mut logits = [0.0, 0.0];
            words.add_to(text, &mut logits);
            logits[1] > logits[0]
        };
        for (text, outcome) in texts.iter().zip(outcomes) {
            assert_eq!(usize::from(best(text)), outcome, "{text}");
        }
        assert!(best("stolen") && !best("please top up"));
    }

    #[test]
    fn a_text_that_counts_nothing_changes_nothing() {
        let texts = ["one two", "three four", "three four"];
        let with = fit(Texts { texts: &texts, outcomes: &[0, 1, 0], weights: &[1.0, 1.0, 0.0], count: 2 });
        let mut logits = [0.0, 0.0];
        with.add_to("three four", &mut logits);
        assert!(logits[1] > logits[0], "{logits:?}");
    }

    #[test]
    fn many_intents_have_fewer_runs_each() {
        let texts: Vec<String> = (0..300).map(|at| format!("w{at} v{} common", at / 2)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let outcomes: Vec<usize> = (0..300).map(|at| at / 2).collect();
        let words = known(Texts { texts: &texts, outcomes: &outcomes, weights: &[1.0; 300], count: 40_000 });
        assert_eq!(words.hashes.len(), 50);
        let common = runs("common")[0].keys().next().copied().unwrap();
        assert!(words.hashes.contains(&common));
    }
}
