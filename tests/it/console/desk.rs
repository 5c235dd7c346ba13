//! A console on a store of its own, and a browser that keeps cookies and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use smista::config::{self, Config};
use smista::console::{Console, password, routes};
use smista::routing::testing;
use smista::routing::{Decision, Policy, PolicyHandle};
use smista::store::console::{Account, ConsoleStore, Expired, Role};
use smista::store::{self, Committed, Counted, Effect, OutboxMessage};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

pub const PASSWORD: &str = "correct horse battery";

pub struct Desk {
    pub store: Arc<dyn ConsoleStore>,
    pub console: Arc<Console>,
    pub stop: CancellationToken,
    _folder: tempfile::TempDir,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Desk {
    pub async fn new() -> Self {
        Self::configured(|_| {}).await
    }

    pub async fn configured(change: impl FnOnce(&mut Config)) -> Self {
        Self::with_broker(None, change).await
    }

    pub async fn with_broker(broker: Option<config::Broker>, change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::load(None).unwrap();
        config.store.url = format!("sqlite:{}", folder.path().join("smista.db").display());
        config.console.listen = "127.0.0.1:0".to_owned();
        change(&mut config);
        let store = store::open_console(&config.store).await.unwrap();
        let stop = CancellationToken::new();
        let policy = PolicyHandle::new(Policy::embedded_default().unwrap());
        let tests =
            testing::EMBEDDED.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect();
        let console =
            Console::new(Arc::clone(&store), config.console, broker, policy, tests, stop.clone()).unwrap();
        Self { store, console, stop, _folder: folder }
    }

    /// Adds an account with [`PASSWORD`].
    pub async fn account(&self, name: &str, role: Role) {
        let account = Account {
            name: name.to_owned(),
            role,
            password: password::hash(PASSWORD).unwrap(),
            disabled: false,
            language: String::new(),
            created_at: Utc::now(),
        };
        self.store.add_account(&account).await.unwrap();
    }

    /// A session of a role, without the slow sign-in.
    pub async fn session(&self, role: Role) -> String {
        let account = Account {
            name: role.as_str().to_owned(),
            role,
            password: "none".to_owned(),
            disabled: false,
            language: String::new(),
            created_at: Utc::now(),
        };
        self.store.add_account(&account).await.unwrap();
        let token = password::token();
        let long_ago = DateTime::UNIX_EPOCH;
        let expired = Expired { created: long_ago, seen: long_ago };
        let digest = password::digest(&token);
        self.store.begin_session(&digest, role.as_str(), Utc::now(), expired).await.unwrap();
        token
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = routes::router(&self.console).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        // A stream has no end.
        let streams = parts.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream");
        let bytes = if streams { Vec::new() } else { to_bytes(body, usize::MAX).await.unwrap().to_vec() };
        let body = String::from_utf8(bytes).unwrap();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub async fn get(&self, path: &str, token: Option<&str>) -> Answer {
        self.send(request("GET", path, token).body(Body::empty()).unwrap()).await
    }

    pub async fn post(&self, path: &str, token: Option<&str>, form: &str) -> Answer {
        let request = request("POST", path, token)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form.to_owned()));
        self.send(request.unwrap()).await
    }

    /// What the forms of a session carry.
    pub async fn csrf(&self, token: &str) -> String {
        let page = self.get("/queue", Some(token)).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        let (_, rest) = page.body.split_once("name=\"csrf\" value=\"").unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    }

    /// Commits a message.
    pub async fn decide(&self, said: &Said) {
        decide(&*self.store, said).await;
    }
}

pub fn request(method: &str, path: &str, token: Option<&str>) -> axum::http::request::Builder {
    let builder = Request::builder().method(method).uri(path).header(header::HOST, "127.0.0.1:8787");
    match token {
        Some(token) => builder.header(header::COOKIE, format!("smista={token}")),
        None => builder,
    }
}

/// A message and what is decided about it.
#[derive(Clone)]
pub struct Said {
    pub conversation: String,
    pub customer: String,
    pub text: String,
    pub subject: Option<String>,
    pub queue: String,
    pub flags: Vec<String>,
    pub priority: &'static str,
    pub due: Option<DateTime<Utc>>,
    pub at: DateTime<Utc>,
    /// Evidence of the only reason.
    pub evidence: Option<[usize; 2]>,
    /// Churn risk.
    pub risk: &'static str,
    /// What it is counted under.
    pub topics: Vec<Counted>,
}

impl Said {
    pub fn flagged(conversation: &str, text: &str) -> Self {
        Self {
            conversation: conversation.to_owned(),
            customer: "c-1".to_owned(),
            text: text.to_owned(),
            subject: None,
            queue: "general".to_owned(),
            flags: vec!["legal".to_owned()],
            priority: "high",
            due: Some(Utc::now() + TimeDelta::hours(1)),
            at: Utc::now() - TimeDelta::hours(1),
            evidence: None,
            risk: "low",
            topics: Vec::new(),
        }
    }
}

/// Commits a message.
pub async fn decide(store: &dyn ConsoleStore, said: &Said) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let message = format!("m-{}-{}", uuid::Uuid::new_v4().simple(), NEXT.fetch_add(1, Ordering::Relaxed));
    let interaction = json!({
        "message_id": message, "conversation_id": said.conversation, "customer_id": said.customer, "identities": [],
        "channel": "chat", "author": "customer", "sent_at": said.at, "language_hint": null, "subject": said.subject,
        "turns": [
            {"speaker": "customer", "text": said.text},
            {"speaker": "agent", "text": "Sono qui."},
        ],
        "ratings": {}, "attributes": {}, "attachments": [], "auto_reply": null,
    });
    let decision = json!({
        "schema": "smista.decision.v1", "decision_id": Decision::id_for(&message, 1), "revision": 1,
        "supersedes": null, "message_id": message, "conversation_id": said.conversation,
        "customer_id": said.customer, "channel": "chat", "decided_at": said.at,
        "analysis": {
            "language": {"code": "it", "confidence": 0.9},
            "sentiment": {"label": "negative", "score": -0.6, "confidence": 0.7, "first_third": 0.1, "last_third": 0.1, "shift": 0.0},
            "emotions": [], "intents": [{"name": "complaint", "confidence": 0.8}], "abstained": false,
            "stage": {"name": "support", "confidence": 0.9, "previous": null, "transition": "same"},
            "signals": [], "goal": null, "complexity": "standard", "effort": 0.3, "questions": [],
        },
        "journey": {
            "contacts": [], "repeat_contact": {"is_repeat": false, "of": [], "days": 0.0},
            "experience": {"score": 60, "previous": null}, "churn_risk": {"level": said.risk, "reasons": if said.risk == "low" { vec![] } else { vec!["says_so"] }},
            "promises": [], "brief": format!("Brief of {}", said.text), "follow_up": null,
        },
        "priority": {"level": said.priority, "score": 0.5},
        "route": {"action": "queue", "queue": said.queue, "skills": [], "language": "it", "sla_due_at": said.due},
        "flags": said.flags,
        "reasons": [{"rule": "a-rule", "text": "A reason", "evidence": said.evidence, "without": "normal"}],
        "versions": {"model": "m", "policy": "p", "schema": "v1", "input": "i", "state": "s"}, "degraded": false,
    });
    let decision: Decision = serde_json::from_value(decision).unwrap();
    let before = store.customer(&said.customer).await.unwrap();
    let effect = Effect {
        interaction: serde_json::from_value(interaction).unwrap(),
        after: before.journey.clone(),
        before,
        absorbed: Vec::new(),
        outbox: Vec::<OutboxMessage>::new(),
        decision,
        traces: None,
        topics: said.topics.clone(),
    };
    let done = store.commit(effect).await.unwrap();
    assert!(matches!(done, Committed::New | Committed::Spiked(_)), "{done:?}");
}
