//! Which waiting windows go into the next batch. Pure: it owns the queue and the choice, the clock is an argument, and
//! it neither sleeps nor runs anything.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What a batch may hold and how long it may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most tokens in a batch, counted as the longest window times the number of windows.
    pub tokens: usize,
    /// How long a lone window waits for company.
    pub wait: Duration,
    /// Most windows that may wait.
    pub queue: usize,
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<T> {
    /// Run these; they are in order of length.
    Batch(Vec<T>),
    /// Nothing is due for so long, unless more arrives.
    Wait(Duration),
    /// Nothing waits.
    Idle,
}

#[derive(Debug)]
struct Waiting<T> {
    tokens: usize,
    arrived: Instant,
    item: T,
}

/// The queue of windows that wait for the engine.
#[derive(Debug)]
pub struct BatchFormer<T> {
    limits: Limits,
    /// In order of arrival.
    waiting: VecDeque<Waiting<T>>,
    tokens: usize,
}

impl<T> BatchFormer<T> {
    /// An empty queue.
    pub fn new(limits: Limits) -> Self {
        Self { limits, waiting: VecDeque::new(), tokens: 0 }
    }

    /// Windows that wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Puts a window of `tokens` tokens in the queue, or hands it back when the queue is full.
    pub fn push(&mut self, now: Instant, tokens: usize, item: T) -> Result<(), T> {
        if self.waiting.len() >= self.limits.queue {
            return Err(item);
        }
        self.tokens += tokens;
        self.waiting.push_back(Waiting { tokens, arrived: now, item });
        Ok(())
    }

    /// The next batch, if one is due: enough waits to fill one, or the oldest has waited long enough. What gathered
    /// while the engine was busy is therefore taken at once.
    pub fn next(&mut self, now: Instant) -> Next<T> {
        let Some(oldest) = self.waiting.front() else { return Next::Idle };
        let waited = now.saturating_duration_since(oldest.arrived);
        let full = self.tokens >= self.limits.tokens || self.waiting.len() >= self.limits.queue;
        match self.limits.wait.checked_sub(waited) {
            Some(left) if !full && !left.is_zero() => Next::Wait(left),
            _ => Next::Batch(self.take()),
        }
    }

    /// Takes a batch without waiting, oldest first; empty when nothing waits.
    pub fn take(&mut self) -> Vec<T> {
        let mut chosen = self.choose();
        let mut rows = Vec::with_capacity(chosen.len());
        // From the back, so that earlier positions stay valid.
        chosen.sort_unstable_by(|a, b| b.cmp(a));
        for at in chosen {
            if let Some(row) = self.waiting.remove(at) {
                self.tokens -= row.tokens;
                rows.push(row);
            }
        }
        rows.reverse();
        rows.sort_by_key(|row| row.tokens);
        rows.into_iter().map(|row| row.item).collect()
    }

    /// Positions of the oldest window and of those nearest to it in length, as many as the budget holds. The oldest
    /// is always among them, so nothing starves; one longer than the whole budget goes alone.
    fn choose(&self) -> Vec<usize> {
        if self.waiting.is_empty() {
            return Vec::new();
        }
        let mut order: Vec<usize> = (0..self.waiting.len()).collect();
        order.sort_by_key(|at| self.waiting[*at].tokens);
        let start = order.iter().position(|at| *at == 0).unwrap_or_default();
        let length = |rank: usize| self.waiting[order[rank]].tokens;
        let (mut low, mut high) = (start, start + 1);
        loop {
            let size = high - low;
            let longest = length(high - 1);
            let below = (low > 0).then(|| longest * (size + 1));
            let above = (high < order.len()).then(|| length(high) * (size + 1));
            let fits = |cost: Option<usize>| cost.is_some_and(|cost| cost <= self.limits.tokens);
            match (fits(below), fits(above)) {
                (false, false) => break,
                (true, false) => low -= 1,
                (false, true) => high += 1,
                (true, true) => {
                    let down = longest - length(low - 1);
                    let up = length(high) - longest;
                    if up <= down { high += 1 } else { low -= 1 }
                }
            }
        }
        order[low..high].to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WAIT: Duration = Duration::from_millis(2);

    fn former(tokens: usize, queue: usize) -> BatchFormer<usize> {
        BatchFormer::new(Limits { tokens, wait: WAIT, queue })
    }

    fn fill(former: &mut BatchFormer<usize>, now: Instant, lengths: &[usize]) {
        for (at, tokens) in lengths.iter().enumerate() {
            former.push(now, *tokens, at).unwrap();
        }
    }

    #[test]
    fn a_lone_window_waits_its_time_and_no_longer() {
        let now = Instant::now();
        let mut former = former(100, 10);
        assert_eq!(former.next(now), Next::Idle);
        fill(&mut former, now, &[7]);
        assert_eq!(former.next(now), Next::Wait(WAIT));
        assert_eq!(former.next(now + WAIT / 2), Next::Wait(WAIT / 2));
        assert_eq!(former.next(now + WAIT), Next::Batch(vec![0]));
        assert_eq!(former.next(now + WAIT), Next::Idle);
    }

    #[test]
    fn a_full_batch_does_not_wait() {
        let now = Instant::now();
        let mut former = former(20, 10);
        fill(&mut former, now, &[10, 10]);
        assert_eq!(former.next(now), Next::Batch(vec![0, 1]));
    }

    #[test]
    fn a_batch_is_of_like_lengths_around_the_oldest() {
        let now = Instant::now();
        let mut former = former(40, 10);
        fill(&mut former, now, &[10, 100, 11, 3, 9, 12]);
        assert_eq!(former.next(now), Next::Batch(vec![0, 2, 5]));
        assert_eq!(former.next(now + WAIT), Next::Batch(vec![1]), "longer than the budget: alone");
        assert_eq!(former.next(now + WAIT), Next::Batch(vec![3, 4]));
    }

    #[test]
    fn a_full_queue_hands_back() {
        let now = Instant::now();
        let mut former = former(100, 1);
        assert_eq!(former.push(now, 1, 5), Ok(()));
        assert_eq!(former.push(now, 1, 6), Err(6));
    }

    proptest! {
        #[test]
        fn every_window_leaves_once_oldest_first_within_budget(
            lengths in prop::collection::vec(1usize..300, 1..200),
            budget in 1usize..2000,
        ) {
            let now = Instant::now();
            let mut former = former(budget, 1000);
            fill(&mut former, now, &lengths);
            let mut left: Vec<usize> = (0..lengths.len()).collect();
            while let Next::Batch(batch) = former.next(now + WAIT) {
                prop_assert!(batch.contains(&left[0]), "the oldest goes first");
                let longest = batch.iter().map(|at| lengths[*at]).max().unwrap();
                prop_assert!(batch.len() == 1 || longest * batch.len() <= budget);
                prop_assert!(batch.is_sorted_by_key(|at| lengths[*at]));
                for at in &batch {
                    let place = left.iter().position(|waiting| waiting == at);
                    prop_assert!(place.is_some(), "twice");
                    left.remove(place.unwrap());
                }
            }
            prop_assert!(left.is_empty() && former.is_empty());
        }
    }
}
