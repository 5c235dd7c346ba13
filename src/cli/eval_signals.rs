//! `smista eval --task signals`: which signals the analysis as a whole finds, cues and head together, on the development
//! part of a folder of examples.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use comfy_table::{CellAlignment, Table, presets};
use futures::stream::{self, StreamExt as _};
use serde::Serialize;

use super::setup;
use crate::config::Config;
use crate::interaction::{Channel, sample};
use crate::nlp::labels::SignalKind;
use crate::training::examples::{Example, read_folder};
use crate::training::metrics::ClassFigures;

/// Texts analysed at the same time.
const AT_ONCE: usize = 64;

/// What was found against what should have been.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Texts judged.
    pub rows: usize,
    /// By signal, of those that occur.
    pub per_signal: BTreeMap<String, ClassFigures>,
}

/// A text with the signals it has and those that were found.
struct Judged {
    text: String,
    truth: Vec<SignalKind>,
    found: Vec<SignalKind>,
}

/// Analyses the development examples of `folder`; writes what came out wrong to `mistakes`, if given.
pub async fn judge(
    config: &Config,
    folder: &Path,
    language: Option<&str>,
    mistakes: Option<&Path>,
) -> anyhow::Result<Figures> {
    let wanted = |example: &Example| {
        example.development && language.is_none_or(|language| example.language == language)
    };
    let examples: Vec<Example> = read_folder(folder)?.into_iter().filter(wanted).collect();
    let analyzer = setup::analyzer(config).await?;
    let judge = |example: Example| {
        let analyzer = &analyzer;
        async move {
            let truth = example.row.target.signals.unwrap_or_default();
            let truth = truth.into_iter().filter_map(|at| SignalKind::ALL.get(at).copied()).collect();
            let found = analyzer.analyze(&sample(Channel::Chat, &example.row.text)?).await?;
            let found = found.signals.iter().map(|signal| signal.name).collect();
            Ok::<_, anyhow::Error>(Judged { text: example.row.text, truth, found })
        }
    };
    let judged: Vec<anyhow::Result<Judged>> =
        stream::iter(examples).map(judge).buffered(AT_ONCE).collect().await;
    let judged = judged.into_iter().collect::<anyhow::Result<Vec<Judged>>>()?;
    if let Some(path) = mistakes {
        write(path, &judged).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(figures(&judged))
}

fn figures(judged: &[Judged]) -> Figures {
    let mut per_signal = BTreeMap::new();
    for kind in SignalKind::ALL {
        let count = |wanted: fn(bool, bool) -> bool| {
            judged.iter().filter(|one| wanted(one.truth.contains(kind), one.found.contains(kind))).count()
        };
        let (both, found) = (count(|truth, found| truth && found), count(|_, found| found));
        let support = count(|truth, _| truth);
        if support + found > 0 {
            let (precision, recall) = (share(both, found), share(both, support));
            let f1 = share(2 * both, found + support);
            per_signal.insert(kind.to_string(), ClassFigures { precision, recall, f1, support });
        }
    }
    Figures { rows: judged.len(), per_signal }
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
    for (signal, class) in &figures.per_signal {
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
        let text = table(&figures);
        assert!(text.contains("fraud") && text.contains("0.500") && text.contains("4 texts"), "{text}");
    }

    #[test]
    fn mistakes_say_what_was_missed_and_what_was_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.csv");
        write(&path, &[judged(&[SignalKind::Fraud], &[SignalKind::Churn]), judged(&[], &[])]).unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "text,missed,wrong\n\"a, b\",fraud,churn\n");
    }
}
