//! Chatwoot's webhook: whether it is Chatwoot that sends, and which messages are in it.

use axum::http::HeaderMap;
use chrono::Utc;
use hmac::Mac as _;
use serde::Deserialize;

use super::super::GatewayError;
use super::super::problem::Problem;
use super::super::sign::hmac;
use crate::config;
use crate::interaction::WireInteraction;
use crate::interaction::import::{Format, Found, Settings, Whole, json};

/// A signature older or newer than this is not taken.
const TOLERANCE_S: i64 = 5 * 60;

/// What comes from Chatwoot.
pub(in crate::gateway) struct Incoming {
    account: u64,
    secret: String,
    signed: bool,
}

#[derive(Deserialize)]
struct Event {
    event: Option<String>,
    account: Option<Account>,
}

#[derive(Deserialize)]
struct Account {
    id: u64,
}

impl Incoming {
    pub fn new(config: &config::Chatwoot) -> Result<Self, GatewayError> {
        let secret =
            config::secret::read(&config.webhook_secret_file, "gateway.chatwoot.webhook_secret_file")?;
        Ok(Self { account: config.account, secret, signed: config.signed })
    }

    /// Whether it comes from Chatwoot: by its signature, or by the secret in the address.
    pub fn admit(&self, headers: &HeaderMap, in_path: Option<&str>, body: &[u8]) -> Result<(), Problem> {
        if !self.signed {
            // Compared by hash, so that the time it takes tells nothing.
            let code = |text: &str| hmac(b"path", &[text.as_bytes()]).finalize();
            return match in_path.is_some_and(|given| code(given) == code(&self.secret)) {
                true => Ok(()),
                false => Err(Problem::signature("the end of the address is not the secret of this webhook")),
            };
        }
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let (Some(time), Some(signature)) = (header("x-chatwoot-timestamp"), header("x-chatwoot-signature"))
        else {
            return Err(Problem::signature(
                "the request is not signed; before Chatwoot 4.11.2 set gateway.chatwoot.signed = false",
            ));
        };
        let given = signature.strip_prefix("sha256=").and_then(unhex);
        let code = hmac(self.secret.as_bytes(), &[time.as_bytes(), b".", body]);
        if given.is_none_or(|given| code.verify_slice(&given).is_err()) {
            return Err(Problem::signature("the signature is not that of this webhook's secret"));
        }
        let old = time.parse().map_or(i64::MAX, |time: i64| Utc::now().timestamp().abs_diff(time) as i64);
        if old > TOLERANCE_S {
            return Err(Problem::signature("the signature is too old; are the clocks right?"));
        }
        Ok(())
    }

    /// The messages in it, and how many have nothing for smista, by reason.
    pub fn interactions(&self, body: &[u8]) -> Result<(Vec<WireInteraction>, Vec<String>), Problem> {
        let event: Event = serde_json::from_slice(body)
            .map_err(|_| Problem::value("not_json", "the body is not an event of Chatwoot"))?;
        let name = event.event.unwrap_or_default();
        if event.account.is_none_or(|account| account.id != self.account) {
            return Ok((Vec::new(), vec!["another account".to_owned()]));
        }
        if name != "message_created" {
            return Ok((Vec::new(), vec![format!("event {}", name.escape_debug())]));
        }
        let (mut found, mut left_out) = (Vec::new(), Vec::new());
        let whole = Whole { stem: None, bytes: body };
        for entry in json(&whole, Format::Chatwoot, &Settings::default()).entries {
            match entry.found {
                Ok(Found::Interaction(wire)) => found.push(*wire),
                Ok(Found::LeftOut(why)) => left_out.push(why.to_owned()),
                Err(error) => return Err(Problem::value(error.class(), error.to_string())),
            }
        }
        Ok((found, left_out))
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes = text.as_bytes();
    bytes.len().is_multiple_of(2).then(|| bytes.chunks(2).map(pair).collect()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incoming(signed: bool) -> Incoming {
        Incoming { account: 1, secret: "hush".to_owned(), signed }
    }

    fn headers(time: i64, secret: &str, body: &[u8]) -> HeaderMap {
        let code =
            hmac(secret.as_bytes(), &[time.to_string().as_bytes(), b".", body]).finalize().into_bytes();
        let hex: String = code.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut headers = HeaderMap::new();
        headers.insert("x-chatwoot-timestamp", time.into());
        headers.insert("x-chatwoot-signature", format!("sha256={hex}").parse().unwrap());
        headers
    }

    #[test]
    fn only_chatwoot_is_let_in() {
        let (now, body) = (Utc::now().timestamp(), b"{}");
        let admit =
            |headers: &HeaderMap, body: &[u8]| incoming(true).admit(headers, Some("hush"), body).is_ok();
        assert!(admit(&headers(now, "hush", body), body));
        assert!(!admit(&headers(now, "other", body), body));
        assert!(!admit(&headers(now, "hush", body), b"{ }"), "another body");
        assert!(!admit(&headers(now - 3_600, "hush", body), body), "sent again an hour later");
        assert!(!admit(&HeaderMap::new(), body), "the secret in the address counts only when it is set so");
        let mut odd = headers(now, "hush", body);
        odd.insert("x-chatwoot-signature", "sha256=abc".parse().unwrap());
        assert!(!admit(&odd, body));
        let by_path = |secret| incoming(false).admit(&HeaderMap::new(), secret, body).is_ok();
        assert!(by_path(Some("hush")) && !by_path(Some("hush2")) && !by_path(None));
    }

    #[test]
    fn other_events_and_accounts_are_left_out() {
        let read =
            |body: &str| incoming(true).interactions(body.as_bytes()).map(|(found, why)| (found.len(), why));
        let (none, why) = read(r#"{"event":"conversation_created","account":{"id":1}}"#).unwrap();
        assert_eq!((none, why), (0, vec!["event conversation_created".to_owned()]));
        let (none, why) = read(r#"{"event":"message_created","account":{"id":2}}"#).unwrap();
        assert_eq!((none, why), (0, vec!["another account".to_owned()]));
        assert_eq!(read("[1]").unwrap_err().code, "not_json");
    }
}
