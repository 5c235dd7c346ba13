//! Small sums over measurements.

use std::time::Duration;

use serde::Serialize;

/// Of many durations, how long the slower ones took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Percentiles {
    /// Half took at most so many milliseconds.
    pub p50_ms: f64,
    /// 95 % took at most so many.
    pub p95_ms: f64,
    /// 99 % took at most so many.
    pub p99_ms: f64,
}

impl Percentiles {
    /// By nearest rank; none of nothing.
    pub fn of(durations: &mut [Duration]) -> Option<Self> {
        durations.sort_unstable();
        let at = |percent: usize| {
            let rank = (durations.len() * percent).div_ceil(100).max(1) - 1;
            durations.get(rank).map(|duration| millis(*duration))
        };
        Some(Self { p50_ms: at(50)?, p95_ms: at(95)?, p99_ms: at(99)? })
    }
}

/// Milliseconds, to the microsecond.
pub fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// The middle one; 0 of nothing.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Figures are given to three digits that mean something.
pub fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let scale = 10f64.powi(2 - value.abs().log10().floor() as i32);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let mut hundred: Vec<Duration> = (1..=100).rev().map(Duration::from_millis).collect();
        let found = Percentiles::of(&mut hundred).unwrap();
        assert_eq!((found.p50_ms, found.p95_ms, found.p99_ms), (50.0, 95.0, 99.0));
        assert_eq!(Percentiles::of(&mut [Duration::from_micros(1500)]).unwrap().p99_ms, 1.5);
        assert_eq!(Percentiles::of(&mut []), None);
    }

    #[test]
    fn medians_and_rounding() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!((rounded(12_345.0), rounded(0.012_345), rounded(0.0)), (12_300.0, 0.0123, 0.0));
    }
}
