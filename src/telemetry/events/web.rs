//! What happens to those who ask by HTTP.

use tracing::{error, info, warn};

/// The telemetry address stopped answering.
pub struct HttpStopped<'a> {
    /// The cause.
    pub error: &'a str,
}

impl HttpStopped<'_> {
    /// Records it.
    pub fn emit(self) {
        error!(error = self.error, "telemetry address stopped");
    }
}

/// A page of the console could not be made.
pub struct ConsoleFailed<'a> {
    /// The cause.
    pub error: &'a str,
}

impl ConsoleFailed<'_> {
    /// Records it.
    pub fn emit(self) {
        error!(error = self.error, "console page failed");
    }
}

/// A sign-in through the provider came to nothing.
pub struct ProviderRefused<'a> {
    /// The cause.
    pub error: &'a str,
}

impl ProviderRefused<'_> {
    /// Records it.
    pub fn emit(self) {
        warn!(error = self.error, "sign-in through the provider refused");
    }
}

/// Somebody tried to sign in to the console.
pub struct SignIn<'a> {
    /// Whether they may.
    pub admitted: bool,
    /// From where.
    pub address: &'a str,
}

impl SignIn<'_> {
    /// Records it.
    pub fn emit(self) {
        if self.admitted {
            info!(address = self.address, "console sign-in");
        } else {
            warn!(address = self.address, "console sign-in refused");
        }
    }
}
