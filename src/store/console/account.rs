//! Who may sign in to the console.

use chrono::{DateTime, Utc};

/// What somebody may do; each may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, clap::ValueEnum)]
pub enum Role {
    /// Read the queue and conversations.
    Viewer,
    /// Assign, resolve, comment and correct.
    Supervisor,
    /// See and mend the running of the workers.
    Operator,
    /// See who saw what.
    Admin,
}

impl Role {
    /// Every role, the least first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Supervisor, Self::Operator, Self::Admin];

    /// The name on the command line and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Supervisor => "supervisor",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// The role of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name, as typed at sign-in.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Argon2id hash in PHC string form.
    pub password: String,
    /// May not sign in.
    pub disabled: bool,
    /// `en`, `it`, or empty for what the browser asks for.
    pub language: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

impl Account {
    /// What a name may be.
    pub const NAME: &str = "a name has 1 to 64 letters, digits or any of @ . _ -";

    /// Whether it may be one.
    pub fn is_name(name: &str) -> bool {
        let fits = |c: char| c.is_alphanumeric() || "@._-".contains(c);
        !name.is_empty() && name.chars().count() <= 64 && name.chars().all(fits)
    }

    /// Whether a provider vouches for it: it has no password.
    pub fn is_of_provider(&self) -> bool {
        self.password.is_empty()
    }
}

/// Who somebody is for an OpenID Connect provider: the only two claims that stay the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// `iss`.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Whose.
    pub account: Account,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it was last in use, to the minute.
    pub seen_at: DateTime<Utc>,
}
