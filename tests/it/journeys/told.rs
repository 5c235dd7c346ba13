//! An analysis that answers as the story says, and where it says nothing, as the scripted engine and the cue rules do.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use smista::interaction::Interaction;
use smista::nlp::Understanding;
use smista::nlp::analyzer::{AnalyzeError, Analyzer};
use smista::nlp::explain::Explained;
use smista::nlp::labels::{INTENTS, SentimentLabel};
use smista::nlp::understanding::{Scored, Signal, SignalSource};
use smista::worker::Analysis;

use super::story::Means;

pub struct ToldAnalysis {
    pub analyzer: Arc<Analyzer>,
    pub means: HashMap<String, Means>,
}

#[async_trait]
impl Analysis for ToldAnalysis {
    fn version(&self) -> &str {
        self.analyzer.version()
    }

    async fn analyze(&self, interaction: &Interaction) -> Result<Understanding, AnalyzeError> {
        let mut found = self.analyzer.analyze(interaction).await?;
        if let Some(means) = self.means.get(&interaction.message_id) {
            apply(means, &mut found);
        }
        Ok(found)
    }

    fn analyze_cues_only(&self, interaction: &Interaction) -> Understanding {
        self.analyzer.analyze_cues_only(interaction)
    }

    async fn explain(
        &self,
        interaction: &Interaction,
        found: &Understanding,
    ) -> Result<Vec<Explained>, AnalyzeError> {
        self.analyzer.explain(interaction, found).await
    }

    async fn answers(&self) -> bool {
        true
    }
}

fn apply(means: &Means, found: &mut Understanding) {
    if let Some(wants) = &means.wants {
        let known = |name: &String| INTENTS.contains(&name.as_str());
        assert!(wants.iter().all(known), "{wants:?}: not all are core intents");
        let scored = wants.iter().zip([0.9, 0.6, 0.4]);
        found.intents = scored.map(|(name, confidence)| Scored { name: name.clone(), confidence }).collect();
        found.abstained = wants.is_empty();
        found.goal = None;
    }
    if let Some(feels) = &means.feels {
        let (label, score) = match feels {
            Value::String(name) => match name.as_str() {
                "negative" => (SentimentLabel::Negative, -0.7),
                "neutral" => (SentimentLabel::Neutral, 0.0),
                "positive" => (SentimentLabel::Positive, 0.8),
                other => panic!("{other}: no sentiment"),
            },
            other => {
                #[expect(clippy::cast_possible_truncation, reason = "a score of two decimals")]
                let score = other.as_f64().unwrap() as f32;
                let label = match score {
                    ..-0.2 => SentimentLabel::Negative,
                    0.2.. => SentimentLabel::Positive,
                    _ => SentimentLabel::Neutral,
                };
                (label, score)
            }
        };
        let sentiment = &mut found.sentiment;
        (sentiment.label, sentiment.score, sentiment.confidence) = (label, score, 0.9);
        (sentiment.first_third, sentiment.last_third, sentiment.shift) = (score, score, 0.0);
    }
    if let Some(emotions) = &means.emotions {
        found.emotions = emotions.iter().map(|name| Scored { name: *name, confidence: 0.8 }).collect();
    }
    if let Some(stage) = means.stage() {
        found.stage = stage.map(|name| Scored { name, confidence: 0.9 });
    }
    if let Some(signals) = &means.signals {
        let signal =
            |name| Signal { name, confidence: 0.9, source: SignalSource::Model, span: None, text: None };
        found.signals = signals.iter().copied().map(signal).collect();
    }
    if let Some(effort) = means.effort {
        found.effort = effort;
    }
    if let Some(language) = &means.language {
        found.language.code.clone_from(language);
    }
}
