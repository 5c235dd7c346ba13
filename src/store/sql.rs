//! The store over a [`Database`]: which statements run in which transaction. The same SQL runs on both databases.

use std::collections::BTreeMap;
use std::future::Future;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::alone::{self, Alone};
use super::attendance::{self, Attendance};
use super::identity;
use super::link::{Cell, Database, Link, Param, cells};
use super::map::{self, Mapped};
use super::{
    Committed, Corrected, Correction, Counts, CustomerState, Destination, Effect, Erased, Forgotten, Keep,
    Known, MarkKey, OutboxMessage, Owner, Past, Place, ReplayRecord, Span, Spike, Store, StoreError, Subject,
    TopicPast, erasure, merge, past, topics,
};
use crate::interaction::Interaction;
use crate::journey::map::{Row as MapRow, Timeline};
use crate::journey::spikes::{Topic, hour_of};
use crate::routing::Decision;
use Param::{Int, Text};

/// Messages purged in one transaction, so that commits get their turn in between.
const PURGE_STEP: i64 = 500;

/// A store on some database.
pub(super) struct SqlStore<D> {
    pub(super) database: D,
    keep: Keep,
}

impl<D: Database> SqlStore<D> {
    pub fn new(database: D, keep: Keep) -> Self {
        Self { database, keep }
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

    /// Takes back what looking an erased customer up has bound, unless the customer is there again.
    async fn unbind(&self, effect: &Effect) -> Result<(), StoreError> {
        let conversation = identity::conversation_key(&effect.interaction.conversation_id);
        let mut link = self.database.write().await?;
        for bound in effect.interaction.identities.iter().chain([&conversation]) {
            link.execute(UNBIND, &[Text(bound)]).await?;
        }
        link.commit().await
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
            let mut link = self.database.write().await?;
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
        self.within(async {
            let mut link = self.database.write().await?;
            let written = write(&mut *link, &effect, &rows).await?;
            match written {
                Written::All(raised) => {
                    link.commit().await?;
                    Ok(if raised.is_empty() { Committed::New } else { Committed::Spiked(raised) })
                }
                Written::Stale => {
                    link.abandon().await?;
                    Ok(Committed::Stale)
                }
                Written::Erased => {
                    link.abandon().await?;
                    self.unbind(&effect).await?;
                    Ok(Committed::Erased)
                }
                Written::Duplicate => {
                    let found = decided(&mut *link, &effect.decision.message_id).await?;
                    link.abandon().await?;
                    let (decision, unsent) = found.ok_or_else(|| {
                        StoreError::Corrupt(format!(
                            "no decision for inbox row {}",
                            effect.decision.message_id
                        ))
                    })?;
                    Ok(Committed::Duplicate(Box::new(decision), unsent))
                }
            }
        })
        .await
    }

    async fn mark_sent(&self, ids: &[String], at: DateTime<Utc>) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        self.within(async {
            let mut link = self.database.write().await?;
            for id in ids {
                link.execute(MARK_SENT, &[Text(id), Int(at.timestamp_micros())]).await?;
            }
            link.commit().await
        })
        .await
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

    async fn past(&self, span: &Span, after: Option<&Place>, limit: u32) -> Result<Vec<Past>, StoreError> {
        self.within(async {
            let mut link = self.database.read().await?;
            let page = past::page(&mut *link, span, after, limit).await?;
            link.abandon().await?;
            Ok(page)
        })
        .await
    }

    async fn journeys(&self, span: &Span, after: &str, limit: u32) -> Result<Vec<Known>, StoreError> {
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
        let before = (now - self.keep.erasures).timestamp_micros();
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
            let spikes = topics::list(&mut *link, since).await?;
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

/// The stand-in mark is that of the customer's row, written just before.
const BIND_CONVERSATION: &str = "INSERT INTO identities (identity, customer, stand_in) \
    SELECT $1, customer, stand_in FROM customers WHERE customer = $2 ON CONFLICT (identity) DO NOTHING";

const UNBIND: &str = "DELETE FROM identities WHERE identity = $1 \
    AND NOT EXISTS (SELECT 1 FROM customers WHERE customers.customer = identities.customer)";

const INBOX: &str = "INSERT INTO inbox (message_id, customer, decision_id, decided_at) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (message_id) DO NOTHING";

/// Takes the customer's row lock, and changes nothing when another commit came first.
const UPDATE_CUSTOMER: &str = "UPDATE customers SET epoch = epoch + 1, journey = $2, updated_at = $3 \
    WHERE customer = $1 AND epoch = $4 AND merged_into IS NULL";

const INSERT_CUSTOMER: &str = "INSERT INTO customers (customer, epoch, journey, updated_at, stand_in) \
    SELECT $1, 1, $2, $3, CASE WHEN $4 = 1 OR EXISTS \
        (SELECT 1 FROM identities WHERE customer = $1 AND stand_in = 1) THEN 1 ELSE 0 END \
    WHERE NOT EXISTS (SELECT 1 FROM customers WHERE customer = $1) ON CONFLICT (customer) DO NOTHING";

const DECISION: &str = "INSERT INTO decisions (decision_id, message_id, decided_at, decision, interaction, before) \
    VALUES ($1, $2, $3, $4, $5, $6)";

const OUTBOX: &str = "INSERT INTO outbox (id, message_id, destination, routing_key, body, created_at) \
    VALUES ($1, $2, $3, $4, $5, $6)";

const MARK_SENT: &str = "UPDATE outbox SET sent_at = $2 WHERE id = $1 AND sent_at IS NULL";

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

enum Written {
    /// With the events of topics that the message brought over the bar.
    All(Vec<OutboxMessage>),
    Duplicate,
    Stale,
    Erased,
}

/// What of an effect is stored as text, made before the transaction begins.
struct Rows {
    after: String,
    before: String,
    interaction: String,
    decision: String,
    decision_id: String,
    review: super::console::Projection,
    mapped: Mapped,
}

impl Rows {
    fn of(effect: &Effect) -> Result<Self, StoreError> {
        Ok(Self {
            after: json(&effect.after)?,
            before: json(&effect.before.journey)?,
            interaction: json(&effect.interaction)?,
            decision: json(&effect.decision)?,
            decision_id: effect.decision.decision_id.to_string(),
            review: super::console::Projection::of(&effect.decision, &effect.interaction),
            mapped: Mapped::of(&effect.decision, &effect.interaction),
        })
    }
}

async fn write(link: &mut dyn Link, effect: &Effect, rows: &Rows) -> Result<Written, StoreError> {
    let (decision, customer) = (&effect.decision, effect.before.customer.as_str());
    let at = Int(decision.decided_at.timestamp_micros());
    let message = Text(&decision.message_id);
    let inbox = [message, Text(customer), Text(&rows.decision_id), at];
    if link.execute(INBOX, &inbox).await? == 0 {
        return Ok(Written::Duplicate);
    }
    let conversation = &effect.interaction.conversation_id;
    // Everybody locks in the order of names.
    let (first, then): (Vec<_>, Vec<_>) =
        effect.absorbed.iter().partition(|absorbed| absorbed.customer.as_str() < customer);
    if !merge::hand_over(link, &first, customer, at).await? {
        return Ok(Written::Stale);
    }
    let changed = if effect.before.epoch == 0 {
        let stands_in = effect.interaction.customer_id.is_none() && customer == conversation;
        let row = [Text(customer), Text(&rows.after), at, Int(stands_in.into())];
        link.execute(INSERT_CUSTOMER, &row).await?
    } else {
        let row = [Text(customer), Text(&rows.after), at, Int(effect.before.epoch)];
        link.execute(UPDATE_CUSTOMER, &row).await?
    };
    if changed == 0 || !merge::hand_over(link, &then, customer, at).await? {
        return Ok(Written::Stale);
    }
    for absorbed in &effect.absorbed {
        merge::rebind(link, &absorbed.customer, customer).await?;
    }
    if effect.interaction.customer_id.is_some() {
        merge::vouch(link, &effect.interaction.identities, customer).await?;
    }
    // Behind the customer's lock: an erasure has either left its marks or waits for this commit and removes it.
    if let Some(traces) = &effect.traces
        && erasure::is_erased(link, traces).await?
    {
        return Ok(Written::Erased);
    }
    if customer != conversation {
        let key = identity::conversation_key(conversation);
        link.execute(BIND_CONVERSATION, &[Text(&key), Text(customer)]).await?;
    }
    let made_from = [Text(&rows.decision), Text(&rows.interaction), Text(&rows.before)];
    let [body, interaction, before] = made_from;
    link.execute(DECISION, &[Text(&rows.decision_id), message, at, body, interaction, before]).await?;
    super::console::project(link, &rows.review).await?;
    map::map(link, &rows.mapped).await?;
    for row in &effect.outbox {
        write_outbox(link, &effect.decision.message_id, effect.decision.decided_at, row).await?;
    }
    Ok(Written::All(topics::count(link, effect, OUTBOX).await?))
}

/// Adds something to publish. The message's inbox row has to be there.
pub(super) async fn write_outbox(
    link: &mut dyn Link,
    message: &str,
    at: DateTime<Utc>,
    row: &OutboxMessage,
) -> Result<(), StoreError> {
    let (destination, at) = (Text(destination_name(row.destination)), Int(at.timestamp_micros()));
    let row = [Text(&row.id), Text(message), destination, Text(&row.routing_key), Text(&row.body), at];
    link.execute(OUTBOX, &row).await?;
    Ok(())
}

/// Keeps a correction. The message's inbox row has to be there.
pub(super) async fn write_correction(link: &mut dyn Link, correction: &Correction) -> Result<(), StoreError> {
    let (id, text) = (correction.correction_id.to_string(), json(correction)?);
    let at = Int(correction.corrected_at.timestamp_micros());
    link.execute(CORRECTION, &[Text(&id), Text(&correction.message_id), at, Text(&text)]).await?;
    Ok(())
}

async fn decided(
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
    }
}

pub(super) fn json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Corrupt(error.to_string()))
}

pub(super) fn parsed<T: DeserializeOwned>(cell: Cell) -> Result<T, StoreError> {
    serde_json::from_str(&cell.text()?).map_err(|error| StoreError::Corrupt(error.to_string()))
}
