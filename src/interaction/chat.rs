//! Live chat: left-over markup of chat widgets, and transcripts given as one text with a speaker before each line.

use super::model::Author;
use super::normalise::normalise;
use super::parse::Spoken;

/// Who a speaker's name stands for; trailing numbers (`agent 2`, `customer_1`) do not matter.
pub(super) fn speaker(name: &str) -> Option<Author> {
    let name = name.trim().trim_start_matches(['[', '(', '<']).trim_end_matches([']', ')', '>', ':']);
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || c.is_whitespace() || "_-#".contains(c));
    match name.to_lowercase().as_str() {
        "customer" | "client" | "cliente" | "caller" | "user" | "utente" | "visitor" | "visitatore"
        | "chiamante" | "consumer" | "guest" | "ospite" | "contact" | "contatto" | "acquirente" | "buyer" => {
            Some(Author::Customer)
        }
        "agent" | "agente" | "operator" | "operatore" | "operatrice" | "advisor" | "adviser"
        | "representative" | "rep" | "support" | "supporto" | "assistenza" | "consulente" | "consultant"
        | "human agent" | "customer service" | "servizio clienti" | "supervisor" | "supervisore"
        | "staff" | "csr" => Some(Author::Agent),
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
        | "risponditore" => Some(Author::Bot),
        _ => None,
    }
}

/// One message of a chat.
pub(super) fn clean(text: &str) -> String {
    normalise(text)
}

/// A chat text as turns.
pub(super) fn turns(text: &str, author: Author) -> Vec<Spoken> {
    vec![Spoken::new(author, clean(text))]
}
