//! The ledger: every input in order, every decision and parked message as it came, and what of it is wrong.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures::StreamExt as _;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Connection, ConnectionProperties};
use serde_json::Value;

use super::producer::Input;

/// A parked message.
#[derive(Debug, Clone)]
pub struct Parked {
    pub id: String,
    /// The worker's error class, or `broker` where the broker itself gave it up.
    pub class: String,
    pub attempt: Option<u32>,
}

/// A decision as it came the first time.
#[derive(Debug, Clone)]
pub struct First {
    pub decision: Value,
    pub at: Instant,
}

/// What is known so far.
#[derive(Default)]
pub struct Book {
    /// Message ids by customer, in the order confirmed.
    pub inputs: BTreeMap<String, Vec<String>>,
    pub sent: HashMap<String, Instant>,
    pub first: HashMap<String, First>,
    /// By customer, in the order in which decisions first came.
    pub order: BTreeMap<String, Vec<String>>,
    /// Copies beyond the first.
    pub again: usize,
    /// Copies that are not the same decision.
    pub different: BTreeSet<String>,
    pub parked: Vec<Parked>,
}

impl Book {
    pub fn count(&self) -> usize {
        self.inputs.values().map(Vec::len).sum()
    }

    /// Inputs that are neither decided nor parked.
    pub fn open(&self) -> Vec<&str> {
        let parked: HashSet<&str> = self.parked.iter().map(|parked| parked.id.as_str()).collect();
        let is_open = |id: &&String| !self.first.contains_key(*id) && !parked.contains(id.as_str());
        self.inputs.values().flatten().filter(is_open).map(String::as_str).collect()
    }

    /// Whether every input is decided or parked; cheap to ask while many are not.
    pub fn is_settled(&self) -> bool {
        self.first.len() + self.parked.len() >= self.count() && self.open().is_empty()
    }

    pub fn summary(&self) -> String {
        let open = self.open();
        format!(
            "{} inputs, {} decided, {} parked, {} open, such as {:?}",
            self.count(),
            self.first.len(),
            self.parked.len(),
            open.len(),
            &open[..open.len().min(5)]
        )
    }

    /// Customers' messages, decided ones only, that came in another order than they were sent.
    pub fn disorder(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (customer, sent) in &self.inputs {
            let came = self.order.get(customer).map(Vec::as_slice).unwrap_or_default();
            let expected = sent.iter().filter(|id| self.first.contains_key(*id));
            let wrong = expected.zip(came).filter(|(expected, came)| expected != came).count();
            if wrong > 0 {
                found.push(format!("{customer}: {wrong} out of order"));
            }
        }
        found
    }

    /// From publishing to the decision, in milliseconds, sorted.
    pub fn latencies_ms(&self) -> Vec<f64> {
        let mut all: Vec<f64> = self
            .first
            .iter()
            .filter_map(|(id, first)| Some((first.at - *self.sent.get(id)?).as_secs_f64() * 1000.0))
            .collect();
        all.sort_by(f64::total_cmp);
        all
    }

    fn decision(&mut self, delivery: &Delivery) {
        let decision: Value = serde_json::from_slice(&delivery.data).unwrap_or_default();
        let id = decision["message_id"].as_str().unwrap_or("a decision without message_id").to_owned();
        if let Some(first) = self.first.get(&id) {
            if first.decision != decision {
                self.different.insert(id);
            }
            // What the ledger itself did not ack in time is no copy.
            if !delivery.redelivered {
                self.again += 1;
            }
            return;
        }
        let customer = decision["customer_id"].as_str().unwrap_or_default().to_owned();
        self.order.entry(customer).or_default().push(id.clone());
        self.first.insert(id, First { decision, at: Instant::now() });
    }

    fn parked(&mut self, delivery: &Delivery) {
        let headers = delivery.properties.headers().as_ref();
        let text = |name: &str| match headers.and_then(|table| table.inner().get(name)) {
            Some(AMQPValue::LongString(text)) => Some(text.to_string()),
            _ => None,
        };
        let id = delivery.properties.message_id().as_ref().map(ToString::to_string).unwrap_or_default();
        let class = text("x-smista-error-class").unwrap_or_else(|| "broker".to_owned());
        let attempt = text("x-smista-attempt").and_then(|text| text.parse().ok());
        self.parked.push(Parked { id, class, attempt });
    }
}

/// Reads decisions and parked messages, through whatever happens to the broker, until dropped.
pub struct Ledger {
    book: Arc<Mutex<Book>>,
    reading: [tokio::task::JoinHandle<()>; 2],
}

impl Drop for Ledger {
    fn drop(&mut self) {
        for reading in &self.reading {
            reading.abort();
        }
    }
}

impl Ledger {
    /// Binds a queue to the decisions, unless `bound` is false, and reads it and the parked queue; the topology must be
    /// applied.
    pub async fn open(url: &str, prefix: &str, bound: bool) -> Self {
        let book = Arc::new(Mutex::new(Book::default()));
        let queue = if bound { format!("{prefix}.test.decisions") } else { format!("{prefix}.unrouted") };
        if bound {
            bind(url, prefix, &queue).await.unwrap();
        }
        let reading = [queue, format!("{prefix}.parked")].map(|queue| {
            let (url, book) = (url.to_owned(), Arc::clone(&book));
            tokio::spawn(async move {
                loop {
                    // Ends only when its connection is lost.
                    let _ = read(&url, &queue, &book).await;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            })
        });
        Self { book, reading }
    }

    pub fn look<T>(&self, at: impl FnOnce(&Book) -> T) -> T {
        at(&self.book.lock().unwrap())
    }

    /// Notes inputs that were confirmed.
    pub fn note(&self, inputs: &[Input]) {
        let mut book = self.book.lock().unwrap();
        for input in inputs {
            book.inputs.entry(input.customer.clone()).or_default().push(input.id.clone());
        }
    }

    /// Notes when inputs were given to the broker.
    pub fn note_sent(&self, inputs: &[Input]) {
        let mut book = self.book.lock().unwrap();
        for input in inputs {
            book.sent.entry(input.id.clone()).or_insert_with(Instant::now);
        }
    }

    /// Waits until something holds; says how long it took.
    pub async fn until(&self, limit: Duration, what: &str, holds: impl Fn(&Book) -> bool) -> Duration {
        let started = Instant::now();
        if !self.comes(limit, holds).await {
            panic!("not within {limit:?}: {what}; {}", self.look(Book::summary));
        }
        started.elapsed()
    }

    /// The same, as yes or no.
    pub async fn comes(&self, limit: Duration, holds: impl Fn(&Book) -> bool) -> bool {
        let started = Instant::now();
        while !self.look(&holds) {
            if started.elapsed() > limit {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        true
    }

    /// Waits for a decision made after `since`; says how long after it that one came.
    pub async fn decided_after(&self, since: (Instant, DateTime<Utc>), limit: Duration) -> Duration {
        let fresh = |first: &First| {
            first.at > since.0
                && first.decision["decided_at"]
                    .as_str()
                    .and_then(|at| DateTime::parse_from_rfc3339(at).ok())
                    .is_some_and(|at| at > since.1)
        };
        let earliest =
            |book: &Book| book.first.values().filter(|first| fresh(first)).map(|first| first.at).min();
        self.until(limit, "a new decision", |book| earliest(book).is_some()).await;
        self.look(earliest).map_or(limit, |at| at.saturating_duration_since(since.0))
    }
}

/// Now, on both clocks.
pub fn now() -> (Instant, DateTime<Utc>) {
    (Instant::now(), Utc::now())
}

async fn bind(url: &str, prefix: &str, queue: &str) -> lapin::Result<()> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(queue.into(), durable, FieldTable::default()).await?;
    let exchange = format!("{prefix}.decisions");
    channel
        .queue_bind(
            queue.into(),
            exchange.into(),
            "#".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await?;
    connection.close(200, "done".into()).await
}

async fn read(url: &str, queue: &str, book: &Mutex<Book>) -> lapin::Result<()> {
    let connecting = Connection::connect(url, ConnectionProperties::default());
    let Ok(connection) = tokio::time::timeout(Duration::from_secs(10), connecting).await else {
        return Ok(());
    };
    let connection = connection?;
    let channel = connection.create_channel().await?;
    channel.basic_qos(200, BasicQosOptions::default()).await?;
    let mut deliveries = channel
        .basic_consume(queue.into(), "".into(), BasicConsumeOptions::default(), FieldTable::default())
        .await?;
    while let Some(delivery) = deliveries.next().await {
        let delivery = delivery?;
        {
            let mut book = book.lock().unwrap();
            if queue.ends_with(".parked") {
                book.parked(&delivery);
            } else if delivery.exchange.as_str().ends_with(".decisions") {
                book.decision(&delivery);
            }
        }
        delivery.ack(BasicAckOptions::default()).await?;
    }
    Ok(())
}
