//! Bars of the configuration in the place of the pack's.

use super::pack::{Heads, SigmoidHead};
use crate::config::Thresholds;

/// A bar for a label that the head does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("engine.thresholds.{head}: the model has no label `{label}`; it has {known}")]
pub struct UnknownLabel {
    head: &'static str,
    label: String,
    known: String,
}

/// The heads with these bars.
///
/// # Errors
/// When a bar is for a label that a head does not have.
pub fn apply(heads: &Heads, thresholds: &Thresholds) -> Result<Heads, UnknownLabel> {
    let mut heads = heads.clone();
    if let Some(bar) = thresholds.intents {
        heads.intents.threshold = bar;
    }
    if let Some(bar) = thresholds.intents_secondary {
        heads.intents.secondary_threshold = bar;
    }
    if let Some(bar) = thresholds.stage {
        heads.stage.threshold = bar;
    }
    for (label, bar) in &thresholds.emotions {
        *bar_of(&mut heads.emotions, "emotions", label)? = *bar;
    }
    for (label, bar) in &thresholds.signals {
        *bar_of(&mut heads.signals, "signals", label)? = *bar;
    }
    Ok(heads)
}

fn bar_of<'a>(
    head: &'a mut SigmoidHead,
    name: &'static str,
    label: &str,
) -> Result<&'a mut f32, UnknownLabel> {
    let place = head.labels.iter().position(|known| known == label);
    let known = head.labels.join(", ");
    let bar = place.and_then(|place| head.thresholds.get_mut(place));
    bar.ok_or_else(|| UnknownLabel { head: name, label: label.to_owned(), known })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nlp::scripted;

    #[test]
    fn only_what_is_named_changes() {
        let heads = scripted::manifest();
        assert_eq!(apply(&heads, &Thresholds::default()).unwrap(), heads);
        let mut thresholds = Thresholds { intents: Some(0.9), stage: Some(0.8), ..Thresholds::default() };
        thresholds.signals.insert("churn".to_owned(), 0.25);
        let changed = apply(&heads, &thresholds).unwrap();
        assert_eq!((changed.intents.threshold, changed.stage.threshold), (0.9, 0.8));
        let churn = heads.signals.labels.iter().position(|label| label == "churn").unwrap();
        assert_eq!(changed.signals.thresholds[churn], 0.25);
        assert_eq!(changed.emotions, heads.emotions);
        assert_eq!(changed.intents.secondary_threshold, heads.intents.secondary_threshold);
    }

    #[test]
    fn an_unknown_label_is_named_with_those_there_are() {
        let mut thresholds = Thresholds::default();
        thresholds.signals.insert("chrun".to_owned(), 0.25);
        let error = apply(&scripted::manifest(), &thresholds).unwrap_err().to_string();
        assert!(
            error.contains("engine.thresholds.signals") && error.contains("chrun") && error.contains("churn"),
            "{error}"
        );
    }
}
