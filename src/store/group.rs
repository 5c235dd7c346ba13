//! Writes that wait for the same connection go into one transaction: one flush to the disk serves them all. Each stands
//! behind a savepoint of its own, so one that must not be written leaves the others alone. Nobody waits for company: a
//! write that finds the connection free goes by itself.

use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, oneshot};

use super::effect::{self, Rows, Written};
use super::link::{Database, Link, Param, Statement, places};
use super::sql::decided;
use super::{Committed, Effect, StoreError};
use Param::{Int, Text};

/// Writes in one transaction: a bound on how long the first of them waits for the last.
const MOST: usize = 64;

/// Outbox rows marked by one statement. Their number is rounded up to a power of two, so that there are few statements.
const MARKED: usize = 64;

/// Something to write as a whole.
pub(super) enum Write {
    /// A decided message.
    Effect(Box<(Effect, Rows)>),
    /// These outbox rows are confirmed.
    Sent { ids: Vec<String>, at: i64 },
}

/// What became of it.
pub(super) enum Answer {
    Committed(Box<Committed>),
    Marked,
}

/// Whose write is done, in the order of coming.
struct Waiting {
    write: Write,
    tell: oneshot::Sender<Result<Answer, StoreError>>,
}

/// The writes that wait, and the turns to write.
pub(super) struct Group {
    waiting: Mutex<VecDeque<Waiting>>,
    turns: Semaphore,
    most: usize,
}

impl Group {
    /// For so many connections that write at once. Several would lock rows of common tables in different orders if they
    /// took more than one write each, so only a single one groups.
    pub fn new(writers: u32) -> Self {
        let turns = Semaphore::new(usize::try_from(writers.max(1)).unwrap_or(1));
        Self { waiting: Mutex::default(), turns, most: if writers > 1 { 1 } else { MOST } }
    }

    /// Writes, alone or with others, and returns when it is on the disk. Given up while it waits, it is not written; given up
    /// later, it may have been.
    pub async fn write(&self, database: &dyn Database, write: Write) -> Result<Answer, StoreError> {
        let (tell, mut told) = oneshot::channel();
        self.queue().push_back(Waiting { write, tell });
        let given_up = |_| StoreError::Unavailable("its transaction was given up".to_owned());
        let turn = tokio::select! {
            biased;
            answer = &mut told => return answer.map_err(given_up)?,
            turn = self.turns.acquire() => turn,
        };
        let _turn = turn.map_err(|_| StoreError::Unavailable("the store is closed".to_owned()))?;
        loop {
            match told.try_recv() {
                Ok(answer) => return answer,
                Err(oneshot::error::TryRecvError::Closed) => {
                    return Err(StoreError::Unavailable("its transaction was given up".to_owned()));
                }
                Err(oneshot::error::TryRecvError::Empty) => {}
            }
            let group = self.next();
            if group.is_empty() {
                // Another has taken it along and is at it.
                return told.await.map_err(given_up)?;
            }
            together(database, group).await;
        }
    }

    /// The next to be written; nobody waits for the answer to those left out.
    fn next(&self) -> Vec<Waiting> {
        let mut queue = self.queue();
        queue.retain(|waiting| !waiting.tell.is_closed());
        let count = queue.len().min(self.most);
        queue.drain(..count).collect()
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One transaction for all of them, and to each its answer.
async fn together(database: &dyn Database, group: Vec<Waiting>) {
    let (writes, tell): (Vec<_>, Vec<_>) =
        group.into_iter().map(|waiting| (waiting.write, waiting.tell)).unzip();
    let results = match transaction(database, &writes).await {
        Ok(results) => results,
        Err(error) => {
            let why = match error {
                StoreError::Unavailable(why) | StoreError::Corrupt(why) | StoreError::Open(why) => why,
            };
            writes.iter().map(|_| Err(StoreError::Unavailable(why.clone()))).collect()
        }
    };
    for (tell, result) in tell.into_iter().zip(results) {
        // Whoever has given up learns it when it tries again.
        drop(tell.send(result));
    }
}

/// An error of the transaction is nobody's own; an error of a write is in its place.
async fn transaction(
    database: &dyn Database,
    writes: &[Write],
) -> Result<Vec<Result<Answer, StoreError>>, StoreError> {
    let alone = writes.len() == 1;
    let marks = marks(writes);
    let only_marks = writes.iter().all(|write| matches!(write, Write::Sent { .. }));
    let mut link = match (only_marks, marks.len()) {
        (true, 0..=1) => database.write_one().await?,
        _ => database.write().await?,
    };
    for statement in &marks {
        link.execute(&statement.sql, &statement.params).await?;
    }
    let mut results = Vec::with_capacity(writes.len());
    for write in writes {
        let Write::Effect(effect) = write else {
            results.push(Ok(Answer::Marked));
            continue;
        };
        let (effect, rows) = &**effect;
        if !alone {
            link.execute("SAVEPOINT one", &[]).await?;
        }
        let result = commit(&mut *link, effect, rows).await;
        if let Err(StoreError::Unavailable(why)) = result {
            // The database may have ended the transaction by itself (a full disk): nothing of it counts.
            drop(link.abandon().await);
            return Err(StoreError::Unavailable(why));
        }
        let undone = matches!(result, Err(_) | Ok(Committed::Stale | Committed::Erased));
        if undone && alone {
            link.abandon().await?;
            link = database.write().await?;
        } else if undone {
            link.execute("ROLLBACK TO SAVEPOINT one", &[]).await?;
        }
        if matches!(result, Ok(Committed::Erased)) {
            effect::unbind(&mut *link, effect).await?;
        }
        if !alone {
            link.execute("RELEASE SAVEPOINT one", &[]).await?;
        }
        results.push(result.map(|committed| Answer::Committed(Box::new(committed))));
    }
    link.commit().await?;
    Ok(results)
}

/// All marks, at the time of the latest, in the order of ids: two who mark the same rows wait for one another.
fn marks(writes: &[Write]) -> Vec<Statement<'_>> {
    let sent = || {
        writes.iter().filter_map(|write| match write {
            Write::Sent { ids, at } => Some((ids, *at)),
            Write::Effect(_) => None,
        })
    };
    let Some(at) = sent().map(|(_, at)| at).max() else { return Vec::new() };
    let ids: BTreeSet<&str> = sent().flat_map(|(ids, _)| ids).map(String::as_str).collect();
    let ids: Vec<&str> = ids.into_iter().collect();
    ids.chunks(MARKED)
        .map(|ids| {
            let count = ids.len().next_power_of_two();
            let ids_here = places(2, count);
            let sql = format!("UPDATE outbox SET sent_at = $1 WHERE id IN ({ids_here}) AND sent_at IS NULL");
            let last = ids.last().copied().unwrap_or_default();
            let padded = ids.iter().copied().chain(std::iter::repeat(last)).take(count);
            Statement {
                sql: Cow::Owned(sql),
                params: std::iter::once(Int(at)).chain(padded.map(Text)).collect(),
            }
        })
        .collect()
}

async fn commit(link: &mut dyn Link, effect: &Effect, rows: &Rows) -> Result<Committed, StoreError> {
    Ok(match effect::write(link, effect, rows).await? {
        Written::All(raised) if raised.is_empty() => Committed::New,
        Written::All(raised) => Committed::Spiked(raised),
        Written::Stale => Committed::Stale,
        Written::Erased => Committed::Erased,
        Written::Duplicate => {
            let message = &effect.decision.message_id;
            let found = decided(link, message).await?;
            let (decision, unsent) =
                found.ok_or_else(|| StoreError::Corrupt(format!("no decision for inbox row {message}")))?;
            Committed::Duplicate(Box::new(decision), unsent)
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use async_trait::async_trait;

    use super::super::link::Cell;
    use super::*;

    /// Counts what is done to it; `held` keeps transactions from beginning.
    #[derive(Default)]
    struct Counting {
        begun: AtomicUsize,
        marked: Arc<AtomicUsize>,
        held: tokio::sync::Mutex<()>,
    }

    struct Counter(Arc<AtomicUsize>);

    #[async_trait]
    impl Link for Counter {
        async fn execute(&mut self, sql: &str, params: &[Param<'_>]) -> Result<u64, StoreError> {
            assert!(sql.starts_with("UPDATE outbox SET sent_at"), "{sql}");
            let ids: BTreeSet<&str> = params
                .iter()
                .filter_map(|param| match param {
                    Text(id) => Some(*id),
                    Int(_) => None,
                })
                .collect();
            if ids.contains("broken") {
                return Err(StoreError::Unavailable("full".to_owned()));
            }
            self.0.fetch_add(ids.len(), Ordering::Relaxed);
            Ok(ids.len() as u64)
        }

        async fn rows(&mut self, _: &str, _: &[Param<'_>]) -> Result<Vec<Vec<Cell>>, StoreError> {
            Ok(Vec::new())
        }

        async fn commit(self: Box<Self>) -> Result<(), StoreError> {
            Ok(())
        }

        async fn abandon(self: Box<Self>) -> Result<(), StoreError> {
            Ok(())
        }
    }

    #[async_trait]
    impl Database for Counting {
        async fn read(&self) -> Result<Box<dyn Link>, StoreError> {
            Ok(Box::new(Counter(Arc::clone(&self.marked))))
        }

        async fn write(&self) -> Result<Box<dyn Link>, StoreError> {
            self.begun.fetch_add(1, Ordering::Relaxed);
            let _free = self.held.lock().await;
            Ok(Box::new(Counter(Arc::clone(&self.marked))))
        }

        fn writers(&self) -> u32 {
            1
        }

        fn limit(&self) -> Duration {
            Duration::from_secs(10)
        }
    }

    fn sent(id: &str) -> Write {
        Write::Sent { ids: vec![id.to_owned()], at: 1 }
    }

    /// Begins a write that stays in its transaction, and then so many others that wait behind it.
    async fn behind_one(
        group: &Arc<Group>,
        database: &Arc<Counting>,
        ids: &[&str],
    ) -> Vec<tokio::task::JoinHandle<Result<(), StoreError>>> {
        let mut tasks = Vec::new();
        for id in [&["first"], ids].concat() {
            let (own, database, write) = (Arc::clone(group), Arc::clone(database), sent(id));
            tasks.push(tokio::spawn(async move { own.write(&*database, write).await.map(|_| ()) }));
            tokio::task::yield_now().await;
        }
        tasks
    }

    #[tokio::test]
    async fn what_waits_goes_together() {
        let (group, database) = (Arc::new(Group::new(1)), Arc::new(Counting::default()));
        let held = database.held.lock().await;
        let tasks = behind_one(&group, &database, &["a", "b", "c", "d"]).await;
        drop(held);
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert_eq!(database.marked.load(Ordering::Relaxed), 5);
        assert_eq!(database.begun.load(Ordering::Relaxed), 2, "the first alone, the others together");
    }

    #[tokio::test]
    async fn who_has_given_up_is_not_written_and_holds_nobody_up() {
        let (group, database) = (Arc::new(Group::new(1)), Arc::new(Counting::default()));
        let held = database.held.lock().await;
        let mut tasks = behind_one(&group, &database, &["a", "b"]).await;
        // The first is in its transaction, "a" waits: both go away.
        tasks.remove(0).abort();
        tasks.remove(0).abort();
        tokio::task::yield_now().await;
        drop(held);
        tasks.remove(0).await.unwrap().unwrap();
        assert_eq!(database.marked.load(Ordering::Relaxed), 1, "b alone");
    }

    #[tokio::test]
    async fn who_leads_and_goes_away_leaves_the_others_an_error() {
        let (group, database) = (Arc::new(Group::new(1)), Arc::new(Counting::default()));
        let held = database.held.lock().await;
        let mut tasks = behind_one(&group, &database, &["a", "b"]).await;
        drop(held);
        tasks.remove(0).await.unwrap().unwrap();
        let held = database.held.lock().await;
        // "a" leads now, with "b" in its transaction, or both are done already.
        let leader = tasks.remove(0);
        leader.abort();
        drop(held);
        let last = tokio::time::timeout(Duration::from_secs(5), tasks.remove(0)).await;
        match last.expect("nobody waits for ever").unwrap() {
            Ok(()) => {}
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
        group.write(&*database, sent("c")).await.unwrap();
    }

    #[tokio::test]
    async fn a_failing_database_is_told_to_all_of_them() {
        let (group, database) = (Arc::new(Group::new(1)), Arc::new(Counting::default()));
        let held = database.held.lock().await;
        let mut tasks = behind_one(&group, &database, &["a", "broken", "b"]).await;
        drop(held);
        tasks.remove(0).await.unwrap().unwrap();
        for task in tasks {
            assert!(task.await.unwrap().unwrap_err().is_transient());
        }
        group.write(&*database, sent("c")).await.unwrap();
    }
}
