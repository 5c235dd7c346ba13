//! `POST /v1/interactions`: one interaction, or one a line; answered once the broker has confirmed them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures::StreamExt as _;
use futures::stream;
use serde_json::json;

use super::chatwoot::Incoming;
use super::door::{Checked, Door, trace};
use super::problem::Problem;
use crate::interaction::MAX_BYTES;
use crate::telemetry::events;
use crate::telemetry::trace::Remote;

/// Where interactions are sent to.
pub(super) const PATH: &str = "/v1/interactions";
/// Where Chatwoot's webhook is sent to.
pub(super) const CHATWOOT: &str = "/v1/chatwoot";
/// Bytes of a request.
pub(super) const MAX_REQUEST: usize = 4 * MAX_BYTES;
/// Interactions in a request.
pub(super) const MAX_LINES: usize = 1000;
/// Publishes of one request on their way at the same time.
const AT_ONCE: usize = 64;

#[derive(Clone)]
struct Shared {
    door: Arc<Door>,
    desk: Option<Arc<Incoming>>,
}

/// The router; with a desk it takes the messages of Chatwoot too.
pub(super) fn router(door: Arc<Door>, desk: Option<Incoming>) -> Router {
    let desk = desk.map(Arc::new);
    let not_post = async || Problem::method();
    let mut router = Router::new()
        .route(PATH, post(interactions).fallback(not_post))
        .route("/openapi.json", get(document));
    if desk.is_some() {
        router = router
            .route(CHATWOOT, post(chatwoot).fallback(not_post))
            .route(&format!("{CHATWOOT}/{{secret}}"), post(chatwoot_by_path).fallback(not_post));
    }
    router.fallback(async || Problem::missing()).with_state(Shared { door, desk })
}

async fn document() -> impl IntoResponse {
    axum::Json(super::document())
}

async fn interactions(
    State(Shared { door, .. }): State<Shared>,
    request: Request,
) -> Result<Response, Problem> {
    let _place = door.place()?;
    let (parts, body) = request.into_parts();
    door.admit(&parts.headers).await?;
    let lines = many(&parts.headers)?;
    let body = read(body).await?;
    if lines {
        return batch(&door, &body, trace(&parts.headers).as_ref()).await;
    }
    let id = parts.headers.get("idempotency-key").and_then(|id| id.to_str().ok());
    let checked = Door::check(&body, id).inspect_err(|_| refused(1))?;
    let answer = accepted(&checked);
    door.publish(checked, trace(&parts.headers).as_ref()).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(answer)).into_response())
}

fn accepted(checked: &Checked) -> serde_json::Value {
    json!({ "status": "accepted", "message_id": checked.message_id, "conversation_id": checked.conversation_id })
}

fn refused(messages: usize) {
    events::Intake { outcome: "refused", messages }.emit();
}

/// Whether the body has one interaction a line.
fn many(headers: &HeaderMap) -> Result<bool, Problem> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    match kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/json" => Ok(false),
        "application/x-ndjson" | "application/jsonl" | "application/ndjson" => Ok(true),
        _ => Err(Problem::media_type()),
    }
}

pub(super) async fn read(body: Body) -> Result<Bytes, Problem> {
    to_bytes(body, MAX_REQUEST).await.map_err(|_| Problem::too_large(MAX_REQUEST))
}

/// What is good in it is published, each customer's in order; what is not is told by line.
async fn batch(door: &Door, body: &[u8], trace: Option<&Remote>) -> Result<Response, Problem> {
    let lines: Vec<(usize, &[u8])> = body
        .split(|byte| *byte == b'\n')
        .enumerate()
        .map(|(at, line)| (at + 1, line.trim_ascii()))
        .filter(|(_, line)| !line.is_empty())
        .collect();
    if lines.is_empty() {
        return Err(Problem::value("empty", "there is no interaction in it"));
    }
    if lines.len() > MAX_LINES {
        return Err(Problem::value("too_many", format!("a request may have {MAX_LINES} interactions")));
    }
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (at, line) in lines {
        match Door::check(line, None) {
            Ok(checked) => good.push((at, checked)),
            Err(problem) => bad.push(problem.line(at)),
        }
    }
    refused(bad.len());
    let sent = good.len();
    let mut customers: BTreeMap<String, Vec<(usize, Checked)>> = BTreeMap::new();
    for (at, checked) in good {
        customers.entry(checked.key().to_owned()).or_default().push((at, checked));
    }
    let mut publishing = stream::iter(customers.into_values())
        .map(|lines| in_order(door, lines, trace))
        .buffer_unordered(AT_ONCE);
    let (mut confirmed, mut open, mut why) = (0, Vec::new(), None);
    while let Some((taken, left)) = publishing.next().await {
        confirmed += taken;
        if let Some((problem, lines)) = left {
            open.extend(lines);
            why = Some(problem);
        }
    }
    open.sort_unstable();
    let answer = json!({ "accepted": confirmed, "refused": bad, "not_confirmed": open });
    let status = match (&why, sent) {
        (Some(_), _) => StatusCode::SERVICE_UNAVAILABLE,
        (None, 0) => StatusCode::UNPROCESSABLE_ENTITY,
        (None, _) => StatusCode::ACCEPTED,
    };
    let mut response = (status, axum::Json(answer)).into_response();
    if let Some(seconds) = why.and_then(|problem| problem.retry_after) {
        response.headers_mut().insert(axum::http::header::RETRY_AFTER, seconds.into());
    }
    Ok(response)
}

/// One customer's, each behind the one before it: how many are confirmed, and where it ended, why and what is left.
async fn in_order(
    door: &Door,
    lines: Vec<(usize, Checked)>,
    trace: Option<&Remote>,
) -> (usize, Option<(Problem, Vec<usize>)>) {
    let mut confirmed = 0;
    let mut lines = lines.into_iter();
    while let Some((at, checked)) = lines.next() {
        if let Err(problem) = door.publish(checked, trace).await {
            let left = std::iter::once(at).chain(lines.map(|(at, _)| at)).collect();
            return (confirmed, Some((problem, left)));
        }
        confirmed += 1;
    }
    (confirmed, None)
}

async fn chatwoot(State(shared): State<Shared>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    from_chatwoot(&shared, &headers, None, body).await
}

async fn chatwoot_by_path(
    State(shared): State<Shared>,
    Path(secret): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    from_chatwoot(&shared, &headers, Some(&secret), body).await
}

/// Chatwoot sends again after a 5xx, and after nothing else.
async fn from_chatwoot(
    shared: &Shared,
    headers: &HeaderMap,
    secret: Option<&str>,
    body: Body,
) -> Result<Response, Problem> {
    let _place = shared.door.place()?;
    let desk = shared.desk.as_deref().ok_or_else(Problem::missing)?;
    let body = read(body).await?;
    desk.admit(headers, secret, &body)?;
    let (found, left_out) = desk.interactions(&body)?;
    let mut ids = Vec::new();
    for wire in found {
        let wire =
            serde_json::to_vec(&wire).map_err(|_| Problem::value("unreadable", "it cannot be written"))?;
        let checked = Door::check(&wire, None).inspect_err(|_| refused(1))?;
        ids.push(checked.message_id.clone());
        shared.door.publish(checked, trace(headers).as_ref()).await?;
    }
    let answer = json!({ "status": "accepted", "message_ids": ids, "left_out": left_out });
    Ok((StatusCode::ACCEPTED, axum::Json(answer)).into_response())
}
