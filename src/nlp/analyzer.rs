//! From an interaction to what it means: one request to the engine per message, then the heads, the cue rules and the
//! rules that follow from them. Knows nothing of the customer's history.

mod explain;
mod pieces;
mod unasked;

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::cues::{Cue, CueError, Cues};
use super::custom::CustomIntents;
use super::decode::{Decoded, decode};
use super::derive::{self, Task};
use super::engine::{EngineError, Window, WindowOutput, features};
use super::labels::{SentimentLabel, SignalKind};
use super::language::{LanguageGuesser, UnknownLanguage};
use super::merge::{Merged, Part, merge};
use super::pack::Heads;
use super::questions::questions;
use super::scripted;
use super::service::EngineHandle;
use super::signals::{Place, merge_signals};
use super::thresholds::{self, UnknownLabel};
use super::tokens::TokenError;
use super::understanding::{Complexity, Language, Scored, Sentiment, Signal, TurnSentiment, Understanding};
use super::windows::{WindowMaker, WordWindows};
use crate::config::{IntentsMode, Thresholds};
use crate::interaction::{Author, Interaction};
use pieces::{Piece, thirds};
use unasked::{auto_reply, context, implied, wordless};

/// Cue rules this sure that a machine wrote the message make the engine needless.
const SURE_AUTO_REPLY: f32 = 0.9;

/// What the engine's answers mean: the labels and calibration of its heads, and how text is cut for it.
pub struct Model {
    /// From the pack's manifest.
    pub heads: Heads,
    /// The pack's tokenizer.
    pub windows: Box<dyn WindowMaker>,
    /// The pack's version.
    pub version: String,
}

impl Model {
    /// The scripted engine's: for tests and dry runs.
    pub fn scripted() -> Self {
        Self {
            heads: scripted::manifest(),
            windows: Box::new(WordWindows::default()),
            version: scripted::version(),
        }
    }
}

/// Why an analyzer cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum AnalyzerError {
    /// A language is unknown.
    #[error(transparent)]
    Language(#[from] UnknownLanguage),
    /// The cue rules are faulty.
    #[error(transparent)]
    Cues(#[from] CueError),
}

/// Why a message cannot be analysed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnalyzeError {
    /// The tokenizer refused the text.
    #[error(transparent)]
    Text(#[from] TokenError),
    /// The engine failed on a window.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl AnalyzeError {
    /// Whether the same message would fail again: the text is at fault, not the engine.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Text(_) => true,
            Self::Engine(error) => {
                matches!(error, EngineError::WindowLength { .. } | EngineError::UnknownToken { .. })
            }
        }
    }
}

/// Understands messages.
pub struct Analyzer {
    model: Model,
    /// Those of the model, with the bars of the configuration.
    heads: ArcSwap<Heads>,
    engine: EngineHandle,
    languages: LanguageGuesser,
    cues: Cues,
    custom: Option<(CustomIntents, IntentsMode)>,
    version: String,
}

impl std::fmt::Debug for Analyzer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Analyzer").field("version", &self.version).finish_non_exhaustive()
    }
}

impl Analyzer {
    /// For a model, the engine that runs it, the enabled languages (ISO 639-1) and the one to assume.
    pub fn new(
        model: Model,
        engine: EngineHandle,
        languages: &[String],
        default_language: &str,
    ) -> Result<Self, AnalyzerError> {
        let cues = Cues::new(languages)?;
        let version = format!("{}+cues@{}", model.version, cues.version());
        let languages = LanguageGuesser::new(languages, default_language)?;
        let heads = ArcSwap::from_pointee(model.heads.clone());
        Ok(Self { model, heads, engine, languages, cues, custom: None, version })
    }

    /// The same with intents of the user's own, which the version of decisions names from now on.
    #[must_use]
    pub fn with_custom(mut self, custom: CustomIntents, mode: IntentsMode) -> Self {
        self.version = format!("{}+intents.{}@{}", self.version, mode.as_str(), custom.version);
        self.custom = Some((custom, mode));
        self
    }

    /// Takes these bars in the place of the model's; every one not named is the model's again.
    ///
    /// # Errors
    /// When one is for a label that the model does not have; nothing changes then.
    pub fn retune(&self, bars: &Thresholds) -> Result<(), UnknownLabel> {
        self.heads.store(Arc::new(thresholds::apply(&self.model.heads, bars)?));
        Ok(())
    }

    /// The model version of decisions: the pack's, and that of the cue rules.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The engine, for health and counts.
    pub fn engine(&self) -> &EngineHandle {
        &self.engine
    }

    /// What a message means. The engine is not asked about messages of the contact centre's own side, of machines, or
    /// without words. Its answers are all or nothing: a failed window fails the message, for the caller to try again.
    pub async fn analyze(&self, interaction: &Interaction) -> Result<Understanding, AnalyzeError> {
        let reading = self.read(interaction);
        if let Some(known) = self.without_engine(interaction, &reading) {
            return Ok(known);
        }
        let mut windows = self.model.windows.windows(&reading.document)?;
        if windows.is_empty() {
            return Ok(wordless(interaction, &reading));
        }
        let whole = windows.len();
        let mut pieces = pieces::pieces(interaction, &reading.document, whole);
        for piece in &mut pieces {
            let own = self.model.windows.windows(&piece.text)?;
            piece.windows = windows.len()..windows.len() + own.len();
            windows.extend(own);
        }
        let weights: Vec<f32> = windows.iter().map(Window::weight).collect();
        let places = places(&reading.document, &windows[..whole]);
        let outputs: Vec<WindowOutput> =
            self.engine.infer(windows).await.into_iter().collect::<Result<_, _>>()?;
        let heads = self.heads.load_full();
        let decoded: Vec<Decoded> = outputs.iter().map(|output| decode(&heads, output)).collect();
        let parts: Vec<Part<'_>> = decoded
            .iter()
            .zip(&outputs)
            .zip(weights)
            .map(|((decoded, output), weight)| Part { decoded, output, weight })
            .collect();
        let merged = merge(&heads, parts.get(..whole).unwrap_or(&parts));
        for piece in &mut pieces {
            let own = parts.get(piece.windows.clone()).unwrap_or_default();
            piece.score = mean_score(own);
        }
        let custom = self.custom.as_ref().map(|(custom, mode)| {
            let vector = features(&merged.outer, &merged.inner);
            (custom.answer(&vector, &reading.document), *mode)
        });
        let mut found = understand(interaction, &reading, merged, &places, &pieces);
        if let Some((answer, mode)) = custom {
            together(&mut found, scored(answer.intents), mode);
        }
        Ok(found)
    }

    /// What the cue rules alone say: for when the engine fails and messages may not wait. Marked degraded. Sentiment
    /// is neutral without confidence, and intents are only those that a signal implies.
    pub fn analyze_cues_only(&self, interaction: &Interaction) -> Understanding {
        let reading = self.read(interaction);
        if let Some(known) = self.without_engine(interaction, &reading) {
            return known;
        }
        let mut found = wordless(interaction, &reading);
        found.signals = rounded(merge_signals(&reading.cues, &[], &[]));
        found.questions = questions(&reading.document);
        found.intents = implied(&found.signals);
        found.abstained = found.intents.is_empty();
        finish(interaction, &reading, &mut found);
        if let Some((_, mode)) = &self.custom {
            together(&mut found, Vec::new(), *mode);
        }
        found.degraded = true;
        found
    }

    fn read(&self, interaction: &Interaction) -> Reading {
        let document = interaction.document();
        let language = self.languages.guess(&document, interaction.language_hint.as_deref());
        let cues = self.cues.find(&document);
        Reading { words: document.split_whitespace().count(), document, language, cues }
    }

    fn without_engine(&self, interaction: &Interaction, reading: &Reading) -> Option<Understanding> {
        if !interaction.turns.iter().any(|turn| turn.speaker == Author::Customer) {
            return Some(context(reading));
        }
        let written = reading
            .cues
            .iter()
            .find(|cue| cue.signal == Some(SignalKind::AutoReply) && cue.confidence >= SURE_AUTO_REPLY);
        (interaction.auto_reply.is_some() || written.is_some())
            .then(|| auto_reply(reading, interaction.auto_reply.is_some(), written))
    }
}

/// What is known of a message before the engine is asked.
struct Reading {
    document: String,
    words: usize,
    language: Language,
    cues: Vec<Cue>,
}

fn understand(
    interaction: &Interaction,
    reading: &Reading,
    merged: Merged,
    places: &[Option<Place>],
    pieces: &[Piece],
) -> Understanding {
    let score = merged.sentiment[2] - merged.sentiment[0];
    let (at, confidence) =
        (0..3).map(|at| (at, merged.sentiment[at])).max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((1, 0.0));
    let label = SentimentLabel::ALL.get(at).copied().unwrap_or(SentimentLabel::Neutral);
    let (first, last) = thirds(pieces).unwrap_or((score, score));
    let believed: Vec<Cue> = reading
        .cues
        .iter()
        .filter(|cue| cue.signal.is_none_or(|signal| !merged.doubted.contains(&signal)))
        .cloned()
        .collect();
    let signals = merge_signals(&believed, &merged.signals, places);
    let mut found = Understanding {
        language: reading.language.clone(),
        sentiment: Sentiment {
            label,
            score: round(score),
            confidence: round(confidence),
            first_third: round(first),
            last_third: round(last),
            shift: round(round(last) - round(first)),
        },
        emotions: scored(merged.emotions),
        abstained: merged.intents.is_empty(),
        intents: scored(merged.intents),
        stage: merged.stage.map(|(name, confidence)| Scored { name, confidence: round(confidence) }),
        signals: rounded(signals),
        goal: None,
        complexity: Complexity::Standard,
        effort: 0.0,
        questions: questions(&reading.document),
        turns: turns(interaction, pieces, score),
        embedding: merged.embedding.into_iter().map(|value| (value * 1e4).round() / 1e4 + 0.0).collect(),
        degraded: false,
    };
    if found.intent() == Some("smalltalk") {
        // Small talk places nobody.
        found.stage = None;
    }
    finish(interaction, reading, &mut found);
    found
}

/// Puts accepted custom intents before those of the pack, or in their place. What was derived from the pack's intents stays: a
/// custom name says nothing of goal or complexity.
fn together(found: &mut Understanding, custom: Vec<Scored<String>>, mode: IntentsMode) {
    let mut intents = custom;
    if mode == IntentsMode::Beside {
        let new = found.intents.drain(..).filter(|core| core.name != "other" || intents.is_empty());
        let new: Vec<_> = new.filter(|core| intents.iter().all(|intent| intent.name != core.name)).collect();
        intents.extend(new);
    }
    intents.truncate(super::decode::MAX_INTENTS);
    found.abstained = intents.is_empty();
    found.intents = intents;
}

/// Fills in what follows from the rest.
fn finish(interaction: &Interaction, reading: &Reading, found: &mut Understanding) {
    let stage = found.stage.as_ref().map(|stage| stage.name);
    found.goal = derive::goal(found.intent(), stage, !found.questions.is_empty());
    let intents: Vec<String> = found.intents.iter().map(|intent| intent.name.clone()).collect();
    let kinds: Vec<SignalKind> = found.signals.iter().map(|signal| signal.name).collect();
    let negative = found.sentiment.label == SentimentLabel::Negative;
    found.complexity =
        derive::complexity(&Task { intents: &intents, signals: &kinds, negative, words: reading.words });
    let turns = interaction.turns.iter().filter(|turn| turn.speaker == Author::Customer).count();
    let ces = interaction.ratings.ces;
    found.effort = round(derive::effort(&reading.cues, found.sentiment.score, reading.words, turns, ces));
}

/// The span of each window in the document; none for a window that is all of it.
fn places(document: &str, windows: &[Window]) -> Vec<Option<Place>> {
    if windows.len() < 2 {
        return vec![None; windows.len()];
    }
    // Windows stand in order but may overlap, so each is looked for from where the one before began.
    let mut from = 0;
    windows
        .iter()
        .map(|window| {
            let at = from + document.get(from..)?.find(&*window.text)?;
            from = at;
            let start = document.get(..at)?.chars().count();
            let length = window.text.chars().count();
            Some(([start, start + length], window.text.to_string()))
        })
        .collect()
}

fn turns(interaction: &Interaction, pieces: &[Piece], whole: f32) -> Vec<TurnSentiment> {
    let mut customers =
        interaction.turns.iter().enumerate().filter(|(_, turn)| turn.speaker == Author::Customer);
    match (customers.next(), customers.next()) {
        (Some((turn, _)), None) => vec![TurnSentiment { turn, score: round(whole) }],
        _ => pieces
            .iter()
            .filter(|piece| !piece.windows.is_empty())
            .filter_map(|piece| Some(TurnSentiment { turn: piece.turn?, score: round(piece.score) }))
            .collect(),
    }
}

fn mean_score(parts: &[Part<'_>]) -> f32 {
    let total: f32 = parts.iter().map(|part| part.weight).sum();
    if total <= 0.0 {
        return 0.0;
    }
    parts.iter().map(|part| part.decoded.sentiment_score() * part.weight).sum::<f32>() / total
}

fn scored<T>(pairs: Vec<(T, f32)>) -> Vec<Scored<T>> {
    pairs.into_iter().map(|(name, confidence)| Scored { name, confidence: round(confidence) }).collect()
}

fn rounded(mut signals: Vec<Signal>) -> Vec<Signal> {
    signals.iter_mut().for_each(|signal| signal.confidence = round(signal.confidence));
    signals
}

/// Three decimals, so that noise of the arithmetic does not change a decision; never −0.
fn round(value: f32) -> f32 {
    (value * 1000.0).round() / 1000.0 + 0.0
}

#[cfg(test)]
mod tests;
