//! The calls about erasing customers, and what they take and give.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::caller::Caller;
use super::calls::body;
use super::problem::Problem;
use crate::console::{Console, erasure};
use crate::store::console::ErasureRequest;

/// Why.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ErasureAsked {
    /// In words, at most 1,000 characters; may be empty.
    pub reason: String,
}

/// A request.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ErasureView {
    pub customer_id: String,
    /// The conversation it was made from.
    pub conversation_id: String,
    pub requested_at: DateTime<Utc>,
    /// An account, or `api:` and the name of a token.
    pub requested_by: String,
    pub reason: String,
}

/// Those that are not done.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ErasureList {
    pub requests: Vec<ErasureView>,
}

impl From<ErasureRequest> for ErasureView {
    fn from(request: ErasureRequest) -> Self {
        Self {
            customer_id: request.customer,
            conversation_id: request.conversation_id,
            requested_at: request.at,
            requested_by: request.account,
            reason: request.reason,
        }
    }
}

pub(super) async fn ask(
    State(console): State<Arc<Console>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<(StatusCode, Json<ErasureView>), Problem> {
    let ErasureAsked { reason } = body(&bytes)?;
    let request = erasure::request(&console, &caller.account, &id, &reason).await?;
    Ok((StatusCode::CREATED, Json(request.into())))
}

pub(super) async fn list(State(console): State<Arc<Console>>) -> Result<Json<ErasureList>, Problem> {
    let requests = erasure::requests(&console).await?;
    Ok(Json(ErasureList { requests: requests.into_iter().map(ErasureView::from).collect() }))
}
