//! Passwords and tokens. Argon2id with the parameters that OWASP's Password Storage Cheat Sheet recommends: 19 MiB of
//! memory, two passes, one lane. Tokens are 256 bits from the operating system; the store has their SHA-256 only.

use argon2::password_hash::rand_core::{OsRng, RngCore as _};
use argon2::password_hash::{PasswordHash, SaltString};
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use tokio::sync::Semaphore;

/// Shortest password taken, in characters (NIST SP 800-63B asks for at least 8 and advises 15 where it stands alone).
pub const SHORTEST: usize = 12;
/// Longest, in bytes: hashing time must not be for the sender to choose.
const LONGEST: usize = 1024;
/// Hashes made at the same time: each takes 19 MiB.
const AT_ONCE: usize = 2;

/// Why there is no hash.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too short or too long.
    #[error("the password must have at least {SHORTEST} characters and at most {LONGEST} bytes")]
    Length,
    /// The hashing failed: out of memory.
    #[error("the password cannot be hashed: {0}")]
    Hash(String),
}

fn argon2() -> Result<Argon2<'static>, PasswordError> {
    let params =
        Params::new(19 * 1024, 2, 1, None).map_err(|error| PasswordError::Hash(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// The hash of a new password, in PHC string form. Takes tens of milliseconds.
pub fn hash(password: &str) -> Result<String, PasswordError> {
    if password.chars().count() < SHORTEST || password.len() > LONGEST {
        return Err(PasswordError::Length);
    }
    let salt = SaltString::generate(&mut OsRng);
    let hash = argon2()?.hash_password(password.as_bytes(), &salt);
    hash.map(|hash| hash.to_string()).map_err(|error| PasswordError::Hash(error.to_string()))
}

fn matches(password: &str, hash: &str) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else { return false };
    argon2().is_ok_and(|argon2| argon2.verify_password(password.as_bytes(), &hash).is_ok())
}

/// A token of 256 bits, lower-case hex.
pub fn token() -> String {
    let mut bytes = [0; 32];
    OsRng.fill_bytes(&mut bytes);
    hex(&bytes)
}

pub use crate::store::console::digest;

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Verifies passwords, few at a time, off the async threads.
pub(super) struct Passwords {
    slots: Semaphore,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { slots: Semaphore::new(AT_ONCE) }
    }
}

impl Passwords {
    /// Whether it is the password of that hash. Without a hash it takes as long and is false, so that nobody learns which
    /// accounts there are.
    pub async fn verify(&self, password: String, hash: Option<String>) -> bool {
        if password.len() > LONGEST {
            return false;
        }
        let Ok(_slot) = self.slots.acquire().await else { return false };
        let verified = tokio::task::spawn_blocking(move || match hash {
            Some(hash) => matches(&password, &hash),
            None => {
                let nobody = SaltString::encode_b64(b"nobody's account");
                if let (Ok(argon2), Ok(salt)) = (argon2(), nobody) {
                    let _ = argon2.hash_password(password.as_bytes(), &salt);
                }
                false
            }
        });
        verified.await.unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_password_matches() {
        let hashed = hash("correct horse battery").unwrap();
        assert!(hashed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hashed}");
        assert!(matches("correct horse battery", &hashed));
        assert!(!matches("correct horse batterz", &hashed) && !matches("", &hashed));
        assert!(matches!(hash("short"), Err(PasswordError::Length)));
        assert_ne!(token(), token());
    }
}
