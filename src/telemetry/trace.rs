//! Traces by OpenTelemetry: a span for each message from its receipt to its settlement, as part of the trace that its producer
//! began. The trace context travels in AMQP headers as W3C Trace Context says. Without a collector nothing is recorded, and the
//! producer's context goes on as it came.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{SpanKind, Status, TraceContextExt as _, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue, global};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};

use crate::config;

/// The header that names trace and parent span.
pub const TRACEPARENT: &str = "traceparent";
/// The header with what vendors add.
pub const TRACESTATE: &str = "tracestate";
const SCOPE: &str = "smista";
/// Longest wait for the last spans at the end.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// Why traces cannot be sent.
#[derive(Debug, thiserror::Error)]
#[error("telemetry.traces: {0}")]
pub struct TraceError(String);

/// The way to the collector.
pub struct Collector(SdkTracerProvider);

impl Collector {
    /// Sends traces to the collector that the configuration names, if any. Must be called on a tokio runtime.
    pub fn install(settings: &config::Telemetry) -> Result<Option<Self>, TraceError> {
        let Some(endpoint) = &settings.traces else { return Ok(None) };
        let fault = |error: &dyn std::fmt::Display| TraceError(error.to_string());
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(10))
            .build()
            .map_err(|error| fault(&error))?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Http { http, runtime: tokio::runtime::Handle::current() })
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .build()
            .map_err(|error| fault(&error))?;
        let resource = Resource::builder()
            .with_service_name(SCOPE)
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(settings.traces_share))))
            .with_resource(resource)
            .with_batch_exporter(exporter)
            .build();
        global::set_tracer_provider(provider.clone());
        Ok(Some(Self(provider)))
    }

    /// Sends what is left. Spans that cannot be sent are lost: messages never wait for them.
    pub async fn close(self) {
        let closing = move || self.0.shutdown_with_timeout(LAST_WAIT);
        // Nobody is left to hear of a failure.
        let _ = tokio::task::spawn_blocking(closing).await;
    }
}

/// The program's HTTP client, for the exporter's own thread.
#[derive(Debug)]
struct Http {
    http: reqwest::Client,
    runtime: tokio::runtime::Handle,
}

#[async_trait]
impl HttpClient for Http {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let http = self.http.clone();
        let sending = self.runtime.spawn(async move {
            let request = reqwest::Request::try_from(request)?;
            let mut answer = http.execute(request).await?;
            let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
            let mut response = Response::new(answer.bytes().await?);
            (*response.status_mut(), *response.headers_mut()) = (status, headers);
            Ok::<_, reqwest::Error>(response)
        });
        Ok(sending.await??)
    }
}

/// Trace context as it comes with a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remote {
    /// Value of `traceparent`.
    pub parent: String,
    /// Value of `tracestate`, empty for none.
    pub state: String,
}

impl Remote {
    /// What the headers say; none where there is no `traceparent` that can be read.
    pub fn of(parent: Option<String>, state: Option<String>) -> Option<Self> {
        let parent = parent.filter(|parent| is_traceparent(parent))?;
        let state = state.filter(|state| state.len() <= 512 && state.is_ascii()).unwrap_or_default();
        Some(Self { parent, state })
    }

    /// The headers to send it on with.
    pub fn headers(&self) -> Vec<(String, String)> {
        let mut headers = vec![(TRACEPARENT.to_owned(), self.parent.clone())];
        if !self.state.is_empty() {
            headers.push((TRACESTATE.to_owned(), self.state.clone()));
        }
        headers
    }
}

/// `00-<32 hex>-<16 hex>-<2 hex>`, neither id all zeros.
fn is_traceparent(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace, span, flags] = parts[..] else { return false };
    let hex = |part: &str, length| {
        part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let some = |part: &str| part.bytes().any(|byte| byte != b'0');
    hex(version, 2)
        && version != "ff"
        && hex(trace, 32)
        && hex(span, 16)
        && hex(flags, 2)
        && some(trace)
        && some(span)
}

/// The span of a message. It ends when this is dropped.
pub struct Trace {
    context: Context,
    remote: Option<Remote>,
}

/// The span of a stage. It ends when this is dropped.
pub struct Stage(Context);

impl Drop for Stage {
    fn drop(&mut self) {
        self.0.span().end();
    }
}

impl Trace {
    /// A message taken from a queue.
    pub fn consume(queue: &str, message_id: &str, remote: Option<&Remote>) -> Self {
        let parent = remote.map_or_else(Context::new, |remote| {
            let carrier: HashMap<String, String> = remote.headers().into_iter().collect();
            TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier)
        });
        let tracer = global::tracer_provider().tracer(SCOPE);
        let span = tracer
            .span_builder(format!("process {queue}"))
            .with_kind(SpanKind::Consumer)
            .with_attributes([
                KeyValue::new("messaging.system", "rabbitmq"),
                KeyValue::new("messaging.operation.type", "process"),
                KeyValue::new("messaging.destination.name", queue.to_owned()),
                KeyValue::new("messaging.message.id", message_id.to_owned()),
            ])
            .start_with_context(&tracer, &parent);
        Self { context: parent.with_span(span), remote: remote.cloned() }
    }

    /// A part of the work on it.
    pub fn stage(&self, name: &'static str) -> Stage {
        let tracer = global::tracer_provider().tracer(SCOPE);
        let span = tracer.span_builder(name).start_with_context(&tracer, &self.context);
        Stage(self.context.with_span(span))
    }

    /// What became of it.
    pub fn decided(&self, decision_id: &str, priority: &'static str, duplicate: bool) {
        self.context.span().set_attributes([
            KeyValue::new("smista.decision_id", decision_id.to_owned()),
            KeyValue::new("smista.priority", priority),
            KeyValue::new("smista.duplicate", duplicate),
        ]);
    }

    /// It came to no decision; `class` is the word that its parked message carries.
    pub fn failed(&self, class: &'static str) {
        self.context.span().set_status(Status::error(class));
    }

    /// The headers that make what is published part of the trace.
    pub fn headers(&self) -> Vec<(String, String)> {
        if !self.context.span().span_context().is_valid() {
            return self.remote.as_ref().map(Remote::headers).unwrap_or_default();
        }
        let mut carrier = HashMap::new();
        TraceContextPropagator::new().inject_context(&self.context, &mut carrier);
        let mut headers: Vec<(String, String)> =
            carrier.into_iter().filter(|(_, value): &(String, String)| !value.is_empty()).collect();
        headers.sort_unstable();
        headers
    }

    /// The trace's id, 32 hexadecimal digits; empty where there is none.
    pub fn id(&self) -> String {
        let span = self.context.span();
        let context = span.span_context();
        if context.is_valid() {
            return context.trace_id().to_string();
        }
        let parent = self.remote.as_ref().map(|remote| remote.parent.as_str());
        parent.and_then(|parent| parent.get(3..35)).unwrap_or_default().to_owned()
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        self.context.span().end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn only_good_contexts_are_taken() {
        let taken = |parent: &str| Remote::of(Some(parent.to_owned()), None).is_some();
        assert!(taken(PARENT));
        for bad in [
            "",
            "hello",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        ] {
            assert!(!taken(bad), "{bad}");
        }
    }

    #[test]
    fn without_a_collector_the_context_goes_on_as_it_came() {
        let remote = Remote::of(Some(PARENT.to_owned()), Some("vendor=1".to_owned())).unwrap();
        let trace = Trace::consume("q", "m", Some(&remote));
        assert_eq!(trace.headers(), remote.headers());
        assert_eq!(trace.id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        drop(trace.stage("analyse"));
        let none = Trace::consume("q", "m", None);
        assert!(none.headers().is_empty() && none.id().is_empty());
    }
}
