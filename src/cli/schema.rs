//! `smista schema`: the wire formats in machine form, made from the types that read and write them.

use std::io::Write as _;

use anyhow::Context as _;
use clap::ValueEnum;

use super::Outcome;
use crate::config::Config;
use crate::routing::Decision;

/// Print the JSON Schema of what arrives or leaves.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  smista schema decision > decision.schema.json\n  smista schema decision | jq .required"
)]
pub struct Args {
    /// Which document
    #[arg(value_enum)]
    pub which: Which,
}

/// The documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Which {
    /// JSON Schema of smista.decision.v1
    Decision,
}

/// Prints it.
pub async fn run(args: Args, _config: Config) -> anyhow::Result<Outcome> {
    let document = match args.which {
        Which::Decision => schemars::schema_for!(Decision).to_value(),
    };
    let text = serde_json::to_string_pretty(&document).context("the schema cannot be written as JSON")?;
    writeln!(anstream::stdout(), "{text}")?;
    Ok(Outcome::Done)
}
