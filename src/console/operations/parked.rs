//! Parked messages, by the same hand as `smista parked`. What is about to be done is kept first.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;

use super::Away;
use crate::broker::BrokerError;
use crate::broker::amqp::park::{Entry, ParkedQueue, Which};
use crate::console::Console;
use crate::console::fault::Fault;
use crate::interaction;
use crate::store::console::{ConsoleStore, Operated, Operation};

/// Messages listed, the oldest.
pub(in crate::console) const LISTED: usize = 200;
/// Messages replayed or discarded at once.
pub(in crate::console) const AT_ONCE: usize = 200;
/// A round goes through the whole queue; longer is left to `smista parked`.
const PATIENCE: Duration = Duration::from_secs(60);

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::console) struct Ended {
    /// Ids that were replayed or discarded.
    pub done: Vec<String>,
    /// Ids that nothing parked has; unknown when it ended early.
    pub not_found: Vec<String>,
    /// Why it ended early.
    pub error: Option<String>,
}

/// The oldest, and how many there are.
pub(in crate::console) async fn list(console: &Console) -> Result<(u32, Vec<Entry>), Away> {
    on_queue(console, async |queue: &ParkedQueue| queue.list(LISTED).await.map_err(failed)).await
}

/// The oldest one with this id, and its body redacted.
pub(in crate::console) async fn show(
    console: &Console,
    account: &str,
    id: &str,
) -> Result<Option<(Entry, String)>, Fault> {
    let wanted = id.to_owned();
    let found =
        on_queue(console, async move |queue: &ParkedQueue| queue.find(&wanted).await.map_err(failed)).await?;
    let Some((entry, body)) = found else { return Ok(None) };
    keep(&*console.store, account, Operated::Show, [id]).await?;
    Ok(Some((entry, interaction::preview(&body))))
}

/// Sends them to the workers again, or removes them for good. Nothing is kept of what cannot begin.
pub(in crate::console) async fn act(
    console: &Console,
    account: &str,
    act: Operated,
    ids: BTreeSet<String>,
) -> Result<Ended, Fault> {
    let unfit = ids.is_empty() || ids.len() > AT_ONCE;
    if unfit || ids.iter().any(|id| id.is_empty() || id.contains('\0')) {
        return Err(Fault::BadRequest);
    }
    if !matches!(act, Operated::Replay | Operated::Discard) {
        return Err(Fault::BadRequest);
    }
    let (store, account, which) = (Arc::clone(&console.store), account.to_owned(), Which::Ids(ids.clone()));
    let begun = on_queue(console, async move |queue: &ParkedQueue| {
        let Which::Ids(ids) = &which else { return Ok(Err(Fault::BadRequest)) };
        if let Err(fault) = keep(&*store, &account, act, ids.iter().map(String::as_str)).await {
            return Ok(Err(fault));
        }
        let mut done = Vec::new();
        let told = |entry: &Entry| done.push(entry.id.clone());
        let ended = if act == Operated::Replay {
            tokio::time::timeout(PATIENCE, queue.replay(&which, told)).await
        } else {
            tokio::time::timeout(PATIENCE, queue.discard(&which, told)).await
        };
        let error = match ended {
            Ok(ended) => ended.err().map(|error| error.to_string()),
            Err(_) => Some("it took too long and was given up; use smista parked for so many".to_owned()),
        };
        Ok(Ok((done, error)))
    })
    .await?;
    let (done, error) = begun?;
    let missing = ids.into_iter().filter(|id| !done.contains(id)).collect();
    Ok(Ended { not_found: if error.is_none() { missing } else { Vec::new() }, done, error })
}

async fn keep<'a>(
    store: &dyn ConsoleStore,
    account: &str,
    act: Operated,
    ids: impl IntoIterator<Item = &'a str>,
) -> Result<(), Fault> {
    for id in ids {
        let operation = Operation { at: Utc::now(), account: account.to_owned(), act, target: id.to_owned() };
        store.operate(&operation).await?;
    }
    Ok(())
}

fn failed(error: BrokerError) -> Away {
    Away::Failed(error.to_string())
}

/// One look at a time: what one has taken, another does not see. On a thread of its own, to its end even when the caller goes.
async fn on_queue<T: Send + 'static>(
    console: &Console,
    call: impl AsyncFnOnce(&ParkedQueue) -> Result<T, Away> + Send + 'static,
) -> Result<T, Away> {
    let broker = console.broker.clone().ok_or(Away::None)?;
    let alone = Arc::clone(&console.parked).lock_owned().await;
    let runtime = tokio::runtime::Handle::current();
    let work = tokio::task::spawn_blocking(move || {
        let told = runtime.block_on(async move {
            let queue =
                tokio::time::timeout(PATIENCE, ParkedQueue::open(&broker)).await.map_err(|_| silent())?;
            let queue = queue.map_err(failed)?;
            let told = tokio::time::timeout(PATIENCE * 2, call(&queue)).await;
            queue.close().await;
            told.unwrap_or_else(|_| Err(silent()))
        });
        drop(alone);
        told
    });
    work.await.unwrap_or_else(|error| Err(Away::Failed(error.to_string())))
}

fn silent() -> Away {
    Away::Failed("no answer in time".to_owned())
}
