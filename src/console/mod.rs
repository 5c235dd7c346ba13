//! The supervisor's console: server-rendered pages over what the workers store. It reads the store and writes notes,
//! corrections, accounts and sessions; it decides nothing. For operators it
//! asks the broker what waits there, too. What a page shows is redacted text, escaped by the template.

mod access;
pub mod api;
mod assets;
mod canary;
mod conversation;
mod erasure;
mod fault;
pub mod guard;
mod live;
mod maps;
mod oidc;
mod operations;
mod operator;
mod pages;
pub mod password;
mod policy;
mod query;
mod queue;
pub mod routes;
mod sign_in;
mod throttle;
mod words;
mod work;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio_util::sync::CancellationToken;

use crate::config;
use crate::routing::PolicyHandle;
use crate::store::console::ConsoleStore;

pub use words::Language;

/// Why it could not be served.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// The address does not parse or is taken.
    #[error("console.listen {address} cannot be opened: {source}")]
    Listen {
        /// As configured.
        address: String,
        /// The cause.
        source: std::io::Error,
    },
    /// The sign-in through a provider cannot be set up.
    #[error("{0}")]
    Oidc(String),
}

/// What every page has.
pub struct Console {
    store: Arc<dyn ConsoleStore>,
    config: config::Console,
    /// The tests that lie beside the policy: file and text.
    policy_tests: Vec<(String, String)>,
    /// Policies tried out.
    trials: policy::Trials,
    /// Names the queues and when an answer is due there.
    policy: PolicyHandle,
    live: live::Live,
    throttle: throttle::Throttle,
    passwords: password::Passwords,
    /// The parked queue's broker; a console without one says so.
    broker: Option<config::Broker>,
    /// One look at the parked queue at a time.
    parked: Arc<tokio::sync::Mutex<()>>,
    /// Which workers were seen alive.
    attending: operations::attending::Roll,
    /// Maps that were just folded.
    maps: maps::Kept,
    /// Sign-in through a provider.
    oidc: Option<oidc::Oidc>,
    /// A sign-in without password, good once: its token's hash and the account.
    once: Mutex<Option<(String, String)>>,
    stop: CancellationToken,
}

impl Console {
    /// Over a store; corrections are bound by the policy. Without a broker nothing is told of queues. Fails where the
    /// sign-in through a provider cannot be set up; the provider itself is not asked yet.
    pub fn new(
        store: Arc<dyn ConsoleStore>,
        config: config::Console,
        broker: Option<config::Broker>,
        policy: PolicyHandle,
        policy_tests: Vec<(String, String)>,
        stop: CancellationToken,
    ) -> Result<Arc<Self>, ConsoleError> {
        let public_url = config.public_url.as_deref().unwrap_or_default();
        let oidc = config.oidc.as_ref().map(|oidc| oidc::Oidc::new(oidc, public_url)).transpose();
        Ok(Arc::new(Self {
            oidc: oidc.map_err(ConsoleError::Oidc)?,
            store,
            config,
            policy,
            live: live::Live::new(),
            throttle: throttle::Throttle::default(),
            passwords: password::Passwords::default(),
            policy_tests,
            trials: policy::Trials::default(),
            broker,
            parked: Arc::default(),
            attending: operations::attending::Roll::default(),
            maps: maps::Kept::default(),
            once: Mutex::new(None),
            stop,
        }))
    }

    /// What the sign-in form offers.
    fn offer(&self) -> pages::sign_in::Offer<'_> {
        self.oidc.as_ref().map_or_else(pages::sign_in::Offer::default, oidc::Oidc::offer)
    }

    /// The path of a sign-in for an account that works once, in this process only.
    pub fn offer_once(&self, account: &str) -> String {
        let token = password::token();
        let mut once = self.once.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *once = Some((password::digest(&token), account.to_owned()));
        format!("/sign-in/once/{token}")
    }
}

/// Asks the provider that the configuration names once, for a look at the configuration; the error is for people.
pub async fn ask_provider(config: &config::Console) -> Option<Result<(), String>> {
    let provider = config.oidc.as_ref()?;
    match oidc::Oidc::new(provider, config.public_url.as_deref().unwrap_or_default()) {
        Ok(oidc) => Some(oidc.answers().await.map_err(|error| error.to_string())),
        Err(error) => Some(Err(error)),
    }
}

/// Serves until the console's token says to stop; returns the address that was bound (for port 0) and what ends with it.
pub async fn serve(console: Arc<Console>) -> Result<(SocketAddr, tokio::task::JoinHandle<()>), ConsoleError> {
    let address = console.config.listen.clone();
    let fault = |source| ConsoleError::Listen { address: address.clone(), source };
    let listener = tokio::net::TcpListener::bind(&address).await.map_err(fault)?;
    let bound = listener.local_addr().map_err(fault)?;
    let (stop, app) = (console.stop.clone(), routes::router(&console));
    tokio::spawn(live::watch(Arc::clone(&console)));
    tokio::spawn(operations::attending::watch(Arc::clone(&console)));
    let serving = tokio::spawn(async move {
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        let served = axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned()).await;
        if let Err(error) = served {
            crate::telemetry::events::HttpStopped { error: &error.to_string() }.emit();
        }
    });
    Ok((bound, serving))
}
