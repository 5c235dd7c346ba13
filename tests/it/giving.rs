//! A shard that is given away, seen at the broker: who gets what, in which order.

use smista::broker::amqp::AmqpBroker;
use smista::broker::{Broker, Place, SettleError, Settlement};

use crate::support::bench::{LONG, connected, eventually_holds, next, nothing_comes, produce};
use crate::support::rabbit::on_stage;

async fn placed(shards: &dyn smista::broker::Shards, wanted: impl Fn(Place) -> bool) -> Place {
    let found = async {
        loop {
            if let [place] = shards.places()[..]
                && wanted(place)
            {
                return place;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, found).await.expect("a place")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_given_away_goes_on_in_order_once_all_is_settled() {
    on_stage(1, |stage| async move {
        let first = AmqpBroker::start(&stage.config).unwrap();
        let mut giving = first.consume(4).await.unwrap();
        let shards = giving.shards().unwrap();
        assert!(shards.places().is_empty(), "not subscribed yet");
        connected(&first).await;
        let place = placed(&*shards, |_| true).await;
        assert_eq!(
            (place.active, place.moving),
            (false, false),
            "nothing has shown yet that it is the active one"
        );
        for n in 1..=10 {
            produce(&stage, "anna", &format!("m-{n}"), b"{}").await;
        }
        let out = [next(&mut giving).await, next(&mut giving).await];
        assert!(placed(&*shards, |_| true).await.active);
        let second = AmqpBroker::start(&stage.config).unwrap();
        let mut taking = second.consume(4).await.unwrap();
        let heir = taking.shards().unwrap();
        assert_eq!(heir.team(), shards.team());
        assert!(!placed(&*heir, |_| true).await.active);

        shards.give_away(0);
        assert!(placed(&*shards, |_| true).await.moving);
        let [one, two] = out;
        let (_, _, settler) = two.into_parts();
        while !settler.is_recalled() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert!(nothing_comes(&mut giving).await, "nothing more is handed out, though two were prefetched");
        assert!(
            nothing_comes(&mut taking).await,
            "while something is still out, nobody else gets later ones"
        );
        one.settle(Settlement::Ack).await.unwrap();
        // Not settled: it is the first that the next worker gets.
        drop(settler);
        for n in 2..=6 {
            let delivery = next(&mut taking).await;
            assert_eq!(delivery.meta.message_id, Some(format!("m-{n}")));
            delivery.settle(Settlement::Ack).await.unwrap();
        }
        let moved = placed(&*shards, |place| !place.moving).await;
        assert!(moved.number > place.number && !moved.active);
        assert!(placed(&*heir, |_| true).await.active);

        // It stands in line all the same: when the other leaves, it goes on.
        assert!(nothing_comes(&mut giving).await);
        taking.stop().await;
        second.close().await;
        for n in 7..=10 {
            let delivery = next(&mut giving).await;
            assert_eq!(delivery.meta.message_id, Some(format!("m-{n}")));
            delivery.settle(Settlement::Ack).await.unwrap();
        }
        first.close().await;
        eventually_holds(&stage, &format!("{}.interactions.0", stage.config.prefix), 0).await;
        eventually_holds(&stage, &stage.topology.parked_queue(), 0).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_never_settled_does_not_keep_a_shard() {
    on_stage(1, |stage| async move {
        let (first, second) =
            (AmqpBroker::start(&stage.config).unwrap(), AmqpBroker::start(&stage.config).unwrap());
        let mut giving = first.consume(4).await.unwrap();
        let shards = giving.shards().unwrap();
        placed(&*shards, |_| true).await;
        let mut taking = second.consume(4).await.unwrap();
        placed(&*taking.shards().unwrap(), |_| true).await;
        produce(&stage, "anna", "m-1", b"{}").await;
        let stuck = next(&mut giving).await;
        shards.give_away(0);
        let again = next(&mut taking).await;
        assert_eq!(again.meta.message_id.as_deref(), Some("m-1"));
        assert!(again.meta.redelivered);
        assert_eq!(stuck.settle(Settlement::Ack).await, Err(SettleError::ChannelGone));
        again.settle(Settlement::Ack).await.unwrap();
        first.close().await;
        second.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_while_giving_away_leaves_everything_in_order() {
    on_stage(1, |stage| async move {
        let first = AmqpBroker::start(&stage.config).unwrap();
        let mut giving = first.consume(4).await.unwrap();
        let shards = giving.shards().unwrap();
        placed(&*shards, |_| true).await;
        for n in 1..=6 {
            produce(&stage, "anna", &format!("m-{n}"), b"{}").await;
        }
        let out = next(&mut giving).await;
        shards.give_away(0);
        placed(&*shards, |place| place.moving).await;
        giving.stop().await;
        assert!(giving.next().await.is_none());
        out.settle(Settlement::Ack).await.unwrap();
        first.close().await;
        let second = AmqpBroker::start(&stage.config).unwrap();
        let mut taking = second.consume(4).await.unwrap();
        for n in 2..=6 {
            let delivery = next(&mut taking).await;
            assert_eq!(delivery.meta.message_id, Some(format!("m-{n}")));
            delivery.settle(Settlement::Ack).await.unwrap();
        }
        second.close().await;
    })
    .await;
}
