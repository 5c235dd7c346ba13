//! The access log as a page.

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::response::Response;

use super::fault::Fault;
use super::guard::Viewer;
use super::{Console, pages};

/// Lines shown.
const LINES: u32 = 500;

/// The latest lines.
pub(super) async fn page(
    State(console): State<Arc<Console>>,
    Extension(viewer): Extension<Viewer>,
) -> Result<Response, Fault> {
    let log = console.store.accesses(LINES).await?;
    let operations = console.store.operations(LINES).await?;
    Ok(pages::access::page(viewer.language.words(), &viewer, &log, &operations))
}
