//! Pauses between tries: doubling up to a cap, ended early by shutdown.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock;

/// Longest pause between two tries.
const CAP: Duration = Duration::from_secs(5);

/// Counts tries of one stage of one message.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    attempt: u32,
}

impl Backoff {
    /// First pause as given, doubling up to five seconds.
    pub fn new(first: Duration) -> Self {
        Self { first, attempt: 0 }
    }

    /// Tries so far.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Counts a failed try and says how long to pause.
    pub fn next_pause(&mut self) -> Duration {
        let pause = self.first.saturating_mul(2u32.saturating_pow(self.attempt)).min(CAP);
        self.attempt += 1;
        pause
    }

    /// Counts a failed try and pauses. `false` when `stop` came first.
    pub async fn pause(&mut self, stop: &CancellationToken) -> bool {
        let pause = self.next_pause();
        tokio::select! {
            biased;
            () = stop.cancelled() => false,
            () = clock::sleep(pause) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_cap() {
        let mut backoff = Backoff::new(Duration::from_millis(100));
        let pauses: Vec<u128> = (0..8).map(|_| backoff.next_pause().as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(backoff.attempt(), 8);
    }

    #[tokio::test]
    async fn shutdown_ends_the_pause() {
        let stop = CancellationToken::new();
        stop.cancel();
        assert!(!Backoff::new(Duration::from_secs(60)).pause(&stop).await);
    }
}
