//! What the engine does.

use std::time::Duration;

use metrics::{counter, histogram};

use super::Metric;

/// The engine ran a batch.
pub struct BatchRun {
    /// Windows in it.
    pub windows: u64,
    /// Their tokens, padding left out.
    pub tokens: u64,
    /// How long it took.
    pub took: Duration,
}

impl BatchRun {
    /// Records it.
    pub fn emit(self) {
        histogram!(Metric::EngineBatchTime.name()).record(self.took.as_secs_f64());
        counter!(Metric::EngineWindows.name()).increment(self.windows);
        counter!(Metric::EngineTokens.name()).increment(self.tokens);
    }
}

/// A window was answered from what the engine said before.
pub struct WindowCached;

impl WindowCached {
    /// Records it.
    pub fn emit(self) {
        counter!(Metric::EngineCached.name()).increment(1);
    }
}
