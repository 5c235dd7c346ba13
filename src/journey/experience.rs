//! The experience score, 0…100, and the effort beside it.
//!
//! Both are exponentially weighted moving averages over the customer's contacts (Hunter, "The Exponentially Weighted
//! Moving Average", Journal of Quality Technology 18, 1986) whose past fades with time:
//!
//! ```text
//! moment = 60 + 40·s  for sentiment s ≥ 0,  60·(1 + s)  for s < 0        60 is how a plain contact feels
//!          − 20·effort − 10 if the same problem again − 10 if a promise was not kept,   kept in 0…100
//!          ratings, where given, weigh two thirds: moment = (moment + 2·rating) / 3
//! E(t)   = 60 + (E(t₀) − 60) · 2^(−(t − t₀) / half-life)                 what is left of before
//! E      = E(t) + 0.35 · (moment − E(t))
//! ```
//!
//! A rating is the mean of those given, each put on 0…100: NPS 0…10, CSAT and stars 1…5, CES 1…7. Effort is the same
//! average of the messages' own effort with 0 in place of 60 and a weight of 0.5. The weights are ours, chosen so that
//! three bad contacts in a row take a customer from 60 to about 30.

use chrono::{DateTime, Utc};

use super::model::{Contact, Input, Standing, Trend};
use super::repeat;
use crate::interaction::Ratings;
use crate::nlp::labels::SignalKind;

/// Score of a customer of whom nothing is known, and what a score goes back to with time.
pub(super) const BASELINE: f64 = 60.0;
const WEIGHT: f64 = 0.35;
const EFFORT_WEIGHT: f64 = 0.5;
/// Points that the whole effort takes, and a repeat or a broken promise each.
const EFFORT_POINTS: f64 = 20.0;
const FLAG_POINTS: f64 = 10.0;
/// Contacts looked at for the trend, and the difference that counts.
const TREND_CONTACTS: usize = 6;
const TREND_STEP: f32 = 0.2;

/// Adds one contact. `standing` is as of the contact before, its goals included.
#[expect(clippy::cast_possible_truncation, reason = "scores of 0…100 are kept in single precision")]
pub(super) fn apply(standing: &mut Standing, contact: &Contact, half_life_days: f32) {
    let (experience, effort) = match standing.as_of {
        None => (BASELINE, 0.0),
        Some(then) => {
            let left = fading(then, contact.at, half_life_days);
            (BASELINE + (f64::from(standing.experience) - BASELINE) * left, f64::from(standing.effort) * left)
        }
    };
    let again = repeat::known_problem(&standing.open_goals, contact);
    let parts = parts(contact, again);
    standing.experience = (experience + WEIGHT * (parts.moment() - experience)).clamp(0.0, 100.0) as f32;
    let own = f64::from(finite(contact.effort)).clamp(0.0, 1.0);
    standing.effort = (effort + EFFORT_WEIGHT * (own - effort)).clamp(0.0, 1.0) as f32;
}

/// How one contact was for the customer, in its parts.
struct Parts {
    sentiment: f64,
    felt: f64,
    effort: f64,
    again: bool,
    unkept: bool,
    rating: Option<f64>,
}

fn parts(contact: &Contact, again: bool) -> Parts {
    let sentiment = f64::from(finite(contact.sentiment)).clamp(-1.0, 1.0);
    Parts {
        sentiment,
        felt: if sentiment >= 0.0 { BASELINE + 40.0 * sentiment } else { BASELINE * (1.0 + sentiment) },
        effort: f64::from(finite(contact.effort)).clamp(0.0, 1.0),
        again: again || contact.signals.contains(&SignalKind::RepeatContact),
        unkept: contact.promise_unkept,
        rating: rating(&contact.ratings),
    }
}

impl Parts {
    /// Without the marks.
    fn lived(&self) -> f64 {
        let flags = f64::from(u8::from(self.again)) + f64::from(u8::from(self.unkept));
        (self.felt - EFFORT_POINTS * self.effort - FLAG_POINTS * flags).clamp(0.0, 100.0)
    }

    fn moment(&self) -> f64 {
        let lived = self.lived();
        self.rating.map_or(lived, |rating| (lived + 2.0 * rating) / 3.0)
    }
}

/// What a contact adds up to: `past` is what was left of before, `moment` how this contact was, each other input the
/// points it gives or takes from the moment. `before` is the standing the contact came to.
#[expect(clippy::cast_possible_truncation, reason = "points of 0…100, rounded to tenths")]
pub(super) fn inputs(before: &Standing, contact: &Contact, half_life_days: f32) -> Vec<Input> {
    let past = before.as_of.map_or(BASELINE, |then| {
        BASELINE + (f64::from(before.experience) - BASELINE) * fading(then, contact.at, half_life_days)
    });
    let parts = parts(contact, repeat::known_problem(&before.open_goals, contact));
    let tenths = |value: f64| ((value * 10.0).round() / 10.0) as f32 + 0.0;
    let hundredths = |value: f64| ((value * 100.0).round() / 100.0) as f32 + 0.0;
    let input = |name: &str, value: f64, points: f64| Input {
        name: name.to_owned(),
        value: hundredths(value),
        points: tenths(points),
    };
    let mut inputs =
        vec![input("past", past, (1.0 - WEIGHT) * past), input("sentiment", parts.sentiment, parts.felt)];
    if parts.effort > 0.0 {
        inputs.push(input("effort", parts.effort, -EFFORT_POINTS * parts.effort));
    }
    if parts.again {
        inputs.push(input("repeat", 1.0, -FLAG_POINTS));
    }
    if parts.unkept {
        inputs.push(input("promise", 1.0, -FLAG_POINTS));
    }
    if let Some(rating) = parts.rating {
        inputs.push(input("rating", rating, parts.moment() - parts.lived()));
    }
    inputs.push(input("moment", parts.moment(), WEIGHT * parts.moment()));
    inputs
}

/// Mean of the ratings given, on 0…100.
pub(super) fn rating(ratings: &Ratings) -> Option<f64> {
    let on_scale = |value: Option<u8>, low: f64, high: f64| {
        value.map(|value| ((f64::from(value) - low) / (high - low) * 100.0).clamp(0.0, 100.0))
    };
    let given: Vec<f64> = [
        on_scale(ratings.nps, 0.0, 10.0),
        on_scale(ratings.csat, 1.0, 5.0),
        on_scale(ratings.ces, 1.0, 7.0),
        on_scale(ratings.rating, 1.0, 5.0),
    ]
    .into_iter()
    .flatten()
    .collect();
    let count = u8::try_from(given.len()).ok().filter(|count| *count > 0)?;
    Some(given.iter().sum::<f64>() / f64::from(count))
}

/// What is left of the past, 0…1.
fn fading(then: DateTime<Utc>, now: DateTime<Utc>, half_life_days: f32) -> f64 {
    let days = days_between(then, now).max(0.0);
    if half_life_days > 0.0 { (-days / f64::from(half_life_days)).exp2() } else { 0.0 }
}

/// Days from one time to another.
pub(super) fn days_between(then: DateTime<Utc>, now: DateTime<Utc>) -> f64 {
    (now - then).as_seconds_f64() / 86_400.0
}

/// The score as shown.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rounded and clamped to 0…100 before the cast"
)]
pub(super) fn shown(experience: f32) -> u8 {
    experience.round().clamp(0.0, 100.0) as u8
}

/// Compares the newer half of the last contacts with the older half.
pub(super) fn trend<'a>(contacts: impl DoubleEndedIterator<Item = &'a Contact>) -> Trend {
    let mut last: Vec<f32> =
        contacts.rev().take(TREND_CONTACTS).map(|contact| finite(contact.sentiment)).collect();
    last.reverse();
    if last.len() < 2 {
        return Trend::Steady;
    }
    let (older, newer) = last.split_at(last.len() / 2);
    let mean = |half: &[f32]| half.iter().sum::<f32>() / f32::from(u8::try_from(half.len()).unwrap_or(1));
    let change = mean(newer) - mean(older);
    if change >= TREND_STEP {
        Trend::Improving
    } else if change <= -TREND_STEP {
        Trend::Worsening
    } else {
        Trend::Steady
    }
}

fn finite(value: f32) -> f32 {
    if value.is_finite() { value } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journey::samples::{contact, days};

    fn after(standing: &Standing, contact: &Contact) -> Standing {
        let mut standing = standing.clone();
        apply(&mut standing, contact, 60.0);
        standing.as_of = Some(contact.at);
        standing
    }

    #[test]
    fn a_plain_contact_leaves_the_baseline() {
        let standing = after(&Standing::default(), &contact("m1", "c1", 0.0));
        assert_eq!(shown(standing.experience), 60);
    }

    #[test]
    fn moments() {
        let check = |what: &str, change: fn(&mut Contact), again: bool, expected: f64| {
            let mut contact = contact("m1", "c1", 0.0);
            change(&mut contact);
            let moment = parts(&contact, again).moment();
            assert!((moment - expected).abs() < 0.01, "{what}: {moment}, not {expected}");
        };
        check("neutral", |_| (), false, 60.0);
        check("best", |c| c.sentiment = 1.0, false, 100.0);
        check("worst", |c| c.sentiment = -1.0, false, 0.0);
        check("half bad", |c| c.sentiment = -0.5, false, 30.0);
        check("effort", |c| c.effort = 0.5, false, 50.0);
        check("again", |_| (), true, 50.0);
        check("says so itself", |c| c.signals.push(SignalKind::RepeatContact), false, 50.0);
        check(
            "never below nothing",
            |c| {
                c.sentiment = -1.0;
                c.effort = 1.0
            },
            true,
            0.0,
        );
        check("a rating weighs two thirds", |c| c.ratings.nps = Some(0), false, 20.0);
        check(
            "stars and satisfaction",
            |c| {
                c.ratings.csat = Some(5);
                c.ratings.rating = Some(1)
            },
            false,
            160.0 / 3.0,
        );
        check("not a number", |c| c.sentiment = f32::NAN, false, 60.0);
    }

    #[test]
    fn what_was_bad_is_forgotten_by_half_in_a_half_life() {
        let bad = Standing { experience: 20.0, as_of: Some(days(0.0)), ..Standing::default() };
        let mut plain = contact("m2", "c1", 0.0);
        plain.at = days(60.0);
        // 60 − 40/2 = 40 is left, and a plain contact takes 35 % of the way to 60.
        assert!((after(&bad, &plain).experience - 47.0).abs() < 0.01);
    }

    #[test]
    fn trends() {
        let check = |sentiments: &[f32], expected: Trend| {
            let contacts: Vec<Contact> = sentiments.iter().map(|s| contact("m", "c", *s)).collect();
            assert_eq!(trend(contacts.iter()), expected, "{sentiments:?}");
        };
        check(&[], Trend::Steady);
        check(&[-1.0], Trend::Steady);
        check(&[0.0, -0.1], Trend::Steady);
        check(&[-0.2, -0.5, -0.8], Trend::Worsening);
        check(&[-0.8, 0.4], Trend::Improving);
        check(&[1.0, 1.0, 1.0, -0.5, -0.5, -0.5, -0.5, -0.5, -0.5], Trend::Steady);
    }
}
