//! Failed sign-ins, per account and per address, so that passwords cannot be tried out. Kept in memory: a restart forgets
//! them, and several consoles count each for itself.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(15 * 60);
/// Failures within the window after which an account waits.
const PER_ACCOUNT: usize = 5;
/// Failures within the window after which an address waits.
const PER_ADDRESS: usize = 20;
/// Names and addresses remembered; what is past the window goes first.
const REMEMBERED: usize = 10_000;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Account(String),
    Address(String),
}

#[derive(Default)]
pub(super) struct Throttle(Mutex<HashMap<Key, Vec<Instant>>>);

impl Throttle {
    /// How long this sign-in has to wait; none when it may be tried. Every try counts until [`Throttle::succeeded`].
    pub fn try_now(&self, account: &str, address: &str, now: Instant) -> Option<Duration> {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() > REMEMBERED {
            failures.retain(|_, times| times.last().is_some_and(|last| now.duration_since(*last) < WINDOW));
        }
        // An account is known by at most so much of its name: the map holds what strangers send.
        let account: String = account.chars().take(64).collect();
        let keys = [(Key::Account(account), PER_ACCOUNT), (Key::Address(address.to_owned()), PER_ADDRESS)];
        let wait = keys.iter().filter_map(|(key, most)| {
            let times = failures.get(key)?;
            let recent = times.iter().filter(|time| now.duration_since(**time) < WINDOW);
            let oldest = recent.clone().next()?;
            (recent.count() >= *most).then(|| WINDOW - now.duration_since(*oldest))
        });
        let wait = wait.max();
        if wait.is_none() {
            for (key, most) in keys {
                let times = failures.entry(key).or_default();
                times.retain(|time| now.duration_since(*time) < WINDOW);
                if times.len() < most {
                    times.push(now);
                }
            }
        }
        wait
    }

    /// The account's failures are forgotten, and the last of the address.
    pub fn succeeded(&self, account: &str, address: &str) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failures.remove(&Key::Account(account.chars().take(64).collect()));
        if let Some(times) = failures.get_mut(&Key::Address(address.to_owned())) {
            times.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_and_an_address_wait_after_failures_and_not_for_ever() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..PER_ACCOUNT {
            assert_eq!(throttle.try_now("ada", "a", now), None);
        }
        assert!(throttle.try_now("ada", "b", now).is_some());
        assert_eq!(throttle.try_now("bob", "b", now), None);
        assert_eq!(throttle.try_now("ada", "b", now + WINDOW), None);
        throttle.succeeded("ada", "b");
        for name in 0..PER_ADDRESS {
            throttle.try_now(&name.to_string(), "c", now);
        }
        assert!(throttle.try_now("eve", "c", now).is_some());
    }
}
