//! What the customer was told, in a form that can be compared, and where two such things cannot both be true.
//!
//! A sentence of an agent or a bot, or one in which the customer repeats what the site, the bot or an agent said, may
//! state an amount, a day, a number of days, a share, or a yes or no. Two statements contradict each other when they are
//! of one kind, about the same thing (most of the fewer words they are about are shared), say different values, and
//! come from different sources or conversations; within one conversation the same speaker corrects itself. A price that
//! changed between two contacts further apart than a repeat is not a contradiction.

use std::sync::LazyLock;

use chrono::{Datelike, Days, NaiveDate, Weekday};
use chrono_tz::Tz;
use regex::Regex;

use super::calendar::day;
use super::contact::shortened;
use super::cues;
use super::experience::days_between;
use super::fold::FoldSettings;
use super::model::{Contact, Contradiction, Said, Source, Statement};
use crate::interaction::{Author, Interaction};

/// Statements kept of one contact, and words of a subject.
const KEPT: usize = 6;
const WORDS: usize = 8;
/// Characters of a statement, and of the beginning that words are compared by.
const LENGTH: usize = 160;
const STEM: usize = 5;
/// Share of the fewer words that have to be the same, and for yes and no how many at least.
const SAME: f64 = 0.6;
const SAME_WORDS_YES_NO: usize = 2;
/// Contradictions shown.
const SHOWN: usize = 3;

/// The statements of a message, in order.
pub(super) fn found(interaction: &Interaction, zone: Tz) -> Vec<Statement> {
    let mut found = Vec::new();
    let today = day(interaction.sent_at, zone);
    for (turn, spoken) in interaction.turns.iter().enumerate() {
        let text = spoken.text.as_str();
        let mut from = 0;
        for sentence in cues::sentences(text) {
            let Some(start) = text.get(from..).and_then(|rest| rest.find(sentence)).map(|at| at + from)
            else {
                continue;
            };
            from = start + sentence.len();
            let by = match spoken.speaker {
                Author::Agent => Some(Source::Agent),
                Author::Bot => Some(Source::Bot),
                Author::Customer => heard(sentence),
            };
            let Some(by) = by else { continue };
            let Some((kind, value)) = stated(sentence, today) else { continue };
            let subject = subject(sentence);
            if subject.is_empty() || found.len() == KEPT {
                continue;
            }
            let before = text.get(..start).unwrap_or_default().chars().count();
            found.push(Statement {
                by,
                kind,
                subject,
                value,
                text: shortened(sentence, LENGTH),
                turn,
                span: [before, before + sentence.chars().count()],
            });
        }
    }
    found
}

/// Contradictions among what these contacts state, in order of time, the latest few.
pub(super) fn contradictions(contacts: &[Contact], settings: &FoldSettings) -> Vec<Contradiction> {
    let mut found: Vec<Contradiction> = Vec::new();
    // From the end, since the latest are shown.
    'contacts: for (index, contact) in contacts.iter().enumerate().rev() {
        for (place, later) in contact.statements.iter().enumerate().rev() {
            if corrected(contacts, contact, later) {
                continue;
            }
            // The latest one that differs: what was said in between and agrees is not the other side.
            let here = contact.statements.get(..place).unwrap_or_default().iter().rev();
            let here = here.map(|earlier| (contact, earlier));
            let before = contacts.get(..index).unwrap_or_default().iter().rev();
            let before = before
                .take_while(|other| days_between(other.at, contact.at) <= f64::from(settings.repeat_days))
                .flat_map(|other| other.statements.iter().rev().map(move |earlier| (other, earlier)));
            let other = here.chain(before).find(|(other, earlier)| {
                let apart = other.conversation_id != contact.conversation_id || earlier.by != later.by;
                apart && contradict(earlier, later) && !corrected(contacts, other, earlier)
            });
            if let Some((other, earlier)) = other {
                found.push(Contradiction {
                    kind: later.kind.clone(),
                    first: said(other, earlier),
                    second: said(contact, later),
                });
                if found.len() == SHOWN {
                    break 'contacts;
                }
            }
        }
    }
    found.reverse();
    found
}

/// Whether the same speaker has said otherwise since in the same conversation: then the first word no longer stands.
fn corrected(contacts: &[Contact], contact: &Contact, statement: &Statement) -> bool {
    let mut reached = false;
    contacts
        .iter()
        .filter(|other| other.conversation_id == contact.conversation_id)
        .flat_map(|other| &other.statements)
        // Those behind it, by where it stands.
        .filter(|other| {
            let behind = reached;
            reached |= std::ptr::eq(*other, statement);
            behind
        })
        .any(|other| other.by == statement.by && contradict(statement, other))
}

fn said(contact: &Contact, statement: &Statement) -> Said {
    Said {
        by: statement.by,
        message_id: contact.message_id.clone(),
        conversation_id: contact.conversation_id.clone(),
        at: contact.at,
        text: statement.text.clone(),
        turn: statement.turn,
        span: statement.span,
    }
}

fn contradict(one: &Statement, other: &Statement) -> bool {
    one.kind == other.kind && one.value != other.value && about_the_same(one, other)
}

#[expect(clippy::cast_precision_loss, reason = "a handful of words")]
fn about_the_same(one: &Statement, other: &Statement) -> bool {
    let shared = one.subject.iter().filter(|word| other.subject.contains(word)).count();
    let fewer = one.subject.len().min(other.subject.len());
    let least = if one.kind == "yes_no" { SAME_WORDS_YES_NO } else { 1 };
    shared >= least && shared as f64 >= SAME * fewer as f64
}

fn pattern(text: &str) -> Option<Regex> {
    // One that does not compile finds nothing, which the tests below refuse.
    Regex::new(text).ok()
}

macro_rules! patterns {
    ($($name:ident = $text:expr;)+) => {
        $(static $name: LazyLock<Option<Regex>> = LazyLock::new(|| pattern($text));)+
        #[cfg(test)]
        fn all_patterns() -> Vec<(&'static str, bool)> {
            vec![$((stringify!($name), $name.is_some())),+]
        }
    };
}

patterns! {
    SITE = r"(?i)\b(?:(?:your|the|our|on)\s+)?(?:web\s?site|site|web page|page|app|shop online)\b[^.!?]{0,20}\b(?:says?|said|shows?|showed|lists?|stated?s?|promises?|gives?|advertises?)\b|\b(?:according to|on) (?:your|the) (?:web\s?site|site|app|page)\b|\b(?:il|sul|dal|nel|sull['’]|l['’]|secondo il)\s?(?:vostro\s+)?(?:sito|app|pagina)\b[^.!?]{0,20}\b(?:dice|diceva|c['’]è scritto|riporta|indica|mostra|risulta|leggo|ho letto|scrive)\b|\bsul (?:vostro )?sito\b";
    BOT = r"(?i)\b(?:your|the) (?:chat\s?bot|bot|assistant|virtual assistant)\b[^.!?]{0,20}\b(?:says?|said|told|wrote|answered)\b|\b(?:il|la|l['’])\s?(?:vostr[oa]\s+)?(?:chat\s?bot|bot|assistente(?: virtuale)?)\b[^.!?]{0,20}\b(?:dice|ha detto|mi ha detto|ha scritto|ha risposto)\b";
    AGENT = r"(?i)\b(?:your|the|an?|one of your) (?:colleague|agent|advis[eo]r|operator|representative|man|woman|person|lady|manager)s?\b[^.!?]{0,25}\b(?:says?|said|told|promised|assured|confirmed|wrote|quoted)\b|\byou (?:said|told me|promised|confirmed|quoted)\b|\bi was (?:told|promised|quoted|assured)\b|\b(?:il|la|un|una|l['’])\s?(?:vostr[oa]\s+)?(?:collega|operatore|operatrice|consulente|addett[oa])\b[^.!?]{0,25}\b(?:dice|ha detto|detto|promesso|assicurato|confermato|scritto)\b|\bmi (?:avete|hanno|ha|è stato) (?:detto|promesso|garantito|confermato|assicurato)\b";
    MONEY = r"(?i)(?:£|€|\$|\b(?:eur|gbp|usd))\s?(\d{1,6}(?:[.,]\d{1,2})?)(?:\b|$)|\b(\d{1,6}(?:[.,]\d{1,2})?)\s?(?:£|€|\$|(?:euros?|pounds?|dollars?|eur|gbp|usd|quid)\b)";
    FREE = r"(?i)\b(?:for free|free of charge|is free|are free|at no (?:extra )?(?:cost|charge)|no (?:fee|charge)|costs? nothing|gratis|gratuit[oaie]|senza (?:costi|spese)|nessun costo|non costa nulla)\b";
    PER = r"(?i)\b(?:a|per|each|every|al|alla|all['’])\s?(month|year|week|day|mese|anno|settimana|giorno)\b|\b(monthly|yearly|annual(?:ly)?|weekly|mensil[ei]|annual[ei])\b";
    PERCENT = r"(?i)\b(\d{1,3}(?:[.,]\d{1,2})?)\s?(?:%|percent|per cento)";
    DAYS = r"(?i)\b(?:in|within|takes?|after|entro|fra|tra|ci vogliono)\s(?:about\s|circa\s|up to\s)?(\d{1,3})\s(?:working\s|business\s)?(days?|giorni|weeks?|settimane|hours?|ore)\b";
    DATE = r"(?i)\b(?:on\s|il\s|l['’])?(\d{1,2})(?:st|nd|rd|th)?\s(?:of\s)?(january|february|march|april|may|june|july|august|september|october|november|december|gennaio|febbraio|marzo|aprile|maggio|giugno|luglio|agosto|settembre|ottobre|novembre|dicembre)\b";
    DAY = r"(?i)\b(?:(tomorrow|domani)|(today|oggi)|(monday|luned[iì])|(tuesday|marted[iì])|(wednesday|mercoled[iì])|(thursday|gioved[iì])|(friday|venerd[iì])|(saturday|sabato)|(sunday|domenica))(?:\W|$)";
    CLAIM = r"(?i)\b(?:can|cannot|can['’]t|possible|impossible|allowed|eligible|included|covered|refundable|valid|compatible|available|required|necessary|entitled|si può|può|possono|potete|possibile|inclus[oaie]|compres[oaie]|copert[oaie]|disponibil[ei]|rimborsabil[ei]|valid[oaie]|compatibil[ei]|necessari[oaie]|previst[oaie]|ammess[oaie])\b";
    NEGATED = r"(?i)\b(?:not|never|no longer|cannot|impossible|neither|nor|non|mai|nemmeno|né)\b|n['’]t\b|\b(?:is|are|there['’]s) no\b|\bnot? (?:valid|available|included|covered|refundable)\b";
    WORD = r"\p{L}{3,}";
}

/// Through whom the customer heard it, where they say so.
fn heard(sentence: &str) -> Option<Source> {
    let says = |pattern: &Option<Regex>| pattern.as_ref().is_some_and(|pattern| pattern.is_match(sentence));
    if says(&BOT) {
        Some(Source::Bot)
    } else if says(&SITE) {
        Some(Source::Site)
    } else if says(&AGENT) {
        Some(Source::Agent)
    } else {
        None
    }
}

/// The one thing a sentence states; none where it asks or states several of a kind.
fn stated(sentence: &str, today: NaiveDate) -> Option<(String, String)> {
    if sentence.trim_end().ends_with('?') {
        return None;
    }
    let captured = |pattern: &Option<Regex>| -> Vec<Vec<String>> {
        let Some(pattern) = pattern else { return Vec::new() };
        let groups = |found: regex::Captures<'_>| {
            found.iter().skip(1).flatten().map(|group| group.as_str().to_lowercase()).collect()
        };
        pattern.captures_iter(sentence).map(groups).collect()
    };
    let one = |pattern: &Option<Regex>| captured(pattern).try_into().ok().map(|[one]: [Vec<String>; 1]| one);
    let matches =
        |pattern: &Option<Regex>| pattern.as_ref().is_some_and(|pattern| pattern.is_match(sentence));
    if !captured(&MONEY).is_empty() || matches(&FREE) {
        let cents = match one(&MONEY) {
            Some(amount) => cents(amount.first()?)?,
            None if captured(&MONEY).is_empty() => 0,
            None => return None,
        };
        let period = captured(&PER).first().and_then(|unit| unit.first().cloned());
        let kind = period.map_or_else(|| "price".to_owned(), |unit| format!("price/{}", period_name(&unit)));
        return Some((kind, cents.to_string()));
    }
    if let Some(percent) = one(&PERCENT) {
        return Some(("percent".to_owned(), percent.first()?.replace(',', ".")));
    }
    if let Some(date) = one(&DATE) {
        let (day, month) = (date.first()?, date.get(1)?);
        return Some(("date".to_owned(), format!("{:02}-{day:0>2}", month_number(month)?)));
    }
    if let Some(days) = one(&DAYS) {
        let number: u32 = days.first()?.parse().ok()?;
        let unit = days.get(1)?;
        let hours = match unit.chars().next()? {
            'h' | 'o' => number,
            'w' | 's' => number * 7 * 24,
            _ => number * 24,
        };
        return Some(("days".to_owned(), hours.to_string()));
    }
    if let Some(day) = one(&DAY) {
        let date = day_named(day.first()?, today)?;
        return Some(("date".to_owned(), format!("{:02}-{:02}", date.month(), date.day())));
    }
    matches(&CLAIM).then(|| ("yes_no".to_owned(), if matches(&NEGATED) { "no" } else { "yes" }.to_owned()))
}

fn cents(amount: &str) -> Option<u32> {
    let (whole, part) = amount.split_once(['.', ',']).unwrap_or((amount, ""));
    let part: u32 = format!("{part:0<2}").parse().ok()?;
    whole.parse::<u32>().ok()?.checked_mul(100)?.checked_add(part)
}

fn period_name(unit: &str) -> &'static str {
    match unit.get(..2).unwrap_or_default() {
        "mo" | "me" => "month",
        "ye" | "an" => "year",
        "we" | "se" => "week",
        _ => "day",
    }
}

fn month_number(name: &str) -> Option<usize> {
    const MONTHS: [[&str; 2]; 12] = [
        ["january", "gennaio"],
        ["february", "febbraio"],
        ["march", "marzo"],
        ["april", "aprile"],
        ["may", "maggio"],
        ["june", "giugno"],
        ["july", "luglio"],
        ["august", "agosto"],
        ["september", "settembre"],
        ["october", "ottobre"],
        ["november", "novembre"],
        ["december", "dicembre"],
    ];
    MONTHS.iter().position(|names| names.contains(&name)).map(|index| index + 1)
}

/// The next such day.
fn day_named(name: &str, today: NaiveDate) -> Option<NaiveDate> {
    const DAYS: [(&str, &str, Weekday); 7] = [
        ("monday", "luned", Weekday::Mon),
        ("tuesday", "marted", Weekday::Tue),
        ("wednesday", "mercoled", Weekday::Wed),
        ("thursday", "gioved", Weekday::Thu),
        ("friday", "venerd", Weekday::Fri),
        ("saturday", "sabato", Weekday::Sat),
        ("sunday", "domenica", Weekday::Sun),
    ];
    let days = match name {
        "today" | "oggi" => 0,
        "tomorrow" | "domani" => 1,
        _ => {
            let named = |(english, italian, _): &&(&str, &str, Weekday)| {
                name == *english || name.starts_with(italian)
            };
            let (_, _, wanted) = DAYS.iter().find(named)?;
            match (7 + wanted.num_days_from_monday() - today.weekday().num_days_from_monday()) % 7 {
                0 => 7,
                days => days,
            }
        }
    };
    today.checked_add_days(Days::new(days.into()))
}

/// Words that say nothing of what a sentence is about, by their beginnings; amounts, days and whoever said it among them.
const EMPTY: &str = "the and for are was were will would could should shall can cannot may might must has have had been being with that this these those your our their his her its you they she him them from into onto than then there here when where which who what how about also just only very more most some any all each per not never but yes thank thanks please sorry hello dear sir madam okay well now again still already sure understand course say says said told tell shows show lists listed states wrote answered quoted confirmed promised assured colleague agent adviser advisor operator assistant chatbot bot website web site page app according online cost costs price prices priced pay pays paid charge charged charges amount total fee fees euro euros pound pounds dollar dollars eur gbp usd month monthly year yearly annual week weekly day days working business hours hour within after takes take free monday tuesday wednesday thursday friday saturday sunday tomorrow today january february march april may june july august september october november december arrive arrives come comes get got receive possible impossible allowed eligible included covered valid available required necessary entitled percent il lo la gli le un uno una dei del della delle dello degli dal dalla nel nella sul sulla che chi cui non per con tra fra più meno anche già ancora sono sei siamo siete era erano sarà saranno essere stato stata stati ho hai ha abbiamo avete hanno può possono potete possibile mi ti si ci vi loro suo sua vostro vostra nostro nostra questo questa quello quella questi queste come quando dove quanto costa costano costo costi prezzo prezzi pagare paga gratis gratuito gratuita euro mese mensile anno annuale settimana giorno giorni lavorativi ore entro circa lunedì martedì mercoledì giovedì venerdì sabato domenica domani oggi gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre grazie buongiorno buonasera salve gentile cliente prego dice diceva detto scritto riporta indica mostra risulta promesso confermato garantito assicurato collega operatore operatrice consulente assistente virtuale sito pagina secondo avete invece però ma arriva arriverà arrivano incluso inclusa compreso compresa coperto disponibile valido valida necessario previsto euros";

/// Words for one thing, by their beginnings: "early termination fee" and "fee for ending early" are about the same. The
/// first stands for all.
const ALIKE: &[&[&str]] = &[
    &[
        "end", "ends", "ended", "endin", "termi", "cance", "leave", "leavi", "exit", "quit", "quitt",
        "disde", "disdi", "disda", "reces", "chius", "chiud", "risol",
    ],
    &["deliv", "shipp", "ship", "dispa", "posta", "conse", "spedi"],
    &["retur", "resti", "reso", "resi", "rende"],
    &["refun", "reimb", "rimbo", "accre"],
    &["techn", "engin", "tecni"],
    &["repai", "fix", "fixed", "fixin", "mend", "ripar"],
    &["parce", "packa", "pacco", "pacch"],
    &["activ", "setup", "attiv"],
    &["repla", "swap", "sosti", "cambi"],
    &["headp", "earph", "cuffi"],
];

static EMPTY_WORDS: LazyLock<std::collections::HashSet<&'static str>> =
    LazyLock::new(|| EMPTY.split(' ').collect());

fn subject(sentence: &str) -> Vec<String> {
    let lower = sentence.to_lowercase();
    let mut words: Vec<String> = Vec::new();
    for word in WORD.as_ref().map(|word| word.find_iter(&lower)).into_iter().flatten() {
        if EMPTY_WORDS.contains(word.as_str()) {
            continue;
        }
        let stem: String = word.as_str().chars().take(STEM).collect();
        let stem = ALIKE
            .iter()
            .find(|alike| alike.contains(&stem.as_str()))
            .map_or(stem, |alike| alike.first().copied().unwrap_or_default().to_owned());
        if !words.contains(&stem) && words.len() < WORDS {
            words.push(stem);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journey::samples::{contact, days, settings};

    /// The tests' time starts on Sunday 10 May 2026.
    fn read(sentence: &str) -> Option<(String, String)> {
        stated(sentence, days(0.0).date_naive())
    }

    #[test]
    fn every_pattern_compiles() {
        assert_eq!(
            all_patterns().iter().filter(|(_, good)| !good).collect::<Vec<_>>(),
            Vec::<&(_, _)>::new()
        );
    }

    #[test]
    fn what_is_stated() {
        let check = |sentence: &str, expected: Option<(&str, &str)>| {
            let found = read(sentence);
            let found = found.as_ref().map(|(kind, value)| (kind.as_str(), value.as_str()));
            assert_eq!(found, expected, "{sentence}");
        };
        check("The delivery costs £4.90.", Some(("price", "490")));
        check("La consegna costa 9 euro.", Some(("price", "900")));
        check("Delivery is free of charge.", Some(("price", "0")));
        check("Il reso è gratuito.", Some(("price", "0")));
        check("The family plan is 29,90 € per month.", Some(("price/month", "2990")));
        check("Il piano famiglia costa 290 euro all'anno.", Some(("price/year", "29000")));
        check("It is 20 euros or 30 euros.", None);
        check("Does it cost 5 euros?", None);
        check("You get 15% off.", Some(("percent", "15")));
        check("The technician comes on 12 May.", Some(("date", "05-12")));
        check("Il tecnico viene il 12 maggio.", Some(("date", "05-12")));
        check("The parcel arrives on Tuesday.", Some(("date", "05-12")));
        check("Il pacco arriva martedì.", Some(("date", "05-12")));
        check("The parcel arrives tomorrow.", Some(("date", "05-11")));
        check("The refund takes 5 working days.", Some(("days", "120")));
        check("Il rimborso arriva entro 2 settimane.", Some(("days", "336")));
        check("Opened items can be returned.", Some(("yes_no", "yes")));
        check("Opened items cannot be returned.", Some(("yes_no", "no")));
        check("Gli articoli aperti non sono rimborsabili.", Some(("yes_no", "no")));
        check("Good morning.", None);
    }

    #[test]
    fn through_whom() {
        let check =
            |sentence: &str, expected: Option<Source>| assert_eq!(heard(sentence), expected, "{sentence}");
        check("Your website says delivery is free.", Some(Source::Site));
        check("Sul vostro sito la consegna è gratuita.", Some(Source::Site));
        check("Your chatbot told me it was 5 euros.", Some(Source::Bot));
        check("L'assistente virtuale mi ha detto 5 euro.", Some(Source::Bot));
        check("Your colleague said it would be free.", Some(Source::Agent));
        check("Mi avete detto che era gratuito.", Some(Source::Agent));
        check("I paid 20 euros for it.", None);
    }

    fn telling(message: &str, conversation: &str, by: Source, day: f64, sentence: &str) -> Contact {
        let (kind, value) = stated(sentence, days(day).date_naive()).unwrap();
        let text = sentence.to_owned();
        let length = sentence.chars().count();
        let statement =
            Statement { by, kind, subject: subject(sentence), value, text, turn: 0, span: [0, length] };
        Contact { at: days(day), statements: vec![statement], ..contact(message, conversation, 0.0) }
    }

    #[test]
    fn different_things() {
        use Source::{Agent, Bot, Site};
        let check =
            |what: &str, one: (Source, f64, &str, &str), other: (Source, f64, &str, &str), differ: bool| {
                let told = |id: &str, (by, day, conversation, text): (Source, f64, &str, &str)| {
                    telling(id, conversation, by, day, text)
                };
                let found = contradictions(&[told("1", one), told("2", other)], &settings());
                assert_eq!(found.len(), usize::from(differ), "{what}: {found:?}");
            };
        let five = (Bot, 0.0, "a", "The delivery fee is 5 euros.");
        check("two prices", five, (Agent, 1.0, "b", "Delivery costs 9 euros."), true);
        check("the same price", five, (Agent, 1.0, "b", "Delivery is 5.00 €."), false);
        check(
            "free on the site",
            five,
            (Site, 1.0, "b", "Your website says delivery is free of charge."),
            true,
        );
        check("long ago", five, (Agent, 40.0, "b", "Delivery costs 9 euros."), false);
        check("a correction", five, (Bot, 0.0, "a", "The delivery fee is 9 euros."), false);
        check("handed over", five, (Agent, 0.0, "a", "The delivery fee is 9 euros."), true);
        let early = (Bot, 0.0, "a", "There is a £75 early termination fee.");
        check("other words", early, (Agent, 1.0, "b", "The fee for ending early is £120."), true);
        let recesso = (Site, 0.0, "a", "Sul vostro sito il recesso anticipato costa 40 euro.");
        check("altre parole", recesso, (Agent, 1.0, "b", "La disdetta anticipata costa 90 euro."), true);
        check("another thing", five, (Agent, 1.0, "b", "The installation costs 9 euros."), false);
        let family = (Site, 0.0, "a", "The family plan costs 29 euros a month.");
        check("month and year", family, (Agent, 1.0, "b", "The family plan costs 290 euros a year."), false);
        check("another plan", family, (Agent, 1.0, "b", "The basic plan costs 19 euros a month."), false);
        let tuesday = (Agent, 0.0, "a", "Il tecnico passa martedì.");
        check("two days", tuesday, (Bot, 0.1, "b", "Il tecnico passa giovedì."), true);
        check("one day, two words for it", tuesday, (Bot, 1.0, "b", "Il tecnico passa domani."), false);
        let yes = (Bot, 0.0, "a", "Opened headphones can be returned.");
        check("yes and no", yes, (Agent, 1.0, "b", "Opened headphones cannot be returned."), true);
        check("yes and no of other things", yes, (Agent, 1.0, "b", "Opened food cannot be eaten."), false);
    }
}
