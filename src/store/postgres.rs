//! PostgreSQL: a statement that takes too long is stopped by the server, and a connection whose call did not come to an
//! end (given up, failed) is thrown away rather than returned, since nobody knows what it still has to say.

use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPool, PgPoolOptions, PgRow, Postgres};
use sqlx::query::Query;
use sqlx::{Column, Row, TypeInfo, ValueRef};

use super::link::{Cell, Database, Link, Param, failed, not_opened};
use super::sql::SqlStore;
use super::sqlite::migrator;
use super::{Store, StoreError};

const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "store", include_str!("../../migrations/postgres/0001_store.sql")),
    (2, "corrections", include_str!("../../migrations/postgres/0002_corrections.sql")),
    (3, "workers", include_str!("../../migrations/postgres/0003_workers.sql")),
    (4, "erasures", include_str!("../../migrations/postgres/0004_erasures.sql")),
];

/// Opens `postgres://…` and brings its schema up to date.
pub(super) async fn open(
    url: &str,
    connections: u32,
    limit: Duration,
) -> Result<impl Store + use<>, StoreError> {
    let millis = limit.as_millis().to_string();
    let options = PgConnectOptions::from_str(url)
        .map_err(|error| StoreError::Open(error.to_string()))?
        .application_name("smista")
        .options([
            ("statement_timeout", millis.as_str()),
            // A worker that dies in mid-transaction must not hold its customer's row.
            ("idle_in_transaction_session_timeout", millis.as_str()),
        ]);
    let pool = PgPoolOptions::new()
        .max_connections(connections.max(1))
        .acquire_timeout(limit)
        .connect_with(options)
        .await
        .map_err(refused)?;
    migrator(MIGRATIONS).run(&pool).await.map_err(|error| not_opened(&error))?;
    Ok(SqlStore::new(PostgresDatabase { pool, limit }))
}

/// A server that answers and says no (wrong password, no such database) will say no again.
fn refused(error: sqlx::Error) -> StoreError {
    match failed(error) {
        StoreError::Corrupt(why) => StoreError::Open(why),
        other => other,
    }
}

struct PostgresDatabase {
    pool: PgPool,
    limit: Duration,
}

impl PostgresDatabase {
    async fn link(&self, transaction: bool) -> Result<PostgresLink, StoreError> {
        let connection = self.pool.acquire().await.map_err(failed)?;
        let mut link = PostgresLink { connection: Some(connection), transaction };
        if transaction {
            link.execute("BEGIN", &[]).await?;
        }
        Ok(link)
    }
}

#[async_trait]
impl Database for PostgresDatabase {
    async fn read(&self) -> Result<Box<dyn Link>, StoreError> {
        Ok(Box::new(self.link(false).await?))
    }

    async fn write(&self) -> Result<Box<dyn Link>, StoreError> {
        Ok(Box::new(self.link(true).await?))
    }

    fn limit(&self) -> Duration {
        self.limit
    }
}

struct PostgresLink {
    /// Taken when the link came to its end and the connection may be used again.
    connection: Option<PoolConnection<Postgres>>,
    transaction: bool,
}

impl PostgresLink {
    fn connection(&mut self) -> Result<&mut PoolConnection<Postgres>, StoreError> {
        self.connection
            .as_mut()
            .ok_or_else(|| StoreError::Unavailable("the connection was given back".to_owned()))
    }

    async fn end(&mut self, statement: &'static str) -> Result<(), StoreError> {
        if self.transaction {
            self.execute(statement, &[]).await?;
        }
        self.connection.take();
        Ok(())
    }
}

impl Drop for PostgresLink {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(connection.detach());
        }
    }
}

#[async_trait]
impl Link for PostgresLink {
    async fn execute(&mut self, sql: &'static str, params: &[Param<'_>]) -> Result<u64, StoreError> {
        let connection = self.connection()?;
        Ok(bound(sql, params).execute(&mut **connection).await.map_err(failed)?.rows_affected())
    }

    async fn rows(&mut self, sql: &'static str, params: &[Param<'_>]) -> Result<Vec<Vec<Cell>>, StoreError> {
        let connection = self.connection()?;
        read(&bound(sql, params).fetch_all(&mut **connection).await.map_err(failed)?)
    }

    async fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        self.end("COMMIT").await
    }

    async fn abandon(mut self: Box<Self>) -> Result<(), StoreError> {
        self.end("ROLLBACK").await
    }
}

fn bound<'q>(sql: &'static str, params: &[Param<'q>]) -> Query<'q, Postgres, PgArguments> {
    params.iter().fold(sqlx::query(sql), |query, param| match *param {
        Param::Text(text) => query.bind(text),
        Param::Int(int) => query.bind(int),
    })
}

fn read(rows: &[PgRow]) -> Result<Vec<Vec<Cell>>, StoreError> {
    rows.iter()
        .map(|row| {
            row.columns()
                .iter()
                .map(|column| {
                    let index = column.ordinal();
                    let value = row.try_get_raw(index).map_err(failed)?;
                    match column.type_info().name() {
                        _ if value.is_null() => Ok(Cell::Null),
                        "INT8" => row.try_get(index).map(Cell::Int).map_err(failed),
                        _ => row.try_get(index).map(Cell::Text).map_err(failed),
                    }
                })
                .collect()
        })
        .collect()
}
