//! The program: parses the command line, builds the runtime, and turns the outcome into an exit code.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use clap::error::ErrorKind;
use smista::cli::{self, Cli};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.kind() == ErrorKind::DisplayVersion => {
            return cli::version::answer(std::env::args_os());
        }
        Err(error) => error.exit(),
    };
    cli.global.color.apply();
    // The default hook prints the panic's message, which may quote what a customer wrote.
    std::panic::set_hook(Box::new(|panic| cli::report_panic(panic.location())));
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("smista").build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            return cli::report(&anyhow::Error::new(error).context("the async runtime cannot start"));
        }
    };
    let code = match runtime.block_on(cli::dispatch(cli)) {
        Ok(outcome) => outcome.into(),
        Err(error) => cli::report(&error),
    };
    // What is still under way is given up, and the engine left in peace before libtorch is unloaded.
    runtime.shutdown_timeout(Duration::from_secs(1));
    smista::nlp::service::wait_for_all(Duration::from_secs(5));
    code
}
