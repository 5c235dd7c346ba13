//! CSV (RFC 4180) and JSON lines.

use std::fs::File;
use std::io::{BufWriter, Write as _};

use anyhow::Context as _;
use serde::Serializer as _;
use serde::ser::SerializeMap as _;

use super::table::{Head, Kind, Sheet, Value, rfc3339};

/// Between the items of a list; an item's own is written `\|`, and its backslash `\\`.
const SEPARATOR: char = '|';

/// With a heading. What is missing is an empty cell.
pub struct Csv {
    writer: csv::Writer<File>,
    heads: Vec<Head>,
}

impl Csv {
    pub fn new(file: File, heads: Vec<Head>) -> anyhow::Result<Self> {
        let mut writer = csv::Writer::from_writer(file);
        writer.write_record(heads.iter().map(|head| head.name))?;
        Ok(Self { writer, heads })
    }
}

impl Sheet for Csv {
    fn add(&mut self, row: Vec<Value>) -> anyhow::Result<()> {
        let cells = self.heads.iter().zip(row).map(|(head, value)| cell(*head, value));
        self.writer.write_record(cells)?;
        Ok(())
    }

    fn finish(self: Box<Self>) -> anyhow::Result<()> {
        let file = self.writer.into_inner().map_err(|error| error.into_error())?;
        file.sync_all().context("the file cannot be brought to the disk")
    }
}

fn cell(head: Head, value: Value) -> String {
    match value {
        Value::Missing => String::new(),
        Value::Text(text) if head.kind == Kind::Words => harmless(text),
        Value::Text(text) => text,
        Value::Whole(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Flag(flag) => flag.to_string(),
        Value::Time(at) => rfc3339(at),
        Value::List(items) => {
            let escaped = items.iter().map(|item| item.replace('\\', "\\\\").replace(SEPARATOR, "\\|"));
            escaped.collect::<Vec<_>>().join("|")
        }
    }
}

/// A spreadsheet takes a cell that begins so for a formula; what a stranger wrote must not become one.
fn harmless(text: String) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text }
}

/// One object a line, its fields in the order of the columns.
pub struct JsonLines {
    writer: BufWriter<File>,
    heads: Vec<Head>,
}

impl JsonLines {
    pub fn new(file: File, heads: Vec<Head>) -> Self {
        Self { writer: BufWriter::new(file), heads }
    }
}

impl Sheet for JsonLines {
    fn add(&mut self, row: Vec<Value>) -> anyhow::Result<()> {
        let mut serializer = serde_json::Serializer::new(&mut self.writer);
        let mut object = serializer.serialize_map(Some(row.len()))?;
        for (head, value) in self.heads.iter().zip(&row) {
            object.serialize_entry(head.name, value)?;
        }
        object.end()?;
        self.writer.write_all(b"\n")?;
        Ok(())
    }

    fn finish(self: Box<Self>) -> anyhow::Result<()> {
        let file = self.writer.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.sync_all().context("the file cannot be brought to the disk")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells() {
        let check = |kind: Kind, value: Value, expected: &str| {
            assert_eq!(cell(Head { name: "x", kind, nullable: true }, value), expected);
        };
        check(Kind::Text, Value::Missing, "");
        check(Kind::Text, "-7".into(), "-7");
        check(Kind::Words, "=HYPERLINK(\"x\")".into(), "'=HYPERLINK(\"x\")");
        check(Kind::Words, "all well".into(), "all well");
        check(Kind::Real, 0.1_f32.into(), "0.1");
        check(Kind::List, super::super::table::list(["a|b", "c\\d", "e"]), "a\\|b|c\\\\d|e");
        check(Kind::List, Value::List(Vec::new()), "");
    }
}
