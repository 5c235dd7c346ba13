//! The calls about the workers and the parked messages, and what they take and give.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::caller::Caller;
use super::calls::body;
use super::problem::Problem;
use crate::broker::amqp::backlog::Backlog;
use crate::broker::amqp::park::Entry;
use crate::console::Console;
use crate::console::fault::Fault;
use crate::console::operations::{self, Away, parked, percentile};
use crate::store::console::{LAGS, Operated};

/// How the workers do.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct OperationsView {
    /// When it was looked at.
    pub at: DateTime<Utc>,
    /// The last sixty minutes, oldest first, the one that runs included.
    pub minutes: Vec<Minute>,
    /// Workers on the list; they enter it when there is more than one input queue.
    pub workers: Vec<WorkerView>,
    /// Messages not confirmed by the broker yet.
    pub unsent: u64,
    /// When the oldest of those was written.
    pub oldest_unsent: Option<DateTime<Utc>>,
    /// How many of the latest decisions (at most 200) were made without the model.
    pub degraded: usize,
    /// The input queues, then those of the parked and of the unrouted messages; null while the broker does not tell.
    pub queues: Option<Vec<Backlog>>,
    /// Why the broker does not tell.
    pub broker_error: Option<String>,
}

/// A minute.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Minute {
    /// Its beginning.
    pub at: DateTime<Utc>,
    /// Messages decided.
    pub decisions: u64,
    /// Half of them took at most so many milliseconds from sent to decided, an upper bound; null for none, and for over half an hour.
    pub p50_ms_at_most: Option<i64>,
    /// The same for 95 of 100.
    pub p95_ms_at_most: Option<i64>,
}

/// A worker.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct WorkerView {
    /// With whom it shares input queues.
    pub team: String,
    pub worker: String,
    /// Input queues it is subscribed to.
    pub subscriptions: usize,
    /// `lives`, `silent`, or `unknown` when it was looked at for too short a time.
    pub life: &'static str,
}

/// Parked messages.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ParkedList {
    /// How many there are.
    pub total: u32,
    /// The oldest, at most 200.
    pub messages: Vec<Entry>,
}

/// A parked message.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ParkedMessage {
    pub entry: Entry,
    /// What was sent, redacted, at most 8,000 characters.
    pub body: String,
}

/// Which ones.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ParkedRequest {
    /// 1 to 200 ids; every copy of each.
    pub ids: BTreeSet<String>,
}

/// What became of them.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ParkedAnswer {
    /// Replayed or discarded.
    pub done: Vec<String>,
    /// Not parked; empty when it ended early.
    pub not_found: Vec<String>,
    /// Why it ended early.
    pub error: Option<String>,
}

type Shared = State<Arc<Console>>;

pub(super) async fn operations(State(console): Shared) -> Result<Json<OperationsView>, Problem> {
    let told = operations::look(&console).await?;
    let bound = |class: Option<usize>| class.and_then(|class| LAGS.get(class).copied());
    let minute = |(minute, classes): (i64, [u64; operations::CLASSES])| {
        DateTime::from_timestamp(minute * 60, 0).map(|at| Minute {
            at,
            decisions: classes.iter().sum(),
            p50_ms_at_most: bound(percentile(&classes, 50)),
            p95_ms_at_most: bound(percentile(&classes, 95)),
        })
    };
    let minutes = told.hour().minutes.into_iter().filter_map(minute).collect();
    let workers = told.workers.into_iter().map(|worker| WorkerView {
        team: worker.team,
        worker: worker.worker,
        subscriptions: worker.subscriptions,
        life: worker.life.as_str(),
    });
    let (queues, broker_error) = match told.broker {
        Ok(queues) => (Some(queues), None),
        Err(Away::None) => (None, Some("this console has no broker".to_owned())),
        Err(Away::Failed(error)) => (None, Some(error)),
    };
    Ok(Json(OperationsView {
        at: told.now,
        minutes,
        workers: workers.collect(),
        unsent: told.counts.unsent,
        oldest_unsent: told.counts.oldest_unsent,
        degraded: told.degraded.0,
        queues,
        broker_error,
    }))
}

pub(super) async fn list(State(console): Shared) -> Result<Json<ParkedList>, Problem> {
    let (total, messages) = parked::list(&console).await.map_err(Fault::from)?;
    Ok(Json(ParkedList { total, messages }))
}

pub(super) async fn show(
    State(console): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<ParkedMessage>, Problem> {
    let (entry, body) = parked::show(&console, &caller.account, &id).await?.ok_or(Fault::NotFound)?;
    Ok(Json(ParkedMessage { entry, body }))
}

pub(super) async fn replay(
    State(console): Shared,
    Extension(caller): Extension<Caller>,
    bytes: Bytes,
) -> Result<Json<ParkedAnswer>, Problem> {
    act(&console, &caller, Operated::Replay, &bytes).await
}

pub(super) async fn discard(
    State(console): Shared,
    Extension(caller): Extension<Caller>,
    bytes: Bytes,
) -> Result<Json<ParkedAnswer>, Problem> {
    act(&console, &caller, Operated::Discard, &bytes).await
}

async fn act(
    console: &Console,
    caller: &Caller,
    act: Operated,
    bytes: &Bytes,
) -> Result<Json<ParkedAnswer>, Problem> {
    let ParkedRequest { ids } = body(bytes)?;
    let parked::Ended { done, not_found, error } = parked::act(console, &caller.account, act, ids).await?;
    Ok(Json(ParkedAnswer { done, not_found, error }))
}
