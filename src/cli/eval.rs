//! `smista eval`: how well the model does on a labelled file.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::ValueEnum;
use comfy_table::{CellAlignment, Table, presets};

use super::{Hinted, Outcome, WrongUse, eval_signals, setup};
use crate::config::Config;
use crate::nlp::analyzer::Model;
use crate::nlp::custom::CustomIntents;
use crate::nlp::engine::Engine;
use crate::training::evaluate::{
    self, Labelled, custom_labels, evaluate, evaluate_custom, read_csv, read_custom, read_development,
};
use crate::training::metrics::{Figures, Judged, figures};

/// Measure the model on labelled texts.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The file is CSV with the header text,label; a label of signals is their names parted by spaces, or -.\n\nExamples:\n  smista eval --task intent --data labelled.csv\n  smista eval --task sentiment --data labelled.csv --json | jq .macro_f1\n  smista eval --task stage --data models/data --language it\n  smista eval --task signals --data models/data\n  smista eval --task intent --data labelled.csv --intents my-intents"
)]
pub struct Args {
    /// What to judge
    #[arg(long, value_name = "TASK")]
    pub task: Task,
    /// CSV with the header text,label; or a folder of labelled examples, whose development part is judged
    #[arg(long, value_name = "FILE|DIR")]
    pub data: PathBuf,
    /// Only examples of this language, of a folder
    #[arg(long, value_name = "CODE", value_parser = ["en", "it"])]
    pub language: Option<String>,
    /// Folder of the model pack [default: that of the configuration]
    #[arg(long, value_name = "DIR")]
    pub pack: Option<PathBuf>,
    /// Judge the custom intents in this folder alone, with --task intent; what is labelled other or oos is outside them
    #[arg(long, value_name = "DIR")]
    pub intents: Option<PathBuf>,
    /// Write the texts that came out wrong here, as CSV: text,label,predicted,confidence (signals: text,missed,wrong)
    #[arg(long, value_name = "FILE")]
    pub mistakes: Option<PathBuf>,
    /// Print one JSON object: accuracy, macro_f1, ece, per_class, confusion, calibration
    #[arg(long)]
    pub json: bool,
}

/// The tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Task {
    /// negative, neutral, positive
    Sentiment,
    /// The first intent; abstaining counts as other
    Intent,
    /// The journey stage; none counts as -
    Stage,
    /// What cues and model find together
    Signals,
}

/// Judges the file and prints the figures.
pub async fn run(args: Args, mut config: Config) -> anyhow::Result<Outcome> {
    if let Some(pack) = &args.pack {
        config.engine.pack.clone_from(pack);
    }
    if args.intents.is_some() && args.task != Task::Intent {
        return Err(WrongUse("--intents goes with --task intent".to_owned()).into());
    }
    let json = args.json;
    let task = match args.task {
        Task::Sentiment => evaluate::Task::Sentiment,
        Task::Intent => evaluate::Task::Intent,
        Task::Stage => evaluate::Task::Stage,
        Task::Signals => {
            let figures =
                eval_signals::judge(&config, &args.data, args.language.as_deref(), args.mistakes.as_deref())
                    .await?;
            let text =
                if json { serde_json::to_string_pretty(&figures)? } else { eval_signals::table(&figures) };
            writeln!(anstream::stdout(), "{text}")?;
            return Ok(Outcome::Done);
        }
    };
    let (done, result) = tokio::sync::oneshot::channel();
    let judge = move || done.send(judge(task, &args, &config));
    std::thread::Builder::new().name("eval".to_owned()).spawn(judge)?;
    let figures = result.await.context("the evaluation ended without an answer")??;
    if json {
        writeln!(anstream::stdout(), "{}", serde_json::to_string_pretty(&figures)?)?;
    } else {
        writeln!(anstream::stdout(), "{}", table(&figures))?;
    }
    Ok(Outcome::Done)
}

fn judge(task: evaluate::Task, args: &Args, config: &Config) -> anyhow::Result<Figures> {
    let Reader { model, mut engine } = reader(config)?;
    if let Some(dir) = &args.intents {
        return judge_custom(args, dir, &model, engine.as_mut());
    }
    let heads = &model.heads;
    let labels = task.labels(heads);
    let rows = if args.data.is_dir() {
        read_development(&args.data, task, args.language.as_deref(), heads)?
    } else {
        read_csv(&args.data, &labels)?
    };
    let judged = evaluate(task, &args.data, &rows, heads, model.windows.as_ref(), engine.as_mut())?;
    finish(args, &labels, &rows, &judged)
}

fn judge_custom(args: &Args, dir: &Path, model: &Model, engine: &mut dyn Engine) -> anyhow::Result<Figures> {
    let intents = CustomIntents::open(dir, &model.version).context(Hinted::new(
        format!("the custom intents {} cannot be used", dir.display()),
        "name a folder that `smista intents fit` wrote for this model pack",
    ))?;
    let labels = custom_labels(&intents);
    let rows = read_custom(&args.data, &labels)?;
    let judged = evaluate_custom(&args.data, &rows, &intents, model.windows.as_ref(), engine)?;
    finish(args, &labels, &rows, &judged)
}

fn finish(args: &Args, labels: &[String], rows: &[Labelled], judged: &[Judged]) -> anyhow::Result<Figures> {
    if let Some(path) = &args.mistakes {
        write_mistakes(path, labels, rows, judged)
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(figures(labels, judged))
}

fn write_mistakes(
    path: &Path,
    labels: &[String],
    rows: &[Labelled],
    judged: &[Judged],
) -> anyhow::Result<()> {
    let mut file = csv::Writer::from_path(path)?;
    file.write_record(["text", "label", "predicted", "confidence"])?;
    for (row, judged) in rows.iter().zip(judged).filter(|(_, judged)| judged.truth != judged.predicted) {
        let name = |label: usize| labels.get(label).map_or("", String::as_str);
        let confidence = format!("{:.3}", judged.confidence);
        file.write_record([&row.text, name(judged.truth), name(judged.predicted), &confidence])?;
    }
    Ok(file.flush()?)
}

/// An engine to be asked directly, and what its answers mean.
pub(super) struct Reader {
    pub(super) model: Model,
    pub(super) engine: Box<dyn Engine>,
}

/// Loads the configured engine on this thread.
pub(super) fn reader(config: &Config) -> anyhow::Result<Reader> {
    let (model, mut build) = setup::model(config)?;
    let engine = build().map_err(|error| setup::engine_error(config, error))?;
    Ok(Reader { model, engine })
}

const CONFUSIONS: usize = 12;
const BAR: usize = 20;

/// What a person reads: per class, what is taken for what, and how far confidence can be trusted.
fn table(figures: &Figures) -> String {
    let number = |value: f64| format!("{value:.3}");
    let mut classes = rows(["label", "precision", "recall", "F1", "texts"]);
    for (label, class) in &figures.per_class {
        classes.add_row([
            label.clone(),
            number(class.precision),
            number(class.recall),
            number(class.f1),
            class.support.to_string(),
        ]);
    }
    align(&mut classes, 1);
    let mut text = format!("{classes}\n");
    if !figures.confusion.is_empty() {
        let mut confused = rows(["should be", "was", "texts"]);
        for pair in figures.confusion.iter().take(CONFUSIONS) {
            confused.add_row([pair.label.clone(), pair.predicted.clone(), pair.count.to_string()]);
        }
        align(&mut confused, 2);
        let _ = writeln!(text, "\nTaken for something else\n{confused}");
        if let Some(left @ 1..) = figures.confusion.len().checked_sub(CONFUSIONS) {
            let _ = writeln!(text, "and {left} rarer pairs (--json lists all)");
        }
    }
    let mut trust = rows(["confidence", "texts", "mean", "right", ""]);
    for bin in &figures.calibration {
        let bar = "█".repeat((bin.accuracy * BAR as f64).round() as usize);
        trust.add_row([
            format!("{:.1}–{:.1}", bin.from, bin.to),
            bin.count.to_string(),
            number(bin.confidence),
            number(bin.accuracy),
            bar,
        ]);
    }
    align(&mut trust, 1);
    if let Some(bars) = trust.column_mut(4) {
        bars.set_cell_alignment(CellAlignment::Left);
    }
    let _ = writeln!(text, "\nConfidence against what is right\n{trust}");
    let _ = write!(
        text,
        "{} texts: accuracy {:.3}, macro F1 {:.3}, calibration error {:.3}",
        figures.rows, figures.accuracy, figures.macro_f1, figures.ece
    );
    text
}

fn rows<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_header(header);
    table
}

/// Numbers stand right, from this column on.
fn align(table: &mut Table, numbers: usize) {
    for column in table.column_iter_mut().skip(numbers) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_shows_every_class_and_the_sums() {
        let labels = ["negative", "neutral"].map(String::from);
        let judged = [
            Judged { truth: 0, predicted: 0, confidence: 0.9 },
            Judged { truth: 1, predicted: 0, confidence: 0.6 },
        ];
        let text = table(&figures(&labels, &judged));
        assert!(text.contains("negative") && text.contains("neutral"), "{text}");
        assert!(text.contains("2 texts: accuracy 0.500"), "{text}");
        assert!(text.contains("neutral   ┆ negative") || text.contains("neutral     negative"), "{text}");
        assert!(text.contains("0.9–1.0"), "{text}");
    }

    #[test]
    fn mistakes_are_listed_with_both_labels() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.csv");
        let row = |text: &str| Labelled { text: text.to_owned(), label: 0, line: 2 };
        let judged = [
            Judged { truth: 0, predicted: 0, confidence: 0.9 },
            Judged { truth: 0, predicted: 1, confidence: 0.6 },
        ];
        write_mistakes(&path, &["a".to_owned(), "b".to_owned()], &[row("fine"), row("no, not")], &judged)
            .unwrap();
        assert_eq!(
            std::fs::read_to_string(path).unwrap(),
            "text,label,predicted,confidence\n\"no, not\",a,b,0.600\n"
        );
    }

    #[test]
    fn json_has_the_keys_that_scripts_read() {
        let labels = ["negative".to_owned()];
        let judged = [Judged { truth: 0, predicted: 0, confidence: 0.9 }];
        let value = serde_json::to_value(figures(&labels, &judged)).unwrap();
        for key in ["accuracy", "macro_f1", "ece", "per_class"] {
            assert!(value.get(key).is_some(), "{key}");
        }
        for key in ["precision", "recall", "f1", "support"] {
            assert!(value["per_class"]["negative"].get(key).is_some(), "{key}");
        }
    }
}
