//! The HTTP API: what the pages show and do, as JSON under `/api/v1`, for callers with a bearer token. One table of routes; the
//! router, the OpenAPI document and the tests are made from it.

mod caller;
mod calls;
mod erasure;
mod maps;
mod model;
mod openapi;
mod operations;
mod problem;

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, Method, header};
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse as _;
use axum::routing::{MethodRouter, get, post};

use super::Console;
use super::fault::Fault;
use crate::store::console::Scope;
use caller::Gate;
use problem::Problem;

pub use caller::PREFIX;
pub use openapi::document;

/// What a route does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// A page of the review queue.
    Queue,
    /// A conversation.
    Conversation,
    /// Confirm or correct.
    Correct,
    /// Give it to an account.
    Assign,
    /// Nothing is left to do.
    Resolve,
    /// Something is, after all.
    Reopen,
    /// Say something about it.
    Comment,
    /// The journey map.
    Map,
    /// A customer's timeline.
    Timeline,
    /// Who may leave.
    Churn,
    /// Ask for a customer's erasure.
    AskErasure,
    /// Who is to be erased.
    Erasures,
    /// How the workers do.
    Operations,
    /// The parked messages.
    ParkedList,
    /// One of them.
    Parked,
    /// Send some to the workers again.
    Replay,
    /// Remove some for good.
    Discard,
}

/// A route.
#[derive(Debug, Clone)]
pub struct Route {
    /// GET or POST.
    pub method: Method,
    /// As axum and OpenAPI write it.
    pub path: &'static str,
    /// What it does.
    pub call: Call,
    /// What a token must be allowed.
    pub scope: Scope,
}

const fn route(method: Method, path: &'static str, call: Call, scope: Scope) -> Route {
    Route { method, path, call, scope }
}

/// Every route that needs a token.
pub const ROUTES: &[Route] = &[
    route(Method::GET, "/api/v1/queue", Call::Queue, Scope::Read),
    route(Method::GET, "/api/v1/conversations/{id}", Call::Conversation, Scope::Read),
    route(Method::GET, "/api/v1/conversations/{id}/timeline", Call::Timeline, Scope::Read),
    route(Method::POST, "/api/v1/conversations/{id}/corrections", Call::Correct, Scope::Review),
    route(Method::POST, "/api/v1/conversations/{id}/assign", Call::Assign, Scope::Review),
    route(Method::POST, "/api/v1/conversations/{id}/resolve", Call::Resolve, Scope::Review),
    route(Method::POST, "/api/v1/conversations/{id}/reopen", Call::Reopen, Scope::Review),
    route(Method::POST, "/api/v1/conversations/{id}/comments", Call::Comment, Scope::Review),
    route(Method::POST, "/api/v1/conversations/{id}/erasure", Call::AskErasure, Scope::Review),
    route(Method::GET, "/api/v1/erasures", Call::Erasures, Scope::Operate),
    route(Method::GET, "/api/v1/map", Call::Map, Scope::Read),
    route(Method::GET, "/api/v1/churn", Call::Churn, Scope::Read),
    route(Method::GET, "/api/v1/operations", Call::Operations, Scope::Operate),
    route(Method::GET, "/api/v1/parked", Call::ParkedList, Scope::Operate),
    route(Method::GET, "/api/v1/parked/{id}", Call::Parked, Scope::Operate),
    route(Method::POST, "/api/v1/parked/replay", Call::Replay, Scope::Operate),
    route(Method::POST, "/api/v1/parked/discard", Call::Discard, Scope::Operate),
];

/// Where the document is; it needs no token.
pub const DOCUMENT: &str = "/api/openapi.json";

/// The API's router.
pub(super) fn router(console: &Arc<Console>) -> Router<Arc<Console>> {
    let mut router = Router::new().route(DOCUMENT, get(async || axum::Json(document())));
    for route in ROUTES {
        let gate = Gate { console: Arc::clone(console), scope: route.scope };
        let allowed =
            HeaderValue::from_static(if route.method == Method::GET { "GET, HEAD" } else { "POST" });
        let handler = handler(route.call)
            .layer(from_fn_with_state(gate, caller::admit))
            .fallback(async || ([(header::ALLOW, allowed)], Problem::Method).into_response());
        router = router.route(route.path, handler);
    }
    router.route("/api/{*rest}", axum::routing::any(async || Problem::from(Fault::NotFound)))
}

fn handler(call: Call) -> MethodRouter<Arc<Console>> {
    match call {
        Call::Queue => get(calls::queue),
        Call::Conversation => get(calls::conversation),
        Call::Correct => post(calls::correct),
        Call::Assign => post(calls::assign),
        Call::Resolve => post(calls::resolve),
        Call::Reopen => post(calls::reopen),
        Call::Comment => post(calls::comment),
        Call::Map => get(maps::map),
        Call::Timeline => get(maps::timeline),
        Call::Churn => get(maps::churn),
        Call::AskErasure => post(erasure::ask),
        Call::Erasures => get(erasure::list),
        Call::Operations => get(operations::operations),
        Call::ParkedList => get(operations::list),
        Call::Parked => get(operations::show),
        Call::Replay => post(operations::replay),
        Call::Discard => post(operations::discard),
    }
}
