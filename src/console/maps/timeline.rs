//! A customer's timeline, reached from one of their conversations: that is what the access log can name.

use std::sync::Arc;

use axum::extract::{Extension, Path, State};
use axum::response::Response;
use chrono::Utc;

use crate::console::fault::Fault;
use crate::console::guard::Viewer;
use crate::console::{Console, pages};
use crate::journey::map::Timeline;
use crate::store::console::{Access, Seen};

/// Messages shown, the latest.
const MOMENTS: u32 = 200;

/// The timeline, after it was written down who looks at it: what the log does not have, nobody saw.
pub(in crate::console) async fn looked_at(
    console: &Console,
    account: &str,
    conversation: &str,
) -> Result<Timeline, Fault> {
    let customer = console.store.customer_of(conversation).await?.ok_or(Fault::NotFound)?;
    let timeline = console.store.timeline(&customer, MOMENTS).await?.ok_or(Fault::NotFound)?;
    let (at, account, what) = (Utc::now(), account.to_owned(), Seen::Timeline);
    console.store.saw(&Access { at, account, conversation_id: conversation.to_owned(), what }).await?;
    Ok(timeline)
}

/// The page.
pub(in crate::console) async fn page(
    State(console): State<Arc<Console>>,
    Extension(viewer): Extension<Viewer>,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    let timeline = looked_at(&console, &viewer.account, &id).await?;
    let request = console.store.erasure_request(&timeline.customer).await?;
    Ok(pages::maps::timeline::page(viewer.language.words(), &viewer, &id, &timeline, request.as_ref()))
}
