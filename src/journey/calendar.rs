//! Days as they go where the contact centre is: the same moment is Wednesday evening in London and Thursday in Rome.

use chrono::{DateTime, Days, Duration, NaiveDate, NaiveTime, TimeZone as _, Utc};
use chrono_tz::Tz;

/// The day on which a moment falls.
pub(super) fn day(at: DateTime<Utc>, zone: Tz) -> NaiveDate {
    at.with_timezone(&zone).date_naive()
}

/// The last second of a day. Where the clock changes at midnight, the day ends when the next one begins.
pub(super) fn ends(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let next = day.checked_add_days(Days::new(1)).unwrap_or(day).and_time(NaiveTime::MIN);
    let begins = (0..=12)
        .find_map(|quarters| zone.from_local_datetime(&(next + Duration::minutes(15 * quarters))).earliest());
    begins.map_or(next.and_utc(), |at| at.to_utc()) - Duration::seconds(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_and_end_where_the_contact_centre_is() {
        let check = |zone: Tz, at: &str, expected: &str, end: &str| {
            let today = day(at.parse().unwrap(), zone);
            assert_eq!(
                (today.to_string(), ends(today, zone).to_rfc3339()),
                (expected.to_owned(), end.to_owned())
            );
        };
        check(Tz::UTC, "2026-05-13T22:30:00Z", "2026-05-13", "2026-05-13T23:59:59+00:00");
        check(chrono_tz::Europe::Rome, "2026-05-13T22:30:00Z", "2026-05-14", "2026-05-14T21:59:59+00:00");
        // 29 March 2026 has 23 hours in Rome, 25 October has 25.
        check(chrono_tz::Europe::Rome, "2026-03-29T10:00:00Z", "2026-03-29", "2026-03-29T21:59:59+00:00");
        check(chrono_tz::Europe::Rome, "2026-10-25T10:00:00Z", "2026-10-25", "2026-10-25T22:59:59+00:00");
        // 6 September 2026 begins at one o'clock in Santiago.
        check(
            chrono_tz::America::Santiago,
            "2026-09-05T12:00:00Z",
            "2026-09-05",
            "2026-09-06T03:59:59+00:00",
        );
    }
}
