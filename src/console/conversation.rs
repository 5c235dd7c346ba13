//! A conversation as a page: looked at (and written down who did), worked on, confirmed or corrected.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Form, Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use chrono::Utc;
use serde::Deserialize;

use super::fault::Fault;
use super::guard::Viewer;
use super::query::{QueueQuery, encoded, parsed};
use super::work::{self, Said};
use super::{Console, pages, queue};
use crate::store::console::{Access, Act, Reviewed, Seen};

/// The page.
pub(super) async fn page(
    State(console): State<Arc<Console>>,
    Extension(viewer): Extension<Viewer>,
    Path(id): Path<String>,
    query: Result<Query<QueueQuery>, QueryRejection>,
) -> Result<Response, Fault> {
    let Query(query) = query.map_err(|_| Fault::BadRequest)?;
    shown(&console, &viewer, id, query, None).await
}

/// A conversation, after it was written down who looks at it: what the log does not have, nobody saw.
pub(super) async fn looked_at(console: &Console, account: &str, id: String) -> Result<Reviewed, Fault> {
    let reviewed = console.store.conversation(&id).await?.ok_or(Fault::NotFound)?;
    let what = Seen::Conversation;
    let seen = Access { at: Utc::now(), account: account.to_owned(), conversation_id: id, what };
    console.store.saw(&seen).await?;
    Ok(reviewed)
}

/// The page with what went wrong on it, if something did.
async fn shown(
    console: &Console,
    viewer: &Viewer,
    id: String,
    query: QueueQuery,
    wrong: Option<Fault>,
) -> Result<Response, Fault> {
    let reviewed = looked_at(console, &viewer.account, id).await?;
    let listed = queue::listed(console, viewer, query).await?;
    let policy = console.policy.current();
    let queues: Vec<&str> = policy.queues().collect();
    let words = viewer.language.words();
    let view =
        pages::conversation::View { words, viewer, listed: &listed, reviewed: &reviewed, queues: &queues };
    let mut response = pages::conversation::page(&view, wrong, Utc::now());
    if let Some(wrong) = wrong {
        *response.status_mut() = wrong.status();
    }
    Ok(response)
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
    let act = Act::from_name(&asked.act).ok_or(Fault::BadRequest)?;
    let text = if act == Act::Assign { &viewer.account } else { &asked.text };
    let done = work::act(&console, &viewer.account, &id, act, text).await;
    after(&console, &viewer, id, &asked.list, done.map(|()| act.as_str())).await
}

#[derive(Deserialize)]
pub(super) struct Opened {
    /// Query string of the list it was opened from.
    #[serde(default)]
    list: String,
}

/// Confirms or corrects.
pub(super) async fn correct(
    State(console): State<Arc<Console>>,
    Extension(viewer): Extension<Viewer>,
    Path(id): Path<String>,
    body: axum::body::Bytes,
) -> Result<Response, Fault> {
    let said: Said = parsed(&body).ok_or(Fault::BadRequest)?;
    let Opened { list } = parsed(&body).ok_or(Fault::BadRequest)?;
    let done = work::correct(&console, &viewer.account, &id, &said).await;
    let told = done.map(|done| if done.changed.is_empty() { "confirm" } else { "correct" });
    after(&console, &viewer, id, &list, told).await
}

/// To the conversation, with the list as it was and what was done; or the page again, with what was wrong.
async fn after(
    console: &Console,
    viewer: &Viewer,
    id: String,
    list: &str,
    done: Result<&str, Fault>,
) -> Result<Response, Fault> {
    let list =
        if list.starts_with('?') && list.is_ascii() && !list.contains(char::is_control) { list } else { "" };
    match done {
        Ok(told) => {
            let start = if list.is_empty() { "?" } else { "&" };
            let address = format!("/conversation/{}{list}{start}told={told}", encoded(&id));
            Ok(Redirect::to(&address).into_response())
        }
        Err(wrong @ (Fault::BadRequest | Fault::Conflict)) => {
            let query = parsed(list.trim_start_matches('?').as_bytes()).unwrap_or_default();
            shown(console, viewer, id, query, Some(wrong)).await
        }
        Err(other) => Err(other),
    }
}
