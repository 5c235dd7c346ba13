//! Accuracy, macro F1, calibration error and per-class figures of single-label predictions. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

/// One judged text: indices of the true and the predicted label, and the confidence of the prediction, 0…1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// The label it should have.
    pub truth: usize,
    /// The label it got.
    pub predicted: usize,
    /// How sure the model was.
    pub confidence: f32,
}

/// Figures of one class.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ClassFigures {
    /// Share of the predictions of this class that were right; 0 without predictions.
    pub precision: f64,
    /// Share of the texts of this class that were found; 0 without texts.
    pub recall: f64,
    /// Harmonic mean of the two.
    pub f1: f64,
    /// Texts of this class.
    pub support: usize,
}

/// Figures of a whole evaluation; this is what `smista eval --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Texts judged.
    pub rows: usize,
    /// Share that is right.
    pub accuracy: f64,
    /// Mean F1 of the classes that occur among truths or predictions.
    pub macro_f1: f64,
    /// Expected calibration error over ten equal bins of confidence (Guo et al., 2017).
    pub ece: f64,
    /// Figures by class, of those that occur.
    pub per_class: BTreeMap<String, ClassFigures>,
    /// How often one label was taken for another, the most frequent first; what is right is left out.
    pub confusion: Vec<Confusion>,
    /// Confidence against accuracy, in ten equal bins; empty bins are left out.
    pub calibration: Vec<Bin>,
}

/// One label taken for another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Confusion {
    /// The label it should have been.
    pub label: String,
    /// The label it was.
    pub predicted: String,
    /// Texts.
    pub count: usize,
}

/// Predictions whose confidence lies between two bounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bin {
    /// Least confidence, included.
    pub from: f64,
    /// Greatest confidence; included in the last bin only.
    pub to: f64,
    /// Predictions.
    pub count: usize,
    /// Their mean confidence.
    pub confidence: f64,
    /// Share of them that is right.
    pub accuracy: f64,
}

/// Judges predictions over `labels`. No rows give zeros.
pub fn figures(labels: &[String], judged: &[Judged]) -> Figures {
    let mut per_class = BTreeMap::new();
    for (class, label) in labels.iter().enumerate() {
        let support = judged.iter().filter(|row| row.truth == class).count();
        let predicted = judged.iter().filter(|row| row.predicted == class).count();
        if support + predicted == 0 {
            continue;
        }
        let right = judged.iter().filter(|row| row.truth == class && row.predicted == class).count();
        let f1 = ratio(2 * right, support + predicted);
        let figures =
            ClassFigures { precision: ratio(right, predicted), recall: ratio(right, support), f1, support };
        per_class.insert(label.clone(), figures);
    }
    let right = judged.iter().filter(|row| row.truth == row.predicted).count();
    let f1_sum: f64 = per_class.values().map(|class| class.f1).sum();
    Figures {
        rows: judged.len(),
        accuracy: ratio(right, judged.len()),
        macro_f1: if per_class.is_empty() { 0.0 } else { f1_sum / per_class.len() as f64 },
        ece: calibration_error(judged),
        per_class,
        confusion: confusion(labels, judged),
        calibration: bins(judged),
    }
}

fn confusion(labels: &[String], judged: &[Judged]) -> Vec<Confusion> {
    let mut counts: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for row in judged.iter().filter(|row| row.truth != row.predicted) {
        *counts.entry((row.truth, row.predicted)).or_default() += 1;
    }
    let name = |label: usize| labels.get(label).cloned().unwrap_or_default();
    let mut pairs: Vec<Confusion> = counts
        .into_iter()
        .map(|((truth, predicted), count)| Confusion {
            label: name(truth),
            predicted: name(predicted),
            count,
        })
        .collect();
    pairs.sort_by(|a, b| {
        b.count.cmp(&a.count).then_with(|| (&a.label, &a.predicted).cmp(&(&b.label, &b.predicted)))
    });
    pairs
}

fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

const BINS: usize = 10;

fn bins(judged: &[Judged]) -> Vec<Bin> {
    let mut sums = [(0usize, 0usize, 0.0f64); BINS];
    for row in judged {
        let bin = ((row.confidence * BINS as f32) as usize).min(BINS - 1);
        sums[bin].0 += 1;
        sums[bin].1 += usize::from(row.truth == row.predicted);
        sums[bin].2 += f64::from(row.confidence);
    }
    let bin = |(at, (count, right, confidence)): (usize, (usize, usize, f64))| Bin {
        from: at as f64 / BINS as f64,
        to: (at + 1) as f64 / BINS as f64,
        count,
        confidence: confidence / count as f64,
        accuracy: ratio(right, count),
    };
    sums.into_iter().enumerate().filter(|(_, sum)| sum.0 > 0).map(bin).collect()
}

fn calibration_error(judged: &[Judged]) -> f64 {
    let gap = |bin: Bin| bin.count as f64 * (bin.accuracy - bin.confidence).abs();
    bins(judged).into_iter().map(gap).sum::<f64>() / judged.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(rows: &[(usize, usize, f32)]) -> Figures {
        let labels = ["a", "b", "c"].map(String::from);
        let judged: Vec<Judged> = rows
            .iter()
            .map(|(truth, predicted, confidence)| Judged {
                truth: *truth,
                predicted: *predicted,
                confidence: *confidence,
            })
            .collect();
        figures(&labels, &judged)
    }

    fn near(actual: f64, expected: f64) {
        assert!((actual - expected).abs() < 1e-6, "{actual} is not {expected}");
    }

    #[test]
    fn counts_by_hand_agree() {
        let figures = judge(&[(0, 0, 0.9), (0, 1, 0.8), (1, 1, 0.7), (1, 1, 0.6)]);
        near(figures.accuracy, 0.75);
        let (a, b) = (figures.per_class["a"], figures.per_class["b"]);
        near(a.precision, 1.0);
        near(a.recall, 0.5);
        near(b.precision, 2.0 / 3.0);
        near(b.f1, 0.8);
        near(figures.macro_f1, (2.0 / 3.0 + 0.8) / 2.0);
        assert_eq!(
            (a.support, b.support, figures.per_class.len()),
            (2, 2, 2),
            "a class that never occurs is left out"
        );
    }

    #[test]
    fn calibration_error_is_the_gap_between_confidence_and_accuracy() {
        near(judge(&[(0, 0, 1.0), (1, 1, 1.0)]).ece, 0.0);
        near(judge(&[(0, 0, 1.0), (1, 0, 1.0)]).ece, 0.5);
        near(judge(&[(0, 0, 0.5), (1, 0, 0.5)]).ece, 0.0);
    }

    #[test]
    fn confusions_come_most_frequent_first_and_bins_hold_every_row() {
        let figures = judge(&[(0, 1, 0.9), (0, 1, 0.95), (2, 0, 0.31), (1, 1, 1.0)]);
        let pairs: Vec<_> =
            figures.confusion.iter().map(|c| (c.label.as_str(), c.predicted.as_str(), c.count)).collect();
        assert_eq!(pairs, [("a", "b", 2), ("c", "a", 1)]);
        let [low, high] = figures.calibration[..] else { panic!("two bins: {:?}", figures.calibration) };
        assert_eq!((low.count, high.count), (1, 3));
        near(low.confidence, 0.31);
        near(high.accuracy, 1.0 / 3.0);
        near(high.from, 0.9);
    }

    #[test]
    fn nothing_to_judge_is_zero() {
        let figures = judge(&[]);
        assert_eq!((figures.rows, figures.accuracy, figures.macro_f1, figures.ece), (0, 0.0, 0.0, 0.0));
    }
}
