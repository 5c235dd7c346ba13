//! From which count on an hour of a topic is out of the ordinary.
//!
//! The test is that of statistical outbreak detection: the count expected from comparable hours of the past, and the
//! upper quantile of a negative binomial with the overdispersion of that past (C. P. Farrington, N. J. Andrews, A. D.
//! Beale, M. A. Catchpole, *A statistical algorithm for the early detection of outbreaks of infectious disease*, Journal
//! of the Royal Statistical Society A 159, 1996; the quantile after A. Noufaily and others, *An improved algorithm for
//! outbreak detection in multiple surveillance systems*, Statistics in Medicine 32, 2013). Comparable hours are those of
//! the same hour of the week from three weeks of past on, of the same hour of the day from three days on, before that
//! all. With x the counts of the n hours of the past and s the sum over the k comparable ones:
//!
//! ```text
//! overall  = (Σx + ½) / n                          never nothing: a topic that is new still has an expectation
//! expected = (s + overall) / (k + 1)               the overall mean weighs as much as one hour
//! φ        = max(1, Σ (x − m)² / m / (n − groups)) Pearson's estimate; m: the expectation of each hour's own group
//! variance = φ · expected · (1 + 1 / (k + 1))      that of a new count: its own and that of the estimate
//! needed   = the least c ≥ min_count, min_ratio · expected with P(X ≥ c) ≤ false_alarms
//! ```

use std::collections::HashMap;

use super::SpikeSettings;

/// Periods of comparable hours, and from how many hours of past on.
const PROFILES: [(i64, i64); 2] = [(168, 3 * 168), (24, 3 * 24)];
/// Counts beyond which nothing is judged: no contact centre has as many in an hour.
const BEYOND: u64 = 10_000_000;

/// What is known of a topic's past.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Past {
    /// First hour in which anything was counted, of whatever topic.
    pub begun: Option<i64>,
    /// Hours with messages of this topic, and how many; hours that are not here had none.
    pub counts: Vec<(i64, u64)>,
}

/// From where on a count is a spike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar {
    /// This many messages in the hour.
    pub needed: u64,
    /// What was to be expected.
    pub expected: f64,
}

#[expect(clippy::cast_precision_loss, reason = "counts and hours far below 2^52")]
impl Bar {
    /// The bar of an hour; none while there is too little past.
    pub fn of(past: &Past, hour: i64, settings: &SpikeSettings) -> Option<Self> {
        let start = past.begun?.max(hour - settings.history_hours);
        let hours = hour - start;
        if hours < settings.min_history_hours.max(1) {
            return None;
        }
        let period = PROFILES.iter().find(|(_, from)| hours >= *from).map_or(1, |(period, _)| *period);
        let counts: HashMap<i64, u64> =
            past.counts.iter().filter(|(at, _)| (start..hour).contains(at)).copied().collect();
        let total: u64 = counts.values().sum();
        let overall = (total as f64 + 0.5) / hours as f64;
        let mut groups = vec![(0.0, 0.0); usize::try_from(period).ok()?];
        let group = |at: i64| usize::try_from(at.rem_euclid(period)).unwrap_or(0);
        for at in start..hour {
            if let Some((hours, sum)) = groups.get_mut(group(at)) {
                *hours += 1.0;
                *sum += counts.get(&at).copied().unwrap_or(0) as f64;
            }
        }
        let mean =
            |at: i64| groups.get(group(at)).map_or(overall, |(hours, sum)| (sum + overall) / (hours + 1.0));
        let squares: f64 = (start..hour)
            .map(|at| {
                let (count, mean) = (counts.get(&at).copied().unwrap_or(0) as f64, mean(at));
                (count - mean).powi(2) / mean
            })
            .sum();
        let free = (hours - period).max(1) as f64;
        let dispersion = (squares / free).max(1.0);
        let expected = mean(hour);
        let comparable = groups.get(group(hour)).map_or(0.0, |(hours, _)| *hours);
        let variance_to_mean = dispersion * (1.0 + 1.0 / (comparable + 1.0));
        let unlikely = quantile(expected, variance_to_mean, settings.false_alarms)?;
        let mut needed = settings.min_count.max(unlikely).max(1);
        while (needed as f64) < settings.min_ratio * expected {
            needed += 1;
        }
        Some(Self { needed, expected })
    }
}

/// The least c with P(X ≥ c) ≤ `most`, for a negative binomial X of that mean and variance-to-mean ratio above 1; none
/// beyond [`BEYOND`].
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn quantile(mean: f64, variance_to_mean: f64, most: f64) -> Option<u64> {
    // In the usual form: r = mean / (v − 1) and success probability 1 / v. In logarithms, since P(X = 0) may be
    // smaller than any number.
    let r = mean / (variance_to_mean - 1.0);
    let failure = 1.0 - 1.0 / variance_to_mean;
    let mut log = -r * variance_to_mean.ln();
    let mut below = 0.0;
    for count in 0..BEYOND {
        if 1.0 - below <= most {
            return Some(count);
        }
        below += log.exp();
        log += ((count as f64 + r) / (count as f64 + 1.0) * failure).ln();
    }
    None
}
