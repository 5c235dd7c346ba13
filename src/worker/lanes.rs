//! Customer lanes: work of one key runs one at a time and in order of arrival, work of different keys side by side up to
//! a limit (invariant I3). A plain value without tasks or I/O.

use std::collections::{HashMap, VecDeque};

/// Waiting work by key, and which keys are at work.
#[derive(Debug)]
pub struct Lanes<T> {
    limit: usize,
    running: usize,
    lanes: HashMap<String, Lane<T>>,
    /// Keys with waiting work and nobody at work, in order of arrival; each at most once.
    ready: VecDeque<String>,
}

#[derive(Debug)]
struct Lane<T> {
    waiting: VecDeque<T>,
    running: bool,
}

impl<T> Lanes<T> {
    /// Lanes for at most `limit` keys at work.
    pub fn new(limit: usize) -> Self {
        Self { limit, running: 0, lanes: HashMap::new(), ready: VecDeque::new() }
    }

    /// Adds work at the end of its key's lane.
    pub fn push(&mut self, key: String, work: T) {
        let lane = self
            .lanes
            .entry(key.clone())
            .or_insert_with(|| Lane { waiting: VecDeque::new(), running: false });
        lane.waiting.push_back(work);
        if !lane.running && lane.waiting.len() == 1 {
            self.ready.push_back(key);
        }
    }

    /// The next work that may start, now counted as at work; call [`Lanes::finish`] with its key when it is done.
    pub fn start(&mut self) -> Option<(String, T)> {
        if self.running >= self.limit {
            return None;
        }
        let key = self.ready.pop_front()?;
        let lane = self.lanes.get_mut(&key)?;
        let work = lane.waiting.pop_front()?;
        lane.running = true;
        self.running += 1;
        Some((key, work))
    }

    /// The key's work is done; its next may start.
    pub fn finish(&mut self, key: &str) {
        let Some(lane) = self.lanes.get_mut(key) else { return };
        if !lane.running {
            return;
        }
        lane.running = false;
        self.running -= 1;
        if lane.waiting.is_empty() {
            self.lanes.remove(key);
        } else {
            self.ready.push_back(key.to_owned());
        }
    }

    /// Keys at work.
    pub fn running(&self) -> usize {
        self.running
    }

    /// Work not started.
    pub fn waiting(&self) -> usize {
        self.lanes.values().map(|lane| lane.waiting.len()).sum()
    }

    /// Takes out all work not started, so that it can be given back.
    pub fn drain_waiting(&mut self) -> Vec<T> {
        self.ready.clear();
        let drained = self.lanes.values_mut().flat_map(|lane| lane.waiting.drain(..)).collect();
        self.lanes.retain(|_, lane| lane.running);
        drained
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Push(u8),
        Start,
        Finish(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step =
            prop_oneof![(0u8..5).prop_map(Step::Push), Just(Step::Start), (0usize..8).prop_map(Step::Finish)];
        proptest::collection::vec(step, 0..200)
    }

    proptest! {
        #[test]
        fn each_key_in_order_one_at_a_time_within_the_limit(steps in steps(), limit in 1usize..4) {
            let mut lanes = Lanes::new(limit);
            let mut pushed: HashMap<String, u32> = HashMap::new();
            let mut started: HashMap<String, u32> = HashMap::new();
            let mut at_work: Vec<String> = Vec::new();
            let mut total = 0usize;
            for step in steps {
                match step {
                    Step::Push(key) => {
                        let count = pushed.entry(key.to_string()).or_default();
                        lanes.push(key.to_string(), *count);
                        *count += 1;
                        total += 1;
                    }
                    Step::Start => {
                        if let Some((key, work)) = lanes.start() {
                            prop_assert!(!at_work.contains(&key), "two at work for one key");
                            let next = started.entry(key.clone()).or_default();
                            prop_assert_eq!(work, *next, "out of order");
                            *next += 1;
                            at_work.push(key);
                        }
                    }
                    Step::Finish(which) => {
                        if !at_work.is_empty() {
                            let key = at_work.swap_remove(which % at_work.len());
                            lanes.finish(&key);
                        }
                    }
                }
                prop_assert!(at_work.len() <= limit);
                prop_assert_eq!(lanes.running(), at_work.len());
            }
            loop {
                while let Some((key, work)) = lanes.start() {
                    let next = started.entry(key.clone()).or_default();
                    prop_assert_eq!(work, *next);
                    *next += 1;
                    at_work.push(key);
                }
                let Some(key) = at_work.pop() else { break };
                lanes.finish(&key);
            }
            prop_assert_eq!(started.values().map(|n| *n as usize).sum::<usize>(), total, "work was forgotten");
            prop_assert_eq!(lanes.waiting(), 0);
        }
    }

    #[test]
    fn a_finished_key_goes_to_the_end_so_others_are_not_starved() {
        let mut lanes = Lanes::new(1);
        for work in 0..3 {
            lanes.push("busy".into(), work);
        }
        lanes.push("other".into(), 10);
        assert_eq!(lanes.start(), Some(("busy".into(), 0)));
        lanes.finish("busy");
        assert_eq!(lanes.start(), Some(("other".into(), 10)));
        lanes.finish("other");
        assert_eq!(lanes.start(), Some(("busy".into(), 1)));
    }

    #[test]
    fn draining_keeps_what_is_at_work() {
        let mut lanes = Lanes::new(4);
        for work in 0..3 {
            lanes.push("a".into(), work);
        }
        assert!(lanes.start().is_some());
        assert_eq!(lanes.drain_waiting(), vec![1, 2]);
        assert_eq!(lanes.running(), 1);
        lanes.finish("a");
        assert_eq!((lanes.running(), lanes.waiting()), (0, 0));
    }
}
