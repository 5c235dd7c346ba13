//! Messages that were at work when workers died. The broker counts their deliveries, but it counts those of all messages
//! the dead worker held: left to its limit, the neighbours of a deadly message are parked with it. So a message that came
//! back more than once is worked on alone, with a note in the store that is kept fresh meanwhile. Who finds another
//! worker's note waits: it goes when that worker has come to an end with the message, as one does that has only lost its
//! connection; where it stands still, the worker died, and it is known what of.

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use tokio::sync::RwLock;
use uuid::Uuid;

use super::pipeline::PipelineError;
use crate::clock;
use crate::store::{Alone, Store};

/// Deliveries that did not come to an end, from which on a message is suspected. A worker that dies once in a while slows
/// nothing down.
const SUSPECT_AFTER: u32 = 2;

/// How often a worker shows that it lives, and how often another looks.
const BEAT: Duration = Duration::from_secs(1);

/// So many looks in a row that found the same say that the other worker is dead. Looks that the store did not answer do
/// not count: nobody can show anything then.
const DEAD_LOOKS: u32 = 6;

/// Who may be at work now.
pub struct Suspects {
    /// Read by whoever works beside others, written by whoever works alone.
    turn: RwLock<()>,
    /// This process, as it stands in notes.
    me: String,
}

impl Default for Suspects {
    fn default() -> Self {
        Self { turn: RwLock::new(()), me: Uuid::new_v4().to_string() }
    }
}

impl Suspects {
    /// One try of the work on a message.
    ///
    /// # Errors
    /// Those of the work; [`PipelineError::Deadly`] when a worker has died of this message; those of the store, before
    /// anything was done.
    pub async fn attempt<T>(
        &self,
        store: &dyn Store,
        message_id: &str,
        earlier_deliveries: u32,
        work: impl Future<Output = Result<T, PipelineError>>,
    ) -> Result<T, PipelineError> {
        if earlier_deliveries < SUSPECT_AFTER {
            let _beside_others = self.turn.read().await;
            return work.await;
        }
        let mut watch = Watch::default();
        loop {
            {
                // The note is made only when the turn has come: it must not stand there while another message is at work.
                let _alone = self.turn.write().await;
                let Some(other) = store.begin_alone(message_id, &self.me).await? else {
                    return self.alone(store, message_id, work).await;
                };
                if watch.stands_still(&other) {
                    // Taken away, so that the message gets another chance when an operator replays it.
                    let _ = store.end_alone(message_id, &other.worker).await;
                    return Err(PipelineError::Deadly);
                }
            }
            clock::sleep(BEAT).await;
        }
    }

    async fn alone<T>(
        &self,
        store: &dyn Store,
        message_id: &str,
        work: impl Future<Output = Result<T, PipelineError>>,
    ) -> Result<T, PipelineError> {
        let done = tokio::select! {
            biased;
            done = work => done,
            never = self.show(store, message_id) => match never {},
        };
        // A note that stays behind is this worker's own, and it does not blame itself.
        let _ = store.end_alone(message_id, &self.me).await;
        done
    }

    /// Keeps the note fresh.
    async fn show(&self, store: &dyn Store, message_id: &str) -> Infallible {
        loop {
            clock::sleep(BEAT).await;
            let _ = store.show_alone(message_id, &self.me).await;
        }
    }

    /// Takes back this worker's notes. Without the store they stay; the worst is a message parked without need.
    pub async fn acquit(&self, store: &dyn Store) {
        let _ = store.acquit(&self.me).await;
    }
}

/// What was seen of another worker's note.
#[derive(Default)]
struct Watch {
    last: Option<Alone>,
    same: u32,
}

impl Watch {
    /// Takes a look in; whether the note has not changed for so many looks that its worker is dead.
    fn stands_still(&mut self, note: &Alone) -> bool {
        if self.last.as_ref() == Some(note) {
            self.same += 1;
        } else {
            self.last = Some(note.clone());
            self.same = 0;
        }
        self.same >= DEAD_LOOKS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite;

    async fn attempt(suspects: &Suspects, store: &dyn Store, earlier: u32) -> Result<(), PipelineError> {
        suspects.attempt(store, "m", earlier, async { Ok(()) }).await
    }

    #[tokio::test]
    async fn a_message_that_a_worker_died_of_is_refused_by_the_next() {
        let store = sqlite::memory().await.unwrap();
        let (first, second) = (Suspects::default(), Suspects::default());
        for earlier in 0..4 {
            attempt(&first, store.as_ref(), earlier).await.unwrap();
        }
        let died = first.attempt::<()>(store.as_ref(), "m", 2, std::future::pending());
        let died = tokio::time::timeout(Duration::from_millis(1500), died).await;
        assert!(died.is_err());
        assert!(matches!(attempt(&second, store.as_ref(), 3).await, Err(PipelineError::Deadly)));
        // Replayed by an operator it gets another chance.
        attempt(&second, store.as_ref(), 3).await.unwrap();
    }

    #[tokio::test]
    async fn a_worker_that_lives_is_waited_for() {
        let store = sqlite::memory().await.unwrap();
        let (first, second) = (Suspects::default(), Suspects::default());
        // Longer than it takes to hold a worker for dead.
        let long = async {
            tokio::time::sleep(BEAT * (DEAD_LOOKS + 3)).await;
            Ok("first")
        };
        let (first, second) = tokio::join!(first.attempt(store.as_ref(), "m", 2, long), async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let begun = std::time::Instant::now();
            attempt(&second, store.as_ref(), 3).await.map(|()| begun.elapsed())
        });
        assert_eq!(first.unwrap(), "first");
        assert!(second.unwrap() >= BEAT * (DEAD_LOOKS + 1), "it did not wait");
    }

    #[tokio::test]
    async fn a_worker_blames_neither_itself_nor_what_it_left_in_good_order() {
        let store = sqlite::memory().await.unwrap();
        let (first, second) = (Suspects::default(), Suspects::default());
        assert_eq!(store.begin_alone("m", &first.me).await.unwrap(), None);
        attempt(&first, store.as_ref(), 2).await.unwrap();
        assert_eq!(store.begin_alone("m", &first.me).await.unwrap(), None);
        first.acquit(store.as_ref()).await;
        attempt(&second, store.as_ref(), 2).await.unwrap();
    }
}
