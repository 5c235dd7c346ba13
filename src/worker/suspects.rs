//! Messages that were at work when workers died. The broker counts their deliveries, but it counts those of all messages
//! the dead worker held: left to its limit, the neighbours of a deadly message are parked with it. So a message that came
//! back more than once is worked on alone, with a note in the store; who finds another worker's note knows what it died of.

use std::future::Future;

use tokio::sync::RwLock;
use uuid::Uuid;

use super::pipeline::PipelineError;
use crate::store::Store;

/// Deliveries that did not come to an end, from which on a message is suspected. A worker that dies once in a while slows
/// nothing down.
const SUSPECT_AFTER: u32 = 2;

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
        let _alone = self.turn.write().await;
        let done = if store.begin_alone(message_id, &self.me).await? {
            Err(PipelineError::Deadly)
        } else {
            work.await
        };
        // A note that stays behind is this worker's own, and it does not blame itself.
        let _ = store.end_alone(message_id).await;
        done
    }

    /// Takes back this worker's notes. Without the store they stay; the worst is a message parked without need.
    pub async fn acquit(&self, store: &dyn Store) {
        let _ = store.acquit(&self.me).await;
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
        let died = tokio::time::timeout(std::time::Duration::from_millis(200), died).await;
        assert!(died.is_err());
        assert!(matches!(attempt(&second, store.as_ref(), 3).await, Err(PipelineError::Deadly)));
        // Replayed by an operator it gets another chance.
        attempt(&second, store.as_ref(), 3).await.unwrap();
    }

    #[tokio::test]
    async fn a_worker_blames_neither_itself_nor_what_it_left_in_good_order() {
        let store = sqlite::memory().await.unwrap();
        let (first, second) = (Suspects::default(), Suspects::default());
        assert!(!store.begin_alone("m", &first.me).await.unwrap());
        attempt(&first, store.as_ref(), 2).await.unwrap();
        assert!(!store.begin_alone("m", &first.me).await.unwrap());
        first.acquit(store.as_ref()).await;
        attempt(&second, store.as_ref(), 2).await.unwrap();
    }
}
