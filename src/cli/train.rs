//! `smista train`: makes a model pack from a base encoder, sentence pairs, public data and the project's examples, in
//! stages that each leave a folder for the next.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Subcommand;
use comfy_table::{Table, presets};
use indicatif::{ProgressBar, ProgressStyle};

use super::Outcome;
use crate::config::Config;
use crate::store;
use crate::training::corrections::{self, Corrections};
use crate::training::examples::{Example, read_folder};
use crate::training::promote::{self, Verdict};
use crate::training::recipe::Recipe;
use crate::training::tune::{self, Own};
use crate::training::{Progress, align, pack, settle, whiten};

/// Train the model pack.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  smista train align --data ~/smista-data --base ~/.cache/smista/all-minilm-l6-v2\n  smista train tune --data ~/smista-data\n  smista train settle --data ~/smista-data\n  smista train pack --output target/candidate\n  smista train promote --candidate target/candidate --current models/core"
)]
pub struct Args {
    /// What is trained on and how
    #[arg(long, global = true, value_name = "FILE", default_value = "models/core/recipe.toml")]
    pub recipe: PathBuf,
    /// The project's labelled examples
    #[arg(long, global = true, value_name = "DIR", default_value = "models/data")]
    pub examples: PathBuf,
    /// Where the stages leave their results
    #[arg(long, global = true, value_name = "DIR", default_value = "target/train")]
    pub work: PathBuf,
    /// Threads of one operator; 0 leaves libtorch's choice
    #[arg(long, global = true, value_name = "N", default_value_t = 0)]
    pub threads: usize,
    /// Which stage
    #[command(subcommand)]
    pub stage: Stage,
}

/// The stages, in order.
#[derive(Debug, Clone, Subcommand)]
pub enum Stage {
    /// Give the encoder Italian word pieces and bring Italian sentences to where their English translations are
    #[command(
        after_help = "Example:\n  smista train align --data ~/smista-data --base ~/.cache/smista/all-minilm-l6-v2"
    )]
    Align {
        /// Folder of the sentence pairs
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        /// Folder of the base encoder (scripts/fetch-base-encoder brings it)
        #[arg(long, value_name = "DIR")]
        base: PathBuf,
    },
    /// Fine-tune encoder and heads on the examples and on public data
    #[command(after_help = "Example:\n  smista train tune --data ~/smista-data --corrections")]
    Tune {
        /// Folder of the public data sets
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        /// Learn from the supervisors' corrections in the store of the configuration too
        #[arg(long)]
        corrections: bool,
    },
    /// Bring Italian back to where the tuned encoder has English
    #[command(after_help = "Example:\n  smista train settle --data ~/smista-data")]
    Settle {
        /// Folder of the sentence pairs
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
    },
    /// Learn the map that spreads sentence vectors evenly, which brings translations nearer
    #[command(after_help = "Example:\n  smista train whiten --data ~/smista-data")]
    Whiten {
        /// Folder of the sentence pairs
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
    },
    /// Calibrate on the development examples and write the pack
    #[command(after_help = "Example:\n  smista train pack --output target/candidate")]
    Pack {
        /// Folder of the pack
        #[arg(long, value_name = "DIR", default_value = "models/core")]
        output: PathBuf,
    },
    /// Put a candidate pack in the current one's place, unless it is worse on the development examples or on the
    /// corrections held back
    #[command(
        after_help = "Example:\n  smista train promote --candidate target/candidate --current models/core --dry-run"
    )]
    Promote {
        /// Folder of the candidate
        #[arg(long, value_name = "DIR")]
        candidate: PathBuf,
        /// Folder of the pack that it would replace; kept beside it as DIR.previous
        #[arg(long, value_name = "DIR", default_value = "models/core")]
        current: PathBuf,
        /// Judge by the supervisors' corrections in the store of the configuration too
        #[arg(long)]
        corrections: bool,
        /// Only say what would happen
        #[arg(long)]
        dry_run: bool,
    },
}

/// Runs one stage on a thread of its own: libtorch keeps away from tokio's.
pub async fn run(args: Args, config: Config) -> anyhow::Result<Outcome> {
    let corrections = match &args.stage {
        Stage::Tune { corrections: true, .. } | Stage::Promote { corrections: true, .. } => {
            let corrected = store::open(&config.store).await?.corrections().await?;
            let corrections = corrections::split(&corrected);
            for (message, reason) in &corrections.left_out {
                anstream::eprintln!("left out: the correction of {message}: {reason}");
            }
            let (train, held) = (corrections.train.len(), corrections.held_back.len());
            anstream::eprintln!("corrections: {train} to train on, {held} held back to judge by");
            corrections
        }
        _ => Corrections::default(),
    };
    let (done, result) = tokio::sync::oneshot::channel();
    let work = move || done.send(stage(&args, &corrections));
    std::thread::Builder::new().name("train".to_owned()).spawn(work)?;
    result.await.context("the training thread ended without an answer")?
}

fn stage(args: &Args, corrections: &Corrections) -> anyhow::Result<Outcome> {
    let recipe = Recipe::read(&args.recipe)?;
    let examples = read_folder(&args.examples)?;
    if args.threads > 0 {
        tch::set_num_threads(i32::try_from(args.threads).context("--threads is too large")?);
    }
    let [aligned, tuned, settled] = ["aligned", "tuned", "settled"].map(|stage| args.work.join(stage));
    let last = if recipe.settle.is_some() { &settled } else { &tuned };
    match &args.stage {
        Stage::Align { data, base } => {
            let italian = tune::training_texts(&examples, "it");
            let mut show = show("align");
            let result = align::run(&recipe, data, base, &italian, &aligned, &mut show)?;
            anstream::eprintln!(
                "aligned: {} word pieces added, retrieval {:.3} (before {:.3}); written to {}",
                result.pieces,
                result.retrieval,
                result.retrieval_before,
                aligned.display()
            );
        }
        Stage::Tune { data, .. } => {
            let mut show = show("tune");
            let own = Own { examples: &examples, corrections: &corrections.train };
            let result = tune::run(&recipe, data, own, &aligned, &tuned, &mut show)?;
            for data in &result.data {
                anstream::eprintln!("{:>7} rows of {}", data.rows, data.name);
            }
            anstream::eprintln!("tuned in {} steps; written to {}", result.steps, tuned.display());
        }
        Stage::Settle { data } => {
            let mut show = show("settle");
            let result = settle::run(&recipe, data, &examples, &tuned, &settled, &mut show)?;
            anstream::eprintln!(
                "settled: retrieval {:.3} (before {:.3}); written to {}",
                result.settled.unwrap_or_default(),
                result.retrieval,
                settled.display()
            );
        }
        Stage::Whiten { data } => {
            let result = whiten::run(&recipe, data, last)?;
            anstream::eprintln!(
                "whitened: retrieval {:.3} (before {:.3}); in {}",
                result.whitened.unwrap_or_default(),
                result.settled.unwrap_or(result.retrieval),
                last.display()
            );
        }
        Stage::Pack { output } => {
            write_pack(&recipe, &examples, &aligned, last, output)?;
        }
        Stage::Promote { candidate, current, dry_run, .. } => {
            let verdict = promote::compare(&examples, &corrections.held_back, current, candidate)?;
            return decide(&verdict, current, candidate, *dry_run);
        }
    }
    Ok(Outcome::Done)
}

fn decide(verdict: &Verdict, current: &Path, candidate: &Path, dry_run: bool) -> anyhow::Result<Outcome> {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_header([
        "accuracy",
        "current",
        "candidate",
        "change",
    ]);
    for one in &verdict.compared {
        let change = one.candidate - one.current;
        table.add_row([
            one.name.clone(),
            format!("{:.3}", one.current),
            format!("{:.3}", one.candidate),
            format!("{change:+.3}"),
        ]);
    }
    writeln!(anstream::stdout(), "{table}")?;
    if !verdict.refused.is_empty() {
        for reason in &verdict.refused {
            anstream::eprintln!("worse: {reason}");
        }
        anstream::eprintln!("{} stays: the candidate is worse", current.display());
        return Ok(Outcome::Failed);
    }
    if dry_run {
        anstream::eprintln!("the candidate would take the place of {}", current.display());
        return Ok(Outcome::Done);
    }
    promote::promote(current, candidate)?;
    anstream::eprintln!(
        "promoted: {0} is the candidate now, the former pack is {0}.previous",
        current.display()
    );
    Ok(Outcome::Done)
}

fn write_pack(
    recipe: &Recipe,
    examples: &[Example],
    aligned: &Path,
    tuned: &Path,
    output: &Path,
) -> anyhow::Result<()> {
    let manifest = pack::run(recipe, examples, aligned, tuned, output)?;
    for (name, figures) in &manifest.results {
        if let Some(accuracy) = figures.get("accuracy") {
            let macro_f1 = figures.get("macro_f1").copied().unwrap_or_default();
            anstream::eprintln!("{name:<36} accuracy {accuracy:.3}  macro F1 {macro_f1:.3}");
        }
    }
    anstream::eprintln!("pack written to {}", output.display());
    Ok(())
}

/// A bar with the time left on a terminal, else a line a minute.
fn show(stage: &'static str) -> impl FnMut(Progress) {
    let terminal = std::io::stderr().is_terminal();
    let style = ProgressStyle::with_template("{prefix} {bar:40} {pos}/{len}  {msg}  {eta} left");
    let bar = if terminal { ProgressBar::new(0) } else { ProgressBar::hidden() };
    bar.set_prefix(stage);
    if let Ok(style) = style {
        bar.set_style(style);
    }
    let (begun, mut said) = (Instant::now(), Instant::now());
    move |progress| {
        bar.set_length(progress.steps as u64);
        bar.set_position(progress.step as u64);
        bar.set_message(format!("loss {:.4}", progress.loss));
        let last = progress.step == progress.steps;
        if !terminal && (said.elapsed() > Duration::from_secs(60) || last) {
            said = Instant::now();
            let left = begun.elapsed().as_secs_f64() / progress.step as f64
                * (progress.steps - progress.step) as f64;
            anstream::eprintln!(
                "{stage}: step {} of {}, loss {:.4}, {:.0} s left",
                progress.step,
                progress.steps,
                progress.loss,
                left
            );
        }
        if last {
            bar.finish();
        }
    }
}
