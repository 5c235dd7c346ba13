//! A pipeline to be measured: exchanges and queues of its own on the configured broker, a database of its own, worker
//! processes, a producer and a consumer.

use std::collections::HashMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeleteOptions, QueueBindOptions,
    QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use serde::Deserialize;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::broker::amqp::{Address, declare};
use crate::broker::topology::Topology;
use crate::cli::Hinted;
use crate::config::Config;
use crate::store::Destination;

/// Publishes that may wait for their confirms.
const UNCONFIRMED: usize = 512;
/// Without a decision for so long the measurement is given up.
const STUCK: Duration = Duration::from_secs(120);
/// Customers whose messages these are.
const CUSTOMERS: usize = 1000;

/// When a message should have been sent, and when its decision came.
#[derive(Debug, Clone, Copy)]
struct Passage {
    due: Instant,
    decided: Option<Instant>,
}

/// Both ends' view.
#[derive(Debug, Default)]
struct Book {
    passages: HashMap<String, Passage>,
    decided: usize,
    parked: usize,
    last: Option<Instant>,
}

/// What workers have used so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Processor time of all of them.
    pub cpu: Duration,
    /// Most memory of one of them, resident, MiB.
    pub memory_mib: f64,
}

/// The running pipeline.
pub struct Scene {
    connection: Connection,
    topology: Topology,
    channel: Channel,
    decisions: String,
    book: Arc<Mutex<Book>>,
    reading: JoinHandle<()>,
    workers: Vec<Child>,
    folder: tempfile::TempDir,
    texts: Vec<String>,
    sent: usize,
}

#[derive(Deserialize)]
struct Decided {
    message_id: String,
}

impl Scene {
    /// Declares, starts the workers, and waits until one of them has decided something.
    pub async fn open(
        config: &Config,
        file: Option<&Path>,
        store: Option<&str>,
        workers: usize,
        texts: Vec<String>,
    ) -> anyhow::Result<Self> {
        let mut config = config.clone();
        config.broker.prefix = format!("smista-bench-{}", uuid::Uuid::new_v4().simple());
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let topology = Topology::of(&config.broker);
        let address = Address::from_config(&config.broker)?;
        let connection = address
            .connect("smista-bench")
            .await
            .map_err(|fault| anyhow::Error::new(Hinted::new(fault.to_string(), fault.remedy())))?;
        declare::apply(&connection, &topology).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let decisions = format!("{}.bench", topology.prefix);
        let book = Arc::new(Mutex::new(Book::default()));
        let reading = read(&connection, &topology, &decisions, Arc::clone(&book)).await?;
        let mut scene = Self {
            connection,
            topology,
            channel,
            decisions,
            book,
            reading,
            workers: Vec::new(),
            folder,
            texts,
            sent: 0,
        };
        let opened = scene.start(file, store, workers).await;
        match opened {
            Ok(()) => Ok(scene),
            Err(error) => {
                // What went wrong says more than what could not be put away after it.
                drop(scene.close().await);
                Err(error)
            }
        }
    }

    async fn start(
        &mut self,
        file: Option<&Path>,
        store: Option<&str>,
        workers: usize,
    ) -> anyhow::Result<()> {
        let own = format!("sqlite:{}", self.folder.path().join("bench.db").display());
        let program = std::env::current_exe().context("this program cannot be found")?;
        for number in 0..workers {
            let log = std::fs::File::create(self.log(number))?;
            let mut command = Command::new(&program);
            if let Some(file) = file {
                command.arg("--config").arg(file);
            }
            command
                .arg("worker")
                .env("SMISTA_BROKER__PREFIX", &self.topology.prefix)
                .env("SMISTA_STORE__URL", store.unwrap_or(&own))
                // The texts come again and again: what is measured is the engine, not the answers it gave before.
                .env("SMISTA_ENGINE__CACHE", "0")
                .env("SMISTA_TELEMETRY__LISTEN", "127.0.0.1:0")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .kill_on_drop(true);
            self.workers.push(command.spawn().context("a worker cannot be started")?);
        }
        self.send(20, None).await?;
        self.settle().await
    }

    fn log(&self, number: usize) -> std::path::PathBuf {
        self.folder.path().join(format!("worker-{number}.log"))
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes so many messages: as quickly as the broker confirms them, or at so many a second whatever happens to the
    /// earlier ones (open loop: a message is due at its time, and what it waits for counts).
    pub async fn send(&mut self, messages: usize, per_second: Option<f64>) -> anyhow::Result<()> {
        let start = Instant::now();
        let mut waiting = FuturesUnordered::new();
        for number in 0..messages {
            let due = match per_second {
                None => Instant::now(),
                Some(rate) => start + Duration::from_secs_f64(number as f64 / rate),
            };
            if per_second.is_some() {
                tokio::time::sleep_until(due.into()).await;
            }
            let id = format!("bench-{:08}", self.sent);
            let customer = format!("c{}", self.sent % CUSTOMERS);
            let text = self.texts.get(self.sent % self.texts.len().max(1)).cloned().unwrap_or_default();
            let body = serde_json::json!({
                "schema": "smista.interaction.v1",
                "message_id": id,
                "conversation_id": format!("k-{customer}"),
                "customer_id": customer,
                "channel": "chat",
                "sent_at": chrono::Utc::now().to_rfc3339(),
                "text": text,
            });
            self.book().passages.insert(id.clone(), Passage { due, decided: None });
            self.sent += 1;
            let confirm = self
                .channel
                .basic_publish(
                    self.topology.interactions().into(),
                    customer.into(),
                    BasicPublishOptions::default(),
                    body.to_string().as_bytes(),
                    BasicProperties::default().with_delivery_mode(2).with_message_id(id.into()),
                )
                .await?;
            waiting.push(confirm);
            while waiting.len() >= UNCONFIRMED {
                confirmed(waiting.next().await)?;
            }
        }
        while let Some(confirm) = waiting.next().await {
            confirmed(Some(confirm))?;
        }
        Ok(())
    }

    /// Waits until everything sent is decided.
    pub async fn settle(&mut self) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            let (decided, parked, last) = {
                let book = self.book();
                (book.decided, book.parked, book.last)
            };
            if parked > 0 {
                bail!("{parked} messages were parked: {}", self.said(0));
            }
            if decided >= self.sent {
                return Ok(());
            }
            for number in 0..self.workers.len() {
                let ended = self.workers.get_mut(number).and_then(|worker| worker.try_wait().ok().flatten());
                if let Some(status) = ended {
                    bail!("a worker ended ({status}): {}", self.said(number));
                }
            }
            if last.map_or(started, |last| last.max(started)).elapsed() > STUCK {
                let left = self.sent - decided;
                bail!("{left} messages are not decided after {} s: {}", STUCK.as_secs(), self.said(0));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn said(&self, number: usize) -> String {
        let log = std::fs::read_to_string(self.log(number)).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// From when each of the latest `messages` was due until its decision came, and when the last one came.
    pub fn passages(&self, messages: usize) -> (Vec<Duration>, Option<Instant>) {
        let first = self.sent.saturating_sub(messages);
        let book = self.book();
        let ids = (first..self.sent).map(|number| format!("bench-{number:08}"));
        let found = ids.filter_map(|id| book.passages.get(&id));
        let took = found.filter_map(|passage| Some(passage.decided?.saturating_duration_since(passage.due)));
        (took.collect(), book.last)
    }

    /// What the workers have used since they started.
    pub fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        for pid in self.workers.iter().filter_map(Child::id) {
            usage.cpu += cpu(pid).unwrap_or_default();
            usage.memory_mib = usage.memory_mib.max(memory_mib(pid).unwrap_or_default());
        }
        usage
    }

    /// Stops the workers and removes what was declared.
    pub async fn close(mut self) -> anyhow::Result<()> {
        self.reading.abort();
        for worker in &mut self.workers {
            worker.start_kill()?;
            worker.wait().await?;
        }
        let channel = self.connection.create_channel().await?;
        let queues = self.topology.queues.iter().map(|queue| queue.name.as_str());
        for queue in queues.chain([self.decisions.as_str()]) {
            channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await?;
        }
        for exchange in self.topology.exchanges.iter().rev() {
            channel.exchange_delete(exchange.name.as_str().into(), ExchangeDeleteOptions::default()).await?;
        }
        Ok(self.connection.close(200, "done".into()).await?)
    }
}

fn confirmed(confirm: Option<lapin::Result<Confirmation>>) -> anyhow::Result<()> {
    match confirm {
        Some(Ok(Confirmation::Nack(_))) => bail!("the broker refused a message"),
        Some(Err(error)) => Err(error.into()),
        Some(Ok(_)) | None => Ok(()),
    }
}

async fn read(
    connection: &Connection,
    topology: &Topology,
    queue: &str,
    book: Arc<Mutex<Book>>,
) -> anyhow::Result<JoinHandle<()>> {
    let channel = connection.create_channel().await?;
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(queue.into(), durable, FieldTable::default()).await?;
    let parked = topology.exchange_of(Destination::Parked);
    for exchange in [topology.exchange_of(Destination::Decisions), parked.clone()] {
        let (options, key) = (QueueBindOptions::default(), "#");
        channel.queue_bind(queue.into(), exchange.into(), key.into(), options, FieldTable::default()).await?;
    }
    let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
    let mut deliveries =
        channel.basic_consume(queue.into(), "bench".into(), options, FieldTable::default()).await?;
    Ok(tokio::spawn(async move {
        while let Some(Ok(delivery)) = deliveries.next().await {
            let now = Instant::now();
            let Ok(decided) = serde_json::from_slice::<Decided>(&delivery.data) else { continue };
            let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
            book.parked += usize::from(delivery.exchange.as_str() == parked);
            // A decision may come twice; the first time counts.
            if let Some(passage) = book.passages.get_mut(&decided.message_id)
                && passage.decided.is_none()
            {
                passage.decided = Some(now);
                book.decided += 1;
                book.last = Some(now);
            }
        }
    }))
}

/// Processor time of a process in user and system mode (proc(5), /proc/PID/stat, fields 14 and 15, in ticks of 10 ms).
fn cpu(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold blanks.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 10))
}

/// Most resident memory of a process so far (proc(5), /proc/PID/status, `VmHWM`).
fn memory_mib(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}
