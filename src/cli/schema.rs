//! `smista schema`: the wire formats in machine form, made from the types that read and write them.

use std::io::Write as _;

use anyhow::Context as _;
use clap::ValueEnum;

use super::{Outcome, asyncapi};
use crate::broker::topology::Topology;
use crate::config::Config;
use crate::store::CorrectionMessage;
use crate::{interaction, routing};

/// Print the JSON Schema or AsyncAPI document of what arrives and leaves.
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "Examples:\n  smista schema interaction > interaction.schema.json\n  smista schema decision | jq .required\n  smista schema asyncapi > asyncapi.json"
)]
pub struct Args {
    /// Which document
    #[arg(value_enum, default_value_t = Which::Asyncapi)]
    pub which: Which,
}

/// The documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Which {
    /// JSON Schema of smista.interaction.v1
    Interaction,
    /// JSON Schema of smista.decision.v1
    Decision,
    /// JSON Schema of smista.correction.v1
    Correction,
    /// AsyncAPI 3.0: the exchanges of this configuration with all of them
    Asyncapi,
}

/// Prints it.
pub async fn run(args: Args, config: Config) -> anyhow::Result<Outcome> {
    let document = match args.which {
        Which::Interaction => interaction::schema(),
        Which::Decision => routing::schema().to_value(),
        Which::Correction => schemars::schema_for!(CorrectionMessage).to_value(),
        Which::Asyncapi => asyncapi::document(&Topology::of(&config.broker)),
    };
    let text = serde_json::to_string_pretty(&document).context("the document cannot be written as JSON")?;
    writeln!(anstream::stdout(), "{text}")?;
    Ok(Outcome::Done)
}
