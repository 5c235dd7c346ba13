//! What the engine's thread does: takes work, runs it, and builds the engine anew after a panic.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::time::Instant;

use super::{Answer, Build, EngineHealth, Job, Question, REBUILD_PAUSE, Shared, Weights, Work};
use crate::nlp::batch::Next;
use crate::nlp::engine::{Engine, EngineError, Target, Window};
use crate::nlp::pack::PackError;
use crate::telemetry::events;

/// Marks the thread as gone, however it ends, and fails what still waits.
struct Leaving<'a>(&'a Shared);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.places.close();
        self.0.question_places.close();
        let mut state = self.0.state();
        state.health = EngineHealth::Stopped;
        while !state.queue.take().is_empty() {}
        state.questions.clear();
    }
}

pub(super) fn run(shared: &Shared, build: Build, built: &std::sync::mpsc::SyncSender<Result<(), PackError>>) {
    let _leaving = Leaving(shared);
    let mut worker = Worker { build, engine: None, failed_at: None };
    let first = worker.rebuild();
    let ready = first.is_ok();
    if built.send(first).is_err() || !ready {
        return;
    }
    while let Some(work) = next_work(shared) {
        match work {
            Work::Batch(jobs) => answer(shared, &mut worker, jobs),
            Work::Explain(question) => explain(shared, &mut worker, *question),
        }
    }
}

/// Waits for work; none once stopping and empty.
fn next_work(shared: &Shared) -> Option<Work> {
    let mut state = shared.state();
    loop {
        if state.answered
            && let Some(question) = state.questions.pop_front()
        {
            state.answered = false;
            return Some(Work::Explain(Box::new(question)));
        }
        state = match state.queue.next(Instant::now()) {
            Next::Batch(jobs) => {
                state.answered = true;
                return Some(Work::Batch(jobs));
            }
            // No window waits: another explanation holds nobody up.
            Next::Idle if !state.questions.is_empty() => {
                state.answered = true;
                state
            }
            Next::Wait(_) if state.stopping => return Some(Work::Batch(state.queue.take())),
            Next::Wait(left) => {
                shared.arrived.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
            }
            Next::Idle if state.stopping => return None,
            Next::Idle => shared.arrived.wait(state).unwrap_or_else(PoisonError::into_inner),
        };
    }
}

fn answer(shared: &Shared, worker: &mut Worker, jobs: Vec<Job>) {
    let mut windows = Vec::with_capacity(jobs.len());
    let mut replies = Vec::with_capacity(jobs.len());
    for Job { window, key, reply, _place } in jobs {
        if !reply.is_closed() {
            windows.push(window);
            replies.push((reply, key, _place));
        }
    }
    if windows.is_empty() {
        return;
    }
    let started = Instant::now();
    let (outputs, panics) = worker.infer(&windows);
    {
        let mut state = shared.state();
        state.health = match &worker.failed_at {
            Some((_, reason)) => EngineHealth::Failing(reason.clone()),
            None => EngineHealth::Ready,
        };
        state.counts.batches += 1;
        state.counts.windows += windows.len() as u64;
        let tokens = windows.iter().map(|window| window.ids.len() as u64).sum();
        state.counts.tokens += tokens;
        events::BatchRun { windows: windows.len() as u64, tokens, took: started.elapsed() }.emit();
        state.counts.panics += panics;
        state.counts.busy += started.elapsed();
        for ((_, key, _), output) in replies.iter().zip(&outputs) {
            if let (Some(key), Ok(output)) = (key, output) {
                state.answers.keep(*key, output);
            }
        }
    }
    for ((reply, _, _place), output) in replies.into_iter().zip(outputs) {
        // Whoever asked may have gone away meanwhile.
        drop(reply.send(output));
    }
}

fn explain(shared: &Shared, worker: &mut Worker, question: Question) {
    let Question { window, targets, reply, _place } = question;
    if reply.is_closed() {
        return;
    }
    let started = Instant::now();
    let (weights, panics) = worker.explain(&window, &targets);
    {
        let mut state = shared.state();
        state.counts.explained += 1;
        state.counts.panics += panics;
        state.counts.busy += started.elapsed();
    }
    // Whoever asked may have gone away meanwhile.
    drop(reply.send(weights));
}

/// The engine with what is needed to build it anew.
struct Worker {
    build: Build,
    engine: Option<Box<dyn Engine>>,
    failed_at: Option<(Instant, String)>,
}

impl Worker {
    fn rebuild(&mut self) -> Result<(), PackError> {
        // A panic may have left the old one in any state.
        self.engine = None;
        let failed = |reason: String| PackError::Load { path: "engine".into(), reason };
        let built = catch_unwind(AssertUnwindSafe(|| (self.build)()))
            .unwrap_or_else(|panic| Err(failed(format!("building it panicked: {}", message(&*panic)))));
        match built {
            Ok(engine) => {
                self.engine = Some(engine);
                self.failed_at = None;
                Ok(())
            }
            Err(error) => {
                self.failed_at = Some((Instant::now(), error.to_string()));
                Err(error)
            }
        }
    }

    /// The weights, and how often the engine panicked. An engine that is gone is not built anew for an explanation.
    fn explain(&mut self, window: &Window, targets: &[Target]) -> (Weights, u64) {
        let Some(engine) = &mut self.engine else {
            return (Err(EngineError::Runtime("no engine".to_owned())), 0);
        };
        match catch_unwind(AssertUnwindSafe(|| engine.explain(window, targets))) {
            Ok(Ok(weights)) => (checked(window, targets, weights), 0),
            Ok(Err(error)) => (Err(error), 0),
            Err(panic) => {
                // The panic's own message may quote the text.
                drop(panic);
                drop(self.rebuild());
                (Err(EngineError::Runtime("the engine panicked on this text".to_owned())), 1)
            }
        }
    }

    /// One answer per window, and how often the engine panicked.
    fn infer(&mut self, windows: &[Window]) -> (Vec<Answer>, u64) {
        let pause_over = self.failed_at.as_ref().is_none_or(|(at, _)| at.elapsed() >= REBUILD_PAUSE);
        if self.engine.is_none() && pause_over {
            drop(self.rebuild());
        }
        let mut panics = 0;
        let answers = match &mut self.engine {
            Some(engine) => halve(&mut **engine, windows, &mut panics),
            None => {
                let reason = self.failed_at.as_ref().map_or("no engine", |(_, reason)| reason.as_str());
                windows.iter().map(|_| Err(EngineError::Runtime(reason.to_owned()))).collect()
            }
        };
        if panics > 0 {
            drop(self.rebuild());
        }
        (answers, panics)
    }
}

/// Weights as they were asked for, all of them numbers.
fn checked(window: &Window, targets: &[Target], weights: Vec<Vec<f32>>) -> Weights {
    let whole = weights.len() == targets.len()
        && weights.iter().all(|list| list.len() == window.ids.len() && list.iter().all(|w| w.is_finite()));
    if whole {
        return Ok(weights);
    }
    Err(EngineError::Runtime("the engine's explanation does not fit its window".to_owned()))
}

fn halve(engine: &mut dyn Engine, windows: &[Window], panics: &mut u64) -> Vec<Answer> {
    match catch_unwind(AssertUnwindSafe(|| engine.infer(windows))) {
        Ok(mut answers) => {
            let missing = || Err(EngineError::Runtime("the engine gave no answer to this window".into()));
            answers.resize_with(windows.len(), missing);
            answers
        }
        Err(panic) => {
            *panics += 1;
            if windows.len() < 2 {
                // The panic's own message may quote the text.
                drop(panic);
                let reason = "the engine panicked on this text".to_owned();
                return windows.iter().map(|_| Err(EngineError::Runtime(reason.clone()))).collect();
            }
            let (left, right) = windows.split_at(windows.len() / 2);
            let mut answers = halve(engine, left, panics);
            answers.extend(halve(engine, right, panics));
            answers
        }
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
