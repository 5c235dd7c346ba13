//! Pauses of the worker. A simulation puts a clock of its own in place, for the thread that it runs on: time then jumps
//! from pause to pause, and every run with the same seed is the same. Only debug builds look for one.

use std::time::Duration;

/// Goes by in `pause`, reckoned from the call.
#[cfg(debug_assertions)]
pub fn sleep(pause: Duration) -> impl Future<Output = ()> + Send {
    use futures::future::Either;
    match simulated::sleep(pause) {
        Some(simulated) => Either::Left(simulated),
        None => Either::Right(tokio::time::sleep(pause)),
    }
}

/// Goes by in `pause`, reckoned from the call.
#[cfg(not(debug_assertions))]
pub fn sleep(pause: Duration) -> impl Future<Output = ()> + Send {
    tokio::time::sleep(pause)
}

#[cfg(debug_assertions)]
pub mod simulated {
    //! The clock of a simulation.

    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    /// Turns that everything ready to run gets before the time jumps.
    const TURNS: usize = 3;

    #[derive(Default)]
    struct Clock {
        now: Duration,
        next: u64,
        /// Who sleeps, by the time to wake and the order of falling asleep.
        sleeping: BTreeMap<(Duration, u64), Waker>,
    }

    thread_local! {
        static CLOCK: RefCell<Option<Clock>> = const { RefCell::new(None) };
    }

    fn with<T>(act: impl FnOnce(&mut Clock) -> T) -> Option<T> {
        CLOCK.with(|clock| clock.borrow_mut().as_mut().map(act))
    }

    /// Time since the simulation began; none outside of one.
    pub fn now() -> Option<Duration> {
        with(|clock| clock.now)
    }

    pub(super) fn sleep(pause: Duration) -> Option<Sleep> {
        with(|clock| {
            clock.next += 1;
            Sleep((clock.now.saturating_add(pause), clock.next))
        })
    }

    /// Ends at its time.
    pub(super) struct Sleep((Duration, u64));

    impl Future for Sleep {
        type Output = ();

        fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
            let awake = with(|clock| {
                if clock.now >= self.0.0 {
                    return true;
                }
                clock.sleeping.insert(self.0, context.waker().clone());
                false
            });
            // Without its clock, the simulation is over.
            if awake.unwrap_or(true) { Poll::Ready(()) } else { Poll::Pending }
        }
    }

    impl Drop for Sleep {
        fn drop(&mut self) {
            let _ = CLOCK.try_with(|clock| {
                if let Ok(mut clock) = clock.try_borrow_mut()
                    && let Some(clock) = clock.as_mut()
                {
                    clock.sleeping.remove(&self.0);
                }
            });
        }
    }

    /// Whether there was anybody to wake.
    fn jump() -> bool {
        let woken = with(|clock| {
            let (at, waker) = clock.sleeping.pop_first()?;
            clock.now = clock.now.max(at.0);
            Some(waker)
        });
        match woken.flatten() {
            Some(waker) => {
                waker.wake();
                true
            }
            None => false,
        }
    }

    /// Runs a future, and everything it spawns, on this thread by a clock that begins at zero. When everything sleeps, the
    /// first to wake does so at once. `None` when everything waits and nobody sleeps, so that it would never end.
    ///
    /// # Errors
    /// The runtime cannot be built.
    pub fn run<F: Future>(future: F) -> std::io::Result<Option<F::Output>> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        CLOCK.with(|clock| *clock.borrow_mut() = Some(Clock::default()));
        let output = runtime.block_on(async {
            tokio::pin!(future);
            loop {
                tokio::select! {
                    biased;
                    output = &mut future => return Some(output),
                    () = everybody_had_a_turn() => {}
                }
                if !jump() {
                    return None;
                }
            }
        });
        // What is left over is dropped by a clock that still runs.
        drop(runtime);
        CLOCK.with(|clock| *clock.borrow_mut() = None);
        Ok(output)
    }

    async fn everybody_had_a_turn() {
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
        }
    }

    #[cfg(test)]
    mod tests {
        use std::sync::{Arc, Mutex};

        use super::*;

        #[test]
        fn sleepers_wake_in_order_and_no_time_is_lost() {
            let order = Arc::new(Mutex::new(Vec::new()));
            let started = std::time::Instant::now();
            let ended = run(async {
                let tasks: Vec<_> = [(3, "c"), (1, "a"), (2, "b"), (1, "a too")]
                    .into_iter()
                    .map(|(hours, name)| {
                        let order = Arc::clone(&order);
                        tokio::spawn(async move {
                            crate::clock::sleep(Duration::from_secs(3600 * hours)).await;
                            order.lock().unwrap().push((name, now().unwrap().as_secs() / 3600));
                        })
                    })
                    .collect();
                for task in tasks {
                    task.await.unwrap();
                }
                now()
            });
            assert_eq!(ended.unwrap(), Some(Some(Duration::from_secs(3 * 3600))));
            assert_eq!(*order.lock().unwrap(), [("a", 1), ("a too", 1), ("b", 2), ("c", 3)]);
            assert!(started.elapsed() < Duration::from_secs(60));
            assert_eq!(now(), None);
        }

        #[test]
        fn what_never_ends_is_told() {
            assert_eq!(run(std::future::pending::<()>()).unwrap(), None);
        }
    }
}
