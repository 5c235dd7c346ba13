//! The pages for operators: how the workers do, and what is parked.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Extension, Path, Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;

use super::fault::Fault;
use super::guard::Viewer;
use super::operations::{self, Away, parked as messages};
use super::query::parsed;
use super::{Console, pages};
use crate::store::console::Operated;

/// How the workers do.
pub(super) async fn page(
    State(console): State<Arc<Console>>,
    Extension(viewer): Extension<Viewer>,
) -> Result<Response, Fault> {
    let operations = operations::look(&console).await?;
    Ok(pages::operations::page(viewer.language.words(), &viewer, &operations))
}

/// What was just done, said once.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Told {
    /// `replay`, `discard`, or nothing.
    pub told: String,
    /// How many were.
    pub done: u64,
    /// How many were not parked any more.
    pub missing: u64,
}

/// The list.
pub(super) async fn parked(
    State(console): State<Arc<Console>>,
    Extension(viewer): Extension<Viewer>,
    Query(told): Query<Told>,
) -> Response {
    listed(&console, &viewer, &told, None).await
}

async fn listed(console: &Console, viewer: &Viewer, told: &Told, wrong: Option<&str>) -> Response {
    let list = messages::list(console).await;
    if let Err(Away::Failed(error)) = &list {
        crate::telemetry::events::ConsoleFailed { error }.emit();
    }
    pages::parked::list(viewer.language.words(), viewer, list.as_ref(), told, wrong)
}

/// One message.
pub(super) async fn one(
    State(console): State<Arc<Console>>,
    Extension(viewer): Extension<Viewer>,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    let (entry, body) = messages::show(&console, &viewer.account, &id).await?.ok_or(Fault::NotFound)?;
    Ok(pages::parked::one(viewer.language.words(), &viewer, &entry, &body))
}

/// Replays, asks before it discards, discards.
pub(super) async fn act(
    State(console): State<Arc<Console>>,
    Extension(viewer): Extension<Viewer>,
    body: Bytes,
) -> Result<Response, Fault> {
    let fields: Vec<(String, String)> = parsed(&body).ok_or(Fault::BadRequest)?;
    let value = |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str());
    let ids: BTreeSet<String> =
        fields.iter().filter(|(field, _)| field == "id").map(|(_, value)| value.clone()).collect();
    let act = value("act").and_then(Operated::from_name).ok_or(Fault::BadRequest)?;
    let words = viewer.language.operations();
    if ids.is_empty() {
        return Ok(refused(listed(&console, &viewer, &Told::default(), Some(words.nothing_chosen)).await));
    }
    if act == Operated::Discard && value("sure") != Some("yes") {
        return Ok(pages::parked::sure(viewer.language.words(), &viewer, &ids));
    }
    let ended = messages::act(&console, &viewer.account, act, ids).await?;
    if let Some(error) = ended.error {
        let done = if act == Operated::Replay { words.replayed } else { words.discarded };
        let wrong = format!("{} {error} {done} {}.", words.ended_early, ended.done.len());
        let mut page = listed(&console, &viewer, &Told::default(), Some(&wrong)).await;
        *page.status_mut() = Fault::Broker.status();
        return Ok(page);
    }
    let (done, missing) = (ended.done.len(), ended.not_found.len());
    Ok(Redirect::to(&format!("/parked?told={}&done={done}&missing={missing}", act.as_str())).into_response())
}

fn refused(mut page: Response) -> Response {
    *page.status_mut() = Fault::BadRequest.status();
    page
}
