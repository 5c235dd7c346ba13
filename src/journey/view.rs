//! What a decision shows of a journey.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::model::OpenGoal;
use crate::interaction::Channel;
use crate::nlp::labels::Stage;
use crate::nlp::understanding::GoalKind;

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
    /// Nothing yet shows that they bought: asks around, or is about to decide.
    #[serde(default)]
    pub prospect: bool,
    /// Different things the customer was told of late, the latest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contradictions: Vec<Contradiction>,
    /// What the marks given with this message say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub survey: Option<Survey>,
    /// What is amiss with the contact centre's own turns in this message, by the configured persona.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tone: Vec<Tone>,
}

/// Who said something to the customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A person of the contact centre.
    Agent,
    /// A machine of the contact centre.
    Bot,
    /// The web site or the app, as the customer tells.
    Site,
}

/// Two things the customer was told that cannot both be true.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Contradiction {
    /// What differs: `price`, `date`, `days`, `percent`, `yes_no`; a price for a time is `price/month`.
    pub kind: String,
    /// Said first.
    pub first: Said,
    /// Said later.
    pub second: Said,
}

/// What was said, and where it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Said {
    /// By whom.
    pub by: Source,
    /// In which message.
    pub message_id: String,
    /// In which conversation.
    pub conversation_id: String,
    /// When.
    pub at: DateTime<Utc>,
    /// The sentence.
    pub text: String,
    /// Turn of the message.
    pub turn: usize,
    /// `[start, end)` in that turn, in Unicode scalar values.
    pub span: [usize; 2],
}

/// What marks say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Survey {
    /// Which group the marks put the customer in.
    pub group: Group,
    /// Mean of the marks on 0…100.
    pub rating: u8,
    /// For a detractor: the intent of what went wrong, as far as the contacts tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_cause: Option<String>,
    /// The conversation that is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
}

/// Groups of customers by their marks: NPS 9–10, CSAT and stars 5, CES 6–7 are promoters; NPS up to 6, CSAT and stars up
/// to 2, CES up to 3 detractors. The worst mark counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// Unhappy.
    Detractor,
    /// Neither.
    Passive,
    /// Happy.
    Promoter,
}

/// Something amiss in the contact centre's turns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tone {
    /// What.
    pub issue: ToneIssue,
    /// Turn of the message, where it is one turn's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<usize>,
    /// `[start, end)` in that turn, in Unicode scalar values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<[usize; 2]>,
    /// The words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// What can be amiss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ToneIssue {
    /// The conversation's first turn of the contact centre greets nobody.
    MissingGreeting,
    /// The customer is upset and nothing shows that it was noticed.
    NoEmpathy,
    /// Words the persona does not use.
    BannedPhrase,
}

impl ToneIssue {
    /// Every issue.
    pub const ALL: [Self; 3] = [Self::MissingGreeting, Self::NoEmpathy, Self::BannedPhrase];

    /// The name as it stands in decisions and policies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MissingGreeting => "missing_greeting",
            Self::NoEmpathy => "no_empathy",
            Self::BannedPhrase => "banned_phrase",
        }
    }
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
    /// In how many earlier conversations: those of `of`, and those no longer kept.
    #[serde(default)]
    pub count: u32,
    /// The earlier messages about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cites: Vec<Cited>,
}

/// An earlier message about the same problem.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cited {
    /// Which.
    pub message_id: String,
    /// Its conversation.
    pub conversation_id: String,
    /// How it came.
    pub channel: Channel,
    /// When.
    pub at: DateTime<Utc>,
    /// What tells that it is the same.
    pub by: SameBy,
}

/// What tells that two messages are about the same problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SameBy {
    /// They want the same.
    Intent,
    /// They say nearly the same.
    Words,
    /// The customer says so.
    Said,
}

/// Experience score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Experience {
    /// 0…100.
    pub score: u8,
    /// Before this message.
    pub previous: Option<u8>,
    /// What this message adds up to, in order; see `docs/journey.md`. Empty where it does not count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Input>,
}

/// One input of the experience score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Input {
    /// `past`, `sentiment`, `effort`, `repeat`, `promise`, `rating`, `moment`.
    pub name: String,
    /// As found.
    pub value: f32,
    /// Points of 0…100 that it gives or takes.
    pub points: f32,
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
    /// By when, as its words say; two days on when they do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<DateTime<Utc>>,
}
