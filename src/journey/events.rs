//! The events of a journey's changes.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::model::{Closing, OpenGoal};
use super::spikes::{Example, TopicKind};
use super::view::{Contradiction, RiskLevel, Transition};
use crate::nlp::labels::Stage;

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
        /// How.
        how: Closing,
    },
    /// The same problem again.
    RepeatContact {
        /// Earlier conversations.
        of: Vec<String>,
        /// In how many earlier conversations, those no longer kept included.
        count: u32,
        /// Days since the first of them.
        days: f32,
    },
    /// The customer was told different things.
    ContradictionFound {
        /// Which.
        contradiction: Contradiction,
    },
    /// A contact ended well: ask how it was.
    SurveyDue {
        /// About which conversation.
        conversation_id: String,
        /// What was wanted.
        intent: String,
    },
    /// High marks: thank the customer.
    ThankYouDue {
        /// The marks, 0…100.
        rating: u8,
    },
    /// The customer has slipped back and has to be kept.
    RetentionDue {
        /// Why.
        reasons: Vec<String>,
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
        /// Which sort of task.
        kind: Task,
        /// What brought a bad mark about, as far as the contacts tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        root_cause: Option<String>,
    },
    /// Many more messages about one thing in an hour than its own past lets expect. It is about all customers: the
    /// decision and message it names are those that brought it over the bar.
    TopicSpike {
        /// The intent, or the words.
        topic: String,
        /// Which of both.
        kind: TopicKind,
        /// Beginning of the hour; messages count by when they were sent.
        since: DateTime<Utc>,
        /// Messages about it in that hour so far.
        count: u64,
        /// What was to be expected of the whole hour.
        expected: f64,
        /// The one through the other, to one decimal.
        ratio: f64,
        /// Some of the messages, the latest first, of as many customers.
        examples: Vec<Example>,
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
            Self::ContradictionFound { .. } => "contradiction_found",
            Self::SurveyDue { .. } => "survey_due",
            Self::ThankYouDue { .. } => "thank_you_due",
            Self::RetentionDue { .. } => "retention_due",
            Self::TopicSpike { .. } => "topic_spike",
        }
    }
}

/// Which sort of task a follow-up is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Keep a promise.
    Promise,
    /// Win an unhappy customer back.
    Recovery,
    /// Thank a happy one.
    ThankYou,
}
