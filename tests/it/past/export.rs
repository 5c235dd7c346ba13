//! `smista export`: what the command wrote is read back and compared with the decisions themselves.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use parquet::basic::{LogicalType, Repetition, TimeUnit, Type};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;
use serde_json::{Value, json as object};

use super::{a_day, done, json, smista, text};
use crate::support::{fresh_database, postgres_url};

const MAY: [&str; 4] = ["--since", "2026-05-14", "--until", "2026-05-15"];

fn export(what: &str, file: &str, url: &str) -> Vec<String> {
    let args = [&["export", what, "--out", file, "--state", url], &MAY[..]].concat();
    args.into_iter().map(str::to_owned).collect()
}

fn run(folder: &Path, args: &[String], more: &[&str]) -> String {
    let args: Vec<&str> = args.iter().map(String::as_str).chain(more.iter().copied()).collect();
    done(folder, &args)
}

/// A Parquet value as JSON has it, times in milliseconds.
fn value(field: &Field) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Bool(flag) => object!(flag),
        Field::Long(number) | Field::TimestampMillis(number) => object!(number),
        // The shortest decimal that is this number, as JSON lines have it.
        Field::Float(number) => object!(number.to_string().parse::<f64>().unwrap()),
        Field::Str(text) => object!(text),
        Field::ListInternal(list) => list.elements().iter().map(value).collect(),
        other => panic!("{other:?}"),
    }
}

fn parquet_rows(path: &Path) -> Vec<BTreeMap<String, Value>> {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let rows = reader.get_row_iter(None).unwrap();
    rows.map(|row| row.unwrap().get_column_iter().map(|(name, field)| (name.clone(), value(field))).collect())
        .collect()
}

fn json_rows(path: &Path) -> Vec<BTreeMap<String, Value>> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_value(json(line)).unwrap()).collect()
}

/// The same row as Parquet has it.
fn with_millis(mut row: BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    for (name, value) in &mut row {
        if name.ends_with("_at") || name.ends_with("_since") {
            let at =
                value.as_str().map(|at| chrono::DateTime::parse_from_rfc3339(at).unwrap().timestamp_millis());
            *value = object!(at);
        }
    }
    row
}

async fn three_formats_say_the_same(url: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let count = usize::try_from(a_day(url, 5).await).unwrap();
    for (what, rows) in [("decisions", Some(count)), ("interactions", Some(count)), ("journeys", None)] {
        let whole: &[&str] =
            if what == "journeys" { &["--since", "3650d", "--until", "2999-01-01"] } else { &[] };
        let file = |ending: &str| format!("{what}.{ending}");
        for ending in ["parquet", "csv", "jsonl"] {
            let args = export(what, &file(ending), url);
            let args = if whole.is_empty() { args } else { args[..args.len() - MAY.len()].to_vec() };
            run(path, &args, whole);
            assert!(!path.join(format!("{}.part", file(ending))).exists());
        }
        let (columns, lines) =
            (parquet_rows(&path.join(file("parquet"))), json_rows(&path.join(file("jsonl"))));
        assert_eq!(columns.len(), rows.unwrap_or(columns.len()), "{what}");
        assert!(columns.len() > 50, "{what}: {}", columns.len());
        let lines: Vec<_> = lines.into_iter().map(with_millis).collect();
        assert_eq!(columns, lines, "{what}: Parquet and JSON lines");

        let mut csv = csv::Reader::from_path(path.join(file("csv"))).unwrap();
        let heading = csv.headers().unwrap().clone();
        let first = serde_json::from_str::<BTreeMap<String, Value>>(
            std::fs::read_to_string(path.join(file("jsonl"))).unwrap().lines().next().unwrap(),
        );
        assert_eq!(heading.len(), first.unwrap().len());
        let cells: Vec<csv::StringRecord> = csv.records().map(Result::unwrap).collect();
        assert_eq!(cells.len(), columns.len());
        let original = json_rows(&path.join(file("jsonl")));
        for (record, row) in cells.iter().zip(&original) {
            for (name, cell) in heading.iter().zip(record) {
                let expected = match &row[name] {
                    Value::Null => String::new(),
                    Value::String(text) => text.clone(),
                    Value::Array(items) => {
                        items.iter().map(|item| item.as_str().unwrap()).collect::<Vec<_>>().join("|")
                    }
                    other => other.to_string(),
                };
                let number = |text: &str| text.parse::<f64>().ok();
                let equal = number(cell).is_some() && number(cell) == number(&expected);
                let same = equal || cell == expected || cell.strip_prefix('\'') == Some(&expected);
                assert!(same, "{what}.{name}: {cell} and {expected}");
            }
        }
    }

    // The rows are the decisions: compared with what the program itself says of one.
    let rows = json_rows(&path.join("decisions.jsonl"));
    let row = rows.iter().find(|row| row["message_id"] == "sample-01-0").unwrap();
    assert_eq!((&row["customer_id"], &row["channel"]), (&object!("c-1001-0"), &object!("email")));
    assert_eq!(row["decided_at"], "2026-05-14T00:00:00.000Z");
    assert!(rows.is_sorted_by_key(|row| row["decided_at"].as_str().unwrap().to_owned()));
    assert!(rows.iter().any(|row| row["intents"].as_array().unwrap().len() > 1), "lists of several");
    assert!(rows.iter().any(|row| row["queue"].is_null()), "something is missing somewhere");

    // Types that other programs know.
    let reader = SerializedFileReader::new(File::open(path.join("decisions.parquet")).unwrap()).unwrap();
    let schema = reader.metadata().file_metadata().schema_descr();
    let column = |name: &str| {
        let found = schema.columns().iter().find(|column| column.path().string() == name);
        let column = found.unwrap_or_else(|| panic!("{name}"));
        (
            column.physical_type(),
            column.logical_type_ref().cloned(),
            column.self_type().get_basic_info().repetition(),
        )
    };
    let time = column("sent_at");
    assert_eq!((time.0, time.2), (Type::INT64, Repetition::REQUIRED));
    assert_eq!(time.1, Some(LogicalType::timestamp(true, TimeUnit::MILLIS)));
    assert_eq!(column("queue"), (Type::BYTE_ARRAY, Some(LogicalType::String), Repetition::OPTIONAL));
    assert_eq!(
        column("flags.list.element"),
        (Type::BYTE_ARRAY, Some(LogicalType::String), Repetition::REQUIRED)
    );
    assert_eq!(column("sentiment_score").0, Type::FLOAT);
}

#[tokio::test(flavor = "multi_thread")]
async fn three_formats_say_the_same_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    three_formats_say_the_same(&format!("sqlite:{}", folder.path().join("past.db").display())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_formats_say_the_same_on_postgres() {
    let Some(server) = postgres_url() else { return };
    three_formats_say_the_same(&fresh_database(&server).await).await;
}

#[test]
fn text_is_left_out_and_files_are_not_lost() {
    let folder = super::samples();
    let path = folder.path();
    let state = "sqlite:past.db";
    let args = |more: &[&str]| -> Vec<String> {
        let all = [&["export", "interactions", "--since", "1d", "--state", state], more].concat();
        all.into_iter().map(str::to_owned).collect()
    };
    run(path, &args(&["--out", "all.jsonl"]), &[]);
    run(path, &args(&["--out", "bare.jsonl", "--without-text"]), &[]);
    let (all, bare) = (json_rows(&path.join("all.jsonl")), json_rows(&path.join("bare.jsonl")));
    assert_eq!(all.len(), bare.len());
    let words =
        all.iter().flat_map(|row| row["text"].as_str().unwrap().lines()).filter(|line| line.len() > 30);
    let written = std::fs::read_to_string(path.join("bare.jsonl")).unwrap();
    assert!(words.clone().count() > 20);
    for words in words {
        let beginning: String = words.chars().take(20).collect();
        assert!(!written.contains(&beginning), "{beginning}");
    }
    for (all, bare) in all.into_iter().zip(bare) {
        let gone: Vec<String> = all.keys().filter(|name| !bare.contains_key(*name)).cloned().collect();
        assert_eq!(gone, ["attributes", "subject", "text"]);
    }

    let check = |more: &[&str], code: i32, words: &str| {
        let args = args(more);
        let output = smista(path, &args.iter().map(String::as_str).collect::<Vec<_>>());
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{more:?}: {said}");
        assert!(said.contains(words), "{more:?}: {said}");
    };
    std::fs::write(path.join("mine.csv"), "mine").unwrap();
    check(&["--out", "mine.csv"], 2, "there already");
    assert_eq!(std::fs::read_to_string(path.join("mine.csv")).unwrap(), "mine");
    check(&["--out", "mine.csv", "--force"], 0, "written:");
    assert!(std::fs::read_to_string(path.join("mine.csv")).unwrap().starts_with("message_id,"));
    check(&["--out", "rows.txt"], 2, "--format");
    check(&["--out", "rows.txt", "--format", "csv"], 0, "rows.txt");
    check(&["--out", "."], 2, "--format");
    check(&["--out", ".", "--format", "csv"], 2, "is a folder");
    check(&["--out", "no/such/folder.csv"], 1, "hint:");
    check(&["--out", "empty.parquet", "--until", "2h"], 0, "nothing to export");
    assert_eq!(parquet_rows(&path.join("empty.parquet")), Vec::new());
    check(&["--out", "b.csv", "--until", "2d"], 2, "the span is empty");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journey_that_cannot_be_read_is_told_and_the_others_are_written() {
    use sqlx::Connection as _;
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("past.db").display());
    a_day(&url, 1).await;
    let args =
        |file: &str| export("journeys", file, &url).into_iter().filter(|arg| !MAY.contains(&arg.as_str()));
    let export = |file: &str| {
        let args: Vec<String> = args(file).chain(["--since".into(), "3650d".into()]).collect();
        smista(folder.path(), &args.iter().map(String::as_str).collect::<Vec<_>>())
    };
    assert!(export("before.jsonl").status.success());
    let before = json_rows(&folder.path().join("before.jsonl"));
    // The last of all, so that the walk has to step over it.
    let last = before.last().unwrap()["customer_id"].as_str().unwrap();
    let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
    let broken = "UPDATE customers SET journey = '{' WHERE customer = $1";
    assert_eq!(sqlx::query(broken).bind(last).execute(&mut connection).await.unwrap().rows_affected(), 1);
    let output = export("after.jsonl");
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains(&format!("warning: the journey of {last} cannot be read")), "{said}");
    let after = json_rows(&folder.path().join("after.jsonl"));
    assert_eq!(after, before[..before.len() - 1]);
}
