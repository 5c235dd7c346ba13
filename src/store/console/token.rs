//! Who may call the HTTP API.

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};

use super::review::time;
use crate::store::StoreError;
use crate::store::link::{Cell, cells};

/// What every token begins with, so that it is recognised where it should not be.
pub const TOKEN_PREFIX: &str = "smista_";

/// SHA-256 of a token, lower-case hex: what the store knows it by. A token has all its entropy: no slow hash is needed.
pub fn digest(token: &str) -> String {
    Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a token is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, clap::ValueEnum)]
pub enum Scope {
    /// Read the queue and conversations.
    Read,
    /// Assign, resolve, comment, confirm and correct.
    Review,
    /// See how the workers do; replay and discard parked messages.
    Operate,
    /// Send interactions to the gateway.
    Send,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Read, Self::Review, Self::Operate, Self::Send];

    /// The name on the command line, in the store and in the API's document.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Review => "review",
            Self::Operate => "operate",
            Self::Send => "send",
        }
    }
}

/// A token, without what the caller sends: the store has only its SHA-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its name.
    pub name: String,
    /// What it is allowed.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last in use, to some minutes.
    pub used_at: Option<DateTime<Utc>>,
}

/// The columns of a [`Token`], in the order that [`token`] reads.
pub(super) const COLUMNS: &str = "name, scopes, created_at, used_at";

pub(super) fn token(row: Vec<Cell>) -> Result<Token, StoreError> {
    let [name, scopes, created_at, used_at] = cells(row)?;
    let scope = |name: &str| {
        let known = Scope::ALL.into_iter().find(|scope| scope.as_str() == name);
        known.ok_or_else(|| StoreError::Corrupt(format!("unknown scope {name}")))
    };
    Ok(Token {
        name: name.text()?,
        scopes: scopes.text()?.split_whitespace().map(scope).collect::<Result<_, _>>()?,
        created_at: time(&created_at)?,
        used_at: if used_at.int()? == 0 { None } else { Some(time(&used_at)?) },
    })
}
