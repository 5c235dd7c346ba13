//! Times as tables and file names write them.

use std::sync::LazyLock;

use chrono::{DateTime, LocalResult, NaiveDate, NaiveDateTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;
use regex::Regex;

/// Whole seconds since 1970 up to here are seconds, beyond it milliseconds: the year 5138.
const SECONDS: i64 = 100_000_000_000;

/// What comes first in a day written in figures with slashes, dots or hyphens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DayOrder {
    /// 14/05/2026.
    DayMonthYear,
    /// 05/14/2026.
    MonthDayYear,
}

/// RFC 3339, the same with a blank, without seconds or without a zone (then in `zone`), a day alone, or seconds or
/// milliseconds since 1970. Days like 05/06/2026 mean different days in different countries: only in a given order.
pub(super) fn read(text: &str, zone: Tz, order: Option<DayOrder>) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    if text.len() >= 9 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return since_1970(text.parse().ok()?);
    }
    let text = text.strip_suffix(" UTC").map_or_else(|| text.to_owned(), |text| format!("{text}Z"));
    for form in [
        "%Y-%m-%d %H:%M:%S%.f%#z",
        "%Y-%m-%d %H:%M:%S%.f %#z",
        "%Y-%m-%dT%H:%M:%S%.f%#z",
        "%Y-%m-%d %H:%M%#z",
    ] {
        if let Ok(time) = DateTime::parse_from_str(&text, form) {
            return Some(time.to_utc());
        }
    }
    for form in ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"] {
        if let Ok(time) = NaiveDateTime::parse_from_str(&text, form) {
            return local(time, zone);
        }
    }
    if let Some(time) = order.and_then(|order| ordered(&text, order)) {
        return local(time, zone);
    }
    local(NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0)?, zone)
}

static ORDERED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})(?:[ ,T]+(\d{1,2})[:.](\d{2})(?:[:.](\d{2}))?)?$").ok()
});

fn ordered(text: &str, order: DayOrder) -> Option<NaiveDateTime> {
    let found = ORDERED.as_ref()?.captures(text)?;
    let number = |at: usize| found.get(at).map_or(Some(0), |part| part.as_str().parse::<u32>().ok());
    let (day, month) = match order {
        DayOrder::DayMonthYear => (number(1)?, number(2)?),
        DayOrder::MonthDayYear => (number(2)?, number(1)?),
    };
    let year = found.get(3)?.as_str().parse().ok()?;
    NaiveDate::from_ymd_opt(year, month, day)?.and_hms_opt(number(4)?, number(5)?, number(6)?)
}

/// Seconds or milliseconds since 1970.
pub(super) fn since_1970(number: i64) -> Option<DateTime<Utc>> {
    if number.abs() < SECONDS {
        DateTime::from_timestamp(number, 0)
    } else {
        DateTime::from_timestamp_millis(number)
    }
}

/// The time in UTC; of two that a change of the clocks makes alike, the earlier.
fn local(time: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    match zone.from_local_datetime(&time) {
        LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => Some(time.to_utc()),
        // An hour that the clocks leave out: as by the clock that was not put forward.
        LocalResult::None => {
            let later =
                zone.from_local_datetime(&time.checked_add_signed(TimeDelta::hours(1))?).earliest()?;
            Some(later.to_utc())
        }
    }
}

static IN_NAME: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(\d{4})-(\d{2})-(\d{2})T(\d{2})[:_-]?(\d{2})[:_-]?(\d{2})(?:\.\d+)?Z").ok()
});

/// A moment in UTC that a file name holds, as recorders and Contact Lens write it: `…2026-05-14T18:45:00Z…`, where the
/// colons may be `_`, `-` or nothing.
pub(super) fn in_name(name: &str) -> Option<DateTime<Utc>> {
    let found = IN_NAME.as_ref()?.captures(name)?;
    let part = |at: usize| found.get(at).map_or("", |part| part.as_str());
    let text = format!("{}-{}-{}T{}:{}:{}Z", part(1), part(2), part(3), part(4), part(5), part(6));
    DateTime::parse_from_rfc3339(&text).ok().map(|time| time.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_their_usual_forms() {
        let check = |text: &str, wanted: Option<&str>| {
            let found = read(text, chrono_tz::Europe::Rome, None).map(|time| time.to_rfc3339());
            assert_eq!(found.as_deref(), wanted, "{text}");
        };
        check("2026-05-14T18:45:00+02:00", Some("2026-05-14T16:45:00+00:00"));
        check("2026-05-14 18:45:00 UTC", Some("2026-05-14T18:45:00+00:00"));
        check("2026-05-14 18:45:00.250Z", Some("2026-05-14T18:45:00.250+00:00"));
        check("2026-05-14 18:45", Some("2026-05-14T16:45:00+00:00"));
        check("2026-01-14", Some("2026-01-13T23:00:00+00:00"));
        check("2026-03-29 02:30", Some("2026-03-29T01:30:00+00:00"));
        check("2026-10-25 02:30", Some("2026-10-25T00:30:00+00:00"));
        check("1778784300", Some("2026-05-14T18:45:00+00:00"));
        check("1778784300000", Some("2026-05-14T18:45:00+00:00"));
        for text in [
            "14/05/2026",
            "05/14/2026 18:45",
            "yesterday",
            "",
            "2026-13-01",
            "20260514",
            "99999999999999999999",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn days_in_figures_in_their_order() {
        use DayOrder::{DayMonthYear, MonthDayYear};
        let check = |text: &str, order, wanted: Option<&str>| {
            let found = read(text, chrono_tz::UTC, Some(order)).map(|time| time.to_rfc3339());
            assert_eq!(found.as_deref(), wanted, "{text}");
        };
        check("05/06/2026 18:45", DayMonthYear, Some("2026-06-05T18:45:00+00:00"));
        check("05/06/2026 18:45", MonthDayYear, Some("2026-05-06T18:45:00+00:00"));
        check("14.5.2026, 9.05", DayMonthYear, Some("2026-05-14T09:05:00+00:00"));
        check("14-05-2026", DayMonthYear, Some("2026-05-14T00:00:00+00:00"));
        check("2026-05-14", DayMonthYear, Some("2026-05-14T00:00:00+00:00"));
        for text in ["14/05/2026", "05/06/26", "05/06/2026 25:00"] {
            check(text, MonthDayYear, None);
        }
    }

    #[test]
    fn a_time_in_a_name() {
        let found = in_name("contact_analysis_2026-05-14T18_45_00Z").map(|time| time.to_rfc3339());
        assert_eq!(found.as_deref(), Some("2026-05-14T18:45:00+00:00"));
        assert_eq!(in_name("call-2026-05-14"), None);
        assert_eq!(in_name("2026-99-99T99:99:99Z"), None);
    }
}
