//! Where interactions go: JSON lines, or the exchange that producers publish to.

use std::fs::File;
use std::io::{BufWriter, IsTerminal as _, Write};

use anyhow::Context as _;
use indicatif::ProgressBar;

use super::Args;
use super::read::Ready;
use crate::broker::BrokerError;
use crate::broker::amqp::feed::Feed;
use crate::cli::{Hinted, WrongUse, setup};
use crate::config::Config;

/// Where they go.
pub(super) enum Sink {
    Lines { output: Box<dyn Write>, on_screen: bool },
    Broker(Box<Feed>),
}

impl Sink {
    pub(super) async fn open(args: &Args, config: &Config) -> anyhow::Result<Self> {
        if args.publish {
            let feed = Feed::open(&config.broker).await.map_err(|error| stopped(&error, 0))?;
            return Ok(Self::Broker(Box::new(feed)));
        }
        let Some(path) = &args.output else {
            let on_screen = std::io::stdout().is_terminal();
            return Ok(Self::Lines { output: Box::new(BufWriter::new(std::io::stdout().lock())), on_screen });
        };
        let same = |file: &std::path::PathBuf| {
            file.canonicalize().is_ok_and(|file| path.canonicalize().is_ok_and(|output| file == output))
        };
        if args.files.iter().any(same) {
            return Err(WrongUse("--output is one of the files to read".to_owned()).into());
        }
        let file = File::create(path).context(Hinted::new(
            format!("the output {} cannot be opened", path.display()),
            "name a file in a folder that you may write to",
        ))?;
        Ok(Self::Lines { output: Box::new(BufWriter::new(file)), on_screen: false })
    }

    /// Where nothing else is on the screen.
    pub(super) fn progress(&self) -> ProgressBar {
        match self {
            Self::Lines { on_screen: true, .. } => ProgressBar::hidden(),
            _ => setup::counter("interactions"),
        }
    }

    pub(super) async fn take(&mut self, ready: &Ready) -> anyhow::Result<()> {
        match self {
            Self::Lines { output, .. } => {
                writeln!(output, "{}", ready.body).context("the output cannot be written")
            }
            Self::Broker(feed) => {
                let sent = feed.send(&ready.message_id, &ready.key, ready.body.as_bytes()).await;
                sent.map_err(|error| stopped(&error, feed.confirmed()))
            }
        }
    }

    /// Everything is where it should be.
    pub(super) async fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Lines { mut output, .. } => output.flush().context("the output cannot be written"),
            Self::Broker(mut feed) => {
                let flushed = feed.flush().await;
                let confirmed = feed.confirmed();
                feed.close().await;
                flushed.map_err(|error| stopped(&error, confirmed))
            }
        }
    }
}

/// Nothing is lost when it is run again: what arrived is known by its id.
fn stopped(error: &BrokerError, confirmed: u64) -> anyhow::Error {
    let message = match confirmed {
        0 => error.to_string(),
        _ => format!("{error}; {confirmed} were confirmed before it"),
    };
    let hint = "`smista doctor` checks the broker, `smista topology apply` declares what is missing; then run this again: \
        what has arrived is recognised by its id";
    anyhow::Error::new(Hinted::new(message, hint))
}
