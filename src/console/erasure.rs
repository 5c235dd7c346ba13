//! Asking for a customer's erasure from their timeline, and the list of what was asked for. Doing it is `smista erase`: it goes through
//! the queues too, by the operator's hand.

use std::sync::Arc;

use axum::extract::{Extension, Form, Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use chrono::{SubsecRound as _, Utc};
use serde::Deserialize;

use super::fault::Fault;
use super::guard::Viewer;
use super::query::encoded;
use super::{Console, pages};
use crate::store::console::{ErasureRequest, Operated, Operation};

/// Longest reason, in characters.
const LONGEST: usize = 1000;
/// Requests shown, the oldest.
const SHOWN: u32 = 500;

/// Keeps a request for the conversation's customer; what there is already stays as it is.
pub(super) async fn request(
    console: &Console,
    account: &str,
    conversation: &str,
    reason: &str,
) -> Result<ErasureRequest, Fault> {
    let reason = reason.trim();
    if reason.chars().count() > LONGEST || reason.contains('\0') {
        return Err(Fault::BadRequest);
    }
    let customer = console.store.customer_of(conversation).await?.ok_or(Fault::NotFound)?;
    let request = ErasureRequest {
        customer,
        conversation_id: conversation.to_owned(),
        at: Utc::now().trunc_subsecs(3),
        account: account.to_owned(),
        reason: reason.to_owned(),
    };
    if console.store.request_erasure(&request).await? {
        return Ok(request);
    }
    console.store.erasure_request(&request.customer).await?.ok_or(Fault::Conflict)
}

/// What was asked for and is not done, the oldest first.
pub(super) async fn requests(console: &Console) -> Result<Vec<ErasureRequest>, Fault> {
    Ok(console.store.erasure_requests(SHOWN).await?)
}

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    sure: String,
}

/// Asks for it, from the timeline. Who has not said that it is meant is asked.
pub(super) async fn ask(
    State(console): State<Arc<Console>>,
    Extension(viewer): Extension<Viewer>,
    Path(id): Path<String>,
    Form(asked): Form<Asked>,
) -> Result<Response, Fault> {
    if asked.sure != "yes" {
        return Err(Fault::BadRequest);
    }
    request(&console, &viewer.account, &id, &asked.reason).await?;
    Ok(Redirect::to(&format!("/conversation/{}/timeline#erasure", encoded(&id))).into_response())
}

/// The list.
pub(super) async fn page(
    State(console): State<Arc<Console>>,
    Extension(viewer): Extension<Viewer>,
) -> Result<Response, Fault> {
    let requests = requests(&console).await?;
    Ok(pages::erasure::page(viewer.language.words(), &viewer, &requests))
}

#[derive(Deserialize)]
pub(super) struct Withdrawn {
    customer: String,
}

/// Takes one back.
pub(super) async fn withdraw(
    State(console): State<Arc<Console>>,
    Extension(viewer): Extension<Viewer>,
    Form(Withdrawn { customer }): Form<Withdrawn>,
) -> Result<Response, Fault> {
    let Some(request) = console.store.erasure_request(&customer).await? else { return Err(Fault::NotFound) };
    let operation = Operation {
        at: Utc::now(),
        account: viewer.account.clone(),
        act: Operated::WithdrawErasure,
        target: request.conversation_id,
    };
    console.store.operate(&operation).await?;
    console.store.withdraw_erasure(&customer).await?;
    Ok(Redirect::to("/erasures").into_response())
}
