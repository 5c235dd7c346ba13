//! What operators do: topology, parked messages, and a RabbitMQ that is restarted, blocked and killed.

use lapin::options::QueueDeleteOptions;
use smista::broker::amqp::AmqpBroker;
use smista::broker::amqp::declare::{self, Depth, Problem};
use smista::broker::amqp::park::{ParkedQueue, Which};
use smista::broker::{Broker, BrokerState, Settlement, parked};

use crate::support::bench::{connected, decision, eventually_holds, next, produce, reach};
use crate::support::rabbit::{Rabbit, Stage, on_stage};

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

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_at_parked_messages_while_another_does_waits_and_misses_none() {
    on_stage(1, async |stage| {
        let broker = AmqpBroker::start(&stage.config).unwrap();
        connected(&broker).await;
        for n in 0..300 {
            let meta =
                smista::broker::DeliveryMeta { message_id: Some(format!("m{n}")), ..Default::default() };
            let why = parked::Parking::of(&meta, "malformed", "channel is missing");
            broker.publisher().publish(parked::parking(why, b"{".to_vec())).await.unwrap();
        }
        eventually_holds(&stage, &stage.topology.parked_queue(), 300).await;
        let looks = (0..6).map(async |_| {
            let queue = ParkedQueue::open(&stage.config).await.unwrap();
            let (total, entries) = queue.list(1000).await.unwrap();
            queue.close().await;
            (total, entries.len())
        });
        assert_eq!(futures::future::join_all(looks).await, [(300, 300); 6]);
        broker.close().await;
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
