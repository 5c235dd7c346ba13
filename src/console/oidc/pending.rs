//! What a browser is sent off to the provider with, kept in a cookie of its own for ten minutes: signed, so that it is the
//! one of this console, and needed again, so that nobody can finish what another browser began.

use axum::http::header::{COOKIE, HeaderMap, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::console::password;

/// Seconds for the way there and back.
const SECONDS: i64 = 600;
/// Longest address to go on to; what is longer goes to the queue.
const NEXT: usize = 1_000;

/// A sign-in that was begun.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Pending {
    pub state: String,
    pub nonce: String,
    pub verifier: String,
    pub next: String,
    /// Seconds since 1970.
    pub begun: i64,
}

impl Pending {
    pub fn new(state: &str, nonce: &str, verifier: &str, next: &str) -> Self {
        Self {
            state: state.to_owned(),
            nonce: nonce.to_owned(),
            verifier: verifier.to_owned(),
            next: if next.len() > NEXT { String::new() } else { next.to_owned() },
            begun: Utc::now().timestamp(),
        }
    }
}

/// Signs them: with the client secret, so that every console of a site takes them; without one with a key of its own.
pub(super) struct Signer {
    key: Vec<u8>,
}

fn name(secure: bool) -> &'static str {
    if secure { "__Host-smista-sign-in" } else { "smista-sign-in" }
}

/// `Set-Cookie` that takes it away.
pub(super) fn gone(secure: bool) -> String {
    set(secure, "", 0)
}

fn set(secure: bool, value: &str, age: i64) -> String {
    let tls = if secure { "; Secure" } else { "" };
    format!("{}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{tls}", name(secure))
}

impl Signer {
    pub fn new(secret: Option<&str>) -> Self {
        Self { key: secret.map_or_else(password::token, str::to_owned).into_bytes() }
    }

    fn mac(&self, payload: &str) -> Option<Hmac<Sha256>> {
        let mut mac = <Hmac<Sha256> as hmac::Mac>::new_from_slice(&self.key).ok()?;
        mac.update(b"smista.console.sign-in.");
        mac.update(payload.as_bytes());
        Some(mac)
    }

    /// `Set-Cookie` for it.
    pub fn cookie(&self, pending: &Pending, secure: bool) -> Option<HeaderValue> {
        let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(pending).ok()?);
        let mac = URL_SAFE_NO_PAD.encode(self.mac(&payload)?.finalize().into_bytes());
        HeaderValue::from_str(&set(secure, &format!("{payload}.{mac}"), SECONDS)).ok()
    }

    /// The one that a browser brings, if it is whole and not too old.
    pub fn of(&self, headers: &HeaderMap, now: DateTime<Utc>) -> Option<Pending> {
        let values = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs =
            values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let (_, value) = pairs.find(|(found, _)| *found == name(true) || *found == name(false))?;
        let (payload, mac) = value.split_once('.')?;
        self.mac(payload)?.verify_slice(&URL_SAFE_NO_PAD.decode(mac).ok()?).ok()?;
        let pending: Pending = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        (0..=SECONDS).contains(&(now.timestamp() - pending.begun)).then_some(pending)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn only_what_was_signed_here_and_now_comes_back() {
        let signer = Signer::new(Some("hush"));
        let pending = Pending::new("s", "n", "v", "/maps");
        let cookie = signer.cookie(&pending, true).unwrap().to_str().unwrap().to_owned();
        assert!(
            cookie.starts_with("__Host-smista-sign-in=") && cookie.contains("HttpOnly; SameSite=Lax; Secure")
        );
        let pair = cookie.split(';').next().unwrap().to_owned();
        let headers = |pair: &str| HeaderMap::from_iter([(COOKIE, pair.parse().unwrap())]);
        let now = Utc::now();
        assert_eq!(signer.of(&headers(&pair), now), Some(pending));
        assert_eq!(signer.of(&headers(&pair), now + TimeDelta::seconds(700)), None, "too late");
        assert_eq!(Signer::new(Some("other")).of(&headers(&pair), now), None, "of another console");
        assert_eq!(Signer::new(None).of(&headers(&pair), now), None);
        let forged = pair.replace("sign-in=", "sign-in=A");
        assert_eq!(signer.of(&headers(&forged), now), None);
        assert_eq!(signer.of(&HeaderMap::new(), now), None);
        assert_eq!(Pending::new("s", "n", "v", &"/".repeat(2_000)).next, "");
    }
}
