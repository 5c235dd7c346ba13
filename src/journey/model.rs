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
    /// How sure that is, 0…1.
    #[serde(default)]
    pub stage_confidence: f32,
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
    /// ISO 639-1 of what was written; the brief is in Italian for `it`, else in English.
    #[serde(default)]
    pub language: String,
    /// What its words say about what was open before.
    #[serde(default)]
    pub outcome: Outcome,
    /// The customer is thankful for something achieved.
    #[serde(default)]
    pub gratitude: bool,
    /// The customer says that a promise was not kept.
    #[serde(default)]
    pub promise_unkept: bool,
    /// Sentence vector for recognising the same problem, one byte a component in the store; may be empty.
    #[serde(default, with = "super::vector")]
    pub embedding: Vec<f32>,
    /// First words of the document, at most 160 characters, for the brief.
    pub summary: String,
}

/// What the words of a contact say about what was open before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing.
    #[default]
    None,
    /// It is done, works again, was put right.
    Resolved,
    /// The customer no longer wants it.
    GivenUp,
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
    /// How much work the customer has had of late, 0…1.
    #[serde(default)]
    pub effort: f32,
    /// How sure `stage` is, 0…1.
    #[serde(default)]
    pub stage_confidence: f32,
    /// Time of the last contact that counted.
    #[serde(default)]
    pub as_of: Option<DateTime<Utc>>,
    /// What the contacts dropped past the bound added up to: the fold starts from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Box<Base>>,
}

/// The end of the history that was dropped. A contact from before it can no longer be folded in.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Base {
    /// `(at, message_id)` of the last contact dropped.
    pub through: (DateTime<Utc>, String),
    /// How many were dropped.
    #[serde(default)]
    pub contacts: u64,
    /// What they added up to.
    pub standing: Standing,
}

/// What a sequence of contacts adds up to.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Standing {
    /// See [`Journey::stage`].
    pub stage: Option<Stage>,
    /// See [`Journey::stage_confidence`].
    pub stage_confidence: f32,
    /// See [`Journey::stage_history`].
    pub stage_history: Vec<(DateTime<Utc>, Stage)>,
    /// See [`Journey::experience`].
    pub experience: f32,
    /// See [`Journey::effort`].
    pub effort: f32,
    /// See [`Journey::as_of`].
    pub as_of: Option<DateTime<Utc>>,
    /// See [`Journey::open_goals`].
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
    /// Conversation that last brought it up.
    #[serde(default)]
    pub conversation_id: String,
    /// When it was last brought up.
    #[serde(default)]
    pub last_at: DateTime<Utc>,
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

/// Stage with its transition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StageView {
    /// Now.
    pub name: Stage,
    /// 0…1.
    pub confidence: f32,
    /// Before this message.
    pub previous: Option<Stage>,
    /// Which way.
    pub transition: Transition,
}

/// Goal and whether it is open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GoalView {
    /// Kind.
    pub kind: GoalKind,
    /// Not met yet.
    pub open: bool,
    /// Since when.
    pub since: DateTime<Utc>,
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
    /// Others turned out to be this customer: their names lead here from now on, and their histories are part of this
    /// one.
    CustomersMerged {
        /// Their former keys.
        former: Vec<String>,
    },
    /// A follow-up is due.
    FollowUpDue {
        /// What.
        what: String,
    },
}

impl Change {
    /// The event's name, as in its `event` field.
    pub fn name(&self) -> &'static str {
        match self {
            Self::StageChanged { .. } => "stage_changed",
            Self::ChurnRiskChanged { .. } => "churn_risk_changed",
            Self::GoalOpened { .. } => "goal_opened",
            Self::GoalClosed { .. } => "goal_closed",
            Self::RepeatContact { .. } => "repeat_contact",
            Self::CustomersMerged { .. } => "customers_merged",
            Self::FollowUpDue { .. } => "follow_up_due",
        }
    }
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
    /// Which way the customer's sentiment goes over the last contacts, this one included.
    #[serde(default)]
    pub sentiment_trend: Trend,
    /// How much work the customer has had of late, 0…1.
    #[serde(default)]
    pub effort: f32,
    /// What the customer wants and has not got yet, this message taken in.
    #[serde(default)]
    pub open_goals: Vec<OpenGoal>,
    /// Will they leave?
    pub churn_risk: ChurnRisk,
    /// What the contact centre promised.
    pub promises: Vec<Promise>,
    /// At most 120 words.
    pub brief: String,
    /// A task to do later.
    pub follow_up: Option<String>,
}

/// Which way sentiment goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Trend {
    /// Better than before.
    Improving,
    /// No clear change, or too few contacts to tell.
    #[default]
    Steady,
    /// Worse than before.
    Worsening,
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
    /// False once the contacts tell that it was not kept; true as well while it is not due yet.
    pub kept: bool,
}
