//! When a promise is due, by its words: minutes and hours from when it was made; else the end of the day that they name
//! (a date, a number of days, a weekday, the end of the week or month), or a time of day on it; else two days on. Days are
//! those of `journey.time_zone`.

use std::sync::LazyLock;

use chrono::{DateTime, Datelike, Days, Duration, Months, NaiveDate, NaiveTime, TimeZone as _, Utc};
use chrono_tz::Tz;
use regex::Regex;

use super::calendar::{day, ends};

/// Without a word about when.
const USUAL_DAYS: u64 = 2;

macro_rules! patterns {
    ($($name:ident = $text:expr;)+) => {
        // One that does not compile finds nothing, which the tests below refuse.
        $(static $name: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new($text).ok());)+
        #[cfg(test)]
        fn all_patterns() -> Vec<(&'static str, bool)> {
            vec![$((stringify!($name), $name.is_some())),+]
        }
    };
}

// On texts in small letters.
patterns! {
    DENIED = r"\b(?:not|non|instead of|rather than|invece di|anziché)\s+(?:on\s+|by\s+|before\s+|this\s+|di\s+|il\s+|entro\s+)?(?:today|tomorrow|oggi|domani|monday|tuesday|wednesday|thursday|friday|saturday|sunday|luned[iì]|marted[iì]|mercoled[iì]|gioved[iì]|venerd[iì]|sabato|domenica)";
    DAY_MONTH = r"\b(\d{1,2})(?:st|nd|rd|th|°)?\s+(?:of\s+)?(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|genn|febb|marz|april|magg|giug|lugl|agos|sett|otto|nove|dice)[a-z]*\.?(?:\s+(\d{4}))?\b";
    MONTH_DAY = r"\b(january|february|march|april|may|june|july|august|september|october|november|december)\s+(\d{1,2})(?:st|nd|rd|th)?(?:,?\s+(\d{4}))?\b";
    NUMBERS = r"\b(\d{1,2})/(\d{1,2})(?:/(\d{4}|\d{2}))?\b";
    OF_MONTH = r"\b(?:by|on|before|until)\s+the\s+(\d{1,2})(?:st|nd|rd|th)\b|\b(?:entro\s+il|entro\s+l['’]|il\s+giorno|per\s+il)\s*(\d{1,2})\b";
    MONTH_END = r"\bend\s+of\s+(?:the|this)\s+month\b|\bmonth['’]?s?\s+end\b|\bfine\s+(?:del\s+)?mese\b";
    TIME = r"\b(?:by|at|before|until|between|and|to)\s+(\d{1,2})(?:[:.](\d{2}))?\s*(am|pm|a\.m\.|p\.m\.|o['’]clock)|\b(?:by|at|before|until)\s+(\d{1,2})[:.](\d{2})\b|\b(?:entro\s+le|alle|prima\s+delle|per\s+le|e\s+le)\s+(?:ore\s+)?(\d{1,2})(?:[:.](\d{2}))?\b";
    NOON = r"\b(?:by|at|before)\s+(?:noon|midday|lunchtime)\b|\b(?:entro|a|prima\s+di)\s+mezzogiorno\b";
    AFTER_NEXT = r"\bday after tomorrow\b|\bdopodomani\b";
    TOMORROW = r"\btomorrow\b|\bdomani\b";
    TODAY = r"\b(?:today|tonight|this (?:morning|afternoon|evening)|at once|immediately|shortly|oggi|stasera|in giornata|subito|stamattina)\b";
    NEXT_WEEK = r"\bnext week\b|\bweek['’]?s end\b|\bend of the week\b|\bsettimana prossima\b|\bprossima settimana\b|\bfine settimana\b";
    MONDAY = r"\bmonday\b|\bluned[iì]";
    TUESDAY = r"\btuesday\b|\bmarted[iì]";
    WEDNESDAY = r"\bwednesday\b|\bmercoled[iì]";
    THURSDAY = r"\bthursday\b|\bgioved[iì]";
    FRIDAY = r"\bfriday\b|\bvenerd[iì]";
    SATURDAY = r"\bsaturday\b|\bsabato\b";
    SUNDAY = r"\bsunday\b|\bdomenica\b";
}

/// When a promise made at that time is due.
pub(super) fn due(text: &str, at: DateTime<Utc>, zone: Tz) -> DateTime<Utc> {
    let text = without(&DENIED, &text.to_lowercase());
    let today = day(at, zone);
    if let Some(minutes) = amount(&text, |word| matches!(word, "minute" | "minutes" | "minuto" | "minuti")) {
        return at + Duration::minutes(i64::from(minutes));
    }
    if let Some(hours) = amount(&text, |word| matches!(word, "hour" | "hours" | "ora" | "ore")) {
        return at + Duration::hours(i64::from(hours));
    }
    let (date, rest) = dated(&text, today);
    let date = date.or_else(|| counted(&text, today)).or_else(|| named(&text, today));
    let Some(time) = time(&rest) else {
        let usual = today.checked_add_days(Days::new(USUAL_DAYS)).unwrap_or(today);
        return ends(date.unwrap_or(usual), zone);
    };
    // A time of day that is over is that of the next day.
    let on =
        |date: NaiveDate| zone.from_local_datetime(&date.and_time(time)).earliest().map(|at| at.to_utc());
    let next = today.checked_add_days(Days::new(1)).unwrap_or(today);
    match date {
        Some(date) => on(date).unwrap_or_else(|| ends(date, zone)),
        None => on(today).filter(|due| *due > at).or_else(|| on(next)).unwrap_or_else(|| ends(next, zone)),
    }
}

fn without(pattern: &Option<Regex>, text: &str) -> String {
    pattern.as_ref().map_or_else(|| text.to_owned(), |pattern| pattern.replace_all(text, " ").into_owned())
}

fn captures<'t>(pattern: &Option<Regex>, text: &'t str) -> Option<regex::Captures<'t>> {
    pattern.as_ref()?.captures(text)
}

/// A date, and the text without it, so that its day is no hour.
fn dated(text: &str, today: NaiveDate) -> (Option<NaiveDate>, String) {
    let number = |found: &regex::Captures<'_>, group: usize| found.get(group)?.as_str().parse::<u32>().ok();
    let year = |found: &regex::Captures<'_>, group: usize| {
        let year: i32 = found.get(group)?.as_str().parse().ok()?;
        Some(if year < 100 { 2000 + year } else { year })
    };
    let found = captures(&DAY_MONTH, text)
        .map(|found| {
            (
                number(&found, 1),
                found.get(2).and_then(|name| month(name.as_str())),
                year(&found, 3),
                &DAY_MONTH,
            )
        })
        .or_else(|| {
            let found = captures(&MONTH_DAY, text)?;
            let name = found.get(1).and_then(|name| month(name.as_str()));
            Some((number(&found, 2), name, year(&found, 3), &MONTH_DAY))
        })
        .or_else(|| {
            let found = captures(&NUMBERS, text)?;
            Some((number(&found, 1), number(&found, 2), year(&found, 3), &NUMBERS))
        });
    if let Some((Some(day), Some(month), year, pattern)) = found
        && let Some(date) = next_date(today, year, month, day)
    {
        return (Some(date), without(pattern, text));
    }
    if MONTH_END.as_ref().is_some_and(|pattern| pattern.is_match(text)) {
        let first = today.with_day(1).and_then(|first| first.checked_add_months(Months::new(1)));
        return (first.and_then(|first| first.pred_opt()), text.to_owned());
    }
    if let Some(found) = captures(&OF_MONTH, text)
        && let Some(day) = number(&found, 1).or_else(|| number(&found, 2))
    {
        let this = today.with_day(day).filter(|date| *date >= today);
        let next = || today.with_day(1)?.checked_add_months(Months::new(1))?.with_day(day);
        return (this.or_else(next), without(&OF_MONTH, text));
    }
    (None, text.to_owned())
}

/// The next such date, where no year is said.
fn next_date(today: NaiveDate, year: Option<i32>, month: u32, day: u32) -> Option<NaiveDate> {
    if let Some(year) = year {
        return NaiveDate::from_ymd_opt(year, month, day);
    }
    let this = NaiveDate::from_ymd_opt(today.year(), month, day).filter(|date| *date >= today);
    this.or_else(|| NaiveDate::from_ymd_opt(today.year() + 1, month, day))
}

fn month(name: &str) -> Option<u32> {
    const MONTHS: [[&str; 2]; 12] = [
        ["jan", "gen"],
        ["feb", "feb"],
        ["mar", "mar"],
        ["apr", "apr"],
        ["may", "mag"],
        ["jun", "giu"],
        ["jul", "lug"],
        ["aug", "ago"],
        ["sep", "set"],
        ["oct", "ott"],
        ["nov", "nov"],
        ["dec", "dic"],
    ];
    let index = MONTHS.iter().position(|names| names.contains(&name.get(..3).unwrap_or_default()))?;
    u32::try_from(index + 1).ok()
}

/// A number of days or weeks.
fn counted(text: &str, today: NaiveDate) -> Option<NaiveDate> {
    let days = amount(text, |word| matches!(word, "day" | "days" | "giorno" | "giorni")).map(u64::from);
    let weeks = || amount(text, |word| word.starts_with("week") || word.starts_with("settiman"));
    let days = days.or_else(|| weeks().map(|weeks| u64::from(weeks) * 7))?;
    today.checked_add_days(Days::new(days))
}

/// The day that is named first.
fn named(text: &str, today: NaiveDate) -> Option<NaiveDate> {
    let words: [(&LazyLock<Option<Regex>>, u64); 11] = [
        (&AFTER_NEXT, 2),
        (&TOMORROW, 1),
        (&TODAY, 0),
        (&NEXT_WEEK, 7),
        (&MONDAY, days_to(today, 0)),
        (&TUESDAY, days_to(today, 1)),
        (&WEDNESDAY, days_to(today, 2)),
        (&THURSDAY, days_to(today, 3)),
        (&FRIDAY, days_to(today, 4)),
        (&SATURDAY, days_to(today, 5)),
        (&SUNDAY, days_to(today, 6)),
    ];
    let found = words.iter().filter_map(|(pattern, days)| {
        let at = pattern.as_ref().as_ref()?.find(text)?.start();
        Some((at, *days))
    });
    let (_, days) = found.min_by_key(|(at, _)| *at)?;
    today.checked_add_days(Days::new(days))
}

/// Days to the next such weekday, 0 = Monday; a week when it is today's.
fn days_to(today: NaiveDate, weekday: u64) -> u64 {
    let today = u64::from(today.weekday().num_days_from_monday());
    match (weekday + 7 - today) % 7 {
        0 => 7,
        days => days,
    }
}

/// The last time of day in the text: the end of "between 9 am and 12 am".
fn time(text: &str) -> Option<NaiveTime> {
    if NOON.as_ref().is_some_and(|pattern| pattern.is_match(text)) {
        return NaiveTime::from_hms_opt(12, 0, 0);
    }
    let found = TIME.as_ref()?.captures_iter(text).last()?;
    let group = |groups: [usize; 3]| {
        groups.into_iter().find_map(|group| found.get(group)).map(|group| group.as_str())
    };
    let hour: u32 = group([1, 4, 6])?.parse().ok()?;
    let minute: u32 = group([2, 5, 7]).map_or(Some(0), |minute| minute.parse().ok())?;
    let half = found.get(3).map_or("", |half| half.as_str());
    let hour = match (half.chars().next(), hour) {
        (Some('p'), 1..=11) => hour + 12,
        (Some('a'), 12) => 0,
        _ => hour,
    };
    NaiveTime::from_hms_opt(hour, minute, 0)
}

/// The number before one of the units, one adjective between them allowed: `5 days`, `five working days`, `un'ora`.
fn amount(text: &str, is_unit: fn(&str) -> bool) -> Option<u32> {
    let words: Vec<&str> =
        text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.iter().enumerate().find_map(|(index, word)| {
        let number = number(word)?;
        let adjective = |word: &&str| matches!(*word, "working" | "business" | "full");
        let unit = words.iter().skip(index + 1).find(|word| !adjective(word))?;
        is_unit(unit).then_some(number)
    })
}

fn number(word: &str) -> Option<u32> {
    const WORDS: [(&str, u32); 29] = [
        ("a", 1),
        ("an", 1),
        ("one", 1),
        ("un", 1),
        ("uno", 1),
        ("una", 1),
        ("two", 2),
        ("due", 2),
        ("three", 3),
        ("tre", 3),
        ("four", 4),
        ("quattro", 4),
        ("five", 5),
        ("cinque", 5),
        ("six", 6),
        ("sei", 6),
        ("seven", 7),
        ("sette", 7),
        ("eight", 8),
        ("otto", 8),
        ("ten", 10),
        ("dieci", 10),
        ("twelve", 12),
        ("fourteen", 14),
        ("quindici", 15),
        ("ventiquattro", 24),
        ("thirty", 30),
        ("trenta", 30),
        ("quarantotto", 48),
    ];
    word.parse()
        .ok()
        .filter(|number| *number <= 90)
        .or_else(|| WORDS.iter().find(|(name, _)| *name == word).map(|(_, number)| *number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journey::samples::days;

    #[test]
    fn every_pattern_compiles() {
        for (name, compiles) in all_patterns() {
            assert!(compiles, "{name}");
        }
    }

    #[test]
    fn due_dates() {
        // The tests' time starts on Sunday 10 May 2026 at 9 o'clock.
        let check = |text: &str, expected: &str| {
            let due = due(text, days(0.0), Tz::UTC);
            assert_eq!(due.format("%m-%d %H:%M").to_string(), expected, "{text}");
        };
        check("We will call you back tomorrow.", "05-11 23:59");
        check("La richiameremo entro domani.", "05-11 23:59");
        check("We will write the day after tomorrow.", "05-12 23:59");
        check("Le scriveremo dopodomani.", "05-12 23:59");
        check("You will hear from us today.", "05-10 23:59");
        check("We will refund it within five working days.", "05-15 23:59");
        check("Rimborseremo l'importo entro 3 giorni.", "05-13 23:59");
        check("It will be sent in 2 weeks.", "05-24 23:59");
        check("Un collega la richiamerà entro un'ora.", "05-10 10:00");
        check("We will call you in 24 hours.", "05-11 09:00");
        check("Il tecnico passerà mercoledì.", "05-13 23:59");
        check("The engineer will visit on Sunday.", "05-17 23:59");
        check("We will look into it.", "05-12 23:59");
        check("La settimana prossima le spediremo il pezzo.", "05-17 23:59");
        check("We will refund you by 20 May.", "05-20 23:59");
        check("We will refund you by May 20th.", "05-20 23:59");
        check("Rimborseremo l'importo entro il 20 maggio.", "05-20 23:59");
        check("Lo spediremo entro l'8 maggio.", "05-08 23:59");
        check("We will deliver it on 3/6.", "06-03 23:59");
        check("Le scriveremo entro il 20.", "05-20 23:59");
        check("We will send it by the 5th.", "06-05 23:59");
        check("We will settle it by the end of the month.", "05-31 23:59");
        check("La rimborseremo entro fine mese.", "05-31 23:59");
        check("Verrà richiamato entro le 18.", "05-10 18:00");
        check("Le telefoneremo domani alle 15:30.", "05-11 15:30");
        check("We will ring you by 6 pm.", "05-10 18:00");
        check("We will call you at 8 am.", "05-11 08:00");
        check("We will call you at 17:15 on Friday.", "05-15 17:15");
        check("We will call you back within 30 minutes.", "05-10 09:30");
        check("La richiamiamo entro trenta minuti.", "05-10 09:30");
        check("We will come on Friday, not Thursday.", "05-15 23:59");
        check("Passeremo venerdì, non giovedì.", "05-15 23:59");
        check("The engineer will come on Friday or Saturday.", "05-15 23:59");
        let next_year = due("We will write by 2 January.", days(0.0), Tz::UTC);
        assert_eq!(next_year.format("%Y-%m-%d").to_string(), "2027-01-02");
        let in_rome = due("Verrà richiamato entro le 18.", days(0.0), chrono_tz::Europe::Rome);
        assert_eq!(in_rome.format("%m-%d %H:%M").to_string(), "05-10 16:00");
    }
}
