//! Notices that work is under way and none of it comes to an end: a hung engine, a database or a broker that is away for
//! long. A plain value; the time comes in.

use std::time::{Duration, Instant};

/// Without an end of any message for so long, the worker stands still.
const LIMIT: Duration = Duration::from_secs(60);

/// When the last message came to its end.
#[derive(Debug)]
pub struct Stall {
    since: Instant,
    told: bool,
}

/// What is to be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing has come to an end for so long.
    Stalled(Duration),
    /// Something did again.
    Moving,
}

impl Stall {
    /// Moving now.
    pub fn new(now: Instant) -> Self {
        Self { since: now, told: false }
    }

    /// A message came to its end.
    pub fn progress(&mut self, now: Instant) {
        self.since = now;
    }

    /// Looks, with the number of messages under way; says something when it has changed.
    pub fn look(&mut self, under_way: usize, now: Instant) -> Option<Change> {
        if under_way == 0 {
            self.since = now;
        }
        let still = now - self.since;
        let stalled = still >= LIMIT;
        if stalled == self.told {
            return None;
        }
        self.told = stalled;
        Some(if stalled { Change::Stalled(still) } else { Change::Moving })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn told_once_when_it_begins_and_once_when_it_ends() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut stall = Stall::new(start);
        assert_eq!(stall.look(0, at(300)), None, "idle is not stalled");
        assert_eq!(stall.look(3, at(330)), None);
        stall.progress(at(340));
        assert_eq!(stall.look(3, at(399)), None);
        assert_eq!(stall.look(3, at(400)), Some(Change::Stalled(LIMIT)));
        assert_eq!(stall.look(3, at(401)), None);
        stall.progress(at(500));
        assert_eq!(stall.look(2, at(501)), Some(Change::Moving));
        assert_eq!(stall.look(2, at(502)), None);
    }
}
