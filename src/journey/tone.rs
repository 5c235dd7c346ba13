//! How the contact centre's own turns sound, set against a configured persona: does the first turn of a conversation
//! greet, is it noticed when the customer is upset, are there phrases that the persona does not use. Word lists in English
//! and Italian; each finding says where.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::{Regex, RegexBuilder, RegexSet};

use super::model::{Contact, Tone, ToneIssue};
use crate::interaction::{Author, Channel, Interaction};

/// From here on down the customer is upset.
const UPSET: f32 = -0.3;

static GREETING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)\b(?:hello|hi|hey|dear|good (?:morning|afternoon|evening|day)|welcome|thank(?:s| you) for (?:calling|contacting|writing|your (?:message|e-?mail|call))|buon ?giorno|buona ?sera|buon pomeriggio|salve|ciao|gentile|benvenut[oa]|grazie per (?:averci|aver|la (?:sua|tua)|il (?:suo|tuo)))\b").ok()
});

static EMPATHY: LazyLock<RegexSet> = LazyLock::new(|| {
    RegexSet::new([
        r"(?i)\b(?:sorry|apologi[sz]e|apologies|understand|appreciate|i see (?:why|how|what)|that must|must be|frustrating|inconvenience|regret|thank you for (?:your patience|telling|letting)|i hear you|you(?:'re| are) right)\b",
        r"(?i)\b(?:mi dispiace|ci dispiace|spiace|scus[aioe]|scusi|scusate|chied(?:o|iamo) scusa|capisco|comprend(?:o|iamo)|capiamo|immagino|ha ragione|hai ragione|avete ragione|disagio|rammaric\w+|grazie per (?:la pazienza|averci segnalato|averlo segnalato))\b",
    ])
    .unwrap_or_default()
});

/// What the contact centre wants to sound like.
#[derive(Debug, Clone, Default)]
pub struct Persona {
    greeting: bool,
    empathy: bool,
    /// By language; `""` for any.
    banned: BTreeMap<String, Vec<Regex>>,
}

impl From<&crate::config::Persona> for Persona {
    fn from(config: &crate::config::Persona) -> Self {
        let phrase = |phrase: &String| {
            let words: Vec<String> = phrase.split_whitespace().map(regex::escape).collect();
            let pattern = format!(r"(?:^|\W){}(?:\W|$)", words.join(r"\s+").replace('\'', "['’]"));
            RegexBuilder::new(&pattern).case_insensitive(true).build().ok()
        };
        let banned = config
            .banned
            .iter()
            .map(|(language, phrases)| (language.clone(), phrases.iter().filter_map(phrase).collect()));
        Self { greeting: config.greeting, empathy: config.empathy, banned: banned.collect() }
    }
}

/// What is amiss in the contact centre's turns of a message; `earlier` are the customer's contacts before it.
pub fn check(
    interaction: &Interaction,
    language: &str,
    sentiment: f32,
    earlier: &[Contact],
    persona: &Persona,
) -> Vec<Tone> {
    let ours = || interaction.turns.iter().enumerate().filter(|(_, turn)| turn.speaker != Author::Customer);
    let Some((first, opening)) = ours().next() else { return Vec::new() };
    if interaction.auto_reply.is_some() {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut conversation =
        earlier.iter().rev().filter(|contact| contact.conversation_id == interaction.conversation_id);
    let begun = conversation.clone().any(|contact| contact.author != Author::Customer);
    let greets = GREETING.as_ref().is_none_or(|greeting| greeting.is_match(opening.text.as_str()));
    let by_letter = !matches!(interaction.channel, Channel::Sms | Channel::Social | Channel::Review);
    if persona.greeting && by_letter && !begun && !greets {
        found.push(Tone { issue: ToneIssue::MissingGreeting, turn: Some(first), span: None, text: None });
    }
    let customer_speaks = interaction.turns.iter().any(|turn| turn.speaker == Author::Customer);
    let felt = if customer_speaks {
        Some(sentiment)
    } else {
        conversation.find(|contact| contact.counts()).map(|contact| contact.sentiment)
    };
    let noticed = ours().any(|(_, turn)| EMPATHY.is_match(turn.text.as_str()));
    if persona.empathy && felt.is_some_and(|felt| felt <= UPSET) && !noticed {
        found.push(Tone { issue: ToneIssue::NoEmpathy, turn: None, span: None, text: None });
    }
    let banned = ["", language].into_iter().filter_map(|language| persona.banned.get(language)).flatten();
    for phrase in banned {
        for (turn, spoken) in ours() {
            let text = spoken.text.as_str();
            let Some(words) = phrase.find(text) else { continue };
            let inner = words.as_str().trim_matches(|c: char| !c.is_alphanumeric());
            let start = words.start() + words.as_str().find(inner).unwrap_or(0);
            let before = text.get(..start).unwrap_or_default().chars().count();
            let span = [before, before + inner.chars().count()];
            let (issue, text) = (ToneIssue::BannedPhrase, Some(inner.to_owned()));
            found.push(Tone { issue, turn: Some(turn), span: Some(span), text });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journey::samples::contact;
    use serde_json::json;

    fn said(turns: &[(&str, &str)]) -> Interaction {
        let turns: Vec<_> =
            turns.iter().map(|(speaker, text)| json!({"speaker": speaker, "text": text})).collect();
        serde_json::from_value(json!({
            "message_id": "m1", "conversation_id": "k1", "customer_id": "c1", "identities": [], "channel": "chat",
            "author": "agent", "sent_at": "2026-05-10T09:00:00Z", "language_hint": null, "subject": null,
            "turns": turns, "ratings": {}, "attributes": {}, "attachments": [], "auto_reply": null,
        }))
        .unwrap()
    }

    fn persona() -> Persona {
        let banned = BTreeMap::from([
            ("en".to_owned(), vec!["calm down".to_owned(), "not my problem".to_owned()]),
            ("it".to_owned(), vec!["non è un problema mio".to_owned()]),
        ]);
        (&crate::config::Persona { greeting: true, empathy: true, banned }).into()
    }

    #[test]
    fn every_pattern_compiles() {
        assert!(GREETING.is_some() && EMPATHY.len() == 2);
    }

    #[test]
    fn what_is_amiss() {
        use ToneIssue::{BannedPhrase, MissingGreeting, NoEmpathy};
        let check = |turns: &[(&str, &str)], language: &str, sentiment: f32, expected: &[ToneIssue]| {
            let upset = Contact { conversation_id: "k1".to_owned(), ..contact("m0", "k1", sentiment) };
            let found = check(&said(turns), language, sentiment, &[upset], &persona());
            assert_eq!(found.iter().map(|tone| tone.issue).collect::<Vec<_>>(), expected, "{turns:?}");
        };
        check(&[("agent", "Hello, I am sorry to hear that.")], "en", -0.8, &[]);
        check(&[("agent", "Buongiorno, mi dispiace molto.")], "it", -0.8, &[]);
        check(&[("agent", "Send the form.")], "en", 0.0, &[MissingGreeting]);
        check(&[("agent", "Mandi il modulo.")], "it", -0.8, &[MissingGreeting, NoEmpathy]);
        check(&[("agent", "Hi, calm  down please, sorry.")], "en", -0.8, &[BannedPhrase]);
        check(&[("bot", "Salve, capisco, ma non è un problema mio!")], "it", -0.8, &[BannedPhrase]);
        check(&[("customer", "Calm down? This is not my problem!")], "en", -0.8, &[]);
        let found = super::check(&said(&[("agent", "Hi! Calm down, sorry.")]), "en", 0.0, &[], &persona());
        assert_eq!((found[0].span, found[0].text.as_deref()), (Some([4, 13]), Some("Calm down")));
    }

    #[test]
    fn only_the_first_turn_of_a_conversation_greets() {
        let agent = Contact { author: Author::Agent, ..contact("m0", "k1", 0.0) };
        assert_eq!(check(&said(&[("agent", "Send the form.")]), "en", 0.0, &[agent], &persona()), []);
    }
}
