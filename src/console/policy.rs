//! The policy in force, and another one tried out over what is stored. Nothing here puts a policy in force.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::Form;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;

use super::fault::Fault;
use super::guard::Viewer;
use super::{Console, pages, password};
use crate::routing::simulate::Simulation;
use crate::routing::testing::{self, TestResult};
use crate::routing::{Policy, PolicyError};
use crate::store::console::{Operated, Operation, PolicyUse, Role};
use crate::store::{Order, Span, Store, Walk, simulation};

/// Messages that a simulation decides at most.
pub(super) const MOST: u64 = 20_000;
/// Days that it looks back at most.
pub(super) const DAYS: u16 = 90;
/// Latest decisions that the history is read from.
pub(super) const HISTORY: u32 = 5_000;
/// Simulations kept, the latest.
const KEPT: usize = 10;

/// A policy tried out.
pub(super) struct Trial {
    /// Its name in addresses.
    pub id: String,
    /// Whose.
    pub account: String,
    /// When it began.
    pub at: DateTime<Utc>,
    /// How many days it looks back.
    pub days: u16,
    /// The policy in force when it began.
    pub old: Arc<Policy>,
    /// The new one.
    pub new: Policy,
    looked_at: AtomicU64,
    result: OnceLock<Result<Outcome, ()>>,
}

/// What came out.
pub(super) struct Outcome {
    /// The counts.
    pub simulation: Simulation,
    /// There were more messages.
    pub is_cut: bool,
}

impl Trial {
    /// Messages decided again so far.
    pub fn looked_at(&self) -> u64 {
        self.looked_at.load(Ordering::Relaxed)
    }

    /// None while it goes on; an error when the database stopped answering.
    pub fn result(&self) -> Option<&Result<Outcome, ()>> {
        self.result.get()
    }
}

/// The latest simulations, in this process only.
#[derive(Default)]
pub(super) struct Trials(Mutex<VecDeque<Arc<Trial>>>);

impl Trials {
    fn find(&self, id: &str) -> Option<Arc<Trial>> {
        let trials = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        trials.iter().find(|trial| trial.id == id).cloned()
    }

    /// Takes it in unless another one goes on; that one then.
    fn begin(&self, trial: &Arc<Trial>) -> Result<(), Arc<Trial>> {
        let mut trials = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = trials.iter().find(|trial| trial.result().is_none()) {
            return Err(Arc::clone(running));
        }
        trials.push_front(Arc::clone(trial));
        trials.truncate(KEPT);
        Ok(())
    }
}

/// What the page shows.
pub(super) struct InForce {
    /// The policy.
    pub policy: Arc<Policy>,
    /// By which policies the latest decisions were made, the latest first.
    pub history: Vec<PolicyUse>,
    /// How its tests end.
    pub tests: Result<Vec<TestResult>, PolicyError>,
}

async fn in_force(console: &Console) -> Result<InForce, Fault> {
    let policy = console.policy.current();
    let texts = console.policy_tests.iter().map(|(file, text)| (file.as_str(), text.as_str()));
    let tests = testing::run(&policy, texts);
    Ok(InForce { history: console.store.policies(HISTORY).await?, tests, policy })
}

/// The policy in force.
pub(super) async fn page(
    State(console): State<Arc<Console>>,
    Extension(viewer): Extension<Viewer>,
) -> Result<Response, Fault> {
    let told = in_force(&console).await?;
    Ok(pages::policy::page(viewer.language.words(), &viewer, &told, None))
}

/// What is to be tried out.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    /// The policy, as its file would be.
    pub text: String,
    /// How many days to look back.
    pub days: u16,
}

/// Begins a simulation; a policy with a fault is shown with it.
pub(super) async fn simulate(
    State(console): State<Arc<Console>>,
    Extension(viewer): Extension<Viewer>,
    Form(asked): Form<Asked>,
) -> Result<Response, Fault> {
    if asked.text.trim().is_empty() || !(1..=DAYS).contains(&asked.days) {
        return Err(Fault::BadRequest);
    }
    // Forms end their lines with CR LF; a hash of the text would differ from the file's.
    let text = asked.text.replace("\r\n", "\n");
    let new = match Policy::from_text(&text, "policy.toml") {
        Ok(new) => new,
        Err(error) => {
            let told = in_force(&console).await?;
            let wrong = pages::policy::Wrong { asked: &asked, error: &error };
            let page = pages::policy::page(viewer.language.words(), &viewer, &told, Some(&wrong));
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
        }
    };
    let now = Utc::now();
    let trial = Arc::new(Trial {
        id: password::token().chars().take(16).collect(),
        account: viewer.account.clone(),
        at: now,
        days: asked.days,
        old: console.policy.current(),
        new,
        looked_at: AtomicU64::new(0),
        result: OnceLock::new(),
    });
    let id = match console.trials.begin(&trial) {
        Ok(()) => {
            let target = trial.new.id();
            let operation = Operation { at: now, account: viewer.account, act: Operated::Simulate, target };
            let kept = console.store.operate(&operation).await;
            if kept.is_err() {
                // Nobody can set it twice, and it is not under way.
                let _ = trial.result.set(Err(()));
            }
            kept?;
            let running = tokio::spawn(run(Arc::clone(&console), Arc::clone(&trial)));
            let watched = Arc::clone(&trial);
            tokio::spawn(async move {
                // Without an end it would be the one under way for good, and no other could begin.
                if running.await.is_err() {
                    let _ = watched.result.set(Err(()));
                }
            });
            trial.id.clone()
        }
        Err(running) => running.id.clone(),
    };
    Ok(Redirect::to(&format!("/policy/simulations/{id}")).into_response())
}

async fn run(console: Arc<Console>, trial: Arc<Trial>) {
    let store: Arc<dyn Store> = Arc::clone(&console.store) as Arc<dyn Store>;
    let since = trial.at - TimeDelta::days(trial.days.into());
    let mut walk = Walk::new(store, Span { since, until: trial.at, order: Order::Time });
    let progress = |more| {
        trial.looked_at.fetch_add(more, Ordering::Relaxed);
    };
    let ended = tokio::select! {
        biased;
        () = console.stop.cancelled() => return,
        ended = simulation::simulate(&mut walk, &trial.old, &trial.new, MOST, progress) => ended,
    };
    let result = match ended {
        Ok((simulation, is_cut)) => Ok(Outcome { simulation, is_cut }),
        Err(error) => {
            crate::telemetry::events::ConsoleFailed { error: &error.to_string() }.emit();
            Err(())
        }
    };
    // It is set here and nowhere else once it runs.
    let _ = trial.result.set(result);
}

/// A simulation; while it goes on the page comes again by itself.
pub(super) async fn simulation(
    State(console): State<Arc<Console>>,
    Extension(viewer): Extension<Viewer>,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    let trial = console.trials.find(&id).ok_or(Fault::NotFound)?;
    let mut page = pages::simulation::page(viewer.language.words(), &viewer, &trial);
    if trial.result().is_none() {
        page.headers_mut().insert(header::REFRESH, HeaderValue::from_static("2"));
    }
    Ok(page)
}

/// Who may try one out.
pub(super) const MAY_SIMULATE: Role = Role::Operator;
