//! Sets the log up once, from the configuration.

use std::sync::OnceLock;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::config::{LogFormat, Telemetry};

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The filter does not parse.
    #[error("telemetry.log_filter is not a valid filter: {0}")]
    Filter(String),
    /// Something else in the process has set a subscriber already.
    #[error("logging is set up already: {0}")]
    Twice(String),
    /// The log that runs does not take another filter.
    #[error("the filter cannot be changed: {0}")]
    Fixed(String),
}

type Change = Box<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>;

/// Gives the log of this process another filter.
static CHANGE: OnceLock<Change> = OnceLock::new();

/// Whether the filter parses.
pub fn check(filter: &str) -> Result<(), LoggingError> {
    EnvFilter::try_new(filter).map(drop).map_err(|error| LoggingError::Filter(error.to_string()))
}

fn filter(settings: &Telemetry) -> Result<EnvFilter, LoggingError> {
    let mut filter = match std::env::var("RUST_LOG") {
        Ok(filter) if !filter.is_empty() => filter,
        _ => settings.log_filter.clone(),
    };
    // The AMQP client calls an error what the broker room asks for on purpose (is this queue there?) or mends and tells
    // as the broker's state. Who wants its lines names it.
    if !filter.contains("lapin") {
        filter.push_str(",lapin=off");
    }
    EnvFilter::try_new(&filter).map_err(|error| LoggingError::Filter(error.to_string()))
}

/// Gives the log the filter that is configured now. `RUST_LOG` wins over it still.
pub fn refilter(settings: &Telemetry) -> Result<(), LoggingError> {
    let change = CHANGE.get().ok_or_else(|| LoggingError::Fixed("there is no log".to_owned()))?;
    change(filter(settings)?).map_err(LoggingError::Fixed)
}

/// Installs the log on stderr for the whole process. `RUST_LOG` wins over the configured filter.
pub fn init(settings: &Telemetry, colours: bool) -> Result<(), LoggingError> {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter(settings)?)
        .with_writer(std::io::stderr)
        .with_span_events(FmtSpan::NONE)
        .with_ansi(colours);
    let (change, installed): (Change, _) = match settings.log_format {
        LogFormat::Json => {
            let builder = builder.json().flatten_event(true).with_filter_reloading();
            let handle = builder.reload_handle();
            let change = move |filter| handle.reload(filter).map_err(|error| error.to_string());
            (Box::new(change), builder.try_init())
        }
        LogFormat::Pretty => {
            let builder = builder.compact().with_filter_reloading();
            let handle = builder.reload_handle();
            let change = move |filter| handle.reload(filter).map_err(|error| error.to_string());
            (Box::new(change), builder.try_init())
        }
    };
    installed.map_err(|error| LoggingError::Twice(error.to_string()))?;
    // Only who installed the log comes here: nobody has set it before.
    let _ = CHANGE.set(change);
    Ok(())
}
