//! The agent brief: whole sentences of facts and the customer's own first words, in English or Italian by the language
//! of the message, at most 120 words. It says what, since when, through which channels, what was promised and what is
//! still open, most needed first; what does not fit is left out whole.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use super::calendar::day;
use super::experience::days_between;
use super::model::{Contact, Journey, JourneyView, RiskLevel, Said, Trend};
use super::names::Tongue;
use super::promises::Made;

const MOST_WORDS: usize = 120;
/// Open goals named.
const GOALS: usize = 3;
/// Promises named.
const PROMISES: usize = 3;
/// A promise broken so many days ago no longer comes before what waits today.
const OLD_DAYS: f64 = 60.0;

/// What the brief is written from.
pub(super) struct Facts<'a> {
    pub journey: &'a Journey,
    pub contact: &'a Contact,
    pub earlier: &'a [Contact],
    pub made: &'a [Made],
    pub view: &'a JourneyView,
    pub zone: Tz,
}

impl Facts<'_> {
    fn day(&self, at: DateTime<Utc>) -> NaiveDate {
        day(at, self.zone)
    }

    fn today(&self) -> NaiveDate {
        self.day(self.contact.at)
    }
}

/// A message too short to tell its language is taken for one in the language they wrote before.
pub(super) fn language<'a>(contact: &'a Contact, earlier: &'a [Contact]) -> &'a str {
    let languages = std::iter::once(contact).chain(earlier.iter().rev().filter(|c| c.counts()));
    let told = languages.map(|contact| contact.language.as_str()).find(|code| !matches!(*code, "" | "und"));
    told.unwrap_or_default()
}

/// Writes it.
pub(super) fn write(facts: &Facts<'_>) -> String {
    let tongue = Tongue::of(language(facts.contact, facts.earlier));
    let mut promises = promised(facts, tongue).into_iter();
    let first = [
        opening(facts, tongue),
        promises.next(),
        contradicted(facts, tongue),
        open(facts, tongue),
        beginning(facts, tongue),
        standing(facts, tongue),
        now(facts, tongue),
    ];
    // What the message itself says is worth more than a second promise.
    let sentences = first.into_iter().chain(promises.map(Some));
    let mut words = 0;
    let mut kept: Vec<String> = Vec::new();
    for sentence in sentences.flatten() {
        let more = sentence.split_whitespace().count();
        if words + more <= MOST_WORDS {
            words += more;
            kept.push(sentence);
        }
    }
    kept.join(" ")
}

/// A promise still to be kept, as a task.
pub(super) fn promise_to_keep(language: &str, made: &Made, now: DateTime<Utc>, zone: Tz) -> String {
    let tongue = Tongue::of(language);
    let due = tongue.due(day(made.due, zone), day(now, zone));
    let text = &made.promise.text;
    tongue.pick(
        format!("Keep the promise {due}: \"{text}\""),
        format!("Mantenere la promessa {due}: \"{text}\""),
    )
}

/// A bad score, as a task, with what it is about.
pub(super) fn low_score(language: &str, root_cause: Option<&str>) -> String {
    let tongue = Tongue::of(language);
    let about = root_cause.map(|intent| format!(" ({})", tongue.intent(intent))).unwrap_or_default();
    tongue.pick(
        format!("Ask the customer about the low score{about}"),
        format!("Chiedere al cliente il motivo del voto basso{about}"),
    )
}

/// A high score, as a task.
pub(super) fn high_score(language: &str) -> String {
    let tongue = Tongue::of(language);
    tongue
        .pick("Thank the customer and ask for a review", "Ringraziare il cliente e chiedere una recensione")
        .to_owned()
}

/// How many contacts, over how long, through which channels, about what.
fn opening(facts: &Facts<'_>, tongue: Tongue) -> Option<String> {
    let contact = facts.contact;
    let topic = contact.intents.first().map(|intent| tongue.intent(&intent.name));
    let about = topic.map(|topic| format!(": {topic}")).unwrap_or_default();
    let repeat = &facts.view.repeat_contact;
    let before: Vec<&Contact> = facts.earlier.iter().filter(|earlier| earlier.counts()).collect();
    if repeat.is_repeat {
        let related = before.iter().filter(|earlier| repeat.of.contains(&earlier.conversation_id)).copied();
        let channels = channels(related.chain([contact]), tongue);
        let ordinal = tongue.ordinal(usize::try_from(repeat.count).unwrap_or(repeat.of.len()) + 1);
        let span = span(f64::from(repeat.days), tongue);
        return Some(tongue.pick(
            format!("{ordinal} contact {span} about the same problem ({channels}){about}."),
            format!("{ordinal} contatto {span} per lo stesso problema ({channels}){about}."),
        ));
    }
    let channel = tongue.channel(contact.channel);
    let Some(first) = before.first() else {
        return Some(tongue.pick(
            format!("First known contact ({channel}){about}."),
            format!("Primo contatto conosciuto ({channel}){about}."),
        ));
    };
    let since = tongue.since(facts.day(first.at), facts.today());
    let channels = channels(before.iter().copied(), tongue);
    let count = before.len();
    Some(tongue.pick(
        format!(
            "{count} earlier {} {since} ({channels}). This one ({channel}){about}.",
            if count == 1 { "contact" } else { "contacts" }
        ),
        format!(
            "{count} {} {since} ({channels}). Questo ({channel}){about}.",
            if count == 1 { "contatto precedente" } else { "contatti precedenti" }
        ),
    ))
}

fn span(days: f64, tongue: Tongue) -> String {
    if days < 1.0 {
        return tongue.pick("within a day", "in un giorno").to_owned();
    }
    let days = format!("{:.0}", days.ceil());
    let one = days == "1";
    tongue.pick(
        format!("in {days} {}", if one { "day" } else { "days" }),
        format!("in {days} {}", if one { "giorno" } else { "giorni" }),
    )
}

fn channels<'a>(contacts: impl Iterator<Item = &'a Contact>, tongue: Tongue) -> String {
    let mut names: Vec<&str> = Vec::new();
    for contact in contacts {
        let name = tongue.channel(contact.channel);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(", ")
}

/// Promises and what became of them: broken ones first, the latest before; then those to be kept, what is due first before;
/// without either, the latest, unless it is long past.
fn promised(facts: &Facts<'_>, tongue: Tongue) -> Vec<String> {
    let now = facts.contact.at;
    let is_old = |made: &Made| days_between(made.due, now) > OLD_DAYS;
    let broken = facts.made.iter().rev().filter(|made| !made.promise.kept && !is_old(made));
    let mut pending: Vec<&Made> =
        facts.made.iter().filter(|made| made.promise.kept && made.due >= now).collect();
    pending.sort_by_key(|made| made.due);
    let mut told: Vec<&Made> = broken.chain(pending).take(PROMISES).collect();
    if told.is_empty() {
        told.extend(facts.made.last().filter(|made| !is_old(made)));
    }
    told.into_iter().map(|made| one_promised(facts, made, tongue)).collect()
}

fn one_promised(facts: &Facts<'_>, made: &Made, tongue: Tongue) -> String {
    let now = facts.contact.at;
    let on = tongue.on(facts.day(made.promise.at), facts.today());
    let due = tongue.due(facts.day(made.due), facts.today());
    let text = made.promise.text.trim_end_matches(['.', '!', ' ']);
    match (made.promise.kept, made.due >= now) {
        (false, _) => tongue.pick(
            format!("Promised {on}: \"{text}\"; it was not kept."),
            format!("Promesso {on}: \"{text}\"; non è stato mantenuto."),
        ),
        (true, true) => tongue
            .pick(format!("Promised {on}: \"{text}\"; {due}."), format!("Promesso {on}: \"{text}\"; {due}.")),
        (true, false) => {
            tongue.pick(format!("Promised {on}: \"{text}\"."), format!("Promesso {on}: \"{text}\"."))
        }
    }
}

/// The latest two things that cannot both be true.
fn contradicted(facts: &Facts<'_>, tongue: Tongue) -> Option<String> {
    let found = facts.view.contradictions.last()?;
    let side = |said: &Said| {
        let on = tongue.on(facts.day(said.at), facts.today());
        let text = said.text.trim_end_matches(['.', '!', ' ']);
        format!("\"{text}\" ({}, {on})", tongue.source(said.by))
    };
    let (first, second) = (side(&found.first), side(&found.second));
    Some(tongue.pick(
        format!("Told different things: {first}, {second}."),
        format!("Sono state dette cose diverse: {first}, {second}."),
    ))
}

fn open(facts: &Facts<'_>, tongue: Tongue) -> Option<String> {
    let now = facts.contact.at;
    let before = facts.journey.open_goals.iter().filter(|goal| goal.since < now);
    let named: Vec<String> = before
        .take(GOALS)
        .map(|goal| {
            let (what, since) =
                (tongue.intent(&goal.intent), tongue.since(facts.day(goal.since), facts.today()));
            format!("{what} {since}")
        })
        .collect();
    (!named.is_empty())
        .then(|| format!("{}: {}.", tongue.pick("Still open", "Ancora aperto"), named.join("; ")))
}

/// How it began, in the customer's words.
fn beginning(facts: &Facts<'_>, tongue: Tongue) -> Option<String> {
    let repeat = &facts.view.repeat_contact;
    let first = facts.earlier.iter().find(|earlier| {
        earlier.counts()
            && (repeat.of.contains(&earlier.conversation_id)
                || earlier.conversation_id == facts.contact.conversation_id)
    })?;
    if first.summary.is_empty() {
        return None;
    }
    let on = tongue.on(facts.day(first.at), facts.today());
    let channel = tongue.channel(first.channel);
    Some(tongue.pick(
        format!("It began {on} ({channel}): \"{}\"", first.summary),
        format!("È iniziato {on} ({channel}): \"{}\"", first.summary),
    ))
}

/// Who it is by now: stage, and what is not well.
fn standing(facts: &Facts<'_>, tongue: Tongue) -> Option<String> {
    let stage = facts.journey.stage?;
    let since = facts.journey.stage_history.last().map(|(at, _)| *at);
    let mut parts = vec![match since.filter(|at| days_between(*at, facts.contact.at) >= 1.0) {
        Some(at) => {
            let (stage, at) = (tongue.stage(stage), tongue.since(facts.day(at), facts.today()));
            tongue.pick(format!("Stage: {stage} {at}"), format!("Fase: {stage} {at}"))
        }
        None => format!("{}: {}", tongue.pick("Stage", "Fase"), tongue.stage(stage)),
    }];
    let risk = facts.view.churn_risk.level;
    if risk > RiskLevel::Low {
        parts.push(format!("{} {}", tongue.pick("churn risk", "rischio di abbandono"), tongue.risk(risk)));
    }
    let score = facts.view.experience.score;
    if facts.view.sentiment_trend == Trend::Worsening {
        parts.push(tongue.pick(
            format!("experience {score} of 100, getting worse"),
            format!("esperienza {score} su 100, in peggioramento"),
        ));
    }
    Some(format!("{}.", parts.join(", ")))
}

/// The message itself, in its first words.
fn now(facts: &Facts<'_>, tongue: Tongue) -> Option<String> {
    let summary = &facts.contact.summary;
    (!summary.is_empty()).then(|| format!("{}: \"{summary}\"", tongue.pick("Now", "Ora")))
}
