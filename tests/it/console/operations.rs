//! How the workers do and what is parked: on the pages and by the HTTP API, with a RabbitMQ and without.

use axum::http::StatusCode;
use chrono::{TimeDelta, Utc};
use lapin::BasicProperties;
use lapin::options::BasicPublishOptions;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Value, json};
use smista::config::Config;
use smista::console::{api, password};
use smista::store::console::{ConsoleStore, LAGS, Operated, Role, Scope, Token};
use smista::store::{self, Attendance};

use super::desk::{self, Desk, Said, request};
use crate::support::bench::{depth, eventually_holds};
use crate::support::rabbit::{Stage, on_stage};
use crate::support::{fresh_database, postgres_url};

/// Parks a message as a worker does.
async fn park(stage: &Stage, id: &str, error: &str, body: &str) {
    let mut headers = FieldTable::default();
    for (name, value) in
        [("class", "malformed"), ("", error), ("origin", "the.queue"), ("attempt", "1"), ("version", "0.1.0")]
    {
        let name = match name {
            "class" => "x-smista-error-class".to_owned(),
            "" => "x-smista-error".to_owned(),
            other => format!("x-smista-{other}"),
        };
        headers.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    let properties = BasicProperties::default()
        .with_message_id(id.into())
        .with_headers(headers)
        .with_timestamp(1_767_225_600)
        .with_delivery_mode(2);
    let channel = stage.admin.create_channel().await.unwrap();
    let (exchange, key) = (format!("{}.parked", stage.config.prefix), "anna");
    let options = BasicPublishOptions::default();
    channel
        .basic_publish(exchange.as_str().into(), key.into(), options, body.as_bytes(), properties)
        .await
        .unwrap();
}

async fn parked(stage: &Stage, wanted: u32) {
    eventually_holds(stage, &stage.topology.parked_queue(), wanted).await;
}

async fn call(desk: &Desk, name: &str, method: &str, path: &str, body: &Value) -> (StatusCode, Value) {
    let secret = format!("{}{}", api::PREFIX, password::token());
    let scopes = vec![Scope::Operate];
    let token = Token { name: name.into(), scopes, created_at: Utc::now(), used_at: None };
    assert!(desk.store.add_token(&password::digest(&secret), &token).await.unwrap());
    let request = request(method, path, None).header("authorization", format!("Bearer {secret}"));
    let answer = desk.send(request.body(body.to_string().into()).unwrap()).await;
    (answer.status, serde_json::from_str(&answer.body).unwrap())
}

#[tokio::test]
async fn without_a_broker_the_rest_is_told() {
    let desk = Desk::new().await;
    let operator = desk.session(Role::Operator).await;
    let empty = desk.get("/operations", Some(&operator)).await;
    assert_eq!(empty.status, StatusCode::OK);
    assert!(empty.body.contains("Nothing was decided in the last hour."), "{}", empty.body);
    assert!(empty.body.contains("This console has no broker"));
    assert!(empty.body.contains("No worker is on the list."));

    let mut said = Said::flagged("k1", "ciao");
    said.at = Utc::now() - TimeDelta::seconds(1);
    desk.decide(&said).await;
    let me = Attendance { worker: "w-<1>".into(), beat: 3, places: vec![4, 5] };
    desk.store.attend("acme", &me).await.unwrap();
    let page = desk.get("/operations", Some(&operator)).await.body;
    assert!(page.contains("<strong>1</strong> · 0.0 per minute") && page.contains("<rect"), "{page}");
    assert!(page.contains("w-&lt;1&gt;") && page.contains("looked at just now"), "{page}");
    desk.store.attend("acme", &Attendance { beat: 4, ..me }).await.unwrap();
    let page = desk.get("/operations", Some(&operator)).await.body;
    assert!(page.contains("<span class=\"chip\">lives</span>"), "{page}");

    let (status, told) = call(&desk, "watch", "GET", "/api/v1/operations", &Value::Null).await;
    assert_eq!(
        (status, &told["queues"], &told["workers"][0]["life"]),
        (StatusCode::OK, &Value::Null, &"lives".into())
    );
    super::api::as_told("/api/v1/operations", "get", "200", &told);
    let decided: u64 =
        told["minutes"].as_array().unwrap().iter().map(|one| one["decisions"].as_u64().unwrap()).sum();
    assert_eq!((decided, told["minutes"].as_array().unwrap().len()), (1, 60));
    let (status, problem) = call(&desk, "look", "GET", "/api/v1/parked", &Value::Null).await;
    assert_eq!((status, &problem["code"]), (StatusCode::SERVICE_UNAVAILABLE, &"broker".into()));

    let csrf = desk.csrf(&operator).await;
    let form = format!("csrf={csrf}&act=replay&id=m-1");
    assert_eq!(desk.post("/parked", Some(&operator), &form).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(desk.store.operations(10).await.unwrap().is_empty(), "nothing was begun");
}

#[tokio::test]
async fn a_broker_that_is_away_is_told_in_its_place() {
    let mut broker = Config::load(None).unwrap().broker;
    broker.url = "amqp://ada:secret-word@127.0.0.1:1/%2f".to_owned();
    let desk = Desk::with_broker(Some(broker), |_| {}).await;
    let operator = desk.session(Role::Operator).await;
    for path in ["/operations", "/parked"] {
        let page = desk.get(path, Some(&operator)).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert!(page.body.contains("RabbitMQ does not answer"), "{path}: {}", page.body);
        assert!(!page.body.contains("secret-word"), "{path}");
    }
    assert_eq!(desk.get("/parked/m-1", Some(&operator)).await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parked_messages_are_shown_redacted_replayed_and_discarded() {
    on_stage(2, |stage| async move {
        let desk = Desk::with_broker(Some(stage.config.clone()), |_| {}).await;
        let operator = desk.session(Role::Operator).await;
        let none = desk.get("/parked", Some(&operator)).await.body;
        assert!(none.contains("Nothing is parked."), "{none}");
        park(
            &stage,
            "m/1",
            "channel is missing",
            r#"{"message_id":"m/1","text":"sono anna@example.it <b>"}"#,
        )
        .await;
        park(&stage, "m-2", "text is missing", "{}").await;
        park(&stage, "m-3", "text is missing", "{}").await;
        parked(&stage, 3).await;

        let page = desk.get("/operations", Some(&operator)).await.body;
        let names: Vec<String> = stage.topology.input_queues().map(str::to_owned).collect();
        assert!(names.len() == 2 && names.iter().all(|name| page.contains(name.as_str())), "{page}");
        assert!(page.contains("Look at them"), "{page}");
        let list = desk.get("/parked", Some(&operator)).await.body;
        assert!(list.contains("channel is missing") && list.contains("malformed"), "{list}");
        assert!(list.contains("href=\"/parked/m%2F1\"") && list.contains("2026-01-01T00:00:00Z"), "{list}");
        assert!(!list.contains("anna@"), "the list has no text");
        let one = desk.get("/parked/m%2F1", Some(&operator)).await.body;
        assert!(one.contains("[EMAIL]") && !one.contains("anna@") && !one.contains("<b>"), "{one}");
        assert_eq!(desk.get("/parked/none", Some(&operator)).await.status, StatusCode::NOT_FOUND);

        let csrf = desk.csrf(&operator).await;
        let act =
            async |form: &str| desk.post("/parked", Some(&operator), &format!("csrf={csrf}&{form}")).await;
        assert_eq!(act("act=replay").await.status, StatusCode::BAD_REQUEST);
        assert_eq!(act("act=simulate&id=m-2").await.status, StatusCode::BAD_REQUEST);
        let asked = act("act=discard&id=m-2&id=gone").await;
        assert!(
            asked.status == StatusCode::OK && asked.body.contains("Discard these for good?"),
            "{}",
            asked.body
        );
        parked(&stage, 3).await;
        let done = act("act=discard&sure=yes&id=m-2&id=gone").await;
        assert_eq!(done.header("location"), "/parked?told=discard&done=1&missing=1");
        let told = desk.get(done.header("location"), Some(&operator)).await.body;
        assert!(told.contains("Discarded: 1 · Not parked any more: 1"), "{told}");
        assert_eq!(
            act("act=replay&id=m%2F1").await.header("location"),
            "/parked?told=replay&done=1&missing=0"
        );
        parked(&stage, 1).await;
        let mut waiting = 0;
        for name in &names {
            waiting += depth(&stage, name).await;
        }
        assert_eq!(waiting, 1, "replayed");
        let page = desk.get("/operations", Some(&operator)).await.body;
        assert!(page.contains("nobody reads it"), "{page}");
        let operations = desk.store.operations(10).await.unwrap();
        let mut log: Vec<(Operated, &str)> =
            operations.iter().map(|one| (one.act, one.target.as_str())).collect();
        log.sort_by_key(|(act, target)| (act.as_str(), *target));
        let expected = [
            (Operated::Discard, "gone"),
            (Operated::Discard, "m-2"),
            (Operated::Replay, "m/1"),
            (Operated::Show, "m/1"),
        ];
        assert_eq!(log, expected);
        let admin = desk.session(Role::Admin).await;
        let page = desk.get("/access", Some(&admin)).await.body;
        assert!(page.contains("What operators did") && page.contains("<td>m/1</td>"), "{page}");

        let (status, told) = call(&desk, "list", "GET", "/api/v1/parked", &Value::Null).await;
        assert_eq!((status, &told["messages"][0]["id"]), (StatusCode::OK, &"m-3".into()), "{told}");
        super::api::as_told("/api/v1/parked", "get", "200", &told);
        let (_, one) = call(&desk, "show", "GET", "/api/v1/parked/m-3", &Value::Null).await;
        super::api::as_told("/api/v1/parked/{id}", "get", "200", &one);
        let discard = "/api/v1/parked/discard";
        let (status, _) = call(&desk, "none", "POST", discard, &json!({ "ids": [] })).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        let (_, done) = call(&desk, "discard", "POST", discard, &json!({ "ids": ["m-3", "x"] })).await;
        assert_eq!(done, json!({ "done": ["m-3"], "not_found": ["x"], "error": null }));
        super::api::as_told(discard, "post", "200", &done);
        let (_, told) = call(&desk, "told", "GET", "/api/v1/operations", &Value::Null).await;
        assert_eq!(
            (told["queues"][0]["shard"].as_u64(), told["queues"].as_array().unwrap().len()),
            (Some(0), 4)
        );
        super::api::as_told("/api/v1/operations", "get", "200", &told);
    })
    .await;
}

/// Counted by minute and by how long they were under way; what operators did goes when it is old.
async fn counted(store: &dyn ConsoleStore) {
    let now = Utc::now();
    let minute = now.timestamp() / 60 * 60;
    let start = chrono::DateTime::from_timestamp(minute, 0).unwrap();
    for (conversation, seconds) in [("k1", 0), ("k2", 1), ("k3", -600)] {
        let mut said = Said::flagged(conversation, "ciao");
        said.customer = conversation.to_owned();
        said.at = start + TimeDelta::seconds(seconds);
        desk::decide(store, &said).await;
    }
    let pace = store.pace(start - TimeDelta::minutes(5), start + TimeDelta::minutes(1)).await.unwrap();
    // Sent when they were decided: the first class.
    assert_eq!(pace.len(), 1, "{pace:?}");
    assert_eq!((pace[0].minute, pace[0].lag, pace[0].count), (minute / 60, 0, 2));
    assert!(LAGS.is_sorted());
    let log =
        |act, at| smista::store::console::Operation { at, account: "ada".into(), act, target: "m".into() };
    store.operate(&log(Operated::Replay, now - TimeDelta::days(40))).await.unwrap();
    store.operate(&log(Operated::Discard, now)).await.unwrap();
    assert_eq!(store.operations(10).await.unwrap()[0].act, Operated::Discard);
    store.purge(now - TimeDelta::days(30)).await.unwrap();
    assert_eq!(store.operations(10).await.unwrap().len(), 1);
    let attends = Attendance { worker: "w".into(), beat: 1, places: vec![0] };
    store.attend("t", &attends).await.unwrap();
    assert_eq!(store.attending().await.unwrap(), [("t".to_owned(), attends)]);
}

#[tokio::test]
async fn what_is_counted_on_sqlite() {
    counted(&*Desk::new().await.store).await;
}

#[tokio::test]
async fn what_is_counted_on_postgres() {
    let Some(url) = postgres_url() else { return };
    let mut config = Config::load(None).unwrap().store;
    config.url = fresh_database(&url).await;
    counted(&*store::open_console(&config).await.unwrap()).await;
}
