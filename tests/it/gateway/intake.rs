//! Interactions in.

use lapin::options::QueueDeleteOptions;
use serde_json::{Value, json};
use smista::broker::{Broker as _, Consumer, Settlement};
use smista::store::console::Scope;

use super::Rig;
use crate::support::bench::{depth, eventually_holds, next};
use crate::support::rabbit::on_stage;

fn interaction(id: &str, customer: &str) -> Value {
    json!({
        "schema": "smista.interaction.v1", "message_id": id, "conversation_id": format!("k-{customer}"),
        "customer_id": customer, "channel": "chat", "text": "Where is my parcel?",
    })
}

struct Answer {
    status: u16,
    retry_after: bool,
    body: Value,
}

impl Rig {
    async fn post(&self, token: &str, kind: &str, body: impl Into<reqwest::Body>) -> Answer {
        let request = self.http.post(self.url("/v1/interactions")).bearer_auth(token);
        let request = request.header("content-type", kind).body(body);
        let response = request.send().await.unwrap();
        Answer {
            status: response.status().as_u16(),
            retry_after: response.headers().contains_key("retry-after"),
            body: response.json().await.unwrap(),
        }
    }

    /// As a worker does.
    async fn worker(&self) -> Box<dyn Consumer> {
        self.broker.consume(10).await.unwrap()
    }
}

/// The next message of the input queue: routing key, message id, body.
async fn take(worker: &mut Box<dyn Consumer>) -> (String, String, Vec<u8>) {
    let (body, meta, settler) = next(worker).await.into_parts();
    settler.settle(Settlement::Ack).await.unwrap();
    (meta.routing_key, meta.message_id.unwrap(), body)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_accepted_is_in_the_input_queue_as_it_was_sent() {
    on_stage(1, async |stage| {
        let rig = Rig::new(&stage, |_, _| {}).await;
        let token = rig.token("shop", &[Scope::Send]).await;
        let body = format!(" {}\n", interaction("m1", "anna"));
        let answer = rig.post(&token, "application/json; charset=utf-8", body.clone()).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        assert_eq!(
            answer.body,
            json!({ "status": "accepted", "message_id": "m1", "conversation_id": "k-anna" })
        );
        let mut worker = rig.worker().await;
        assert_eq!(take(&mut worker).await, ("anna".to_owned(), "m1".to_owned(), body.into_bytes()));

        // Without an id of its own it takes that of the header.
        let mut unnamed = interaction("", "anna");
        unnamed.as_object_mut().unwrap().remove("message_id");
        let request = rig.http.post(rig.url("/v1/interactions")).bearer_auth(&token).json(&unnamed);
        let response = request.header("idempotency-key", "order-77").send().await.unwrap();
        assert_eq!(response.status(), 202);
        let (_, id, sent) = take(&mut worker).await;
        assert_eq!(id, "order-77");
        assert_eq!(serde_json::from_slice::<Value>(&sent).unwrap()["message_id"], "order-77");
        rig.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_is_answered_by_name_and_publishes_nothing() {
    on_stage(1, async |stage| {
        let rig = Rig::new(&stage, |_, _| {}).await;
        let may = rig.token("shop", &[Scope::Send]).await;
        let reads = rig.token("board", &[Scope::Read, Scope::Review, Scope::Operate]).await;
        let good = interaction("m1", "anna").to_string();
        let mut bad = interaction("m1", "anna");
        bad["channel"] = json!("pigeon");
        let json_kind = "application/json";
        for (token, kind, body, status, code) in [
            ("smista_nobody", json_kind, good.clone(), 401, "token"),
            ("hush", json_kind, good.clone(), 401, "token"),
            (&reads, json_kind, good.clone(), 403, "scope"),
            (&may, "text/plain", good.clone(), 415, "media_type"),
            (&may, json_kind, "{\"schema\":".to_owned(), 400, "not_json"),
            (&may, json_kind, "[]".to_owned(), 400, "not_an_object"),
            (&may, json_kind, "{}".to_owned(), 422, "missing_field"),
            (&may, json_kind, bad.to_string(), 422, "bad_value"),
            (&may, json_kind, format!("{{\"a\":\"{}\"}}", "x".repeat(1_100_000)), 413, "too_large"),
            (&may, json_kind, "x".repeat(4_300_000), 413, "too_large"),
            (&may, "application/x-ndjson", "\n \n".to_owned(), 422, "empty"),
            (&may, "application/x-ndjson", format!("{good}\n").repeat(1001), 422, "too_many"),
        ] {
            let answer = rig.post(token, kind, body).await;
            assert_eq!(
                (answer.status, answer.body["code"].as_str().unwrap()),
                (status, code),
                "{}",
                answer.body
            );
            assert!(!answer.body["detail"].as_str().unwrap().is_empty());
            assert!(!answer.body.to_string().contains("parcel"), "an error quotes no text");
        }
        let get = rig.http.get(rig.url("/v1/interactions")).send().await.unwrap();
        assert_eq!(get.status(), 405);
        assert_eq!(rig.http.post(rig.url("/v1/chatwoot")).send().await.unwrap().status(), 404);
        let document: Value =
            rig.http.get(rig.url("/openapi.json")).send().await.unwrap().json().await.unwrap();
        assert!(document["paths"]["/v1/interactions"]["post"].is_object());
        let queue = stage.topology.input_queues().next().unwrap();
        assert_eq!(depth(&stage, queue).await, 0);
        rig.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_keeps_each_customers_order_and_tells_its_bad_lines() {
    on_stage(1, async |stage| {
        let rig = Rig::new(&stage, |_, _| {}).await;
        let token = rig.token("shop", &[Scope::Send]).await;
        let mut lines: Vec<String> = Vec::new();
        for n in 0..300 {
            lines.push(interaction(&format!("m{n:03}"), &format!("c{}", n % 7)).to_string());
        }
        lines.insert(3, "{\"schema\":\"smista.interaction.v1\"}".to_owned());
        lines.insert(10, "not json".to_owned());
        let answer = rig.post(&token, "application/x-ndjson", lines.join("\n")).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        assert_eq!(answer.body["accepted"], 300);
        let refused: Vec<(u64, &str)> = answer.body["refused"]
            .as_array()
            .unwrap()
            .iter()
            .map(|line| (line["line"].as_u64().unwrap(), line["code"].as_str().unwrap()))
            .collect();
        assert_eq!(refused, [(4, "missing_field"), (11, "not_json")]);
        let queue = stage.topology.input_queues().next().unwrap().to_owned();
        eventually_holds(&stage, &queue, 300).await;
        let mut worker = rig.worker().await;
        let mut last: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
        for _ in 0..300 {
            let (customer, id, _) = take(&mut worker).await;
            if let Some(before) = last.insert(customer, id.clone()) {
                assert!(before < id, "{id} came behind {before}");
            }
        }
        let only_bad = rig.post(&token, "application/x-ndjson", "not json\n").await;
        assert_eq!((only_bad.status, &only_bad.body["accepted"]), (422, &json!(0)));
        rig.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_queue_takes_is_not_accepted() {
    on_stage(1, async |stage| {
        let rig = Rig::new(&stage, |_, _| {}).await;
        let token = rig.token("shop", &[Scope::Send]).await;
        let queue = stage.topology.input_queues().next().unwrap().to_owned();
        let channel = stage.admin.create_channel().await.unwrap();
        channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
        let answer = rig.post(&token, "application/json", interaction("m1", "anna").to_string()).await;
        assert_eq!((answer.status, &answer.body["code"], answer.retry_after), (503, &json!("broker"), true));
        assert!(answer.body["detail"].as_str().unwrap().contains("topology apply"));
        let lines = format!("{}\n{}", interaction("m1", "anna"), interaction("m2", "anna"));
        let answer = rig.post(&token, "application/x-ndjson", lines).await;
        assert_eq!((answer.status, &answer.body["not_confirmed"]), (503, &json!([1, 2])));
        stage.apply().await;
        let answer = rig.post(&token, "application/json", interaction("m1", "anna").to_string()).await;
        assert_eq!(answer.status, 202);
        rig.end().await;
    })
    .await;
}
