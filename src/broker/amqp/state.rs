//! What the two connections are doing, told as one state, and the pause between attempts.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::broker::BrokerState;

/// Which connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Consume,
    Publish,
}

/// Keeps the state of each side and publishes the worst of them.
pub(super) struct Board {
    /// Consume, publish; a side that is not in use is `None`.
    sides: Mutex<[Option<BrokerState>; 2]>,
    combined: watch::Sender<BrokerState>,
}

impl Board {
    pub fn new() -> Self {
        Self {
            sides: Mutex::new([None, None]),
            combined: watch::Sender::new(BrokerState::Connecting(String::new())),
        }
    }

    pub fn set(&self, side: Side, state: Option<BrokerState>) {
        let mut sides = self.sides.lock().unwrap_or_else(PoisonError::into_inner);
        let [consume, publish] = &mut *sides;
        match side {
            Side::Consume => *consume = state,
            Side::Publish => *publish = state,
        }
        let worst = sides.iter().flatten().max_by_key(|state| badness(state));
        if let Some(worst) = worst {
            self.combined.send_if_modified(|current| {
                let changed = current != worst;
                current.clone_from(worst);
                changed
            });
        }
    }

    pub fn watch(&self) -> watch::Receiver<BrokerState> {
        self.combined.subscribe()
    }
}

fn badness(state: &BrokerState) -> u8 {
    match state {
        BrokerState::Connected => 0,
        BrokerState::Blocked(_) => 1,
        BrokerState::TopologyMissing(_) => 2,
        BrokerState::Connecting(_) => 3,
        BrokerState::Closed => 4,
    }
}

/// Pauses that double up to a cap, each shortened by up to half so that many workers do not come back in step.
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(100);
    const CAP: Duration = Duration::from_secs(5);

    pub fn new() -> Self {
        Self { next: Self::FIRST }
    }

    pub fn reset(&mut self) {
        self.next = Self::FIRST;
    }

    pub fn pause(&mut self) -> Duration {
        let [random, ..] = *uuid::Uuid::new_v4().as_bytes();
        self.step(random)
    }

    fn step(&mut self, random: u8) -> Duration {
        let full = self.next;
        self.next = (full * 2).min(Self::CAP);
        full.mul_f64(1.0 - f64::from(random) / 510.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worse_side_is_told() {
        let board = Board::new();
        let state = board.watch();
        board.set(Side::Publish, Some(BrokerState::Connected));
        assert_eq!(*state.borrow(), BrokerState::Connected);
        board.set(Side::Consume, Some(BrokerState::Connecting("refused".into())));
        assert_eq!(*state.borrow(), BrokerState::Connecting("refused".into()));
        board.set(Side::Consume, Some(BrokerState::Connected));
        board.set(Side::Publish, Some(BrokerState::Blocked("memory".into())));
        assert_eq!(*state.borrow(), BrokerState::Blocked("memory".into()));
        board.set(Side::Publish, Some(BrokerState::Connected));
        assert_eq!(*state.borrow(), BrokerState::Connected);
    }

    #[test]
    fn pauses_grow_to_five_seconds_and_lose_at_most_half() {
        for random in [0, 100, 255] {
            let mut backoff = Backoff::new();
            let pauses: Vec<Duration> = (0..12).map(|_| backoff.step(random)).collect();
            assert!(pauses.is_sorted());
            assert!(pauses[0] >= Backoff::FIRST / 2 && pauses[0] <= Backoff::FIRST);
            assert!(pauses[11] >= Backoff::CAP / 2 && pauses[11] <= Backoff::CAP);
            backoff.reset();
            assert!(backoff.step(random) <= Backoff::FIRST);
        }
    }
}
