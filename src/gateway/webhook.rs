//! A webhook: decisions and events to an address, signed.

use async_trait::async_trait;
use chrono::{SecondsFormat, Utc};
use serde::Serialize;
use serde_json::value::RawValue;

use super::hook::{Failure, Target};
use super::sign::Secret;
use super::{GatewayError, client};
use crate::broker::amqp::tap::Letter;
use crate::config;
use crate::telemetry::trace::Remote;

/// An address that is told.
pub(super) struct Webhook {
    url: String,
    secret: Secret,
    http: reqwest::Client,
}

/// The body, as Standard Webhooks advises it.
#[derive(Serialize)]
struct Envelope<'a> {
    r#type: String,
    timestamp: String,
    data: &'a RawValue,
}

impl Webhook {
    pub fn new(config: &config::Webhook) -> Result<Self, GatewayError> {
        let key = format!("gateway.webhooks {:?}: secret_file", config.name);
        let text = config::secret::read(&config.secret_file, &key)?;
        let secret = Secret::parse(&text).map_err(|error| {
            GatewayError::Config(format!("{key}: {error}; `smista gateway secret` makes one"))
        })?;
        Ok(Self { url: config.url.clone(), secret, http: client()? })
    }
}

#[async_trait]
impl Target for Webhook {
    async fn deliver(&self, letter: &Letter, _again: bool) -> Result<(), Failure> {
        let data: &RawValue =
            serde_json::from_slice(&letter.body).map_err(|_| Failure::unreadable("it is not JSON"))?;
        let at = letter.published_at.unwrap_or(letter.meta.received_at);
        let envelope = Envelope {
            r#type: kind(&letter.body),
            timestamp: at.to_rfc3339_opts(SecondsFormat::Secs, true),
            data,
        };
        let body = serde_json::to_vec(&envelope).map_err(|_| Failure::unreadable("it cannot be written"))?;
        let id = letter.meta.message_id.as_deref().unwrap_or_default();
        let now = Utc::now().timestamp();
        let mut request = self
            .http
            .post(&self.url)
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", now)
            .header("webhook-signature", self.secret.sign(id, now, &body))
            .body(body);
        for (name, value) in letter.meta.trace.iter().flat_map(Remote::headers) {
            request = request.header(name, value);
        }
        Failure::unless_taken(request.send().await).map(|_| ())
    }
}

/// `smista.decision`, or `smista.` and the event's name.
fn kind(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Event {
        event: String,
    }
    match serde_json::from_slice::<Event>(body) {
        Ok(Event { event }) => format!("smista.{event}"),
        Err(_) => "smista.decision".to_owned(),
    }
}
