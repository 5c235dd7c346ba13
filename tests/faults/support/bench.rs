//! One row's scene: a topology and a store of its own, workers, load, and the comparison at the end.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lapin::options::{ExchangeDeleteOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use serde_json::Value;
use tokio::sync::Mutex;

use super::books::Stored;
use super::ledger::Ledger;
use super::process::Worker;
use super::producer::{Input, Producer};
use super::proxy::Proxy;
use super::report::{Report, Row};
use super::servers::{Postgres, Rabbit};
use super::{by_form, seconds, server};

const TEXTS: [&str; 8] = [
    "I was charged twice for my order, please refund one of them",
    "Il pacco non è ancora arrivato, era previsto lunedì",
    "How much is the yearly plan?",
    "Voglio parlare con un operatore",
    "Thank you so much, it works again!",
    "Internet is down in the whole building since this morning",
    "Vorrei disdire l'abbonamento",
    "hello",
];

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Db {
    Sqlite,
    Postgres,
    /// A server of the row's own.
    OwnPostgres,
}

/// What a row needs.
pub struct Setup {
    pub row: Row,
    pub shards: u16,
    pub db: Db,
    /// A broker of the row's own, for faults that would hit other rows too.
    pub rabbit: Option<Arc<Rabbit>>,
    /// The workers reach the broker through the proxy.
    pub proxied: bool,
    /// A queue is bound to the decisions; else the ledger reads what the alternate exchange catches.
    pub bound: bool,
    /// Where the SQLite file lies, if not beside the configuration.
    pub sqlite_folder: Option<std::path::PathBuf>,
    /// Settings of every command, such as `("SMISTA_BROKER__PREFETCH", "16")`.
    pub env: Vec<(&'static str, String)>,
}

impl Setup {
    pub fn of(row: u8, fault: &'static str, bar: &'static str) -> Self {
        Self {
            row: Row { row, part: "", fault, bar },
            shards: 2,
            db: Db::Sqlite,
            rabbit: None,
            proxied: false,
            bound: true,
            sqlite_folder: None,
            env: Vec::new(),
        }
    }

    pub fn set(mut self, name: &'static str, value: impl ToString) -> Self {
        self.env.push((name, value.to_string()));
        self
    }

    /// Brings the scene up; `None` when a server is missing (never in CI).
    pub async fn open(self) -> Option<Bench> {
        let url = match &self.rabbit {
            Some(rabbit) => rabbit.url(),
            None => server("SMISTA_TEST_AMQP_URL")?,
        };
        let prefix = format!("f{}", uuid::Uuid::new_v4().simple());
        let folder = tempfile::tempdir().unwrap();
        let postgres = (self.db == Db::OwnPostgres).then(|| tokio::task::block_in_place(Postgres::start));
        let store = match (&postgres, self.db) {
            (Some(postgres), _) => postgres.url(),
            (None, Db::Sqlite) => {
                let beside = self.sqlite_folder.as_deref().unwrap_or(folder.path());
                format!("sqlite:{}", beside.join("smista.db").display())
            }
            (None, _) => fresh_database(&server("SMISTA_TEST_POSTGRES_URL")?, &prefix).await,
        };
        let (proxy, worker_url) = if self.proxied {
            let host = url.rsplit('@').next().and_then(|rest| rest.split('/').next()).unwrap().to_owned();
            let proxy = Proxy::to(host.parse().unwrap()).await;
            let through = url.replace(&host, &proxy.address.to_string());
            (Some(proxy), through)
        } else {
            (None, url.clone())
        };
        Report::begin(self.row);
        let config = format!(
            "[broker]\nurl = \"{worker_url}\"\nprefix = \"{prefix}\"\nshards = {}\nprefetch = 32\n\n\
             [engine]\nkind = \"scripted\"\n\n[telemetry]\nlog_filter = \"info\"\n",
            self.shards
        );
        std::fs::write(folder.path().join("smista.toml"), config).unwrap();
        let mut bench = Bench {
            row: self.row,
            shards: self.shards,
            env: self.env,
            feed: Arc::new(Feed {
                producer: Mutex::new(Producer::new(&url, &prefix)),
                ledger: std::sync::OnceLock::new(),
                next: AtomicUsize::new(0),
            }),
            folder,
            prefix,
            url,
            store,
            proxy,
            rabbit: self.rabbit,
            postgres,
        };
        bench.apply();
        let ledger = Ledger::open(&bench.url, &bench.prefix, self.bound).await;
        let _ = Arc::get_mut(&mut bench.feed).unwrap().ledger.set(ledger);
        Some(bench)
    }
}

async fn fresh_database(url: &str, name: &str) -> String {
    use sqlx::{Connection as _, Executor as _};
    let mut connection = sqlx::postgres::PgConnection::connect(url).await.unwrap();
    connection.execute(format!("CREATE DATABASE {name}").as_str()).await.unwrap();
    let (server, _) = url.rsplit_once('/').unwrap();
    format!("{server}/{name}")
}

/// The producer with the ledger that notes what it sends.
struct Feed {
    producer: Mutex<Producer>,
    ledger: std::sync::OnceLock<Ledger>,
    next: AtomicUsize,
}

impl Feed {
    async fn load(&self, count: usize, customers: usize, text: Option<&str>) -> Vec<String> {
        let mut producer = self.producer.lock().await;
        let mut ids = Vec::new();
        let mut left = count;
        while left > 0 {
            // A window holds a customer once, so its messages may overtake each other.
            let window: Vec<Input> = (0..left.min(customers))
                .map(|_| {
                    let number = self.next.fetch_add(1, Ordering::Relaxed);
                    let text = text.unwrap_or(TEXTS[number % TEXTS.len()]);
                    Input::chat(&format!("c{}", number % customers), &format!("m{number:06}"), number, text)
                })
                .collect();
            left -= window.len();
            ids.extend(window.iter().map(|input| input.id.clone()));
            self.send(&mut producer, &window).await;
        }
        ids
    }

    async fn send(&self, producer: &mut Producer, inputs: &[Input]) {
        let ledger = self.ledger.get().unwrap();
        ledger.note_sent(inputs);
        producer.publish(inputs).await;
        ledger.note(inputs);
    }
}

/// Load that goes on beside the test.
pub struct Load {
    stop: tokio_util::sync::CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Load {
    /// Stops it once what was begun is confirmed.
    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

/// What a row says beside the ledger.
#[derive(Default)]
pub struct Verdict {
    pub done: String,
    pub recovery: Option<Duration>,
    pub figures: std::collections::BTreeMap<&'static str, Value>,
    pub faults: Vec<String>,
    /// Copies of decisions that the row allows.
    pub copies_allowed: Option<usize>,
    /// Messages that have to be parked, with the class.
    pub parked: Vec<(String, &'static str)>,
}

impl Verdict {
    pub fn of(done: impl Into<String>) -> Self {
        Self { done: done.into(), ..Self::default() }
    }

    /// Notes a fault unless it holds.
    pub fn require(&mut self, holds: bool, fault: impl Into<String>) {
        if !holds {
            self.faults.push(fault.into());
        }
    }

    /// The longest time to recover, which has to be within the limit.
    pub fn recovered(&mut self, took: Duration, limit: Duration) {
        self.recovery = Some(self.recovery.map_or(took, |before| before.max(took)));
        self.require(took <= limit, format!("recovered after {took:.1?}, later than {limit:?}"));
    }

    pub fn figure(&mut self, name: &'static str, value: impl Into<Value>) {
        self.figures.insert(name, value.into());
    }
}

/// The scene of one row.
pub struct Bench {
    row: Row,
    shards: u16,
    env: Vec<(&'static str, String)>,
    feed: Arc<Feed>,
    folder: tempfile::TempDir,
    pub prefix: String,
    pub url: String,
    pub store: String,
    pub proxy: Option<Proxy>,
    rabbit: Option<Arc<Rabbit>>,
    pub postgres: Option<Postgres>,
}

impl Bench {
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn ledger(&self) -> &Ledger {
        self.feed.ledger.get().unwrap()
    }

    pub fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().unwrap()
    }

    pub fn rabbit(&self) -> &Rabbit {
        self.rabbit.as_ref().unwrap()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_smista"));
        command.arg("--config").arg(self.folder().join("smista.toml"));
        command.env("SMISTA_STORE__URL", &self.store).envs(self.env.iter().cloned());
        command
    }

    /// `smista topology apply`, not through the proxy.
    pub fn apply(&self) {
        let output =
            self.command().env("SMISTA_BROKER__URL", &self.url).args(["topology", "apply"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    pub fn worker(&self, name: &str) -> Worker {
        self.worker_with(name, &[])
    }

    /// A worker with more of an environment, such as failpoints.
    pub fn worker_with(&self, name: &str, env: &[(&str, &str)]) -> Worker {
        let mut command = self.command();
        command.envs(env.iter().copied());
        Worker::spawn(command, self.folder().join(format!("{name}.log")))
    }

    /// A worker whose failpoints are these.
    pub fn failing_worker(&self, name: &str, failpoints: &str) -> Worker {
        self.worker_with(name, &[("SMISTA_FAILPOINTS", failpoints)])
    }

    /// Publishes so many messages, spread over customers; their ids.
    pub async fn load(&self, count: usize, customers: usize) -> Vec<String> {
        self.feed.load(count, customers, None).await
    }

    /// The same with one text.
    pub async fn load_text(&self, count: usize, customers: usize, text: &str) -> Vec<String> {
        self.feed.load(count, customers, Some(text)).await
    }

    /// Publishes these, side by side.
    pub async fn send(&self, inputs: &[Input]) {
        let mut producer = self.feed.producer.lock().await;
        self.feed.send(&mut producer, inputs).await;
    }

    /// Publishes again what the ledger knows already.
    pub async fn send_again(&self, inputs: &[Input]) {
        self.feed.producer.lock().await.publish(inputs).await;
    }

    /// Publishes so many a second until stopped.
    pub fn keep_loading(&self, per_second: usize, customers: usize) -> Load {
        let stop = tokio_util::sync::CancellationToken::new();
        let (feed, stopped) = (Arc::clone(&self.feed), stop.clone());
        let task = tokio::spawn(async move {
            let mut tick = tokio::time::interval(Duration::from_millis(100));
            tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            while !stopped.is_cancelled() {
                tick.tick().await;
                feed.load((per_second / 10).max(1), customers, None).await;
            }
        });
        Load { stop, task }
    }

    async fn admin(&self) -> Connection {
        Connection::connect(&self.url, ConnectionProperties::default()).await.unwrap()
    }

    /// Messages ready in a queue, or `None` when there is no such queue.
    pub async fn depth(&self, queue: &str) -> Option<u32> {
        let admin = self.admin().await;
        let channel = admin.create_channel().await.unwrap();
        let options = QueueDeclareOptions { passive: true, ..Default::default() };
        let name = format!("{}.{queue}", self.prefix);
        let found = channel.queue_declare(name.into(), options, FieldTable::default()).await;
        found.ok().map(|queue| queue.message_count())
    }

    pub async fn delete_queue(&self, queue: &str) {
        let admin = self.admin().await;
        let channel = admin.create_channel().await.unwrap();
        let name = format!("{}.{queue}", self.prefix);
        channel.queue_delete(name.into(), QueueDeleteOptions::default()).await.unwrap();
    }

    /// An AMQP channel for what only one row does.
    pub async fn channel(&self) -> (Connection, lapin::Channel) {
        let admin = self.admin().await;
        let channel = admin.create_channel().await.unwrap();
        (admin, channel)
    }

    /// Waits for every input, stops the workers, compares everything, reports, and fails unless all is well.
    pub async fn close(mut self, workers: Vec<Worker>, mut verdict: Verdict) {
        let limit = by_form(seconds(200), seconds(1800));
        let all = self.ledger().comes(limit, |book| book.open().is_empty()).await;
        let summary = self.ledger().look(|book| book.summary());
        verdict.require(all, format!("not every input decided or parked: {summary}"));
        // What a crash left in the outbox is relayed when it is a minute old.
        let until = Instant::now() + seconds(150);
        while Stored::read(&self.store).await.is_ok_and(|stored| stored.unsent > 0) && Instant::now() < until
        {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        for mut worker in workers {
            let (code, _) = worker.terminate(seconds(30)).await;
            verdict.require(code == Some(0), format!("a worker ended with {code:?}"));
            if code != Some(0) {
                eprintln!("{}", worker.log());
            }
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut left_over = 0;
        for shard in 0..self.shards {
            left_over += self.depth(&format!("interactions.{shard}")).await.unwrap_or(0) as usize;
        }
        let stored = Stored::read(&self.store).await;
        verdict.require(stored.is_ok(), format!("the database cannot be read: {:?}", stored.as_ref().err()));
        let stored = stored.unwrap_or_default();
        left_over += usize::try_from(stored.unsent).unwrap_or_default();
        verdict.require(left_over == 0, format!("{left_over} left in input queues and outbox"));

        let report = self.ledger().look(|book| {
            let (mut effects, mut order) = stored.compare(book);
            order.extend(book.disorder());
            effects.extend(book.different.iter().map(|id| format!("{id}: two different decisions")));
            let parked: std::collections::BTreeMap<&str, &str> =
                book.parked.iter().map(|parked| (parked.id.as_str(), parked.class.as_str())).collect();
            for id in parked.keys().filter(|id| book.first.contains_key(**id)) {
                effects.push(format!("{id}: decided and parked"));
            }
            let expected = verdict.parked.iter().map(|(id, class)| (id.as_str(), *class)).collect();
            if parked != expected {
                verdict.faults.push(format!("parked: {parked:?}, not {expected:?}"));
            }
            if verdict.copies_allowed.is_some_and(|allowed| book.again > allowed) {
                verdict.faults.push(format!("{} decisions published again", book.again));
            }
            for (what, found) in [("effects", &effects), ("order", &order)] {
                if let Some(first) = found.first() {
                    verdict.faults.push(format!("{what}: {} wrong, such as {first}", found.len()));
                }
            }
            Report {
                row: self.row,
                form: by_form("short", "long"),
                on: chrono::Utc::now().format("%Y-%m-%d").to_string(),
                done: verdict.done.clone(),
                inputs: book.count(),
                decided: book.first.len(),
                parked: parked.len(),
                lost: book.open().len(),
                effects_not_one: effects.len(),
                published_again: book.again,
                order_violations: order.len(),
                left_over,
                recovery_s: verdict.recovery.map(|took| took.as_secs_f64()),
                figures: verdict.figures.clone(),
                state: if verdict.faults.is_empty() { "passes" } else { "fails" },
                faults: verdict.faults.clone(),
            }
        });
        report.write();
        eprintln!("{}", serde_json::to_string(&report).unwrap());
        self.clean_up().await;
        if !report.faults.is_empty() {
            self.keep();
        }
        assert!(report.faults.is_empty(), "row {}: {:#?}", report.row.row, report.faults);
    }

    /// Keeps configuration and logs for whoever looks for the cause.
    fn keep(&mut self) {
        self.folder.disable_cleanup(true);
        eprintln!("configuration and logs are kept in {}", self.folder().display());
    }

    async fn clean_up(&self) {
        let (_admin, channel) = self.channel().await;
        let shards = (0..self.shards).map(|shard| format!("interactions.{shard}"));
        let rest = ["parked", "unrouted", "test.decisions"].map(str::to_owned);
        for queue in shards.chain(rest) {
            let name = format!("{}.{queue}", self.prefix);
            let _ = channel.queue_delete(name.into(), QueueDeleteOptions::default()).await;
        }
        for exchange in ["interactions", "decisions", "events", "corrections", "parked", "unrouted"] {
            let name = format!("{}.{exchange}", self.prefix);
            let _ = channel.exchange_delete(name.into(), ExchangeDeleteOptions::default()).await;
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.keep();
        }
    }
}

/// The value below which that part of the sorted values lies.
pub fn percentile(sorted: &[f64], part: f64) -> f64 {
    let place = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(place.saturating_sub(1)).copied().unwrap_or_default()
}
