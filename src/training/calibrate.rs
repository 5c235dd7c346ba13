//! Fits temperatures and thresholds on development data. Pure.

use crate::nlp::decode::{sigmoid, softmax};
use crate::nlp::pack::{SigmoidHead, SoftmaxHead};

/// What an abstention and a wrong answer are worth against a right one (+1). Somebody has to read an abstention too, and
/// priority does not hang on the intent alone: abstaining pays below a probability of about 0.2.
const ABSTAINED: f64 = -0.1;
const WRONG: f64 = -0.4;

/// Temperature between 0.25 and 8 with the least mean negative log-likelihood of the true labels (Guo et al., 2017).
/// 1 without rows.
pub fn temperature(head: &SoftmaxHead, rows: &[(&[f32], usize)]) -> f32 {
    minimum(|temperature| {
        let head = SoftmaxHead { temperature, ..head.clone() };
        rows.iter()
            .map(|(logits, truth)| {
                let probability = softmax(&head, logits).get(*truth).copied().unwrap_or(0.0);
                -f64::from(probability.max(1e-9)).ln()
            })
            .sum::<f64>()
    })
}

/// The same for independent labels: rows are logits and the indices of the labels that hold.
pub fn sigmoid_temperature(head: &SigmoidHead, rows: &[(&[f32], &[usize])]) -> f32 {
    minimum(|temperature| {
        let head = SigmoidHead { temperature, ..head.clone() };
        rows.iter()
            .map(|(logits, truth)| {
                let loss = |(label, probability): (usize, &f32)| {
                    let right = if truth.contains(&label) { *probability } else { 1.0 - *probability };
                    -f64::from(right.max(1e-9)).ln()
                };
                sigmoid(&head, logits).iter().enumerate().map(loss).sum::<f64>()
            })
            .sum::<f64>()
    })
}

fn minimum(loss: impl Fn(f32) -> f64) -> f32 {
    const GOLDEN: f32 = 0.618_034;
    let (mut low, mut high) = (0.25f32.ln(), 8f32.ln());
    if loss(1.0) == 0.0 {
        return 1.0;
    }
    for _ in 0..40 {
        let (left, right) = (high - GOLDEN * (high - low), low + GOLDEN * (high - low));
        if loss(left.exp()) <= loss(right.exp()) { high = right } else { low = left }
    }
    f32::midpoint(low, high).exp()
}

/// Probability below which the head should abstain, between 0.1 and 0.5. A row's truth is none when abstaining is
/// right. Rows are calibrated probabilities, among them perhaps that of the label `none`.
pub fn abstain_threshold(none: Option<usize>, rows: &[(Vec<f32>, Option<usize>)]) -> f32 {
    let worth = |threshold: f32| {
        rows.iter()
            .map(|(probabilities, truth)| match (answer(probabilities, none, threshold), truth) {
                (None, None) => 1.0,
                (None, Some(_)) => ABSTAINED,
                (Some(label), truth) => {
                    if Some(label) == *truth {
                        1.0
                    } else {
                        WRONG
                    }
                }
            })
            .sum::<f64>()
    };
    best_of((10..=50).map(|percent| percent as f32 / 100.0), worth)
}

/// The most probable label if it reaches the threshold and is not that of abstaining.
fn answer(probabilities: &[f32], none: Option<usize>, threshold: f32) -> Option<usize> {
    let best = probabilities.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
    best.filter(|(label, probability)| *probability >= threshold && Some(*label) != none)
        .map(|(label, _)| label)
}

/// Share of the abstentions below a threshold that are right, one half standing in for two of them. Rows as for
/// [`abstain_threshold`].
pub fn abstention_confidence(threshold: f32, none: Option<usize>, rows: &[(Vec<f32>, Option<usize>)]) -> f32 {
    let abstained =
        |(probabilities, _): &&(Vec<f32>, Option<usize>)| answer(probabilities, none, threshold).is_none();
    let (mut right, mut all) = (1.0, 2.0);
    for (_, truth) in rows.iter().filter(abstained) {
        all += 1.0;
        right += f32::from(u8::from(truth.is_none()));
    }
    right / all
}

/// Probability from which a second intent counts, between 0.1 and 0.5: best F1 of what stands behind the first intent.
/// Rows are calibrated probabilities and the true labels, the first one first; nothing stands behind `none`.
pub fn secondary_threshold(none: Option<usize>, rows: &[(Vec<f32>, &[usize])]) -> f32 {
    let f1 = |threshold: f32| {
        let (mut right, mut said, mut due) = (0.0, 0.0, 0.0);
        for (probabilities, truth) in rows {
            let mut ranked: Vec<usize> = (0..probabilities.len()).collect();
            ranked.sort_by(|a, b| probabilities[*b].total_cmp(&probabilities[*a]));
            let behind = if ranked.first().copied() == none { 0 } else { 2 };
            let found: Vec<usize> = ranked
                .into_iter()
                .skip(1)
                .filter(|label| Some(*label) != none)
                .take(behind)
                .filter(|label| probabilities[*label] >= threshold)
                .collect();
            right += found.iter().filter(|label| truth.contains(label)).count() as f64;
            said += found.len() as f64;
            due += truth.len().saturating_sub(1) as f64;
        }
        if said + due == 0.0 { 0.0 } else { 2.0 * right / (said + due) }
    };
    best_of((10..=50).map(|percent| percent as f32 / 100.0), f1)
}

/// Threshold of each label of a sigmoid head by F1. A label with few examples stays near one half, since its best
/// threshold on a few rows is chance.
pub fn label_thresholds(head: &SigmoidHead, rows: &[(&[f32], &[usize])]) -> Vec<f32> {
    const ENOUGH: f64 = 20.0;
    let probabilities: Vec<Vec<f32>> = rows.iter().map(|(logits, _)| sigmoid(head, logits)).collect();
    (0..head.labels.len())
        .map(|label| {
            let due = rows.iter().filter(|(_, truth)| truth.contains(&label)).count() as f64;
            let f1 = |threshold: f32| {
                let (mut right, mut said) = (0.0, 0.0);
                for (probabilities, (_, truth)) in probabilities.iter().zip(rows) {
                    if probabilities[label] >= threshold {
                        said += 1.0;
                        right += f64::from(u8::from(truth.contains(&label)));
                    }
                }
                if said + due == 0.0 { 0.0 } else { 2.0 * right / (said + due) }
            };
            let best = best_of((20..=80).step_by(2).map(|percent| percent as f32 / 100.0), f1);
            let trust = (due / ENOUGH).min(1.0) as f32;
            0.5 + (best - 0.5) * trust
        })
        .collect()
}

/// One text for [`signal_thresholds`]: logits, the labels that hold, and for each label whether a cue rule found it.
pub type CuedRow<'a> = (&'a [f32], &'a [usize], Vec<bool>);

/// For each label of a head that works beside cue rules: the probability from which it counts alone, and that from
/// which it counts when a cue has found it too. The pair with the best F-score is taken, in which
/// finding a label counts `beta` times as much as being right about it. A label with few examples stays near one half alone and leaves the cue to itself.
pub fn signal_thresholds(
    head: &SigmoidHead,
    beta: impl Fn(&str) -> f64,
    rows: &[CuedRow<'_>],
) -> (Vec<f32>, Vec<f32>) {
    const ENOUGH: f64 = 20.0;
    const WITH_CUE: [f32; 10] = [0.0, 0.01, 0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4];
    let probabilities: Vec<Vec<f32>> = rows.iter().map(|(logits, ..)| sigmoid(head, logits)).collect();
    let (mut alone, mut with_cue) = (Vec::new(), Vec::new());
    for (label, name) in head.labels.iter().enumerate() {
        let squared = beta(name).powi(2);
        let due = rows.iter().filter(|(_, truth, _)| truth.contains(&label)).count() as f64;
        let score = |threshold: f32, cued: f32| {
            let (mut right, mut said) = (0.0, 0.0);
            for (probabilities, (_, truth, cues)) in probabilities.iter().zip(rows) {
                let probability = probabilities.get(label).copied().unwrap_or_default();
                let found = cues.get(label).copied().unwrap_or_default();
                if probability >= threshold || (found && probability >= cued) {
                    said += 1.0;
                    right += f64::from(u8::from(truth.contains(&label)));
                }
            }
            let whole = squared * due + said;
            if whole == 0.0 { 0.0 } else { (1.0 + squared) * right / whole }
        };
        let (mut best, mut top) = ((0.5, 0.0), f64::NEG_INFINITY);
        for cued in WITH_CUE {
            for percent in (10..=80).step_by(4) {
                let threshold = percent as f32 / 100.0;
                let value = score(threshold, cued);
                if value > top + 1e-9 {
                    (best, top) = ((threshold, cued), value);
                }
            }
        }
        let trust = (due / ENOUGH).min(1.0) as f32;
        alone.push(0.5 + (best.0 - 0.5) * trust);
        with_cue.push(best.1 * trust);
    }
    (alone, with_cue)
}

/// The middle of the candidates that reach the greatest value.
fn best_of(candidates: impl Iterator<Item = f32>, value: impl Fn(f32) -> f64) -> f32 {
    let valued: Vec<(f32, f64)> = candidates.map(|candidate| (candidate, value(candidate))).collect();
    let top = valued.iter().map(|(_, value)| *value).fold(f64::NEG_INFINITY, f64::max);
    let best: Vec<f32> =
        valued.iter().filter(|(_, value)| *value >= top).map(|(candidate, _)| *candidate).collect();
    best.get(best.len() / 2).copied().unwrap_or(0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> SoftmaxHead {
        let labels = vec!["a".to_owned(), "b".to_owned()];
        SoftmaxHead {
            labels,
            temperature: 1.0,
            threshold: 0.0,
            secondary_threshold: 0.5,
            abstention_confidence: 0.5,
        }
    }

    #[test]
    fn overconfident_logits_are_cooled() {
        // Right three times in four at a logit gap of 8: the fitted gap must be ln 3.
        let logits: &[f32] = &[8.0, 0.0];
        let temperature = temperature(&head(), &[(logits, 0), (logits, 0), (logits, 0), (logits, 1)]);
        assert!((temperature - 8.0 / 3f32.ln()).abs() < 0.05, "{temperature}");
    }

    #[test]
    fn independent_labels_are_cooled_alike() {
        let head = SigmoidHead {
            labels: vec!["a".to_owned()],
            temperature: 1.0,
            thresholds: vec![0.5],
            with_cue: Vec::new(),
        };
        let (logits, yes, no): (&[f32], &[usize], &[usize]) = (&[6.0], &[0], &[]);
        let temperature =
            sigmoid_temperature(&head, &[(logits, yes), (logits, yes), (logits, yes), (logits, no)]);
        assert!((temperature - 6.0 / 3f32.ln()).abs() < 0.05, "{temperature}");
    }

    #[test]
    fn the_threshold_parts_what_is_known_from_what_is_not() {
        let rows = [
            (vec![0.45, 0.55], Some(1)),
            (vec![0.62, 0.38], Some(0)),
            (vec![0.3, 0.28], None),
            (vec![0.2, 0.35], None),
        ];
        let threshold = abstain_threshold(None, &rows);
        assert!(threshold > 0.3 && threshold <= 0.5, "{threshold}");
        assert_eq!(abstention_confidence(threshold, None, &rows), 3.0 / 4.0);
        assert_eq!(abstention_confidence(threshold, None, &[]), 0.5);
    }

    #[test]
    fn second_intents_count_from_where_they_are_right() {
        let both: &[usize] = &[0, 1];
        let one: &[usize] = &[0];
        let rows = [(vec![0.6, 0.35, 0.05], both), (vec![0.7, 0.2, 0.1], one), (vec![0.65, 0.3, 0.05], both)];
        let threshold = secondary_threshold(None, &rows);
        assert!(threshold > 0.2 && threshold <= 0.3, "{threshold}");
    }

    #[test]
    fn a_cue_lowers_the_bar_as_far_as_it_can_be_trusted() {
        let head = SigmoidHead {
            labels: vec!["a".to_owned()],
            temperature: 1.0,
            thresholds: vec![0.5],
            with_cue: Vec::new(),
        };
        let (sure, thinkable, no): (&[f32], &[f32], &[f32]) = (&[3.0], &[-2.0], &[-6.0]);
        let (yes, none): (&[usize], &[usize]) = (&[0], &[]);
        // The cue is right where the head finds the label thinkable and wrong where it does not.
        let rows: Vec<CuedRow<'_>> = [
            (sure, yes, vec![false]),
            (thinkable, yes, vec![true]),
            (thinkable, none, vec![false]),
            (thinkable, none, vec![false]),
            (no, none, vec![true]),
            (no, none, vec![true]),
        ]
        .into_iter()
        .cycle()
        .take(120)
        .collect();
        let (alone, with_cue) = signal_thresholds(&head, |_| 1.0, &rows);
        assert!(alone[0] > 0.12 && alone[0] <= 0.8, "{alone:?}");
        assert!(with_cue[0] > 0.003 && with_cue[0] < 0.12, "{with_cue:?}");
    }

    #[test]
    fn a_rare_label_keeps_a_threshold_near_one_half() {
        let head = SigmoidHead {
            labels: vec!["a".to_owned()],
            temperature: 1.0,
            thresholds: vec![0.5],
            with_cue: Vec::new(),
        };
        let (low, high): (&[f32], &[f32]) = (&[-1.2], &[-5.0]);
        let (yes, no): (&[usize], &[usize]) = (&[0], &[]);
        let mut rows = vec![(low, yes), (high, no)];
        assert!(label_thresholds(&head, &rows)[0] > 0.45);
        rows = rows.repeat(30);
        assert!(label_thresholds(&head, &rows)[0] < 0.25, "with enough examples the data decide");
    }
}
