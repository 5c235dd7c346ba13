//! `smista completions`: what a shell needs to complete commands and options.

use std::io::Write as _;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Cli, Outcome};

/// Print what a shell completes commands and options with.
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "Examples:\n  smista completions bash > ~/.local/share/bash-completion/completions/smista\n  smista completions zsh > ~/.zfunc/_smista\n  smista completions fish > ~/.config/fish/completions/smista.fish\n\nThe shell reads it when it starts the next time; for zsh ~/.zfunc has to be in fpath before compinit."
)]
pub struct Args {
    /// Which shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Prints it.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "smista", &mut text);
    anstream::stdout().write_all(&text)?;
    Ok(Outcome::Done)
}
