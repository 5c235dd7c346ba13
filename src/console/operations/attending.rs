//! Whether the workers on their list live: each raises a number every second while it does, and no two clocks are compared.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::console::Console;
use crate::store::Attendance;

/// The list is read so often.
const EVERY: Duration = Duration::from_secs(5);
/// A worker whose number stood still for longer is taken for dead.
const SILENT: Duration = Duration::from_secs(20);

/// Whether it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::console) enum Life {
    /// Its number has risen lately.
    Lives,
    /// It has not been looked at for long enough.
    Unknown,
    /// It stands still.
    Silent,
}

impl Life {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lives => "lives",
            Self::Unknown => "unknown",
            Self::Silent => "silent",
        }
    }
}

/// A worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::console) struct Attending {
    /// With whom it shares input queues.
    pub team: String,
    /// Its name.
    pub worker: String,
    /// Input queues it is subscribed to.
    pub subscriptions: usize,
    /// Whether it lives.
    pub life: Life,
    /// Since when its number stands still, as far as this console has seen.
    pub still_for: Duration,
}

struct Seen {
    beat: i64,
    since: Instant,
    has_risen: bool,
}

/// What was seen of them so far.
#[derive(Default)]
pub(in crate::console) struct Roll(Mutex<BTreeMap<(String, String), Seen>>);

impl Roll {
    /// Looks at the list as it is now.
    pub fn look(&self, rows: Vec<(String, Attendance)>, now: Instant) -> Vec<Attending> {
        let mut roll = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = BTreeMap::new();
        let mut told = Vec::new();
        for (team, row) in rows {
            let key = (team.clone(), row.worker.clone());
            let seen = match roll.remove(&key) {
                Some(seen) if seen.beat == row.beat => seen,
                Some(_) => Seen { beat: row.beat, since: now, has_risen: true },
                None => Seen { beat: row.beat, since: now, has_risen: false },
            };
            let still_for = now.duration_since(seen.since);
            let life = match (still_for > SILENT, seen.has_risen) {
                (true, _) => Life::Silent,
                (false, true) => Life::Lives,
                (false, false) => Life::Unknown,
            };
            told.push(Attending {
                team,
                worker: row.worker,
                subscriptions: row.places.len(),
                life,
                still_for,
            });
            next.insert(key, seen);
        }
        *roll = next;
        told
    }
}

/// Looks again and again until the console stops.
pub(in crate::console) async fn watch(console: Arc<Console>) {
    loop {
        tokio::select! {
            biased;
            () = console.stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        // The page itself tells when the store is away.
        if let Ok(rows) = console.store.attending().await {
            console.attending.look(rows, Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_rises_lives_and_who_stands_still_does_not() {
        let (roll, start) = (Roll::default(), Instant::now());
        let look = |seconds: u64, beat: i64| {
            let row = Attendance { worker: "w".into(), beat, places: vec![1, 2] };
            roll.look(vec![("t".into(), row)], start + Duration::from_secs(seconds))[0].life
        };
        assert_eq!(look(0, 7), Life::Unknown);
        assert_eq!(look(5, 8), Life::Lives);
        assert_eq!(look(24, 8), Life::Lives);
        assert_eq!(look(26, 8), Life::Silent);
        assert_eq!(look(30, 9), Life::Lives);
        assert!(roll.look(Vec::new(), start).is_empty());
        assert_eq!(
            roll.look(vec![("t".into(), Attendance { worker: "w".into(), beat: 9, places: vec![] })], start)
                [0]
            .life,
            Life::Unknown
        );
    }
}
