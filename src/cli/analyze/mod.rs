//! `smista analyze`: JSON lines in, decision lines out, in the same order.
//!
//! Lines are analysed side by side, so that the engine gets full batches, and folded one after the other, so that the
//! messages of a customer take effect in order. At most `--jobs` lines are held at a time, whatever the size of the input.

pub(in crate::cli) mod lines;
mod run;
mod state;

use std::path::PathBuf;

use clap::ValueEnum;

pub use run::run;

use crate::interaction::Channel;

/// Decide JSON lines from a file or standard input.
#[derive(Debug, Clone, clap::Args)]
#[command(
    long_about = "Decide JSON lines from a file or standard input.\n\n\
        Each line is an interaction (see `smista schema interaction`); message_id, conversation_id, schema and sent_at \
        may be left out and are filled in. Each gives one line of output, in the same order: its decision, or \
        {\"line\":N,\"error\":…,\"class\":…} if it cannot be decided; then the exit code is 1. Empty lines are skipped.",
    after_help = "Examples:\n  \
        smista analyze --text \"My parcel never came and nobody answers\"\n  \
        echo '{\"channel\":\"email\",\"text\":\"Vorrei disdire il contratto\"}' | smista analyze\n  \
        smista analyze --explain --text \"Charged twice, and nobody answers\" >/dev/null\n  \
        smista analyze --input messages.jsonl --output decisions.jsonl --state sqlite:customers.db"
)]
pub struct Args {
    /// File of JSON lines [default: standard input]
    #[arg(long, short, value_name = "FILE", conflicts_with = "text")]
    pub input: Option<PathBuf>,
    /// File for the decisions [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Keep customers and decisions in this database, and go on from what is there [default: memory]
    #[arg(long, value_name = "sqlite:FILE")]
    pub state: Option<String>,
    /// Decide this one text, as a chat message unless --channel says otherwise
    #[arg(long, value_name = "TEXT")]
    pub text: Option<String>,
    /// Channel of lines that name none [default: none; such a line is an error]
    #[arg(long, value_name = "CHANNEL", value_enum)]
    pub channel: Option<ChannelArg>,
    /// Decide by this policy
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Explain every decision, and show on standard error which words carried its labels
    #[arg(long)]
    pub explain: bool,
    /// Lines analysed at the same time
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub jobs: u16,
}

/// A channel on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelArg(pub Channel);

impl ValueEnum for ChannelArg {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [ChannelArg; 8] = {
            let mut all = [ChannelArg(Channel::Chat); 8];
            let mut at = 0;
            while at < all.len() {
                all[at] = ChannelArg(Channel::ALL[at]);
                at += 1;
            }
            all
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.0.as_str()))
    }
}
