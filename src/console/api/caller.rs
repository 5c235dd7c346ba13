//! Stands before every call: whose token it is, and whether it is allowed this. Cookies count for nothing here, so no page of
//! another site can call.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::Response;
use chrono::{TimeDelta, Utc};

use super::problem::Problem;
use crate::console::{Console, password};
use crate::store::console::Scope;

pub use crate::store::console::TOKEN_PREFIX as PREFIX;
/// The store is told so often that a token is in use.
const TOUCH: TimeDelta = TimeDelta::minutes(5);

/// Who calls.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    /// The name in notes and in the access log: `api:` and the token's name, which no account can have.
    pub account: String,
}

/// A route's gate.
#[derive(Clone)]
pub(super) struct Gate {
    pub console: Arc<Console>,
    pub scope: Scope,
}

/// Lets a call through, or not.
pub(super) async fn admit(
    State(gate): State<Gate>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let given = bearer(request.headers()).ok_or(Problem::Token)?;
    let digest = password::digest(given);
    let token = gate.console.store.token(&digest).await?.ok_or(Problem::Token)?;
    if !token.scopes.contains(&gate.scope) {
        return Err(Problem::Scope(gate.scope.as_str()));
    }
    let now = Utc::now();
    if token.used_at.is_none_or(|used| now - used > TOUCH) {
        gate.console.store.touch_token(&digest, now).await?;
    }
    request.extensions_mut().insert(Caller { account: format!("api:{}", token.name) });
    Ok(next.run(request).await)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && token.starts_with(PREFIX)).then_some(token)
}
