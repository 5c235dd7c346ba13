//! `smista intents`: intents of the user's own, fitted on labelled examples.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Subcommand;
use comfy_table::{CellAlignment, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};

use super::eval::{Reader, reader};
use super::style::{self, paint};
use super::{Hinted, Outcome, WrongUse};
use crate::config::Config;
use crate::nlp::custom::{CustomIntents, Manifest};
use crate::training::encode::encode;
use crate::training::fit::background;
use crate::training::fit::read::{Sheet, read_sheet};
use crate::training::fit::{Confusion, Task, fit_intents};

/// The same examples and pack give the same folder.
const SEED: u64 = 17;
/// Pairs shown of what is taken for what.
const PAIRS: usize = 10;
/// Warnings shown in full.
const WARNINGS: usize = 20;

/// Intents of your own, from examples.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  smista intents fit --examples examples.csv --output my-intents\n  smista intents show my-intents"
)]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub action: Action,
}

/// What can be done with them.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Fit intents to a file of examples; the language model stays as it is
    Fit(FitArgs),
    /// Show what a folder of fitted intents holds
    Show(ShowArgs),
}

/// `smista intents fit`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The file is CSV with the header text,label: at least 2 examples of each intent, 5 to 10 for a start, more for better.\nRows labelled other or oos are examples of what is none of them, which sharpens what is refused.\n\nExamples:\n  smista intents fit --examples examples.csv --output my-intents\n  smista intents fit --examples examples.csv --output my-intents --json | jq .figures.accuracy\n  SMISTA_INTENTS__CUSTOM=my-intents smista analyze --text \"I would like to book a test drive\""
)]
pub struct FitArgs {
    /// CSV with the header text,label
    #[arg(long, value_name = "FILE")]
    pub examples: PathBuf,
    /// Folder to write intents.toml and intents.safetensors to
    #[arg(long, value_name = "DIR")]
    pub output: PathBuf,
    /// Folder of the model pack [default: that of the configuration]
    #[arg(long, value_name = "DIR")]
    pub pack: Option<PathBuf>,
    /// Print one JSON object: labels, figures, confusions, warnings
    #[arg(long)]
    pub json: bool,
}

/// `smista intents show`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  smista intents show my-intents\n  smista intents show my-intents --json"
)]
pub struct ShowArgs {
    /// Folder that `smista intents fit` wrote
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Print the manifest as JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs it.
pub async fn run(args: Args, mut config: Config) -> anyhow::Result<Outcome> {
    match args.action {
        Action::Show(args) => show(&args),
        Action::Fit(args) => {
            if let Some(pack) = &args.pack {
                config.engine.pack.clone_from(pack);
            }
            if args.output.is_file() {
                return Err(
                    WrongUse(format!("--output {} is a file; name a folder", args.output.display())).into()
                );
            }
            let (done, result) = tokio::sync::oneshot::channel();
            std::thread::Builder::new()
                .name("fit".to_owned())
                .spawn(move || done.send(fit(&args, &config)))?;
            result.await.context("the fit ended without an answer")?
        }
    }
}

fn fit(args: &FitArgs, config: &Config) -> anyhow::Result<Outcome> {
    let begun = Instant::now();
    let sheet = read_sheet(&args.examples).context(Hinted::new(
        "the examples cannot be used",
        "`smista intents fit --help` shows what the file holds",
    ))?;
    warn(&sheet)?;
    let Reader { model, mut engine } = reader(config)?;
    let outside = background::texts(sheet.rows.iter().map(|row| row.text.as_str()))?;
    let texts: Vec<(&str, usize)> = sheet
        .rows
        .iter()
        .map(|row| (row.text.as_str(), row.line))
        .chain(outside.iter().map(|text| (*text, 0)))
        .collect();
    let bar = bar("reading", texts.len());
    let vectors = encode(&args.examples, &texts, model.windows.as_ref(), engine.as_mut(), &mut |done, _| {
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    let read = begun.elapsed();
    let generic: Vec<usize> = (sheet.rows.len()..texts.len()).collect();
    let own: Vec<usize> = (0..sheet.rows.len()).collect();
    let (generic, vectors) = (vectors.select(&generic), vectors.select(&own));
    let classes: Vec<Option<usize>> = sheet.rows.iter().map(|row| row.class).collect();
    let told: Vec<&str> = sheet.rows.iter().map(|row| row.text.as_str()).collect();
    let task = Task {
        labels: &sheet.labels,
        vectors: &vectors,
        classes: &classes,
        background: &generic,
        texts: &told,
        background_texts: &outside,
        pack: &model.version,
        seed: SEED,
    };
    let bar = self::bar("fitting", 1);
    let outcome = fit_intents(task, &mut |done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    outcome.intents.write(&args.output)?;
    if args.json {
        let report = serde_json::json!({
            "output": args.output,
            "version": outcome.intents.version,
            "pack": model.version,
            "labels": sheet.labels,
            "figures": outcome.intents.manifest.figures,
            "confusions": outcome.confusions,
            "warnings": sheet.warnings,
            "seconds": { "reading": read.as_secs_f64(), "all": begun.elapsed().as_secs_f64() },
        });
        writeln!(anstream::stdout(), "{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        let mut out = anstream::stdout();
        writeln!(out, "{}", describe(&outcome.intents.manifest, &outcome.confusions))?;
        writeln!(out, "\n{}", next(&args.output, begun.elapsed()))?;
    }
    Ok(Outcome::Done)
}

fn warn(sheet: &Sheet) -> anyhow::Result<()> {
    let mut stderr = anstream::stderr();
    for warning in sheet.warnings.iter().take(WARNINGS) {
        writeln!(stderr, "{} {warning}", paint(style::WARN, "warning:"))?;
    }
    if let Some(more @ 1..) = sheet.warnings.len().checked_sub(WARNINGS) {
        writeln!(stderr, "{} {more} more texts have two labels", paint(style::WARN, "warning:"))?;
    }
    Ok(())
}

fn show(args: &ShowArgs) -> anyhow::Result<Outcome> {
    let intents = CustomIntents::read(&args.folder).context(Hinted::new(
        format!("the custom intents {} cannot be shown", args.folder.display()),
        "name a folder that `smista intents fit` wrote",
    ))?;
    let mut out = anstream::stdout();
    if args.json {
        let shown = serde_json::json!({ "version": intents.version, "manifest": intents.manifest });
        writeln!(out, "{}", serde_json::to_string_pretty(&shown)?)?;
    } else {
        writeln!(out, "{}", describe(&intents.manifest, &[]))?;
        writeln!(out, "version {}\nfitted on {}", intents.version, intents.manifest.pack)?;
    }
    Ok(Outcome::Done)
}

/// On a terminal only.
fn bar(what: &'static str, length: usize) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(length as u64);
    if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:40} {pos}/{len}  {eta} left") {
        bar.set_style(style);
    }
    bar.set_prefix(what);
    bar
}

fn describe(manifest: &Manifest, confusions: &[Confusion]) -> String {
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let mut intents = table(["intent", "examples", "found"]);
    for label in &manifest.labels {
        let own = manifest.figures.per_intent.get(label).copied().unwrap_or_default();
        intents.add_row([label.clone(), own.examples.to_string(), percent(own.recall)]);
    }
    align(&mut intents, 1);
    let figures = &manifest.figures;
    let mut text = format!("{intents}\n");
    if !confusions.is_empty() {
        let mut pairs = table(["taken most often", "for", "examples"]);
        for pair in confusions.iter().take(PAIRS) {
            pairs.add_row([pair.label.clone(), pair.taken_for.clone(), pair.count.to_string()]);
        }
        align(&mut pairs, 2);
        text.push_str(&format!("\n{pairs}\n"));
    }
    text.push_str(&format!(
        "\n{} intents, {} examples, {} outside. On examples the fit had not seen:\n  right      {}\n  answered   {}, of which right {}\n",
        manifest.labels.len(),
        figures.examples,
        figures.outside_examples,
        percent(figures.accuracy),
        percent(figures.coverage),
        percent(figures.answered_accuracy),
    ));
    let mut refused = Vec::new();
    if let Some(share) = figures.outside_rejected {
        refused.push(format!("{} of the examples outside", percent(share)));
    }
    if let Some(share) = figures.generic_rejected {
        refused.push(format!("{} of {} generic texts", percent(share), figures.generic_texts));
    }
    if refused.is_empty() {
        refused.push(format!(
            "{} of the examples of an intent when it is left out: near misses, so a low estimate",
            percent(figures.unseen_rejected)
        ));
    }
    text.push_str(&format!("  refused    {}", refused.join(", ")));
    text
}

fn next(output: &Path, took: Duration) -> String {
    format!(
        "Written to {} in {:.1} s. To use it, in smista.toml:\n\n[intents]\ncustom = {:?}\nmode = \"beside\"   # or \"instead\"",
        output.display(),
        took.as_secs_f64(),
        output.display().to_string(),
    )
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(header);
    table
}

fn align(table: &mut Table, from: usize) {
    for column in table.column_iter_mut().skip(from) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nlp::custom::{Figures, IntentFigures};

    #[test]
    fn the_table_shows_intents_figures_and_what_is_confused() {
        let figures = Figures {
            examples: 12,
            outside_examples: 3,
            accuracy: 0.75,
            coverage: 0.9,
            answered_accuracy: 0.8,
            outside_rejected: Some(2.0 / 3.0),
            generic_texts: 200,
            generic_rejected: Some(0.95),
            unseen_rejected: 0.4,
            per_intent: [("book.visit".to_owned(), IntentFigures { examples: 12, recall: 0.5 })].into(),
        };
        let mut manifest = Manifest {
            format: 1,
            pack: "p".to_owned(),
            weights: String::new(),
            labels: vec!["book.visit".to_owned()],
            temperature: 1.0,
            min_probability: 0.1,
            min_likeness: 0.1,
            figures,
        };
        let pair = Confusion { label: "book.visit".to_owned(), taken_for: "move.visit".to_owned(), count: 4 };
        let text = describe(&manifest, &[pair]);
        for part in
            ["book.visit", "50.0 %", "move.visit", "75.0 %", "90.0 %", "66.7 % of the examples outside"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.contains("95.0 % of 200 generic texts"), "{text}");
        manifest.figures.outside_rejected = None;
        manifest.figures.generic_rejected = None;
        assert!(describe(&manifest, &[]).contains("40.0 % of the examples of an intent"));
    }
}
