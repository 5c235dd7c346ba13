//! What fits say of texts that they have not seen: the examples, part by part, and what is outside.

use super::head::{self, Rows, fit, softmax};

/// Scores of texts by fits that have not seen them.
pub struct Scores {
    intents: usize,
    /// By text; past the intents comes what is outside, if the fit knows of it.
    pub logits: Vec<Vec<f32>>,
    pub likeness: Vec<f32>,
}

/// Where a text is refused.
#[derive(Debug, Clone, Copy)]
pub struct Lines {
    pub temperature: f32,
    pub min_probability: f32,
    pub min_likeness: f32,
}

impl Scores {
    pub fn new(texts: usize, intents: usize) -> Self {
        Self { intents, logits: vec![Vec::new(); texts], likeness: vec![0.0; texts] }
    }

    pub fn of_intents(&self, at: usize) -> &[f32] {
        &self.logits[at][..self.intents]
    }

    fn best(&self, at: usize) -> f32 {
        self.of_intents(at).iter().copied().fold(f32::NEG_INFINITY, f32::max)
    }

    /// How far the best intent is ahead of what is outside.
    pub fn leads(&self) -> Vec<f32> {
        let outside = |at: usize| self.logits[at].get(self.intents).copied().unwrap_or_default();
        (0..self.logits.len()).map(|at| self.best(at) - outside(at)).collect()
    }

    pub fn raise_outside(&mut self, by: f32) {
        self.logits
            .iter_mut()
            .flat_map(|row| row.iter_mut().skip(self.intents))
            .for_each(|value| *value += by);
    }

    pub fn is_outside(&self, at: usize) -> bool {
        self.logits[at].get(self.intents).is_some_and(|outside| *outside > self.best(at))
    }

    /// That of the best intent.
    pub fn probability(&self, at: usize, temperature: f32) -> f32 {
        let mut scores: Vec<f32> = self.logits[at].iter().map(|logit| logit / temperature).collect();
        softmax(&mut scores);
        scores[..self.intents].iter().copied().fold(0.0, f32::max)
    }

    pub fn refused(&self, at: usize, lines: Lines) -> bool {
        self.is_outside(at)
            || self.likeness[at] < lines.min_likeness
            || self.probability(at, lines.temperature) < lines.min_probability
    }
}

/// Scores of the examples and of what is outside.
pub struct HeldOut {
    pub inside: Scores,
    pub outside: Scores,
}

impl HeldOut {
    pub fn add(&mut self, all: Rows<'_>, folds: &[usize], (fold, parts): (usize, usize), pull: f32) {
        let (fitted, held) = without(all, folds, (fold, parts), pull);
        let outside: Vec<usize> = (0..all.outside.rows).filter(|at| at % parts == fold).collect();
        let sets = [(&mut self.inside, all.vectors, held), (&mut self.outside, all.outside, outside)];
        for (scores, vectors, held) in sets {
            let rows = vectors.select(&held);
            let (logits, likeness) = (fitted.logits(&rows), fitted.likeness(&rows));
            for (row, at) in held.into_iter().enumerate() {
                scores.logits[at] = logits.row(row).to_vec();
                scores.likeness[at] = likeness[row];
            }
        }
    }

    /// Adds the words' scores, those of the examples first.
    pub fn hear(&mut self, words: &[Vec<f32>], scale: f32) {
        let rows = self.inside.logits.iter_mut().chain(&mut self.outside.logits);
        for (row, words) in rows.zip(words) {
            row.iter_mut().zip(words).for_each(|(logit, word)| *logit += scale * word);
        }
    }
}

/// The fit without one part, and the examples of that part. Texts outside go to the parts in turn.
pub fn without(
    all: Rows<'_>,
    folds: &[usize],
    (fold, parts): (usize, usize),
    pull: f32,
) -> (head::Fitted, Vec<usize>) {
    let (held, kept): (Vec<usize>, Vec<usize>) = (0..folds.len()).partition(|at| folds[*at] == fold);
    let classes: Vec<usize> = kept.iter().map(|at| all.classes[*at]).collect();
    let others: Vec<usize> = (0..all.outside.rows).filter(|at| at % parts != fold).collect();
    let weights: Vec<f32> = others.iter().map(|at| all.weights[*at]).collect();
    let (vectors, outside) = (all.vectors.select(&kept), all.outside.select(&others));
    let rows =
        Rows { vectors: &vectors, classes: &classes, count: all.count, outside: &outside, weights: &weights };
    (fit(rows, pull), held)
}
