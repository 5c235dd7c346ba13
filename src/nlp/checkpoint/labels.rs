//! From a checkpoint's labels to those of a head. Pure.

use super::Fault;
use crate::config::Replacement;
use crate::nlp::labels::{Emotion, INTENTS, LabelKind, NONE, SentimentLabel, SignalKind, Stage};
use crate::nlp::pack::{Heads, SigmoidHead, SoftmaxHead};

/// The target of a label that says nothing: of emotions and signals it is not read, as the stage it places nobody.
pub const NOWHERE: &str = NONE;

/// So far below the others lies the logit of a label that is not there, times the temperature; finite, since engines
/// promise finite numbers.
const NEVER: f32 = -30.0;

/// A head that a checkpoint can replace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// One of negative, neutral, positive.
    Sentiment,
    /// Intents that exclude each other.
    Intents,
    /// One journey stage.
    Stage,
    /// Independent emotions.
    Emotions,
    /// Independent signals.
    Signals,
}

impl Head {
    /// Every head.
    pub const ALL: [Self; 5] = [Self::Sentiment, Self::Intents, Self::Stage, Self::Emotions, Self::Signals];

    /// Its key in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sentiment => "sentiment",
            Self::Intents => "intents",
            Self::Stage => "stage",
            Self::Emotions => "emotions",
            Self::Signals => "signals",
        }
    }

    /// The head of that key.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|head| head.name() == name)
    }

    /// What its labels are called.
    pub fn kind(self) -> LabelKind {
        match self {
            Self::Sentiment => LabelKind::Sentiment,
            Self::Intents => LabelKind::Intent,
            Self::Stage => LabelKind::Stage,
            Self::Emotions => LabelKind::Emotion,
            Self::Signals => LabelKind::Signal,
        }
    }

    /// Whether each label stands by itself.
    pub fn independent(self) -> bool {
        matches!(self, Self::Emotions | Self::Signals)
    }

    /// Labels it may have, in their usual order; intents of the pack's own come last.
    fn known(self, heads: &Heads) -> Vec<String> {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        match self {
            Self::Sentiment => SentimentLabel::ALL.iter().map(ToString::to_string).collect(),
            Self::Intents => {
                let own = heads
                    .intents
                    .labels
                    .iter()
                    .filter(|label| *label != NONE && !INTENTS.contains(&label.as_str()));
                names(&INTENTS).into_iter().chain(own.cloned()).collect()
            }
            Self::Stage => Stage::ALL.iter().map(ToString::to_string).collect(),
            Self::Emotions => Emotion::ALL.iter().map(ToString::to_string).collect(),
            Self::Signals => SignalKind::ALL.iter().map(ToString::to_string).collect(),
        }
    }

    /// Threshold when the configuration names none. Nothing is known of the checkpoint's calibration, so these are
    /// what a calibrated one would need.
    fn usual_threshold(self) -> f32 {
        match self {
            // The most probable sentiment always counts.
            Self::Sentiment => 0.0,
            Self::Intents | Self::Stage => 0.4,
            Self::Emotions | Self::Signals => 0.5,
        }
    }
}

impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Share from which a second intent counts, when the configuration names none.
const USUAL_SECONDARY: f32 = 0.2;

/// Names in a message, quoted.
pub(super) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

/// Where each logit of a checkpoint goes.
#[derive(Debug, Clone)]
pub(super) struct Mapped {
    /// Of the head, with the places of their logits in the checkpoint's output.
    labels: Vec<(String, Vec<usize>)>,
    independent: bool,
    temperature: f32,
    threshold: f32,
    secondary_threshold: f32,
}

impl Mapped {
    pub(super) fn new(
        head: Head,
        own: &[String],
        settings: &Replacement,
        heads: &Heads,
    ) -> Result<Self, Fault> {
        let mut known = head.known(heads);
        if head.independent() || head == Head::Stage {
            known.push(NOWHERE.to_owned());
        }
        let list = |names: &[String]| list(names.iter().map(String::as_str));
        if let Some(label) = settings.labels.keys().find(|label| !own.contains(label)) {
            return Err(Fault::NoSuchLabel { label: label.clone(), own: list(own) });
        }
        let mut labels: Vec<(String, Vec<usize>)> =
            known.iter().map(|label| (label.clone(), Vec::new())).collect();
        let mut unmapped = Vec::new();
        for (at, label) in own.iter().enumerate() {
            let target = settings.labels.get(label);
            let same = target.cloned().unwrap_or_else(|| label.to_lowercase());
            match (labels.iter_mut().find(|(known, _)| *known == same), target) {
                (Some((_, places)), _) => places.push(at),
                (None, None) => unmapped.push(label.clone()),
                (None, Some(target)) => {
                    let (label, target) = (label.clone(), target.clone());
                    return Err(Fault::NoSuchTarget { label, target, head, known: list(&known) });
                }
            }
        }
        if !unmapped.is_empty() {
            return Err(Fault::Unmapped { unmapped: list(&unmapped), head, known: list(&known) });
        }
        let found = labels.iter().filter(|(_, places)| !places.is_empty()).count();
        // A choice keeps all its labels, as the pack has them, so that texts can be judged that bear any of them.
        labels.retain(|(label, places)| {
            let (read, named) = (!places.is_empty(), label != NOWHERE);
            if head.independent() { read && named } else { read || named }
        });
        if !head.independent() && found < 2 {
            return Err(Fault::OneLabel { found, head });
        }
        Ok(Self {
            labels,
            independent: head.independent(),
            temperature: settings.temperature,
            threshold: settings.threshold.unwrap_or(head.usual_threshold()),
            secondary_threshold: settings.secondary_threshold.unwrap_or(USUAL_SECONDARY),
        })
    }

    pub(super) fn replace_in(&self, head: Head, heads: &mut Heads) {
        let labels: Vec<String> = self.labels.iter().map(|(label, _)| label.clone()).collect();
        let softmax = || SoftmaxHead {
            labels: labels.clone(),
            temperature: self.temperature,
            threshold: self.threshold,
            secondary_threshold: self.secondary_threshold,
            // Nothing is known of how often this checkpoint is right to abstain.
            abstention_confidence: 0.5,
        };
        let sigmoid = || SigmoidHead {
            labels: labels.clone(),
            temperature: self.temperature,
            thresholds: vec![self.threshold; labels.len()],
            with_cue: Vec::new(),
        };
        match head {
            Head::Sentiment => heads.sentiment = softmax(),
            Head::Intents => heads.intents = softmax(),
            Head::Stage => heads.stage = softmax(),
            Head::Emotions => heads.emotions = sigmoid(),
            Head::Signals => heads.signals = sigmoid(),
        }
    }

    /// Several labels of the checkpoint may lead to one: as a choice their probabilities add up, as facts the
    /// strongest counts.
    pub(super) fn to_head(&self, logits: &[f32]) -> Vec<f32> {
        let never = logits.iter().copied().fold(f32::INFINITY, f32::min) + NEVER * self.temperature;
        let of = |places: &[usize]| {
            if places.is_empty() {
                return never;
            }
            let found: Vec<f32> = places.iter().filter_map(|at| logits.get(*at).copied()).collect();
            let top = found.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            if self.independent || found.len() < 2 || !top.is_finite() {
                return top;
            }
            let sum: f32 = found.iter().map(|logit| ((logit - top) / self.temperature).exp()).sum();
            top + self.temperature * sum.ln()
        };
        self.labels.iter().map(|(_, places)| of(places)).collect()
    }

    pub(super) fn nothing(&self) -> Vec<f32> {
        let of = |places: &[usize]| {
            if self.independent || places.is_empty() { NEVER * self.temperature } else { 0.0 }
        };
        self.labels.iter().map(|(_, places)| of(places)).collect()
    }

    /// A choice is the mean weighted by length; a fact in one part is a fact of the whole.
    pub(super) fn whole(&self, parts: &[(Vec<f32>, usize)]) -> Vec<f32> {
        if let [(only, _)] = parts {
            return only.clone();
        }
        let weight = |length: usize| f32::from(u16::try_from(length.max(1)).unwrap_or(u16::MAX));
        let total: f32 = parts.iter().map(|(_, length)| weight(*length)).sum();
        (0..self.labels.len())
            .map(|at| {
                let values = parts.iter().filter_map(|(logits, length)| Some((*logits.get(at)?, *length)));
                if self.independent {
                    values.map(|(logit, _)| logit).fold(f32::NEG_INFINITY, f32::max)
                } else {
                    values.map(|(logit, length)| logit * weight(length) / total).sum()
                }
            })
            .collect()
    }
}
