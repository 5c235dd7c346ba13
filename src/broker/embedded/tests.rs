use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::broker::parked;

const SOON: Duration = Duration::from_millis(50);

fn broker(options: EmbeddedOptions) -> EmbeddedBroker {
    EmbeddedBroker::new(EmbeddedOptions { confirm_timeout: SOON, ..options })
}

async fn push(broker: &EmbeddedBroker, key: &str, body: &str) {
    broker.publish_interaction(body.as_bytes().to_vec(), key, Some(body)).await.unwrap();
}

async fn next(consumer: &mut Box<dyn Consumer>) -> Delivery {
    tokio::time::timeout(Duration::from_secs(2), consumer.next()).await.unwrap().unwrap()
}

async fn nothing_comes(consumer: &mut Box<dyn Consumer>) -> bool {
    tokio::time::timeout(SOON, consumer.next()).await.is_err()
}

fn outgoing(destination: Destination) -> Outgoing {
    Outgoing {
        destination,
        routing_key: "high.billing.chat".into(),
        message_id: "d-1".into(),
        body: b"{}".to_vec(),
        headers: Vec::new(),
    }
}

#[tokio::test]
async fn an_acked_delivery_is_gone() {
    let broker = broker(EmbeddedOptions::default());
    push(&broker, "anna", "one").await;
    let mut consumer = broker.consume(4).await.unwrap();
    let delivery = next(&mut consumer).await;
    assert_eq!(delivery.meta.message_id.as_deref(), Some("one"));
    assert_eq!(delivery.meta.queue, "smista.interactions.0");
    assert!(!delivery.meta.redelivered);
    delivery.settle(Settlement::Ack).await.unwrap();
    assert_eq!(broker.depth(), (0, 0));
    assert!(nothing_comes(&mut consumer).await);
}

#[tokio::test]
async fn a_dropped_delivery_comes_again_before_later_ones() {
    let broker = broker(EmbeddedOptions::default());
    for body in ["one", "two", "three"] {
        push(&broker, "anna", body).await;
    }
    let mut consumer = broker.consume(2).await.unwrap();
    let one = next(&mut consumer).await;
    let two = next(&mut consumer).await;
    drop(one);
    two.settle(Settlement::Ack).await.unwrap();
    let again = next(&mut consumer).await;
    assert_eq!(again.body, b"one");
    assert_eq!(again.meta.earlier_deliveries, 1);
    assert!(again.meta.redelivered);
    again.settle(Settlement::Ack).await.unwrap();
    assert_eq!(next(&mut consumer).await.body, b"three");
}

#[tokio::test]
async fn prefetch_bounds_the_unsettled() {
    let broker = broker(EmbeddedOptions::default());
    for n in 0..5 {
        push(&broker, "anna", &n.to_string()).await;
    }
    let mut consumer = broker.consume(2).await.unwrap();
    let first = next(&mut consumer).await;
    let _second = next(&mut consumer).await;
    assert!(nothing_comes(&mut consumer).await);
    first.settle(Settlement::Ack).await.unwrap();
    assert_eq!(next(&mut consumer).await.body, b"2");
}

#[tokio::test]
async fn past_the_delivery_limit_it_is_parked() {
    let broker = broker(EmbeddedOptions { delivery_limit: 3, ..EmbeddedOptions::default() });
    push(&broker, "anna", "poison").await;
    let mut consumer = broker.consume(1).await.unwrap();
    for earlier in 0..=3 {
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.meta.earlier_deliveries, earlier);
        delivery.settle(Settlement::Requeue).await.unwrap();
    }
    assert!(nothing_comes(&mut consumer).await);
    let kept = broker.parked();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].body, b"poison");
    assert!(kept[0].headers.contains(&(parked::ERROR_CLASS.into(), parked::DELIVERY_LIMIT.into())));
    assert!(kept[0].headers.contains(&(parked::ATTEMPT.into(), "4".into())));
}

#[tokio::test]
async fn a_rejected_delivery_is_parked_and_a_full_parked_queue_refuses_it() {
    let broker = broker(EmbeddedOptions { capacity: 1, ..EmbeddedOptions::default() });
    let mut consumer = broker.consume(1).await.unwrap();
    push(&broker, "anna", "one").await;
    next(&mut consumer).await.settle(Settlement::Reject).await.unwrap();
    assert_eq!(broker.parked().len(), 1);
    push(&broker, "anna", "two").await;
    let refused = next(&mut consumer).await.settle(Settlement::Reject).await;
    assert!(matches!(refused, Err(SettleError::Refused(_))));
    assert_eq!(broker.depth(), (1, 0), "it waits again");
}

#[tokio::test]
async fn a_full_queue_holds_the_producer_until_there_is_room() {
    let broker = broker(EmbeddedOptions { capacity: 1, ..EmbeddedOptions::default() });
    push(&broker, "anna", "one").await;
    let full = broker.publish_interaction(b"two".to_vec(), "anna", None).await;
    assert_eq!(full, Err(PublishError::Nacked));
    let mut consumer = broker.consume(1).await.unwrap();
    let waiting = tokio::spawn({
        let broker = broker.clone();
        async move { broker.publish_interaction(b"two".to_vec(), "anna", None).await }
    });
    next(&mut consumer).await.settle(Settlement::Ack).await.unwrap();
    waiting.await.unwrap().unwrap();
    assert_eq!(next(&mut consumer).await.body, b"two");
}

#[tokio::test]
async fn a_publish_needs_a_subscriber_of_its_destination() {
    let broker = broker(EmbeddedOptions::default());
    let publisher = broker.publisher();
    let unroutable = Err(PublishError::Unroutable("high.billing.chat".into()));
    assert_eq!(publisher.publish(outgoing(Destination::Decisions)).await, unroutable);
    let _events = broker.subscribe(Destination::Events);
    assert_eq!(publisher.publish(outgoing(Destination::Decisions)).await, unroutable);
    let mut decisions = broker.subscribe(Destination::Decisions);
    publisher.publish(outgoing(Destination::Decisions)).await.unwrap();
    assert_eq!(decisions.recv().await.unwrap().message_id, "d-1");
    drop(decisions);
    assert_eq!(publisher.publish(outgoing(Destination::Decisions)).await, unroutable);
    publisher.publish(outgoing(Destination::Parked)).await.unwrap();
    assert_eq!(broker.parked().len(), 1);
}

#[tokio::test]
async fn a_slow_subscriber_is_a_nack() {
    let broker = broker(EmbeddedOptions { capacity: 1, ..EmbeddedOptions::default() });
    let _held = broker.subscribe(Destination::Decisions);
    let publisher = broker.publisher();
    publisher.publish(outgoing(Destination::Decisions)).await.unwrap();
    assert_eq!(publisher.publish(outgoing(Destination::Decisions)).await, Err(PublishError::Nacked));
}

#[tokio::test]
async fn one_consumer_is_active_and_the_next_takes_over() {
    let broker = broker(EmbeddedOptions::default());
    let mut first = broker.consume(1).await.unwrap();
    let mut second = broker.consume(1).await.unwrap();
    push(&broker, "anna", "one").await;
    assert!(nothing_comes(&mut second).await);
    next(&mut first).await.settle(Settlement::Ack).await.unwrap();
    drop(first);
    push(&broker, "anna", "two").await;
    assert_eq!(next(&mut second).await.body, b"two");
}

#[tokio::test]
async fn stop_ends_the_stream_and_close_waits_for_what_is_out() {
    let broker = broker(EmbeddedOptions::default());
    push(&broker, "anna", "one").await;
    push(&broker, "anna", "two").await;
    let mut consumer = broker.consume(4).await.unwrap();
    let out = next(&mut consumer).await;
    consumer.stop().await;
    assert!(consumer.next().await.is_none());
    let closing = tokio::spawn({
        let broker = broker.clone();
        async move { broker.close().await }
    });
    tokio::time::sleep(SOON).await;
    assert!(!closing.is_finished());
    out.settle(Settlement::Ack).await.unwrap();
    closing.await.unwrap();
    assert_eq!(*broker.state().borrow(), BrokerState::Closed);
    let after = broker.publish_interaction(Vec::new(), "anna", None).await;
    assert!(matches!(after, Err(PublishError::Disconnected(_))));
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Publish(u8),
    Take,
    Ack(usize),
    Requeue(usize),
    Drop(usize),
    Reject(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..4u8).prop_map(Step::Publish),
        3 => Just(Step::Take),
        2 => (0..8usize).prop_map(Step::Ack),
        1 => (0..8usize).prop_map(Step::Requeue),
        1 => (0..8usize).prop_map(Step::Drop),
        1 => (0..8usize).prop_map(Step::Reject),
    ];
    prop::collection::vec(step, 0..200)
}

/// Whatever happens: every message is acked once, parked once, or still held; first deliveries of one customer come in
/// the order they were published.
async fn conserve(steps: Vec<Step>, shards: u16) {
    let broker = broker(EmbeddedOptions { shards, delivery_limit: 2, ..EmbeddedOptions::default() });
    let mut consumer = broker.consume(3).await.unwrap();
    let mut published = 0u32;
    let mut acked = BTreeMap::<String, u32>::new();
    let mut last_new = BTreeMap::<String, u32>::new();
    let mut out: Vec<Delivery> = Vec::new();
    for step in steps {
        match step {
            Step::Publish(customer) => {
                push(&broker, &format!("c{customer}"), &published.to_string()).await;
                published += 1;
            }
            Step::Take => {
                let (waiting, _) = broker.depth();
                let taken = if waiting == 0 {
                    None
                } else {
                    tokio::time::timeout(Duration::from_millis(1), consumer.next()).await.ok().flatten()
                };
                if let Some(delivery) = taken {
                    let n: u32 = std::str::from_utf8(&delivery.body).unwrap().parse().unwrap();
                    if !delivery.meta.redelivered {
                        let before = last_new.insert(delivery.meta.routing_key.clone(), n);
                        assert!(before.is_none_or(|before| before < n));
                    }
                    out.push(delivery);
                }
            }
            Step::Ack(at) if at < out.len() => {
                let delivery = out.remove(at);
                *acked.entry(delivery.meta.message_id.clone().unwrap()).or_default() += 1;
                delivery.settle(Settlement::Ack).await.unwrap();
            }
            Step::Requeue(at) if at < out.len() => out.remove(at).settle(Settlement::Requeue).await.unwrap(),
            Step::Reject(at) if at < out.len() => out.remove(at).settle(Settlement::Reject).await.unwrap(),
            Step::Drop(at) if at < out.len() => drop(out.remove(at)),
            Step::Ack(_) | Step::Requeue(_) | Step::Reject(_) | Step::Drop(_) => {}
        }
    }
    assert!(acked.values().all(|times| *times == 1));
    let (waiting, unsettled) = broker.depth();
    assert_eq!(unsettled, out.len());
    assert_eq!(acked.len() + broker.parked().len() + waiting + unsettled, published as usize);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn messages_are_conserved(steps in steps(), shards in 1..4u16) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(conserve(steps, shards));
    }
}
