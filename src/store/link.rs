//! The little that the store needs of a database: run a statement with parameters, read rows, end the transaction. The
//! SQL is the same for both databases (`$1` parameters, texts and 64-bit integers only), so it is written once in
//! `sql.rs` and knows no driver.

use std::borrow::Cow;
use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;

/// A parameter.
#[derive(Debug, Clone, Copy)]
pub(super) enum Param<'a> {
    Text(&'a str),
    Int(i64),
}

/// A statement with its parameters.
#[derive(Debug, Clone)]
pub(super) struct Statement<'a> {
    pub sql: Cow<'static, str>,
    pub params: Vec<Param<'a>>,
}

impl<'a> Statement<'a> {
    pub fn new(sql: &'static str, params: impl IntoIterator<Item = Param<'a>>) -> Self {
        Self { sql: Cow::Borrowed(sql), params: params.into_iter().collect() }
    }
}

/// So many parameters for a list in a statement, from that number on: `$3, $4`.
pub(super) fn places(from: usize, count: usize) -> String {
    let places: Vec<String> = (from..from + count).map(|place| format!("${place}")).collect();
    places.join(", ")
}

/// A value read.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Text(String),
    Int(i64),
    Null,
}

impl Cell {
    pub fn text(self) -> Result<String, StoreError> {
        match self {
            Self::Text(text) => Ok(text),
            other => Err(StoreError::Corrupt(format!("a text was expected, found {other:?}"))),
        }
    }

    pub fn int(&self) -> Result<i64, StoreError> {
        match self {
            Self::Int(int) => Ok(*int),
            other => Err(StoreError::Corrupt(format!("a number was expected, found {other:?}"))),
        }
    }
}

/// A row as so many cells; a statement that selects another number is a defect.
pub(super) fn cells<const N: usize>(row: Vec<Cell>) -> Result<[Cell; N], StoreError> {
    row.try_into().map_err(|row: Vec<Cell>| {
        StoreError::Corrupt(format!("{N} columns were expected, found {}", row.len()))
    })
}

/// A connection in use. Dropped before [`Link::commit`] or [`Link::abandon`] it leaves nothing behind.
#[async_trait]
pub(super) trait Link: Send {
    /// Runs a statement; rows changed.
    async fn execute(&mut self, sql: &str, params: &[Param<'_>]) -> Result<u64, StoreError>;

    /// Runs statements in any order, as one where the database can: each changes rows of its own and reads nothing that
    /// another writes.
    async fn execute_each(&mut self, statements: &[Statement<'_>]) -> Result<(), StoreError> {
        for statement in statements {
            self.execute(&statement.sql, &statement.params).await?;
        }
        Ok(())
    }

    /// Reads rows.
    async fn rows(&mut self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Vec<Cell>>, StoreError>;

    /// Ends the transaction and keeps what it did. After an error it is not known whether it did.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;

    /// Ends the transaction and undoes it; ends reading.
    async fn abandon(self: Box<Self>) -> Result<(), StoreError>;
}

/// Where links come from.
#[async_trait]
pub(super) trait Database: Send + Sync {
    /// For reading only; every statement sees what is committed.
    async fn read(&self) -> Result<Box<dyn Link>, StoreError>;

    /// A transaction that writes.
    async fn write(&self) -> Result<Box<dyn Link>, StoreError>;

    /// The same for one statement only.
    async fn write_one(&self) -> Result<Box<dyn Link>, StoreError> {
        self.write().await
    }

    /// Makes sure that what was deleted is gone from the files too, as far as the database can be told.
    async fn scrub(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// How many transactions may write at the same time.
    fn writers(&self) -> u32;

    /// Longest time that one call on the store may take.
    fn limit(&self) -> Duration;
}

/// What an error of the driver means for the caller.
pub(super) fn failed(error: sqlx::Error) -> StoreError {
    use sqlx::Error;
    let text = error.to_string();
    match &error {
        Error::Database(database) => match database.code().as_deref() {
            Some(code) if blames_the_data(code) => StoreError::Corrupt(text),
            _ => StoreError::Unavailable(text),
        },
        Error::Configuration(_) => StoreError::Open(text),
        Error::ColumnDecode { .. }
        | Error::Decode(_)
        | Error::ColumnNotFound(_)
        | Error::ColumnIndexOutOfBounds { .. }
        | Error::TypeNotFound { .. }
        | Error::RowNotFound
        | Error::Encode(_) => StoreError::Corrupt(text),
        _ => StoreError::Unavailable(text),
    }
}

/// Whether the same statement with the same data would fail on a healthy database: PostgreSQL's data exceptions and
/// violated constraints; in SQLite too big, constraint, mismatch. A revoked right or a missing table is not the
/// message's fault: it waits until an operator has put that right.
fn blames_the_data(code: &str) -> bool {
    if code.len() == 5 {
        return code.starts_with("22") || code.starts_with("23");
    }
    code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 18..=20))
}

/// SQLite's result codes are numbers (the lowest byte is the primary one); PostgreSQL's have five characters.
pub(super) fn is_passing(code: &str) -> bool {
    if code.len() == 5 {
        return postgres_is_passing(code);
    }
    // busy, locked, out of memory, read-only, interrupted, input or output, full, cannot open, locking protocol
    code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 7 | 8 | 9 | 10 | 13 | 14 | 15))
}

/// Connection, transaction rollback (deadlock, serialisation), resources (disk, memory, connections), operator
/// intervention (shutdown, statement timeout), system error; a lock not to be had; a standby that cannot write.
fn postgres_is_passing(code: &str) -> bool {
    ["08", "40", "53", "57", "58"].iter().any(|class| code.starts_with(class))
        || matches!(code, "55P03" | "25006" | "25P03")
}

/// What an error while opening means: away may come back, anything else has to be put right.
pub(super) fn not_opened(error: &sqlx::migrate::MigrateError) -> StoreError {
    use sqlx::migrate::MigrateError;
    match error {
        MigrateError::VersionMissing(version) => {
            StoreError::Open(format!("its schema is newer than this program (migration {version})"))
        }
        MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => match source {
            sqlx::Error::Database(database) if !database.code().as_deref().is_some_and(is_passing) => {
                StoreError::Open(error.to_string())
            }
            sqlx::Error::Configuration(_) => StoreError::Open(error.to_string()),
            _ => StoreError::Unavailable(error.to_string()),
        },
        _ => StoreError::Open(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes() {
        let check = |code: &str, passes: bool| assert_eq!(is_passing(code), passes, "{code}");
        for code in [
            "5", "6", "13", "10", "14", "517", "266", "2570", "57014", "40P01", "40001", "53100", "57P01",
            "08006", "55P03",
        ] {
            check(code, true);
        }
        for code in ["11", "26", "1", "19", "1555", "2067", "42P01", "23505", "22021", "42601"] {
            check(code, false);
        }
    }
}
