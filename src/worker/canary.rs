//! A second policy or pack decides what the first has decided, on the same facts, beside the lanes. Nothing of it is
//! published, and whatever becomes of it, no message waits for it: what comes while it is busy is left out and counted.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::pipeline::{Pipeline, PipelineError};
use crate::interaction::Interaction;
use crate::journey::Journey;
use crate::nlp::Understanding;
use crate::routing::canary::Comparison;
use crate::routing::{Decision, PolicyHandle};
use crate::telemetry::events;

/// Cases that wait; more are left out.
const WAITING: usize = 64;
/// Comparisons written at once.
const AT_ONCE: usize = 32;
/// How long a comparison waits for others to be written with.
const PATIENCE: Duration = Duration::from_secs(1);
/// A failing shadow is told so often in the log.
const TOLD: Duration = Duration::from_secs(60);
/// Longest time to write the last ones when the worker stops.
const LAST: Duration = Duration::from_secs(3);

/// What was decided, and from what.
#[derive(Debug)]
pub struct Case {
    /// The message.
    pub interaction: Interaction,
    /// What the live model made of it.
    pub understanding: Understanding,
    /// The customer's journey before it.
    pub before: Journey,
    /// The customer.
    pub customer: String,
    /// The clock of the decision.
    pub decided_at: DateTime<Utc>,
    /// The decision.
    pub live: Decision,
}

/// The shadow at work. Stops when it is dropped; [`Canary::close`] lets it write what it has.
pub struct Canary {
    cases: mpsc::Sender<Box<Case>>,
    share: f64,
    policy: Arc<PolicyHandle>,
    stop: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Canary {
    /// Begins. With `analyses` the shadow reads the text itself, by a model of its own; else it takes the live one's answer.
    pub fn start(shadow: Pipeline, analyses: bool, share: f64) -> Self {
        let (cases, waiting) = mpsc::channel(WAITING);
        let (policy, stop) = (Arc::clone(shadow.policy()), CancellationToken::new());
        let task = tokio::spawn(run(shadow, analyses, waiting, stop.clone()));
        Self { cases, share, policy, stop, task: Mutex::new(Some(task)) }
    }

    /// The shadow's policy.
    pub fn policy(&self) -> &Arc<PolicyHandle> {
        &self.policy
    }

    /// Whether a conversation is among those compared: always the same ones, on every worker.
    pub fn wants(&self, conversation: &str) -> bool {
        let mut place = 0.0;
        for byte in Sha256::digest(conversation).iter().take(6).rev() {
            place = (place + f64::from(*byte)) / 256.0;
        }
        place < self.share
    }

    /// Hands a case over, unless too many wait.
    pub fn offer(&self, case: Case) {
        if self.cases.try_send(Box::new(case)).is_err() {
            events::CanarySkipped::Busy.emit();
        }
    }

    /// Ends, with what is compared already written.
    pub async fn close(&self) {
        self.stop.cancel();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            let _ = tokio::time::timeout(LAST, task).await;
        }
    }
}

async fn run(
    shadow: Pipeline,
    analyses: bool,
    mut cases: mpsc::Receiver<Box<Case>>,
    stop: CancellationToken,
) {
    let mut work = Work { shadow, analyses, made: Vec::new(), write_by: None, told: None };
    loop {
        let due = async {
            match work.write_by {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let case = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = due => None,
            case = cases.recv() => match case {
                Some(case) => Some(case),
                None => break,
            },
        };
        match case {
            Some(case) => work.take(*case).await,
            None => work.write().await,
        }
    }
    work.write().await;
}

struct Work {
    shadow: Pipeline,
    analyses: bool,
    made: Vec<Comparison>,
    write_by: Option<Instant>,
    /// When a failure was last told.
    told: Option<Instant>,
}

impl Work {
    async fn take(&mut self, case: Case) {
        // A shadow that panics is the shadow's fault.
        let compared = std::panic::AssertUnwindSafe(self.compare(case)).catch_unwind().await;
        match compared {
            Ok(Ok(comparison)) => {
                events::Compared(&comparison).emit();
                self.made.push(comparison);
                self.write_by.get_or_insert_with(|| Instant::now() + PATIENCE);
                if self.made.len() >= AT_ONCE {
                    self.write().await;
                }
            }
            Ok(Err(error)) => self.failed(1, &error.to_string()),
            Err(_) => self.failed(1, "it panicked; the log of that time has the place"),
        }
    }

    async fn compare(&self, case: Case) -> Result<Comparison, PipelineError> {
        let Case { interaction, mut understanding, before, customer, decided_at, live } = case;
        if self.analyses {
            understanding = self.shadow.understand(&interaction).await?;
        }
        let composed =
            self.shadow.compose(&interaction, &understanding, &before, &customer, decided_at).await?;
        Ok(Comparison::of(&live, &composed.decision))
    }

    /// What cannot be written is left out: the database has more important things to do when it comes back.
    async fn write(&mut self) {
        self.write_by = None;
        let made = std::mem::take(&mut self.made);
        if !made.is_empty()
            && let Err(error) = self.shadow.store().compare(&made).await
        {
            self.failed(made.len(), &error.to_string());
        }
    }

    fn failed(&mut self, cases: usize, error: &str) {
        events::CanarySkipped::Failed(cases).emit();
        if self.told.is_none_or(|told| told.elapsed() >= TOLD) {
            self.told = Some(Instant::now());
            events::CanaryFailing { error }.emit();
        }
    }
}
