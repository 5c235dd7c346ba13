//! What the contact centre promised, by when, and whether the contacts tell that it was not kept.
//!
//! A promise is taken as kept until a later contact of the customer speaks against it: the customer says so; or, once
//! it was due, they say that they have been in touch before, bring the same problem to another conversation, or
//! complain where the promise was made. A later message of an agent in that conversation counts as the promise kept,
//! unless the customer says otherwise. Days are those of `journey.time_zone`.

use std::sync::LazyLock;

use chrono::{DateTime, Datelike, Days, Duration, NaiveDate, Utc};
use chrono_tz::Tz;
use regex::RegexSet;

use super::calendar::{day, ends};
use super::fold::FoldSettings;
use super::goals;
use super::model::{Contact, Promise};
use super::repeat;
use crate::interaction::Author;
use crate::nlp::labels::SignalKind;

/// Promises shown, the latest.
const SHOWN: usize = 5;
/// Without a word about when.
const USUAL_DAYS: u64 = 2;
/// An agent's message so soon after a promise is part of the same talk and keeps nothing.
const SAME_TALK_MINUTES: i64 = 60;
/// From here on a customer's message is a complaint.
const UNHAPPY: f32 = -0.3;

/// A promise and when it has to be kept.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Made {
    pub promise: Promise,
    pub due: DateTime<Utc>,
}

/// The latest promises made in these contacts, oldest first.
pub(super) fn list(contacts: &[Contact], settings: &FoldSettings) -> Vec<Made> {
    let texts = contacts
        .iter()
        .enumerate()
        .flat_map(|(index, contact)| contact.promises.iter().map(move |text| (index, contact, text)));
    // Whether it was kept is looked up for those that are shown only.
    let latest: Vec<_> = texts.rev().take(SHOWN).collect();
    let made = latest.into_iter().rev().map(|(index, contact, text)| {
        let due = due(text, contact.at, settings.zone);
        let later = contacts.get(index + 1..).unwrap_or_default();
        let kept = !broken(contact, due, later, settings);
        let conversation_id = contact.conversation_id.clone();
        let promise = Promise { text: text.clone(), conversation_id, at: contact.at, kept, due: Some(due) };
        Made { promise, due }
    });
    made.collect()
}

fn broken(made_in: &Contact, due: DateTime<Utc>, later: &[Contact], settings: &FoldSettings) -> bool {
    let mut kept = false;
    for contact in later.iter().filter(|contact| !contact.auto_reply) {
        if contact.author == Author::Agent {
            let another_talk = contact.at - made_in.at >= Duration::minutes(SAME_TALK_MINUTES);
            kept |= another_talk && contact.conversation_id == made_in.conversation_id;
        } else if contact.author == Author::Customer && !goals::closes(contact) {
            let again = || {
                contact.signals.contains(&SignalKind::RepeatContact)
                    || (contact.conversation_id == made_in.conversation_id && complains(contact))
                    || repeat::same_matter(made_in, contact, settings)
            };
            if contact.promise_unkept || (!kept && contact.at > due && again()) {
                return true;
            }
        }
    }
    false
}

fn complains(contact: &Contact) -> bool {
    contact.sentiment <= UNHAPPY || contact.intents.iter().any(|intent| intent.name == "complaint")
}

/// When a promise made at that time is due, by its words: the end of the day named, as days go in that zone, else two
/// days on.
pub(super) fn due(text: &str, at: DateTime<Utc>, zone: Tz) -> DateTime<Utc> {
    let text = text.to_lowercase();
    let today = day(at, zone);
    if let Some(hours) = amount(&text, |word| matches!(word, "hour" | "hours" | "ora" | "ore")) {
        return at + Duration::hours(i64::from(hours));
    }
    let days = if let Some(days) = amount(&text, |word| matches!(word, "day" | "days" | "giorno" | "giorni"))
    {
        u64::from(days)
    } else if let Some(weeks) = amount(&text, |word| word.starts_with("week") || word.starts_with("settiman"))
    {
        u64::from(weeks) * 7
    } else {
        let found = WHEN.matches(&text);
        found.iter().next().map_or(USUAL_DAYS, |index| match index {
            0 => 2,
            1 => 1,
            2 => 0,
            3 => 7,
            weekday => days_to(today, weekday - 4),
        })
    };
    ends(today.checked_add_days(Days::new(days)).unwrap_or(today), zone)
}

/// In this order: the day after tomorrow before tomorrow, which it contains.
static WHEN: LazyLock<RegexSet> = LazyLock::new(|| RegexSet::new(WHEN_WORDS).unwrap_or_default());
const WHEN_WORDS: [&str; 11] = [
    r"\bday after tomorrow\b|\bdopodomani\b",
    r"\btomorrow\b|\bdomani\b",
    r"\b(?:today|tonight|this (?:morning|afternoon|evening)|at once|immediately|shortly|oggi|stasera|in giornata|subito|stamattina)\b",
    r"\bnext week\b|\bweek's end\b|\bend of the week\b|\bsettimana prossima\b|\bprossima settimana\b|\bfine settimana\b",
    r"\bmonday\b|\bluned[iì]",
    r"\btuesday\b|\bmarted[iì]",
    r"\bwednesday\b|\bmercoled[iì]",
    r"\bthursday\b|\bgioved[iì]",
    r"\bfriday\b|\bvenerd[iì]",
    r"\bsaturday\b|\bsabato\b",
    r"\bsunday\b|\bdomenica\b",
];

/// Days to the next such weekday, 0 = Monday; a week when it is today's.
fn days_to(today: NaiveDate, weekday: usize) -> u64 {
    let today = u64::from(today.weekday().num_days_from_monday());
    let wanted = u64::try_from(weekday).unwrap_or(0);
    match (wanted + 7 - today) % 7 {
        0 => 7,
        days => days,
    }
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
    const WORDS: [(&str, u32); 27] = [
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
    use crate::journey::model::Outcome;
    use crate::journey::samples::{about, days, settings};

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
    }

    #[test]
    fn every_pattern_compiles() {
        assert_eq!(RegexSet::new(WHEN_WORDS).unwrap().len(), WHEN_WORDS.len());
    }

    #[test]
    fn kept_or_not() {
        let mut call = about("1", "p1", "technical.problem", 2.0);
        call.promises.push("A colleague will ring you tomorrow morning".to_owned());
        let chat = about("2", "k1", "technical.problem", 4.0);
        let check = |what: &str, later: &[Contact], kept: bool| {
            let contacts = [vec![call.clone()], later.to_vec()].concat();
            let made = list(&contacts, &settings());
            assert_eq!(made.iter().map(|made| made.promise.kept).collect::<Vec<_>>(), [kept], "{what}");
        };
        let with = |change: fn(&mut Contact)| {
            let mut contact = chat.clone();
            change(&mut contact);
            contact
        };
        check("nothing since", &[], true);
        check("the same problem after it was due", std::slice::from_ref(&chat), false);
        check("the same problem before it was due", &[with(|c| c.at = days(2.5))], true);
        check(
            "says so before it was due",
            &[with(|c| {
                c.at = days(2.5);
                c.promise_unkept = true
            })],
            false,
        );
        check("another problem", &[about("2", "k1", "billing.dispute", 4.0)], true);
        check(
            "says it is a repeat",
            &[with(|c| {
                c.intents.clear();
                c.signals.push(SignalKind::RepeatContact)
            })],
            false,
        );
        check(
            "good news",
            &[with(|c| {
                c.sentiment = 0.8;
                c.outcome = Outcome::Resolved
            })],
            true,
        );
        check("a machine", &[with(|c| c.auto_reply = true)], true);
        check(
            "unhappy in the same conversation",
            &[with(|c| {
                c.conversation_id = "p1".into();
                c.intents.clear();
                c.sentiment = -0.6
            })],
            false,
        );
        check(
            "a question in the same conversation",
            &[with(|c| {
                c.conversation_id = "p1".into();
                c.intents.clear();
                c.sentiment = 0.0
            })],
            true,
        );
        let agent = |day: f64| {
            let mut c = about("3", "p1", "other", day);
            c.author = Author::Agent;
            c
        };
        check("the agent came back", &[agent(3.0), chat.clone()], true);
        check("the agent was still talking", &[agent(2.01), chat.clone()], false);
        check(
            "the agent came back, the customer denies it",
            &[agent(3.0), with(|c| c.promise_unkept = true)],
            false,
        );
    }
}
