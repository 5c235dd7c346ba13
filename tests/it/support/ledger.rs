//! Publishes interactions, reads every decision and parked message, and compares the two.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use futures::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use serde_json::Value;

/// One side of the broker: what went in, what came out.
pub struct Ledger {
    connection: Connection,
    channel: Channel,
    decisions: lapin::Consumer,
    parked: lapin::Consumer,
    prefix: String,
    /// Message ids by customer, in the order published.
    pub published: BTreeMap<String, Vec<String>>,
    /// Decisions as they came, duplicates included.
    pub decided: Vec<Value>,
    /// Error classes of parked messages, with their bodies.
    pub parked_messages: Vec<(String, Vec<u8>)>,
}

impl Ledger {
    /// Binds a queue of its own to the decisions and reads the parked queue. The topology must be applied.
    pub async fn open(url: &str, prefix: &str) -> Self {
        let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let queue = format!("{prefix}.test.decisions");
        let options = QueueDeclareOptions { durable: true, ..Default::default() };
        channel.queue_declare(queue.as_str().into(), options, FieldTable::default()).await.unwrap();
        channel
            .queue_bind(
                queue.as_str().into(),
                format!("{prefix}.decisions").into(),
                "#".into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await
            .unwrap();
        let decisions = consume(&channel, &queue).await;
        let parked = consume(&channel, &format!("{prefix}.parked")).await;
        Self {
            connection,
            channel,
            decisions,
            parked,
            prefix: prefix.to_owned(),
            published: BTreeMap::new(),
            decided: Vec::new(),
            parked_messages: Vec::new(),
        }
    }

    /// Publishes a chat message of a customer and waits for the confirm.
    pub async fn publish(&mut self, customer: &str, message_id: &str, text: &str, sent_at: &str) {
        let exchange = format!("{}.interactions", self.prefix);
        self.publish_by(&exchange, customer, customer, message_id, text, sent_at).await;
    }

    /// Puts a chat message of a customer straight into an input queue.
    pub async fn publish_into(&mut self, queue: &str, customer: &str, message_id: &str, sent_at: &str) {
        let queue = format!("{}.{queue}", self.prefix);
        self.publish_by("", &queue, customer, message_id, "where is my parcel?", sent_at).await;
    }

    async fn publish_by(
        &mut self,
        exchange: &str,
        routing_key: &str,
        customer: &str,
        message_id: &str,
        text: &str,
        sent_at: &str,
    ) {
        let body = serde_json::json!({
            "schema": "smista.interaction.v1",
            "message_id": message_id,
            "conversation_id": format!("conversation-{customer}"),
            "customer_id": customer,
            "channel": "chat",
            "sent_at": sent_at,
            "text": text,
        });
        self.published.entry(customer.to_owned()).or_default().push(message_id.to_owned());
        self.send(exchange, routing_key, body.to_string().as_bytes()).await;
    }

    /// Publishes any body and waits for the confirm.
    pub async fn publish_raw(&self, routing_key: &str, body: &[u8]) {
        self.send(&format!("{}.interactions", self.prefix), routing_key, body).await;
    }

    async fn send(&self, exchange: &str, routing_key: &str, body: &[u8]) {
        let confirm = self
            .channel
            .basic_publish(
                exchange.into(),
                routing_key.into(),
                BasicPublishOptions { mandatory: true, ..Default::default() },
                body,
                BasicProperties::default().with_delivery_mode(2),
            )
            .await
            .unwrap()
            .await
            .unwrap();
        assert!(
            matches!(confirm, lapin::Confirmation::Ack(None)),
            "interaction not taken by a queue: {confirm:?}"
        );
    }

    /// Number of different messages decided so far.
    pub fn distinct(&self) -> usize {
        self.decided
            .iter()
            .filter_map(|decision| decision["message_id"].as_str())
            .collect::<HashSet<_>>()
            .len()
    }

    /// Reads until `decided` different messages are decided and `parked` are parked, or nothing came for `quiet`.
    pub async fn read(&mut self, decided: usize, parked: usize, quiet: Duration) {
        while self.distinct() < decided || self.parked_messages.len() < parked {
            tokio::select! {
                delivery = self.decisions.next() => {
                    let delivery = delivery.unwrap().unwrap();
                    self.decided.push(serde_json::from_slice(&delivery.data).unwrap());
                    delivery.ack(BasicAckOptions::default()).await.unwrap();
                }
                delivery = self.parked.next() => {
                    let delivery = delivery.unwrap().unwrap();
                    self.parked_messages.push((error_class(&delivery.properties), delivery.data.clone()));
                    delivery.ack(BasicAckOptions::default()).await.unwrap();
                }
                () = tokio::time::sleep(quiet) => return,
            }
        }
    }

    /// Reads whatever still comes within `quiet`.
    pub async fn read_rest(&mut self, quiet: Duration) {
        self.read(usize::MAX, usize::MAX, quiet).await;
    }

    /// Fails unless every published message has exactly one decision id, and each customer's first decisions came in
    /// order of publishing.
    pub fn assert_complete_and_in_order(&self) {
        let mut ids: HashMap<&str, HashSet<&str>> = HashMap::new();
        let mut order: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for decision in &self.decided {
            let message = decision["message_id"].as_str().unwrap();
            let seen = ids.entry(message).or_default();
            if seen.is_empty() {
                order.entry(decision["customer_id"].as_str().unwrap()).or_default().push(message);
            }
            seen.insert(decision["decision_id"].as_str().unwrap());
        }
        let missing: Vec<&String> =
            self.published.values().flatten().filter(|id| !ids.contains_key(id.as_str())).collect();
        assert!(missing.is_empty(), "{} lost, such as {:?}", missing.len(), missing.first());
        let twice: Vec<_> = ids.iter().filter(|(_, decisions)| decisions.len() != 1).collect();
        assert!(twice.is_empty(), "more than one decision: {twice:?}");
        for (customer, messages) in &self.published {
            assert_eq!(&order[customer.as_str()], messages, "order of {customer}");
        }
    }

    /// Messages left in a queue.
    pub async fn depth(&self, queue: &str) -> u32 {
        let options = QueueDeclareOptions { passive: true, durable: true, ..Default::default() };
        let channel = self.connection.create_channel().await.unwrap();
        let queue = format!("{}.{queue}", self.prefix);
        channel.queue_declare(queue.into(), options, FieldTable::default()).await.unwrap().message_count()
    }
}

async fn consume(channel: &Channel, queue: &str) -> lapin::Consumer {
    channel
        .basic_consume(queue.into(), "".into(), BasicConsumeOptions::default(), FieldTable::default())
        .await
        .unwrap()
}

fn error_class(properties: &BasicProperties) -> String {
    let header = properties
        .headers()
        .as_ref()
        .and_then(|headers| headers.inner().get("x-smista-error-class").cloned());
    match header {
        Some(AMQPValue::LongString(text)) => text.to_string(),
        other => format!("{other:?}"),
    }
}
