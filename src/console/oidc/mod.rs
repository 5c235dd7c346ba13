//! Signing in through an OpenID Connect provider: the authorization code flow with PKCE (RFC 7636), state and nonce. The
//! provider says who somebody is (issuer and subject) and which groups they are in; the configuration says what that
//! makes of them here. Whatever the provider does, a sign-in that cannot be proved ends on the form, with a word why.

mod claims;
mod client;
mod pending;

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::header::{HeaderMap, HeaderValue, SET_COOKIE};
use axum::response::{IntoResponse as _, Redirect, Response};
use chrono::Utc;
use openidconnect::RedirectUrl;
use serde::Deserialize;

use super::fault::Fault;
use super::words::Words;
use super::{Console, Language, guard, pages, sign_in};
use crate::config;
use crate::store::console::Account;
use crate::telemetry::events;
use claims::Refused;
use client::Provider;
use pending::Pending;

/// Where the provider sends browsers back to.
pub(super) const CALLBACK: &str = "/sign-in/callback";

/// Why somebody does not get in by this way.
#[derive(Debug, thiserror::Error)]
pub(super) enum OidcError {
    /// The provider does not answer, or not what one does.
    #[error("the provider cannot be used: {0}")]
    Away(String),
    /// The browser does not bring back what it was sent off with, or the provider's proof does not hold.
    #[error("the sign-in cannot be proved: {0}")]
    Unproved(String),
    /// Proved, and nobody here.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Another account has the name.
    #[error("there is an account {0} already, which is not of this provider's user")]
    Taken(String),
    /// The account may not sign in any more.
    #[error("the account {0} is disabled")]
    Disabled(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
}

/// The provider that the configuration names.
pub(super) struct Oidc {
    config: config::Oidc,
    provider: Provider,
    pending: pending::Signer,
}

impl Oidc {
    /// Nothing is asked of the provider yet. The text of an error names the key.
    pub fn new(config: &config::Oidc, public_url: &str) -> Result<Self, String> {
        let secret = match &config.client_secret_file {
            None => None,
            Some(path) => Some(
                config::secret::read(path, "console.oidc.client_secret_file")
                    .map_err(|error| error.to_string())?,
            ),
        };
        let base = public_url.trim_end_matches('/');
        let callback = RedirectUrl::new(format!("{base}{CALLBACK}"))
            .map_err(|error| format!("console.public_url: {error}"))?;
        Ok(Self {
            pending: pending::Signer::new(secret.as_deref()),
            provider: Provider::new(config, secret, callback, format!("{base}/sign-in"))?,
            config: config.clone(),
        })
    }

    /// What the sign-in form offers.
    pub fn offer(&self) -> pages::sign_in::Offer<'_> {
        pages::sign_in::Offer {
            provider: Some(self.config.label.as_deref()),
            passwords: self.config.passwords,
            sign_out: None,
        }
    }

    /// Whether passwords count.
    pub fn takes_passwords(&self) -> bool {
        self.config.passwords
    }

    /// Whether the provider answers as one does.
    pub async fn answers(&self) -> Result<(), OidcError> {
        self.provider.authorize("").await.map(|_| ())
    }

    /// Where one signs out of the provider, too, as far as it has said.
    pub async fn sign_out(&self) -> Option<String> {
        self.provider.sign_out().await
    }
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(super) struct Target {
    next: String,
}

/// Sends the browser to the provider.
pub(super) async fn start(
    State(console): State<Arc<Console>>,
    headers: HeaderMap,
    Query(target): Query<Target>,
) -> Result<Response, Fault> {
    let oidc = console.oidc.as_ref().ok_or(Fault::NotFound)?;
    let words = Language::asked(&headers, &console.config.language).words();
    let (address, pending) = match oidc.provider.authorize(&target.next).await {
        Ok(found) => found,
        Err(error) => return Ok(refused(&console, words, &target.next, &error)),
    };
    let mut response = Redirect::to(&address).into_response();
    if let Some(cookie) = oidc.pending.cookie(&pending, console.config.is_secure()) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// What the provider sends back by way of the browser.
#[derive(Deserialize)]
pub(super) struct Returned {
    #[serde(default)]
    code: String,
    #[serde(default)]
    state: String,
    error: Option<String>,
}

/// Takes the browser back.
pub(super) async fn callback(
    State(console): State<Arc<Console>>,
    returned: Result<Query<Returned>, QueryRejection>,
    request: Request,
) -> Result<Response, Fault> {
    let oidc = console.oidc.as_ref().ok_or(Fault::NotFound)?;
    let headers = request.headers().clone();
    let address = guard::address(request.extensions());
    let words = Language::asked(&headers, &console.config.language).words();
    let pending = oidc.pending.of(&headers, Utc::now());
    let next = pending.as_ref().map_or_else(String::new, |pending| pending.next.clone());
    let Ok(Query(returned)) = returned else { return Err(Fault::BadRequest) };
    let admitted = admit(&console, oidc, pending, returned).await;
    let mut response = match admitted {
        Ok(account) => {
            events::SignIn { admitted: true, address: &address }.emit();
            sign_in::begin(&console, &headers, &account, &next).await?
        }
        Err(error) => {
            events::SignIn { admitted: false, address: &address }.emit();
            refused(&console, words, &next, &error)
        }
    };
    // It is good for one way there and back.
    if let Ok(gone) = HeaderValue::from_str(&pending::gone(console.config.is_secure())) {
        response.headers_mut().append(SET_COOKIE, gone);
    }
    Ok(response)
}

async fn admit(
    console: &Console,
    oidc: &Oidc,
    pending: Option<Pending>,
    returned: Returned,
) -> Result<Account, OidcError> {
    let pending = pending
        .ok_or_else(|| OidcError::Unproved("it was not begun in this browser, or long ago".to_owned()))?;
    if returned.state.is_empty() || returned.state != pending.state {
        return Err(OidcError::Unproved("the state is another".to_owned()));
    }
    if let Some(error) = returned.error {
        let error: String = error.chars().filter(|c| !c.is_control()).take(100).collect();
        return Err(OidcError::Unproved(format!("the provider says {error}")));
    }
    let token = oidc.provider.redeem(returned.code, &pending).await?;
    let person = claims::person(&token, &oidc.config, Utc::now())?;
    let admitted = console.store.admit(&person.identity, &person.name, person.role).await?;
    let account = admitted.ok_or(OidcError::Taken(person.name))?;
    if account.disabled {
        return Err(OidcError::Disabled(account.name));
    }
    Ok(account)
}

/// The form, with a word why; the log has the rest.
fn refused(console: &Console, words: &'static Words, next: &str, error: &OidcError) -> Response {
    use axum::http::StatusCode;
    events::ProviderRefused { error: &error.to_string() }.emit();
    let (status, why) = match error {
        OidcError::Away(_) | OidcError::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, words.sign_in_away),
        OidcError::Unproved(_) => (StatusCode::UNAUTHORIZED, words.sign_in_failed),
        OidcError::Refused(_) | OidcError::Disabled(_) => (StatusCode::FORBIDDEN, words.sign_in_no_role),
        OidcError::Taken(_) => (StatusCode::CONFLICT, words.sign_in_taken),
    };
    (status, pages::sign_in::page(words, next, Some(why), console.offer())).into_response()
}
