//! Is a topic rising against its own past? What a message is about, how often that is to be expected in an hour, and what
//! is said when it is more. Pure: the counts are the store's, and hours are those in which messages were sent (UTC).
//!
//! A topic is the first intent that is no small talk, or a phrase that several customers use ([`phrases`]). Whether a
//! count is out of the ordinary is for [`bar`].

mod bar;
mod phrases;
mod sketch;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use bar::{Bar, Past};
pub use sketch::Sketch;

use super::contact::shortened;
use crate::interaction::{Author, Interaction};
use crate::nlp::understanding::Scored;

/// Examples of a spike, at most.
pub const EXAMPLES: usize = 5;
/// Characters of an example.
const EXTRACT: usize = 120;
/// Phrases of one message that are counted, at most.
const PER_MESSAGE: usize = 4;

/// What of the configuration spikes depend on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpikeSettings {
    /// Hours of the past that an hour is compared with.
    pub history_hours: i64,
    /// Hours of counting before anything is called unusual.
    pub min_history_hours: i64,
    /// Messages in an hour, at least.
    pub min_count: u64,
    /// Times what was to be expected, at least.
    pub min_ratio: f64,
    /// Probability, for a topic and an hour, that chance alone reaches the bar.
    pub false_alarms: f64,
    /// Phrases watched at a time.
    pub phrases: usize,
    /// Customers who have to use a phrase before it is counted.
    pub phrase_customers: usize,
}

impl From<&crate::config::Spikes> for SpikeSettings {
    fn from(config: &crate::config::Spikes) -> Self {
        Self {
            history_hours: i64::from(config.history_days) * 24,
            min_history_hours: config.min_history_hours.into(),
            min_count: config.min_count.into(),
            min_ratio: config.min_ratio,
            false_alarms: config.false_alarms,
            phrases: config.phrases,
            phrase_customers: config.phrase_customers,
        }
    }
}

/// Which sort of topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TopicKind {
    /// An intent.
    Intent,
    /// One to three words of customers.
    Phrase,
}

/// What messages are about. Its key, `intent:delivery.problem` or `phrase:error 4711`, is what counts are kept under.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(String);

impl Topic {
    /// An intent's.
    pub fn intent(name: &str) -> Self {
        Self(format!("intent:{name}"))
    }

    /// A phrase's.
    pub fn phrase(words: &str) -> Self {
        Self(format!("phrase:{words}"))
    }

    /// From its key.
    pub fn from_key(key: String) -> Self {
        Self(key)
    }

    /// The key.
    pub fn key(&self) -> &str {
        &self.0
    }

    /// Which sort.
    pub fn kind(&self) -> TopicKind {
        if self.0.starts_with("phrase:") { TopicKind::Phrase } else { TopicKind::Intent }
    }

    /// The intent's name, or the words.
    pub fn name(&self) -> &str {
        self.0.split_once(':').map_or(&self.0, |(_, name)| name)
    }

    /// The id of the event of this topic in an hour: the same whoever finds it, however often.
    pub fn event_id(&self, hour: i64) -> Uuid {
        Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("smista/topic_spike/{hour}/{}", self.0).as_bytes())
    }

    /// Whether a message is about it.
    pub fn covers(&self, interaction: &Interaction, intents: &[Scored<String>]) -> bool {
        match self.kind() {
            TopicKind::Intent => intent_of(intents).is_some_and(|name| name == self.name()),
            TopicKind::Phrase => phrases::of(interaction).iter().any(|phrase| phrase == self.name()),
        }
    }
}

/// What a message is counted under: its intent, and the phrases in it that enough customers use. Words of the contact
/// centre and of machines count nowhere.
pub fn topics(
    interaction: &Interaction,
    intents: &[Scored<String>],
    customer: &str,
    sketch: &mut Sketch,
) -> Vec<Topic> {
    if interaction.author != Author::Customer || interaction.auto_reply.is_some() {
        return Vec::new();
    }
    let mut topics: Vec<Topic> = intent_of(intents).map(Topic::intent).into_iter().collect();
    let mut known = sketch.observe(&phrases::of(interaction), customer, hour_of(interaction.sent_at));
    // The longest says most; a word inside it would only say the same again.
    known.sort_by_key(|phrase| std::cmp::Reverse(phrase.split(' ').count()));
    let mut taken: Vec<String> = Vec::new();
    for phrase in known {
        let inside = |longer: &String| format!(" {longer} ").contains(&format!(" {phrase} "));
        if taken.len() < PER_MESSAGE && !taken.iter().any(inside) {
            taken.push(phrase);
        }
    }
    topics.extend(taken.iter().map(|phrase| Topic::phrase(phrase)));
    // Everybody counts in the order of keys, so that no two transactions wait for each other.
    topics.sort_unstable();
    topics
}

fn intent_of(intents: &[Scored<String>]) -> Option<&str> {
    intents.iter().map(|intent| intent.name.as_str()).find(|name| !matches!(*name, "smalltalk" | "other"))
}

/// Hours since 1970 (UTC).
pub fn hour_of(at: DateTime<Utc>) -> i64 {
    at.timestamp().div_euclid(3600)
}

/// When that hour begins.
pub fn hour_begins(hour: i64) -> DateTime<Utc> {
    hour.checked_mul(3600).and_then(|s| DateTime::from_timestamp(s, 0)).unwrap_or(DateTime::UNIX_EPOCH)
}

/// A message of a spike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Example {
    /// Which.
    pub message_id: String,
    /// Its first words, redacted, at most 120 characters.
    pub text: String,
}

impl Example {
    /// Of a message.
    pub fn of(interaction: &Interaction) -> Self {
        Self { message_id: interaction.message_id.clone(), text: shortened(&interaction.document(), EXTRACT) }
    }
}

/// How many times what was to be expected, to one decimal.
pub fn ratio(count: u64, expected: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let ratio = count as f64 / expected.max(f64::MIN_POSITIVE);
    (ratio.min(1e6) * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests;
