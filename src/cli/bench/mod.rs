//! `smista bench`: what this machine manages.

mod inference;
mod measure;
mod pipeline;
mod scene;
mod texts;

use std::path::Path;

use super::Outcome;
use crate::config::Config;

/// Measure how fast this machine decides.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  smista bench inference\n  smista bench inference --against reference --against f32\n  smista bench inference --input texts.jsonl --json | jq .messages_per_second\n  smista bench pipeline"
)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Inference(inference::Args),
    Pipeline(pipeline::Args),
}

/// Measures and prints the figures; `file` is the configuration file, which workers read too.
pub async fn run(args: Args, config: Config, file: Option<&Path>) -> anyhow::Result<Outcome> {
    match args.what {
        What::Inference(args) => inference::run(args, config).await,
        What::Pipeline(args) => pipeline::run(args, config, file).await,
    }
}
