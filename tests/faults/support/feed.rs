//! What goes in: a producer together with the ledger that notes what it sends, and load that goes on beside a row.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use super::ledger::Ledger;
use super::producer::{Input, Producer};

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

/// The producer with the ledger that notes what it sends.
pub struct Feed {
    producer: Mutex<Producer>,
    pub ledger: Ledger,
    next: AtomicUsize,
}

impl Feed {
    pub fn new(producer: Producer, ledger: Ledger) -> Self {
        Self { producer: Mutex::new(producer), ledger, next: AtomicUsize::new(0) }
    }

    /// Publishes so many messages, spread over customers; their ids.
    pub async fn load(&self, count: usize, customers: usize, text: Option<&str>) -> Vec<String> {
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
            self.note_and_publish(&mut producer, &window).await;
        }
        ids
    }

    /// Publishes these, side by side.
    pub async fn send(&self, inputs: &[Input]) {
        let mut producer = self.producer.lock().await;
        self.note_and_publish(&mut producer, inputs).await;
    }

    /// Publishes again what the ledger knows already.
    pub async fn send_again(&self, inputs: &[Input]) {
        self.producer.lock().await.publish(inputs).await;
    }

    async fn note_and_publish(&self, producer: &mut Producer, inputs: &[Input]) {
        self.ledger.note_sent(inputs);
        producer.publish(inputs).await;
        self.ledger.note(inputs);
    }
}

/// Load that goes on beside the test.
pub struct Load {
    stop: tokio_util::sync::CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Load {
    /// Publishes so many a second until stopped.
    pub fn start(feed: &Arc<Feed>, per_second: usize, customers: usize) -> Self {
        let stop = tokio_util::sync::CancellationToken::new();
        let (feed, stopped) = (Arc::clone(feed), stop.clone());
        let task = tokio::spawn(async move {
            let mut tick = tokio::time::interval(Duration::from_millis(100));
            tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            while !stopped.is_cancelled() {
                tick.tick().await;
                feed.load((per_second / 10).max(1), customers, None).await;
            }
        });
        Self { stop, task }
    }

    /// Stops it once what was begun is confirmed.
    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}
