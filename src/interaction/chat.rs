//! Live chat: left-over markup of chat widgets, notices of the chat system, and transcripts given as one text with a
//! speaker before each line.

use std::sync::LazyLock;

use regex::Regex;

use super::email::{looks_like_html, to_text};
use super::model::Author;
use super::normalise::normalise;
use super::parse::Spoken;

/// Who a speaker's name stands for; trailing numbers (`agent 2`, `customer_1`) do not matter.
pub(super) fn speaker(name: &str) -> Option<Author> {
    let name = name.trim().trim_start_matches(['[', '(', '<']).trim_end_matches([']', ')', '>', ':']);
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || c.is_whitespace() || "_-#".contains(c));
    match name.to_lowercase().replace('_', " ").as_str() {
        "customer" | "client" | "cliente" | "caller" | "user" | "utente" | "visitor" | "visitatore"
        | "chiamante" | "consumer" | "guest" | "ospite" | "contact" | "contatto" | "acquirente" | "buyer"
        | "end user" | "end-user" | "patient" | "paziente" | "cittadino" | "member" | "subscriber"
        | "abbonato" => Some(Author::Customer),
        "agent" | "agente" | "operator" | "operatore" | "operatrice" | "advisor" | "adviser"
        | "representative" | "rep" | "support" | "supporto" | "assistenza" | "consulente" | "consultant"
        | "human agent" | "support agent" | "service agent" | "customer service" | "servizio clienti"
        | "supervisor" | "supervisore" | "staff" | "csr" | "employee" | "addetto" | "addetta" => {
            Some(Author::Agent)
        }
        "bot"
        | "assistant"
        | "assistente"
        | "assistente virtuale"
        | "virtual assistant"
        | "chatbot"
        | "ivr"
        | "system"
        | "sistema"
        | "ai"
        | "voicebot"
        | "risponditore"
        | "virtual agent"
        | "agente virtuale" => Some(Author::Bot),
        _ => None,
    }
}

/// What the chat system writes between the lines.
static NOTICE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)^\W*(?:[\p{L}' ]{1,40} (?:has )?(?:joined|left|entered|ended) the (?:chat|conversation)",
        r"|[\p{L}' ]{1,40} is typing|[\p{L}' ]{1,40} sta scrivendo",
        r"|[\p{L}' ]{1,40} (?:è entrato nella|ha lasciato la|ha abbandonato la|si è unito alla) (?:chat|conversazione)",
        r"|(?:chat|conversation) (?:started|ended|transferred)(?: (?:at|on|by|to) .{0,60})?|(?:chat|conversazione) (?:iniziata|terminata|trasferita)(?: (?:alle|il|da|a) .{0,60})?)\W*$",
    ))
    .ok()
});

/// `[10:32] Customer: text`, `Cliente (10:32:05): text`.
static PREFIX: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"^(?:[\[(]?(?:\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4},? )?\d{1,2}[:.]\d{2}(?:[:.]\d{2})?(?: ?[AaPp][Mm])?[\])]? ?-? ?)?",
        r"[\[(<]?([\p{L}][\p{L} _-]{0,24}\d{0,3})[\])>]?(?: ?\(\d{1,2}:\d{2}(?::\d{2})?\))? ?: ?(.*)$"
    ))
    .ok()
});

/// One message of a chat.
pub(super) fn clean(text: &str) -> String {
    let text = plain(text);
    let words: Vec<&str> =
        text.lines().filter(|line| !NOTICE.as_ref().is_some_and(|notice| notice.is_match(line))).collect();
    let words = normalise(&words.join("\n"));
    if words.is_empty() { text } else { words }
}

/// Normalised words of a widget's text, its markup read.
pub(super) fn plain(text: &str) -> String {
    if looks_like_html(text) { normalise(&to_text(text)) } else { normalise(text) }
}

/// A chat text as turns.
pub(super) fn turns(text: &str, author: Author) -> Vec<Spoken> {
    let text = clean(text);
    transcript(&text).unwrap_or_else(|| vec![Spoken::new(author, text)])
}

/// Turns of a normalised text in which every line names a speaker, the customer among them; lines of one speaker
/// in a row are one turn.
pub(super) fn transcript(text: &str) -> Option<Vec<Spoken>> {
    let prefix = PREFIX.as_ref()?;
    let mut turns: Vec<Spoken> = Vec::new();
    let mut lines = 0;
    for line in text.lines().filter(|line| !line.is_empty()) {
        let captures = prefix.captures(line)?;
        let speaker = speaker(captures.get(1)?.as_str())?;
        let words = captures.get(2)?.as_str().trim();
        lines += 1;
        match turns.last_mut() {
            Some(last) if last.speaker == speaker => {
                last.text.push('\n');
                last.text.push_str(words);
            }
            _ => turns.push(Spoken::new(speaker, words.to_owned())),
        }
    }
    for turn in &mut turns {
        turn.text = normalise(&turn.text);
    }
    turns.retain(|turn| !turn.text.is_empty());
    let fits = lines >= 2 && turns.iter().any(|turn| turn.speaker == Author::Customer);
    fits.then_some(turns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speakers_by_their_usual_names() {
        for (name, wanted) in [
            ("Customer", Some(Author::Customer)),
            ("CLIENTE", Some(Author::Customer)),
            ("customer_1", Some(Author::Customer)),
            ("Agent 2", Some(Author::Agent)),
            ("operatore", Some(Author::Agent)),
            ("[bot]", Some(Author::Bot)),
            ("speaker_00", None),
            ("", None),
        ] {
            assert_eq!(speaker(name), wanted, "{name}");
        }
    }

    #[test]
    fn a_transcript_only_when_every_line_names_a_speaker() {
        let whole = "[10:32] Cliente: Buongiorno\nil frigo non va\n";
        assert!(transcript(whole).is_none());
        let turns = turns(
            "Customer: hello\nCustomer: the fridge is broken\n\nAgent (10:33): I see\nBot: noted",
            Author::Agent,
        );
        let said: Vec<_> = turns.iter().map(|turn| (turn.speaker, turn.text.as_str())).collect();
        assert_eq!(
            said,
            [
                (Author::Customer, "hello\nthe fridge is broken"),
                (Author::Agent, "I see"),
                (Author::Bot, "noted"),
            ]
        );
        assert!(transcript("Agent: a\nAgent: b").is_none());
        assert!(transcript("Note: a\nCustomer: b").is_none());
    }

    #[test]
    fn markup_and_notices_go() {
        assert_eq!(clean("<p>Ciao&nbsp;<b>a tutti</b></p><br>il 5 &lt; 6"), "Ciao a tutti\n\nil 5 < 6");
        assert_eq!(clean("Anna has joined the chat\nhello"), "hello");
        assert_eq!(
            clean("I left the chat because nobody answered"),
            "I left the chat because nobody answered"
        );
        assert_eq!(clean("Anna sta scrivendo..."), "Anna sta scrivendo...");
        assert_eq!(clean("a < b and b > c"), "a < b and b > c");
    }
}
