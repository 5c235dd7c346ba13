//! `smista schema`: the wire formats in machine form, made from the types that read and write them.

use std::io::Write as _;

use anyhow::Context as _;
use clap::ValueEnum;

use super::Outcome;
use crate::config::Config;
use crate::{interaction, routing};

/// Print the JSON Schema or AsyncAPI document of what arrives and leaves.
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "Examples:\n  smista schema interaction > interaction.schema.json\n  smista schema decision | jq .required"
)]
pub struct Args {
    /// Which document
    #[arg(value_enum)]
    pub which: Which,
}

/// The documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Which {
    /// JSON Schema of smista.interaction.v1
    Interaction,
    /// JSON Schema of smista.decision.v1
    Decision,
}

/// Prints it.
pub async fn run(args: Args, _config: Config) -> anyhow::Result<Outcome> {
    let document = match args.which {
        Which::Interaction => interaction::schema(),
        Which::Decision => routing::schema().to_value(),
    };
    let text = serde_json::to_string_pretty(&document).context("the document cannot be written as JSON")?;
    writeln!(anstream::stdout(), "{text}")?;
    Ok(Outcome::Done)
}
