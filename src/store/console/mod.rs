//! What the supervisor's console reads and keeps: the review queue (a row per conversation, written with each decision),
//! notes on conversations, accounts, sessions and the access log. A trait beside [`Store`](super::Store), on the same
//! database; the same SQL runs on both.

mod account;
mod canary;
mod erasure;
mod filter;
mod maps;
mod operations;
mod provider;
mod review;
mod sql;
mod token;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Correction, OutboxMessage, StoreError};
use crate::interaction::Interaction;
use crate::routing::Decision;

pub use account::{Account, Identity, Role, Session};
pub use canary::{CanaryStore, Differing, Moved, Pairing};
pub use erasure::{ErasureRequest, ErasureStore};
pub use filter::{Cursor, Filter, LOOKED_THROUGH, Page, Sorting};
pub use maps::{Judged, MapsStore, Risk};
pub use operations::{LAGS, Operated, Operation, OperationsStore, Pace, PolicyUse};
pub use review::{Item, Status};
pub(in crate::store) use review::{Projection, project};
pub use token::{Scope, TOKEN_PREFIX, Token, digest};

/// Most messages of a conversation that are shown, the latest.
pub const MESSAGES: u32 = 200;

/// A conversation with everything known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Reviewed {
    /// As it stands in the queue.
    pub item: Item,
    /// Its messages with their decisions, oldest first, at most [`MESSAGES`].
    pub messages: Vec<(Interaction, Decision)>,
    /// What supervisors said and did, oldest first.
    pub notes: Vec<Note>,
    /// What they corrected, oldest first.
    pub corrections: Vec<Correction>,
    /// The customer's other conversations, newest first, at most 50.
    pub others: Vec<Item>,
}

/// Something that was said or done about a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// When.
    pub at: DateTime<Utc>,
    /// Whose account.
    pub account: String,
    /// What.
    pub act: Act,
    /// The comment; for `assign` the account it was given to.
    pub text: String,
}

/// What can be done with a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Something was said.
    Comment,
    /// Somebody takes it.
    Assign,
    /// Nothing is left to do.
    Resolve,
    /// Something is, after all.
    Reopen,
    /// The decision was confirmed or corrected.
    Correct,
}

impl Act {
    /// Everything.
    pub const ALL: [Self; 5] = [Self::Comment, Self::Assign, Self::Resolve, Self::Reopen, Self::Correct];

    /// The name in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Comment => "comment",
            Self::Assign => "assign",
            Self::Resolve => "resolve",
            Self::Reopen => "reopen",
            Self::Correct => "correct",
        }
    }

    /// The act of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.as_str() == name)
    }
}

/// What became of a correction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Corrected {
    /// It is kept.
    Kept,
    /// The conversation has no such message.
    Unknown,
    /// Somebody else corrected the same decision first; nothing was written.
    Overtaken,
}

/// One line of the access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub account: String,
    /// Saw which.
    pub conversation_id: String,
    /// What of it.
    pub what: Seen,
}

/// What was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// The conversation.
    Conversation,
    /// The timeline of its customer, in which other conversations are.
    Timeline,
}

impl Seen {
    /// The name in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Conversation => "conversation",
            Self::Timeline => "timeline",
        }
    }

    /// The one of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Conversation, Self::Timeline].into_iter().find(|seen| seen.as_str() == name)
    }
}

/// A listed conversation that has a new decision.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct News {
    /// Which.
    pub conversation_id: String,
    /// When it was decided, microseconds since 1970.
    pub decided_at: i64,
}

/// What the console needs beside the store.
#[async_trait]
pub trait ConsoleStore: OperationsStore + MapsStore + ErasureStore + CanaryStore {
    /// Adds an account; false when the name is taken.
    async fn add_account(&self, account: &Account) -> Result<bool, StoreError>;

    /// An account by name.
    async fn account(&self, name: &str) -> Result<Option<Account>, StoreError>;

    /// Every account, by name.
    async fn accounts(&self) -> Result<Vec<Account>, StoreError>;

    /// Writes an account anew and ends its sessions; false when there is none of that name.
    async fn change_account(&self, account: &Account) -> Result<bool, StoreError>;

    /// The account of somebody whom a provider vouches for, with this role from now on; made with this name when it is the
    /// first time. None when another account has the name. A disabled account is given back as it is.
    async fn admit(&self, identity: &Identity, name: &str, role: Role)
    -> Result<Option<Account>, StoreError>;

    /// Sets the language of an account's pages; empty for what the browser asks for.
    async fn set_language(&self, account: &str, language: &str) -> Result<(), StoreError>;

    /// Begins a session, known by the SHA-256 of its token, and ends those that are `expired` (begun or last seen before).
    async fn begin_session(
        &self,
        token: &str,
        account: &str,
        at: DateTime<Utc>,
        expired: Expired,
    ) -> Result<(), StoreError>;

    /// The session of a token's SHA-256, whatever its age.
    async fn session(&self, token: &str) -> Result<Option<Session>, StoreError>;

    /// Notes that a session is in use.
    async fn touch_session(&self, token: &str, at: DateTime<Utc>) -> Result<(), StoreError>;

    /// Ends a session.
    async fn end_session(&self, token: &str) -> Result<(), StoreError>;

    /// A page of the queue, the conversations behind a place in it.
    async fn queue(&self, filter: &Filter, after: Option<&Cursor>, limit: u32) -> Result<Page, StoreError>;

    /// How many a filter has, counted up to `most`.
    async fn queue_count(&self, filter: &Filter, most: u32) -> Result<u64, StoreError>;

    /// Listed conversations decided after a time, oldest first.
    async fn news(&self, since: DateTime<Utc>, limit: u32) -> Result<Vec<News>, StoreError>;

    /// A conversation.
    async fn conversation(&self, conversation: &str) -> Result<Option<Reviewed>, StoreError>;

    /// Adds a note and changes the status as it says; false when there is no such conversation.
    async fn note(&self, conversation: &str, note: &Note) -> Result<bool, StoreError>;

    /// Keeps a correction as [`Store::correct`] does, with a note, the superseding decision (if something is not as it
    /// was) and what is to be published of it, all or nothing. The inbox keeps naming the first decision: it is the one
    /// that can be made again.
    async fn correct_with(
        &self,
        conversation: &str,
        correction: &Correction,
        note: &Note,
        superseding: Option<(&Decision, &Interaction)>,
        outbox: &[OutboxMessage],
    ) -> Result<Corrected, StoreError>;

    /// Writes down who saw a conversation.
    async fn saw(&self, access: &Access) -> Result<(), StoreError>;

    /// The latest lines of the access log, newest first.
    async fn accesses(&self, limit: u32) -> Result<Vec<Access>, StoreError>;

    /// Puts a decision made before there was a queue into it. Safe to repeat.
    async fn index(&self, decision: &Decision, interaction: &Interaction) -> Result<(), StoreError>;

    /// Keeps a filter under a name; an empty query forgets it.
    async fn keep_view(&self, account: &str, name: &str, query: &str) -> Result<(), StoreError>;

    /// The filters that an account keeps: name and query.
    async fn views(&self, account: &str) -> Result<Vec<(String, String)>, StoreError>;

    /// Adds a token of the HTTP API, known by its SHA-256; false when the name is taken.
    async fn add_token(&self, digest: &str, token: &Token) -> Result<bool, StoreError>;

    /// The token of a SHA-256.
    async fn token(&self, digest: &str) -> Result<Option<Token>, StoreError>;

    /// Notes that a token is in use.
    async fn touch_token(&self, digest: &str, at: DateTime<Utc>) -> Result<(), StoreError>;

    /// Every token, by name.
    async fn tokens(&self) -> Result<Vec<Token>, StoreError>;

    /// Takes a token back; false when there is none of that name.
    async fn revoke_token(&self, name: &str) -> Result<bool, StoreError>;
}

/// Sessions begun or last seen before these have come to their end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expired {
    /// Begun before.
    pub created: DateTime<Utc>,
    /// Last seen before.
    pub seen: DateTime<Utc>,
}
