//! How often supervisors who looked found the model right, by intent and by week. Pure.

use std::collections::BTreeMap;

use chrono::{NaiveDate, Weekday};

use crate::journey::map::FEWEST;
use crate::store::console::Judged;

/// What was found of some messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Found {
    /// Messages that a supervisor confirmed or corrected.
    pub judged: u64,
    /// Of those, the ones whose intent was right, or left as it was.
    pub right: u64,
    /// Of those, the ones of which nothing at all was changed.
    pub confirmed: u64,
}

impl Found {
    fn add(&mut self, right: bool, confirmed: bool) {
        self.judged += 1;
        self.right += u64::from(right);
        self.confirmed += u64::from(confirmed);
    }

    /// Share of the intents that were right with its 95 % interval, each 0…1; none for fewer than five.
    pub fn share(self) -> Option<[f64; 3]> {
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
        let (right, judged) = (self.right as f64, self.judged as f64);
        let (low, high) = wilson(right, judged);
        (self.judged >= FEWEST).then(|| [right / judged, low, high])
    }
}

/// What was corrected, in how many messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Corrected {
    pub sentiment: u64,
    pub intent: u64,
    pub stage: u64,
    pub priority: u64,
    pub queue: u64,
}

/// The agreement.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Agreement {
    /// Everything together.
    pub total: Found,
    /// By the intent that was decided first, the most judged first; empty for none.
    pub intents: Vec<(String, Found)>,
    /// By week, its Monday, oldest first; weeks in which nobody looked are left out.
    pub weeks: Vec<(NaiveDate, Found)>,
    /// What was corrected.
    pub corrected: Corrected,
}

impl Agreement {
    /// Of what was said, each message once.
    pub fn of(judged: &[Judged]) -> Self {
        let mut all = Self::default();
        let mut intents: BTreeMap<&str, Found> = BTreeMap::new();
        let mut weeks: BTreeMap<NaiveDate, Found> = BTreeMap::new();
        for Judged { correction, decision } in judged {
            let decided = decision.analysis.intents.first().map_or("", |intent| intent.name.as_str());
            let said = correction.intents.as_ref().map(|said| said.first().map_or("", String::as_str));
            let analysis = &decision.analysis;
            let changed = [
                correction.sentiment.is_some_and(|said| said != analysis.sentiment.label),
                said.is_some_and(|said| said != decided),
                correction
                    .stage
                    .is_some_and(|said| analysis.stage.as_ref().map(|stage| stage.name) != Some(said)),
                correction.priority.is_some_and(|said| said != decision.priority.level),
                correction.queue.as_ref().is_some_and(|said| decision.route.queue.as_ref() != Some(said)),
            ];
            let [sentiment, intent, stage, priority, queue] = changed.map(u64::from);
            let count = &mut all.corrected;
            count.sentiment += sentiment;
            count.intent += intent;
            count.stage += stage;
            count.priority += priority;
            count.queue += queue;
            let (right, confirmed) = (intent == 0, !changed.contains(&true));
            let week = correction.corrected_at.date_naive().week(Weekday::Mon).first_day();
            for found in [&mut all.total, intents.entry(decided).or_default(), weeks.entry(week).or_default()]
            {
                found.add(right, confirmed);
            }
        }
        all.intents = intents.into_iter().map(|(intent, found)| (intent.to_owned(), found)).collect();
        all.intents.sort_by_key(|(_, found)| std::cmp::Reverse(found.judged));
        all.weeks = weeks.into_iter().collect();
        all
    }
}

/// The 95 % score interval of a share (E. B. Wilson, 1927, Journal of the American Statistical Association 22:209–212).
fn wilson(some: f64, all: f64) -> (f64, f64) {
    const Z: f64 = 1.959_964;
    if all <= 0.0 {
        return (0.0, 1.0);
    }
    let (share, z2) = (some / all, Z * Z);
    let middle = share + z2 / (2.0 * all);
    let half = Z * (share * (1.0 - share) / all + z2 / (4.0 * all * all)).sqrt();
    let whole = 1.0 + z2 / all;
    (((middle - half) / whole).max(0.0), ((middle + half) / whole).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilsons_interval() {
        let check = |some: f64, all: f64, low: f64, high: f64| {
            let found = wilson(some, all);
            assert!(
                (found.0 - low).abs() < 5e-4 && (found.1 - high).abs() < 5e-4,
                "{some} of {all}: {found:?}"
            );
        };
        check(8.0, 10.0, 0.4902, 0.9433);
        check(0.0, 10.0, 0.0, 0.2775);
        check(10.0, 10.0, 0.7225, 1.0);
        check(50.0, 100.0, 0.4038, 0.5962);
        assert_eq!(Found { judged: 4, right: 4, confirmed: 4 }.share(), None, "four are too few");
        assert!(Found { judged: 5, right: 4, confirmed: 0 }.share().is_some());
    }
}
