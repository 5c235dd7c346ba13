//! Traces: from the producer's context through the worker to the decision, and what a collector is told; and the other headers of a
//! decision, those of CloudEvents.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use futures::StreamExt as _;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

use crate::support::bench::{LONG, bound_queue};
use crate::support::process::Workspace;
use crate::support::rabbit::{Stage, on_stage};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// A collector that keeps what it is sent.
async fn collector() -> (String, Arc<Mutex<Vec<Span>>>) {
    let spans: Arc<Mutex<Vec<Span>>> = Arc::default();
    let take = async |State(spans): State<Arc<Mutex<Vec<Span>>>>, body: Bytes| {
        assert!(!body.windows(6).any(|bytes| bytes == b"parcel"), "a span holds no text");
        let request = ExportTraceServiceRequest::decode(body).unwrap();
        let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        spans.lock().unwrap().extend(scopes.flat_map(|scope| scope.spans));
        Vec::<u8>::new()
    };
    let app = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&spans));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, spans)
}

/// A message as a producer that traces sends it.
async fn produce(stage: &Stage, channel: &Channel, id: &str, traceparent: Option<&str>) {
    let body = serde_json::json!({
        "schema": "smista.interaction.v1", "message_id": id, "conversation_id": "k1", "customer_id": "c1",
        "channel": "chat", "text": "where is my parcel?",
    });
    let mut headers = FieldTable::default();
    if let Some(parent) = traceparent {
        headers.insert("traceparent".into(), AMQPValue::LongString(parent.into()));
    }
    let properties = BasicProperties::default().with_headers(headers);
    let exchange = stage.topology.interactions();
    let body = body.to_string().into_bytes();
    let options = BasicPublishOptions::default();
    channel.basic_publish(exchange.as_str().into(), "c1".into(), options, &body, properties).await.unwrap();
}

/// The header of each decision, in order.
async fn decisions(channel: &Channel, queue: &str, count: usize) -> Vec<Option<String>> {
    let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
    let mut consumer =
        channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await.unwrap();
    let mut found = Vec::new();
    while found.len() < count {
        let delivery = tokio::time::timeout(LONG, consumer.next()).await.unwrap().unwrap().unwrap();
        let headers = delivery.properties.headers().clone().unwrap_or_default();
        let text = |name: &str| match headers.inner().get(name) {
            Some(AMQPValue::LongString(text)) => text.to_string(),
            other => panic!("{name}: {other:?}"),
        };
        let body: serde_json::Value = serde_json::from_slice(&delivery.data).unwrap();
        assert_eq!(text("cloudEvents_specversion"), "1.0");
        assert_eq!(text("cloudEvents_id"), body["decision_id"]);
        assert_eq!(text("cloudEvents_type"), body["schema"]);
        assert!(text("cloudEvents_source").starts_with('/'));
        found.push(headers.inner().get("traceparent").map(|value| match value {
            AMQPValue::LongString(text) => text.to_string(),
            other => panic!("{other:?}"),
        }));
    }
    found
}

fn workspace(stage: &Stage, more: &str) -> Workspace {
    let workspace = Workspace::new(&stage.config.url, &stage.config.prefix, 1, None);
    let text = std::fs::read_to_string(workspace.config()).unwrap();
    std::fs::write(workspace.config(), format!("{text}{more}")).unwrap();
    workspace
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn attribute(span: &Span, name: &str) -> Option<String> {
    let value = span.attributes.iter().find(|one| one.key == name)?.value.clone()?.value?;
    match value {
        Value::StringValue(text) => Some(text),
        other => Some(format!("{other:?}")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_goes_from_the_producer_to_the_decision_and_to_the_collector() {
    on_stage(1, async |stage| {
        let (url, spans) = collector().await;
        let (channel, queue) = bound_queue(&stage, "#").await;
        let workspace = workspace(&stage, &format!("traces = \"{url}\"\ntraces_share = 0.0\n"));
        let mut worker = workspace.worker("traced");
        worker.wait_connected(LONG);
        produce(&stage, &channel, "m1", Some(&format!("00-{TRACE}-{PARENT}-01"))).await;
        produce(&stage, &channel, "m2", None).await;
        let found = decisions(&channel, &queue, 2).await;
        let first = found[0].clone().unwrap();
        assert!(first.starts_with(&format!("00-{TRACE}-")) && first.ends_with("-01"), "{first}");
        assert!(!first.contains(PARENT), "the worker's own span is the parent of what comes after it");
        let second = found[1].clone().unwrap();
        assert!(second.ends_with("-00"), "not to be recorded, since the share is none: {second}");
        assert_eq!(worker.terminate(LONG), Some(0));

        // What is left is sent when the worker ends.
        let until = Instant::now() + LONG;
        while spans.lock().unwrap().len() < 4 && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let spans = spans.lock().unwrap().clone();
        let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
        assert!(spans.iter().all(|span| hex(&span.trace_id) == TRACE), "{names:?}");
        let process = spans.iter().find(|span| span.name.starts_with("process ")).unwrap();
        assert_eq!(hex(&process.parent_span_id), PARENT);
        assert_eq!(hex(&process.span_id), first[36..52]);
        assert_eq!(attribute(process, "messaging.message.id").as_deref(), Some("m1"));
        assert_eq!(
            attribute(process, "messaging.destination.name"),
            stage.topology.input_queues().next().map(str::to_owned)
        );
        assert!(attribute(process, "smista.decision_id").is_some());
        for stage in ["analyse", "commit", "publish"] {
            let span =
                spans.iter().find(|span| span.name == stage).unwrap_or_else(|| panic!("{stage}: {names:?}"));
            assert_eq!(span.parent_span_id, process.span_id);
            assert!(process.start_time_unix_nano <= span.start_time_unix_nano);
            assert!(span.end_time_unix_nano <= process.end_time_unix_nano);
        }
        assert_eq!(spans.len(), 4, "{names:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_collector_the_context_goes_on_and_with_one_that_is_away_so_does_the_work() {
    on_stage(1, async |stage| {
        let (channel, queue) = bound_queue(&stage, "#").await;
        let parent = format!("00-{TRACE}-{PARENT}-01");
        let plain = workspace(&stage, "");
        let mut worker = plain.worker("plain");
        worker.wait_connected(LONG);
        produce(&stage, &channel, "m1", Some(&parent)).await;
        produce(&stage, &channel, "m2", Some("not a context")).await;
        assert_eq!(decisions(&channel, &queue, 2).await, [Some(parent), None]);
        assert_eq!(worker.terminate(LONG), Some(0));

        let (channel, queue) = bound_queue(&stage, "#").await;
        let away = workspace(&stage, "traces = \"http://127.0.0.1:1\"\ntraces_share = 1.0\n");
        let mut worker = away.worker("away");
        worker.wait_connected(LONG);
        produce(&stage, &channel, "m3", None).await;
        assert!(decisions(&channel, &queue, 1).await[0].as_ref().unwrap().ends_with("-01"));
        let asked = Instant::now();
        assert_eq!(worker.terminate(LONG), Some(0));
        assert!(asked.elapsed() < Duration::from_secs(20), "the end waits for no collector");
    })
    .await;

    let wrong = Workspace::of("[telemetry]\ntraces = \"collector:4317\"\n");
    let output = wrong.smista(&["worker"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("telemetry.traces must be"));
}
