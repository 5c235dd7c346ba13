//! The ways in and out by HTTP, for those without AMQP: interactions are taken and published, decisions and events are
//! sent to addresses out there. It decides nothing and keeps nothing: what is not delivered yet waits on the broker.

mod chatwoot;
mod door;
mod hook;
mod intake;
mod openapi;
mod problem;
mod sign;
mod webhook;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::broker::amqp::tap::Tap;
use crate::broker::{Broker, BrokerError};
use crate::config::{self, Config};
use crate::store::console::ConsoleStore;
use crate::telemetry::events;

pub use hook::Patience;
pub use openapi::document;
pub use sign::{Secret, new_secret};

/// Messages that a hook holds at the same time.
const PREFETCH: u16 = 64;

/// Why there is no gateway.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The address does not parse or is taken.
    #[error("gateway.listen {address} cannot be opened: {source}")]
    Listen {
        /// As configured.
        address: String,
        /// The cause.
        source: std::io::Error,
    },
    /// A file or a value of the configuration cannot be used; the text names the key.
    #[error("{0}")]
    Config(String),
    /// The broker's address cannot be used.
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

impl From<config::ConfigError> for GatewayError {
    fn from(error: config::ConfigError) -> Self {
        Self::Config(error.to_string())
    }
}

/// A gateway that runs.
pub struct Running {
    /// The address that was bound, for port 0.
    pub address: SocketAddr,
    /// What ends when it is stopped.
    pub tasks: Vec<JoinHandle<()>>,
}

/// Starts it; `pages` are served on the same address. Secrets are read now, and nobody out there is asked anything.
pub async fn start(
    config: &Config,
    store: Arc<dyn ConsoleStore>,
    broker: &dyn Broker,
    pages: Router,
    patience: Patience,
    stop: CancellationToken,
) -> Result<Running, GatewayError> {
    let gateway = &config.gateway;
    let mut targets: Vec<(String, Arc<dyn hook::Target>)> = Vec::new();
    for webhook in &gateway.webhooks {
        targets.push((webhook.name.clone(), Arc::new(webhook::Webhook::new(webhook)?)));
    }
    let mut desk = None;
    if let Some(chatwoot) = &gateway.chatwoot {
        targets.push((config::CHATWOOT.to_owned(), Arc::new(chatwoot::Desk::new(chatwoot)?)));
        desk = Some(chatwoot::Incoming::new(chatwoot)?);
    }
    let door = door::Door::new(store, broker.publisher(), gateway.max_requests);
    let app = intake::router(Arc::new(door), desk).merge(pages);

    let fault = |source| GatewayError::Listen { address: gateway.listen.clone(), source };
    let listener = tokio::net::TcpListener::bind(&gateway.listen).await.map_err(fault)?;
    let address = listener.local_addr().map_err(fault)?;
    let mut tasks = Vec::new();
    for (name, target) in targets {
        let tap = Tap::new(&config.broker, &name, PREFETCH)?;
        let hook = hook::Hook { name, target, publisher: broker.publisher(), patience };
        tasks.push(tokio::spawn(hook.run(tap, PREFETCH, stop.clone())));
    }
    tasks.push(tokio::spawn(async move {
        let served = axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned()).await;
        if let Err(error) = served {
            events::HttpStopped { error: &error.to_string() }.emit();
        }
    }));
    Ok(Running { address, tasks })
}

/// A client for addresses out there: no redirects, since a signed message must not go elsewhere, and no wait without end.
fn client() -> Result<reqwest::Client, GatewayError> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(5))
        .timeout(Duration::from_secs(15))
        .user_agent(concat!("smista/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| GatewayError::Config(format!("no TLS client can be set up: {error}")))
}
