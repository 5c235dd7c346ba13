//! What a sentence about an end is about: "the refund has arrived" ends what was wanted about a refund, and leaves a
//! question about colours open, wherever either was asked. Word lists in English and Italian, tried on one sentence.

use std::sync::LazyLock;

use regex::RegexSet;
use serde::{Deserialize, Serialize};

/// Something that intents and sentences can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Matter {
    /// Money to be given back.
    Refund,
    /// A parcel on its way.
    Delivery,
    /// What was charged.
    Billing,
    /// Something that works or not.
    Technical,
    /// Addresses and other data of the customer.
    Details,
    /// What is to end.
    Cancellation,
    /// A visit, a date.
    Appointment,
    /// What is subscribed to.
    Plan,
}

/// Something that can be promised to be done, and that a customer sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Somebody calls or writes.
    Call,
    /// Somebody comes.
    Visit,
}

const ACTS: [(Act, &str); 2] = [
    (
        Act::Call,
        r"(?i)\b(?:call|ring\b|rang\b|phone[ds]?\b|contact|get back|got back|in touch|repl(?:y|ied)|answer|write|wrote|hear from|(?:ri)?chiam|ricontatt|contatt|telefon|rispo|risponder|scriv|scritt|far(?:ò|emo|à|anno) sapere)",
    ),
    (
        Act::Visit,
        r"(?i)\b(?:engineer|technician|plumber|fitter|visit\b|come (?:round|out|over)|came\b|tecnic[oi]\b|idraulic|passer(?:à|emo|anno)|passat[oa]\b|venut[oa]\b|verrà (?:un|il)\b)",
    ),
];

const WORDS: [(Matter, &str); 8] = [
    (Matter::Refund, r"(?i)\b(?:refund|reimburs|money back|rimbors|accreditat|riaccredit|i (?:miei )?soldi)"),
    (
        Matter::Delivery,
        r"(?i)\b(?:parcel|package|shipment|deliver(?:y|ed)|courier|pacc(?:o|hi)\b|spedizion|consegn|corriere|(?:order|ordine)\b[^.!?]{0,12}\b(?:arriv|received|come|came))",
    ),
    (
        Matter::Billing,
        r"(?i)\b(?:bill(?:s|ing)?\b|invoice|charge[sd]?\b|payment|bollett|fattur|addebit|pagament)",
    ),
    (
        Matter::Technical,
        r"(?i)\b(?:works?\b|working\b|internet|connection|wi-?fi|router|modem|phone line|heating|boiler|engineer|technician|app\b|log ?in|funzion|connession|linea\b|rete\b|caldaia|tecnic[oi]\b|guast)",
    ),
    (
        Matter::Details,
        r"(?i)\b(?:address|phone number|contact details|my details|your details|indirizz|recapit|i (?:miei|suoi|vostri) dati|numero di telefono)",
    ),
    (Matter::Cancellation, r"(?i)\b(?:cancel|terminated|disdett|disdic|annull|recess)"),
    (Matter::Appointment, r"(?i)\b(?:appointment|booking|reservation|visit\b|appuntament|prenotazion)"),
    (Matter::Plan, r"(?i)\b(?:plan\b|subscription|upgrade|contract|piano\b|abbonament|contratt|rinnov)"),
];

static NAMED: LazyLock<RegexSet> =
    // A pattern that does not compile leaves the set empty, which the test below refuses.
    LazyLock::new(|| RegexSet::new(WORDS.map(|(_, words)| words)).unwrap_or_default());

static DONE: LazyLock<RegexSet> =
    LazyLock::new(|| RegexSet::new(ACTS.map(|(_, words)| words)).unwrap_or_default());

impl Act {
    /// What a sentence names.
    pub fn named(sentence: &str) -> impl Iterator<Item = Self> {
        DONE.matches(sentence).into_iter().filter_map(|at| ACTS.get(at).map(|(act, _)| *act))
    }
}

impl Matter {
    /// What an intent is about; none for what nothing of the list tells.
    pub fn of(intent: &str) -> Option<Self> {
        Some(match intent {
            "refund.request" | "refund.status" | "return.request" => Self::Refund,
            "delivery.problem" | "order.status" => Self::Delivery,
            "billing.dispute" | "billing.question" | "payment.problem" => Self::Billing,
            "technical.problem" | "technical.outage" | "setup.help" => Self::Technical,
            "account.update" => Self::Details,
            "order.cancel" | "subscription.cancel" | "account.close" => Self::Cancellation,
            "appointment.manage" => Self::Appointment,
            "subscription.change" | "subscription.renew" => Self::Plan,
            _ => return None,
        })
    }

    /// What a sentence names.
    pub fn named(sentence: &str) -> impl Iterator<Item = Self> {
        NAMED.matches(sentence).into_iter().filter_map(|at| WORDS.get(at).map(|(matter, _)| *matter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_name_matters() {
        assert_eq!((NAMED.len(), DONE.len()), (WORDS.len(), ACTS.len()));
        assert_eq!(Act::named("A colleague will ring you tomorrow.").collect::<Vec<_>>(), [Act::Call]);
        assert_eq!(Act::named("Domani passerà un tecnico.").collect::<Vec<_>>(), [Act::Visit]);
        for (sentence, expected) in [
            ("The refund has arrived, thank you.", vec![Matter::Refund]),
            ("Il rimborso è arrivato.", vec![Matter::Refund]),
            ("Internet ora funziona, grazie.", vec![Matter::Technical]),
            ("It works again!", vec![Matter::Technical]),
            ("The order has arrived.", vec![Matter::Delivery]),
            ("Il pacco è arrivato.", vec![Matter::Delivery]),
            ("I have changed your address.", vec![Matter::Details]),
            ("Abbiamo annullato l'ordine.", vec![Matter::Cancellation]),
            ("La bolletta è stata corretta, tutto a posto.", vec![Matter::Billing]),
            ("All sorted now.", vec![]),
        ] {
            assert_eq!(Matter::named(sentence).collect::<Vec<_>>(), expected, "{sentence}");
        }
    }
}
