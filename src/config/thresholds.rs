//! How sure the model has to be, where it is not to be as sure as its pack says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Bars in the place of the pack's, calibrated probabilities from 0 to 1. What is not named stays as the pack has it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Thresholds {
    /// Below this no intent is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intents: Option<f32>,
    /// A second and third intent count from here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intents_secondary: Option<f32>,
    /// Below this the message places nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<f32>,
    /// Emotions count from here, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub emotions: BTreeMap<String, f32>,
    /// Signals that no cue has found count from here, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub signals: BTreeMap<String, f32>,
}

impl Thresholds {
    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The bars that are no probabilities, by their keys.
    pub(super) fn wrong(&self) -> Vec<String> {
        let heads =
            [("intents", self.intents), ("intents_secondary", self.intents_secondary), ("stage", self.stage)];
        let single = heads.into_iter().filter_map(|(key, bar)| Some((key.to_owned(), bar?)));
        let named = [("emotions", &self.emotions), ("signals", &self.signals)].into_iter();
        let named = named
            .flat_map(|(head, bars)| bars.iter().map(move |(name, bar)| (format!("{head}.{name}"), *bar)));
        single.chain(named).filter(|(_, bar)| !(0.0..=1.0).contains(bar)).map(|(key, _)| key).collect()
    }
}
