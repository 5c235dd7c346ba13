//! The producer: publishes with confirm and `mandatory`, and again until a queue has taken it. Messages of one customer
//! are confirmed one after another, so that a customer's order is the order of publishing whatever breaks.

use std::time::Duration;

use futures::future::join_all;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};

/// What a producer sends.
#[derive(Debug, Clone)]
pub struct Input {
    pub customer: String,
    pub id: String,
    pub body: Vec<u8>,
}

impl Input {
    /// A chat message; the number gives it its time.
    pub fn chat(customer: &str, id: &str, number: usize, text: &str) -> Self {
        let at = chrono::DateTime::from_timestamp(1_780_000_000 + number as i64, 0).unwrap().to_rfc3339();
        let body = serde_json::json!({
            "schema": "smista.interaction.v1",
            "message_id": id,
            "conversation_id": format!("conversation-{customer}"),
            "customer_id": customer,
            "channel": "chat",
            "sent_at": at,
            "text": text,
        });
        Self { customer: customer.to_owned(), id: id.to_owned(), body: body.to_string().into_bytes() }
    }

    /// Any body under an AMQP message id.
    pub fn raw(id: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { customer: format!("raw-{id}"), id: id.to_owned(), body: body.into() }
    }
}

/// Longest wait for a confirm before the message is published again.
const CONFIRM: Duration = Duration::from_secs(15);

/// A connection that is made again as often as needed.
pub struct Producer {
    url: String,
    exchange: String,
    channel: Option<(Connection, Channel)>,
}

impl Producer {
    pub fn new(url: &str, prefix: &str) -> Self {
        Self { url: url.to_owned(), exchange: format!("{prefix}.interactions"), channel: None }
    }

    /// Publishes messages of different customers side by side, until each is confirmed.
    pub async fn publish(&mut self, inputs: &[Input]) {
        let mut left: Vec<&Input> = inputs.iter().collect();
        while !left.is_empty() {
            let Some(channel) = self.channel().await else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let confirmed = join_all(left.iter().map(|input| self.publish_one(&channel, input))).await;
            let mut confirmed = confirmed.into_iter();
            left.retain(|_| !confirmed.next().unwrap_or_default());
            if !left.is_empty() {
                self.channel = None;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }

    async fn publish_one(&self, channel: &Channel, input: &Input) -> bool {
        let sent = async {
            let properties =
                BasicProperties::default().with_delivery_mode(2).with_message_id(input.id.as_str().into());
            let options = BasicPublishOptions { mandatory: true, ..Default::default() };
            channel
                .basic_publish(
                    self.exchange.as_str().into(),
                    input.customer.as_str().into(),
                    options,
                    &input.body,
                    properties,
                )
                .await?
                .await
        };
        matches!(tokio::time::timeout(CONFIRM, sent).await, Ok(Ok(Confirmation::Ack(None))))
    }

    async fn channel(&mut self) -> Option<Channel> {
        if let Some((_, channel)) = &self.channel
            && channel.status().connected()
        {
            return Some(channel.clone());
        }
        let open = async {
            let connection = Connection::connect(&self.url, ConnectionProperties::default()).await?;
            let channel = connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            lapin::Result::Ok((connection, channel))
        };
        let (connection, channel) = tokio::time::timeout(CONFIRM, open).await.ok()?.ok()?;
        self.channel = Some((connection, channel.clone()));
        Some(channel)
    }
}
