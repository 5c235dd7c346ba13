//! The broker room against a real RabbitMQ.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lapin::options::{
    BasicGetOptions, BasicPublishOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel};
use smista::broker::amqp::AmqpBroker;
use smista::broker::amqp::declare::{self, Depth, Problem};
use smista::broker::amqp::park::{ParkedQueue, Which};
use smista::broker::{
    Broker, BrokerState, Consumer, Delivery, Outgoing, PublishError, SettleError, Settlement, parked,
};
use smista::store::Destination;

use crate::support::proxy::{Mode, Proxy};
use crate::support::rabbit::{Rabbit, Stage, on_stage};

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(500);

fn decision(id: &str, key: &str) -> Outgoing {
    Outgoing {
        destination: Destination::Decisions,
        routing_key: key.to_owned(),
        message_id: id.to_owned(),
        body: format!("{{\"decision_id\":\"{id}\"}}").into_bytes(),
        headers: vec![("x-smista-test".to_owned(), "yes".to_owned())],
    }
}

async fn reach(broker: &AmqpBroker, wanted: impl Fn(&BrokerState) -> bool) -> BrokerState {
    let mut state = broker.state();
    let reached = tokio::time::timeout(LONG, state.wait_for(wanted)).await;
    reached.unwrap_or_else(|_| panic!("stuck in {:?}", broker.state().borrow())).unwrap().clone()
}

async fn connected(broker: &AmqpBroker) {
    reach(broker, |state| *state == BrokerState::Connected).await;
}

/// What a producer does.
async fn produce(stage: &Stage, key: &str, id: &str, body: &[u8]) {
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

async fn next(consumer: &mut Box<dyn Consumer>) -> Delivery {
    tokio::time::timeout(LONG, consumer.next()).await.expect("a delivery").expect("not stopped")
}

async fn nothing_comes(consumer: &mut Box<dyn Consumer>) -> bool {
    tokio::time::timeout(SHORT, consumer.next()).await.is_err()
}

async fn depth(stage: &Stage, queue: &str) -> u32 {
    let channel = stage.admin.create_channel().await.unwrap();
    let options = QueueDeclareOptions { passive: true, ..Default::default() };
    channel.queue_declare(queue.into(), options, FieldTable::default()).await.unwrap().message_count()
}

async fn eventually_holds(stage: &Stage, queue: &str, wanted: u32) {
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
async fn bound_queue(stage: &Stage, pattern: &str) -> (Channel, String) {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parked_messages_are_listed_replayed_and_discarded() {
    on_stage(1, |stage| async move {
        let broker = AmqpBroker::start(&stage.config).unwrap();
        let mut consumer = broker.consume(8).await.unwrap();
        let large: Vec<u8> = (0..2_100_000u32).map(|n| (n % 251) as u8).collect();
        for (id, body) in [("m-1", b"\xff\x00{".as_slice()), ("m-2", &large), ("m-3", b"{}"), ("m-4", b"{}")]
        {
            produce(&stage, "anna", id, body).await;
        }
        for _ in 0..3 {
            let delivery = next(&mut consumer).await;
            let why = parked::Parking::of(&delivery.meta, "malformed", "channel is missing");
            broker.publisher().publish(parked::parking(why, delivery.body.clone())).await.unwrap();
            delivery.settle(Settlement::Ack).await.unwrap();
        }
        next(&mut consumer).await.settle(Settlement::Reject).await.unwrap();
        eventually_holds(&stage, &stage.topology.parked_queue(), 4).await;

        let queue = ParkedQueue::open(&stage.config).await.unwrap();
        let origin = format!("{}.interactions.0", stage.config.prefix);
        for _ in 0..8 {
            // Looking changes nothing, however often.
            let (total, entries) = queue.list(100).await.unwrap();
            assert_eq!(total, 4);
            let ids: Vec<_> = entries.iter().map(|entry| entry.id.as_str()).collect();
            assert_eq!(ids, ["m-1", "m-2", "m-3", "m-4"]);
            assert_eq!(entries[0].error_class, "malformed");
            assert_eq!(entries[0].error, "channel is missing");
            assert_eq!(entries[0].attempt, Some(1));
            assert_eq!(entries[1].bytes, large.len());
            assert_eq!((entries[3].error_class.as_str(), entries[3].attempt), ("rejected", None));
            for entry in &entries {
                assert_eq!(entry.origin.as_ref(), Some(&origin));
                assert!(entry.parked_at.is_some());
            }
        }
        assert_eq!(queue.list(2).await.unwrap().1.len(), 2);
        let (_, body) = queue.find("m-1").await.unwrap().unwrap();
        assert_eq!(body, b"\xff\x00{");
        assert!(queue.find("m-9").await.unwrap().is_none());

        let ids = |ids: &[&str]| Which::Ids(ids.iter().map(|id| (*id).to_owned()).collect());
        let mut gone = Vec::new();
        queue.discard(&ids(&["m-3", "m-9"]), |entry| gone.push(entry.id.clone())).await.unwrap();
        assert_eq!(gone, ["m-3"]);
        let mut again = Vec::new();
        queue.replay(&ids(&["m-2"]), |entry| again.push(entry.id.clone())).await.unwrap();
        assert_eq!(again, ["m-2"]);
        let back = next(&mut consumer).await;
        assert_eq!(back.meta.routing_key, "anna");
        assert_eq!(back.meta.message_id.as_deref(), Some("m-2"));
        assert!(back.body == large, "byte for byte");
        back.settle(Settlement::Ack).await.unwrap();
        queue.replay(&Which::All, |entry| again.push(entry.id.clone())).await.unwrap();
        assert_eq!(again, ["m-2", "m-1", "m-4"]);
        for id in ["m-1", "m-4"] {
            let back = next(&mut consumer).await;
            assert_eq!(back.meta.message_id.as_deref(), Some(id));
            back.settle(Settlement::Ack).await.unwrap();
        }
        eventually_holds(&stage, &stage.topology.parked_queue(), 0).await;

        // With nowhere to go it stays parked.
        let why = parked::Parking {
            class: "x".into(),
            error: "x".into(),
            attempt: 1,
            origin,
            routing_key: "anna".into(),
            message_id: None,
        };
        broker.publisher().publish(parked::parking(why, b"{}".to_vec())).await.unwrap();
        broker.close().await;
        let channel = stage.admin.create_channel().await.unwrap();
        let input = format!("{}.interactions.0", stage.config.prefix);
        channel.queue_delete(input.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
        let error = queue.replay(&Which::All, |_| {}).await.unwrap_err().to_string();
        assert!(error.contains("stays parked"), "{error}");
        queue.close().await;
        eventually_holds(&stage, &stage.topology.parked_queue(), 1).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_topology_is_applied_twice_and_checked() {
    on_stage(2, |stage| async move {
        stage.apply().await;
        let report = declare::check(&stage.admin, &stage.topology, Depth::Shape).await.unwrap();
        assert_eq!(report, declare::Report::default());

        let channel = stage.admin.create_channel().await.unwrap();
        let missing = format!("{}.interactions.1", stage.config.prefix);
        channel.queue_delete(missing.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
        let report = declare::check(&stage.admin, &stage.topology, Depth::Shape).await.unwrap();
        let [fault] = report.faults.as_slice() else { panic!("{report:?}") };
        assert_eq!((fault.name.as_str(), fault.problem), (missing.as_str(), Problem::Missing));
        assert!(fault.remedy.contains("smista topology apply"));
        stage.apply().await;

        let mut other = stage.config.clone();
        other.delivery_limit += 1;
        let other = smista::broker::topology::Topology::of(&other);
        let report = declare::check(&stage.admin, &other, Depth::Shape).await.unwrap();
        assert_eq!(report.faults.len(), 2);
        assert!(report.faults.iter().all(|fault| fault.problem == Problem::Different));
        assert!(report.faults[0].detail.contains("x-delivery-limit"), "{report:?}");
        let error = declare::apply(&stage.admin, &other).await.unwrap_err().to_string();
        assert!(error.contains("interactions.0 is different"), "{error}");

        let mut fewer = stage.config.clone();
        fewer.shards = 1;
        let fewer = smista::broker::topology::Topology::of(&fewer);
        let report = declare::check(&stage.admin, &fewer, Depth::Existence).await.unwrap();
        let [fault] = report.faults.as_slice() else { panic!("{report:?}") };
        assert_eq!((fault.name.as_str(), fault.problem), (missing.as_str(), Problem::Surplus));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_of_its_own_closes_connections_blocks_and_refuses() {
    if crate::support::amqp_url().is_none() {
        return;
    }
    if !Rabbit::installed() {
        eprintln!("left out: rabbitmq-server is not installed");
        return;
    }
    let rabbit = Rabbit::start();
    let stage = Stage::new(&rabbit.url(), 1).await;
    stage.apply().await;

    // A worker with no right to configure.
    let users = stage.topology.users("/");
    let worker = users.iter().find(|user| user.name.ends_with("-worker")).unwrap();
    rabbit.ctl("add_user worker secret");
    let permissions = format!("'{}' '{}' '{}'", worker.configure, worker.write, worker.read);
    rabbit.ctl(&format!("set_permissions -p / worker {permissions}"));
    let mut config = stage.config.clone();
    config.url = config.url.replace("guest:guest", "worker:secret");
    let broker = AmqpBroker::start(&config).unwrap();
    let mut consumer = broker.consume(2).await.unwrap();
    connected(&broker).await;
    let address = smista::broker::amqp::Address::from_config(&config).unwrap();
    let connection = address.connect("test").await.unwrap();
    let report = declare::check(&connection, &stage.topology, Depth::Shape).await.unwrap();
    assert!(report.faults.is_empty(), "{report:?}");
    assert_eq!(report.unchecked.len(), stage.topology.exchanges.len() + stage.topology.queues.len());
    let refused = declare::apply(&connection, &stage.topology).await.unwrap_err().to_string();
    assert!(refused.contains("operator"), "{refused}");
    drop(connection);

    // The broker closes every connection.
    produce(&stage, "anna", "m-1", b"{}").await;
    let out = next(&mut consumer).await;
    rabbit.ctl("close_all_connections test");
    assert!(out.settle(Settlement::Ack).await.is_err());
    let again = next(&mut consumer).await;
    assert!(again.meta.redelivered);
    again.settle(Settlement::Ack).await.unwrap();
    broker.publisher().publish(decision("d-1", "high.q.chat")).await.unwrap();

    // An alarm blocks publishing, and acks go on.
    let stage = Stage {
        admin: lapin::Connection::connect(&rabbit.url(), Default::default()).await.unwrap(),
        ..stage
    };
    produce(&stage, "anna", "m-2", b"{}").await;
    rabbit.ctl("set_vm_memory_high_watermark 0.00000001");
    let publisher = broker.publisher();
    let held = tokio::spawn(async move { publisher.publish(decision("d-2", "high.q.chat")).await });
    let blocked = reach(&broker, |state| matches!(state, BrokerState::Blocked(_))).await;
    assert!(format!("{blocked:?}").contains("memory"), "{blocked:?}");
    next(&mut consumer).await.settle(Settlement::Ack).await.unwrap();
    rabbit.ctl("set_vm_memory_high_watermark 0.4");
    connected(&broker).await;
    held.await.unwrap().unwrap();

    // It is killed, and comes back.
    rabbit.kill();
    reach(&broker, |state| matches!(state, BrokerState::Connecting(_))).await;
    rabbit.restart();
    connected(&broker).await;
    broker.publisher().publish(decision("d-3", "high.q.chat")).await.unwrap();
    broker.close().await;
}
