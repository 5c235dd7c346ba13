//! One row's scene: a topology and a store of its own, servers, workers, load. `close.rs` has the comparison at its end.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use lapin::options::{QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};

use super::feed::{Feed, Load};
use super::ledger::Ledger;
use super::process::Worker;
use super::producer::{Input, Producer};
use super::proxy::Proxy;
use super::report::{Report, Row};
use super::server;
use super::servers::{Postgres, Rabbit};

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
            input_queues: (0..self.shards).map(|shard| format!("interactions.{shard}")).collect(),
            env: self.env,
            feed: None,
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
        bench.feed = Some(Arc::new(Feed::new(Producer::new(&bench.url, &bench.prefix), ledger)));
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

/// The scene of one row.
pub struct Bench {
    pub(super) row: Row,
    /// Without the prefix; all of them have to be empty at the end.
    pub input_queues: Vec<String>,
    env: Vec<(&'static str, String)>,
    /// Open once the topology is there.
    feed: Option<Arc<Feed>>,
    pub(super) folder: tempfile::TempDir,
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

    fn feed(&self) -> &Arc<Feed> {
        self.feed.as_ref().unwrap()
    }

    pub fn ledger(&self) -> &Ledger {
        &self.feed().ledger
    }

    pub fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().unwrap()
    }

    pub fn rabbit(&self) -> &Rabbit {
        self.rabbit.as_ref().unwrap()
    }

    /// The program, with this scene's configuration.
    pub fn command(&self) -> Command {
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
        self.feed().load(count, customers, None).await
    }

    /// The same with one text.
    pub async fn load_text(&self, count: usize, customers: usize, text: &str) -> Vec<String> {
        self.feed().load(count, customers, Some(text)).await
    }

    /// Publishes these, side by side.
    pub async fn send(&self, inputs: &[Input]) {
        self.feed().send(inputs).await;
    }

    /// Publishes again what the ledger knows already.
    pub async fn send_again(&self, inputs: &[Input]) {
        self.feed().send_again(inputs).await;
    }

    /// Publishes so many a second until stopped.
    pub fn keep_loading(&self, per_second: usize, customers: usize) -> Load {
        Load::start(self.feed(), per_second, customers)
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

    /// Keeps configuration and logs for whoever looks for the cause.
    pub(super) fn keep(&mut self) {
        self.folder.disable_cleanup(true);
        eprintln!("configuration and logs are kept in {}", self.folder().display());
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.keep();
        }
    }
}
