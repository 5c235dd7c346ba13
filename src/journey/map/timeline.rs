//! The personal map: what happened between a customer and the contact centre, in order.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::interaction::{Author, Channel};
use crate::journey::model::{Change, Closing, OpenGoal, Promise};
use crate::nlp::labels::{SentimentLabel, Stage};

/// Everything of one customer that is still kept.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Timeline {
    /// The name they go by today.
    pub customer: String,
    /// Messages there are; those shown are the latest.
    pub messages: u64,
    /// Of those shown, the customer's own.
    pub contacts: u64,
    /// The customer's own by channel.
    pub channels: BTreeMap<Channel, u64>,
    /// Where they stand now.
    pub stage: Option<Stage>,
    /// How it is for them now, 0…100.
    pub experience: Option<u8>,
    /// Wanted and not had yet.
    pub open_goals: Vec<OpenGoal>,
    /// What was promised.
    pub promises: Vec<Promise>,
    /// What they came for and how it ended, in the order of opening.
    pub goals: Vec<Goal>,
    /// Message by message, oldest first.
    pub moments: Vec<Moment>,
}

/// A goal from its opening to its end.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Goal {
    /// Its intent.
    pub intent: String,
    /// When it began.
    pub opened_at: DateTime<Utc>,
    /// When it ended.
    pub closed_at: Option<DateTime<Utc>>,
    /// How.
    pub how: Option<Closing>,
}

/// One message and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Moment {
    /// When it was sent.
    pub at: DateTime<Utc>,
    /// Which.
    pub message_id: String,
    /// Its conversation.
    pub conversation_id: String,
    /// How it came.
    pub channel: Channel,
    /// Who wrote it.
    pub author: Author,
    /// It is a contact: the customer's own words.
    pub counts: bool,
    /// Where the customer stands after it.
    pub stage: Option<Stage>,
    /// In a word.
    pub sentiment: SentimentLabel,
    /// −1…1.
    pub sentiment_score: f32,
    /// 0…1.
    pub effort: f32,
    /// The strongest.
    pub intent: Option<String>,
    /// 0…100, after it.
    pub experience: u8,
    /// `low normal high urgent`.
    pub priority: String,
    /// Where it went.
    pub queue: Option<String>,
    /// Its first words, redacted.
    pub summary: String,
    /// What it changed.
    pub events: Vec<Happened>,
    /// Open after it.
    #[serde(skip)]
    pub open_goals: Vec<OpenGoal>,
    /// Made so far.
    #[serde(skip)]
    pub promises: Vec<Promise>,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Happened {
    /// The journey changed.
    Change(Box<Change>),
    /// A rule of the policy, or a person, said so.
    Said {
        /// Its name.
        event: String,
    },
}

impl Happened {
    /// The event's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Change(change) => change.name(),
            Self::Said { event } => event,
        }
    }
}

impl Timeline {
    /// Of these moments, in any order; `messages` is how many there are, those not given included.
    pub fn of(customer: String, messages: u64, mut moments: Vec<Moment>) -> Self {
        moments.sort_by(|one, next| (one.at, &one.message_id).cmp(&(next.at, &next.message_id)));
        let own = || moments.iter().filter(|moment| moment.counts);
        let mut channels = BTreeMap::new();
        for moment in own() {
            *channels.entry(moment.channel).or_default() += 1;
        }
        let last = moments.last();
        Self {
            customer,
            messages,
            contacts: own().count() as u64,
            channels,
            stage: last.and_then(|last| last.stage),
            experience: last.map(|last| last.experience),
            open_goals: last.map(|last| last.open_goals.clone()).unwrap_or_default(),
            promises: last.map(|last| last.promises.clone()).unwrap_or_default(),
            goals: goals(&moments),
            moments,
        }
    }
}

/// By the events that opened and closed them; one whose opening is no longer kept began when it says.
fn goals(moments: &[Moment]) -> Vec<Goal> {
    let mut goals: Vec<Goal> = Vec::new();
    for moment in moments {
        for event in &moment.events {
            let Happened::Change(change) = event else { continue };
            match change.as_ref() {
                Change::GoalOpened { goal } => goals.push(Goal {
                    intent: goal.intent.clone(),
                    opened_at: moment.at,
                    closed_at: None,
                    how: None,
                }),
                Change::GoalClosed { goal, how } => {
                    let (closed_at, how) = (Some(moment.at), Some(*how));
                    let open = |known: &&mut Goal| known.intent == goal.intent && known.closed_at.is_none();
                    match goals.iter_mut().rev().find(open) {
                        Some(known) => (known.closed_at, known.how) = (closed_at, how),
                        None => {
                            let intent = goal.intent.clone();
                            goals.push(Goal { intent, opened_at: goal.since, closed_at, how });
                        }
                    }
                }
                _ => {}
            }
        }
    }
    goals
}
