//! What one message means by itself, before the customer's history is known.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::labels::{Emotion, SentimentLabel, SignalKind, Stage};

/// The language a message is written in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Language {
    /// ISO 639-1, or `und` when it cannot be told.
    pub code: String,
    /// 0…1.
    pub confidence: f32,
}

/// Sentiment of the whole message and along it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sentiment {
    /// The label.
    pub label: SentimentLabel,
    /// P(positive) − P(negative), −1…1.
    pub score: f32,
    /// Calibrated probability of the label, 0…1.
    pub confidence: f32,
    /// Mean score of the first third of the customer's words.
    pub first_third: f32,
    /// Mean score of the last third.
    pub last_third: f32,
    /// `last_third − first_third`.
    pub shift: f32,
}

/// A label with its calibrated confidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Scored<T> {
    /// The label.
    pub name: T,
    /// 0…1.
    pub confidence: f32,
}

/// Who says that a signal is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SignalSource {
    /// A cue rule matched words.
    Cue,
    /// The model's head.
    Model,
    /// Both.
    Both,
    /// A header or another fact beside the text.
    Metadata,
}

impl SignalSource {
    /// Words of the text were found by rule.
    pub fn has_cue(self) -> bool {
        matches!(self, Self::Cue | Self::Both)
    }
}

/// A fact in the message that routing reacts to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Signal {
    /// Which.
    pub name: SignalKind,
    /// 0…1.
    pub confidence: f32,
    /// Who says so.
    pub source: SignalSource,
    /// `[start, end)` in Unicode scalar values of the analysed text; absent when the whole message carries it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<[usize; 2]>,
    /// The words of the span.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// What the customer is after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GoalKind {
    /// Have a problem solved.
    Solve,
    /// Get an answer.
    Ask,
    /// Compare offers.
    Compare,
    /// Buy.
    Buy,
    /// Change something they have.
    Change,
    /// Say something kind.
    Praise,
}

/// Who can handle it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Complexity {
    /// Self-service or a bot.
    Bot,
    /// Any agent.
    Standard,
    /// A specialist.
    Expert,
}

/// Sentiment score of one customer turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TurnSentiment {
    /// Index among the interaction's turns.
    pub turn: usize,
    /// −1…1.
    pub score: f32,
}

/// Everything the analysis found in one message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Understanding {
    /// Language.
    pub language: Language,
    /// Sentiment.
    pub sentiment: Sentiment,
    /// Above their thresholds, strongest first.
    pub emotions: Vec<Scored<Emotion>>,
    /// Up to three, strongest first; empty when abstained.
    pub intents: Vec<Scored<String>>,
    /// No intent was sure enough.
    pub abstained: bool,
    /// Where the message places the customer; none for small talk and auto-replies.
    pub stage: Option<Scored<Stage>>,
    /// In order of their span.
    pub signals: Vec<Signal>,
    /// What the customer is after, if anything.
    pub goal: Option<GoalKind>,
    /// Who can handle it.
    pub complexity: Complexity,
    /// How much work the customer has had, 0…1.
    pub effort: f32,
    /// Questions the customer asks in this message.
    pub questions: Vec<String>,
    /// Per customer turn.
    pub turns: Vec<TurnSentiment>,
    /// Mean of the windows' vectors, L2-normalised; empty when the engine was not used.
    pub embedding: Vec<f32>,
    /// Made without the engine, from cues alone.
    pub degraded: bool,
}

impl Understanding {
    /// The first signal of that kind.
    pub fn signal(&self, kind: SignalKind) -> Option<&Signal> {
        self.signals.iter().find(|signal| signal.name == kind)
    }

    /// The strongest intent's name, if any.
    pub fn intent(&self) -> Option<&str> {
        self.intents.first().map(|intent| intent.name.as_str())
    }
}
