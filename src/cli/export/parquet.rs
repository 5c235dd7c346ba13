//! Parquet, written a row group at a time.

use std::fs::File;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, FloatType, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::millis;
use super::table::{Head, Kind, Sheet, Value};

/// Rows of a group: what is held in memory, and what a reader skips or reads as one.
const GROUP: usize = 10_000;

/// A Parquet file under way.
pub struct Parquet {
    writer: SerializedFileWriter<File>,
    columns: Vec<Pending>,
    rows: usize,
}

/// A column's part of the row group under way. `levels`: whether each value is there (Dremel's definition levels);
/// `repeats`: whether it goes on with the list before it (repetition levels).
struct Pending {
    head: Head,
    values: Values,
    levels: Vec<i16>,
    repeats: Vec<i16>,
}

enum Values {
    Text(Vec<ByteArray>),
    Whole(Vec<i64>),
    Real(Vec<f32>),
    Flag(Vec<bool>),
}

impl Parquet {
    pub fn new(file: File, heads: Vec<Head>, what: &str) -> anyhow::Result<Self> {
        let schema = parse_message_type(&schema(&heads, what)).context("the schema is no schema")?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(format!("smista version {}", env!("CARGO_PKG_VERSION")))
            .set_key_value_metadata(Some(vec![KeyValue::new("smista.export".to_owned(), what.to_owned())]))
            .build();
        let writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties))?;
        let columns = heads.into_iter().map(Pending::new).collect();
        Ok(Self { writer, columns, rows: 0 })
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        for pending in &mut self.columns {
            let mut column = group.next_column()?.context("the schema has fewer columns than the rows")?;
            let list = pending.head.kind == Kind::List;
            let levels = (pending.head.nullable || list).then_some(pending.levels.as_slice());
            let repeats = list.then_some(pending.repeats.as_slice());
            match &pending.values {
                Values::Text(texts) => column.typed::<ByteArrayType>().write_batch(texts, levels, repeats)?,
                Values::Whole(numbers) => {
                    column.typed::<Int64Type>().write_batch(numbers, levels, repeats)?
                }
                Values::Real(numbers) => column.typed::<FloatType>().write_batch(numbers, levels, repeats)?,
                Values::Flag(flags) => column.typed::<BoolType>().write_batch(flags, levels, repeats)?,
            };
            column.close()?;
            *pending = Pending::new(pending.head);
        }
        group.close()?;
        self.rows = 0;
        Ok(())
    }
}

impl Sheet for Parquet {
    fn add(&mut self, row: Vec<Value>) -> anyhow::Result<()> {
        for (pending, value) in self.columns.iter_mut().zip(row) {
            pending.push(value)?;
        }
        self.rows += 1;
        if self.rows >= GROUP { self.flush() } else { Ok(()) }
    }

    fn finish(mut self: Box<Self>) -> anyhow::Result<()> {
        self.flush()?;
        let file = self.writer.into_inner()?;
        file.sync_all().context("the file cannot be brought to the disk")
    }
}

impl Pending {
    fn new(head: Head) -> Self {
        let values = match head.kind {
            Kind::Text | Kind::Words | Kind::List => Values::Text(Vec::new()),
            Kind::Whole | Kind::Time => Values::Whole(Vec::new()),
            Kind::Real => Values::Real(Vec::new()),
            Kind::Flag => Values::Flag(Vec::new()),
        };
        Self { head, values, levels: Vec::new(), repeats: Vec::new() }
    }

    fn push(&mut self, value: Value) -> anyhow::Result<()> {
        if let (Kind::List, Value::List(items)) = (self.head.kind, &value) {
            let Values::Text(texts) = &mut self.values else { return self.wrong() };
            // An empty list has a place without a value.
            self.levels.extend(std::iter::repeat_n(1, items.len()));
            self.repeats.extend((0..items.len()).map(|at| i16::from(at > 0)));
            if items.is_empty() {
                self.levels.push(0);
                self.repeats.push(0);
            }
            texts.extend(items.iter().map(|item| ByteArray::from(item.as_bytes().to_vec())));
            return Ok(());
        }
        if value == Value::Missing && self.head.nullable {
            self.levels.push(0);
            return Ok(());
        }
        self.levels.push(1);
        match (&mut self.values, value) {
            (Values::Text(texts), Value::Text(text)) => texts.push(ByteArray::from(text.into_bytes())),
            (Values::Whole(numbers), Value::Whole(number)) => numbers.push(number),
            (Values::Whole(numbers), Value::Time(at)) => numbers.push(millis(at)),
            (Values::Real(numbers), Value::Real(number)) => numbers.push(number),
            (Values::Flag(flags), Value::Flag(flag)) => flags.push(flag),
            _ => return self.wrong(),
        }
        Ok(())
    }

    fn wrong(&self) -> anyhow::Result<()> {
        bail!("column {} was given a value that is not of its type", self.head.name)
    }
}

/// In the words of Parquet's own schema language.
fn schema(heads: &[Head], what: &str) -> String {
    let column = |head: &Head| {
        let presence = if head.nullable { "optional" } else { "required" };
        let name = head.name;
        match head.kind {
            Kind::Text | Kind::Words => format!("{presence} binary {name} (STRING);"),
            Kind::Whole => format!("{presence} int64 {name};"),
            Kind::Real => format!("{presence} float {name};"),
            Kind::Flag => format!("{presence} boolean {name};"),
            Kind::Time => format!("{presence} int64 {name} (TIMESTAMP(MILLIS,true));"),
            Kind::List => format!(
                "required group {name} (LIST) {{ repeated group list {{ required binary element (STRING); }} }}"
            ),
        }
    };
    let columns: Vec<String> = heads.iter().map(column).collect();
    format!("message {what} {{ {} }}", columns.join(" "))
}
