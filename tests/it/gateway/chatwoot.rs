//! The bridge to Chatwoot: its webhook as it sends it, and a server that takes calls as its API does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::http::{Method, StatusCode};
use chrono::Utc;
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use smista::broker::{Broker as _, Outgoing, Settlement};
use smista::config::{Chatwoot, Config, Notes};
use smista::store::Destination;

use super::{Address, Came, Rig};
use crate::support::bench::{depth, eventually_holds, next, nothing_comes};
use crate::support::rabbit::on_stage;

const RECORDED: &str = include_str!("../../data/chatwoot/message_created.json");
const DECISION: &str = include_str!("../../data/decision.json");

/// What the help desk knows of a conversation.
#[derive(Debug, Default, Clone, PartialEq)]
struct Conversation {
    labels: Vec<String>,
    priority: Option<String>,
    team: Option<u64>,
    notes: Vec<String>,
}

type Desk = Arc<Mutex<BTreeMap<String, Conversation>>>;

/// The calls of Chatwoot's API that the bridge needs, as its reference has them; anything else is an error that the test sees.
fn answer(desk: &Desk, came: &Came) -> (StatusCode, Value) {
    if came.header("api_access_token") != "agent-token" {
        return (StatusCode::UNAUTHORIZED, json!({ "errors": ["Invalid Access Token"] }));
    }
    let Some(rest) = came.path.strip_prefix("/api/v1/accounts/1/conversations/") else {
        return (StatusCode::NOT_FOUND, json!({ "error": "Resource could not be found" }));
    };
    let (number, what) = rest.split_once('/').unwrap();
    let mut desk = desk.lock().unwrap();
    let Some(conversation) = desk.get_mut(number) else {
        return (StatusCode::NOT_FOUND, json!({ "error": "Resource could not be found" }));
    };
    let wrong = (StatusCode::UNPROCESSABLE_ENTITY, json!({ "error": "wrong" }));
    if came.method == Method::GET {
        return match what {
            "labels" => (StatusCode::OK, json!({ "payload": conversation.labels })),
            "messages" => {
                let note = |note| json!({ "id": 1, "content": note, "message_type": 1, "private": true });
                (
                    StatusCode::OK,
                    json!({ "meta": {}, "payload": conversation.notes.iter().map(note).collect::<Vec<_>>() }),
                )
            }
            _ => wrong,
        };
    }
    assert_eq!((&came.method, came.header("content-type")), (&Method::POST, "application/json"));
    let body = came.json();
    match what {
        "labels" => {
            let labels: Vec<String> = serde_json::from_value(body["labels"].clone()).unwrap();
            let is_label = |label: &String| {
                label.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_')
                    && *label == label.to_lowercase()
            };
            assert!(labels.iter().all(is_label), "{labels:?}");
            conversation.labels = labels;
        }
        "toggle_priority" => {
            let priority = body["priority"].as_str().unwrap().to_owned();
            assert!(["urgent", "high", "medium", "low", "none"].contains(&priority.as_str()));
            conversation.priority = Some(priority);
        }
        "assignments" => conversation.team = Some(body["team_id"].as_u64().unwrap()),
        "messages" => {
            assert_eq!(
                (&body["private"], &body["message_type"]),
                (&json!(true), &json!("outgoing")),
                "nobody but agents reads it"
            );
            conversation.notes.push(body["content"].as_str().unwrap().to_owned());
        }
        _ => return wrong,
    }
    (StatusCode::OK, json!({}))
}

fn configure(config: &mut Config, folder: &std::path::Path, url: &str) {
    std::fs::write(folder.join("token"), "agent-token\n").unwrap();
    std::fs::write(folder.join("webhook"), "webhook-secret\n").unwrap();
    config.gateway.chatwoot = Some(Chatwoot {
        url: format!("{url}/"),
        account: 1,
        token_file: folder.join("token"),
        webhook_secret_file: folder.join("webhook"),
        signed: true,
        teams: BTreeMap::from([("retention".to_owned(), 3)]),
        label_prefix: Some("smista-".to_owned()),
        priority: true,
        notes: Notes::Flagged,
    });
}

/// A decision about a conversation of the help desk.
fn decision(number: &str, id: &str, change: impl FnOnce(&mut Value)) -> Outgoing {
    let mut body: Value = serde_json::from_str(DECISION).unwrap();
    body["conversation_id"] = json!(format!("chatwoot-1-{number}"));
    body["decision_id"] = json!(id);
    change(&mut body);
    Outgoing {
        destination: Destination::Decisions,
        routing_key: "high.retention.chat".to_owned(),
        message_id: id.to_owned(),
        body: body.to_string().into_bytes(),
        headers: Vec::new(),
    }
}

const FIRST: &str = "b1946ac9-2b1e-5d3f-9c46-0d0f6b3b8f11";
const SECOND: &str = "b1946ac9-2b1e-5d3f-9c46-0d0f6b3b8f12";

#[tokio::test(flavor = "multi_thread")]
async fn decisions_become_labels_priority_team_and_one_note() {
    on_stage(1, async |stage| {
        let desk = Desk::default();
        let known = Conversation { labels: vec!["vip".to_owned(), "smista-old".to_owned()], ..Conversation::default() };
        desk.lock().unwrap().insert("81".to_owned(), known);
        desk.lock().unwrap().insert("82".to_owned(), Conversation::default());
        let address = {
            let desk = Arc::clone(&desk);
            Address::new(move |came| answer(&desk, came)).await
        };
        let rig = Rig::new(&stage, |config, folder| configure(config, folder, &address.url)).await;
        let publisher = rig.broker.publisher();
        let flagged = |body: &mut Value| {
            body["route"] = json!({ "action": "escalate", "queue": "retention", "skills": [], "language": "en", "sla_due_at": "2026-05-14T19:00:00Z" });
            body["flags"] = json!(["legal.threat"]);
            body["priority"] = json!({ "level": "high", "score": 0.8 });
        };
        publisher.publish(decision("81", FIRST, flagged)).await.unwrap();
        publisher.publish(decision("82", SECOND, |body| {
            body["route"]["action"] = json!("queue");
            body["route"]["queue"] = json!("care");
            body["flags"] = json!([]);
            body["priority"]["level"] = json!("normal");
        })).await.unwrap();
        // Of another way in: nothing to do there.
        publisher.publish(decision("81", "b1946ac9-2b1e-5d3f-9c46-0d0f6b3b8f13", |body| {
            body["conversation_id"] = json!("k8");
        })).await.unwrap();
        eventually_holds(&stage, &rig.queue("chatwoot"), 0).await;
        address.until("the note", |_| !desk.lock().unwrap()["81"].notes.is_empty()).await;
        address.until("the other", |_| desk.lock().unwrap()["82"].priority.is_some()).await;
        let first = desk.lock().unwrap()["81"].clone();
        for label in ["vip", "smista-legal-threat", "smista-escalate", "smista-technical-problem"] {
            assert!(first.labels.contains(&label.to_owned()), "{:?}", first.labels);
        }
        assert!(!first.labels.contains(&"smista-old".to_owned()), "{:?}", first.labels);
        assert_eq!((first.priority.as_deref(), first.team), (Some("high"), Some(3)));
        assert!(first.notes[0].contains("Priority: high") && first.notes[0].contains(FIRST), "{}", first.notes[0]);
        assert!(first.notes[0].contains("thermostat"), "the brief: {}", first.notes[0]);
        let second = desk.lock().unwrap()["82"].clone();
        assert_eq!((second.priority.as_deref(), second.team, second.notes.len()), (Some("medium"), None, 0));

        // The same decision once more, the note's answer lost on the way: still one note.
        let lost = Arc::new(Mutex::new(true));
        let inner = Arc::clone(&desk);
        address.answer(move |came| {
            let answered = answer(&inner, came);
            let is_note = came.method == Method::POST && came.path.ends_with("/messages");
            if is_note && std::mem::take(&mut *lost.lock().unwrap()) {
                return (StatusCode::BAD_GATEWAY, Value::Null);
            }
            answered
        });
        let third = "b1946ac9-2b1e-5d3f-9c46-0d0f6b3b8f14";
        let before = address.came().len();
        publisher.publish(decision("81", third, flagged)).await.unwrap();
        address.until("looked for", |came| {
            came[before..].iter().any(|one| one.method == Method::GET && one.path.ends_with("/messages"))
        }).await;
        eventually_holds(&stage, &rig.queue("chatwoot"), 0).await;
        assert_eq!(desk.lock().unwrap()["81"].notes.len(), 2, "one for each decision");
        eventually_holds(&stage, &stage.topology.parked_queue(), 0).await;
        rig.end().await;
    })
    .await;
}

fn signed(secret: &str, body: &str) -> [(&'static str, String); 2] {
    let time = Utc::now().timestamp().to_string();
    let mut code = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    code.update(format!("{time}.{body}").as_bytes());
    let hex: String = code.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    [("x-chatwoot-timestamp", time), ("x-chatwoot-signature", format!("sha256={hex}"))]
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_come_in_by_the_webhook_and_by_nobody_else() {
    on_stage(1, async |stage| {
        let rig = Rig::new(&stage, |config, folder| configure(config, folder, "http://127.0.0.1:1")).await;
        let send = async |secret: &str, body: &str| {
            let mut request = rig.http.post(rig.url("/v1/chatwoot")).body(body.to_owned());
            for (name, value) in signed(secret, body) {
                request = request.header(name, value);
            }
            let response = request.send().await.unwrap();
            (response.status().as_u16(), response.json::<Value>().await.unwrap())
        };
        let queue = stage.topology.input_queues().next().unwrap().to_owned();
        assert_eq!(send("wrong", RECORDED).await.0, 401);
        assert_eq!(rig.http.post(rig.url("/v1/chatwoot")).body(RECORDED).send().await.unwrap().status(), 401);
        assert_eq!(depth(&stage, &queue).await, 0);

        let (status, answer) = send("webhook-secret", RECORDED).await;
        assert_eq!(status, 202, "{answer}");
        let again = send("webhook-secret", RECORDED).await.1;
        assert_eq!(answer["message_ids"], again["message_ids"], "sent again, the same id: it counts once");
        eventually_holds(&stage, &queue, 2).await;
        let answer_id = answer["message_ids"][0].as_str().map(str::to_owned);
        let mut worker = rig.broker.consume(10).await.unwrap();
        let (body, _, settler) = next(&mut worker).await.into_parts();
        settler.settle(Settlement::Ack).await.unwrap();
        let sent: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(sent["conversation_id"], "chatwoot-1-81", "the number that the API calls it by");
        assert_eq!((&sent["channel"], &sent["author"]), (&json!("chat"), &json!("customer")));
        assert_eq!(sent["identities"], json!(["mailto:r.ellery@example.org"]));
        assert_eq!(sent["text"], "My kettle leaks and nobody answers the phone.");

        // smista's own notes, and what is no message, come back by the same webhook.
        let mut note: Value = serde_json::from_str(RECORDED).unwrap();
        (note["private"], note["message_type"]) = (json!(true), json!("outgoing"));
        let (status, answer) = send("webhook-secret", &note.to_string()).await;
        assert_eq!((status, &answer["left_out"]), (202, &json!(["private notes"])));
        note["event"] = json!("conversation_updated");
        assert_eq!(send("webhook-secret", &note.to_string()).await.0, 202);
        let mut nameless: Value = serde_json::from_str(RECORDED).unwrap();
        nameless.as_object_mut().unwrap().remove("id");
        assert_eq!(send("webhook-secret", &nameless.to_string()).await.0, 422);
        let (_, meta, settler) = next(&mut worker).await.into_parts();
        assert_eq!(meta.message_id.as_deref(), answer_id.as_deref());
        settler.settle(Settlement::Ack).await.unwrap();
        assert!(nothing_comes(&mut worker).await);
        rig.end().await;
    })
    .await;
}
