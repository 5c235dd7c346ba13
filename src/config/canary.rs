//! What decides in the shadow of what is in force.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A second policy or pack that decides the same messages, for comparison only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// The policy tried; without it, the one in force.
    pub policy: Option<PathBuf>,
    /// Folder of the model pack tried; without it, the one in force.
    pub pack: Option<PathBuf>,
    /// Share of the conversations that are compared, above 0 up to 1.
    pub share: f64,
}

impl Canary {
    /// Whether there is anything to try.
    pub fn is_set(&self) -> bool {
        self.policy.is_some() || self.pack.is_some()
    }
}
