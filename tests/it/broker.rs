//! Publishing and consuming against a real RabbitMQ.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lapin::options::{BasicGetOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use smista::broker::amqp::AmqpBroker;
use smista::broker::{Broker, BrokerState, PublishError, SettleError, Settlement};
use smista::store::Destination;

use crate::support::bench::{
    bound_queue, connected, decision, depth, eventually_holds, next, nothing_comes, produce, reach,
};
use crate::support::proxy::{Mode, Proxy};
use crate::support::rabbit::on_stage;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publish_is_confirmed_and_routed_with_its_properties() {
    on_stage(1, |stage| async move {
        let (channel, queue) = bound_queue(&stage, "high.#").await;
        let broker = AmqpBroker::start(&stage.config).unwrap();
        broker.publisher().publish(decision("d-1", "high.billing.chat")).await.unwrap();
        let got = channel
            .basic_get(queue.as_str().into(), BasicGetOptions { no_ack: true })
            .await
            .unwrap()
            .expect("confirmed means it is there");
        assert_eq!(got.data, b"{\"decision_id\":\"d-1\"}");
        assert_eq!(got.properties.message_id().as_ref().unwrap().as_str(), "d-1");
        assert_eq!(*got.properties.delivery_mode(), Some(2));
        assert_eq!(got.properties.content_type().as_ref().unwrap().as_str(), "application/json");
        assert!(got.properties.headers().as_ref().unwrap().contains_key("x-smista-test"));

        broker.publisher().publish(decision("d-2", "low.billing.chat")).await.unwrap();
        assert_eq!(depth(&stage, &queue).await, 0);
        eventually_holds(&stage, &format!("{}.unrouted", stage.config.prefix), 1).await;
        broker.close().await;
        assert_eq!(*broker.state().borrow(), BrokerState::Closed);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publish_that_nothing_catches_is_unroutable() {
    on_stage(1, |stage| async move {
        let channel = stage.admin.create_channel().await.unwrap();
        let unrouted = format!("{}.unrouted", stage.config.prefix);
        channel.queue_delete(unrouted.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
        let broker = AmqpBroker::start(&stage.config).unwrap();
        let refused = broker.publisher().publish(decision("d-1", "high.billing.chat")).await;
        assert_eq!(refused, Err(PublishError::Unroutable("high.billing.chat".into())));
        let too_long = broker.publisher().publish(decision("d-2", &"k".repeat(256))).await;
        assert!(matches!(too_long, Err(PublishError::Unroutable(_))));
        let (_channel, _queue) = bound_queue(&stage, "#").await;
        broker.publisher().publish(decision("d-1", "high.billing.chat")).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_publishes_are_in_flight_at_once() {
    on_stage(1, |stage| async move {
        let (_channel, queue) = bound_queue(&stage, "#").await;
        let broker = AmqpBroker::start(&stage.config).unwrap();
        let publisher = broker.publisher();
        let publishes = (0..500).map(|n| {
            let publisher = Arc::clone(&publisher);
            async move { publisher.publish(decision(&format!("d-{n}"), "normal.q.chat")).await }
        });
        for published in futures::future::join_all(publishes).await {
            published.unwrap();
        }
        eventually_holds(&stage, &queue, 500).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_is_a_nack() {
    on_stage(1, |stage| async move {
        let (channel, _queue) = bound_queue(&stage, "none").await;
        let mut arguments = FieldTable::default();
        arguments.insert("x-max-length".into(), 1i32.into());
        arguments.insert("x-overflow".into(), lapin::types::AMQPValue::LongString("reject-publish".into()));
        let options = QueueDeclareOptions { exclusive: true, ..Default::default() };
        let full = channel.queue_declare("".into(), options, arguments).await.unwrap();
        let exchange = stage.topology.exchange_of(Destination::Decisions);
        channel
            .queue_bind(
                full.name().clone(),
                exchange.as_str().into(),
                "#".into(),
                Default::default(),
                FieldTable::default(),
            )
            .await
            .unwrap();
        let broker = AmqpBroker::start(&stage.config).unwrap();
        broker.publisher().publish(decision("d-1", "high.q.chat")).await.unwrap();
        assert_eq!(
            broker.publisher().publish(decision("d-2", "high.q.chat")).await,
            Err(PublishError::Nacked)
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_are_acked_requeued_and_rejected() {
    on_stage(1, |stage| async move {
        let broker = AmqpBroker::start(&stage.config).unwrap();
        let mut consumer = broker.consume(1).await.unwrap();
        for id in ["m-1", "m-2"] {
            produce(&stage, "anna", id, b"{}").await;
        }
        let first = next(&mut consumer).await;
        assert_eq!(first.meta.message_id.as_deref(), Some("m-1"));
        assert_eq!(first.meta.routing_key, "anna");
        assert_eq!(first.meta.queue, format!("{}.interactions.0", stage.config.prefix));
        assert_eq!((first.meta.earlier_deliveries, first.meta.redelivered), (0, false));
        assert!(nothing_comes(&mut consumer).await, "prefetch 1");
        first.settle(Settlement::Requeue).await.unwrap();

        let mut seen = BTreeMap::new();
        for _ in 0..2 {
            let delivery = next(&mut consumer).await;
            seen.insert(delivery.meta.message_id.clone().unwrap(), delivery.meta.earlier_deliveries);
            let how = if delivery.meta.redelivered { Settlement::Ack } else { Settlement::Reject };
            delivery.settle(how).await.unwrap();
        }
        assert_eq!(seen, BTreeMap::from([("m-1".into(), 1), ("m-2".into(), 0)]));
        eventually_holds(&stage, &stage.topology.parked_queue(), 1).await;
        eventually_holds(&stage, &format!("{}.interactions.0", stage.config.prefix), 0).await;
        broker.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_dropped_too_often_is_parked() {
    on_stage(1, |stage| async move {
        let broker = AmqpBroker::start(&stage.config).unwrap();
        let mut consumer = broker.consume(4).await.unwrap();
        produce(&stage, "anna", "m-1", b"{}").await;
        for earlier in 0..=u32::from(stage.config.delivery_limit) {
            let delivery = next(&mut consumer).await;
            assert_eq!(delivery.meta.earlier_deliveries, earlier);
            drop(delivery);
        }
        assert!(nothing_comes(&mut consumer).await);
        eventually_holds(&stage, &stage.topology.parked_queue(), 1).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_consumer_is_active_and_the_next_takes_over_in_order() {
    on_stage(1, |stage| async move {
        let first = AmqpBroker::start(&stage.config).unwrap();
        let mut active = first.consume(4).await.unwrap();
        connected(&first).await;
        produce(&stage, "anna", "m-0", b"{}").await;
        next(&mut active).await.settle(Settlement::Ack).await.unwrap();
        let second = AmqpBroker::start(&stage.config).unwrap();
        let mut waiting = second.consume(4).await.unwrap();
        connected(&second).await;
        for n in 1..=8 {
            produce(&stage, "anna", &format!("m-{n}"), b"{}").await;
        }
        assert!(nothing_comes(&mut waiting).await);
        let out = next(&mut active).await;
        active.stop().await;
        assert!(active.next().await.is_none());
        assert!(nothing_comes(&mut waiting).await, "while one is still out, nobody else gets later ones");
        out.settle(Settlement::Ack).await.unwrap();
        first.close().await;
        for n in 2..=8 {
            let delivery = next(&mut waiting).await;
            assert_eq!(delivery.meta.message_id, Some(format!("m-{n}")));
            delivery.settle(Settlement::Ack).await.unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_cut_nothing_was_acked_and_both_sides_come_back() {
    on_stage(1, |stage| async move {
        let (host, vhost) = stage.config.url.split_once('@').unwrap().1.split_once('/').unwrap();
        let upstream = tokio::net::lookup_host(host).await.unwrap().next().unwrap();
        let proxy = Proxy::to(upstream).await;
        let mut config = stage.config.clone();
        let user = stage.config.url.split_once('@').unwrap().0;
        config.url = format!("{user}@{}/{vhost}", proxy.address);
        let (_channel, queue) = bound_queue(&stage, "#").await;

        let broker = AmqpBroker::start(&config).unwrap();
        let mut consumer = broker.consume(4).await.unwrap();
        produce(&stage, "anna", "m-1", b"{}").await;
        produce(&stage, "anna", "m-2", b"{}").await;
        let out = next(&mut consumer).await;
        connected(&broker).await;
        proxy.cut_once().await;
        reach(&broker, |state| matches!(state, BrokerState::Connecting(_))).await;
        assert_eq!(out.settle(Settlement::Ack).await, Err(SettleError::ChannelGone));

        broker.publisher().publish(decision("d-1", "high.q.chat")).await.unwrap();
        connected(&broker).await;
        for id in ["m-1", "m-2"] {
            let again = next(&mut consumer).await;
            assert_eq!(again.meta.message_id.as_deref(), Some(id));
            assert!(again.meta.redelivered);
            again.settle(Settlement::Ack).await.unwrap();
        }
        assert!(depth(&stage, &queue).await >= 1);
        broker.close().await;
        eventually_holds(&stage, &format!("{}.interactions.0", stage.config.prefix), 0).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_confirm_times_out_and_the_line_is_rebuilt() {
    on_stage(1, |stage| async move {
        let (host, vhost) = stage.config.url.split_once('@').unwrap().1.split_once('/').unwrap();
        let upstream = tokio::net::lookup_host(host).await.unwrap().next().unwrap();
        let proxy = Proxy::to(upstream).await;
        let mut config = stage.config.clone();
        config.confirm_timeout_s = 1;
        let user = stage.config.url.split_once('@').unwrap().0;
        config.url = format!("{user}@{}/{vhost}", proxy.address);
        let broker = AmqpBroker::start(&config).unwrap();
        connected(&broker).await;
        proxy.set(Mode::Swallow);
        let lost = broker.publisher().publish(decision("d-1", "high.q.chat")).await;
        assert_eq!(lost, Err(PublishError::ConfirmTimeout(Duration::from_secs(1))));
        reach(&broker, |state| matches!(state, BrokerState::Connecting(_))).await;
        // What was swallowed is lost to that connection for good, as on a network: only a new one helps.
        proxy.cut_once().await;
        let until = Instant::now() + Duration::from_secs(20);
        while let Err(error) = broker.publisher().publish(decision("d-1", "high.q.chat")).await {
            assert!(Instant::now() < until, "{error}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_input_queue_raises_the_alarm_and_its_return_ends_it() {
    on_stage(1, |stage| async move {
        let broker = AmqpBroker::start(&stage.config).unwrap();
        let mut consumer = broker.consume(4).await.unwrap();
        connected(&broker).await;
        let channel = stage.admin.create_channel().await.unwrap();
        let queue = format!("{}.interactions.0", stage.config.prefix);
        channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
        let alarm = reach(&broker, |state| matches!(state, BrokerState::TopologyMissing(_))).await;
        assert!(format!("{alarm:?}").contains(&queue), "{alarm:?}");
        stage.apply().await;
        connected(&broker).await;
        produce(&stage, "anna", "m-1", b"{}").await;
        next(&mut consumer).await.settle(Settlement::Ack).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_shards_spread_customers_and_keep_each_in_one_queue() {
    on_stage(4, |stage| async move {
        let broker = AmqpBroker::start(&stage.config).unwrap();
        let mut consumer = broker.consume(16).await.unwrap();
        for n in 0..120 {
            produce(&stage, &format!("customer-{}", n % 40), &format!("m-{n}"), b"{}").await;
        }
        let mut homes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut order: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        for _ in 0..120 {
            let delivery = next(&mut consumer).await;
            let customer = delivery.meta.routing_key.clone();
            homes.entry(customer.clone()).or_default().insert(delivery.meta.queue.clone());
            let n = delivery.meta.message_id.as_deref().unwrap()[2..].parse().unwrap();
            order.entry(customer).or_default().push(n);
            delivery.settle(Settlement::Ack).await.unwrap();
        }
        assert!(homes.values().all(|queues| queues.len() == 1));
        let used: BTreeSet<_> = homes.values().flatten().collect();
        assert_eq!(used.len(), 4);
        assert!(order.values().all(|numbers| numbers.is_sorted() && numbers.len() == 3));
        broker.close().await;
    })
    .await;
}
