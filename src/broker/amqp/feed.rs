//! Sends interactions to where producers send them: in order, many on their way at once, each `mandatory` and confirmed.
//! Ends at the first that the broker does not confirm: what is sent again afterwards is recognised by its id.

use std::collections::VecDeque;
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{Channel, Confirmation, Connection, PublisherConfirm};
use tokio::time::timeout;

use super::connect::{Address, reply, short};
use super::declare::is_missing;
use super::farewell;
use super::publisher::properties;
use crate::broker::BrokerError;
use crate::broker::topology::Topology;
use crate::config;

/// Most messages on their way: enough that the network's delay hardly shows.
const UNCONFIRMED: usize = 256;

/// A producer's line to the broker.
pub struct Feed {
    connection: Connection,
    channel: Channel,
    exchange: ShortString,
    confirm_timeout: Duration,
    waiting: VecDeque<(String, PublisherConfirm)>,
    confirmed: u64,
}

impl Feed {
    /// Connects.
    pub async fn open(config: &config::Broker) -> Result<Self, BrokerError> {
        let connection = Address::from_config(config)?
            .connect("smista import")
            .await
            .map_err(|fault| BrokerError::Operation(format!("{fault}; {}", fault.remedy())))?;
        let failed = |error: lapin::Error| BrokerError::Operation(error.to_string());
        let channel = reply(connection.create_channel()).await.map_err(failed)?;
        reply(channel.confirm_select(ConfirmSelectOptions::default())).await.map_err(failed)?;
        let exchange = short(&Topology::of(config).interactions()).map_err(BrokerError::Config)?;
        let (waiting, confirm_timeout) = (VecDeque::new(), config.confirm_timeout());
        Ok(Self { connection, channel, exchange, confirm_timeout, waiting, confirmed: 0 })
    }

    /// Messages that the broker has.
    pub fn confirmed(&self) -> u64 {
        self.confirmed
    }

    /// Sends a message behind those before it; `key` is the customer's, who gets messages in this order.
    ///
    /// # Errors
    /// This one or one before it was not confirmed.
    pub async fn send(&mut self, message_id: &str, key: &str, body: &[u8]) -> Result<(), BrokerError> {
        if self.waiting.len() >= UNCONFIRMED {
            self.confirm_one().await?;
        }
        let key = short(key).map_err(BrokerError::Operation)?;
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let properties = properties(message_id, &[]);
        let sending = self.channel.basic_publish(self.exchange.clone(), key, options, body, properties);
        let confirm = match timeout(self.confirm_timeout, sending).await {
            Ok(Ok(confirm)) => confirm,
            Ok(Err(error)) => return Err(self.refused(message_id, &error)),
            Err(_) => return Err(self.silent(message_id)),
        };
        self.waiting.push_back((message_id.to_owned(), confirm));
        Ok(())
    }

    /// Waits until the broker has everything.
    ///
    /// # Errors
    /// One was not confirmed.
    pub async fn flush(&mut self) -> Result<(), BrokerError> {
        while !self.waiting.is_empty() {
            self.confirm_one().await?;
        }
        Ok(())
    }

    /// Says goodbye.
    pub async fn close(self) {
        farewell(&self.connection).await;
    }

    async fn confirm_one(&mut self) -> Result<(), BrokerError> {
        let Some((id, confirm)) = self.waiting.pop_front() else { return Ok(()) };
        let operation = |text: String| Err(BrokerError::Operation(text));
        match timeout(self.confirm_timeout, confirm).await {
            Ok(Ok(Confirmation::Ack(None))) => {
                self.confirmed += 1;
                Ok(())
            }
            Ok(Ok(Confirmation::Ack(Some(_)))) => operation(format!("no input queue takes message {id}")),
            Ok(Ok(Confirmation::Nack(_))) => {
                operation(format!("the broker refused message {id}: an input queue is full"))
            }
            Ok(Ok(Confirmation::NotRequested)) => operation("the channel gives no confirms".to_owned()),
            Ok(Err(error)) => Err(self.refused(&id, &error)),
            Err(_) => Err(self.silent(&id)),
        }
    }

    fn refused(&self, id: &str, error: &lapin::Error) -> BrokerError {
        let missing = is_missing(error);
        let what =
            if missing { format!("there is no exchange {}", self.exchange) } else { error.to_string() };
        BrokerError::Operation(format!("message {id} was not sent: {what}"))
    }

    fn silent(&self, id: &str) -> BrokerError {
        BrokerError::Operation(format!("no confirm of message {id} within {:?}", self.confirm_timeout))
    }
}
