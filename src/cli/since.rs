//! `--since` and `--until` of the commands that look back: a span such as `30d`, or a moment.

use std::str::FromStr;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};

use super::WrongUse;

/// A hundred years: further back there is nothing.
const MOST: TimeDelta = TimeDelta::days(36_525);

/// From when on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// So long before now.
    Ago(TimeDelta),
    /// From this moment on.
    At(DateTime<Utc>),
}

impl Since {
    /// The moment.
    pub fn moment(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::Ago(span) => now.checked_sub_signed(span).unwrap_or(DateTime::UNIX_EPOCH),
            Self::At(at) => at,
        }
    }

    /// From here up to `until`, or up to now.
    ///
    /// # Errors
    /// The end does not come after the beginning.
    pub fn span(self, until: Option<Self>) -> Result<(DateTime<Utc>, DateTime<Utc>), WrongUse> {
        let now = Utc::now();
        let (since, until) = (self.moment(now), until.map_or(now, |until| until.moment(now)));
        if since >= until {
            let told = |at: DateTime<Utc>| at.format("%Y-%m-%d %H:%M:%S").to_string();
            let (since, until) = (told(since), told(until));
            return Err(WrongUse(format!(
                "the span is empty: --since is {since} UTC and --until is {until} UTC; give an earlier --since"
            )));
        }
        Ok((since, until))
    }
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(at) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self::At(at.to_utc()));
        }
        if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            return Ok(Self::At(day.and_time(NaiveTime::MIN).and_utc()));
        }
        let wrong =
            || "write 90m, 24h, 30d or 4w, a day such as 2026-05-14, or 2026-05-14T08:00:00Z".to_owned();
        let unit = text.chars().last().ok_or_else(wrong)?;
        let number =
            text.strip_suffix(unit).and_then(|number| number.parse::<u32>().ok()).ok_or_else(wrong)?;
        let minutes: i64 = match unit {
            'm' => 1,
            'h' => 60,
            'd' => 1_440,
            'w' => 10_080,
            _ => return Err(wrong()),
        };
        let span = TimeDelta::minutes(minutes * i64::from(number));
        if span > MOST || span.is_zero() {
            return Err("from one minute to a hundred years".to_owned());
        }
        Ok(Self::Ago(span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_moments() {
        let now: DateTime<Utc> = "2026-05-14T12:00:00Z".parse().unwrap();
        let check = |text: &str, expected: Option<&str>| {
            let found = text.parse::<Since>().ok().map(|since| since.moment(now).to_rfc3339());
            assert_eq!(found.as_deref(), expected, "{text}");
        };
        check("90m", Some("2026-05-14T10:30:00+00:00"));
        check("24h", Some("2026-05-13T12:00:00+00:00"));
        check("30d", Some("2026-04-14T12:00:00+00:00"));
        check("2w", Some("2026-04-30T12:00:00+00:00"));
        check("2026-05-01", Some("2026-05-01T00:00:00+00:00"));
        check("2026-05-01T08:00:00+02:00", Some("2026-05-01T06:00:00+00:00"));
        for wrong in ["", "d", "0d", "-1d", "1y", "1.5h", "30 d", "yesterday", "4294967295w", "5è"] {
            check(wrong, None);
        }
    }
}
