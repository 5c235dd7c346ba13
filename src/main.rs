//! The program: parses the command line, builds the runtime, and turns the outcome into an exit code.

use std::process::ExitCode;

use clap::Parser;
use smista::cli::{self, Cli};

fn main() -> ExitCode {
    let cli = Cli::parse();
    cli.global.color.apply();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("smista").build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            return cli::report(&anyhow::Error::new(error).context("the async runtime cannot start"));
        }
    };
    match runtime.block_on(cli::dispatch(cli)) {
        Ok(outcome) => outcome.into(),
        Err(error) => cli::report(&error),
    }
}
