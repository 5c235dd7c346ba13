//! Sets the log up once, from the configuration.

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
}

/// Whether the filter parses.
pub fn check(filter: &str) -> Result<(), LoggingError> {
    EnvFilter::try_new(filter).map(drop).map_err(|error| LoggingError::Filter(error.to_string()))
}

/// Installs the log on stderr for the whole process. `RUST_LOG` wins over the configured filter.
pub fn init(settings: &Telemetry, colours: bool) -> Result<(), LoggingError> {
    let mut filter = match std::env::var("RUST_LOG") {
        Ok(filter) if !filter.is_empty() => filter,
        _ => settings.log_filter.clone(),
    };
    // The AMQP client calls an error what the broker room asks for on purpose (is this queue there?) or mends and tells
    // as the broker's state. Who wants its lines names it.
    if !filter.contains("lapin") {
        filter.push_str(",lapin=off");
    }
    let filter = EnvFilter::try_new(&filter).map_err(|error| LoggingError::Filter(error.to_string()))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_span_events(FmtSpan::NONE)
        .with_ansi(colours);
    match settings.log_format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Pretty => builder.compact().try_init(),
    }
    .map_err(|error| LoggingError::Twice(error.to_string()))
}
