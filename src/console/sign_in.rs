//! Signing in and out. A sign-in always begins a session with a token of its own and ends the one that the browser had, so
//! that nobody can plant a session.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use axum::extract::{Extension, Form, Path, Query, Request, State};
use axum::http::header::{HeaderMap, RETRY_AFTER, SET_COOKIE};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use chrono::Utc;
use serde::Deserialize;

use super::fault::Fault;
use super::guard::{self, Viewer};
use super::{Console, Language, pages, password};
use crate::store::console::Account;
use crate::telemetry::events;

#[derive(Deserialize)]
pub(super) struct Target {
    #[serde(default)]
    next: String,
    /// `provider` right after the end of a session that a provider vouched for.
    #[serde(default)]
    out: String,
}

/// The form.
pub(super) async fn form(
    State(console): State<Arc<Console>>,
    headers: HeaderMap,
    Query(target): Query<Target>,
) -> Response {
    let words = Language::asked(&headers, &console.config.language).words();
    let out = match &console.oidc {
        Some(oidc) if target.out == "provider" => oidc.sign_out().await,
        _ => None,
    };
    let offer = pages::sign_in::Offer { sign_out: out.as_deref(), ..console.offer() };
    pages::sign_in::page(words, &target.next, None, offer).into_response()
}

#[derive(Deserialize)]
pub(super) struct Given {
    account: String,
    password: String,
    #[serde(default)]
    next: String,
}

/// Signs in.
pub(super) async fn sign_in(
    State(console): State<Arc<Console>>,
    request: Request,
) -> Result<Response, Fault> {
    if console.oidc.as_ref().is_some_and(|oidc| !oidc.takes_passwords()) {
        return Err(Fault::NotFound);
    }
    let address = guard::address(request.extensions());
    let headers = request.headers().clone();
    let words = Language::asked(&headers, &console.config.language).words();
    let body = axum::body::to_bytes(request.into_body(), 16 * 1024).await.map_err(|_| Fault::BadRequest)?;
    let given: Given = super::query::parsed(&body).ok_or(Fault::BadRequest)?;
    if let Some(wait) = console.throttle.try_now(&given.account, &address, Instant::now()) {
        events::SignIn { admitted: false, address: &address }.emit();
        let page = pages::sign_in::page(words, &given.next, Some(words.sign_in_wait), console.offer());
        let wait = wait.as_secs().max(1).to_string();
        return Ok((StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, wait)], page).into_response());
    }
    let account = console.store.account(&given.account).await?.filter(|account| !account.disabled);
    let hash = account.as_ref().map(|account| account.password.clone());
    let verified = console.passwords.verify(given.password, hash).await;
    let Some(account) = account.filter(|_| verified) else {
        events::SignIn { admitted: false, address: &address }.emit();
        let page = pages::sign_in::page(words, &given.next, Some(words.sign_in_wrong), console.offer());
        return Ok((StatusCode::UNAUTHORIZED, page).into_response());
    };
    console.throttle.succeeded(&given.account, &address);
    events::SignIn { admitted: true, address: &address }.emit();
    begin(&console, &headers, &account, &given.next).await
}

/// Signs in by a link that works once.
pub(super) async fn once(
    State(console): State<Arc<Console>>,
    headers: HeaderMap,
    Path(token): Path<String>,
) -> Result<Response, Fault> {
    let account = {
        let mut once = console.once.lock().unwrap_or_else(PoisonError::into_inner);
        once.take_if(|(digest, _)| *digest == password::digest(&token)).map(|(_, account)| account)
    };
    let account = account.ok_or(Fault::NotFound)?;
    let account = console.store.account(&account).await?.filter(|account| !account.disabled);
    begin(&console, &headers, &account.ok_or(Fault::NotFound)?, "").await
}

/// Begins a session and leads on.
pub(super) async fn begin(
    console: &Console,
    headers: &HeaderMap,
    account: &Account,
    next: &str,
) -> Result<Response, Fault> {
    if let Some(old) = guard::session_token(headers) {
        console.store.end_session(&password::digest(&old)).await?;
    }
    let (token, now) = (password::token(), Utc::now());
    let expired = guard::expired(console, now);
    console.store.begin_session(&password::digest(&token), &account.name, now, expired).await?;
    let mut response = Redirect::to(inside(next)).into_response();
    if let Some(cookie) = guard::cookie(console, Some(&token)) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// A path of this console, whatever a link says.
fn inside(next: &str) -> &str {
    let starts_here = next.starts_with('/') && !next.starts_with("//") && !next.contains('\\');
    match next.parse::<Uri>() {
        Ok(uri) if starts_here && uri.authority().is_none() => next,
        _ => "/queue",
    }
}

/// Ends the session.
pub(super) async fn sign_out(
    State(console): State<Arc<Console>>,
    Extension(viewer): Extension<Viewer>,
) -> Result<Response, Fault> {
    let account = console.store.account(&viewer.account).await?;
    console.store.end_session(&viewer.session).await?;
    let vouched = console.oidc.is_some() && account.is_some_and(|account| account.is_of_provider());
    let to = if vouched { "/sign-in?out=provider" } else { "/sign-in" };
    let mut response = Redirect::to(to).into_response();
    if let Some(cookie) = guard::cookie(&console, None) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
}

#[derive(Deserialize)]
pub(super) struct Chosen {
    language: String,
}

/// Sets the account's language.
pub(super) async fn language(
    State(console): State<Arc<Console>>,
    Extension(viewer): Extension<Viewer>,
    Form(chosen): Form<Chosen>,
) -> Result<Response, Fault> {
    let language = Language::from_code(&chosen.language).ok_or(Fault::BadRequest)?;
    console.store.set_language(&viewer.account, language.code()).await?;
    Ok(Redirect::to("/queue").into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_leads_nowhere_else() {
        for next in
            ["//evil.example", "https://evil.example", "/\\evil.example", "", "queue", "javascript:alert(1)"]
        {
            assert_eq!(inside(next), "/queue", "{next}");
        }
        assert_eq!(inside("/conversation/k%2F1?view=mine"), "/conversation/k%2F1?view=mine");
    }
}
