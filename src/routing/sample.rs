//! Sample facts on which a policy is checked when it is loaded.

use std::collections::BTreeSet;

use super::facts::{Facts, JourneyFacts};
use crate::interaction::Ratings;
use crate::journey::model::{ChurnRisk, RiskLevel, Trend};
use crate::nlp::labels::{Emotion, SignalKind, Stage};
use crate::nlp::understanding::{Scored, Signal, SignalSource};

/// Facts in which nothing is absent. Attributes read `"1"`, which is text and can be made a number.
pub(super) fn full(attributes: &BTreeSet<String>) -> Facts {
    Facts {
        intents: vec![
            Scored { name: "technical.problem".to_owned(), confidence: 0.83 },
            Scored { name: "return.request".to_owned(), confidence: 0.57 },
        ],
        emotions: vec![Scored { name: Emotion::Anger, confidence: 0.71 }],
        signals: vec![Signal {
            name: SignalKind::RepeatContact,
            confidence: 0.97,
            source: SignalSource::Cue,
            span: Some([0, 1]),
            text: None,
        }],
        stage: Some(Stage::Support),
        previous_stage: Some(Stage::Onboarding),
        ratings: Ratings { nps: Some(6), csat: Some(2), ces: Some(3), rating: Some(2) },
        attributes: attributes.iter().map(|key| (key.clone(), "1".to_owned())).collect(),
        journey: JourneyFacts {
            contacts: 2,
            is_repeat: true,
            repeats: 2,
            repeat_days: 3.4,
            experience: 31,
            previous_experience: Some(48),
            sentiment_trend: Trend::Worsening,
            effort: 0.5,
            open_goals: 1,
            churn_risk: ChurnRisk { level: RiskLevel::Medium, reasons: vec!["repeat_contact".to_owned()] },
            promises: 1,
            broken_promises: 1,
            follow_up: true,
            prospect: true,
            contradictions: 1,
            new_contradictions: 1,
            tone: vec!["no_empathy".to_owned()],
            root_cause: Some("technical.problem".to_owned()),
        },
        ..Facts::default()
    }
}
