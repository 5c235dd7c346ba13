//! The file of examples: CSV with the columns `text` and `label`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::training::{TrainError, file};

/// Labels that mark an example of what is none of the intents.
pub const OUTSIDE: [&str; 2] = ["other", "oos"];

/// One example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The text.
    pub text: String,
    /// Index of its intent; none outside.
    pub class: Option<usize>,
    /// Its line in the file.
    pub line: usize,
}

/// The file, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    /// The intents, in order of the alphabet.
    pub labels: Vec<String>,
    /// The examples, in order of the file.
    pub rows: Vec<Row>,
    /// What is odd but can be used.
    pub warnings: Vec<String>,
}

/// Reads the examples at `path`.
pub fn read_sheet(path: &Path) -> Result<Sheet, TrainError> {
    parse(path, &file(path, std::fs::read(path))?)
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Sheet, TrainError> {
    let at = |line: usize, reason: String| TrainError::Line { path: path.to_owned(), line, reason };
    if let Err(error) = std::str::from_utf8(bytes) {
        let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
        return Err(at(line, "the text is not UTF-8; save the file as CSV UTF-8".to_owned()));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::Reader::from_reader(bytes);
    let headers = reader.headers().map_err(|error| TrainError::content(path, error))?.clone();
    let column = |name: &str| {
        headers.iter().position(|header| header.trim() == name).ok_or_else(|| {
            let found = headers.iter().collect::<Vec<_>>().join(",");
            at(1, format!("no column is called `{name}`; the header must be text,label and is {found}"))
        })
    };
    let (text, label) = (column("text")?, column("label")?);
    let mut read: Vec<(String, String, usize)> = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| {
            let line = error.position().map_or(0, |position| line_of(position.line()));
            at(
                line,
                "the number of columns differs from the header; put quotes around texts with commas"
                    .to_owned(),
            )
        })?;
        let line = record.position().map_or(0, |position| line_of(position.line()));
        let cell = |column: usize| record.get(column).unwrap_or_default().trim().to_owned();
        let (text, label) = (cell(text), cell(label));
        if text.is_empty() {
            return Err(at(line, "the text is empty".to_owned()));
        }
        if label.is_empty() {
            return Err(at(line, "the label is empty".to_owned()));
        }
        read.push((text, label, line));
    }
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (_, label, line) in read.iter().filter(|(_, label, _)| !OUTSIDE.contains(&label.as_str())) {
        counts.entry(label).or_insert((0, *line)).0 += 1;
    }
    if let Some((label, (_, line))) = counts.iter().find(|(_, (count, _))| *count < 2) {
        return Err(at(
            *line,
            format!("the label `{label}` has one example; give at least 2, better 5 or more"),
        ));
    }
    if counts.len() < 2 {
        let reason = format!(
            "{} labels besides other and oos; an intent can only be told from others, so give at least 2",
            counts.len()
        );
        return Err(TrainError::content(path, reason));
    }
    let labels: Vec<String> = counts.keys().map(|label| (*label).to_owned()).collect();
    let warnings = twice(&read);
    let rows = read
        .into_iter()
        .map(|(text, label, line)| Row { text, class: labels.binary_search(&label).ok(), line })
        .collect();
    Ok(Sheet { labels, rows, warnings })
}

fn line_of(line: u64) -> usize {
    usize::try_from(line).unwrap_or(usize::MAX)
}

/// Texts with more than one label.
fn twice(rows: &[(String, String, usize)]) -> Vec<String> {
    let mut seen: BTreeMap<String, (BTreeSet<&str>, Vec<String>)> = BTreeMap::new();
    for (text, label, line) in rows {
        let (labels, lines) = seen.entry(text.to_lowercase()).or_default();
        labels.insert(label);
        lines.push(line.to_string());
    }
    seen.into_iter()
        .filter(|(_, (labels, _))| labels.len() > 1)
        .map(|(text, (labels, lines))| {
            let labels = labels.into_iter().collect::<Vec<_>>().join(" and ");
            format!("lines {}: `{text}` is labelled {labels}", lines.join(", "))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_read_in_order() {
        let text = "\u{feff}label,text\nb,one\nother,two\n\"a\",\" three, with comma \"\nb,\"four\nlines\"\na,five\noos,six\n";
        let sheet = parse(Path::new("f.csv"), text.as_bytes()).unwrap();
        assert_eq!(sheet.labels, ["a", "b"]);
        let rows: Vec<_> = sheet.rows.iter().map(|row| (row.text.as_str(), row.class, row.line)).collect();
        let expected = [
            ("one", Some(1), 2),
            ("two", None, 3),
            ("three, with comma", Some(0), 4),
            ("four\nlines", Some(1), 5),
            ("five", Some(0), 7),
            ("six", None, 8),
        ];
        assert_eq!(rows, expected);
        assert_eq!(sheet.warnings, [] as [String; 0]);
    }

    #[test]
    fn a_text_with_two_labels_is_a_warning() {
        let text = "text,label\nHello,a\nbye,a\nhello,b\nso long,b\nbye,a\n";
        let sheet = parse(Path::new("f.csv"), text.as_bytes()).unwrap();
        assert_eq!(sheet.warnings, ["lines 2, 4: `hello` is labelled a and b"]);
    }

    #[test]
    fn faults_are_named_with_their_line() {
        let check = |text: &[u8], expected: &str| {
            let error = parse(Path::new("f.csv"), text).unwrap_err().to_string();
            assert!(error.contains(expected), "{expected}: {error}");
        };
        check(b"text,intent\nhi,a\n", "f.csv, line 1: no column is called `label`");
        check(b"words,label\nhi,a\n", "line 1: no column is called `text`");
        check(b"text,label\nhi,a\n  ,a\n", "line 3: the text is empty");
        check(b"text,label\nhi,\n", "line 2: the label is empty");
        check(b"text,label\nhi,a\nbye,a\nbye,b\n", "line 4: the label `b` has one example");
        check(b"text,label\nhi,a\nbye,a\nbye,other\n", "f.csv: 1 labels besides other");
        check(b"text,label\n", "0 labels");
        check(b"", "no column");
        check(b"text,label\nhi,a\ncaff\xe8,a\n", "line 3: the text is not UTF-8");
        check(b"text,label\nhi,a\none, two,a\n", "line 3: the number of columns");
    }
}
