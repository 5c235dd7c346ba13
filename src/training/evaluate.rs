//! Judges a task on labelled texts through any engine: texts are cleaned as messages are, cut into windows, put together
//! and decoded as in production.

use std::path::Path;

use super::encode::encode;
use super::examples::read_folder;
use super::metrics::Judged;
use super::target::StageTarget;
use super::{TrainError, file};
use crate::interaction::{Channel, sample};
use crate::nlp::custom::CustomIntents;
use crate::nlp::decode::decode;
use crate::nlp::engine::{Engine, Window, WindowOutput};
use crate::nlp::labels::NONE;
use crate::nlp::merge::{Part, merge};
use crate::nlp::pack::{Heads, SoftmaxHead};
use crate::nlp::windows::WindowMaker;

/// What is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Three classes.
    Sentiment,
    /// The first intent; abstaining counts as `other`.
    Intent,
    /// The journey stage; no stage counts as `-`, which a file may hold as a label too.
    Stage,
}

impl Task {
    fn head(self, heads: &Heads) -> &SoftmaxHead {
        match self {
            Self::Sentiment => &heads.sentiment,
            Self::Intent => &heads.intents,
            Self::Stage => &heads.stage,
        }
    }

    /// Every label that may stand in a file, in head order.
    pub fn labels(self, heads: &Heads) -> Vec<String> {
        let mut labels = self.head(heads).labels.clone();
        labels.retain(|label| label != NONE);
        if self == Self::Stage {
            labels.push(NONE.to_owned());
        }
        labels
    }
}

/// One labelled text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labelled {
    /// The text.
    pub text: String,
    /// Index among the task's labels.
    pub label: usize,
    /// Its line in the file.
    pub line: usize,
}

/// Reads a CSV file with the columns `text` and `label`. An unknown label is an error with its line.
pub fn read_csv(path: &Path, labels: &[String]) -> Result<Vec<Labelled>, TrainError> {
    let bytes = file(path, std::fs::read(path))?;
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let headers = reader.headers().map_err(|error| TrainError::content(path, error))?.clone();
    let column = |name: &str| {
        let found = headers.iter().position(|header| header.trim_start_matches('\u{feff}').trim() == name);
        found.ok_or_else(|| TrainError::content(path, format!("no column is called `{name}`")))
    };
    let (text, label) = (column("text")?, column("label")?);
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| TrainError::content(path, error))?;
        let line = record.position().map_or(0, |position| usize::try_from(position.line()).unwrap_or(0));
        let name = record.get(label).unwrap_or_default().trim();
        let label = labels.iter().position(|known| known == name).ok_or_else(|| TrainError::Line {
            path: path.to_owned(),
            line,
            reason: format!("no label is called `{name}`; there are {}", labels.join(", ")),
        })?;
        rows.push(Labelled { text: record.get(text).unwrap_or_default().to_owned(), label, line });
    }
    if rows.is_empty() {
        return Err(TrainError::content(path, "no rows below the header"));
    }
    Ok(rows)
}

/// The development examples of a folder (see [`super::examples`]), of one language or all. A text without an intent
/// counts as `other`, which is what abstaining counts as.
pub fn read_development(
    folder: &Path,
    task: Task,
    language: Option<&str>,
    heads: &Heads,
) -> Result<Vec<Labelled>, TrainError> {
    let other = heads.intents.labels.iter().position(|label| label == "other").unwrap_or(0);
    let nobody = Task::Stage.labels(heads).len() - 1;
    let mut rows = Vec::new();
    for (number, example) in read_folder(folder)?.into_iter().enumerate() {
        if !example.development || language.is_some_and(|language| language != example.language) {
            continue;
        }
        let target = example.row.target;
        let label = match task {
            // Public posts have no intents and are no part of the contact centre's messages.
            Task::Sentiment => target.sentiment.filter(|_| target.intents.is_some()),
            Task::Intent => target.intents.map(|intents| intents.first().copied().unwrap_or(other)),
            Task::Stage => match target.stage {
                StageTarget::At(stage) => Some(stage),
                StageTarget::Nobody => Some(nobody),
                StageTarget::Unknown => None,
            },
        };
        if let Some(label) = label {
            rows.push(Labelled { text: example.row.text, label, line: number + 1 });
        }
    }
    if rows.is_empty() {
        return Err(TrainError::content(folder, "no development examples of that language"));
    }
    Ok(rows)
}

/// Judges the rows of the file at `path`, in order. A text that the pipeline refuses or the engine fails on is an error with its
/// line: figures over a part of the file would mislead.
pub fn evaluate(
    task: Task,
    path: &Path,
    rows: &[Labelled],
    heads: &Heads,
    maker: &dyn WindowMaker,
    engine: &mut dyn Engine,
) -> Result<Vec<Judged>, TrainError> {
    let mut windows: Vec<Window> = Vec::new();
    let mut spans = Vec::with_capacity(rows.len());
    for row in rows {
        let at = |reason: String| TrainError::Line { path: path.to_owned(), line: row.line, reason };
        let message = sample(Channel::Chat, &row.text).map_err(|error| at(error.to_string()))?;
        let own = maker.windows(&message.document()).map_err(|error| at(error.to_string()))?;
        spans.push(windows.len()..windows.len() + own.len());
        windows.extend(own);
    }
    let answers = engine.infer(&windows);
    let labels = task.labels(heads);
    let mut judged = Vec::with_capacity(rows.len());
    for (row, span) in rows.iter().zip(spans) {
        let outputs: Vec<&WindowOutput> = answers[span.clone()]
            .iter()
            .map(|answer| {
                answer.as_ref().map_err(|error| TrainError::Line {
                    path: path.to_owned(),
                    line: row.line,
                    reason: error.to_string(),
                })
            })
            .collect::<Result<_, _>>()?;
        let sizes = windows[span].iter().map(|window| window.ids.len() as f32);
        let (predicted, confidence) = answer(task, heads, &labels, &outputs, sizes);
        judged.push(Judged { truth: row.label, predicted, confidence });
    }
    Ok(judged)
}

/// The labels of custom intents, then `other` for what is outside them.
pub fn custom_labels(intents: &CustomIntents) -> Vec<String> {
    intents.manifest.labels.iter().cloned().chain(["other".to_owned()]).collect()
}

/// Reads a CSV file as [`read_csv`] does, for [`custom_labels`]; `oos` counts as `other`.
pub fn read_custom(path: &Path, labels: &[String]) -> Result<Vec<Labelled>, TrainError> {
    let other = labels.len().saturating_sub(1);
    let with_alias: Vec<String> = labels.iter().cloned().chain(["oos".to_owned()]).collect();
    let mut rows = read_csv(path, &with_alias)?;
    rows.iter_mut().for_each(|row| row.label = row.label.min(other));
    Ok(rows)
}

/// Judges custom intents alone on the rows of the file at `path`, over [`custom_labels`]; abstaining counts as `other`.
pub fn evaluate_custom(
    path: &Path,
    rows: &[Labelled],
    intents: &CustomIntents,
    maker: &dyn WindowMaker,
    engine: &mut dyn Engine,
) -> Result<Vec<Judged>, TrainError> {
    let texts: Vec<(&str, usize)> = rows.iter().map(|row| (row.text.as_str(), row.line)).collect();
    let vectors = encode(path, &texts, maker, engine, &mut |_, _| {})?;
    let labels = custom_labels(intents);
    let judge = |(at, row): (usize, &Labelled)| {
        let answer = intents.answer(vectors.row(at), &row.text);
        let name = answer.intents.first().map_or("other", |(name, _)| name.as_str());
        let predicted = labels.iter().position(|label| label == name).unwrap_or(labels.len() - 1);
        Judged { truth: row.label, predicted, confidence: answer.confidence }
    };
    Ok(rows.iter().enumerate().map(judge).collect())
}

fn answer(
    task: Task,
    heads: &Heads,
    labels: &[String],
    outputs: &[&WindowOutput],
    sizes: impl Iterator<Item = f32>,
) -> (usize, f32) {
    let decoded: Vec<_> = outputs.iter().map(|output| decode(heads, output)).collect();
    let parts: Vec<Part<'_>> = decoded
        .iter()
        .zip(outputs)
        .zip(sizes)
        .map(|((decoded, output), weight)| Part { decoded, output, weight })
        .collect();
    let merged = merge(heads, &parts);
    let place = |name: &str| labels.iter().position(|label| label == name);
    let found = match task {
        Task::Sentiment => {
            let best =
                (0..3).max_by(|a, b| merged.sentiment[*a].total_cmp(&merged.sentiment[*b])).unwrap_or(1);
            place(crate::nlp::labels::SentimentLabel::ALL[best].as_str())
                .map(|at| (at, merged.sentiment[best]))
        }
        Task::Intent => match merged.intents.first() {
            Some((name, confidence)) => place(name).map(|at| (at, *confidence)),
            None => place("other").map(|at| (at, heads.intents.abstention_confidence)),
        },
        Task::Stage => match merged.stage {
            Some((stage, confidence)) => place(stage.as_str()).map(|at| (at, confidence)),
            None => place(NONE).map(|at| (at, heads.stage.abstention_confidence)),
        },
    };
    found.unwrap_or((0, 0.0))
}

#[cfg(test)]
mod tests {
    use super::super::metrics::{Figures, figures};
    use super::*;
    use crate::nlp::engine::EngineError;
    use crate::nlp::scripted;
    use crate::nlp::windows::WordWindows;

    /// Answers by the first word of each window.
    struct ByWord;

    impl Engine for ByWord {
        fn infer(&mut self, windows: &[Window]) -> Vec<Result<WindowOutput, EngineError>> {
            windows
                .iter()
                .map(|window| {
                    let logits = match window.text.split_whitespace().next() {
                        Some("bad") => vec![4.0, 0.0, 0.0],
                        Some("good") => vec![0.0, 0.0, 4.0],
                        Some("broken") => return Err(EngineError::Runtime("no".to_owned())),
                        _ => vec![0.0, 4.0, 0.0],
                    };
                    let intents = vec![0.0; scripted::manifest().intents.labels.len()];
                    Ok(WindowOutput { sentiment: logits, intents, ..WindowOutput::default() })
                })
                .collect()
        }
    }

    fn judge(task: Task, csv: &str) -> Result<Figures, TrainError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.csv");
        std::fs::write(&path, csv).unwrap();
        let heads = scripted::manifest();
        let labels = task.labels(&heads);
        let rows = read_csv(&path, &labels)?;
        let judged = evaluate(task, &path, &rows, &heads, &WordWindows::default(), &mut ByWord)?;
        Ok(figures(&labels, &judged))
    }

    #[test]
    fn development_examples_are_read_by_language() {
        let folder = tempfile::tempdir().unwrap();
        let line = |text: &str, language: &str, intents: &str, development: bool| {
            format!(
                r#"{{"text":"{text}","language":"{language}","sentiment":"neutral","intents":{intents},"stage":null,"urgency":"low","escalate":false,"goal":null,"development":{development}}}"#
            )
        };
        let lines = [
            line("good one", "en", r#"["smalltalk"]"#, true),
            line("good two", "en", "[]", true),
            line("good three", "en", "[]", false),
            line("buono", "it", "[]", true),
        ];
        std::fs::write(folder.path().join("all.jsonl"), lines.join("\n")).unwrap();
        let heads = scripted::manifest();
        let read = |task, language| read_development(folder.path(), task, language, &heads);
        let english = read(Task::Intent, Some("en")).unwrap();
        let names: Vec<&str> = english.iter().map(|row| heads.intents.labels[row.label].as_str()).collect();
        assert_eq!(names, ["smalltalk", "other"]);
        assert_eq!(read(Task::Stage, None).unwrap().len(), 3);
        assert_eq!(read(Task::Stage, None).unwrap()[0].label, heads.stage.labels.len());
        assert!(
            read(Task::Sentiment, Some("de")).unwrap_err().to_string().contains("no development examples")
        );
    }

    #[test]
    fn predictions_are_compared_with_the_labels() {
        let figures =
            judge(Task::Sentiment, "label,text\nnegative,bad one\npositive,good one\nneutral,good two\n")
                .unwrap();
        assert!((figures.accuracy - 2.0 / 3.0).abs() < 1e-9);
        assert_eq!(figures.per_class["neutral"].support, 1);
    }

    #[test]
    fn abstaining_counts_as_other() {
        let figures = judge(Task::Intent, "text,label\nwhat,other\nwhat now,praise\n").unwrap();
        assert!((figures.accuracy - 0.5).abs() < 1e-9);
        assert!((figures.per_class["other"].recall - 1.0).abs() < 1e-9);
    }

    #[test]
    fn faults_are_named_with_their_line() {
        for (csv, said) in [
            ("text,label\nfine,neutral\n\"two\nlines\",angry\n", "line 3: no label is called `angry`"),
            ("text,class\nfine,neutral\n", "no column is called `label`"),
            ("text,label\n", "no rows"),
            ("text,label\nfine,neutral\nbroken one,neutral\n", "line 3: inference failed: no"),
        ] {
            let error = judge(Task::Sentiment, csv).unwrap_err().to_string();
            assert!(error.contains(said), "{said}: {error}");
        }
    }
}
