//! The store over a [`Database`]: which statements run in which transaction. The same SQL runs on both databases.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::future::Future;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::alone::{self, Alone};
use super::attendance::{self, Attendance};
use super::canary;
use super::effect::Rows;
use super::group::{Answer, Group, Write};
use super::identity;
use super::link::{Cell, Database, Link, Param, Statement, cells, places};
use super::map;
use super::{
    Committed, Corrected, Correction, Counts, CustomerState, Destination, Effect, Erased, Forgotten, Keep,
    Known, MarkKey, OutboxMessage, Owner, PastPage, Place, ReplayRecord, Span, Spike, Store, StoreError,
    Subject, TopicPast, UnreadableJourney, erasure, merge, past, topics,
};
use crate::interaction::Interaction;
use crate::journey::map::{Row as MapRow, Timeline};
use crate::journey::spikes::{Topic, hour_of};
use crate::routing::Decision;
use crate::routing::canary::Comparison;
use Param::{Int, Text};

/// Messages purged in one transaction, so that commits get their turn in between.
const PURGE_STEP: i64 = 500;

/// A store on some database.
pub(super) struct SqlStore<D> {
    pub(super) database: D,
    group: Group,
    /// Where several effects are written at once; else they and the marks go together.
    marks: Option<Group>,
    keep: Keep,
}

impl<D: Database> SqlStore<D> {
    pub fn new(database: D, keep: Keep) -> Self {
        let writers = database.writers();
        let marks = (writers > 1).then(|| Group::new(1));
        Self { database, group: Group::new(writers), marks, keep }
    }

    /// One transaction of [`Store::forget`]: at most [`PURGE_STEP`] customers, each with the identities bound to it.
    async fn forget_some(&self, before: i64) -> Result<u64, StoreError> {
        self.within(async {
            let mut link = self.database.write().await?;
            let mut forgotten = 0;
            for row in link.rows(SILENT, &[Int(before), Int(PURGE_STEP)]).await? {
                let [customer] = cells(row)?;
                let customer = customer.text()?;
                // Somebody who has just written again stays, identities and all.
                if link.execute(FORGET, &[Text(&customer), Int(before)]).await? > 0 {
                    let bound = "DELETE FROM identities WHERE customer = $1";
                    link.execute(bound, &[Text(&customer)]).await?;
                    let former = "DELETE FROM customers WHERE merged_into = $1";
                    link.execute(former, &[Text(&customer)]).await?;
                    forgotten += 1;
                }
            }
            link.commit().await?;
            Ok(forgotten)
        })
        .await
    }

    /// Bounds a call in time: a database that does not answer at all raises no error of its own.
    pub(super) async fn within<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        match tokio::time::timeout(self.database.limit(), call).await {
            Ok(result) => result,
            Err(_) => Err(StoreError::Unavailable("no answer in time".to_owned())),
        }
    }

    pub(super) async fn read(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Vec<Cell>>, StoreError> {
        self.within(async {
            let mut link = self.database.read().await?;
            let rows = link.rows(sql, params).await?;
            link.abandon().await?;
            Ok(rows)
        })
        .await
    }
}

impl<D: Database> SqlStore<D> {
    pub(super) async fn write_one(&self, sql: &str, params: &[Param<'_>]) -> Result<(), StoreError> {
        self.within(async {
            let mut link = self.database.write_one().await?;
            link.execute(sql, params).await?;
            link.commit().await
        })
        .await
    }
}

#[async_trait]
impl<D: Database> Store for SqlStore<D> {
    async fn resolve_customer(
        &self,
        customer_id: Option<&str>,
        conversation_id: &str,
        identities: &[String],
    ) -> Result<Owner, StoreError> {
        self.within(async {
            let mut link = self.database.read().await?;
            let known = merge::known(&mut *link, customer_id, conversation_id, identities).await?;
            link.abandon().await?;
            let plan = identity::plan(customer_id, conversation_id, &known, self.keep.merging);
            if plan.bind.is_empty() {
                return Ok(plan.owner);
            }
            let mut link = self.database.write().await?;
            for identity in &plan.bind {
                // Whoever comes second waits here for the first and then finds the identity bound.
                let (stand_in, vouched) = (Int(plan.stand_in.into()), Int(customer_id.is_some().into()));
                let params = [Text(identity), Text(&plan.owner.customer), stand_in, vouched];
                link.execute(BIND, &params).await?;
            }
            let mut known = merge::known(&mut *link, customer_id, conversation_id, identities).await?;
            link.commit().await?;
            known.not_yet(&plan);
            Ok(identity::plan(customer_id, conversation_id, &known, self.keep.merging).owner)
        })
        .await
    }

    async fn customer(&self, customer: &str) -> Result<CustomerState, StoreError> {
        let sql = "SELECT epoch, journey FROM customers WHERE customer = $1 AND merged_into IS NULL";
        let rows = self.read(sql, &[Text(customer)]).await?;
        let mut state = CustomerState { customer: customer.to_owned(), ..CustomerState::default() };
        if let Some(row) = rows.into_iter().next() {
            let [epoch, journey] = cells(row)?;
            state.epoch = epoch.int()?;
            state.journey = parsed(journey)?;
        }
        Ok(state)
    }

    async fn decided(&self, message_id: &str) -> Result<Option<(Decision, Vec<OutboxMessage>)>, StoreError> {
        self.within(async {
            let mut link = self.database.read().await?;
            let found = decided(&mut *link, message_id).await?;
            link.abandon().await?;
            Ok(found)
        })
        .await
    }

    async fn commit(&self, effect: Effect) -> Result<Committed, StoreError> {
        let rows = Rows::of(&effect)?;
        let write = Write::Effect(Box::new((effect, rows)));
        match self.within(self.group.write(&self.database, write)).await? {
            Answer::Committed(committed) => Ok(*committed),
            Answer::Marked => Err(StoreError::Corrupt("an effect was answered as a mark".to_owned())),
        }
    }

    async fn mark_sent(&self, ids: &[String], at: DateTime<Utc>) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let write = Write::Sent { ids: ids.to_vec(), at: at.timestamp_micros() };
        let group = self.marks.as_ref().unwrap_or(&self.group);
        self.within(group.write(&self.database, write)).await.map(|_| ())
    }

    async fn unsent(&self, before: DateTime<Utc>, limit: u32) -> Result<Vec<OutboxMessage>, StoreError> {
        let rows = self.read(UNSENT, &[Int(before.timestamp_micros()), Int(limit.into())]).await?;
        rows.into_iter().map(outbox_message).collect()
    }

    async fn replay_record(&self, decision: Uuid) -> Result<Option<ReplayRecord>, StoreError> {
        let id = decision.to_string();
        let rows = self
            .read("SELECT interaction, before, decision FROM decisions WHERE decision_id = $1", &[Text(&id)])
            .await?;
        rows.into_iter()
            .next()
            .map(|row| {
                let [interaction, before, decision] = cells(row)?;
                let (interaction, before): (Interaction, _) = (parsed(interaction)?, parsed(before)?);
                let decision: Decision = parsed(decision)?;
                Ok(ReplayRecord { interaction, customer: decision.customer_id.clone(), before, decision })
            })
            .transpose()
    }

    async fn recent_decisions(&self, limit: u32) -> Result<Vec<Decision>, StoreError> {
        let rows = self
            .read(
                "SELECT decision FROM decisions ORDER BY decided_at DESC, decision_id LIMIT $1",
                &[Int(limit.into())],
            )
            .await?;
        rows.into_iter().map(|row| cells(row).and_then(|[decision]| parsed(decision))).collect()
    }

    async fn past(&self, span: &Span, after: Option<&Place>, limit: u32) -> Result<PastPage, StoreError> {
        self.within(async {
            let mut link = self.database.read().await?;
            let page = past::page(&mut *link, span, after, limit).await?;
            link.abandon().await?;
            Ok(page)
        })
        .await
    }

    async fn journeys(
        &self,
        span: &Span,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Result<Known, UnreadableJourney>>, StoreError> {
        self.within(async {
            let mut link = self.database.read().await?;
            let page = past::known(&mut *link, span, after, limit).await?;
            link.abandon().await?;
            Ok(page)
        })
        .await
    }

    async fn map_rows(
        &self,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
        after: Option<&MapRow>,
        limit: u32,
    ) -> Result<Vec<MapRow>, StoreError> {
        self.within(async {
            let mut link = self.database.read().await?;
            let rows = map::rows(&mut *link, (since, until), after, limit).await?;
            link.abandon().await?;
            Ok(rows)
        })
        .await
    }

    async fn unmapped(&self) -> Result<u64, StoreError> {
        let rows = self.read(map::UNMAPPED, &[]).await?;
        let [count] = cells(rows.into_iter().next().unwrap_or_default())?;
        Ok(u64::try_from(count.int()?).unwrap_or(0))
    }

    async fn timeline(&self, customer: &str, limit: u32) -> Result<Option<Timeline>, StoreError> {
        self.within(async {
            let mut link = self.database.read().await?;
            let timeline = map::timeline(&mut *link, customer, limit).await?;
            link.abandon().await?;
            Ok(timeline)
        })
        .await
    }

    async fn correct(&self, correction: Correction) -> Result<bool, StoreError> {
        let message = Text(&correction.message_id);
        self.within(async {
            let mut link = self.database.write().await?;
            let known = link.rows("SELECT message_id FROM inbox WHERE message_id = $1", &[message]).await?;
            if known.is_empty() {
                link.abandon().await?;
                return Ok(false);
            }
            write_correction(&mut *link, &correction).await?;
            link.commit().await?;
            Ok(true)
        })
        .await
    }

    async fn corrections(&self) -> Result<Vec<Corrected>, StoreError> {
        let rows = self.read(CORRECTIONS, &[]).await?;
        rows.into_iter()
            .map(|row| {
                let [correction, interaction] = cells(row)?;
                Ok(Corrected { correction: parsed(correction)?, interaction: parsed(interaction)? })
            })
            .collect()
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.read("SELECT COUNT(*) FROM customers WHERE epoch < 0", &[]).await.map(|_| ())
    }

    async fn begin_alone(&self, message_id: &str, worker: &str) -> Result<Option<Alone>, StoreError> {
        self.within(async {
            let mut link = self.database.write().await?;
            let other = alone::begin(&mut *link, message_id, worker).await?;
            link.commit().await?;
            Ok(other)
        })
        .await
    }

    async fn show_alone(&self, message_id: &str, worker: &str) -> Result<(), StoreError> {
        self.within(async {
            let mut link = self.database.write().await?;
            alone::show(&mut *link, message_id, worker).await?;
            link.commit().await
        })
        .await
    }

    async fn end_alone(&self, message_id: &str, worker: &str) -> Result<(), StoreError> {
        self.within(async {
            let mut link = self.database.write().await?;
            alone::end(&mut *link, message_id, worker).await?;
            link.commit().await
        })
        .await
    }

    async fn acquit(&self, worker: &str) -> Result<(), StoreError> {
        self.write_one("DELETE FROM alone WHERE worker = $1", &[Text(worker)]).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        let rows = self.read(COUNTS, &[]).await?;
        let row = rows.into_iter().next().unwrap_or_default();
        let [customers, messages, unsent, oldest] = cells(row)?;
        let count = |cell: Cell| cell.int().map(|count| u64::try_from(count).unwrap_or(0));
        let oldest_unsent = match oldest {
            Cell::Null => None,
            cell => DateTime::from_timestamp_micros(cell.int()?),
        };
        Ok(Counts {
            customers: count(customers)?,
            messages: count(messages)?,
            unsent: count(unsent)?,
            oldest_unsent,
        })
    }

    async fn purge(&self, before: DateTime<Utc>) -> Result<u64, StoreError> {
        let forgotten = "DELETE FROM alone WHERE since < $1";
        self.write_one(forgotten, &[Int(before.timestamp_micros())]).await?;
        let old = "DELETE FROM console_operations WHERE at < $1";
        self.write_one(old, &[Int(before.timestamp_micros())]).await?;
        self.write_one("DELETE FROM canary_hours WHERE hour < $1", &[Int(hour_of(before))]).await?;
        let mut purged = 0;
        loop {
            let step = self
                .within(async {
                    let mut link = self.database.write().await?;
                    let step =
                        link.execute(PURGE, &[Int(before.timestamp_micros()), Int(PURGE_STEP)]).await?;
                    link.commit().await?;
                    Ok(step)
                })
                .await?;
            purged += step;
            if step == 0 {
                return Ok(purged);
            }
        }
    }

    async fn attend(&self, team: &str, me: &Attendance) -> Result<Vec<Attendance>, StoreError> {
        self.within(async {
            let mut link = self.database.write().await?;
            let team = attendance::attend(&mut *link, team, me).await?;
            link.commit().await?;
            Ok(team)
        })
        .await
    }

    async fn dismiss(&self, team: &str, worker: &str, beat: i64) -> Result<(), StoreError> {
        self.within(async {
            let mut link = self.database.write().await?;
            attendance::dismiss(&mut *link, team, worker, beat).await?;
            link.commit().await
        })
        .await
    }

    async fn forget(&self, now: DateTime<Utc>) -> Result<Forgotten, StoreError> {
        let mut forgotten = Forgotten::default();
        let before = (now - self.keep.customers).timestamp_micros();
        loop {
            let step = self.forget_some(before).await?;
            forgotten.customers += step;
            if step == 0 {
                break;
            }
        }
        // A message that a day has not brought to an end is parked or gone, and so is whoever had it at work.
        self.write_one(alone::STALE, &[Int((now - TimeDelta::days(1)).timestamp_micros())]).await?;
        let before = (now - self.keep.erasures).timestamp_micros();
        self.write_one("DELETE FROM erasure_requests WHERE requested_at < $1", &[Int(before)]).await?;
        forgotten.erasures = self
            .within(async {
                let mut link = self.database.write().await?;
                let marks = link.execute("DELETE FROM erased WHERE erased_at < $1", &[Int(before)]).await?;
                let records =
                    link.execute("DELETE FROM erasures WHERE erased_at < $1", &[Int(before)]).await?;
                link.commit().await?;
                Ok(marks + records)
            })
            .await?;
        Ok(forgotten)
    }

    async fn topic_past(&self, topic: &Topic, from: i64, until: i64) -> Result<TopicPast, StoreError> {
        self.within(async {
            let mut link = self.database.read().await?;
            let past = topics::past(&mut *link, topic, from, until).await?;
            link.abandon().await?;
            Ok(past)
        })
        .await
    }

    async fn spikes(&self, since: DateTime<Utc>) -> Result<Vec<Spike>, StoreError> {
        self.within(async {
            let mut link = self.database.read().await?;
            let spikes = topics::list(&mut *link, since, None, i64::MAX).await?;
            link.abandon().await?;
            Ok(spikes)
        })
        .await
    }

    async fn forget_topics(&self, before: DateTime<Utc>) -> Result<(), StoreError> {
        let hour = Int(hour_of(before));
        for old in topics::OLD {
            self.write_one(old, &[hour]).await?;
        }
        Ok(())
    }

    async fn compare(&self, comparisons: &[Comparison]) -> Result<(), StoreError> {
        self.within(async {
            let mut link = self.database.write().await?;
            canary::keep(&mut *link, comparisons).await?;
            link.commit().await
        })
        .await
    }

    async fn erase(
        &self,
        subject: &Subject,
        key: &MarkKey,
        at: Option<DateTime<Utc>>,
    ) -> Result<Erased, StoreError> {
        let erased = self
            .within(async {
                let mut link = self.database.write().await?;
                let erased = erasure::erase(&mut *link, subject, key, at).await?;
                if at.is_some() {
                    link.commit().await?;
                } else {
                    link.abandon().await?;
                }
                Ok(erased)
            })
            .await?;
        if at.is_some() {
            self.database.scrub().await?;
        }
        Ok(erased)
    }

    async fn note_swept(&self, erased: &Erased, queues: &BTreeMap<String, u64>) -> Result<(), StoreError> {
        let (id, counts) =
            (erased.erasure_id.to_string(), erasure::counts_json(&erased.tables, Some(queues))?);
        self.within(async {
            let mut link = self.database.write().await?;
            let note = "UPDATE erasures SET counts = $2 WHERE erasure_id = $1";
            link.execute(note, &[Text(&id), Text(&counts)]).await?;
            link.commit().await
        })
        .await
    }
}

const BIND: &str = "INSERT INTO identities (identity, customer, stand_in, vouched) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (identity) DO NOTHING";

pub(super) const OUTBOX: &str = "INSERT INTO outbox (id, message_id, destination, routing_key, body, created_at) \
    VALUES ($1, $2, $3, $4, $5, $6)";

const UNSENT: &str = "SELECT id, destination, routing_key, body FROM outbox \
    WHERE sent_at IS NULL AND created_at < $1 ORDER BY seq LIMIT $2";

const UNSENT_OF: &str = "SELECT id, destination, routing_key, body FROM outbox \
    WHERE message_id = $1 AND sent_at IS NULL ORDER BY seq";

const DECIDED: &str = "SELECT d.decision FROM inbox i JOIN decisions d ON d.decision_id = i.decision_id \
    WHERE i.message_id = $1";

const COUNTS: &str = "SELECT (SELECT COUNT(*) FROM customers WHERE merged_into IS NULL), \
    (SELECT COUNT(*) FROM inbox), \
    (SELECT COUNT(*) FROM outbox WHERE sent_at IS NULL), \
    (SELECT MIN(created_at) FROM outbox WHERE sent_at IS NULL)";

const CORRECTION: &str = "INSERT INTO corrections (correction_id, message_id, corrected_at, correction) \
    VALUES ($1, $2, $3, $4) ON CONFLICT (correction_id) DO NOTHING";

/// The latest of each message; of two at the same time, the one with the greater id.
const CORRECTIONS: &str = "SELECT c.correction, d.interaction FROM corrections c \
    JOIN inbox i ON i.message_id = c.message_id JOIN decisions d ON d.decision_id = i.decision_id \
    WHERE NOT EXISTS (SELECT 1 FROM corrections later WHERE later.message_id = c.message_id \
        AND (later.corrected_at > c.corrected_at \
            OR (later.corrected_at = c.corrected_at AND later.correction_id > c.correction_id))) \
    ORDER BY c.corrected_at, c.correction_id";

/// Decisions, corrections and outbox rows go with their inbox row.
const PURGE: &str = "DELETE FROM inbox WHERE message_id IN (SELECT i.message_id FROM inbox i \
    WHERE i.decided_at < $1 AND NOT EXISTS \
        (SELECT 1 FROM outbox o WHERE o.message_id = i.message_id AND o.sent_at IS NULL) LIMIT $2)";

/// Customers without a message who were not heard from.
const SILENT: &str = "SELECT c.customer FROM customers c WHERE c.updated_at < $1 AND c.merged_into IS NULL \
    AND NOT EXISTS (SELECT 1 FROM inbox i WHERE i.customer = c.customer) ORDER BY c.updated_at LIMIT $2";

const FORGET: &str = "DELETE FROM customers WHERE customer = $1 AND updated_at < $2";

/// Adds what is to be published, in that order; none when there is nothing. The message's inbox row has to be there.
pub(super) fn outbox<'a>(
    message: &'a str,
    at: DateTime<Utc>,
    rows: &'a [OutboxMessage],
) -> Option<Statement<'a>> {
    let at = Int(at.timestamp_micros());
    let params = rows.iter().flat_map(|row| {
        let destination = Text(destination_name(row.destination));
        [Text(&row.id), Text(message), destination, Text(&row.routing_key), Text(&row.body), at]
    });
    let sql: Cow<'static, str> = match rows.len() {
        0 => return None,
        1 => Cow::Borrowed(OUTBOX),
        more => {
            let rows: Vec<String> = (1..more).map(|row| format!(", ({})", places(row * 6 + 1, 6))).collect();
            Cow::Owned(format!("{OUTBOX}{}", rows.concat()))
        }
    };
    Some(Statement { sql, params: params.collect() })
}

/// Keeps a correction. The message's inbox row has to be there.
pub(super) async fn write_correction(link: &mut dyn Link, correction: &Correction) -> Result<(), StoreError> {
    let (id, text) = (correction.correction_id.to_string(), json(correction)?);
    let at = Int(correction.corrected_at.timestamp_micros());
    link.execute(CORRECTION, &[Text(&id), Text(&correction.message_id), at, Text(&text)]).await?;
    Ok(())
}

pub(super) async fn decided(
    link: &mut dyn Link,
    message_id: &str,
) -> Result<Option<(Decision, Vec<OutboxMessage>)>, StoreError> {
    let Some(row) = link.rows(DECIDED, &[Text(message_id)]).await?.into_iter().next() else {
        return Ok(None);
    };
    let [decision] = cells(row)?;
    let unsent = link.rows(UNSENT_OF, &[Text(message_id)]).await?;
    let unsent = unsent.into_iter().map(outbox_message).collect::<Result<_, _>>()?;
    Ok(Some((parsed(decision)?, unsent)))
}

fn outbox_message(row: Vec<Cell>) -> Result<OutboxMessage, StoreError> {
    let [id, destination, routing_key, body] = cells(row)?;
    let destination = destination.text()?;
    let known = [Destination::Decisions, Destination::Events, Destination::Corrections, Destination::Parked];
    let destination = known
        .into_iter()
        .find(|known| destination_name(*known) == destination)
        .ok_or_else(|| StoreError::Corrupt(format!("unknown destination {destination}")))?;
    Ok(OutboxMessage { id: id.text()?, destination, routing_key: routing_key.text()?, body: body.text()? })
}

pub(super) fn destination_name(destination: Destination) -> &'static str {
    match destination {
        Destination::Decisions => "decisions",
        Destination::Events => "events",
        Destination::Corrections => "corrections",
        Destination::Parked => "parked",
        Destination::Interactions => "interactions",
    }
}

pub(super) fn json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Corrupt(error.to_string()))
}

pub(super) fn parsed<T: DeserializeOwned>(cell: Cell) -> Result<T, StoreError> {
    serde_json::from_str(&cell.text()?).map_err(|error| StoreError::Corrupt(error.to_string()))
}
