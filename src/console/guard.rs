//! Stands before every page: who is signed in, whether the role is enough, whether a change was asked for by a page of this
//! console; and the headers of every answer.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::fault::Fault;
use super::{Console, Language, pages, password};
use crate::store::console::{Expired, Role};

/// Longest body of a form.
const FORM_BYTES: usize = 64 * 1024;
/// The store is told so often that a session is in use.
const TOUCH: TimeDelta = TimeDelta::seconds(60);

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
    form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Who looks at a page.
#[derive(Debug, Clone)]
pub struct Viewer {
    /// The account.
    pub account: String,
    /// What it may do.
    pub role: Role,
    /// In which language.
    pub language: Language,
    /// What every form has to carry.
    pub csrf: String,
    /// SHA-256 of the session's token.
    pub session: String,
}

/// A route's guard.
#[derive(Clone)]
pub(super) struct Guard {
    pub console: Arc<Console>,
    /// The lowest role that may; none for what needs no sign-in.
    pub lowest: Option<Role>,
}

/// Lets a request through, or not.
pub(super) async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let console = &guard.console;
    let mut language = Language::asked(request.headers(), &console.config.language);
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let is_get = request.method() == Method::GET;
    let answered = match admitted(&guard, request, language).await {
        Ok((request, viewer)) => {
            language = viewer.map_or(language, |viewer| viewer.language);
            next.run(request).await
        }
        Err(Fault::SignIn) if is_get && target != "/live" => {
            Redirect::to(&format!("/sign-in?next={}", super::query::encoded(&target))).into_response()
        }
        Err(fault) => fault.into_response(),
    };
    match answered.extensions().get::<Fault>() {
        Some(fault) => (fault.status(), pages::fault(language.words(), *fault)).into_response(),
        None => answered,
    }
}

async fn admitted(
    guard: &Guard,
    mut request: Request,
    asked: Language,
) -> Result<(Request, Option<Viewer>), Fault> {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    if changes && !same_origin(request.headers(), guard.console.config.public_url.as_deref()) {
        return Err(Fault::Forged);
    }
    let Some(lowest) = guard.lowest else { return Ok((request, None)) };
    let token = session_token(request.headers()).ok_or(Fault::SignIn)?;
    let viewer = viewer(&guard.console, &token, asked, Utc::now()).await?.ok_or(Fault::SignIn)?;
    if viewer.role < lowest {
        return Err(Fault::Forbidden);
    }
    if changes {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, FORM_BYTES).await.map_err(|_| Fault::BadRequest)?;
        let given = super::query::field(&body, "csrf").ok_or(Fault::Forged)?;
        if !csrf_holds(&token, &given) {
            return Err(Fault::Forged);
        }
        request = Request::from_parts(parts, Body::from(body));
    }
    request.extensions_mut().insert(viewer.clone());
    Ok((request, Some(viewer)))
}

/// Who holds a token, if its session is alive and its account not disabled.
async fn viewer(
    console: &Console,
    token: &str,
    asked: Language,
    now: DateTime<Utc>,
) -> Result<Option<Viewer>, Fault> {
    let digest = password::digest(token);
    let Some(session) = console.store.session(&digest).await? else { return Ok(None) };
    let expired = expired(console, now);
    if session.account.disabled || session.created_at < expired.created || session.seen_at < expired.seen {
        console.store.end_session(&digest).await?;
        return Ok(None);
    }
    if now - session.seen_at > TOUCH {
        console.store.touch_session(&digest, now).await?;
    }
    Ok(Some(Viewer {
        role: session.account.role,
        language: Language::from_code(&session.account.language).unwrap_or(asked),
        account: session.account.name,
        csrf: csrf(token),
        session: digest,
    }))
}

/// Which sessions have come to their end.
pub(super) fn expired(console: &Console, now: DateTime<Utc>) -> Expired {
    Expired {
        created: now - TimeDelta::hours(console.config.session_hours.into()),
        seen: now - TimeDelta::minutes(console.config.session_idle_minutes.into()),
    }
}

fn mac(token: &str) -> Option<Hmac<Sha256>> {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(token.as_bytes()).ok()?;
    mac.update(b"smista.console.csrf");
    Some(mac)
}

/// What a session's forms carry: nobody can work it out without the cookie.
fn csrf(token: &str) -> String {
    mac(token).map_or_else(String::new, |mac| password::hex(&mac.finalize().into_bytes()))
}

/// Compared by the `hmac` crate, in constant time.
fn csrf_holds(token: &str, given: &str) -> bool {
    let bytes: Option<Vec<u8>> = (given.len() == 64 && given.is_ascii())
        .then(|| (0..64).step_by(2).map(|at| u8::from_str_radix(&given[at..at + 2], 16).ok()).collect())
        .flatten();
    bytes.is_some_and(|bytes| mac(token).is_some_and(|mac| mac.verify_slice(&bytes).is_ok()))
}

/// Whether a browser says that a page of this console sent it. What is no browser says nothing and has no cookie to abuse.
fn same_origin(headers: &HeaderMap, public_url: Option<&str>) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if text("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none") {
        return false;
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Some((_, host)) = origin.to_str().ok().and_then(|origin| origin.split_once("://")) else {
        return false;
    };
    match public_url {
        Some(url) => origin.as_bytes() == url.trim_end_matches('/').as_bytes(),
        None => text("host") == Some(host),
    }
}

/// The cookie's name; browsers keep one that begins with `__Host-` to this host and to TLS.
fn cookie_name(secure: bool) -> &'static str {
    if secure { "__Host-smista" } else { "smista" }
}

/// The token of the session cookie.
pub(super) fn session_token(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == cookie_name(true) || *name == cookie_name(false))
        .map(|(_, value)| value.to_owned())
}

/// `Set-Cookie` for a token; none takes the cookie away.
pub(super) fn cookie(console: &Console, token: Option<&str>) -> Option<HeaderValue> {
    let secure = console.config.is_secure();
    let age = token.map_or(0, |_| u64::from(console.config.session_hours) * 3600);
    let tls = if secure { "; Secure" } else { "" };
    let name = cookie_name(secure);
    let value = token.unwrap_or_default();
    HeaderValue::from_str(&format!("{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{tls}")).ok()
}

/// Where a request comes from, as the listener sees it.
pub(super) fn address(request: &axum::http::Extensions) -> String {
    let info = request.get::<ConnectInfo<SocketAddr>>();
    info.map_or_else(|| "unknown".to_owned(), |ConnectInfo(address)| address.ip().to_string())
}

/// The headers of every answer.
pub(super) async fn headers(State(console): State<Arc<Console>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return response;
    }
    let headers = response.headers_mut();
    for (name, value) in [
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        // With no-referrer browsers send forms with `Origin: null`, and the guard could not tell them from another site's.
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if console.config.is_secure() {
        headers.insert("strict-transport-security", HeaderValue::from_static("max-age=31536000"));
    }
    // Pages have customers' words: no cache keeps them. Assets have set their own.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forms_token_is_the_sessions_own() {
        let (one, other) = (password::token(), password::token());
        assert!(csrf_holds(&one, &csrf(&one)));
        for wrong in [csrf(&other), String::new(), "é".repeat(32), "0".repeat(64)] {
            assert!(!csrf_holds(&one, &wrong), "{wrong}");
        }
    }

    #[test]
    fn other_origins_are_refused() {
        let headers = |pairs: &[(&'static str, &str)]| -> HeaderMap {
            pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
        };
        let host = ("host", "127.0.0.1:8787");
        for (pairs, public, expected) in [
            (vec![host], None, true),
            (vec![host, ("origin", "http://127.0.0.1:8787")], None, true),
            (vec![host, ("origin", "http://evil.example")], None, false),
            (vec![host, ("origin", "null")], None, false),
            (vec![host, ("sec-fetch-site", "cross-site")], None, false),
            (vec![host, ("sec-fetch-site", "same-site")], None, false),
            (vec![host, ("sec-fetch-site", "same-origin")], None, true),
            (vec![host, ("origin", "https://c.example")], Some("https://c.example/"), true),
            (vec![host, ("origin", "http://127.0.0.1:8787")], Some("https://c.example"), false),
        ] {
            assert_eq!(same_origin(&headers(&pairs), public), expected, "{pairs:?}");
        }
    }
}
