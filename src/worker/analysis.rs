//! What the pipeline asks of the analysis. The one implementation is the analyzer; the simulation of the worker puts
//! another in its place, without threads and failing on purpose.

use async_trait::async_trait;

use crate::config::Thresholds;
use crate::interaction::{Channel, Interaction, sample};
use crate::nlp::Understanding;
use crate::nlp::analyzer::{AnalyzeError, Analyzer};
use crate::nlp::explain::Explained;
use crate::nlp::thresholds::UnknownLabel;

/// Understands messages.
#[async_trait]
pub trait Analysis: Send + Sync {
    /// The model version of decisions.
    fn version(&self) -> &str;

    /// Takes other bars; why not, where it cannot.
    fn retune(&self, bars: &Thresholds) -> Result<(), UnknownLabel> {
        let _ = bars;
        Ok(())
    }

    /// What a message means.
    async fn analyze(&self, interaction: &Interaction) -> Result<Understanding, AnalyzeError>;

    /// What it means without the engine.
    fn analyze_cues_only(&self, interaction: &Interaction) -> Understanding;

    /// The words behind the labels.
    async fn explain(
        &self,
        interaction: &Interaction,
        found: &Understanding,
    ) -> Result<Vec<Explained>, AnalyzeError>;

    /// Whether it can say anything at all, tried on a plain text: tells a failing engine from a message that no engine
    /// can take.
    async fn answers(&self) -> bool;
}

#[async_trait]
impl Analysis for Analyzer {
    fn version(&self) -> &str {
        Self::version(self)
    }

    fn retune(&self, bars: &Thresholds) -> Result<(), UnknownLabel> {
        Self::retune(self, bars)
    }

    async fn analyze(&self, interaction: &Interaction) -> Result<Understanding, AnalyzeError> {
        Self::analyze(self, interaction).await
    }

    fn analyze_cues_only(&self, interaction: &Interaction) -> Understanding {
        Self::analyze_cues_only(self, interaction)
    }

    async fn explain(
        &self,
        interaction: &Interaction,
        found: &Understanding,
    ) -> Result<Vec<Explained>, AnalyzeError> {
        Self::explain(self, interaction, found).await
    }

    async fn answers(&self) -> bool {
        match sample(Channel::Chat, "Where is my order?") {
            Ok(plain) => Self::analyze(self, &plain).await.is_ok(),
            Err(_) => false,
        }
    }
}
