//! SQLite: write-ahead log, every commit on the disk before it counts, foreign keys checked. One connection writes, so
//! writers queue inside the process instead of failing on a busy file; others read beside it.

use std::str::FromStr;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::TimeDelta;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::pool::PoolConnection;
use sqlx::query::Query;
use sqlx::sqlite::{
    Sqlite, SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteRow, SqliteSynchronous,
};
use sqlx::{Column, Row, TypeInfo, ValueRef};

use super::console::ConsoleStore;
use super::link::{Cell, Database, Link, Param, failed, not_opened};
use super::sql::SqlStore;
use super::{Keep, Store, StoreError};

const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "store", include_str!("../../migrations/sqlite/0001_store.sql")),
    (2, "corrections", include_str!("../../migrations/sqlite/0002_corrections.sql")),
    (3, "workers", include_str!("../../migrations/sqlite/0003_workers.sql")),
    (4, "erasures", include_str!("../../migrations/sqlite/0004_erasures.sql")),
    (5, "alone", include_str!("../../migrations/sqlite/0005_alone.sql")),
    (6, "merged", include_str!("../../migrations/sqlite/0006_merged.sql")),
    (7, "topics", include_str!("../../migrations/sqlite/0007_topics.sql")),
    (8, "console", include_str!("../../migrations/sqlite/0008_console.sql")),
    (9, "tokens", include_str!("../../migrations/sqlite/0009_tokens.sql")),
    (10, "map", include_str!("../../migrations/sqlite/0010_map.sql")),
    (11, "review_status", include_str!("../../migrations/sqlite/0011_review_status.sql")),
    (12, "operations", include_str!("../../migrations/sqlite/0012_operations.sql")),
    (13, "maps", include_str!("../../migrations/sqlite/0013_maps.sql")),
    (14, "identities", include_str!("../../migrations/sqlite/0014_identities.sql")),
    (15, "erasure_requests", include_str!("../../migrations/sqlite/0015_erasure_requests.sql")),
    (16, "canary", include_str!("../../migrations/sqlite/0016_canary.sql")),
];
/// Several processes may make a new file's tables at once; the losers find them on the next try.
const MIGRATE_TRIES: u32 = 5;
/// The longest pause before a file that another process holds is tried again.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// The file of `sqlite:PATH`.
pub(super) fn file_of(url: &str) -> Result<std::path::PathBuf, StoreError> {
    let options = SqliteConnectOptions::from_str(url).map_err(|error| StoreError::Open(error.to_string()))?;
    Ok(options.get_filename().to_owned())
}

/// Opens `sqlite:PATH`, creating the file if need be; `sqlite::memory:` lives as long as the store.
pub(super) async fn open(
    url: &str,
    connections: u32,
    limit: Duration,
    keep: Keep,
) -> Result<impl ConsoleStore + use<>, StoreError> {
    let wrong = |error: sqlx::Error| StoreError::Open(error.to_string());
    let options = SqliteConnectOptions::from_str(url)
        .map_err(wrong)?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        // What is deleted is overwritten, so that an erased customer is not left in free pages.
        .pragma("secure_delete", "on")
        .busy_timeout(limit);
    let in_memory = url.contains(":memory:");
    let one = SqlitePoolOptions::new()
        .max_connections(1)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        // A file does not go away as a server does: asking first would cost every call a turn of the worker thread.
        .test_before_acquire(false)
        .acquire_timeout(limit);
    let until = Instant::now() + limit;
    let writer = connect(one, &options, until).await?;
    migrate(&writer, until).await?;
    let reader = if in_memory {
        writer.clone()
    } else {
        SqlitePoolOptions::new()
            .max_connections(connections.max(1))
            .test_before_acquire(false)
            .acquire_timeout(limit)
            .connect_with(options.pragma("query_only", "1"))
            .await
            .map_err(failed)?
    };
    Ok(SqlStore::new(SqliteDatabase { writer, reader, limit, in_memory }, keep))
}

/// An empty store in memory, for tests and dry runs.
pub async fn memory() -> Result<std::sync::Arc<dyn Store>, StoreError> {
    let year = TimeDelta::days(365);
    let keep = Keep { customers: year, erasures: year, merging: crate::config::Merging::default() };
    Ok(std::sync::Arc::new(open("sqlite::memory:", 1, Duration::from_secs(10), keep).await?))
}

/// Connects, waiting while another process holds the file: a new file is put into write-ahead mode by whoever comes
/// first, and SQLite then answers "locked" to the others at once, without the busy timeout.
async fn connect(
    pool: SqlitePoolOptions,
    options: &SqliteConnectOptions,
    until: Instant,
) -> Result<SqlitePool, StoreError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let error = match pool.clone().connect_with(options.clone()).await {
            Ok(pool) => return Ok(pool),
            Err(error) => error,
        };
        if !is_held(&error) || Instant::now() >= until {
            return Err(match failed(error) {
                StoreError::Unavailable(why) | StoreError::Corrupt(why) => StoreError::Open(why),
                other @ StoreError::Open(_) => other,
            });
        }
        pause(tries).await;
    }
}

async fn migrate(pool: &SqlitePool, until: Instant) -> Result<(), StoreError> {
    let migrator = migrator(MIGRATIONS);
    let mut tries = 0;
    loop {
        tries += 1;
        let error = match migrator.run(pool).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let again = match &error {
            MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) if is_held(source) => {
                Instant::now() < until
            }
            other => tries < MIGRATE_TRIES && !matches!(not_opened(other), StoreError::Unavailable(_)),
        };
        if !again {
            return Err(not_opened(&error));
        }
        pause(tries).await;
    }
}

/// Whether another connection holds the file: busy or locked, with any extension of these codes.
fn is_held(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    code.is_some_and(|code| matches!(code & 0xff, 5 | 6))
}

async fn pause(tries: u32) {
    tokio::time::sleep(Duration::from_millis(10 << tries.min(5)).min(LONGEST_PAUSE)).await;
}

/// The migrations of one database, embedded.
pub(super) fn migrator(migrations: &[(i64, &'static str, &'static str)]) -> Migrator {
    let migrations = migrations
        .iter()
        .map(|(version, name, sql)| {
            Migration::new(*version, (*name).into(), MigrationType::Simple, (*sql).into(), false)
        })
        .collect::<Vec<_>>();
    Migrator { migrations: migrations.into(), ..Migrator::DEFAULT }
}

struct SqliteDatabase {
    writer: SqlitePool,
    reader: SqlitePool,
    limit: Duration,
    in_memory: bool,
}

#[async_trait]
impl Database for SqliteDatabase {
    async fn read(&self) -> Result<Box<dyn Link>, StoreError> {
        Ok(Box::new(Reading(self.reader.acquire().await.map_err(failed)?)))
    }

    async fn write(&self) -> Result<Box<dyn Link>, StoreError> {
        let mut connection = self.writer.acquire().await.map_err(failed)?;
        if self.in_memory {
            // One that was given up half-way is still open; where none is, this fails and means nothing.
            let _ = sqlx::query("ROLLBACK").execute(&mut *connection).await;
        }
        let mut link = Writing { connection: Some(connection), in_memory: self.in_memory };
        // Immediate: a transaction that reads first and writes later could find the file taken in between.
        link.execute("BEGIN IMMEDIATE", &[]).await?;
        Ok(Box::new(link))
    }

    async fn scrub(&self) -> Result<(), StoreError> {
        // Deleted rows are overwritten, but not the copies that rows leave behind when pages are balanced: only writing
        // every page anew leaves none.
        if !self.in_memory {
            sqlx::query("VACUUM").execute(&self.writer).await.map_err(failed)?;
        }
        // The log still has the pages as they were. A reader keeps it from being emptied, which is told in the first
        // column and is no error.
        for _ in 0..50 {
            let told = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
                .fetch_one(&self.writer)
                .await
                .map_err(failed)?;
            if told.try_get::<i64, _>(0).map_err(failed)? == 0 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let reason = "readers keep the database's log in use, and it still holds what was deleted; try again";
        Err(StoreError::Unavailable(reason.to_owned()))
    }

    fn writers(&self) -> u32 {
        1
    }

    fn limit(&self) -> Duration {
        self.limit
    }
}

struct Reading(PoolConnection<Sqlite>);

/// Begins and ends its transaction itself: SQLite ends it on its own account when the disk is full, and the driver's
/// count of open transactions would never come back to none. Dropped before its end, the connection is closed.
struct Writing {
    /// Taken when the transaction has come to its end and the connection may be used again.
    connection: Option<PoolConnection<Sqlite>>,
    /// The database ends with its connection: it is kept whatever happened.
    in_memory: bool,
}

impl Writing {
    fn connection(&mut self) -> Result<&mut PoolConnection<Sqlite>, StoreError> {
        self.connection
            .as_mut()
            .ok_or_else(|| StoreError::Unavailable("the connection was given back".to_owned()))
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && !self.in_memory
        {
            drop(connection.detach());
        }
    }
}

#[async_trait]
impl Link for Reading {
    async fn execute(&mut self, sql: &str, params: &[Param<'_>]) -> Result<u64, StoreError> {
        Ok(bound(sql, params).execute(&mut *self.0).await.map_err(failed)?.rows_affected())
    }

    async fn rows(&mut self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Vec<Cell>>, StoreError> {
        read(&bound(sql, params).fetch_all(&mut *self.0).await.map_err(failed)?)
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }

    async fn abandon(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl Link for Writing {
    async fn execute(&mut self, sql: &str, params: &[Param<'_>]) -> Result<u64, StoreError> {
        let connection = self.connection()?;
        Ok(bound(sql, params).execute(&mut **connection).await.map_err(failed)?.rows_affected())
    }

    async fn rows(&mut self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Vec<Cell>>, StoreError> {
        let connection = self.connection()?;
        read(&bound(sql, params).fetch_all(&mut **connection).await.map_err(failed)?)
    }

    async fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        self.execute("COMMIT", &[]).await?;
        self.connection.take();
        Ok(())
    }

    async fn abandon(mut self: Box<Self>) -> Result<(), StoreError> {
        self.execute("ROLLBACK", &[]).await?;
        self.connection.take();
        Ok(())
    }
}

fn bound<'q>(sql: &'q str, params: &[Param<'q>]) -> Query<'q, Sqlite, SqliteArguments<'q>> {
    params.iter().fold(sqlx::query(sql), |query, param| match *param {
        Param::Text(text) => query.bind(text),
        Param::Int(int) => query.bind(int),
    })
}

fn read(rows: &[SqliteRow]) -> Result<Vec<Vec<Cell>>, StoreError> {
    rows.iter()
        .map(|row| {
            row.columns()
                .iter()
                .map(|column| {
                    let index = column.ordinal();
                    let value = row.try_get_raw(index).map_err(failed)?;
                    let kind = value.type_info().name().to_owned();
                    match kind.as_str() {
                        _ if value.is_null() => Ok(Cell::Null),
                        "INTEGER" => row.try_get(index).map(Cell::Int).map_err(failed),
                        _ => row.try_get(index).map(Cell::Text).map_err(failed),
                    }
                })
                .collect()
        })
        .collect()
}
