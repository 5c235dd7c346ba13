//! What tests against a RabbitMQ do again and again.

use std::time::{Duration, Instant};

use lapin::options::{BasicPublishOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel};
use smista::broker::amqp::AmqpBroker;
use smista::broker::{Broker, BrokerState, Consumer, Delivery, Outgoing};
use smista::store::Destination;

use super::rabbit::Stage;

pub const LONG: Duration = Duration::from_secs(30);
pub const SHORT: Duration = Duration::from_millis(500);

pub fn decision(id: &str, key: &str) -> Outgoing {
    Outgoing {
        destination: Destination::Decisions,
        routing_key: key.to_owned(),
        message_id: id.to_owned(),
        body: format!("{{\"decision_id\":\"{id}\"}}").into_bytes(),
        headers: vec![("x-smista-test".to_owned(), "yes".to_owned())],
    }
}

pub async fn reach(broker: &AmqpBroker, wanted: impl Fn(&BrokerState) -> bool) -> BrokerState {
    let mut state = broker.state();
    let reached = tokio::time::timeout(LONG, state.wait_for(wanted)).await;
    reached.unwrap_or_else(|_| panic!("stuck in {:?}", broker.state().borrow())).unwrap().clone()
}

pub async fn connected(broker: &AmqpBroker) {
    reach(broker, |state| *state == BrokerState::Connected).await;
}

/// What a producer does.
pub async fn produce(stage: &Stage, key: &str, id: &str, body: &[u8]) {
    let channel = stage.admin.create_channel().await.unwrap();
    channel.confirm_select(Default::default()).await.unwrap();
    let confirm = channel
        .basic_publish(
            stage.topology.interactions().as_str().into(),
            key.into(),
            BasicPublishOptions { mandatory: true, immediate: false },
            body,
            BasicProperties::default().with_message_id(id.into()).with_delivery_mode(2),
        )
        .await
        .unwrap()
        .await
        .unwrap();
    assert_eq!(confirm, lapin::Confirmation::Ack(None));
}

pub async fn next(consumer: &mut Box<dyn Consumer>) -> Delivery {
    tokio::time::timeout(LONG, consumer.next()).await.expect("a delivery").expect("not stopped")
}

pub async fn nothing_comes(consumer: &mut Box<dyn Consumer>) -> bool {
    tokio::time::timeout(SHORT, consumer.next()).await.is_err()
}

pub async fn depth(stage: &Stage, queue: &str) -> u32 {
    let channel = stage.admin.create_channel().await.unwrap();
    let options = QueueDeclareOptions { passive: true, ..Default::default() };
    channel.queue_declare(queue.into(), options, FieldTable::default()).await.unwrap().message_count()
}

pub async fn eventually_holds(stage: &Stage, queue: &str, wanted: u32) {
    let until = Instant::now() + LONG;
    loop {
        let found = depth(stage, queue).await;
        if found == wanted {
            return;
        }
        assert!(Instant::now() < until, "{queue} holds {found}, not {wanted}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A routing system's queue, bound to the decisions.
pub async fn bound_queue(stage: &Stage, pattern: &str) -> (Channel, String) {
    let channel = stage.admin.create_channel().await.unwrap();
    let options = QueueDeclareOptions { exclusive: true, ..Default::default() };
    let queue = channel.queue_declare("".into(), options, FieldTable::default()).await.unwrap();
    let name = queue.name().to_string();
    let exchange = stage.topology.exchange_of(Destination::Decisions);
    channel
        .queue_bind(
            name.as_str().into(),
            exchange.as_str().into(),
            pattern.into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await
        .unwrap();
    (channel, name)
}
