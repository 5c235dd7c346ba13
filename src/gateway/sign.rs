//! Signatures of Standard Webhooks 1.0 (<https://github.com/standard-webhooks/standard-webhooks>): HMAC-SHA256 over id, time
//! and body joined by dots.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// What such secrets begin with.
const PREFIX: &str = "whsec_";
/// Bytes a secret has, as the specification bounds them.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The secrets that sign: the one in use, then former ones.
#[derive(Clone)]
pub struct Secret(Vec<Vec<u8>>);

impl Secret {
    /// One on each line. The error does not quote them.
    pub fn parse(text: &str) -> Result<Self, String> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let keys = lines
            .map(|line| {
                let encoded = line.strip_prefix(PREFIX).ok_or(format!("a secret begins with {PREFIX}"))?;
                let key =
                    STANDARD.decode(encoded).map_err(|_| format!("what follows {PREFIX} is not base64"))?;
                if BYTES.contains(&key.len()) {
                    Ok(key)
                } else {
                    Err(format!("a secret has {} to {} bytes", BYTES.start(), BYTES.end()))
                }
            })
            .collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() { Err("there is no secret".to_owned()) } else { Ok(Self(keys)) }
    }

    /// The value of `webhook-signature`.
    pub fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        let signed = format!("{id}.{seconds}.");
        let signature = |key: &Vec<u8>| {
            let code = hmac(key, &[signed.as_bytes(), body]);
            format!("v1,{}", STANDARD.encode(code.finalize().into_bytes()))
        };
        self.0.iter().map(signature).collect::<Vec<_>>().join(" ")
    }
}

/// HMAC-SHA256 over parts, one after another.
pub(super) fn hmac(key: &[u8], parts: &[&[u8]]) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut code = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    parts.iter().for_each(|part| code.update(part));
    code
}

/// A new secret of 256 bits.
pub fn new_secret() -> String {
    let bytes: Vec<u8> = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4(), uuid::Uuid::new_v4()]
        .iter()
        .flat_map(|random| *random.as_bytes())
        .collect();
    let key: [u8; 32] = <sha2::Sha256 as sha2::Digest>::digest(&bytes).into();
    format!("{PREFIX}{}", STANDARD.encode(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    #[test]
    fn a_known_message_has_its_known_signature() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        let signed = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn former_secrets_sign_too_and_bad_ones_are_refused_unquoted() {
        let (one, two) = (new_secret(), new_secret());
        assert_ne!(one, two);
        let signed = Secret::parse(&format!("{one}\n\n{two}\n")).unwrap().sign("m", 1, b"{}");
        let alone = |secret: &str| Secret::parse(secret).unwrap().sign("m", 1, b"{}");
        assert_eq!(signed, format!("{} {}", alone(&one), alone(&two)));
        for bad in ["", "hush-hush", "whsec_hush!", "whsec_aHVzaA=="] {
            let told = Secret::parse(bad).map(|_| ()).unwrap_err();
            assert!(!told.contains("hush") && !told.contains("aHVz"), "{told}");
        }
    }
}
