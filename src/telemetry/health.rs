//! What readiness and liveness answer from: the latest word of each part, written by the parts themselves.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use serde::Serialize;

/// One part's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartState {
    /// It does its work.
    pub ok: bool,
    /// For operators.
    pub detail: String,
}

/// The parts that readiness depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// RabbitMQ.
    Broker,
    /// Database.
    Store,
    /// Inference.
    Engine,
    /// Messages come to their end.
    Work,
}

#[derive(Debug, Clone, Serialize)]
struct Parts {
    broker: PartState,
    store: PartState,
    engine: PartState,
    work: PartState,
    /// Stages whose last call on the store failed.
    #[serde(skip)]
    failing: BTreeSet<&'static str>,
}

impl Parts {
    fn get(&mut self, part: Part) -> &mut PartState {
        match part {
            Part::Broker => &mut self.broker,
            Part::Store => &mut self.store,
            Part::Engine => &mut self.engine,
            Part::Work => &mut self.work,
        }
    }

    fn all_ok(&self) -> bool {
        [&self.broker, &self.store, &self.engine, &self.work].iter().all(|part| part.ok)
    }
}

/// Shared health of one process.
#[derive(Debug, Clone)]
pub struct Health(Arc<RwLock<Parts>>);

impl Default for Health {
    fn default() -> Self {
        let starting = PartState { ok: false, detail: "starting".to_owned() };
        Self(Arc::new(RwLock::new(Parts {
            broker: starting.clone(),
            store: starting.clone(),
            engine: starting,
            work: PartState { ok: true, detail: "going on".to_owned() },
            failing: BTreeSet::new(),
        })))
    }
}

impl Health {
    /// Records a constant word of a part, cheaply when nothing changes: for the path of every message.
    pub fn note(&self, part: Part, ok: bool, detail: &'static str) {
        let unchanged = {
            let parts = self.0.read().unwrap_or_else(PoisonError::into_inner);
            let state = match part {
                Part::Broker => &parts.broker,
                Part::Store => &parts.store,
                Part::Engine => &parts.engine,
                Part::Work => &parts.work,
            };
            state.ok == ok && state.detail == detail
        };
        if !unchanged {
            self.set(part, ok, detail);
        }
    }

    /// Records how a stage's call on the store ended, cheaply when nothing changes. Reads succeed while commits wait for a
    /// lock that somebody holds: each stage speaks for itself, and the store works when none of them failed last.
    pub fn note_store(&self, stage: &'static str, answered: bool) {
        let unchanged = {
            let parts = self.0.read().unwrap_or_else(PoisonError::into_inner);
            parts.failing.contains(stage) != answered && parts.store.ok == parts.failing.is_empty()
        };
        if unchanged {
            return;
        }
        let mut parts = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if answered {
            parts.failing.remove(stage);
        } else {
            parts.failing.insert(stage);
        }
        let ok = parts.failing.is_empty();
        let detail = if ok { "working" } else { "not available" };
        parts.store = PartState { ok, detail: detail.to_owned() };
    }

    /// Records what a part says of itself.
    pub fn set(&self, part: Part, ok: bool, detail: impl Into<String>) {
        let mut parts = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *parts.get(part) = PartState { ok, detail: detail.into() };
    }

    /// Whether every part works.
    pub fn ready(&self) -> bool {
        let parts = self.0.read().unwrap_or_else(PoisonError::into_inner);
        parts.all_ok()
    }

    /// The parts as JSON, for the readiness answer.
    pub fn report(&self) -> serde_json::Value {
        let parts = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        serde_json::json!({
            "ready": parts.all_ok(),
            "broker": parts.broker,
            "store": parts.store,
            "engine": parts.engine,
            "work": parts.work,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_works_when_no_stage_failed_last() {
        let health = Health::default();
        let store = |stage, answered| {
            health.note_store(stage, answered);
            health.report()["store"]["ok"] == true
        };
        assert!(store("inbox", true));
        assert!(!store("commit", false));
        assert!(!store("inbox", true), "a read that succeeds says nothing of commits");
        assert!(!store("commit", false));
        assert!(!store("inbox", false));
        assert!(!store("commit", true));
        assert!(store("inbox", true));
        assert!(store("commit", true));
    }

    #[test]
    fn ready_only_when_every_part_is() {
        let health = Health::default();
        assert!(!health.ready());
        for part in [Part::Broker, Part::Store] {
            health.set(part, true, "working");
            assert!(!health.ready());
        }
        health.set(Part::Engine, true, "loaded");
        assert!(health.ready());
        health.set(Part::Broker, false, "blocked: memory alarm");
        assert!(!health.ready());
        assert_eq!(health.report()["broker"]["detail"], "blocked: memory alarm");
    }
}
