//! The engine on a thread of its own. Async callers hand in windows and await their answers; a bounded queue holds
//! them back when the engine falls behind. A panic of the engine is an error of the windows that caused it, never of
//! the process: the batch is halved until the culprit stands alone, then the engine is built anew.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::batch::{BatchFormer, Limits, Next};
use super::engine::{Engine, EngineError, Target, Window, WindowOutput};
use super::pack::PackError;

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
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self { batch_tokens: 2048, batch_wait: Duration::from_millis(2), queue: 4096 }
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
    /// Windows answered.
    pub windows: u64,
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
                    run(&shared, Box::new(build), &built);
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
        let place = Arc::clone(&shared.places).acquire_owned().await.ok()?;
        let (reply, answer) = oneshot::channel();
        let tokens = window.ids.len();
        {
            let mut state = shared.state();
            if state.stopping || state.health == EngineHealth::Stopped {
                return None;
            }
            // The permit is the place in the queue, so it cannot be full.
            state.queue.push(Instant::now(), tokens, Job { window, reply, _place: place }).ok()?;
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

fn run(shared: &Shared, build: Build, built: &std::sync::mpsc::SyncSender<Result<(), PackError>>) {
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
    for Job { window, reply, _place } in jobs {
        if !reply.is_closed() {
            windows.push(window);
            replies.push((reply, _place));
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
        state.counts.tokens += windows.iter().map(|window| window.ids.len() as u64).sum::<u64>();
        state.counts.panics += panics;
        state.counts.busy += started.elapsed();
    }
    for ((reply, _place), output) in replies.into_iter().zip(outputs) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Answers with the first id; panics on id 13, is slow on id 77, gives no answer from id 99 on.
    struct Fake {
        largest: Arc<AtomicUsize>,
    }

    impl Engine for Fake {
        fn infer(&mut self, windows: &[Window]) -> Vec<Answer> {
            self.largest.fetch_max(windows.len(), Ordering::SeqCst);
            let ids: Vec<u32> = windows.iter().map(|window| window.ids[0]).collect();
            assert!(!ids.contains(&13), "thirteen");
            if ids.contains(&77) {
                std::thread::sleep(Duration::from_millis(50));
            }
            ids.iter()
                .take_while(|id| **id != 99)
                .map(|id| {
                    #[expect(clippy::cast_precision_loss, reason = "small test ids")]
                    let id = *id as f32;
                    Ok(WindowOutput { sentiment: vec![id], ..WindowOutput::default() })
                })
                .collect()
        }

        /// Every token weighs its label's number; number 99 is no number, and number 7 forgets a token.
        fn explain(&mut self, window: &Window, targets: &[Target]) -> Weights {
            assert!(!window.ids.contains(&13), "thirteen");
            if window.ids.contains(&77) {
                std::thread::sleep(Duration::from_millis(20));
            }
            let weigh = |target: &Target| match target.label {
                99 => vec![f32::NAN; window.ids.len()],
                7 => vec![7.0; window.ids.len() - 1],
                #[expect(clippy::cast_precision_loss, reason = "small test ids")]
                label => vec![label as f32; window.ids.len()],
            };
            Ok(targets.iter().map(weigh).collect())
        }
    }

    fn window(id: u32) -> Window {
        Window { ids: vec![id], text: Arc::from("") }
    }

    fn target(label: usize) -> Target {
        Target { kind: crate::nlp::labels::LabelKind::Signal, label }
    }

    #[tokio::test]
    async fn an_explanation_is_answered_checked_and_survives_a_panic() {
        let (handle, _, builds) = spawn(64);
        let wide = Window { ids: vec![4, 5], text: Arc::from("") };
        assert_eq!(handle.explain(wide.clone(), vec![target(2)]).await, Ok(vec![vec![2.0; 2]]));
        assert!(handle.explain(wide.clone(), vec![target(99)]).await.is_err(), "no number");
        assert!(handle.explain(wide, vec![target(7)]).await.is_err(), "too few weights");
        assert!(handle.explain(window(13), vec![target(1)]).await.is_err());
        assert_eq!(first(&handle.infer(windows(&[8])).await[0]), Some(8.0));
        assert_eq!((builds.load(Ordering::SeqCst), handle.counts().explained), (2, 4));
    }

    /// Writes down what it does; window 77 waits for a word from outside.
    struct Noting(Arc<Mutex<Vec<&'static str>>>, std::sync::mpsc::Receiver<()>);

    impl Engine for Noting {
        fn infer(&mut self, windows: &[Window]) -> Vec<Answer> {
            if windows[0].ids == [77] {
                self.1.recv().unwrap();
            }
            self.0.lock().unwrap().push("answered");
            windows.iter().map(|_| Ok(WindowOutput::default())).collect()
        }

        fn explain(&mut self, window: &Window, targets: &[Target]) -> Weights {
            self.0.lock().unwrap().push("explained");
            Ok(vec![vec![0.0; window.ids.len()]; targets.len()])
        }
    }

    #[tokio::test]
    async fn explanations_take_turns_with_waiting_windows() {
        let (go, gate) = std::sync::mpsc::channel();
        let notes = Arc::new(Mutex::new(Vec::new()));
        let mut engine = Some(Noting(Arc::clone(&notes), gate));
        let build = move || Ok(Box::new(engine.take().unwrap()) as Box<dyn Engine>);
        let handle = EngineHandle::spawn(build, EngineSettings::default()).unwrap();
        let busy = tokio::spawn({
            let handle = handle.clone();
            async move { handle.infer(windows(&[77])).await }
        });
        tokio::task::yield_now().await;
        while handle.waiting() > 0 {
            tokio::task::yield_now().await;
        }
        let all = tokio::spawn({
            let handle = handle.clone();
            async move {
                let (one, two) = (vec![target(1)], vec![target(1)]);
                let first = handle.explain(window(1), one);
                let second = handle.explain(window(1), two);
                let answered = handle.infer(windows(&[3]));
                futures::join!(first, second, answered)
            }
        });
        while handle.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        go.send(()).unwrap();
        let (first, second, answered) = all.await.unwrap();
        assert!(first.is_ok() && second.is_ok() && answered[0].is_ok() && busy.await.unwrap()[0].is_ok());
        assert_eq!(*notes.lock().unwrap(), ["answered", "explained", "answered", "explained"]);
    }

    #[tokio::test]
    async fn an_engine_may_have_no_explanations() {
        struct Mute;
        impl Engine for Mute {
            fn infer(&mut self, _: &[Window]) -> Vec<Answer> {
                Vec::new()
            }
        }
        let handle = EngineHandle::spawn(|| Ok(Box::new(Mute)), EngineSettings::default()).unwrap();
        assert_eq!(handle.explain(window(1), vec![target(1)]).await, Err(EngineError::NoExplanation));
        handle.stop();
        assert_eq!(handle.explain(window(1), vec![target(1)]).await, Err(EngineError::Stopped));
    }

    fn windows(ids: &[u32]) -> Vec<Window> {
        ids.iter().copied().map(window).collect()
    }

    fn first(answer: &Answer) -> Option<f32> {
        answer.as_ref().ok().map(|output| output.sentiment[0])
    }

    fn spawn(queue: usize) -> (EngineHandle, Arc<AtomicUsize>, Arc<AtomicUsize>) {
        let (largest, builds) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (inside, count) = (Arc::clone(&largest), Arc::clone(&builds));
        let build = move || {
            count.fetch_add(1, Ordering::SeqCst);
            Ok(Box::new(Fake { largest: Arc::clone(&inside) }) as Box<dyn Engine>)
        };
        let settings = EngineSettings { queue, ..EngineSettings::default() };
        (EngineHandle::spawn(build, settings).unwrap(), largest, builds)
    }

    #[tokio::test]
    async fn answers_come_in_order() {
        let (handle, ..) = spawn(64);
        let answers = handle.infer(windows(&[3, 1, 2])).await;
        assert_eq!(answers.iter().map(first).collect::<Vec<_>>(), [Some(3.0), Some(1.0), Some(2.0)]);
        assert_eq!(handle.infer(Vec::new()).await, []);
        assert_eq!((handle.health(), handle.counts().windows), (EngineHealth::Ready, 3));
    }

    #[tokio::test]
    async fn a_panic_hurts_only_its_window_and_the_engine_is_built_anew() {
        let (handle, _, builds) = spawn(64);
        let answers = handle.infer(windows(&[1, 2, 13, 4, 5])).await;
        let numbers: Vec<_> = answers.iter().map(first).collect();
        assert_eq!(numbers, [Some(1.0), Some(2.0), None, Some(4.0), Some(5.0)]);
        assert!(
            matches!(&answers[2], Err(EngineError::Runtime(reason)) if reason.contains("panicked") && !reason.contains("thirteen")),
            "what it says may quote the text"
        );
        assert_eq!(first(&handle.infer(windows(&[8])).await[0]), Some(8.0));
        assert_eq!((builds.load(Ordering::SeqCst), handle.health()), (2, EngineHealth::Ready));
        assert!(handle.counts().panics > 0);
    }

    #[tokio::test]
    async fn a_missing_answer_is_an_error() {
        let (handle, ..) = spawn(64);
        assert!(matches!(handle.infer(windows(&[99])).await[0], Err(EngineError::Runtime(_))));
    }

    #[tokio::test]
    async fn what_gathers_while_the_engine_is_busy_goes_in_one_batch() {
        let (handle, largest, _) = spawn(64);
        let slow = tokio::spawn({
            let handle = handle.clone();
            async move { handle.infer(windows(&[77])).await }
        });
        tokio::time::sleep(Duration::from_millis(15)).await;
        let many = futures::future::join_all((0..20).map(|id| handle.infer(windows(&[id])))).await;
        assert_eq!(many.len(), 20);
        assert_eq!(first(&slow.await.unwrap()[0]), Some(77.0));
        assert!(largest.load(Ordering::SeqCst) >= 15, "{largest:?}");
    }

    #[tokio::test]
    async fn a_small_queue_holds_callers_back_and_loses_nothing() {
        let (handle, ..) = spawn(2);
        let ids: Vec<u32> = (20..70).collect();
        let answers = handle.infer(windows(&ids)).await;
        assert!(answers.iter().all(Result::is_ok) && answers.len() == 50);
    }

    #[tokio::test]
    async fn stopping_answers_what_waits_and_refuses_the_rest() {
        let (handle, ..) = spawn(64);
        let waiting = tokio::spawn({
            let handle = handle.clone();
            async move { handle.infer(windows(&[77, 1])).await }
        });
        tokio::time::sleep(Duration::from_millis(10)).await;
        let stopper = handle.clone();
        tokio::task::spawn_blocking(move || stopper.stop()).await.unwrap();
        assert!(waiting.await.unwrap().iter().all(Result::is_ok));
        assert_eq!(handle.infer(windows(&[1])).await, [Err(EngineError::Stopped)]);
        assert_eq!(handle.health(), EngineHealth::Stopped);
    }

    #[test]
    fn a_build_that_fails_or_panics_is_an_error_of_the_start() {
        let failing = || Err(PackError::Load { path: "x".into(), reason: "no weights".into() });
        assert!(EngineHandle::spawn(failing, EngineSettings::default()).is_err());
        let panicking = || panic!("no luck");
        let error = EngineHandle::spawn(panicking, EngineSettings::default()).unwrap_err();
        assert!(error.to_string().contains("no luck"), "{error}");
    }

    #[tokio::test]
    async fn an_engine_that_cannot_be_built_anew_is_failing_and_says_why() {
        let mut built = false;
        let build = move || {
            if std::mem::replace(&mut built, true) {
                return Err(PackError::Load { path: "x".into(), reason: "weights are gone".into() });
            }
            Ok(Box::new(Fake { largest: Arc::default() }) as Box<dyn Engine>)
        };
        let handle = EngineHandle::spawn(build, EngineSettings::default()).unwrap();
        assert!(handle.infer(windows(&[13])).await[0].is_err());
        let answers = handle.infer(windows(&[1])).await;
        assert!(
            matches!(&answers[0], Err(EngineError::Runtime(reason)) if reason.contains("weights are gone"))
        );
        assert!(matches!(handle.health(), EngineHealth::Failing(_)));
    }
}
