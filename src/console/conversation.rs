//! A conversation: looked at (and written down who did), worked on, confirmed or corrected.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Form, Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use chrono::Utc;
use serde::Deserialize;
use uuid::Uuid;

use super::fault::Fault;
use super::guard::Viewer;
use super::query::{QueueQuery, encoded};
use super::{Console, pages, queue};
use crate::nlp::labels::{SentimentLabel, Stage};
use crate::store::console::{Access, Act, Note};
use crate::store::{Correction, Destination, OutboxMessage};

/// Longest comment or note, in characters.
const LONGEST: usize = 4000;

/// The page.
pub(super) async fn page(
    State(console): State<Arc<Console>>,
    Extension(viewer): Extension<Viewer>,
    Path(id): Path<String>,
    query: Result<Query<QueueQuery>, QueryRejection>,
) -> Result<Response, Fault> {
    let Query(query) = query.map_err(|_| Fault::BadRequest)?;
    let reviewed = console.store.conversation(&id).await?.ok_or(Fault::NotFound)?;
    // Written down before it is shown: what the log does not have, nobody saw.
    let seen = Access { at: Utc::now(), account: viewer.account.clone(), conversation_id: id };
    console.store.saw(&seen).await?;
    let listed = queue::listed(&console, &viewer, query).await?;
    Ok(pages::conversation::page(viewer.language.words(), &viewer, &listed, &reviewed, seen.at))
}

#[derive(Deserialize)]
pub(super) struct Asked {
    act: String,
    #[serde(default)]
    text: String,
    /// Query string of the list it was opened from.
    #[serde(default)]
    list: String,
}

/// Assigns, resolves, reopens, comments.
pub(super) async fn act(
    State(console): State<Arc<Console>>,
    Extension(viewer): Extension<Viewer>,
    Path(id): Path<String>,
    Form(asked): Form<Asked>,
) -> Result<Response, Fault> {
    let account = viewer.account;
    let (act, text) = match asked.act.as_str() {
        "assign" => (Act::Assign, account.clone()),
        "resolve" => (Act::Resolve, String::new()),
        "reopen" => (Act::Reopen, String::new()),
        "comment" => (Act::Comment, asked.text.trim().to_owned()),
        _ => return Err(Fault::BadRequest),
    };
    let empty = act == Act::Comment && text.is_empty();
    if empty || text.chars().count() > LONGEST || text.contains('\0') {
        return Err(Fault::BadRequest);
    }
    let note = Note { at: Utc::now(), account, act, text };
    if !console.store.note(&id, &note).await? {
        return Err(Fault::NotFound);
    }
    Ok(back(&id, &asked.list))
}

#[derive(Deserialize)]
pub(super) struct Right {
    message: String,
    #[serde(default)]
    sentiment: String,
    #[serde(default)]
    intent: String,
    #[serde(default)]
    stage: String,
    #[serde(default)]
    note: String,
    #[serde(default)]
    list: String,
}

/// Keeps a confirmation (nothing set) or a correction, and publishes it on the exchange of corrections.
pub(super) async fn correct(
    State(console): State<Arc<Console>>,
    Extension(viewer): Extension<Viewer>,
    Path(id): Path<String>,
    Form(right): Form<Right>,
) -> Result<Response, Fault> {
    let correction = read(&right, &viewer.account)?;
    let reviewed = console.store.conversation(&id).await?.ok_or(Fault::NotFound)?;
    let decision = reviewed.messages.iter().map(|(_, decision)| decision);
    let decision =
        decision.into_iter().find(|decision| decision.message_id == right.message).ok_or(Fault::NotFound)?;
    let mut body = serde_json::to_value(&correction).map_err(|_| Fault::BadRequest)?;
    if let Some(object) = body.as_object_mut() {
        object.insert("schema".to_owned(), "smista.correction.v1".into());
        object.insert("decision_id".to_owned(), decision.decision_id.to_string().into());
        object.insert("conversation_id".to_owned(), id.clone().into());
    }
    let published = OutboxMessage {
        id: correction.correction_id.to_string(),
        destination: Destination::Corrections,
        routing_key: decision.routing_key(),
        body: body.to_string(),
    };
    let note = Note {
        at: correction.corrected_at,
        account: viewer.account,
        act: Act::Correct,
        text: correction.note.clone().unwrap_or_default(),
    };
    if !console.store.correct_with(&id, &correction, &note, &[published]).await? {
        return Err(Fault::NotFound);
    }
    Ok(back(&id, &right.list))
}

fn read(right: &Right, account: &str) -> Result<Correction, Fault> {
    let sentiment = match right.sentiment.as_str() {
        "" => None,
        name => Some(SentimentLabel::from_name(name).ok_or(Fault::BadRequest)?),
    };
    let stage = match right.stage.as_str() {
        "" => None,
        name => Some(Stage::from_name(name).ok_or(Fault::BadRequest)?),
    };
    let intent = right.intent.trim();
    let named = intent.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c));
    let note = right.note.trim();
    if !named || intent.len() > 100 || note.chars().count() > LONGEST || note.contains('\0') {
        return Err(Fault::BadRequest);
    }
    Ok(Correction {
        correction_id: Uuid::new_v4(),
        message_id: right.message.clone(),
        corrected_at: Utc::now(),
        corrected_by: account.to_owned(),
        sentiment,
        intents: (!intent.is_empty()).then(|| vec![intent.to_owned()]),
        stage,
        note: (!note.is_empty()).then(|| note.to_owned()),
    })
}

/// To the conversation, with the list as it was.
fn back(id: &str, list: &str) -> Response {
    let list =
        if list.starts_with('?') && list.is_ascii() && !list.contains(char::is_control) { list } else { "" };
    Redirect::to(&format!("/conversation/{}{list}", encoded(id))).into_response()
}
