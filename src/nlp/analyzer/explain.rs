//! Asks the engine which words carried the labels of a message it has already understood.

use super::{AnalyzeError, Analyzer};
use crate::interaction::Interaction;
use crate::nlp::engine::Target;
use crate::nlp::explain::{Explained, MAX_WINDOWS, WeightedSpan, labels, spans, words};
use crate::nlp::labels::LabelKind;
use crate::nlp::pack::Heads;
use crate::nlp::understanding::Understanding;

impl Analyzer {
    /// The words behind the labels of a message: those of the engine's own labels by gradient, at most
    /// [`super::super::explain::MAX_LABELS`] of them over its first windows; those of cues as the cue found them. What
    /// nothing carried is left out, and so is everything the engine was never asked about.
    pub async fn explain(
        &self,
        interaction: &Interaction,
        found: &Understanding,
    ) -> Result<Vec<Explained>, AnalyzeError> {
        let mut explained = self.of_the_engine(interaction, found).await?;
        let cues = found.signals.iter().filter_map(|signal| {
            let told = explained.iter().any(|one| is(one, LabelKind::Signal, signal.name.as_str()));
            let [start, end] = signal.span.filter(|_| !told && signal.source.has_cue())?;
            let spans = vec![WeightedSpan { start, end, weight: 1.0 }];
            Some(Explained { kind: LabelKind::Signal, name: signal.name.to_string(), spans })
        });
        let cues: Vec<Explained> = cues.collect();
        explained.splice(0..0, cues);
        Ok(explained)
    }

    async fn of_the_engine(
        &self,
        interaction: &Interaction,
        found: &Understanding,
    ) -> Result<Vec<Explained>, AnalyzeError> {
        let reading = self.read(interaction);
        if found.degraded || self.without_engine(interaction, &reading).is_some() {
            return Ok(Vec::new());
        }
        let known = labels(found).into_iter().filter_map(|(kind, name)| {
            let target = Target { kind, label: number(&self.model.heads, kind, &name)? };
            Some((kind, name, target))
        });
        let asked: Vec<(LabelKind, String, Target)> = known.collect();
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let targets: Vec<Target> = asked.iter().map(|(.., target)| *target).collect();
        let placed = self.model.windows.placed(&reading.document, MAX_WINDOWS)?;
        // By window, then by target.
        let mut weights = Vec::with_capacity(placed.len());
        for window in &placed {
            weights.push(self.engine.explain(window.window.clone(), targets.clone()).await?);
        }
        let explained = asked.into_iter().enumerate().map(|(at, (kind, name, _))| {
            let own: Vec<Vec<f32>> =
                weights.iter().map(|lists| lists.get(at).cloned().unwrap_or_default()).collect();
            Explained { kind, name, spans: spans(&words(&reading.document, &placed, &own)) }
        });
        Ok(explained.filter(|one| !one.spans.is_empty()).collect())
    }
}

fn is(explained: &Explained, kind: LabelKind, name: &str) -> bool {
    explained.kind == kind && explained.name == name
}

fn number(heads: &Heads, kind: LabelKind, name: &str) -> Option<usize> {
    let labels = match kind {
        LabelKind::Sentiment => &heads.sentiment.labels,
        LabelKind::Intent => &heads.intents.labels,
        LabelKind::Stage => &heads.stage.labels,
        LabelKind::Emotion => &heads.emotions.labels,
        LabelKind::Signal => &heads.signals.labels,
    };
    labels.iter().position(|label| label == name)
}
