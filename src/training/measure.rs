//! Judges a pack on labelled rows through the engine that will serve it.

use std::collections::BTreeMap;
use std::path::Path;

use super::TrainError;
use super::metrics::{Judged, figures};
use super::pack::calibrate_heads;
use super::target::{Row, StageTarget, Target};
use crate::nlp::cues::Cues;
use crate::nlp::decode::{decode, sigmoid};
use crate::nlp::engine::{Engine, WindowOutput};
use crate::nlp::labels::{INTENTS, NONE};
use crate::nlp::pack::{Heads, Pack};
use crate::nlp::tokens::Tokens;
use crate::nlp::torch::{TorchEngine, TorchOptions};

/// A labelled row with what the engine says about it.
pub(super) struct Answered<'a> {
    row: &'a Row,
    language: &'a str,
    pub output: WindowOutput,
    /// Names of the signals that cue rules find.
    pub cues: Vec<String>,
}

impl Answered<'_> {
    pub(super) fn target(&self) -> &Target {
        &self.row.target
    }
}

/// Runs rows, each with its language, through a pack; a text of several windows counts by its first, as in training.
pub(super) fn answer<'a>(
    pack: &Path,
    rows: impl IntoIterator<Item = (&'a Row, &'a str)>,
) -> Result<Vec<Answered<'a>>, TrainError> {
    let pack = Pack::open(pack)?;
    let tokens = Tokens::load(&pack)?;
    let mut engine = TorchEngine::load(&pack, TorchOptions::default())?;
    let (mut kept, mut windows) = (Vec::new(), Vec::new());
    for (row, language) in rows {
        let read = tokens.windows(&row.text).map_err(|error| TrainError::Tokenizer(error.to_string()))?;
        if let Some(window) = read.into_iter().next() {
            kept.push((row, language));
            windows.push(window);
        }
    }
    let cues = Cues::new(&["en".to_owned(), "it".to_owned()])
        .map_err(|error| TrainError::content(&pack.dir, error))?;
    let outputs = engine.infer(&windows);
    kept.into_iter()
        .zip(outputs)
        .map(|((row, language), output)| match output {
            Ok(output) => {
                let found = cues.find(&row.text).into_iter().filter_map(|cue| cue.signal);
                let cues = found.map(|signal| signal.as_str().to_owned()).collect();
                Ok(Answered { row, language, output, cues })
            }
            Err(error) => Err(TrainError::content(&pack.dir, error)),
        })
        .collect()
}

/// Figures by task and language, such as `intent.dev-it`.
pub(super) type Results = BTreeMap<String, BTreeMap<String, f64>>;

/// Temperatures and thresholds are fitted on one half of the development examples and judged on the other, and the
/// other way round, so that the figures are of texts which no part of the model has seen.
pub(super) fn cross_fitted(heads: &Heads, answered: &[&Answered<'_>]) -> Results {
    let mut judged: BTreeMap<(String, &str), Tally> = BTreeMap::new();
    for half in 0..2 {
        let (rest, own): (Vec<_>, Vec<_>) =
            answered.iter().enumerate().partition(|(number, _)| number % 2 == half);
        let rest: Vec<&Answered<'_>> = rest.into_iter().map(|(_, row)| *row).collect();
        let mut heads = heads.clone();
        calibrate_heads(&mut heads, &rest);
        for (_, row) in own {
            judge(&heads, row, &mut judged);
        }
    }
    summaries(heads, judged)
}

/// The same with the temperatures and thresholds that `heads` have.
pub(super) fn as_they_are(heads: &Heads, answered: &[Answered<'_>]) -> Results {
    let mut judged = BTreeMap::new();
    for row in answered {
        judge(heads, row, &mut judged);
    }
    summaries(heads, judged)
}

fn summaries(heads: &Heads, judged: BTreeMap<(String, &str), Tally>) -> Results {
    let mut stages = heads.stage.labels.clone();
    if !stages.iter().any(|label| label == NONE) {
        stages.push(NONE.to_owned());
    }
    judged
        .into_iter()
        .map(|((language, task), tally)| {
            let labels = match task {
                "sentiment" | "sentiment-of-posts" => &heads.sentiment.labels,
                "stage" => &stages,
                "emotions" => &heads.emotions.labels,
                "signals" => &heads.signals.labels,
                _ => &heads.intents.labels,
            };
            (format!("{task}.dev-{language}"), tally.summary(labels))
        })
        .collect()
}

/// What is counted of one task in one language.
#[derive(Default)]
struct Tally {
    judged: Vec<Judged>,
    /// Right, wrong and missed labels of a head with independent labels.
    independent: Option<[usize; 3]>,
    /// Texts that got an answer, and those of them that got the right one.
    answered: Option<[usize; 2]>,
    /// Texts outside every intent, and those of them that were told so.
    outside: Option<[usize; 2]>,
}

impl Tally {
    fn summary(&self, labels: &[String]) -> BTreeMap<String, f64> {
        let share = |part: usize, whole: usize| rounded(part as f64 / whole.max(1) as f64);
        let figures = figures(labels, &self.judged);
        let mut summary = BTreeMap::from([
            ("rows".to_owned(), figures.rows as f64),
            ("accuracy".to_owned(), rounded(figures.accuracy)),
            ("macro_f1".to_owned(), rounded(figures.macro_f1)),
            ("ece".to_owned(), rounded(figures.ece)),
        ]);
        if let Some([right, wrong, missed]) = self.independent {
            summary.remove("accuracy");
            summary.remove("macro_f1");
            summary.insert("precision".to_owned(), share(right, right + wrong));
            summary.insert("recall".to_owned(), share(right, right + missed));
        }
        if let Some([answered, right]) = self.answered {
            summary.insert("answered".to_owned(), share(answered, figures.rows));
            summary.insert("accuracy_when_answered".to_owned(), share(right, answered));
        }
        if let Some([outside, told]) = self.outside {
            summary.insert("out_of_scope_recall".to_owned(), share(told, outside));
        }
        summary
    }
}

fn judge(heads: &Heads, row: &Answered<'_>, judged: &mut BTreeMap<(String, &'static str), Tally>) {
    let language = row.language.to_owned();
    let decoded = decode(heads, &row.output);
    let mut tally = |task: &'static str, one: Judged| {
        let tally = judged.entry((language.clone(), task)).or_default();
        tally.judged.push(one);
    };
    if let Some(truth) = row.target().sentiment {
        let (label, confidence) = decoded.sentiment_label();
        let predicted = heads.sentiment.labels.iter().position(|name| name == label.as_str()).unwrap_or(0);
        let task = if row.target().intents.is_some() { "sentiment" } else { "sentiment-of-posts" };
        tally(task, Judged { truth, predicted, confidence });
    }
    let nobody =
        heads.stage.labels.iter().position(|label| label == NONE).unwrap_or(heads.stage.labels.len());
    let truth = match row.target().stage {
        StageTarget::At(label) => Some(label),
        StageTarget::Nobody => Some(nobody),
        StageTarget::Unknown => None,
    };
    if let Some(truth) = truth {
        let best = decoded.stage.and_then(|(label, confidence)| {
            let at = heads.stage.labels.iter().position(|name| name == label.as_str())?;
            Some((at, confidence))
        });
        let (predicted, confidence) = best.unwrap_or((nobody, heads.stage.abstention_confidence));
        tally("stage", Judged { truth, predicted, confidence });
    }
    if let Some(labels) = row.target().intents.as_deref() {
        let other = INTENTS.iter().position(|label| *label == "other").unwrap_or(0);
        let truth = labels.first().copied().unwrap_or(other);
        let (predicted, confidence) = match decoded.intents.first() {
            Some((name, confidence)) => {
                (INTENTS.iter().position(|label| label == name).unwrap_or(other), *confidence)
            }
            None => (other, heads.intents.abstention_confidence),
        };
        tally("intent", Judged { truth, predicted, confidence });
        let either = if labels.contains(&predicted) { predicted } else { truth };
        tally("intent-any-of-its-labels", Judged { truth: either, predicted, confidence });
        let tally = judged.entry((language.clone(), "intent")).or_default();
        let answered = tally.answered.get_or_insert_default();
        if predicted != other {
            answered[0] += 1;
            answered[1] += usize::from(predicted == truth);
        }
        let outside = tally.outside.get_or_insert_default();
        if truth == other {
            outside[0] += 1;
            outside[1] += usize::from(predicted == other);
        }
    }
    let independent = [
        ("emotions", &heads.emotions, &row.output.emotions, &row.target().emotions),
        ("signals", &heads.signals, &row.output.signals, &row.target().signals),
    ];
    for (task, head, logits, truth) in independent {
        let Some(truth) = truth else { continue };
        let tally = judged.entry((language.clone(), task)).or_default();
        let [right, wrong, missed] = tally.independent.get_or_insert_default();
        for (label, probability) in sigmoid(head, logits).into_iter().enumerate() {
            let cued = task == "signals" && row.cues.iter().any(|cue| *cue == head.labels[label]);
            let backed = cued && probability >= head.with_cue.get(label).copied().unwrap_or_default();
            let said =
                backed || head.thresholds.get(label).is_some_and(|threshold| probability >= *threshold);
            let due = truth.contains(&label);
            *right += usize::from(said && due);
            *wrong += usize::from(said && !due);
            *missed += usize::from(due && !said);
            // The calibration error is that of the probability of each label.
            let truth = if due { label } else { usize::MAX };
            tally.judged.push(Judged { truth, predicted: label, confidence: probability });
        }
    }
}

pub(super) fn rounded(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}
