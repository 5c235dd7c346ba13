//! The journey's types: what goes into the fold, what it keeps, and what a decision shows of it.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::interaction::{Author, Channel, Ratings};
use crate::nlp::labels::{SignalKind, Stage};
use crate::nlp::understanding::{GoalKind, Scored};

/// What the fold takes of one analysed interaction. Contacts are folded in order of `(at, message_id)`, whatever
/// order they arrive in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contact {
    /// Idempotency key of the interaction.
    pub message_id: String,
    /// Its conversation.
    pub conversation_id: String,
    /// How it came.
    pub channel: Channel,
    /// Who wrote it.
    pub author: Author,
    /// When it was sent.
    pub at: DateTime<Utc>,
    /// Strongest first.
    pub intents: Vec<Scored<String>>,
    /// −1…1.
    pub sentiment: f32,
    /// Where it places the customer.
    pub stage: Option<Stage>,
    /// Kinds of its signals.
    pub signals: Vec<SignalKind>,
    /// What the customer was after.
    pub goal: Option<GoalKind>,
    /// 0…1.
    pub effort: f32,
    /// Scores given.
    pub ratings: Ratings,
    /// Promises made by the contact centre in its turns.
    pub promises: Vec<String>,
    /// Written by a machine: counts nowhere.
    pub auto_reply: bool,
    /// Sentence vector for recognising the same problem; may be empty.
    pub embedding: Vec<f32>,
    /// First words of the document, at most 160 characters, for the brief.
    pub summary: String,
}

/// The state of one customer: the contacts it was folded from (bounded) and what they add up to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Journey {
    /// In order of `(at, message_id)`; the oldest are dropped past the configured bound.
    pub contacts: Vec<Contact>,
    /// Contacts ever folded in.
    pub total_contacts: u64,
    /// Where the customer stands.
    pub stage: Option<Stage>,
    /// Every change of stage: when, and to which.
    pub stage_history: Vec<(DateTime<Utc>, Stage)>,
    /// 0…100, see the formula in `journey/experience.rs`.
    pub experience: f32,
    /// Goals not met yet: kind, intent, since when.
    pub open_goals: Vec<OpenGoal>,
}

/// Something the customer wants and has not got yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OpenGoal {
    /// Kind.
    pub kind: GoalKind,
    /// Intent that opened it.
    pub intent: String,
    /// Since.
    pub since: DateTime<Utc>,
}

/// Which way the stage went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Transition {
    /// Further along.
    Advanced,
    /// Back.
    Regressed,
    /// No change, or no stage before.
    Same,
}

/// A change of state, published on the events exchange.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Change {
    /// The customer's stage changed.
    StageChanged {
        /// Before.
        from: Option<Stage>,
        /// After.
        to: Stage,
        /// Which way.
        transition: Transition,
    },
    /// Churn risk rose or fell.
    ChurnRiskChanged {
        /// Before.
        from: RiskLevel,
        /// After.
        to: RiskLevel,
    },
    /// The customer wants something new.
    GoalOpened {
        /// Which.
        goal: OpenGoal,
    },
    /// A goal was met or given up.
    GoalClosed {
        /// Which.
        goal: OpenGoal,
    },
    /// The same problem again.
    RepeatContact {
        /// Earlier conversations.
        of: Vec<String>,
        /// Days since the first of them.
        days: f32,
    },
    /// A follow-up is due.
    FollowUpDue {
        /// What.
        what: String,
    },
}

/// How likely the customer is to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RiskLevel {
    /// Nothing points to it.
    #[default]
    Low,
    /// Something does.
    Medium,
    /// Said so, or several things together.
    High,
}

/// The agent brief: what a decision shows of the journey.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JourneyView {
    /// Earlier contacts, oldest first, the current one left out.
    pub contacts: Vec<ContactView>,
    /// The same problem again?
    pub repeat_contact: RepeatContact,
    /// How it has been for the customer.
    pub experience: Experience,
    /// Will they leave?
    pub churn_risk: ChurnRisk,
    /// What the contact centre promised.
    pub promises: Vec<Promise>,
    /// At most 120 words.
    pub brief: String,
    /// A task to do later.
    pub follow_up: Option<String>,
}

/// One earlier contact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ContactView {
    /// Its conversation.
    pub conversation_id: String,
    /// How it came.
    pub channel: Channel,
    /// When.
    pub at: DateTime<Utc>,
    /// Its strongest intent.
    pub intent: Option<String>,
    /// −1…1.
    pub sentiment: f32,
}

/// Repeat contact.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RepeatContact {
    /// The same problem was brought before.
    pub is_repeat: bool,
    /// In these conversations.
    pub of: Vec<String>,
    /// Days since the first of them.
    pub days: f32,
}

/// Experience score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Experience {
    /// 0…100.
    pub score: u8,
    /// Before this message.
    pub previous: Option<u8>,
}

/// Churn risk with its reasons.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ChurnRisk {
    /// Level.
    pub level: RiskLevel,
    /// Signals and intents that raised it.
    pub reasons: Vec<String>,
}

/// A promise of the contact centre.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Promise {
    /// In its own words.
    pub text: String,
    /// Where.
    pub conversation_id: String,
    /// When it was made.
    pub at: DateTime<Utc>,
    /// Kept, as far as the contacts tell.
    pub kept: bool,
}
