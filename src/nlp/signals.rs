//! One list of signals from what the cue rules and the model say. A signal counts when the head is sure of it by itself,
//! or when a cue has found it and the head finds it at least thinkable; how probable each must be is fitted with the
//! pack.

use super::cues::Cue;
use super::labels::SignalKind;
use super::merge::ModelSignal;
use super::understanding::{Signal, SignalSource};

/// Where a window stands in the analysed text, in Unicode scalar values, with its words.
pub type Place = ([usize; 2], String);

/// Merges cues and model. One signal per kind: with a cue its words are the span, and if the model agrees either
/// being wrong alone would not matter, so the confidence is that of two independent witnesses. A model-only signal
/// has the span of the window it is strongest in, unless that is the whole text (`places` then gives none). In order
/// of the span, those without one last.
pub fn merge_signals(cues: &[Cue], model: &[ModelSignal], places: &[Option<Place>]) -> Vec<Signal> {
    let mut signals: Vec<Signal> = Vec::new();
    for kind in SignalKind::ALL {
        let cue = cues
            .iter()
            .filter(|cue| cue.signal == Some(*kind))
            .max_by(|a, b| a.confidence.total_cmp(&b.confidence).then(b.span.cmp(&a.span)));
        let seen = model.iter().find(|signal| signal.kind == *kind);
        let signal = match (cue, seen) {
            (Some(cue), Some(seen)) => Signal {
                name: *kind,
                confidence: 1.0 - (1.0 - cue.confidence) * (1.0 - seen.confidence),
                source: SignalSource::Both,
                span: Some(cue.span),
                text: Some(cue.text.clone()),
            },
            (Some(cue), None) => Signal {
                name: *kind,
                confidence: cue.confidence,
                source: SignalSource::Cue,
                span: Some(cue.span),
                text: Some(cue.text.clone()),
            },
            (None, Some(seen)) => {
                let place = places.get(seen.window).cloned().flatten();
                let (span, text) = place.unzip();
                Signal { name: *kind, confidence: seen.confidence, source: SignalSource::Model, span, text }
            }
            (None, None) => continue,
        };
        signals.push(signal);
    }
    signals.sort_by_key(|signal| (signal.span.is_none(), signal.span, signal.name));
    signals
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cue(kind: SignalKind, confidence: f32, start: usize) -> Cue {
        Cue {
            rule: "en.x".into(),
            signal: Some(kind),
            confidence,
            effort: 0.0,
            span: [start, start + 3],
            text: format!("at {start}"),
        }
    }

    fn seen(kind: SignalKind, confidence: f32, window: usize) -> ModelSignal {
        ModelSignal { kind, confidence, window }
    }

    #[test]
    fn each_says_its_source() {
        let cues =
            [cue(SignalKind::Fraud, 0.9, 20), cue(SignalKind::Churn, 0.8, 5), cue(SignalKind::Churn, 0.9, 9)];
        let model = [
            seen(SignalKind::Fraud, 0.5, 0),
            seen(SignalKind::Praise, 0.7, 0),
            seen(SignalKind::Outage, 0.6, 1),
        ];
        let places = [None, Some(([30, 40], "window two".to_owned()))];
        let merged = merge_signals(&cues, &model, &places);
        let short: Vec<_> = merged.iter().map(|s| (s.name, s.source, s.span)).collect();
        assert_eq!(
            short,
            [
                (SignalKind::Churn, SignalSource::Cue, Some([9, 12])),
                (SignalKind::Fraud, SignalSource::Both, Some([20, 23])),
                (SignalKind::Outage, SignalSource::Model, Some([30, 40])),
                (SignalKind::Praise, SignalSource::Model, None),
            ]
        );
        assert!((merged[1].confidence - 0.95).abs() < 1e-6);
        assert_eq!(merged[2].text.as_deref(), Some("window two"));
    }
}
