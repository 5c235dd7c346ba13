//! What the console's maps read beside the journey map itself: where a span has to begin to stay readable, whose timeline a
//! conversation leads to, who may leave, what messages are about, and what supervisors said of decisions.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use super::review::time;
use crate::journey::model::RiskLevel;
use crate::journey::spikes::hour_of;
use crate::routing::Decision;
use crate::store::link::Param::{Int, Text};
use crate::store::link::{Database, cells};
use crate::store::sql::{SqlStore, parsed};
use crate::store::{Correction, Spike, Store, StoreError, topics};

/// A customer who may leave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Risk {
    /// The name they go by today.
    pub customer: String,
    /// Where they wrote last.
    pub conversation_id: String,
    /// How likely.
    pub level: RiskLevel,
    /// Why.
    pub reasons: Vec<String>,
    /// How it is for them, 0…100.
    pub experience: u8,
    /// When that was decided.
    pub decided_at: DateTime<Utc>,
}

/// What a supervisor said of a message, and how it was first decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The latest correction of the message; it says everything that was said of it.
    pub correction: Correction,
    /// The first decision, as the model and the policy made it.
    pub decision: Decision,
}

/// What the pages of maps need.
#[async_trait]
pub trait MapsStore: Store {
    /// From when on a span has at most so many messages, its latest; none when it has no more than that.
    async fn map_begins(
        &self,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
        most: u32,
    ) -> Result<Option<DateTime<Utc>>, StoreError>;

    /// Whose a conversation is today, if there is such a conversation.
    async fn customer_of(&self, conversation: &str) -> Result<Option<String>, StoreError>;

    /// Those who may leave, the likeliest first, then the latest decided.
    async fn risks(&self, limit: u32) -> Result<Vec<Risk>, StoreError>;

    /// How many messages had each intent on each day (days since 1970, UTC) from `since` up to `until`, in order of intent
    /// and day.
    async fn intents_by_day(
        &self,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Vec<(String, i64, u64)>, StoreError>;

    /// Topics that went over their bar from `since` up to `until`, the latest first.
    async fn latest_spikes(
        &self,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<Spike>, StoreError>;

    /// What supervisors said since then, the latest first, once per message.
    async fn judged(&self, since: DateTime<Utc>, limit: u32) -> Result<Vec<Judged>, StoreError>;
}

/// The message before the latest so many.
const BEFORE: &str = "SELECT sent_at FROM map_contacts WHERE sent_at >= $1 AND sent_at < $2 \
    ORDER BY sent_at DESC LIMIT 1 OFFSET $3";

const CUSTOMER: &str = "SELECT i.customer FROM review r JOIN inbox i ON i.message_id = r.message_id WHERE r.conversation_id = $1";

const RISKS: &str = "SELECT r.customer, r.conversation_id, d.decision \
    FROM (SELECT customer, conversation_id, message_id, level, decided_at FROM customer_risks WHERE level > 0 \
        ORDER BY level DESC, decided_at DESC, customer LIMIT $1) r \
    JOIN inbox i ON i.message_id = r.message_id JOIN decisions d ON d.decision_id = i.decision_id \
    ORDER BY r.level DESC, r.decided_at DESC, r.customer";

/// There are about forty intents and an hour each: phrases, of which there is no end, are left out.
const INTENTS: &str = "SELECT topic, hour / 24, CAST(SUM(messages) AS BIGINT) FROM topic_hours \
    WHERE substr(topic, 1, 7) = 'intent:' AND hour >= $1 AND hour < $2 GROUP BY topic, hour / 24 ORDER BY topic, hour / 24";

const JUDGED: &str = "SELECT c.correction, d.decision FROM corrections c \
    JOIN inbox i ON i.message_id = c.message_id JOIN decisions d ON d.decision_id = i.decision_id \
    WHERE c.corrected_at >= $1 AND NOT EXISTS (SELECT 1 FROM corrections later \
        WHERE later.message_id = c.message_id AND (later.corrected_at > c.corrected_at \
            OR (later.corrected_at = c.corrected_at AND later.correction_id > c.correction_id))) \
    ORDER BY c.corrected_at DESC, c.correction_id LIMIT $2";

#[async_trait]
impl<D: Database> MapsStore for SqlStore<D> {
    async fn map_begins(
        &self,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
        most: u32,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        let span = [Int(since.timestamp_micros()), Int(until.timestamp_micros()), Int(most.into())];
        let Some(row) = self.read(BEFORE, &span).await?.into_iter().next() else { return Ok(None) };
        let [before] = cells(row)?;
        Ok(Some(time(&before)? + TimeDelta::microseconds(1)))
    }

    async fn customer_of(&self, conversation: &str) -> Result<Option<String>, StoreError> {
        let found = self.read(CUSTOMER, &[Text(conversation)]).await?.into_iter().next();
        found.map(|row| cells(row).and_then(|[customer]| customer.text())).transpose()
    }

    async fn risks(&self, limit: u32) -> Result<Vec<Risk>, StoreError> {
        let rows = self.read(RISKS, &[Int(limit.into())]).await?;
        rows.into_iter()
            .map(|row| {
                let [customer, conversation, decision] = cells(row)?;
                let decision: Decision = parsed(decision)?;
                Ok(Risk {
                    customer: customer.text()?,
                    conversation_id: conversation.text()?,
                    level: decision.journey.churn_risk.level,
                    reasons: decision.journey.churn_risk.reasons,
                    experience: decision.journey.experience.score,
                    decided_at: decision.decided_at,
                })
            })
            .collect()
    }

    async fn intents_by_day(
        &self,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Vec<(String, i64, u64)>, StoreError> {
        let rows = self.read(INTENTS, &[Int(hour_of(since)), Int(hour_of(until))]).await?;
        rows.into_iter()
            .map(|row| {
                let [topic, day, count] = cells(row)?;
                let topic = topic.text()?;
                let intent = topic.strip_prefix("intent:").unwrap_or(&topic).to_owned();
                Ok((intent, day.int()?, u64::try_from(count.int()?).unwrap_or(0)))
            })
            .collect()
    }

    async fn latest_spikes(
        &self,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<Spike>, StoreError> {
        self.within(async {
            let mut link = self.database.read().await?;
            let spikes = topics::list(&mut *link, since, Some(until), limit.into()).await?;
            link.abandon().await?;
            Ok(spikes)
        })
        .await
    }

    async fn judged(&self, since: DateTime<Utc>, limit: u32) -> Result<Vec<Judged>, StoreError> {
        let rows = self.read(JUDGED, &[Int(since.timestamp_micros()), Int(limit.into())]).await?;
        rows.into_iter()
            .map(|row| {
                let [correction, decision] = cells(row)?;
                Ok(Judged { correction: parsed(correction)?, decision: parsed(decision)? })
            })
            .collect()
    }
}
