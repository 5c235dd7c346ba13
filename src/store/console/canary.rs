//! What the console's page about the canary reads.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::review::time;
use crate::journey::spikes::hour_begins;
use crate::routing::canary::{Aspect, Difference};
use crate::store::link::Param::{Int, Text};
use crate::store::link::{Cell, Database, cells};
use crate::store::sql::SqlStore;
use crate::store::{Store, StoreError};

/// What was compared with what, and how often they differed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairing {
    /// Model and policy in force.
    pub live: String,
    /// Model and policy in the shadow.
    pub shadow: String,
    /// Decisions compared.
    pub compared: u64,
    /// Those that differ in anything.
    pub differing: u64,
    /// Begin of the first hour with a comparison.
    pub first: DateTime<Utc>,
    /// Begin of the last.
    pub last: DateTime<Utc>,
}

/// So many decisions that the shadow would make otherwise in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// In what, from what, to what.
    pub difference: Difference,
    /// How many.
    pub count: u64,
}

/// A message whose decision and shadow differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differing {
    /// The message.
    pub message_id: String,
    /// Its conversation.
    pub conversation_id: String,
    /// When it was decided.
    pub decided_at: DateTime<Utc>,
    /// In what.
    pub differences: Vec<Difference>,
    /// Rules that decided.
    pub live_rules: String,
    /// Rules that would have.
    pub shadow_rules: String,
}

/// What the page needs.
#[async_trait]
pub trait CanaryStore: Store {
    /// What was compared, the latest first, at most so many.
    async fn pairings(&self, limit: u32) -> Result<Vec<Pairing>, StoreError>;

    /// In which ways the two differ, the commonest first, at most so many.
    async fn moved(&self, live: &str, shadow: &str, limit: u32) -> Result<Vec<Moved>, StoreError>;

    /// Messages on which they differ, in one aspect or any, the latest first, at most so many.
    async fn differing(
        &self,
        live: &str,
        shadow: &str,
        aspect: Option<Aspect>,
        limit: u32,
    ) -> Result<Vec<Differing>, StoreError>;
}

const PAIRINGS: &str = "SELECT live, shadow, CAST(SUM(compared) AS BIGINT), CAST(SUM(differing) AS BIGINT), MIN(hour), MAX(hour) \
    FROM canary_hours GROUP BY live, shadow ORDER BY MAX(hour) DESC, live, shadow LIMIT $1";

const MOVED: &str = "SELECT aspect, live_value, shadow_value, COUNT(*) FROM canary_differences \
    WHERE live = $1 AND shadow = $2 GROUP BY aspect, live_value, shadow_value \
    ORDER BY COUNT(*) DESC, aspect, live_value, shadow_value LIMIT $3";

/// All aspects of the latest messages that differ in the one asked for; `-` for any.
const DIFFERING: &str = "SELECT d.message_id, d.conversation_id, d.decided_at, d.aspect, d.live_value, d.shadow_value, d.live_rules, d.shadow_rules \
    FROM canary_differences d JOIN (SELECT message_id, MAX(decided_at) AS at FROM canary_differences \
        WHERE live = $1 AND shadow = $2 AND ($3 = '-' OR aspect = $3) GROUP BY message_id ORDER BY at DESC, message_id LIMIT $4) latest \
    ON latest.message_id = d.message_id WHERE d.live = $1 AND d.shadow = $2 ORDER BY latest.at DESC, d.message_id, d.aspect";

fn count(cell: &Cell) -> Result<u64, StoreError> {
    u64::try_from(cell.int()?).map_err(|_| StoreError::Corrupt("a count below zero".to_owned()))
}

fn difference(aspect: Cell, live: Cell, shadow: Cell) -> Result<Difference, StoreError> {
    let name = aspect.text()?;
    let aspect =
        Aspect::from_name(&name).ok_or_else(|| StoreError::Corrupt(format!("unknown aspect {name}")))?;
    Ok(Difference { aspect, live: live.text()?, shadow: shadow.text()? })
}

#[async_trait]
impl<D: Database> CanaryStore for SqlStore<D> {
    async fn pairings(&self, limit: u32) -> Result<Vec<Pairing>, StoreError> {
        let rows = self.read(PAIRINGS, &[Int(limit.into())]).await?;
        rows.into_iter()
            .map(|row| {
                let [live, shadow, compared, differing, first, last] = cells(row)?;
                Ok(Pairing {
                    live: live.text()?,
                    shadow: shadow.text()?,
                    compared: count(&compared)?,
                    differing: count(&differing)?,
                    first: hour_begins(first.int()?),
                    last: hour_begins(last.int()?),
                })
            })
            .collect()
    }

    async fn moved(&self, live: &str, shadow: &str, limit: u32) -> Result<Vec<Moved>, StoreError> {
        let rows = self.read(MOVED, &[Text(live), Text(shadow), Int(limit.into())]).await?;
        rows.into_iter()
            .map(|row| {
                let [aspect, live, shadow, number] = cells(row)?;
                Ok(Moved { difference: difference(aspect, live, shadow)?, count: count(&number)? })
            })
            .collect()
    }

    async fn differing(
        &self,
        live: &str,
        shadow: &str,
        aspect: Option<Aspect>,
        limit: u32,
    ) -> Result<Vec<Differing>, StoreError> {
        let aspect = aspect.map_or("-", Aspect::as_str);
        let params = [Text(live), Text(shadow), Text(aspect), Int(limit.into())];
        let mut found: Vec<Differing> = Vec::new();
        for row in self.read(DIFFERING, &params).await? {
            let [message_id, conversation_id, at, aspect, live, shadow, live_rules, shadow_rules] =
                cells(row)?;
            let (message_id, difference) = (message_id.text()?, difference(aspect, live, shadow)?);
            match found.last_mut().filter(|last| last.message_id == message_id) {
                Some(last) => last.differences.push(difference),
                None => found.push(Differing {
                    message_id,
                    conversation_id: conversation_id.text()?,
                    decided_at: time(&at)?,
                    differences: vec![difference],
                    live_rules: live_rules.text()?,
                    shadow_rules: shadow_rules.text()?,
                }),
            }
        }
        Ok(found)
    }
}
