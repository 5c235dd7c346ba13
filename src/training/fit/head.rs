//! Fits the weights of custom intents: within-class whitening shrunk by the number of examples, and in that space a
//! multinomial logistic regression that is pulled toward the centroids. Few examples leave it a nearest-centroid rule,
//! many make it a regression.

use super::linear::{Matrix, minimise, whitener};
use crate::nlp::custom::likeness;

/// Share of the discriminant's weights that the pull goes to: its probabilities are too sure by about this much.
const MODESTY: f32 = 0.25;
const ITERATIONS: usize = 25;

/// Weights over sentence vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// One row per intent, and a last one for what is outside where rows of that were given: logits are
    /// `weights · vector + bias`.
    pub weights: Matrix,
    /// One per row of the weights.
    pub bias: Vec<f32>,
    /// Square: what whitens a vector, `whiten · vector − centre`.
    pub whiten: Matrix,
    /// Mean of the whitened centroids.
    pub centre: Vec<f32>,
    /// One row per intent: its whitened centroid less the centre, length 1.
    pub directions: Matrix,
    /// One row per intent: its whitened centroid, length 1.
    pub homes: Matrix,
}

/// Vectors with their classes.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// One sentence vector per row.
    pub vectors: &'a Matrix,
    /// The class of each row, `0..classes`; every class occurs.
    pub classes: &'a [usize],
    /// How many classes.
    pub count: usize,
    /// Vectors of what is outside all classes; may be none.
    pub outside: &'a Matrix,
    /// What each row outside counts; an example counts 1.
    pub weights: &'a [f32],
}

/// What whitening leaves.
struct White {
    whiten: Matrix,
    centre: Vec<f32>,
    /// Centroids in whitened space, less the centre.
    centroids: Matrix,
    /// Centroids in whitened space, length 1.
    homes: Matrix,
}

/// The space in which classes are as round as the examples can tell, by the covariance within classes. It is shrunk
/// toward a sphere by `dimensions / (dimensions + rows − classes)`.
fn white(rows: Rows<'_>) -> White {
    let (vectors, size) = (rows.vectors, rows.vectors.columns);
    let mut means = Matrix::zeros(rows.count, size);
    let mut counts = vec![0.0_f32; rows.count];
    for (at, class) in rows.classes.iter().enumerate() {
        counts[*class] += 1.0;
        add(means.row_mut(*class), vectors.row(at));
    }
    for (class, count) in counts.iter().enumerate() {
        means.row_mut(class).iter_mut().for_each(|value| *value /= count.max(1.0));
    }
    let mut rest = vectors.clone();
    for (at, class) in rows.classes.iter().enumerate() {
        rest.row_mut(at).iter_mut().zip(means.row(*class)).for_each(|(value, mean)| *value -= mean);
    }
    let freedom = vectors.rows.saturating_sub(rows.count).max(1) as f32;
    let mut covariance = rest.transposed_times(&rest);
    covariance.values.iter_mut().for_each(|value| *value /= freedom);
    let trace: f32 = (0..size).map(|at| covariance.row(at)[at]).sum();
    // Identical examples have no spread; a small sphere keeps the whitening finite.
    let sphere = (trace / size.max(1) as f32).max(1e-5);
    let shrink = size as f32 / (size as f32 + freedom);
    covariance.values.iter_mut().for_each(|value| *value *= 1.0 - shrink);
    for at in 0..size {
        covariance.row_mut(at)[at] += shrink * sphere;
    }
    let whiten = whitener(&covariance).unwrap_or_else(|| {
        let mut plain = Matrix::zeros(size, size);
        (0..size).for_each(|at| plain.row_mut(at)[at] = 1.0 / sphere.sqrt());
        plain
    });
    let mut centroids = means.times(&whiten.transposed());
    let homes = directions(centroids.clone());
    let mut centre = vec![0.0; size];
    for class in 0..rows.count {
        add(&mut centre, centroids.row(class));
    }
    centre.iter_mut().for_each(|value| *value /= rows.count.max(1) as f32);
    for class in 0..rows.count {
        centroids.row_mut(class).iter_mut().zip(&centre).for_each(|(value, middle)| *value -= middle);
    }
    White { whiten, centre, centroids, homes }
}

/// Fits the whole head. `pull` is the weight of the penalty on leaving the centroids: about 10.
pub fn fit(rows: Rows<'_>, pull: f32) -> Fitted {
    let white = white(rows);
    let (size, total) = (rows.vectors.columns, rows.vectors.rows + rows.outside.rows);
    let count = rows.count + usize::from(rows.outside.rows > 0);
    // Points in whitened space with a last column of ones for the bias; those outside come last.
    let turned = white.whiten.transposed();
    let moved = [rows.vectors.times(&turned), rows.outside.times(&turned)];
    let mut points = Matrix::zeros(total, size + 1);
    for (at, moved) in moved.iter().flat_map(|part| (0..part.rows).map(|at| part.row(at))).enumerate() {
        let target = points.row_mut(at);
        for ((value, moved), centre) in target.iter_mut().zip(moved).zip(&white.centre) {
            *value = moved - centre;
        }
        target[size] = 1.0;
    }
    let mut centroids = white.centroids.clone();
    if count > rows.count {
        let heavy: f32 = rows.weights.iter().sum();
        let mut mean = vec![0.0; size];
        for (at, weight) in (rows.vectors.rows..total).zip(rows.weights) {
            mean.iter_mut()
                .zip(points.row(at))
                .for_each(|(sum, value)| *sum += value * weight / heavy.max(f32::MIN_POSITIVE));
        }
        centroids.values.extend(mean);
        centroids.rows = count;
    }
    let truths: Vec<(usize, f32)> = rows
        .classes
        .iter()
        .map(|class| (*class, 1.0))
        .chain(rows.weights.iter().map(|weight| (rows.count, *weight)))
        .collect();
    let mut start = Matrix::zeros(size + 1, count);
    for class in 0..count {
        let centroid = centroids.row(class);
        for (at, value) in centroid.iter().enumerate() {
            start.values[at * count + class] = value * MODESTY;
        }
        let square: f32 = centroid.iter().map(|value| value * value).sum();
        start.values[size * count + class] = -0.5 * square * MODESTY;
    }
    let home = start.values.clone();
    let weights = minimise(start.values, ITERATIONS, |values, gradient| {
        let weights = Matrix { rows: size + 1, columns: count, values: values.to_vec() };
        let mut scores = points.times(&weights);
        let mut loss = 0.0_f64;
        for (at, (class, weight)) in truths.iter().enumerate() {
            let row = scores.row_mut(at);
            softmax(row);
            loss -= f64::from(*weight) * f64::from(row[*class].max(1e-30)).ln();
            row[*class] -= 1.0;
            row.iter_mut().for_each(|slope| *slope *= weight);
        }
        gradient.copy_from_slice(&points.transposed_times(&scores).values);
        for ((slope, value), home) in gradient.iter_mut().zip(values).zip(&home) {
            let away = value - home;
            *slope += pull * away;
            loss += 0.5 * f64::from(pull) * f64::from(away) * f64::from(away);
        }
        loss
    });
    let by_class = Matrix { rows: size + 1, columns: count, values: weights }.transposed();
    let mut white_weights = Matrix::zeros(count, size);
    let mut bias = Vec::with_capacity(count);
    for class in 0..count {
        let row = by_class.row(class);
        white_weights.row_mut(class).copy_from_slice(&row[..size]);
        let shift: f32 = row.iter().zip(&white.centre).map(|(weight, centre)| weight * centre).sum();
        bias.push(row[size] - shift);
    }
    let weights = white_weights.times(&white.whiten);
    Fitted {
        weights,
        bias,
        directions: directions(white.centroids),
        homes: white.homes,
        whiten: white.whiten,
        centre: white.centre,
    }
}

/// What tells likeness alone, without the regression: for classes that are left out on purpose.
pub fn likeness_only(rows: Rows<'_>) -> Fitted {
    let white = white(rows);
    Fitted {
        weights: Matrix::zeros(rows.count, rows.vectors.columns),
        bias: vec![0.0; rows.count],
        directions: directions(white.centroids),
        homes: white.homes,
        whiten: white.whiten,
        centre: white.centre,
    }
}

impl Fitted {
    /// Logits of every row: one column per row of the weights.
    pub fn logits(&self, vectors: &Matrix) -> Matrix {
        let mut logits = vectors.times(&self.weights.transposed());
        for at in 0..logits.rows {
            add(logits.row_mut(at), &self.bias);
        }
        logits
    }

    /// Likeness of every row to the intent it is nearest to; see [`likeness`].
    pub fn likeness(&self, vectors: &Matrix) -> Vec<f32> {
        let points = vectors.times(&self.whiten.transposed());
        let of = |at| likeness(points.row(at), &self.centre, &self.directions.values, &self.homes.values);
        (0..points.rows).map(of).collect()
    }
}

fn directions(mut centroids: Matrix) -> Matrix {
    for class in 0..centroids.rows {
        let row = centroids.row_mut(class);
        let length = row.iter().map(|value| value * value).sum::<f32>().sqrt();
        if length > 0.0 {
            row.iter_mut().for_each(|value| *value /= length);
        }
    }
    centroids
}

fn add(to: &mut [f32], what: &[f32]) {
    to.iter_mut().zip(what).for_each(|(sum, value)| *sum += value);
}

/// Turns logits into probabilities.
pub fn softmax(row: &mut [f32]) {
    let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    row.iter_mut().for_each(|value| *value = (*value - top).exp());
    let sum: f32 = row.iter().sum();
    row.iter_mut().for_each(|value| *value /= sum);
}
