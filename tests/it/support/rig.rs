//! A worker on the in-process broker, with things that go wrong around it.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use smista::broker::embedded::{EmbeddedBroker, EmbeddedOptions};
use smista::broker::{Broker, Outgoing, PublishError, Publisher};
use smista::config::{Config, OnEngineFailure};
use smista::nlp::analyzer::{Analyzer, Model};
use smista::nlp::engine::{Engine, EngineError, Target, Window, WindowOutput};
use smista::nlp::pack::PackError;
use smista::nlp::scripted::ScriptedEngine;
use smista::nlp::service::{EngineHandle, EngineSettings};
use smista::routing::compile::Policy;
use smista::routing::{Decision, PolicyHandle};
use smista::store::{Destination, Store};
use smista::telemetry::Health;
use smista::worker::{LaneContext, Pipeline, Settings, Summary};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Fails a publish when told to, else passes it on.
struct Flaky {
    inner: Arc<dyn Publisher>,
    failures: AtomicU32,
}

#[async_trait::async_trait]
impl Publisher for Flaky {
    async fn publish(&self, message: Outgoing) -> Result<(), PublishError> {
        let failing = self
            .failures
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
            .is_ok();
        if failing { Err(PublishError::Nacked) } else { self.inner.publish(message).await }
    }
}

/// Panics or fails on certain words, else as the scripted engine.
struct Moody(ScriptedEngine, Arc<AtomicU32>, Duration);

impl Engine for Moody {
    fn infer(&mut self, windows: &[Window]) -> Vec<Result<WindowOutput, EngineError>> {
        std::thread::sleep(self.2);
        let failing = self.1.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
        self.0
            .infer(windows)
            .into_iter()
            .zip(windows)
            .map(|(output, window)| {
                if failing || window.text.contains("poison") {
                    Err(EngineError::Runtime("moody".into()))
                } else {
                    output
                }
            })
            .collect()
    }

    fn explain(&mut self, window: &Window, targets: &[Target]) -> Result<Vec<Vec<f32>>, EngineError> {
        self.0.explain(window, targets)
    }
}

/// A worker on the in-process broker with the scripted engine and SQLite in a folder of its own.
pub struct Rig {
    pub broker: Arc<EmbeddedBroker>,
    pub store: Arc<dyn Store>,
    pub decisions: tokio::sync::mpsc::Receiver<Outgoing>,
    pub events: Arc<Mutex<Vec<Outgoing>>>,
    pub stop: CancellationToken,
    running: JoinHandle<Summary>,
    pub health: Health,
    pub dir: tempfile::TempDir,
}

/// What goes wrong around it.
pub struct Moods {
    pub engine_failures: u32,
    pub publish_failures: u32,
    pub on_failure: OnEngineFailure,
    /// Every batch of the engine takes so long.
    pub engine_takes: Duration,
    pub prefetch: u16,
}

impl Default for Moods {
    fn default() -> Self {
        Self {
            engine_failures: 0,
            publish_failures: 0,
            on_failure: OnEngineFailure::Hold,
            engine_takes: Duration::ZERO,
            prefetch: 64,
        }
    }
}

pub async fn rig(moods: Moods) -> Rig {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::load(None).unwrap();
    config.store.statement_timeout_s = 1;
    config.store.url = format!("sqlite:{}", dir.path().join("t.db").display());
    let store = smista::store::open(&config.store).await.unwrap();
    let failures = Arc::new(AtomicU32::new(moods.engine_failures));
    let takes = moods.engine_takes;
    let engine = EngineHandle::spawn(
        move || {
            Ok::<Box<dyn Engine>, PackError>(Box::new(Moody(ScriptedEngine, Arc::clone(&failures), takes)))
        },
        EngineSettings::default(),
    )
    .unwrap();
    let analyzer = Analyzer::new(Model::scripted(), engine, &config.interaction.languages, "en").unwrap();
    let policy = PolicyHandle::new(Policy::embedded_default().unwrap());
    let pipeline = Pipeline::new(
        Arc::new(analyzer),
        Arc::clone(&store),
        Arc::new(policy),
        (&config.journey).into(),
        moods.on_failure,
    );
    let broker = Arc::new(EmbeddedBroker::new(EmbeddedOptions::default()));
    let decisions = broker.subscribe(Destination::Decisions);
    let mut received = broker.subscribe(Destination::Events);
    let events = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&events);
    tokio::spawn(async move {
        while let Some(event) = received.recv().await {
            kept.lock().unwrap().push(event);
        }
    });
    let health = Health::default();
    let context = Arc::new(LaneContext {
        pipeline,
        publisher: Arc::new(Flaky {
            inner: broker.publisher(),
            failures: AtomicU32::new(moods.publish_failures),
        }),
        health: health.clone(),
        retry_attempts: 3,
        retry_backoff: Duration::from_millis(5),
        abandon: CancellationToken::new(),
        analysed: AtomicU64::new(0),
    });
    let settings = Settings {
        prefetch: moods.prefetch,
        max_in_flight: usize::from(moods.prefetch),
        lanes: 16,
        shutdown_timeout: Duration::from_secs(10),
        inbox_days: 30,
        identity_key: Arc::from(b"key".as_slice()),
    };
    let stop = CancellationToken::new();
    let service = smista::worker::run(broker.clone(), context, settings, stop.clone());
    let running = tokio::spawn(async move { service.await.unwrap() });
    Rig { broker, store, decisions, events, stop, running, health, dir }
}

impl Rig {
    pub async fn send(&self, customer: &str, id: &str, text: &str) {
        let body = serde_json::json!({
            "schema": "smista.interaction.v1", "message_id": id, "conversation_id": format!("k-{customer}"),
            "customer_id": customer, "channel": "chat", "sent_at": "2026-05-14T18:45:00Z", "text": text,
        });
        self.broker.publish_interaction(body.to_string().into_bytes(), customer, Some(id)).await.unwrap();
    }

    pub async fn decision(&mut self) -> Decision {
        let message = tokio::time::timeout(Duration::from_secs(20), self.decisions.recv())
            .await
            .expect("a decision within 20 s")
            .unwrap();
        serde_json::from_slice(&message.body).unwrap()
    }

    pub async fn finish(self) -> Summary {
        self.stop.cancel();
        self.running.await.unwrap()
    }

    pub async fn until_parked(&self, count: usize) -> Vec<Outgoing> {
        for _ in 0..1000 {
            let parked = self.broker.parked();
            if parked.len() >= count {
                return parked;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} parked, expected {count}", self.broker.parked().len());
    }
}
