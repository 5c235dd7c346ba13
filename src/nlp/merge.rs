//! From the windows of one message to one answer per head. Pure.

use super::decode::{Decoded, choose_intents};
use super::engine::WindowOutput;
use super::labels::{Emotion, SignalKind, Stage};
use super::pack::Heads;

/// One window's answer and what it stands for.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// Calibrated.
    pub decoded: &'a Decoded,
    /// As the engine gave it.
    pub output: &'a WindowOutput,
    /// Its length; longer windows weigh more.
    pub weight: f32,
}

/// A signal the model sees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ModelSignal {
    /// Which.
    pub kind: SignalKind,
    /// 0…1.
    pub confidence: f32,
    /// The window in which it is strongest.
    pub window: usize,
}

/// What the heads say about a whole text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Merged {
    /// Probabilities of negative, neutral, positive.
    pub sentiment: [f32; 3],
    /// Up to three, most probable first.
    pub intents: Vec<(String, f32)>,
    /// If sure enough.
    pub stage: Option<(Stage, f32)>,
    /// Strongest first.
    pub emotions: Vec<(Emotion, f32)>,
    /// In label order.
    pub signals: Vec<ModelSignal>,
    /// Signals that no window finds probable enough to back a cue.
    pub doubted: Vec<SignalKind>,
    /// L2-normalised mean.
    pub embedding: Vec<f32>,
    /// L2-normalised mean of the last layer's.
    pub outer: Vec<f32>,
    /// The same of the inner layer.
    pub inner: Vec<f32>,
}

/// Puts the windows together. Sentiment and embedding are means weighted by length. An intent or stage may fill one
/// window of a long text and be absent from the rest, so theirs is half the mean and half the maximum, scaled to sum
/// to 1. Emotions and signals are facts that one window suffices for: the maximum. With one window all of these are
/// what it says.
pub fn merge(heads: &Heads, parts: &[Part<'_>]) -> Merged {
    let total: f32 = parts.iter().map(|part| part.weight).sum();
    if parts.is_empty() || total <= 0.0 {
        return Merged { sentiment: [0.0, 1.0, 0.0], ..Merged::default() };
    }
    let mut merged = Merged::default();
    for part in parts {
        for (sum, probability) in merged.sentiment.iter_mut().zip(part.decoded.sentiment) {
            *sum += probability * part.weight / total;
        }
    }
    let intents = blend(parts, total, |part| &part.decoded.intent_probabilities);
    merged.intents = choose_intents(&heads.intents, &intents);
    let stages = blend(parts, total, |part| &part.decoded.stage_probabilities);
    merged.stage = heads
        .stage
        .labels
        .iter()
        .zip(&stages)
        .max_by(|a, b| a.1.total_cmp(b.1))
        .filter(|(_, probability)| **probability >= heads.stage.threshold)
        .and_then(|(label, probability)| Some((Stage::from_name(label)?, *probability)));
    for part in parts {
        for (emotion, probability) in &part.decoded.emotions {
            match merged.emotions.iter_mut().find(|(known, _)| known == emotion) {
                Some((_, strongest)) => *strongest = strongest.max(*probability),
                None => merged.emotions.push((*emotion, *probability)),
            }
        }
    }
    merged.emotions.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    merged.signals = signals(parts);
    let backed = |kind: &SignalKind| parts.iter().any(|part| part.decoded.signals_backed.contains(kind));
    // A head that does not know a signal leaves it to the cues.
    let known = |kind: &SignalKind| heads.signals.labels.iter().any(|label| label == kind.as_str());
    merged.doubted = SignalKind::ALL.iter().copied().filter(|kind| known(kind) && !backed(kind)).collect();
    merged.embedding = mean(parts, |output| &output.embedding);
    merged.outer = mean(parts, WindowOutput::outer);
    merged.inner = mean(parts, |output| &output.inner);
    merged
}

fn blend(parts: &[Part<'_>], total: f32, of: impl for<'a> Fn(&Part<'a>) -> &'a Vec<f32>) -> Vec<f32> {
    let length = parts.iter().map(|part| of(part).len()).max().unwrap_or_default();
    let mut blended: Vec<f32> = (0..length)
        .map(|at| {
            let values =
                || parts.iter().map(|part| (part.weight, of(part).get(at).copied().unwrap_or_default()));
            let mean: f32 = values().map(|(weight, value)| weight * value / total).sum();
            let top = values().map(|(_, value)| value).fold(0.0, f32::max);
            f32::midpoint(mean, top)
        })
        .collect();
    let sum: f32 = blended.iter().sum();
    if sum > 0.0 {
        blended.iter_mut().for_each(|value| *value /= sum);
    }
    blended
}

fn signals(parts: &[Part<'_>]) -> Vec<ModelSignal> {
    let mut found: Vec<ModelSignal> = Vec::new();
    for (window, part) in parts.iter().enumerate() {
        for (kind, confidence) in &part.decoded.signals {
            let signal = ModelSignal { kind: *kind, confidence: *confidence, window };
            match found.iter_mut().find(|known| known.kind == *kind) {
                Some(known) if known.confidence < signal.confidence => *known = signal,
                Some(_) => {}
                None => found.push(signal),
            }
        }
    }
    found.sort_by_key(|signal| signal.kind);
    found
}

fn mean(parts: &[Part<'_>], of: fn(&WindowOutput) -> &Vec<f32>) -> Vec<f32> {
    let vectors: Vec<(&[f32], f32)> =
        parts.iter().map(|part| (of(part.output).as_slice(), part.weight)).collect();
    mean_vector(&vectors)
}

/// The mean of sentence vectors by their weights, brought to length 1; empty when that cannot be.
pub fn mean_vector(vectors: &[(&[f32], f32)]) -> Vec<f32> {
    let length = vectors.iter().map(|(vector, _)| vector.len()).max().unwrap_or_default();
    let mut sum = vec![0.0_f32; length];
    for (vector, weight) in vectors {
        for (total, value) in sum.iter_mut().zip(*vector) {
            *total += value * weight;
        }
    }
    let norm = sum.iter().map(|value| value * value).sum::<f32>().sqrt();
    if norm > 0.0 && norm.is_finite() {
        sum.iter_mut().for_each(|value| *value /= norm);
        sum
    } else {
        Vec::new()
    }
}
