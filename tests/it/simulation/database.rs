//! The database as plain state, and the store as one worker process sees it: calls that fail before or after they did
//! their work.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use smista::clock;
use smista::journey::Journey;
use smista::routing::Decision;
use smista::store::{
    Attendance, Committed, Corrected, Correction, Counts, CustomerState, Effect, Erased, MarkKey,
    OutboxMessage, Owner, PastPage, Place, ReplayRecord, Span, Store, StoreError, Subject,
};
use uuid::Uuid;

use super::world::{Mistake, Process};

struct Row {
    message: String,
    outgoing: OutboxMessage,
    written: Duration,
    sent: bool,
}

/// One effect, in order of the commits.
pub struct Commit {
    pub message: String,
    pub before: Journey,
    pub after: Journey,
    pub at: Duration,
}

#[derive(Default)]
pub struct Database {
    customers: BTreeMap<String, CustomerState>,
    inbox: BTreeMap<String, Decision>,
    outbox: Vec<Row>,
    pub commits: BTreeMap<String, Vec<Commit>>,
}

impl Database {
    pub fn is_decided(&self, message: &str) -> bool {
        self.inbox.contains_key(message)
    }

    pub fn decision(&self, message: &str) -> Option<&Decision> {
        self.inbox.get(message)
    }

    /// Ids of what a decided message has to publish.
    pub fn outbox_of(&self, message: &str) -> Option<Vec<String>> {
        self.inbox.get(message)?;
        let own = self.outbox.iter().filter(|row| row.message == message);
        Some(own.map(|row| row.outgoing.id.clone()).collect())
    }

    pub fn unsent(&self) -> Vec<String> {
        self.outbox.iter().filter(|row| !row.sent).map(|row| row.outgoing.id.clone()).collect()
    }

    fn unsent_of(&self, message: &str) -> Vec<OutboxMessage> {
        let own = self.outbox.iter().filter(|row| row.message == message && !row.sent);
        own.map(|row| row.outgoing.clone()).collect()
    }

    fn commit(&mut self, effect: &Effect, mistake: Mistake, at: Duration) -> Committed {
        let message = effect.decision.message_id.clone();
        if let Some(decision) = self.inbox.get(&message)
            && mistake != Mistake::InboxForgets
        {
            return Committed::Duplicate(Box::new(decision.clone()), self.unsent_of(&message));
        }
        let customer = &effect.before.customer;
        let state = self.customers.entry(customer.clone()).or_default();
        if state.epoch != effect.before.epoch {
            return Committed::Stale;
        }
        *state = CustomerState {
            customer: customer.clone(),
            epoch: state.epoch + 1,
            journey: effect.after.clone(),
        };
        self.commits.entry(customer.clone()).or_default().push(Commit {
            message: message.clone(),
            before: effect.before.journey.clone(),
            after: effect.after.clone(),
            at,
        });
        let row = |outgoing: &OutboxMessage| Row {
            message: message.clone(),
            outgoing: outgoing.clone(),
            written: now(),
            sent: false,
        };
        self.outbox.extend(effect.outbox.iter().map(row));
        self.inbox.insert(message.clone(), effect.decision.clone());
        Committed::New
    }
}

pub struct SimulatedStore(pub Arc<Process>);

impl SimulatedStore {
    /// One call: time goes by, it may fail, it does its work, it may fail all the same.
    async fn call<T>(
        &self,
        point: &str,
        subject: &str,
        work: impl FnOnce(&mut Database) -> T + Send,
    ) -> Result<T, StoreError> {
        let Self(process) = self;
        let world = &process.world;
        process.step(point, subject).await;
        if world.strikes(&format!("{point}-away"), subject, world.plan.rates.store) {
            return Err(StoreError::Unavailable("away".to_owned()));
        }
        let done = work(&mut world.database.lock().unwrap());
        process.pass(&format!("{point}-done"), subject).await;
        if world.strikes(&format!("{point}-unanswered"), subject, world.plan.rates.store) {
            return Err(StoreError::Unavailable("no answer in time".to_owned()));
        }
        Ok(done)
    }
}

fn now() -> Duration {
    clock::simulated::now().unwrap_or_default()
}

fn elsewhere<T>() -> Result<T, StoreError> {
    Err(StoreError::Unavailable("not simulated".to_owned()))
}

#[async_trait]
impl Store for SimulatedStore {
    async fn resolve_customer(
        &self,
        customer_id: Option<&str>,
        _: &str,
        _: &[String],
    ) -> Result<Owner, StoreError> {
        let customer = customer_id.unwrap().to_owned();
        let owner = Owner { customer: customer.clone(), absorbs: Vec::new() };
        self.call("resolve", &customer, |_| owner).await
    }

    async fn customer(&self, customer: &str) -> Result<CustomerState, StoreError> {
        let unknown = CustomerState { customer: customer.to_owned(), ..CustomerState::default() };
        self.call("load", customer, |database| database.customers.get(customer).cloned().unwrap_or(unknown))
            .await
    }

    async fn decided(&self, message_id: &str) -> Result<Option<(Decision, Vec<OutboxMessage>)>, StoreError> {
        let forgets = self.0.world.mistake == Mistake::InboxForgets;
        self.call("inbox", message_id, |database| {
            let decision = database.inbox.get(message_id).filter(|_| !forgets)?;
            Some((decision.clone(), database.unsent_of(message_id)))
        })
        .await
    }

    async fn commit(&self, effect: Effect) -> Result<Committed, StoreError> {
        let message = effect.decision.message_id.clone();
        let world = &self.0.world;
        let committed = self
            .call("commit", &message, |database| {
                let committed = database.commit(&effect, world.mistake, world.elapsed());
                let short = match &committed {
                    Committed::New | Committed::Spiked(_) => "new",
                    Committed::Duplicate(..) => "duplicate",
                    Committed::Stale => "stale",
                    Committed::Erased => "erased",
                };
                world.note(|| format!("{} commits {message}: {short}", self.0.name));
                committed
            })
            .await;
        if world.mistake == Mistake::MarkedUnpublished && matches!(committed, Ok(Committed::New)) {
            world.database.lock().unwrap().outbox.iter_mut().for_each(|row| row.sent = true);
        }
        committed
    }

    async fn mark_sent(&self, ids: &[String], _: DateTime<Utc>) -> Result<(), StoreError> {
        let subject = ids.first().cloned().unwrap_or_default();
        self.call("mark", &subject, |database| {
            let rows = database.outbox.iter_mut().filter(|row| ids.contains(&row.outgoing.id));
            rows.for_each(|row| row.sent = true);
        })
        .await
    }

    async fn unsent(&self, before: DateTime<Utc>, limit: u32) -> Result<Vec<OutboxMessage>, StoreError> {
        // The caller reckons by the clock on the wall; what counts here is how long ago that is.
        let age = (Utc::now() - before).to_std().unwrap_or_default();
        self.call("relay", &self.0.name, |database| {
            let old =
                database.outbox.iter().filter(|row| !row.sent && now().saturating_sub(row.written) > age);
            old.take(limit as usize).map(|row| row.outgoing.clone()).collect()
        })
        .await
    }

    async fn purge(&self, _: DateTime<Utc>) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        elsewhere()
    }

    async fn replay_record(&self, _: Uuid) -> Result<Option<ReplayRecord>, StoreError> {
        elsewhere()
    }

    async fn recent_decisions(&self, _: u32) -> Result<Vec<Decision>, StoreError> {
        elsewhere()
    }

    async fn past(&self, _: &Span, _: Option<&Place>, _: u32) -> Result<PastPage, StoreError> {
        elsewhere()
    }

    async fn correct(&self, _: Correction) -> Result<bool, StoreError> {
        elsewhere()
    }

    async fn corrections(&self) -> Result<Vec<Corrected>, StoreError> {
        elsewhere()
    }

    async fn attend(&self, _: &str, _: &Attendance) -> Result<Vec<Attendance>, StoreError> {
        elsewhere()
    }

    async fn dismiss(&self, _: &str, _: &str, _: i64) -> Result<(), StoreError> {
        elsewhere()
    }

    async fn erase(&self, _: &Subject, _: &MarkKey, _: Option<DateTime<Utc>>) -> Result<Erased, StoreError> {
        elsewhere()
    }

    async fn note_swept(&self, _: &Erased, _: &BTreeMap<String, u64>) -> Result<(), StoreError> {
        elsewhere()
    }
}
