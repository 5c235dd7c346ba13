//! What a shadow beside the live decisions does.

use super::Metric;
use crate::routing::canary::Comparison;
use metrics::counter;
use tracing::{debug, error, info, warn};

/// A decision was compared with its shadow.
pub struct Compared<'a>(pub &'a Comparison);

impl Compared<'_> {
    /// Records it.
    pub fn emit(self) {
        let differs = !self.0.differences.is_empty();
        let outcome = if differs { "differs" } else { "same" };
        counter!(Metric::CanaryCompared.name(), "outcome" => outcome).increment(1);
        for difference in &self.0.differences {
            let aspect = difference.aspect.as_str();
            counter!(Metric::CanaryDifferences.name(), "aspect" => aspect).increment(1);
            debug!(message_id = self.0.message_id, aspect, "the shadow decides otherwise");
        }
    }
}

/// Decisions were not compared.
pub enum CanarySkipped {
    /// Too many waited.
    Busy,
    /// The shadow or the writing failed for so many.
    Failed(usize),
}

impl CanarySkipped {
    /// Records it.
    pub fn emit(self) {
        let (reason, count) = match self {
            Self::Busy => ("busy", 1),
            Self::Failed(count) => ("failed", count as u64),
        };
        counter!(Metric::CanarySkipped.name(), "reason" => reason).increment(count);
    }
}

/// The shadow fails; said at most once a minute.
pub struct CanaryFailing<'a> {
    /// The cause.
    pub error: &'a str,
}

impl CanaryFailing<'_> {
    /// Records it.
    pub fn emit(self) {
        warn!(error = self.error, "the canary fails; the live decisions go on");
    }
}

/// The canary's policy was reloaded, or a bad one refused.
pub struct CanaryReload<'a> {
    /// The policy in the shadow now.
    pub version: &'a str,
    /// Why the new one was refused.
    pub refused: Option<&'a str>,
}

impl CanaryReload<'_> {
    /// Records it.
    pub fn emit(self) {
        match self.refused {
            None => info!(policy = self.version, "canary policy reloaded"),
            Some(reason) => {
                error!(policy = self.version, reason, "canary policy refused, the former one stays");
            }
        }
    }
}
