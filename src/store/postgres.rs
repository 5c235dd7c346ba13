//! PostgreSQL: a statement that takes too long is stopped by the server, and a connection whose call did not come to an
//! end (given up, failed) is thrown away rather than returned, since nobody knows what it still has to say.

use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use sqlx::migrate::Migrator;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{
    PgArguments, PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgRow, PgSslMode, Postgres,
};
use sqlx::query::Query;
use sqlx::{Column, Connection, Row, TypeInfo, ValueRef};

use super::StoreError;
use super::console::ConsoleStore;
use super::link::{Cell, Database, Link, Param, Statement, failed, is_passing, not_opened};
use super::sql::SqlStore;
use super::sqlite::migrator;
use crate::config;

const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "store", include_str!("../../migrations/postgres/0001_store.sql")),
    (2, "corrections", include_str!("../../migrations/postgres/0002_corrections.sql")),
    (3, "workers", include_str!("../../migrations/postgres/0003_workers.sql")),
    (4, "erasures", include_str!("../../migrations/postgres/0004_erasures.sql")),
    (5, "alone", include_str!("../../migrations/postgres/0005_alone.sql")),
    (6, "merged", include_str!("../../migrations/postgres/0006_merged.sql")),
    (7, "topics", include_str!("../../migrations/postgres/0007_topics.sql")),
    (8, "console", include_str!("../../migrations/postgres/0008_console.sql")),
    (9, "tokens", include_str!("../../migrations/postgres/0009_tokens.sql")),
    (10, "map", include_str!("../../migrations/postgres/0010_map.sql")),
    (11, "review_status", include_str!("../../migrations/postgres/0011_review_status.sql")),
    (12, "operations", include_str!("../../migrations/postgres/0012_operations.sql")),
    (13, "maps", include_str!("../../migrations/postgres/0013_maps.sql")),
    (14, "identities", include_str!("../../migrations/postgres/0014_identities.sql")),
    (15, "erasure_requests", include_str!("../../migrations/postgres/0015_erasure_requests.sql")),
    (16, "canary", include_str!("../../migrations/postgres/0016_canary.sql")),
];

/// Between two tries to connect.
const PAUSE: Duration = Duration::from_millis(500);

/// A connection that rested for longer is asked whether it lives before it is used.
const FRESH: Duration = Duration::from_secs(1);

/// Opens `postgres://…` and brings its schema up to date, if it is not.
pub(super) async fn open(
    url: &str,
    config: &config::Store,
    limit: Duration,
) -> Result<impl ConsoleStore + use<>, StoreError> {
    let options = options(url, config, limit)?;
    // The pool itself would try until its time is up, and then not say what was wrong.
    let mut connection = reach(&options, limit).await?;
    let migrator = migrator(MIGRATIONS);
    let current = is_current(&mut connection, &migrator).await;
    // Nothing is lost if the goodbye is.
    let _ = connection.close().await;
    let pool = PgPoolOptions::new()
        .max_connections(config.max_connections.max(1))
        .acquire_timeout(limit)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                // One that was at work a moment ago is not asked whether it lives: that would be a round trip for every call.
                if meta.idle_for > FRESH {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(options);
    if !current? {
        migrator.run(&pool).await.map_err(|error| match forbidden(&error) {
            true => StoreError::Open(
                "its schema is not the one of this version, and this user may not change it (42501)"
                    .to_owned(),
            ),
            false => not_opened(&error),
        })?;
    }
    Ok(SqlStore::new(PostgresDatabase { pool, limit }, config.into()))
}

fn options(url: &str, config: &config::Store, limit: Duration) -> Result<PgConnectOptions, StoreError> {
    let millis = limit.as_millis().to_string();
    let mut options = PgConnectOptions::from_str(url)
        .map_err(|_| {
            // The parser's own words may quote the address.
            StoreError::Open("store.url is not postgres://user@host:port/database".to_owned())
        })?
        .application_name("smista")
        .options([
            ("statement_timeout", millis.as_str()),
            // A worker that dies in mid-transaction must not hold its customer's row.
            ("idle_in_transaction_session_timeout", millis.as_str()),
        ]);
    if let Some(path) = &config.password_file {
        options = options.password(&secret(path, "store.password_file")?);
    }
    if let Some(path) = &config.tls_ca {
        secret(path, "store.tls_ca")?;
        let weaker = url.contains("sslmode=") && !url.contains("sslmode=verify-");
        if weaker {
            return Err(StoreError::Open(
                "store.tls_ca is set, but the address says another sslmode: leave it out, or say verify-full"
                    .to_owned(),
            ));
        }
        options = options.ssl_root_cert(path);
        if !url.contains("sslmode=") {
            options = options.ssl_mode(PgSslMode::VerifyFull);
        }
    }
    if let (Some(certificate), Some(key)) = (&config.tls_certificate, &config.tls_key) {
        secret(certificate, "store.tls_certificate")?;
        secret(key, "store.tls_key")?;
        options = options.ssl_client_cert(certificate).ssl_client_key(key);
    }
    Ok(options)
}

fn secret(path: &Path, key: &str) -> Result<String, StoreError> {
    config::secret::read(path, key).map_err(|error| StoreError::Open(error.to_string()))
}

/// One connection, with tries until the time is up while the server is away; its refusal is told as it is.
async fn reach(options: &PgConnectOptions, limit: Duration) -> Result<PgConnection, StoreError> {
    let until = Instant::now() + limit;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let error = match tokio::time::timeout(left, PgConnection::connect_with(options)).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => error,
            Err(_) => return Err(StoreError::Unavailable("the server does not answer".to_owned())),
        };
        let refusal = refused(error);
        if !refusal.is_transient() || until.saturating_duration_since(Instant::now()) < PAUSE {
            return Err(refusal);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A server that answers and says no (wrong password, no such database) or is not the one it should be will say no
/// again; one that starts or is full will not.
fn refused(error: sqlx::Error) -> StoreError {
    match &error {
        sqlx::Error::Database(said) => {
            let code = said.code().unwrap_or_default();
            let text = format!("{} ({code})", said.message());
            if is_passing(&code) { StoreError::Unavailable(text) } else { StoreError::Open(text) }
        }
        sqlx::Error::Tls(cause) => StoreError::Open(format!("TLS: {cause}")),
        sqlx::Error::Io(cause) if cause.kind() == std::io::ErrorKind::InvalidData => {
            StoreError::Open(format!("TLS: {cause}"))
        }
        sqlx::Error::Io(cause) if cause.to_string().contains("failed to lookup") => {
            StoreError::Open(cause.to_string())
        }
        _ => failed(error),
    }
}

/// Whether every migration of this program has run, told by reading alone: a worker may change no schema.
async fn is_current(connection: &mut PgConnection, migrator: &Migrator) -> Result<bool, StoreError> {
    let sql = "SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version";
    let applied = match sqlx::query(sql).fetch_all(connection).await {
        Ok(rows) => rows,
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P01") => return Ok(false),
        Err(error) => return Err(refused(error)),
    };
    let mut found = Vec::with_capacity(applied.len());
    for row in &applied {
        found
            .push((row.try_get::<i64, _>(0).map_err(failed)?, row.try_get::<Vec<u8>, _>(1).map_err(failed)?));
    }
    let wanted = migrator.iter().map(|migration| (migration.version, migration.checksum.to_vec()));
    Ok(found.into_iter().eq(wanted))
}

fn forbidden(error: &sqlx::migrate::MigrateError) -> bool {
    use sqlx::migrate::MigrateError;
    match error {
        MigrateError::Execute(sqlx::Error::Database(error))
        | MigrateError::ExecuteMigration(sqlx::Error::Database(error), _) => {
            error.code().as_deref() == Some("42501")
        }
        _ => false,
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

    async fn write_one(&self) -> Result<Box<dyn Link>, StoreError> {
        Ok(Box::new(self.link(false).await?))
    }

    fn writers(&self) -> u32 {
        self.pool.options().get_max_connections()
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
    async fn execute(&mut self, sql: &str, params: &[Param<'_>]) -> Result<u64, StoreError> {
        let connection = self.connection()?;
        Ok(bound(sql, params).execute(&mut **connection).await.map_err(failed)?.rows_affected())
    }

    async fn execute_each(&mut self, statements: &[Statement<'_>]) -> Result<(), StoreError> {
        let params: Vec<Param<'_>> =
            statements.iter().flat_map(|statement| statement.params.iter().copied()).collect();
        self.execute(&as_one(statements), &params).await.map(|_| ())
    }

    async fn rows(&mut self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Vec<Cell>>, StoreError> {
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

/// The statements as one, the former ones as its common table expressions, with their parameters one after the other.
/// PostgreSQL runs each of them once and to its end, all on the same snapshot.
fn as_one(statements: &[Statement<'_>]) -> String {
    let mut sql = String::new();
    let mut given = 0;
    for (place, statement) in statements.iter().enumerate() {
        let last = place + 1 == statements.len();
        match (place, last) {
            (_, true) => sql.push_str(if place == 0 { "" } else { " " }),
            (0, false) => sql.push_str("WITH s0 AS ("),
            (_, false) => sql.push_str(&format!(", s{place} AS (")),
        }
        let mut parts = statement.sql.split('$');
        sql.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            let (number, rest) = part.split_at(digits);
            match number.parse::<usize>() {
                Ok(number) => sql.push_str(&format!("${}{rest}", number + given)),
                Err(_) => sql.push_str(&format!("${part}")),
            }
        }
        if !last {
            sql.push(')');
        }
        given += statement.params.len();
    }
    sql
}

fn bound<'q>(sql: &'q str, params: &[Param<'q>]) -> Query<'q, Postgres, PgArguments> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use Param::{Int, Text};

    #[test]
    fn several_statements_become_one() {
        let first = || Statement::new("INSERT INTO a VALUES ($1, $2, $1)", [Text("x"), Int(1)]);
        let then = || Statement::new("UPDATE b SET c = $1 WHERE d = $2", [Int(2), Text("y")]);
        assert_eq!(as_one(&[first()]), "INSERT INTO a VALUES ($1, $2, $1)");
        assert_eq!(
            as_one(&[first(), then(), then()]),
            "WITH s0 AS (INSERT INTO a VALUES ($1, $2, $1)), s1 AS (UPDATE b SET c = $3 WHERE d = $4) \
             UPDATE b SET c = $5 WHERE d = $6"
        );
    }
}
