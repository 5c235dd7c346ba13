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
    spawn_with(EngineSettings { queue, ..EngineSettings::default() })
}

fn spawn_with(settings: EngineSettings) -> (EngineHandle, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let (largest, builds) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (inside, count) = (Arc::clone(&largest), Arc::clone(&builds));
    let build = move || {
        count.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(Fake { largest: Arc::clone(&inside) }) as Box<dyn Engine>)
    };
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
async fn what_comes_again_is_answered_without_the_engine() {
    let (handle, ..) = spawn_with(EngineSettings { cache: 8, ..EngineSettings::default() });
    handle.infer(windows(&[3, 1])).await;
    for _ in 0..2 {
        let again = handle.infer(windows(&[1, 3, 99])).await;
        assert_eq!((first(&again[0]), first(&again[1]), first(&again[2])), (Some(1.0), Some(3.0), None));
    }
    let counts = handle.counts();
    assert_eq!((counts.windows, counts.cached), (4, 4), "an error is not kept");
    let (handle, ..) = spawn(8);
    handle.infer(windows(&[3])).await;
    handle.infer(windows(&[3])).await;
    assert_eq!(handle.counts().cached, 0, "none are kept unless asked");
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
    assert!(matches!(&answers[0], Err(EngineError::Runtime(reason)) if reason.contains("weights are gone")));
    assert!(matches!(handle.health(), EngineHealth::Failing(_)));
}
