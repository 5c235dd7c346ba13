//! What people call things, in English and Italian: intents, channels, stages, dates, small numbers. For the brief.

use chrono::Datelike;

use super::model::{RiskLevel, Source};
use crate::interaction::Channel;
use crate::nlp::labels::Stage;

/// The language a brief is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tongue {
    English,
    Italian,
}

impl Tongue {
    /// Italian for `it` (and `it-…`), English for everything else.
    pub fn of(language: &str) -> Self {
        let italian = language.eq_ignore_ascii_case("it") || language.to_ascii_lowercase().starts_with("it-");
        if italian { Self::Italian } else { Self::English }
    }

    /// One of two.
    pub fn pick<T>(self, english: T, italian: T) -> T {
        match self {
            Self::English => english,
            Self::Italian => italian,
        }
    }

    pub fn channel(self, channel: Channel) -> &'static str {
        let (english, italian) = match channel {
            Channel::Chat => ("chat", "chat"),
            Channel::Email => ("e-mail", "e-mail"),
            Channel::Call => ("call", "telefono"),
            Channel::Sms => ("SMS", "SMS"),
            Channel::Messaging => ("messaging", "messaggistica"),
            Channel::Social => ("social media", "social"),
            Channel::Review => ("review", "recensione"),
            Channel::Survey => ("survey", "sondaggio"),
        };
        self.pick(english, italian)
    }

    pub fn stage(self, stage: Stage) -> &'static str {
        let (english, italian) = match stage {
            Stage::Awareness => ("awareness", "scoperta"),
            Stage::Consideration => ("consideration", "valutazione"),
            Stage::Purchase => ("purchase", "acquisto"),
            Stage::Onboarding => ("onboarding", "avvio"),
            Stage::Support => ("support", "assistenza"),
            Stage::Retention => ("retention", "fidelizzazione"),
            Stage::Advocacy => ("advocacy", "promozione"),
        };
        self.pick(english, italian)
    }

    pub fn source(self, source: Source) -> &'static str {
        match source {
            Source::Agent => self.pick("agent", "operatore"),
            Source::Bot => self.pick("bot", "bot"),
            Source::Site => self.pick("site", "sito"),
        }
    }

    pub fn risk(self, level: RiskLevel) -> &'static str {
        match level {
            RiskLevel::Low => self.pick("low", "basso"),
            RiskLevel::Medium => self.pick("medium", "medio"),
            RiskLevel::High => self.pick("high", "alto"),
        }
    }

    /// A core intent in words; a tenant's own with its dots and underscores as spaces.
    pub fn intent(self, intent: &str) -> String {
        INTENTS.iter().find(|(name, ..)| *name == intent).map_or_else(
            || intent.replace(['.', '_', '-'], " "),
            |(_, english, italian)| self.pick(*english, *italian).to_owned(),
        )
    }

    /// `on 13 May`, `il 13 maggio`; with the year when it is not the year of `now`.
    pub fn on(self, at: impl Datelike + Copy, now: impl Datelike + Copy) -> String {
        let date = self.date(at, now);
        let article = if elided(at) { "l'" } else { "il " };
        self.pick(format!("on {date}"), format!("{article}{date}"))
    }

    /// `since 13 May`, `dal 13 maggio`.
    pub fn since(self, at: impl Datelike + Copy, now: impl Datelike + Copy) -> String {
        let date = self.date(at, now);
        let article = if elided(at) { "dall'" } else { "dal " };
        self.pick(format!("since {date}"), format!("{article}{date}"))
    }

    /// `due 13 May`, `entro il 13 maggio`.
    pub fn due(self, at: impl Datelike + Copy, now: impl Datelike + Copy) -> String {
        self.pick(format!("due {}", self.date(at, now)), format!("entro {}", Self::Italian.on(at, now)))
    }

    fn date(self, at: impl Datelike + Copy, now: impl Datelike + Copy) -> String {
        let months = self.pick(&ENGLISH_MONTHS, &ITALIAN_MONTHS);
        let month = usize::try_from(at.month0()).ok().and_then(|month| months.get(month)).unwrap_or(&"");
        if at.year() == now.year() {
            format!("{} {month}", at.day())
        } else {
            format!("{} {month} {}", at.day(), at.year())
        }
    }

    /// `Third`, `Terzo`; from eleven on in figures.
    pub fn ordinal(self, number: usize) -> String {
        let words = self.pick(&ENGLISH_ORDINALS, &ITALIAN_ORDINALS);
        match number.checked_sub(1).and_then(|index| words.get(index)) {
            Some(word) => (*word).to_owned(),
            None => self.pick(english_ordinal(number), format!("{number}º")),
        }
    }
}

/// Italian: l'8 and l'11, since they are said with a vowel.
fn elided(at: impl Datelike) -> bool {
    matches!(at.day(), 8 | 11)
}

fn english_ordinal(number: usize) -> String {
    let ending = match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

const ENGLISH_ORDINALS: [&str; 10] =
    ["First", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth", "Ninth", "Tenth"];
const ITALIAN_ORDINALS: [&str; 10] =
    ["Primo", "Secondo", "Terzo", "Quarto", "Quinto", "Sesto", "Settimo", "Ottavo", "Nono", "Decimo"];
const ENGLISH_MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const ITALIAN_MONTHS: [&str; 12] = [
    "gennaio",
    "febbraio",
    "marzo",
    "aprile",
    "maggio",
    "giugno",
    "luglio",
    "agosto",
    "settembre",
    "ottobre",
    "novembre",
    "dicembre",
];

const INTENTS: [(&str, &str, &str); 36] = [
    ("product.question", "question about a product", "domanda su un prodotto"),
    ("product.price", "question about a price", "domanda su un prezzo"),
    ("product.compare", "comparison of products", "confronto tra prodotti"),
    ("order.place", "wants to order", "vuole ordinare"),
    ("order.change", "change of an order", "modifica di un ordine"),
    ("order.cancel", "cancellation of an order", "annullamento di un ordine"),
    ("order.status", "where the order is", "stato dell'ordine"),
    ("delivery.problem", "delivery problem", "problema di consegna"),
    ("delivery.options", "delivery options", "opzioni di consegna"),
    ("return.request", "return or exchange", "reso o sostituzione"),
    ("refund.request", "wants a refund", "richiesta di rimborso"),
    ("refund.status", "where the refund is", "stato del rimborso"),
    ("payment.problem", "payment problem", "problema di pagamento"),
    ("billing.question", "question about a bill", "domanda su una fattura"),
    ("billing.dispute", "wrong charge", "addebito contestato"),
    ("promotion.question", "question about an offer", "domanda su una promozione"),
    ("account.open", "wants to open an account", "apertura di un account"),
    ("account.access", "cannot get into the account", "accesso all'account"),
    ("account.update", "change of account details", "modifica dei dati dell'account"),
    ("account.close", "wants to close the account", "chiusura dell'account"),
    ("subscription.change", "change of subscription", "modifica dell'abbonamento"),
    ("subscription.cancel", "wants to cancel the subscription", "disdetta dell'abbonamento"),
    ("subscription.renew", "renewal of the subscription", "rinnovo dell'abbonamento"),
    ("security.fraud", "fraud or stolen access", "frode o accesso rubato"),
    ("privacy.request", "privacy request", "richiesta sulla privacy"),
    ("technical.problem", "technical problem", "problema tecnico"),
    ("technical.outage", "outage", "interruzione del servizio"),
    ("setup.help", "help with set-up", "aiuto per la configurazione"),
    ("appointment.manage", "appointment", "appuntamento"),
    ("policy.question", "question about terms", "domanda sulle condizioni"),
    ("complaint", "complaint", "reclamo"),
    ("praise", "praise", "complimenti"),
    ("feedback.suggestion", "suggestion", "suggerimento"),
    ("agent.request", "wants to speak to a person", "vuole parlare con una persona"),
    ("smalltalk", "small talk", "conversazione"),
    ("other", "other matter", "altro"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journey::samples::days;

    #[test]
    fn every_core_intent_has_its_words() {
        let named: Vec<&str> = INTENTS.iter().map(|(name, ..)| *name).collect();
        assert_eq!(named, crate::nlp::labels::INTENTS);
        assert_eq!(Tongue::English.intent("tenant.own_thing"), "tenant own thing");
    }

    #[test]
    fn dates_and_numbers() {
        assert_eq!(Tongue::English.on(days(3.0), days(0.0)), "on 13 May");
        assert_eq!(Tongue::English.due(days(3.0), days(0.0)), "due 13 May");
        assert_eq!(Tongue::Italian.since(days(3.0), days(400.0)), "dal 13 maggio 2026");
        assert_eq!(Tongue::Italian.since(days(1.0), days(2.0)), "dall'11 maggio");
        assert_eq!(Tongue::Italian.due(days(1.0), days(2.0)), "entro l'11 maggio");
        assert_eq!(Tongue::English.ordinal(3), "Third");
        assert_eq!(Tongue::English.ordinal(22), "22nd");
        assert_eq!(Tongue::English.ordinal(12), "12th");
        assert_eq!(Tongue::Italian.ordinal(11), "11º");
    }

    #[test]
    fn tongues() {
        for (code, tongue) in [
            ("it", Tongue::Italian),
            ("IT-ch", Tongue::Italian),
            ("en", Tongue::English),
            ("und", Tongue::English),
        ] {
            assert_eq!(Tongue::of(code), tongue, "{code}");
        }
    }
}
