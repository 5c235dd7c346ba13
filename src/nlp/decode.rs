//! From logits to calibrated labels: temperature, softmax or sigmoid, thresholds of the pack. Pure; how the windows of
//! one message are put together is decided elsewhere.

use super::engine::WindowOutput;
use super::labels::{Emotion, NONE, SentimentLabel, SignalKind, Stage};
use super::pack::{Heads, SigmoidHead, SoftmaxHead};

/// Most intents one message may have.
pub const MAX_INTENTS: usize = 3;

/// What the heads say about one window, calibrated.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decoded {
    /// Probabilities of `[negative, neutral, positive]`; they sum to 1.
    pub sentiment: [f32; 3],
    /// Up to [`MAX_INTENTS`], most probable first; empty when abstained.
    pub intents: Vec<(String, f32)>,
    /// No intent reached the threshold.
    pub abstained: bool,
    /// Probability of every intent in pack order.
    pub intent_probabilities: Vec<f32>,
    /// The stage, unless none reached the threshold (small talk places nobody).
    pub stage: Option<(Stage, f32)>,
    /// Probability of every stage in pack order.
    pub stage_probabilities: Vec<f32>,
    /// Emotions that reached their thresholds, in pack order.
    pub emotions: Vec<(Emotion, f32)>,
    /// Signals that reached their thresholds, in pack order.
    pub signals: Vec<(SignalKind, f32)>,
    /// Signals that count when a cue has found them too.
    pub signals_backed: Vec<SignalKind>,
}

impl Decoded {
    /// The most probable sentiment and its probability.
    pub fn sentiment_label(&self) -> (SentimentLabel, f32) {
        let best = argmax(&self.sentiment).unwrap_or(1);
        let label = SentimentLabel::ALL.get(best).copied().unwrap_or(SentimentLabel::Neutral);
        (label, self.sentiment.get(best).copied().unwrap_or_default())
    }

    /// Probability of positive less that of negative: −1…1.
    pub fn sentiment_score(&self) -> f32 {
        self.sentiment[2] - self.sentiment[0]
    }
}

/// Calibrates one output. Logits beyond the head's labels are left out, missing ones count as never.
pub fn decode(heads: &Heads, output: &WindowOutput) -> Decoded {
    let sentiment = softmax(&heads.sentiment, &output.sentiment);
    let mut three = [0.0; 3];
    for (label, probability) in heads.sentiment.labels.iter().zip(&sentiment) {
        if let Some(at) = SentimentLabel::ALL.iter().position(|known| known.as_str() == label) {
            three[at] = *probability;
        }
    }
    let intent_probabilities = softmax(&heads.intents, &output.intents);
    let intents = choose_intents(&heads.intents, &intent_probabilities);
    let stage_probabilities = softmax(&heads.stage, &output.stage);
    let stage = argmax(&stage_probabilities)
        .map(|at| (at, stage_probabilities[at]))
        .filter(|(_, probability)| *probability >= heads.stage.threshold)
        .and_then(|(at, probability)| Some((Stage::from_name(&heads.stage.labels[at])?, probability)));
    Decoded {
        sentiment: three,
        abstained: intents.is_empty(),
        intents,
        intent_probabilities,
        stage,
        stage_probabilities,
        emotions: above(&heads.emotions, &output.emotions, Emotion::from_name),
        signals: above(&heads.signals, &output.signals, SignalKind::from_name),
        signals_backed: backed(&heads.signals, &output.signals),
    }
}

/// The intents that count: the best one if it reaches the threshold, then those that reach the secondary threshold.
/// None when [`NONE`] is the best.
pub fn choose_intents(head: &SoftmaxHead, probabilities: &[f32]) -> Vec<(String, f32)> {
    let mut ranked: Vec<(&String, f32)> = head.labels.iter().zip(probabilities.iter().copied()).collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    let mut chosen = Vec::new();
    if ranked.first().is_some_and(|(label, _)| *label == NONE) {
        return chosen;
    }
    ranked.retain(|(label, _)| *label != NONE);
    for (rank, (label, probability)) in ranked.into_iter().take(MAX_INTENTS).enumerate() {
        let needed = if rank == 0 { head.threshold } else { head.secondary_threshold };
        if probability < needed {
            break;
        }
        chosen.push((label.clone(), probability));
    }
    chosen
}

/// Calibrated probabilities of a head whose labels exclude each other.
pub fn softmax(head: &SoftmaxHead, logits: &[f32]) -> Vec<f32> {
    let logits: Vec<f32> =
        (0..head.labels.len()).map(|at| logits.get(at).copied().unwrap_or(f32::NEG_INFINITY)).collect();
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if !top.is_finite() {
        return vec![0.0; logits.len()];
    }
    let powers: Vec<f32> = logits.iter().map(|logit| ((logit - top) / head.temperature).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

/// Calibrated probabilities of a head of independent labels.
pub fn sigmoid(head: &SigmoidHead, logits: &[f32]) -> Vec<f32> {
    (0..head.labels.len())
        .map(|at| logits.get(at).map_or(0.0, |logit| 1.0 / (1.0 + (-logit / head.temperature).exp())))
        .collect()
}

fn above<L>(head: &SigmoidHead, logits: &[f32], label: fn(&str) -> Option<L>) -> Vec<(L, f32)> {
    let probabilities = sigmoid(head, logits);
    let rows = head.labels.iter().zip(probabilities).zip(&head.thresholds);
    rows.filter(|((_, probability), threshold)| probability >= threshold)
        .filter_map(|((name, probability), _)| Some((label(name)?, probability)))
        .collect()
}

/// Signals probable enough to back a cue.
fn backed(head: &SigmoidHead, logits: &[f32]) -> Vec<SignalKind> {
    let needed = head.with_cue.iter().copied().chain(std::iter::repeat(0.0));
    let rows = head.labels.iter().zip(sigmoid(head, logits)).zip(needed);
    rows.filter(|((_, probability), needed)| probability >= needed)
        .filter_map(|((name, _), _)| SignalKind::from_name(name))
        .collect()
}

fn argmax(values: &[f32]) -> Option<usize> {
    (0..values.len()).max_by(|a, b| values[*a].total_cmp(&values[*b]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn softmax_head(labels: &[&str], temperature: f32, threshold: f32) -> SoftmaxHead {
        SoftmaxHead {
            labels: names(labels),
            temperature,
            threshold,
            secondary_threshold: 0.2,
            abstention_confidence: 0.5,
        }
    }

    fn heads() -> Heads {
        Heads {
            sentiment: softmax_head(&["negative", "neutral", "positive"], 1.0, 0.0),
            intents: softmax_head(&["order.place", "order.cancel", "praise", "other"], 1.0, 0.5),
            stage: softmax_head(&["awareness", "support"], 2.0, 0.7),
            emotions: SigmoidHead {
                labels: names(&["anger", "joy"]),
                temperature: 1.0,
                thresholds: vec![0.5, 0.9],
                with_cue: Vec::new(),
            },
            signals: SigmoidHead {
                labels: names(&["fraud"]),
                temperature: 1.0,
                thresholds: vec![0.5],
                with_cue: vec![0.1],
            },
        }
    }

    #[test]
    fn labels_come_with_calibrated_probabilities() {
        let output = WindowOutput {
            sentiment: vec![2.0, 0.0, 0.0],
            intents: vec![3.0, 2.0, -9.0, -9.0],
            stage: vec![0.0, 4.0],
            emotions: vec![0.1, 0.1],
            signals: vec![-0.1],
            embedding: vec![],
            last: Vec::new(),
            inner: vec![],
        };
        let decoded = decode(&heads(), &output);
        assert_eq!(decoded.sentiment_label().0, SentimentLabel::Negative);
        assert!((decoded.sentiment.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!((decoded.sentiment_score() - (decoded.sentiment[2] - decoded.sentiment[0])).abs() < 1e-6);
        let named: Vec<&str> = decoded.intents.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(named, ["order.place", "order.cancel"]);
        let (stage, probability) = decoded.stage.unwrap();
        assert_eq!(stage, Stage::Support);
        assert!((probability - 0.880_797).abs() < 1e-4, "temperature 2 halves the logits");
        assert_eq!(decoded.emotions.iter().map(|(label, _)| *label).collect::<Vec<_>>(), [Emotion::Anger]);
        assert_eq!(decoded.signals, []);
        assert_eq!(decoded.signals_backed, [SignalKind::Fraud], "not sure, but enough beside a cue");
        let unthinkable = WindowOutput { signals: vec![-4.0], ..output };
        assert_eq!(decode(&heads(), &unthinkable).signals_backed, []);
    }

    #[test]
    fn below_the_threshold_it_abstains() {
        let output = WindowOutput { intents: vec![0.0; 4], stage: vec![0.0, 0.1], ..WindowOutput::default() };
        let decoded = decode(&heads(), &output);
        assert!(decoded.abstained && decoded.intents.is_empty());
        assert_eq!(decoded.stage, None);
    }

    #[test]
    fn an_empty_output_decides_nothing() {
        let decoded = decode(&heads(), &WindowOutput::default());
        assert!(decoded.abstained);
        assert_eq!((decoded.stage, decoded.emotions.len(), decoded.signals.len()), (None, 0, 0));
    }

    #[test]
    fn huge_logits_stay_finite() {
        let head = softmax_head(&["a", "b"], 0.1, 0.0);
        assert_eq!(softmax(&head, &[3e38, -3e38]), [1.0, 0.0]);
    }
}
