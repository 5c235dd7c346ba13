//! Decisions and events out to webhooks.

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use smista::broker::amqp::park::{ParkedQueue, Which};
use smista::broker::{Broker as _, Outgoing};
use smista::store::Destination;

use super::{Address, Came, Rig, webhook};
use crate::support::bench::eventually_holds;
use crate::support::rabbit::on_stage;

/// Something a worker publishes.
fn message(id: &str, conversation: &str) -> Outgoing {
    let body = json!({ "schema": "smista.decision.v1", "decision_id": id, "conversation_id": conversation });
    Outgoing {
        destination: Destination::Decisions,
        routing_key: "normal.care.chat".to_owned(),
        message_id: id.to_owned(),
        body: body.to_string().into_bytes(),
        headers: Vec::new(),
    }
}

fn event(id: &str, conversation: &str) -> Outgoing {
    let body =
        json!({ "schema": "smista.event.v1", "event": "stage_changed", "conversation_id": conversation });
    Outgoing {
        destination: Destination::Events,
        routing_key: "stage_changed.chat".to_owned(),
        body: body.to_string().into_bytes(),
        ..message(id, conversation)
    }
}

impl Rig {
    async fn publish(&self, message: Outgoing) {
        self.broker.publisher().publish(message).await.unwrap();
    }
}

fn ids(came: &[Came]) -> Vec<String> {
    came.iter().map(|one| one.header("webhook-id").to_owned()).collect()
}

fn fine() -> (StatusCode, Value) {
    (StatusCode::NO_CONTENT, Value::Null)
}

/// As a receiver checks it, by the specification.
fn is_signed(came: &Came, secret: &str) -> bool {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let mut code = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    code.update(format!("{}.{}.", came.header("webhook-id"), came.header("webhook-timestamp")).as_bytes());
    code.update(&came.body);
    let signature = format!("v1,{}", STANDARD.encode(code.finalize().into_bytes()));
    came.header("webhook-signature").split(' ').any(|given| given == signature)
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_and_events_arrive_signed_and_are_gone_from_the_queue() {
    on_stage(1, async |stage| {
        let address = Address::new(|_| fine()).await;
        let mut secret = String::new();
        let rig = Rig::new(&stage, |config, folder| {
            let (mut hook, made) = webhook(folder, "crm", &format!("{}/in?key=hush", address.url));
            hook.decisions = vec!["normal.#".to_owned()];
            (secret, config.gateway.webhooks) = (made, vec![hook]);
        })
        .await;
        rig.publish(Outgoing { routing_key: "low.care.chat".to_owned(), ..message("d0", "k1") }).await;
        rig.publish(message("d1", "k1")).await;
        rig.publish(event("e1", "k1")).await;
        let came = address.until("both", |came| came.len() == 2).await;
        let now = chrono::Utc::now().timestamp();
        for one in &came {
            assert!(is_signed(one, &secret), "{one:?}");
            assert_eq!((one.path.as_str(), one.header("content-type")), ("/in", "application/json"));
            assert!((now - one.header("webhook-timestamp").parse::<i64>().unwrap()).abs() < 60);
        }
        assert_eq!(ids(&came), ["d1", "e1"], "not d0, which nobody asked for");
        let [decision, event] = [came[0].json(), came[1].json()];
        assert_eq!(
            (&decision["type"], &event["type"]),
            (&json!("smista.decision"), &json!("smista.stage_changed"))
        );
        assert_eq!(decision["data"]["decision_id"], "d1");
        assert!(decision["timestamp"].as_str().unwrap().ends_with('Z'));
        eventually_holds(&stage, &rig.queue("crm"), 0).await;
        rig.end().await;
        assert_eq!(address.came().len(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_an_address_is_away_everything_waits_and_then_comes_in_order() {
    on_stage(1, async |stage| {
        let address = Address::new(|_| (StatusCode::BAD_GATEWAY, Value::Null)).await;
        let mut rig = Rig::new(&stage, |config, folder| {
            config.gateway.webhooks = vec![webhook(folder, "crm", &address.url).0];
        })
        .await;
        for n in 0..30 {
            rig.publish(message(&format!("d{n:02}"), &format!("k{}", n % 3))).await;
        }
        // Longer than a message is held, and over a restart.
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        rig.restart().await;
        assert!(address.came().len() > 8, "it is tried again and again");
        let before = address.came().len();
        address.answer(|_| fine());
        let taken = |came: &[Came]| {
            let mut taken = ids(&came[before..]);
            taken.sort_unstable();
            taken.dedup();
            taken.len()
        };
        let came = address.until("all thirty", |came| taken(came) == 30).await;
        for conversation in 0..3 {
            let of = |id: &String| id[1..].parse::<u32>().unwrap() % 3 == conversation;
            let mut order: Vec<String> = ids(&came[before..]).into_iter().filter(of).collect();
            order.dedup();
            assert!(order.is_sorted(), "{order:?}");
        }
        eventually_holds(&stage, &rig.queue("crm"), 0).await;
        eventually_holds(&stage, &stage.topology.parked_queue(), 0).await;
        rig.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_alone_is_refused_is_parked_and_comes_back_to_its_hook() {
    on_stage(1, async |stage| {
        let address = Address::new(|came| match came.header("webhook-id") {
            "bad" => (StatusCode::UNPROCESSABLE_ENTITY, Value::Null),
            "worse" => (StatusCode::INTERNAL_SERVER_ERROR, Value::Null),
            _ => fine(),
        })
        .await;
        let rig = Rig::new(&stage, |config, folder| {
            config.gateway.webhooks = vec![webhook(folder, "crm", &address.url).0];
        })
        .await;
        rig.publish(message("bad", "k1")).await;
        rig.publish(message("worse", "k2")).await;
        rig.publish(Outgoing { body: b"{no json".to_vec(), ..message("broken", "k3") }).await;
        for n in 0..20 {
            rig.publish(message(&format!("d{n}"), &format!("other{n}"))).await;
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        eventually_holds(&stage, &stage.topology.parked_queue(), 3).await;
        eventually_holds(&stage, &rig.queue("crm"), 0).await;
        let parked = ParkedQueue::open(&stage.config).await.unwrap();
        let (_, mut entries) = parked.list(10).await.unwrap();
        entries.sort_by(|a, b| a.id.cmp(&b.id));
        let told: Vec<(&str, &str)> =
            entries.iter().map(|one| (one.id.as_str(), one.error_class.as_str())).collect();
        assert_eq!(told, [("bad", "hook_refused"), ("broken", "hook_unreadable"), ("worse", "hook_away")]);
        assert!(entries.iter().all(|one| one.origin.as_deref() == Some(rig.queue("crm").as_str())));
        assert!(
            entries[0].error.contains("422") && !entries[0].error.contains("127.0.0.1"),
            "{}",
            entries[0].error
        );

        // Mended out there, and sent again: to the hook, not to the workers.
        let count = |came: &[Came], id: &str| ids(came).iter().filter(|one| *one == id).count();
        let before = address.came();
        address.answer(|_| fine());
        let again = Which::Ids(["bad", "worse"].map(str::to_owned).into());
        parked.replay(&again, |_| {}).await.unwrap();
        parked.close().await;
        address
            .until("both again", |came| {
                ["bad", "worse"].iter().all(|id| count(came, id) > count(&before, id))
            })
            .await;
        eventually_holds(&stage, &rig.queue("crm"), 0).await;
        eventually_holds(&stage, &stage.topology.parked_queue(), 1).await;
        let input = stage.topology.input_queues().next().unwrap().to_owned();
        eventually_holds(&stage, &input, 0).await;
        rig.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_takes_for_too_long_is_parked_and_a_wrong_secret_stops_the_start() {
    on_stage(1, async |stage| {
        let address = Address::new(|_| (StatusCode::UNAUTHORIZED, Value::Null)).await;
        let mut rig = Rig::new(&stage, |config, folder| {
            config.gateway.webhooks = vec![webhook(folder, "crm", &address.url).0];
        })
        .await;
        rig.publish(message("d1", "k1")).await;
        address.until("a try", |came| came.len() > 5).await;
        eventually_holds(&stage, &stage.topology.parked_queue(), 0).await;
        rig.halt().await;
        let patience =
            smista::gateway::Patience { give_up: chrono::TimeDelta::seconds(-1), ..super::patience() };
        let broker = smista::broker::amqp::AmqpBroker::start(&rig.config.broker).unwrap();
        let stop = tokio_util::sync::CancellationToken::new();
        let start = |config: smista::config::Config| {
            let store = std::sync::Arc::clone(&rig.store);
            let (broker, stop) = (&broker, stop.clone());
            async move {
                smista::gateway::start(&config, store, broker, axum::Router::new(), patience, stop).await
            }
        };
        let running = start(rig.config.clone()).await.unwrap();
        eventually_holds(&stage, &stage.topology.parked_queue(), 1).await;
        stop.cancel();
        for task in running.tasks {
            task.await.unwrap();
        }
        let mut wrong = rig.config.clone();
        std::fs::write(&wrong.gateway.webhooks[0].secret_file, "hush-hush\n").unwrap();
        let told = start(wrong.clone()).await.map(|_| ()).unwrap_err().to_string();
        assert!(told.contains("\"crm\": secret_file") && !told.contains("hush-hush"), "{told}");
        wrong.gateway.webhooks[0].secret_file = "./nowhere".into();
        let told = start(wrong).await.map(|_| ()).unwrap_err().to_string();
        assert!(told.contains("./nowhere cannot be read"), "{told}");
        broker.close().await;
        rig.end().await;
    })
    .await;
}
