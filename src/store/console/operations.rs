//! What the console's pages about the workers read: how fast decisions come, who attends; and what operators did.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use uuid::Uuid;

use super::review::time;
use crate::store::attendance::attendance;
use crate::store::link::Param::{Int, Text};
use crate::store::link::{Database, cells};
use crate::store::sql::{SqlStore, parsed};
use crate::store::{Attendance, Store, StoreError};

/// Upper bounds of the classes of [`Pace`], milliseconds from sent to decided; one more class is over the last.
pub const LAGS: [i64; 11] = [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 1_800_000];

/// Messages decided in one minute that were as long under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Minutes since 1970.
    pub minute: i64,
    /// Index into [`LAGS`]: sent at most so long before it was decided; its length for what took longer.
    pub lag: usize,
    /// How many.
    pub count: u64,
}

/// What an operator can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operated {
    /// Looked at a parked message.
    Show,
    /// Sent it to the workers again.
    Replay,
    /// Removed it for good.
    Discard,
    /// Tried a policy out.
    Simulate,
    /// Took back a request to erase a customer.
    WithdrawErasure,
}

impl Operated {
    /// The name in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Show => "show",
            Self::Replay => "replay",
            Self::Discard => "discard",
            Self::Simulate => "simulate",
            Self::WithdrawErasure => "withdraw_erasure",
        }
    }

    /// The one of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Show, Self::Replay, Self::Discard, Self::Simulate, Self::WithdrawErasure]
            .into_iter()
            .find(|act| act.as_str() == name)
    }
}

/// Something an operator did, or set out to do: it is kept before it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// When.
    pub at: DateTime<Utc>,
    /// An account, or `api:` and the name of a token.
    pub account: String,
    /// What.
    pub act: Operated,
    /// With which: the id of a parked message, the version of a policy, or the conversation that a request was made from.
    pub target: String,
}

/// A policy by which decisions were made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyUse {
    /// Its id, as decisions carry it.
    pub policy: String,
    /// When the first of them was decided.
    pub first: DateTime<Utc>,
    /// When the last was.
    pub last: DateTime<Utc>,
    /// How many.
    pub count: u64,
}

/// What the pages about the workers need.
#[async_trait]
pub trait OperationsStore: Store {
    /// Messages decided from `since` up to `until`, by minute and by how long they had been under way since they were
    /// sent. Each message counts once, by its first decision.
    async fn pace(&self, since: DateTime<Utc>, until: DateTime<Utc>) -> Result<Vec<Pace>, StoreError>;

    /// Who attends, with their teams, by name. A dead worker's line may be there; its beat stands still.
    async fn attending(&self) -> Result<Vec<(String, Attendance)>, StoreError>;

    /// By which policies the latest decisions, at most so many, were made; the one of the latest first. Corrections do not
    /// count: they keep the policy of the decision they go back to.
    async fn policies(&self, latest: u32) -> Result<Vec<PolicyUse>, StoreError>;

    /// Keeps what is about to be done.
    async fn operate(&self, operation: &Operation) -> Result<(), StoreError>;

    /// What was done, the latest first.
    async fn operations(&self, limit: u32) -> Result<Vec<Operation>, StoreError>;
}

#[async_trait]
impl<D: Database> OperationsStore for SqlStore<D> {
    async fn pace(&self, since: DateTime<Utc>, until: DateTime<Utc>) -> Result<Vec<Pace>, StoreError> {
        let rows =
            self.read(&pace_sql(), &[Int(since.timestamp_micros()), Int(until.timestamp_micros())]).await?;
        rows.into_iter()
            .map(|row| {
                let [minute, lag, count] = cells(row)?;
                let number = |cell: i64| {
                    u64::try_from(cell).map_err(|_| StoreError::Corrupt("a count below zero".to_owned()))
                };
                let lag = usize::try_from(number(lag.int()?)?).unwrap_or(LAGS.len());
                Ok(Pace { minute: minute.int()?, lag, count: number(count.int()?)? })
            })
            .collect()
    }

    async fn attending(&self) -> Result<Vec<(String, Attendance)>, StoreError> {
        let sql = "SELECT team, worker, beat, places FROM workers ORDER BY team, worker";
        let rows = self.read(sql, &[]).await?;
        rows.into_iter()
            .map(|mut row| {
                let team = if row.is_empty() { None } else { Some(row.remove(0)) };
                let team = team.ok_or_else(|| StoreError::Corrupt("a row without columns".to_owned()))?;
                Ok((team.text()?, attendance(row)?))
            })
            .collect()
    }

    async fn policies(&self, latest: u32) -> Result<Vec<PolicyUse>, StoreError> {
        let sql = "SELECT i.decided_at, d.decision FROM inbox i JOIN decisions d ON d.decision_id = i.decision_id \
            ORDER BY i.decided_at DESC LIMIT $1";
        let mut used: Vec<PolicyUse> = Vec::new();
        for row in self.read(sql, &[Int(latest.into())]).await? {
            let [at, decision] = cells(row)?;
            let (at, Versioned { versions }) = (time(&at)?, parsed(decision)?);
            match used.iter_mut().find(|used| used.policy == versions.policy) {
                Some(used) => (used.first, used.count) = (at, used.count + 1),
                None => used.push(PolicyUse { policy: versions.policy, first: at, last: at, count: 1 }),
            }
        }
        Ok(used)
    }

    async fn operate(&self, operation: &Operation) -> Result<(), StoreError> {
        let id = Uuid::new_v4().to_string();
        let Operation { at, account, act, target } = operation;
        let sql = "INSERT INTO console_operations (operation_id, at, account, act, target) \
            VALUES ($1, $2, $3, $4, $5)";
        let params = [Text(&id), Int(at.timestamp_micros()), Text(account), Text(act.as_str()), Text(target)];
        self.write_one(sql, &params).await
    }

    async fn operations(&self, limit: u32) -> Result<Vec<Operation>, StoreError> {
        let sql = "SELECT at, account, act, target FROM console_operations ORDER BY at DESC LIMIT $1";
        let rows = self.read(sql, &[Int(limit.into())]).await?;
        rows.into_iter()
            .map(|row| {
                let [at, account, act, target] = cells(row)?;
                let act = act.text()?;
                let known = Operated::from_name(&act);
                let act = known.ok_or_else(|| StoreError::Corrupt(format!("unknown act {act}")))?;
                Ok(Operation { at: time(&at)?, account: account.text()?, act, target: target.text()? })
            })
            .collect()
    }
}

/// What is read of a decision.
#[derive(Deserialize)]
struct Versioned {
    versions: PolicyVersion,
}

#[derive(Deserialize)]
struct PolicyVersion {
    policy: String,
}

/// Counted in the database: the answer has at most sixty times twelve rows for an hour, however busy.
fn pace_sql() -> String {
    let mut class = "CASE".to_owned();
    for (index, most) in LAGS.iter().enumerate() {
        class.push_str(&format!(" WHEN i.decided_at - m.sent_at <= {} THEN {index}", most * 1_000));
    }
    class.push_str(&format!(" ELSE {} END", LAGS.len()));
    format!(
        "SELECT minute, CAST(lag AS BIGINT), COUNT(*) FROM ( \
            SELECT i.decided_at / 60000000 AS minute, {class} AS lag \
            FROM inbox i JOIN map_contacts m ON m.message_id = i.message_id \
            WHERE i.decided_at >= $1 AND i.decided_at < $2) paced \
        GROUP BY minute, lag ORDER BY minute, lag"
    )
}
