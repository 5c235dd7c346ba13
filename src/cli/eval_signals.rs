//! `smista eval --task signals`: which signals the analysis as a whole finds, cues and head together, on a CSV file or the
//! development part of a folder of examples.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context as _;
use comfy_table::{CellAlignment, Table, presets};
use futures::stream::{self, StreamExt as _};
use serde::Serialize;

use super::{WrongUse, setup};
use crate::config::Config;
use crate::interaction::{Channel, sample};
use crate::nlp::labels::SignalKind;
use crate::training::examples::read_folder;
use crate::training::metrics::ClassFigures;

/// Texts analysed at the same time.
const AT_ONCE: usize = 64;

/// What was found against what should have been.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Texts judged.
    pub rows: usize,
    /// Over all signals that are judged, each finding counted once.
    pub overall: ClassFigures,
    /// By signal, of those that occur.
    pub per_signal: BTreeMap<String, ClassFigures>,
}

/// A text with the signals it has and those that were found.
struct Judged {
    text: String,
    truth: Vec<SignalKind>,
    found: Vec<SignalKind>,
}

/// Analyses the rows of the CSV file `data`, or the development examples of that folder; writes what came out wrong to `mistakes`,
/// if given.
pub async fn judge(
    config: &Config,
    data: &Path,
    language: Option<&str>,
    mistakes: Option<&Path>,
) -> anyhow::Result<Figures> {
    let rows = if data.is_dir() {
        read_development(data, language)?
    } else if language.is_some() {
        return Err(WrongUse("--language goes with a folder of labelled examples".to_owned()).into());
    } else {
        read_csv(data)?
    };
    // A file may leave signals out of account altogether.
    let named: BTreeSet<SignalKind> = rows.iter().flat_map(|(_, truth)| truth.iter().copied()).collect();
    let analyzer = setup::analyzer(config).await?;
    let judge = |(text, truth): (String, Vec<SignalKind>)| {
        let (analyzer, named) = (&analyzer, &named);
        async move {
            let found = analyzer.analyze(&sample(Channel::Chat, &text)?).await?;
            let found = found.signals.iter().map(|signal| signal.name);
            let found = found.filter(|signal| named.contains(signal)).collect();
            Ok::<_, anyhow::Error>(Judged { text, truth, found })
        }
    };
    let judged: Vec<anyhow::Result<Judged>> = stream::iter(rows).map(judge).buffered(AT_ONCE).collect().await;
    let judged = judged.into_iter().collect::<anyhow::Result<Vec<Judged>>>()?;
    if let Some(path) = mistakes {
        write(path, &judged).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(figures(&judged))
}

fn read_development(folder: &Path, language: Option<&str>) -> anyhow::Result<Vec<(String, Vec<SignalKind>)>> {
    let mut rows = Vec::new();
    for example in read_folder(folder)? {
        let wanted = example.development && language.is_none_or(|language| example.language == language);
        // A public post has no signals to say.
        if let Some(truth) = example.row.target.signals.filter(|_| wanted) {
            let truth = truth.into_iter().filter_map(|at| SignalKind::ALL.get(at).copied()).collect();
            rows.push((example.row.text, truth));
        }
    }
    Ok(rows)
}

/// Header `text,label`; a label is signals parted by spaces, or `-` for none.
fn read_csv(path: &Path) -> anyhow::Result<Vec<(String, Vec<SignalKind>)>> {
    let mut reader =
        csv::Reader::from_path(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let headers = reader.headers()?.clone();
    let column = |name: &str| {
        let found = headers.iter().position(|header| header.trim_start_matches('\u{feff}') == name);
        found.with_context(|| {
            format!("{} has no column {name}; its header must be text,label", path.display())
        })
    };
    let (text, label) = (column("text")?, column("label")?);
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record?;
        let line = record.position().map_or(0, csv::Position::line);
        let names = record.get(label).unwrap_or_default().split([' ', ',']);
        let truth = names.filter(|name| !matches!(*name, "" | "-")).map(|name| {
            SignalKind::from_name(name)
                .with_context(|| format!("{}, line {line}: no signal is called `{name}`", path.display()))
        });
        rows.push((record.get(text).unwrap_or_default().to_owned(), truth.collect::<anyhow::Result<_>>()?));
    }
    anyhow::ensure!(!rows.is_empty(), "{} has no rows below the header", path.display());
    Ok(rows)
}

fn figures(judged: &[Judged]) -> Figures {
    let mut per_signal = BTreeMap::new();
    let mut all = (0, 0, 0);
    for kind in SignalKind::ALL {
        let count = |wanted: fn(bool, bool) -> bool| {
            judged.iter().filter(|one| wanted(one.truth.contains(kind), one.found.contains(kind))).count()
        };
        let (both, found) = (count(|truth, found| truth && found), count(|_, found| found));
        let support = count(|truth, _| truth);
        all = (all.0 + both, all.1 + found, all.2 + support);
        if support + found > 0 {
            per_signal.insert(kind.to_string(), class(both, found, support));
        }
    }
    Figures { rows: judged.len(), overall: class(all.0, all.1, all.2), per_signal }
}

fn class(both: usize, found: usize, support: usize) -> ClassFigures {
    let (precision, recall) = (share(both, found), share(both, support));
    ClassFigures { precision, recall, f1: share(2 * both, found + support), support }
}

#[expect(clippy::cast_precision_loss, reason = "counts of texts are far below 2^52")]
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn write(path: &Path, judged: &[Judged]) -> anyhow::Result<()> {
    let mut file = csv::Writer::from_path(path)?;
    file.write_record(["text", "missed", "wrong"])?;
    for Judged { text, truth, found } in judged {
        let without = |list: &[SignalKind], other: &[SignalKind]| {
            let left = list.iter().filter(|kind| !other.contains(kind));
            left.map(SignalKind::to_string).collect::<Vec<_>>().join(" ")
        };
        let (missed, wrong) = (without(truth, found), without(found, truth));
        if !(missed.is_empty() && wrong.is_empty()) {
            file.write_record([text, &missed, &wrong])?;
        }
    }
    Ok(file.flush()?)
}

/// The figures as a table.
pub fn table(figures: &Figures) -> String {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["signal", "precision", "recall", "F1", "texts"]);
    let all = [(&"all".to_owned(), &figures.overall)];
    for (signal, class) in figures.per_signal.iter().chain(all) {
        let number = |value: f64| format!("{value:.3}");
        let [precision, recall, f1] = [class.precision, class.recall, class.f1].map(number);
        table.add_row([signal.clone(), precision, recall, f1, class.support.to_string()]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("{table}\n{} texts, cues and model together", figures.rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(truth: &[SignalKind], found: &[SignalKind]) -> Judged {
        Judged { text: "a, b".to_owned(), truth: truth.to_vec(), found: found.to_vec() }
    }

    #[test]
    fn figures_count_each_signal_by_itself() {
        use SignalKind::{Churn, Fraud, Praise};
        let rows = [
            judged(&[Fraud], &[Fraud, Churn]),
            judged(&[Fraud], &[]),
            judged(&[], &[]),
            judged(&[Churn], &[Churn]),
        ];
        let figures = figures(&rows);
        let of = |kind: SignalKind| figures.per_signal.get(kind.as_str()).copied();
        let fraud = ClassFigures { precision: 1.0, recall: 0.5, f1: 2.0 / 3.0, support: 2 };
        let churn = ClassFigures { precision: 0.5, recall: 1.0, f1: 2.0 / 3.0, support: 1 };
        assert_eq!((of(Fraud), of(Churn), of(Praise)), (Some(fraud), Some(churn), None));
        assert_eq!(
            figures.overall,
            ClassFigures { precision: 2.0 / 3.0, recall: 2.0 / 3.0, f1: 2.0 / 3.0, support: 3 }
        );
        let text = table(&figures);
        assert!(text.contains("fraud") && text.contains("0.500") && text.contains("4 texts"), "{text}");
    }

    #[test]
    fn a_file_names_signals_in_its_label_column() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.csv");
        std::fs::write(&path, "text,label\n\"my card, stolen\",fraud churn\nhello,-\n").unwrap();
        let rows = read_csv(&path).unwrap();
        assert_eq!(rows[0], ("my card, stolen".to_owned(), vec![SignalKind::Fraud, SignalKind::Churn]));
        assert_eq!(rows[1].1, []);
        for (content, said) in [
            ("text,label\nx,frod\n", "line 2: no signal is called `frod`"),
            ("text,signal\nx,fraud\n", "header must be text,label"),
            ("text,label\n", "no rows"),
        ] {
            std::fs::write(&path, content).unwrap();
            assert!(read_csv(&path).unwrap_err().to_string().contains(said), "{said}");
        }
    }

    #[test]
    fn mistakes_say_what_was_missed_and_what_was_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.csv");
        write(&path, &[judged(&[SignalKind::Fraud], &[SignalKind::Churn]), judged(&[], &[])]).unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "text,missed,wrong\n\"a, b\",fraud,churn\n");
    }
}
