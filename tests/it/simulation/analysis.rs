//! An analysis that knows every answer at once and fails when it is told to.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use smista::clock;
use smista::interaction::Interaction;
use smista::nlp::Understanding;
use smista::nlp::analyzer::AnalyzeError;
use smista::nlp::engine::EngineError;
use smista::nlp::explain::Explained;
use smista::nlp::labels::{SentimentLabel, Stage};
use smista::nlp::understanding::{Complexity, GoalKind, Language, Scored, Sentiment};
use smista::worker::Analysis;

use super::plan::Kind;
use super::world::{Mistake, Process};

/// How long a slow message takes.
pub const SLOW: Duration = Duration::from_secs(300);

pub struct SimulatedAnalysis(pub Arc<Process>);

#[async_trait]
impl Analysis for SimulatedAnalysis {
    fn version(&self) -> &str {
        "simulated"
    }

    async fn analyze(&self, interaction: &Interaction) -> Result<Understanding, AnalyzeError> {
        let Self(process) = self;
        let world = &process.world;
        let id = &interaction.message_id;
        process.step("analyse", id).await;
        let failed = |error: EngineError| {
            *world.ledger.lock().unwrap().failed.entry(id.clone()).or_default() += 1;
            Err(AnalyzeError::Engine(error))
        };
        match world.plan.message(id).kind {
            Kind::Unfit => return failed(EngineError::WindowLength { len: 9, max: 8 }),
            Kind::Poison => return failed(EngineError::Runtime("poison".to_owned())),
            // As a panic, less the report on standard error.
            Kind::Panics => std::panic::resume_unwind(Box::new("simulated")),
            Kind::Slow => clock::sleep(SLOW).await,
            Kind::Good | Kind::Malformed => {}
        }
        if world.strikes("analyse", id, world.plan.rates.analyse) {
            return failed(EngineError::Runtime("for a moment".to_owned()));
        }
        Ok(understanding(id))
    }

    fn analyze_cues_only(&self, interaction: &Interaction) -> Understanding {
        Understanding { degraded: true, ..understanding(&interaction.message_id) }
    }

    async fn explain(&self, _: &Interaction, _: &Understanding) -> Result<Vec<Explained>, AnalyzeError> {
        Ok(Vec::new())
    }

    async fn answers(&self) -> bool {
        let Self(process) = self;
        let world = &process.world;
        process.step("probe", &process.name).await;
        world.mistake != Mistake::EngineNotProbed
            && !world.strikes("probe", &process.name, world.plan.rates.analyse)
    }
}

/// Differs from message to message, so that there are state changes to publish.
fn understanding(id: &str) -> Understanding {
    let number: usize = id.trim_start_matches('m').parse().unwrap_or_default();
    Understanding {
        language: Language { code: "en".to_owned(), confidence: 1.0 },
        sentiment: Sentiment {
            label: SentimentLabel::Neutral,
            score: 0.0,
            confidence: 0.9,
            first_third: 0.0,
            last_third: 0.0,
            shift: 0.0,
        },
        emotions: Vec::new(),
        intents: vec![Scored { name: "order.status".to_owned(), confidence: 0.9 }],
        abstained: false,
        stage: Some(Scored { name: Stage::ALL[number % Stage::ALL.len()], confidence: 0.9 }),
        signals: Vec::new(),
        goal: number.is_multiple_of(3).then_some(GoalKind::Ask),
        complexity: Complexity::Bot,
        effort: 0.0,
        questions: Vec::new(),
        turns: Vec::new(),
        embedding: Vec::new(),
        degraded: false,
    }
}
