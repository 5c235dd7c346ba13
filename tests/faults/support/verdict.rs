//! What a row says beside the ledger: figures, times with their limits, faults.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

/// A time that the fault matrix limits.
#[derive(Debug, Clone, Serialize)]
pub struct Timed {
    pub what: &'static str,
    pub took_s: f64,
    pub limit_s: f64,
    pub holds: bool,
}

/// What a row says beside the ledger.
#[derive(Default)]
pub struct Verdict {
    pub done: String,
    pub times: Vec<Timed>,
    pub figures: BTreeMap<&'static str, Value>,
    pub faults: Vec<String>,
    /// Copies of decisions that the row allows.
    pub copies_allowed: Option<usize>,
    /// Messages that have to be parked, with the class.
    pub parked: Vec<(String, &'static str)>,
}

impl Verdict {
    pub fn of(done: impl Into<String>) -> Self {
        Self { done: done.into(), ..Self::default() }
    }

    /// Notes a fault unless it holds.
    pub fn require(&mut self, holds: bool, fault: impl Into<String>) {
        if !holds {
            self.faults.push(fault.into());
        }
    }

    /// The longest of several times of one kind, with its limit. A busy machine may be slow: past the limit it "does not
    /// hold" in the report, and the row fails when `scripts/faults` measures, else at three times the limit.
    pub fn within(&mut self, what: &'static str, took: Duration, limit: Duration) {
        let (took_s, limit_s) = (took.as_secs_f64(), limit.as_secs_f64());
        let timed = Timed { what, took_s, limit_s, holds: took <= limit };
        match self.times.iter_mut().find(|before| before.what == what) {
            Some(before) if before.took_s < took_s => *before = timed,
            Some(_) => {}
            None => self.times.push(timed),
        }
        let slack = if is_strict() { 1 } else { 3 };
        self.require(took <= limit * slack, format!("{what}: {took:.1?}, later than {limit:?}"));
    }

    /// From the end of the fault to the next decision.
    pub fn recovered(&mut self, took: Duration, limit: Duration) {
        self.within("recovery", took, limit);
    }

    pub fn figure(&mut self, name: &'static str, value: impl Into<Value>) {
        self.figures.insert(name, value.into());
    }
}

/// Whether the limits of the fault matrix are measured, as on a machine that does nothing else.
pub fn is_strict() -> bool {
    std::env::var_os("SMISTA_FAULTS_STRICT").is_some()
}

/// The value below which that part of the sorted values lies.
pub fn percentile(sorted: &[f64], part: f64) -> f64 {
    let place = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(place.saturating_sub(1)).copied().unwrap_or_default()
}
