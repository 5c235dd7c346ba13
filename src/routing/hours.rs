//! Opening hours, and when an SLA that runs only within them falls due. Pure: dates come in as arguments.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, Days, Duration, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;

/// Days looked ahead before a queue counts as never open.
const HORIZON_DAYS: u64 = 400;
/// Longest SLA accepted.
const MAX_SLA_DAYS: i64 = 366;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Days off.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Holidays {
    yearly: BTreeSet<(u32, u32)>,
    once: BTreeSet<NaiveDate>,
}

impl Holidays {
    /// Adds `MM-DD` or `YYYY-MM-DD`.
    pub(super) fn add(&mut self, text: &str) -> Result<(), String> {
        // 2000 is a leap year, so 02-29 is accepted.
        if let Ok(date) = NaiveDate::parse_from_str(&format!("2000-{text}"), "%Y-%m-%d") {
            self.yearly.insert((date.month(), date.day()));
        } else if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            self.once.insert(date);
        } else {
            return Err(format!("`{text}` is no day: write MM-DD or YYYY-MM-DD"));
        }
        Ok(())
    }

    fn contains(&self, date: NaiveDate) -> bool {
        self.once.contains(&date) || self.yearly.contains(&(date.month(), date.day()))
    }
}

/// Opening hours of a week.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hours {
    zone: Tz,
    /// Per day from Monday: minutes `[open, close)` since midnight, sorted, not overlapping. None: always open.
    week: Option<[Vec<(u32, u32)>; 7]>,
}

impl Hours {
    /// Parses `always` or entries such as `mon-fri 08:00-20:00`; `24:00` is the end of the day.
    pub(super) fn parse<'a>(entries: impl IntoIterator<Item = &'a str>, zone: Tz) -> Result<Self, String> {
        let mut week: [Vec<(u32, u32)>; 7] = Default::default();
        for entry in entries {
            if entry == "always" {
                return Ok(Self { zone, week: None });
            }
            let wrong = || format!("`{entry}` are no hours: write `always` or `mon-fri 08:00-20:00`");
            let (days, times) = entry.split_once(' ').ok_or_else(wrong)?;
            let (first, last) = days.split_once('-').unwrap_or((days, days));
            let day = |name: &str| DAYS.iter().position(|day| *day == name).ok_or_else(wrong);
            let (first, last) = (day(first)?, day(last)?);
            let (open, close) = times.trim().split_once('-').ok_or_else(wrong)?;
            let (open, close) = (minutes(open).ok_or_else(wrong)?, minutes(close).ok_or_else(wrong)?);
            if open >= close {
                return Err(format!("`{entry}` closes before it opens"));
            }
            let span = (last + 7 - first) % 7;
            for offset in 0..=span {
                if let Some(hours) = week.get_mut((first + offset) % 7) {
                    hours.push((open, close));
                }
            }
        }
        for day in &mut week {
            day.sort_unstable();
            let mut merged: Vec<(u32, u32)> = Vec::new();
            for (open, close) in day.drain(..) {
                match merged.last_mut() {
                    Some(last) if open <= last.1 => last.1 = last.1.max(close),
                    _ => merged.push((open, close)),
                }
            }
            *day = merged;
        }
        if week.iter().all(Vec::is_empty) {
            return Err("no opening hours: write `always` or `mon-fri 08:00-20:00`".to_owned());
        }
        Ok(Self { zone, week: Some(week) })
    }

    /// When `sla` of opening time has passed after `from`. None when the queue never opens long enough.
    pub(super) fn due(
        &self,
        from: DateTime<Utc>,
        sla: Duration,
        holidays: &Holidays,
    ) -> Option<DateTime<Utc>> {
        let Some(week) = &self.week else { return from.checked_add_signed(sla) };
        let mut left = sla;
        let start = from.with_timezone(&self.zone).date_naive();
        for offset in 0..HORIZON_DAYS {
            let date = start.checked_add_days(Days::new(offset))?;
            if holidays.contains(date) {
                continue;
            }
            let today = week.get(date.weekday().num_days_from_monday() as usize)?;
            for (open, close) in today {
                let opens = self.instant(date, *open)?.max(from);
                let closes = self.instant(date, *close)?;
                if closes <= opens {
                    continue;
                }
                let open_for = closes - opens;
                if left <= open_for {
                    return Some(opens + left);
                }
                left -= open_for;
            }
        }
        None
    }

    /// The instant of a wall-clock minute: the earlier one when it comes twice, the next valid one when it is skipped.
    fn instant(&self, date: NaiveDate, minute: u32) -> Option<DateTime<Utc>> {
        let (date, minute) = if minute >= 1440 { (date.succ_opt()?, minute - 1440) } else { (date, minute) };
        let wall = date.and_time(NaiveTime::from_hms_opt(minute / 60, minute % 60, 0)?);
        (0..=12)
            .find_map(|quarters| {
                self.zone.from_local_datetime(&(wall + Duration::minutes(15 * quarters))).earliest()
            })
            .map(|at| at.with_timezone(&Utc))
    }
}

fn minutes(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
    (minutes < 60 && hours * 60 + minutes <= 1440).then_some(hours * 60 + minutes)
}

/// Parses `15m`, `4h`, `2d`.
pub(super) fn sla(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time: write `15m`, `4h` or `2d`");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let number: i64 =
        text.get(..text.len() - unit.len_utf8()).and_then(|n| n.parse().ok()).ok_or_else(wrong)?;
    let minutes = match unit {
        'm' => Some(number),
        'h' => number.checked_mul(60),
        'd' => number.checked_mul(1440),
        _ => None,
    };
    let minutes = minutes.ok_or_else(wrong)?;
    if !(1..=MAX_SLA_DAYS * 1440).contains(&minutes) {
        return Err(format!("`{text}` is out of range: 1m to {MAX_SLA_DAYS}d"));
    }
    Ok(Duration::minutes(minutes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn check(hours: &[&str], zone: Tz, from: &str, within: &str, due: Option<&str>) {
        let mut holidays = Holidays::default();
        holidays.add("12-25").unwrap();
        holidays.add("2026-04-06").unwrap();
        let hours = Hours::parse(hours.iter().copied(), zone).unwrap();
        assert_eq!(
            hours.due(at(from), sla(within).unwrap(), &holidays),
            due.map(at),
            "{hours:?} {from} {within}"
        );
    }

    #[test]
    fn an_sla_runs_only_while_the_queue_is_open() {
        let office = &["mon-fri 09:00-13:00", "mon-fri 14:00-18:00", "sat 09:00-12:00"];
        let rome = chrono_tz::Europe::Rome;
        // Thursday 14 May 2026, summer time: UTC+2.
        check(office, rome, "2026-05-14T08:00:00Z", "1h", Some("2026-05-14T09:00:00Z"));
        // Across the lunch break.
        check(office, rome, "2026-05-14T10:30:00Z", "1h", Some("2026-05-14T12:30:00Z"));
        // After closing: from the next morning.
        check(office, rome, "2026-05-14T18:45:00Z", "15m", Some("2026-05-15T07:15:00Z"));
        // Friday evening to Saturday, then over the week-end.
        check(office, rome, "2026-05-15T15:00:00Z", "3h", Some("2026-05-16T09:00:00Z"));
        check(office, rome, "2026-05-16T10:00:00Z", "1h", Some("2026-05-18T08:00:00Z"));
        // A holiday is skipped: Easter Monday 6 April 2026.
        check(office, rome, "2026-04-06T08:00:00Z", "30m", Some("2026-04-07T07:30:00Z"));
        check(&["always"], rome, "2026-12-25T08:00:00Z", "30m", Some("2026-12-25T08:30:00Z"));
    }

    #[test]
    fn clock_changes_and_midnight_are_kept() {
        let rome = chrono_tz::Europe::Rome;
        // 29 March 2026: 02:00 becomes 03:00, so 01:30 to 04:00 are one and a half hours.
        check(&["sun 01:30-04:00"], rome, "2026-03-29T00:00:00Z", "1h", Some("2026-03-29T01:30:00Z"));
        check(&["sun 01:30-04:00"], rome, "2026-03-29T00:00:00Z", "2h", Some("2026-04-05T00:00:00Z"));
        // 25 October 2026: 02:00 to 03:00 comes twice.
        check(&["sun 01:00-04:00"], rome, "2026-10-24T22:00:00Z", "4h", Some("2026-10-25T03:00:00Z"));
        // Opens at an hour that does not exist that day.
        check(&["sun 02:30-05:00"], rome, "2026-03-28T22:00:00Z", "1h", Some("2026-03-29T02:00:00Z"));
        check(&["mon-sun 18:00-24:00"], rome, "2026-05-14T21:30:00Z", "1h", Some("2026-05-15T16:30:00Z"));
        // From Friday to Monday, written across the week's end; overlaps count once.
        check(
            &["fri-mon 10:00-12:00", "sat 11:00-12:00"],
            rome,
            "2026-05-15T08:00:00Z",
            "5h",
            Some("2026-05-17T09:00:00Z"),
        );
    }

    #[test]
    fn what_is_no_hours_or_no_sla_is_refused() {
        for hours in
            ["", "mon", "mon-fri", "mon 9:00-18:00", "mon 18:00-09:00", "mon 09:00-24:01", "lun 09:00-18:00"]
        {
            assert!(Hours::parse([hours], Tz::UTC).is_err(), "{hours}");
        }
        assert!(Hours::parse([], Tz::UTC).is_err());
        for time in ["", "m", "15", "15s", "-1h", "0m", "9999999999999999999d", "400d", "1é", "é"] {
            assert!(sla(time).is_err(), "{time}");
        }
        let mut holidays = Holidays::default();
        assert!(holidays.add("02-30").is_err());
        assert!(holidays.add("02-29").is_ok());
        assert!(holidays.add("Christmas").is_err());
    }

    #[test]
    fn a_queue_that_is_closed_all_year_has_no_due_time() {
        let hours = Hours::parse(["mon 09:00-09:30"], Tz::UTC).unwrap();
        let none = hours.due(at("2026-05-14T08:00:00Z"), sla("366d").unwrap(), &Holidays::default());
        assert_eq!(none, None);
    }
}
