//! The project's own labelled examples (`models/examples/*.tsv`): reading, checking, and the part kept for development.

use std::collections::HashMap;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::target::{self, Row, Target};
use super::{TrainError, file};

/// Columns of an example file, in order.
pub const COLUMNS: [&str; 8] =
    ["text", "sentiment", "intents", "stage", "emotions", "signals", "priority", "escalate"];

/// One example.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Text and labels; its weight is 1.
    pub row: Row,
    /// Stem of its file up to the first `_` or `-`: the language.
    pub language: String,
    /// Kept for development, never trained on.
    pub development: bool,
}

/// Reads every `*.tsv` of a folder, in name order. A malformed line or a text that stands twice is an error.
pub fn read_folder(folder: &Path, dev_percent: u8) -> Result<Vec<Example>, TrainError> {
    let mut paths = Vec::new();
    for entry in file(folder, std::fs::read_dir(folder))? {
        let path = file(folder, entry)?.path();
        if path.extension().is_some_and(|extension| extension == "tsv") {
            paths.push(path);
        }
    }
    paths.sort();
    let mut examples: Vec<Example> = Vec::new();
    let mut seen: HashMap<String, String> = HashMap::new();
    for path in paths {
        let text = file(&path, std::fs::read_to_string(&path))?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let language = stem.split(['_', '-']).next().unwrap_or_default().to_owned();
        for (number, line) in text.lines().enumerate() {
            let at = |reason: String| TrainError::Line { path: path.clone(), line: number + 1, reason };
            if number == 0 {
                if line.split('\t').ne(COLUMNS) {
                    return Err(at(format!("the columns must be {}", COLUMNS.join(", "))));
                }
                continue;
            }
            let row = parse(line).map_err(at)?;
            let key = row.text.to_lowercase();
            if let Some(first) = seen.insert(key, format!("{stem}:{}", number + 1)) {
                return Err(at(format!("the text stands already at {first}")));
            }
            let development = held_out(&row.text, dev_percent);
            examples.push(Example { row, language: language.clone(), development });
        }
    }
    if examples.is_empty() {
        return Err(TrainError::content(folder, "no examples (*.tsv) here"));
    }
    Ok(examples)
}

fn parse(line: &str) -> Result<Row, String> {
    let cells: Vec<&str> = line.split('\t').collect();
    let [text, sentiment, intents, stage, emotions, signals, priority, escalate] = cells[..] else {
        return Err(format!("{} columns, not {}", cells.len(), COLUMNS.len()));
    };
    if text.trim().is_empty() {
        return Err("the text is empty".to_owned());
    }
    if !["urgent", "high", "normal", "low"].contains(&priority) {
        return Err(format!("no priority is called `{priority}`"));
    }
    if !["yes", "no"].contains(&escalate) {
        return Err(format!("escalate is `{escalate}`, not yes or no"));
    }
    let target = Target {
        sentiment: Some(target::sentiment(sentiment)?),
        intents: Some(target::intents(intents)?),
        stage: target::stage(stage)?,
        emotions: Some(target::emotions(emotions)?),
        signals: Some(target::signals(signals)?),
    };
    Ok(Row { text: text.trim().to_owned(), target, weight: 1.0 })
}

/// Whether a text belongs to the development part: by its hash, so that it stays there when others are added.
pub fn held_out(text: &str, percent: u8) -> bool {
    let hash = Sha256::digest(text.trim().to_lowercase().as_bytes());
    let number = u16::from_be_bytes([hash[0], hash[1]]);
    number % 100 < u16::from(percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(lines: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("it_a.tsv"), lines.join("\n")).unwrap();
        folder
    }

    const HEADER: &str = "text\tsentiment\tintents\tstage\temotions\tsignals\tpriority\tescalate";

    #[test]
    fn a_line_becomes_an_example() {
        let line = "Dov'è il pacco?\tneutral\torder.status\tsupport\t-\t-\tnormal\tno";
        let examples = read_folder(folder(&[HEADER, line]).path(), 0).unwrap();
        assert_eq!(examples.len(), 1);
        assert_eq!(examples[0].language, "it");
        assert_eq!(examples[0].row.target.intents, Some(vec![6]));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let good = "a\tneutral\tother\t-\t-\t-\tlow\tno";
        for (lines, said) in [
            (vec!["text\tlabel"], "line 1: the columns"),
            (vec![HEADER, good, "b\tneutral\tother\t-"], "line 3: 4 columns"),
            (vec![HEADER, "b\tfine\tother\t-\t-\t-\tlow\tno"], "line 2: no sentiment is called `fine`"),
            (vec![HEADER, "b\tneutral\tother\t-\t-\t-\tlater\tno"], "`later`"),
            (
                vec![HEADER, good, "A\tneutral\tother\t-\t-\t-\tlow\tno"],
                "line 3: the text stands already at it_a:2",
            ),
            (vec![HEADER], "no examples"),
        ] {
            let error = read_folder(folder(&lines).path(), 15).unwrap_err().to_string();
            assert!(error.contains(said), "{said}: {error}");
        }
    }

    #[test]
    fn about_the_asked_share_is_held_out() {
        let held = (0..2_000).filter(|number| held_out(&format!("text {number}"), 15)).count();
        assert!((240..360).contains(&held), "{held}");
    }
}
