//! `smista worker`: the service. Broker, store, engine and policy by configuration; then [`worker::run`] until a signal.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Hinted, Outcome, setup};
use crate::broker::Broker;
use crate::broker::amqp::AmqpBroker;
use crate::config::Config;
use crate::routing::PolicyHandle;
use crate::store::{self, Store};
use crate::telemetry::health::Part;
use crate::telemetry::trace::Collector;
use crate::telemetry::{Health, events, http, logging};
use crate::worker;
use crate::worker::backoff::Backoff;
use crate::worker::{LaneContext, Pipeline};

/// Decide what arrives on RabbitMQ until stopped.
#[derive(Debug, Clone, clap::Args)]
#[command(
    long_about = "Decide what arrives on RabbitMQ until stopped.\n\n\
        SIGTERM and SIGINT finish what is under way and end with exit code 0; SIGHUP reads the policy, that of the canary, \
        engine.thresholds and telemetry.log_filter again (a bad one is refused, the running one stays); everything else needs a restart. The topology must be there: `smista topology apply`.",
    after_help = "Examples:\n  \
        smista --config /etc/smista/smista.toml worker\n  \
        SMISTA_BROKER__URL=amqp://user:secret@rabbit/%2f SMISTA_STORE__URL=sqlite:/var/lib/smista/smista.db smista worker"
)]
pub struct Args {}

/// Works until a signal.
pub async fn run(_args: Args, config: Config, file: Option<PathBuf>) -> anyhow::Result<Outcome> {
    let stop = CancellationToken::new();
    stop_on_signals(&stop)?;
    let health = Health::default();
    if let Some(address) = &config.telemetry.listen {
        let recorder = http::install_recorder()?;
        let hint = Hinted::new(
            "metrics and health cannot be served",
            "set telemetry.listen to a free address, or remove it",
        );
        http::serve(address, recorder, health.clone(), stop.clone()).await.context(hint)?;
    }
    let collector = Collector::install(&config.telemetry)
        .context(Hinted::new("traces cannot be sent", "correct telemetry.traces, or remove it"))?;
    // What only a person can mend is told before anything is waited for.
    setup::policy(&config)?;
    setup::identity_key(&config)?;
    let Some(store) = store_when_there(&config, &health, &stop).await? else { return Ok(Outcome::Done) };
    let pipeline = setup::pipeline(&config, store).await?;
    health.set(Part::Engine, true, "loaded");
    let pipeline = setup::canary(&config, pipeline).await?;
    let shadow = pipeline.canary().map(|canary| Arc::clone(canary.policy()));
    // Before the handler is there, the signal would end the program.
    let hangup = signal(SignalKind::hangup()).context("SIGHUP cannot be watched")?;
    events::WorkerStarted {
        model: pipeline.model_version(),
        policy: &pipeline.policy().current().id(),
        forward: setup::forward(&config),
    }
    .emit();

    let broker = AmqpBroker::start(&config.broker)
        .context(Hinted::new("the broker cannot be used", "correct the broker section of smista.toml"))?;
    let context = setup::lanes(&config, pipeline, broker.publisher(), health);
    reload_on_hangup(hangup, &config, file, Arc::clone(&context), shadow);
    let settings = setup::worker_settings(&config)?;
    worker::run(Arc::new(broker), context, settings, stop).await?;
    if let Some(collector) = collector {
        collector.close().await;
    }
    Ok(Outcome::Done)
}

/// Opens the store; while the database is away, waits for it, as a running worker does: messages stay with the broker.
/// None when it was to stop first.
async fn store_when_there(
    config: &Config,
    health: &Health,
    stop: &CancellationToken,
) -> anyhow::Result<Option<Arc<dyn Store>>> {
    let mut backoff = Backoff::new(Duration::from_millis(500));
    loop {
        let opened = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(None),
            opened = store::open(&config.store) => opened,
        };
        match opened {
            Ok(store) => {
                health.set(Part::Store, true, "open");
                return Ok(Some(store));
            }
            Err(error) if error.is_transient() => {
                health.set(Part::Store, false, "not available");
                events::StoreAwaited { error: &error.to_string() }.emit();
            }
            Err(error) => return Err(setup::store_error(error)),
        }
        if !backoff.pause(stop).await {
            return Ok(None);
        }
    }
}

/// Stops at SIGTERM and SIGINT.
pub fn stop_on_signals(stop: &CancellationToken) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be watched")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be watched")?;
    let stop = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.cancel();
    });
    Ok(())
}

/// Reads the policy files, the filter of the log and the thresholds again at every SIGHUP.
fn reload_on_hangup(
    mut hangup: Signal,
    config: &Config,
    file: Option<PathBuf>,
    context: Arc<LaneContext>,
    shadow: Option<Arc<PolicyHandle>>,
) {
    let (path, canary) = (config.policy.path.clone(), config.canary.policy.clone().zip(shadow));
    let running = config.clone();
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            refilter(file.as_deref());
            retune(&running, file.as_deref(), &context.pipeline);
            if let Some(path) = &path {
                let policy = context.pipeline.policy();
                let reloaded = reload(path, policy).await;
                let (version, refused) = (policy.current().id(), reloaded.err());
                events::PolicyReload { version: &version, refused: refused.as_deref() }.emit();
            }
            if let Some((path, policy)) = &canary {
                let reloaded = reload(path, policy).await;
                let (version, refused) = (policy.current().id(), reloaded.err());
                events::CanaryReload { version: &version, refused: refused.as_deref() }.emit();
            }
        }
    });
}

/// The model takes the thresholds that the configuration file names now. Nothing else of the file counts for decisions before a
/// restart, so their settings change by these alone.
fn retune(running: &Config, file: Option<&Path>, pipeline: &Pipeline) {
    let tuned = Config::load(file).map_err(|error| error.to_string()).and_then(|config| {
        let mut running = running.clone();
        running.engine.thresholds = config.engine.thresholds;
        let hash = setup::settings(&running).map_err(|error| error.to_string())?;
        pipeline.retune(&running.engine.thresholds, hash).map_err(|error| error.to_string())
    });
    events::Retuned { refused: tuned.err().as_deref() }.emit();
}

async fn reload(path: &Path, policy: &PolicyHandle) -> Result<(), String> {
    let name = path.display().to_string();
    let text = tokio::fs::read_to_string(path).await.map_err(|error| format!("{name}: {error}"))?;
    policy.reload(&text, &name).map(drop).map_err(|error| error.to_string())
}

/// The log takes the filter that the configuration file names now.
fn refilter(file: Option<&Path>) {
    let filtered = Config::load(file).map_err(|error| error.to_string()).and_then(|config| {
        logging::refilter(&config.telemetry).map_err(|error| error.to_string())?;
        Ok(config.telemetry.log_filter)
    });
    match filtered {
        Ok(filter) => events::LogFilter { filter: &filter, refused: None }.emit(),
        Err(error) => events::LogFilter { filter: "", refused: Some(&error) }.emit(),
    }
}
