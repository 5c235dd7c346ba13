//! The gateway on a real RabbitMQ: interactions in by HTTP, decisions out to servers of the tests' own.

mod chatwoot;
mod hooks;
mod intake;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use chrono::{TimeDelta, Utc};
use lapin::options::{ExchangeDeleteOptions, QueueDeleteOptions};
use serde_json::Value;
use smista::broker::Broker;
use smista::broker::amqp::{AmqpBroker, declare};
use smista::broker::topology::Topology;
use smista::config::{Config, Webhook};
use smista::gateway::{self, Patience, Running};
use smista::store::console::{ConsoleStore, Scope, TOKEN_PREFIX, Token, digest};
use smista::store::{self};
use tokio_util::sync::CancellationToken;

use crate::support::bench::{LONG, connected};
use crate::support::rabbit::Stage;

/// A gateway beside the stage's broker.
struct Rig {
    stage: Arc<Stage>,
    config: Config,
    store: Arc<dyn ConsoleStore>,
    broker: Arc<AmqpBroker>,
    running: Running,
    stop: CancellationToken,
    folder: tempfile::TempDir,
    http: reqwest::Client,
}

/// Short pauses, so that tests are quick.
fn patience() -> Patience {
    Patience {
        first_pause: Duration::from_millis(20),
        longest_pause: Duration::from_millis(100),
        hold: Duration::from_secs(2),
        give_up: TimeDelta::hours(1),
    }
}

impl Rig {
    async fn new(stage: &Arc<Stage>, change: impl FnOnce(&mut Config, &std::path::Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::load(None).unwrap();
        config.broker = stage.config.clone();
        config.store.url = format!("sqlite:{}", folder.path().join("smista.db").display());
        config.gateway.listen = "127.0.0.1:0".to_owned();
        change(&mut config, folder.path());
        config.validate().unwrap();
        declare::apply(&stage.admin, &Topology::of(&config.broker).with_hooks(&config.gateway))
            .await
            .unwrap();
        let store = store::open_console(&config.store).await.unwrap();
        let (broker, running, stop) = start(&config, &store).await;
        let stage = Arc::clone(stage);
        Self { stage, config, store, broker, running, stop, folder, http: reqwest::Client::new() }
    }

    /// Ends the gateway and starts another one.
    async fn restart(&mut self) {
        self.halt().await;
        (self.broker, self.running, self.stop) = start(&self.config, &self.store).await;
    }

    async fn halt(&mut self) {
        self.stop.cancel();
        for task in self.running.tasks.drain(..) {
            tokio::time::timeout(LONG, task).await.expect("the gateway stops").unwrap();
        }
        self.broker.close().await;
    }

    async fn end(mut self) {
        self.halt().await;
        let channel = self.stage.admin.create_channel().await.unwrap();
        for hook in self.config.gateway.hooks() {
            channel
                .queue_delete(self.queue(&hook.name).as_str().into(), QueueDeleteOptions::default())
                .await
                .unwrap();
        }
        let hooks = format!("{}.hooks", self.config.broker.prefix);
        channel.exchange_delete(hooks.as_str().into(), ExchangeDeleteOptions::default()).await.unwrap();
        drop(self.folder);
    }

    fn queue(&self, hook: &str) -> String {
        format!("{}.hooks.{hook}", self.config.broker.prefix)
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.running.address)
    }

    /// A token with these scopes.
    async fn token(&self, name: &str, scopes: &[Scope]) -> String {
        let secret = format!("{TOKEN_PREFIX}{name}");
        let token =
            Token { name: name.to_owned(), scopes: scopes.to_vec(), created_at: Utc::now(), used_at: None };
        assert!(self.store.add_token(&digest(&secret), &token).await.unwrap());
        secret
    }
}

async fn start(
    config: &Config,
    store: &Arc<dyn ConsoleStore>,
) -> (Arc<AmqpBroker>, Running, CancellationToken) {
    let broker = Arc::new(AmqpBroker::start(&config.broker).unwrap());
    connected(&broker).await;
    let stop = CancellationToken::new();
    let starting =
        gateway::start(config, Arc::clone(store), broker.as_ref(), Router::new(), patience(), stop.clone());
    let running = starting.await.unwrap();
    (broker, running, stop)
}

/// What came to an address out there.
#[derive(Debug, Clone)]
struct Came {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Came {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

type Answering = Arc<dyn Fn(&Came) -> (StatusCode, Value) + Send + Sync>;

/// An address out there: keeps what comes, answers as it is told.
#[derive(Clone)]
struct Address {
    url: String,
    came: Arc<Mutex<Vec<Came>>>,
    answering: Arc<Mutex<Answering>>,
}

impl Address {
    async fn new(answer: impl Fn(&Came) -> (StatusCode, Value) + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let address = Self {
            url,
            came: Arc::default(),
            answering: Arc::new(Mutex::new(Arc::new(answer) as Answering)),
        };
        let app = Router::new().fallback(take).with_state(address.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        address
    }

    fn answer(&self, answer: impl Fn(&Came) -> (StatusCode, Value) + Send + Sync + 'static) {
        *self.answering.lock().unwrap() = Arc::new(answer);
    }

    fn came(&self) -> Vec<Came> {
        self.came.lock().unwrap().clone()
    }

    /// Waits until what came is enough.
    async fn until(&self, what: &str, enough: impl Fn(&[Came]) -> bool) -> Vec<Came> {
        let until = Instant::now() + LONG;
        loop {
            let came = self.came();
            if enough(&came) {
                return came;
            }
            assert!(Instant::now() < until, "{what}: {came:#?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn take(State(address): State<Address>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let came = Came { method: parts.method, path: parts.uri.path().to_owned(), headers: parts.headers, body };
    let answering = Arc::clone(&*address.answering.lock().unwrap());
    let (status, answer) = answering(&came);
    address.came.lock().unwrap().push(came);
    (status, Json(answer)).into_response()
}

/// A webhook to an address, with a new secret.
fn webhook(folder: &std::path::Path, name: &str, url: &str) -> (Webhook, String) {
    let (file, secret) = (folder.join(format!("{name}-secret")), gateway::new_secret());
    std::fs::write(&file, format!("{secret}\n")).unwrap();
    let all = || vec!["#".to_owned()];
    let webhook = Webhook {
        name: name.to_owned(),
        url: url.to_owned(),
        secret_file: file,
        decisions: all(),
        events: all(),
    };
    (webhook, secret)
}
