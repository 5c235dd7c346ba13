//! `/metrics` (Prometheus text), `/health/live`, `/health/ready`. Reads state, changes none.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;

use super::events::Metric;
use super::health::Health;

/// Why the address could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address does not parse or is taken.
    #[error("telemetry.listen {address} cannot be opened: {reason}")]
    Listen {
        /// As configured.
        address: String,
        /// The cause.
        reason: String,
    },
    /// A metrics recorder is installed already.
    #[error("metrics cannot be recorded: {0}")]
    Recorder(String),
}

const UPKEEP: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Shared {
    metrics: PrometheusHandle,
    health: Health,
}

/// Installs the metrics recorder of the process. Call once.
pub fn install_recorder() -> Result<PrometheusHandle, HttpError> {
    let handle = PrometheusBuilder::new()
        .set_buckets(&[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0])
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(|error| HttpError::Recorder(error.to_string()))?;
    Metric::describe_all();
    Ok(handle)
}

/// Serves until `stop`; returns the address that was bound (for port 0).
pub async fn serve(
    address: &str,
    metrics: PrometheusHandle,
    health: Health,
    stop: CancellationToken,
) -> Result<SocketAddr, HttpError> {
    let fault = |reason: String| HttpError::Listen { address: address.to_owned(), reason };
    let listener = tokio::net::TcpListener::bind(address).await.map_err(|error| fault(error.to_string()))?;
    let bound = listener.local_addr().map_err(|error| fault(error.to_string()))?;
    let app = routes(metrics, health, stop.clone());
    tokio::spawn(async move {
        let served = axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned()).await;
        if let Err(error) = served {
            super::events::HttpStopped { error: &error.to_string() }.emit();
        }
    });
    Ok(bound)
}

/// Adds up what histograms gather between two scrapes, so that it takes no memory where nobody scrapes.
async fn keep_up(metrics: PrometheusHandle, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(UPKEEP);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        metrics.run_upkeep();
    }
}

/// The pages, for a server of one's own.
pub fn routes(metrics: PrometheusHandle, health: Health, stop: CancellationToken) -> Router {
    tokio::spawn(keep_up(metrics.clone(), stop));
    Router::new()
        .route("/metrics", get(metrics_page))
        .route("/health/live", get(|| async { "alive\n" }))
        .route("/health/ready", get(ready))
        .with_state(Shared { metrics, health })
}

async fn metrics_page(State(shared): State<Shared>) -> impl IntoResponse {
    ([("content-type", "text/plain; version=0.0.4; charset=utf-8")], shared.metrics.render())
}

async fn ready(State(shared): State<Shared>) -> impl IntoResponse {
    let status = if shared.health.ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(shared.health.report()))
}
