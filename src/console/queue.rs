//! The review queue: a page of it, and the filters that people keep.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Form, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use chrono::Utc;
use serde::Deserialize;

use super::fault::Fault;
use super::guard::Viewer;
use super::query::{PAGE, QueueQuery};
use super::{Console, pages};
use crate::store::console::{Cursor, Item, Page};

/// Counts go no further: nobody reads more, and counting costs.
pub(super) const COUNTED: u32 = 1000;

/// What the left and the middle pane show.
pub(super) struct Listed {
    pub query: QueueQuery,
    pub items: Vec<Item>,
    /// Where the next page begins.
    pub next: Option<Cursor>,
    /// There may be more that matches, further than was looked.
    pub is_cut: bool,
    /// For each of the views of the left pane: its query and how many it has.
    pub views: Vec<(QueueQuery, u64)>,
    /// Kept by the account: name and query string.
    pub saved: Vec<(String, String)>,
}

/// Reads both panes.
pub(super) async fn listed(console: &Console, viewer: &Viewer, query: QueueQuery) -> Result<Listed, Fault> {
    let cursor = query.cursor().map_err(|_| Fault::BadRequest)?;
    let filter = query.filter(&viewer.account);
    let Page { items, next, is_cut } = console.store.queue(&filter, cursor.as_ref(), PAGE).await?;
    let mut views = Vec::new();
    for view in standard_views() {
        let count = console.store.queue_count(&view.filter(&viewer.account), COUNTED).await?;
        views.push((view, count));
    }
    let saved = console.store.views(&viewer.account).await?;
    Ok(Listed { query, items, next, is_cut, views, saved })
}

/// To do, mine, not assigned, urgent, resolved.
fn standard_views() -> [QueueQuery; 5] {
    let view = |view: &str| QueueQuery { view: view.to_owned(), ..QueueQuery::default() };
    [
        view(""),
        view("mine"),
        QueueQuery { status: "open".to_owned(), ..QueueQuery::default() },
        QueueQuery { priority: "urgent".to_owned(), ..QueueQuery::default() },
        view("resolved"),
    ]
}

/// The queue with no conversation open.
pub(super) async fn page(
    State(console): State<Arc<Console>>,
    Extension(viewer): Extension<Viewer>,
    query: Result<Query<QueueQuery>, QueryRejection>,
) -> Result<Response, Fault> {
    let Query(query) = query.map_err(|_| Fault::BadRequest)?;
    let listed = listed(&console, &viewer, query).await?;
    Ok(pages::queue::page(viewer.language.words(), &viewer, &listed, Utc::now()))
}

#[derive(Deserialize)]
pub(super) struct Kept {
    name: String,
    #[serde(default)]
    query: String,
    /// Given when it is to go.
    #[serde(default)]
    forget: String,
}

/// Keeps a filter under a name, or forgets it.
pub(super) async fn keep_view(
    State(console): State<Arc<Console>>,
    Extension(viewer): Extension<Viewer>,
    Form(kept): Form<Kept>,
) -> Result<Response, Fault> {
    let name = kept.name.trim();
    let fits = kept.query.is_empty() || kept.query.starts_with('?');
    if name.is_empty() || name.chars().count() > 60 || kept.query.len() > 2000 || !fits {
        return Err(Fault::BadRequest);
    }
    // Everything to do is a view too.
    let query = match (kept.forget.is_empty(), kept.query.as_str()) {
        (false, _) => "",
        (true, "") => "?",
        (true, query) => query,
    };
    console.store.keep_view(&viewer.account, name, query).await?;
    Ok(Redirect::to(&format!("/queue{query}")).into_response())
}
