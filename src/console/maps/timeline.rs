//! A customer's timeline, reached from one of their conversations: that is what the access log can name.

use std::sync::Arc;

use axum::extract::{Extension, Path, State};
use axum::response::Response;
use chrono::Utc;

use crate::console::fault::Fault;
use crate::console::guard::Viewer;
use crate::console::{Console, pages};
use crate::store::console::{Access, Seen};

/// Messages shown, the latest.
const MOMENTS: u32 = 200;

/// The page. Who looks is written down before anything is shown.
pub(in crate::console) async fn page(
    State(console): State<Arc<Console>>,
    Extension(viewer): Extension<Viewer>,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    let customer = console.store.customer_of(&id).await?.ok_or(Fault::NotFound)?;
    let timeline = console.store.timeline(&customer, MOMENTS).await?.ok_or(Fault::NotFound)?;
    let (at, account, what) = (Utc::now(), viewer.account.clone(), Seen::Timeline);
    console.store.saw(&Access { at, account, conversation_id: id.clone(), what }).await?;
    Ok(pages::maps::timeline::page(viewer.language.words(), &viewer, &id, &timeline))
}
