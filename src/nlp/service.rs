//! The engine on a thread of its own. Async callers hand in windows and await their answers; a bounded queue holds
//! them back when the engine falls behind. A panic of the engine is an error of the windows that caused it, never of
//! the process: the batch is halved until the culprit stands alone, then the engine is built anew.

mod answers;
mod thread;

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::batch::{BatchFormer, Limits};
use super::engine::{Engine, EngineError, Target, Window, WindowOutput};
use super::pack::PackError;
use crate::telemetry::events;
use answers::{Answers, Key};

/// Explanations that may wait before callers are held back.
const EXPLANATIONS: usize = 64;

/// After a failed rebuild the engine is not tried again for so long.
const REBUILD_PAUSE: Duration = Duration::from_secs(2);

/// How the engine thread works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineSettings {
    /// Tokens in one batch at most.
    pub batch_tokens: usize,
    /// How long a lone window waits for company.
    pub batch_wait: Duration,
    /// Windows that may wait before callers are held back.
    pub queue: usize,
    /// Answers that are kept for windows that come again; 0 keeps none.
    pub cache: usize,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self { batch_tokens: 2048, batch_wait: Duration::from_millis(2), queue: 4096, cache: 0 }
    }
}

/// How the engine fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineHealth {
    /// It answers.
    Ready,
    /// It panicked and could not be built anew; it is tried again with later windows.
    Failing(String),
    /// Its thread has ended.
    Stopped,
}

/// Counts since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EngineCounts {
    /// Batches run.
    pub batches: u64,
    /// Windows answered by the engine.
    pub windows: u64,
    /// Windows answered from what it said before.
    pub cached: u64,
    /// Tokens read.
    pub tokens: u64,
    /// Windows explained.
    pub explained: u64,
    /// Panics caught.
    pub panics: u64,
    /// Time spent inside the engine.
    pub busy: Duration,
}

/// Builds the engine, on its thread: at the start and after a panic.
type Build = Box<dyn FnMut() -> Result<Box<dyn Engine>, PackError> + Send>;

type Answer = Result<WindowOutput, EngineError>;

struct Job {
    window: Window,
    key: Option<Key>,
    reply: oneshot::Sender<Answer>,
    _place: OwnedSemaphorePermit,
}

type Weights = Result<Vec<Vec<f32>>, EngineError>;

/// A window whose answers are to be explained.
struct Question {
    window: Window,
    targets: Vec<Target>,
    reply: oneshot::Sender<Weights>,
    _place: OwnedSemaphorePermit,
}

/// What the engine does next.
enum Work {
    Batch(Vec<Job>),
    Explain(Box<Question>),
}

struct State {
    queue: BatchFormer<Job>,
    questions: VecDeque<Question>,
    /// A batch has run since the last explanation.
    answered: bool,
    health: EngineHealth,
    counts: EngineCounts,
    answers: Answers,
    stopping: bool,
}

struct Shared {
    state: Mutex<State>,
    arrived: Condvar,
    places: Arc<Semaphore>,
    question_places: Arc<Semaphore>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while holding it, and every field stays valid by itself.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stop(&self) {
        self.state().stopping = true;
        self.places.close();
        self.question_places.close();
        self.arrived.notify_all();
    }
}

/// Ends the thread when the last handle goes.
struct Owner {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

/// Asks the engine. Cheap to clone; the thread ends when the last one is dropped or [`EngineHandle::stop`] is called.
#[derive(Clone)]
pub struct EngineHandle {
    owner: Arc<Owner>,
}

impl std::fmt::Debug for EngineHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EngineHandle").field("health", &self.health()).finish_non_exhaustive()
    }
}

impl EngineHandle {
    /// Starts the thread and waits until `build` has made the engine there (a pack takes about a second), so that a
    /// bad pack is an error here.
    pub fn spawn(
        build: impl FnMut() -> Result<Box<dyn Engine>, PackError> + Send + 'static,
        settings: EngineSettings,
    ) -> Result<Self, PackError> {
        let queue = settings.queue.clamp(1, Semaphore::MAX_PERMITS);
        let limits = Limits { tokens: settings.batch_tokens.max(1), wait: settings.batch_wait, queue };
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                queue: BatchFormer::new(limits),
                questions: VecDeque::new(),
                answered: true,
                health: EngineHealth::Ready,
                counts: EngineCounts::default(),
                answers: Answers::new(settings.cache),
                stopping: false,
            }),
            arrived: Condvar::new(),
            places: Arc::new(Semaphore::new(queue)),
            question_places: Arc::new(Semaphore::new(EXPLANATIONS)),
        });
        let (built, first) = std::sync::mpsc::sync_channel(1);
        let failed = |reason: String| PackError::Load { path: "engine".into(), reason };
        let thread = std::thread::Builder::new()
            .name("smista-engine".into())
            .spawn({
                let shared = Arc::clone(&shared);
                let alive = Alive::new();
                move || {
                    let _alive = alive;
                    thread::run(&shared, Box::new(build), &built);
                }
            })
            .map_err(|error| failed(format!("its thread cannot start: {error}")))?;
        match first.recv() {
            Ok(Ok(())) => Ok(Self { owner: Arc::new(Owner { shared, thread: Mutex::new(Some(thread)) }) }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(failed("its thread ended while building it".into())),
        }
    }

    /// Answers every window, in order. Waits while the queue is full. Dropping the future gives the windows up.
    pub async fn infer(&self, windows: Vec<Window>) -> Vec<Result<WindowOutput, EngineError>> {
        let mut answers = Vec::with_capacity(windows.len());
        for window in windows {
            answers.push(self.send(window).await);
        }
        let mut outputs = Vec::with_capacity(answers.len());
        for answer in answers {
            outputs.push(match answer {
                Some(answer) => answer.await.unwrap_or(Err(EngineError::Stopped)),
                None => Err(EngineError::Stopped),
            });
        }
        outputs
    }

    /// The weight of every token of a window for each target, see [`Engine::explain`]. Explanations run one at a time
    /// and alone, at most one between two batches while windows wait, so that they neither hold others up nor depend
    /// on them.
    pub async fn explain(&self, window: Window, targets: Vec<Target>) -> Weights {
        let shared = &self.owner.shared;
        let place = Arc::clone(&shared.question_places).acquire_owned().await;
        let place = place.map_err(|_| EngineError::Stopped)?;
        let (reply, answer) = oneshot::channel();
        {
            let mut state = shared.state();
            if state.stopping || state.health == EngineHealth::Stopped {
                return Err(EngineError::Stopped);
            }
            state.questions.push_back(Question { window, targets, reply, _place: place });
        }
        shared.arrived.notify_one();
        answer.await.unwrap_or(Err(EngineError::Stopped))
    }

    /// How the engine fares.
    pub fn health(&self) -> EngineHealth {
        self.owner.shared.state().health.clone()
    }

    /// What it has done so far.
    pub fn counts(&self) -> EngineCounts {
        self.owner.shared.state().counts
    }

    /// Windows that wait.
    pub fn waiting(&self) -> usize {
        self.owner.shared.state().queue.len()
    }

    /// Answers what waits, takes nothing new, and returns when the thread has ended. Blocks: not for an async thread.
    pub fn stop(&self) {
        self.owner.shared.stop();
        let thread = self.owner.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A thread that panicked has stopped as well, and its callers were told.
            drop(thread.join());
        }
    }

    async fn send(&self, window: Window) -> Option<oneshot::Receiver<Answer>> {
        let shared = &self.owner.shared;
        let key = {
            let mut state = shared.state();
            let key = state.answers.key(&window);
            if let Some(known) = key.and_then(|key| state.answers.get(&key)) {
                state.counts.cached += 1;
                events::WindowCached.emit();
                let (reply, answer) = oneshot::channel();
                drop(reply.send(Ok(known)));
                return Some(answer);
            }
            key
        };
        let place = Arc::clone(&shared.places).acquire_owned().await.ok()?;
        let (reply, answer) = oneshot::channel();
        let tokens = window.ids.len();
        {
            let mut state = shared.state();
            if state.stopping || state.health == EngineHealth::Stopped {
                return None;
            }
            // The permit is the place in the queue, so it cannot be full.
            state.queue.push(Instant::now(), tokens, Job { window, key, reply, _place: place }).ok()?;
        }
        shared.arrived.notify_one();
        Some(answer)
    }
}

/// Engine threads of the process that have not ended.
static ALIVE: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// Waits until every engine thread has ended, at most so long; `false` when one has not. Called before the process ends:
/// a runtime that still computes while its libraries are torn down crashes. Their handles must be dropped or stopped.
pub fn wait_for_all(limit: Duration) -> bool {
    let alive = ALIVE.0.lock().unwrap_or_else(PoisonError::into_inner);
    let waited = ALIVE.1.wait_timeout_while(alive, limit, |alive| *alive > 0);
    *waited.unwrap_or_else(PoisonError::into_inner).0 == 0
}

/// Counts a thread as ended, however it ends.
struct Alive;

impl Alive {
    fn new() -> Self {
        *ALIVE.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Self
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        *ALIVE.0.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        ALIVE.1.notify_all();
    }
}

#[cfg(test)]
mod tests;
