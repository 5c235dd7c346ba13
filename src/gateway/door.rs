//! Who may send, how many at a time, and the way to the broker.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use chrono::{TimeDelta, Utc};
use lru::LruCache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;
use crate::broker::{Outgoing, PublishError, Publisher};
use crate::interaction::{self, Interaction, Mode, ParseContext, WireError};
use crate::store::Destination;
use crate::store::console::{ConsoleStore, Scope, TOKEN_PREFIX, digest};
use crate::telemetry::events;
use crate::telemetry::trace::{Remote, TRACEPARENT, TRACESTATE};

/// The store is asked for a token again after so long: a revoked one works no longer.
const KNOWN_FOR: Duration = Duration::from_secs(15);
/// The store is told so often that a token is in use.
const TOUCH: TimeDelta = TimeDelta::minutes(5);
const KNOWN: std::num::NonZeroUsize = std::num::NonZeroUsize::MIN.saturating_add(1023);

/// The door.
pub(super) struct Door {
    store: Arc<dyn ConsoleStore>,
    publisher: Arc<dyn Publisher>,
    requests: Arc<Semaphore>,
    /// Tokens looked up lately, and whether they may send.
    known: Mutex<LruCache<String, (Instant, bool)>>,
}

/// An interaction that a worker will take.
pub(super) struct Checked {
    pub message_id: String,
    pub conversation_id: String,
    key: String,
    body: Vec<u8>,
}

impl Checked {
    /// Whose messages it is in order with.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl Door {
    pub fn new(store: Arc<dyn ConsoleStore>, publisher: Arc<dyn Publisher>, at_once: usize) -> Self {
        let requests = Arc::new(Semaphore::new(at_once.min(Semaphore::MAX_PERMITS)));
        Self { store, publisher, requests, known: Mutex::new(LruCache::new(KNOWN)) }
    }

    /// A place among the requests.
    pub fn place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.requests).try_acquire_owned().map_err(|_| Problem::busy())
    }

    /// Whether the caller's token may send.
    pub async fn admit(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let digest = digest(bearer(headers).ok_or_else(Problem::token)?);
        let known = self.lock().get(&digest).filter(|(at, _)| at.elapsed() < KNOWN_FOR).map(|(_, may)| *may);
        let may = match known {
            Some(may) => may,
            None => {
                let token = self.store.token(&digest).await.map_err(|_| Problem::store())?;
                let token = token.ok_or_else(Problem::token)?;
                let now = Utc::now();
                if token.used_at.is_none_or(|used| now - used > TOUCH) {
                    self.store.touch_token(&digest, now).await.map_err(|_| Problem::store())?;
                }
                let may = token.scopes.contains(&Scope::Send);
                self.lock().put(digest, (Instant::now(), may));
                may
            }
        };
        if may { Ok(()) } else { Err(Problem::scope()) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LruCache<String, (Instant, bool)>> {
        // Every entry is valid by itself.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a body once as a worker will, so that nothing is taken that would be parked. A `message_id` that it lacks is
    /// put in.
    pub fn check(body: &[u8], id: Option<&str>) -> Result<Checked, Problem> {
        let parsed = match parse(body) {
            Ok(found) => Ok((found, body.to_vec())),
            Err(WireError::MissingField { ref field, .. }) if field == "message_id" && id.is_some() => {
                let named = with_id(body, id.unwrap_or_default());
                parse(&named).map(|found| (found, named))
            }
            Err(error) => Err(error),
        };
        let (found, body) = parsed.map_err(|error| Problem::body(&error))?;
        Ok(Checked {
            key: found.routing_key().to_owned(),
            message_id: found.message_id,
            conversation_id: found.conversation_id,
            body,
        })
    }

    /// Returns once an input queue has it.
    pub async fn publish(&self, checked: Checked, trace: Option<&Remote>) -> Result<(), Problem> {
        let sent = self.publisher.publish(Outgoing {
            destination: Destination::Interactions,
            routing_key: checked.key,
            message_id: checked.message_id,
            body: checked.body,
            headers: trace.map(Remote::headers).unwrap_or_default(),
        });
        let answer = sent.await;
        let outcome = if answer.is_ok() { "accepted" } else { "unavailable" };
        events::Intake { outcome, messages: 1 }.emit();
        answer.map_err(|error| {
            Problem::broker(match error {
                PublishError::Nacked => "the input queue is full; send it again later",
                PublishError::Unroutable(_) => {
                    "no input queue takes it; the operator has to run `smista topology apply`"
                }
                PublishError::Disconnected(_) | PublishError::ConfirmTimeout(_) => {
                    "the broker has not confirmed it; send it again with the same message_id, which counts once"
                }
            })
        })
    }
}

fn parse(body: &[u8]) -> Result<Interaction, WireError> {
    // What is read here is let go: identities need no secret key.
    let context = ParseContext { received_at: Utc::now(), identity_key: b"gateway", mode: Mode::Queue };
    interaction::parse(body, &context)
}

/// The object with the field put first, everything else as it was sent.
fn with_id(body: &[u8], id: &str) -> Vec<u8> {
    let text = body.trim_ascii_start();
    let rest = text.strip_prefix(b"{").unwrap_or(text);
    let comma = if rest.trim_ascii_start().starts_with(b"}") { "" } else { "," };
    let id = serde_json::Value::from(id);
    [format!("{{\"message_id\":{id}{comma}").as_bytes(), rest].concat()
}

/// The trace that a request is part of.
pub(super) fn trace(headers: &HeaderMap) -> Option<Remote> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Remote::of(text(TRACEPARENT), text(TRACESTATE))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && token.starts_with(TOKEN_PREFIX)).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_from_outside_fills_a_gap_and_overrides_nothing() {
        let body = |id: &str| {
            format!(
                "{{\"schema\":\"smista.interaction.v1\",{id}\"conversation_id\":\"k\",\"channel\":\"chat\",\"text\":\"Hi there\"}}"
            )
        };
        let id = |body: &str, from_outside: Option<&str>| {
            Door::check(body.as_bytes(), from_outside).map(|checked| {
                assert_eq!(parse(&checked.body).unwrap().message_id, checked.message_id);
                checked.message_id
            })
        };
        assert_eq!(id(&body(""), Some("out\"side")).unwrap(), "out\"side");
        assert_eq!(id(&body("\"message_id\":\"own\","), Some("outside")).unwrap(), "own");
        assert_eq!(id(&body(""), None).unwrap_err().code, "missing_field");
        assert_eq!(id("{}", Some("x")).unwrap_err().code, "missing_field");
        assert_eq!(id("[]", Some("x")).unwrap_err().status, axum::http::StatusCode::BAD_REQUEST);
    }
}
