//! Tables: named columns of few types, and how a row is made of a record.

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

/// Type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Ids, labels, names.
    Text,
    /// What people wrote, or what quotes it: redacted, and left out on request.
    Words,
    /// 64 bits.
    Whole,
    /// 32 bits.
    Real,
    /// True or false.
    Flag,
    /// UTC, milliseconds.
    Time,
    /// Labels; may be empty, is never missing.
    List,
}

/// A value; its type is that of its column, unless it is missing.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Missing,
    Text(String),
    Whole(i64),
    Real(f32),
    Flag(bool),
    Time(DateTime<Utc>),
    List(Vec<String>),
}

/// A column of a table over records.
pub struct Column<R> {
    pub name: &'static str,
    pub kind: Kind,
    /// Some rows may have none.
    pub nullable: bool,
    pub of: fn(&R) -> Value,
}

/// A column every row has.
pub fn every<R>(name: &'static str, kind: Kind, of: fn(&R) -> Value) -> Column<R> {
    Column { name, kind, nullable: false, of }
}

/// A column some rows have.
pub fn some<R>(name: &'static str, kind: Kind, of: fn(&R) -> Value) -> Column<R> {
    Column { name, kind, nullable: true, of }
}

/// A column without its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub name: &'static str,
    pub kind: Kind,
    pub nullable: bool,
}

impl Head {
    /// The type, as documented.
    #[cfg(test)]
    pub fn told(self) -> String {
        let name = match self.kind {
            Kind::Text | Kind::Words => "STRING",
            Kind::Whole => "INT64",
            Kind::Real => "FLOAT",
            Kind::Flag => "BOOLEAN",
            Kind::Time => "TIMESTAMP",
            Kind::List => "LIST",
        };
        if self.nullable { format!("{name}, null") } else { name.to_owned() }
    }
}

/// The columns without their records.
pub fn heads<R>(columns: &[Column<R>]) -> Vec<Head> {
    let head = |column: &Column<R>| Head { name: column.name, kind: column.kind, nullable: column.nullable };
    columns.iter().map(head).collect()
}

/// A record as a row.
pub fn row<R>(columns: &[Column<R>], record: &R) -> Vec<Value> {
    columns.iter().map(|column| (column.of)(record)).collect()
}

/// A file under way.
pub trait Sheet {
    /// Adds a row.
    fn add(&mut self, row: Vec<Value>) -> anyhow::Result<()>;

    /// Writes what is left and makes sure that it is on the disk.
    fn finish(self: Box<Self>) -> anyhow::Result<()>;
}

/// A time as text, as in the decisions.
pub fn rfc3339(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Missing => serializer.serialize_none(),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Whole(number) => serializer.serialize_i64(*number),
            Self::Real(number) => serializer.serialize_f32(*number),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Time(at) => serializer.serialize_str(&rfc3339(*at)),
            Self::List(list) => list.serialize(serializer),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<u8> for Value {
    fn from(number: u8) -> Self {
        Self::Whole(number.into())
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Whole(number.into())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Whole(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::Whole(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<f32> for Value {
    fn from(number: f32) -> Self {
        Self::Real(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<DateTime<Utc>> for Value {
    fn from(at: DateTime<Utc>) -> Self {
        Self::Time(at)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Missing, Into::into)
    }
}

/// A list of labels.
pub fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> Value {
    Value::List(items.into_iter().map(|item| item.to_string()).collect())
}
