//! The journey's types: what goes into the fold, what it keeps, and what a decision shows of it.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::matters::{Act, Matter};
use crate::interaction::{Author, Channel, Ratings};
use crate::nlp::labels::{SignalKind, Stage};
use crate::nlp::understanding::{GoalKind, Scored};

pub use super::events::*;
pub use super::view::*;

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
    /// What else the customer says about what was promised.
    #[serde(default, skip_serializing_if = "OfPromise::is_nothing")]
    pub of_promise: OfPromise,
    /// Sentence vector for recognising the same problem, one byte a component in the store; may be empty.
    #[serde(default, with = "super::vector")]
    pub embedding: Vec<f32>,
    /// First words of the document, at most 160 characters, for the brief.
    pub summary: String,
    /// An agent's message that says something beside promising and asking: a question put before it is answered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub answers: bool,
    /// What the sentences that tell of an end are about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settles: Vec<Matter>,
    /// Prices, days, yes and no, as the contact centre said them or the customer heard them; the first few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statements: Vec<Statement>,
}

/// What a customer says about what was promised, beside that it was not kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct OfPromise {
    /// They speak of a promise in so many words.
    pub by_name: bool,
    /// Something has not come or arrived; nobody need have promised it.
    pub missing: bool,
    /// What those sentences are about.
    pub about: Vec<Matter>,
    /// What they say was done.
    pub done: Vec<Act>,
}

impl OfPromise {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
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
    /// The contact centre closes the matter without saying that it was done.
    Closed,
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
    /// Goals closed of late; one that comes back soon goes on from where it began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closed_goals: Vec<ClosedGoal>,
    /// When a survey was last said to be due. Unlike all else here it depends on when messages came: an event that
    /// was published stays published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub survey_due_at: Option<DateTime<Utc>>,
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
    /// See [`Journey::closed_goals`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closed_goals: Vec<ClosedGoal>,
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
    /// How often another conversation brought it up, the first included.
    #[serde(default)]
    pub conversations: u32,
    /// How often it was closed and came back.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reopened: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A goal no longer open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClosedGoal {
    /// As it was when open.
    pub goal: OpenGoal,
    /// When.
    pub at: DateTime<Utc>,
    /// How.
    pub how: Closing,
}

/// How a goal came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Closing {
    /// Somebody said that it is done, or the customer is pleased about it.
    Met,
    /// An agent answered the question.
    Answered,
    /// The contact centre closed it.
    ByAgent,
    /// The customer no longer wants it.
    GivenUp,
    /// Nobody came back to it for long.
    #[default]
    Silence,
}

/// Something said that can be compared: an amount, a day, a number of days, yes or no.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    /// Who said it.
    pub by: Source,
    /// What is compared: `price`, `price/month`, `date`, `days`, `percent`, `yes_no`.
    pub kind: String,
    /// What it is about: beginnings of the sentence's own words.
    pub subject: Vec<String>,
    /// In one form: cents, a date, a number, `yes` or `no`.
    pub value: String,
    /// The sentence, at most 160 characters.
    pub text: String,
    /// Turn it stands in.
    pub turn: usize,
    /// `[start, end)` of the sentence in that turn, in Unicode scalar values.
    pub span: [usize; 2],
}
