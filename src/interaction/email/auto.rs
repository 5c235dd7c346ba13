//! Messages that a machine wrote: automatic replies, bounces, receipts. By headers first, then by the subject, then
//! by the words; a customer who only mentions an automatic reply is not one.

use std::sync::LazyLock;

use mail_parser::Message;
use regex::{Regex, RegexSet};

/// Text of more characters than this is a letter, not an automatic reply.
const MAX_TEXT: usize = 1_500;

static SUBJECT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)^\W*(?:automatic reply|auto[- ]?reply|auto[- ]?response|autoresponder|automated (?:reply|response)|out of (?:the )?office|ooo:",
        r"|risposta automatica|risponditore automatico|fuori (?:ufficio|sede)|assenza dall'ufficio|assente dall'ufficio",
        r"|undeliverable|undelivered mail|delivery status notification|delivery (?:has )?fail|mail delivery (?:failed|failure|system)|returned mail|failure notice|message not delivered",
        r"|non recapitabile|mancato recapito|mancata consegna|messaggio non recapitato|notifica (?:di )?stato (?:del )?recapito|avviso di mancata consegna",
        r"|(?:accettazione|consegna|avvenuta consegna|ricevuta di (?:ritorno|lettura)): |read: |letto: |not read: |non letto: |read receipt)",
    ))
    .ok()
});

/// Each of these alone tells it.
static TOLD: LazyLock<Option<RegexSet>> = LazyLock::new(|| {
    RegexSet::new([
        r"(?im)^\W*this is an? (?:automated|automatic|auto-generated|automatically generated)[^.\n]{0,30} (?:reply|response|message|e-?mail|notification)",
        r"(?im)^\W*this (?:message|e-?mail|reply) (?:was|is|has been) (?:sent|generated|created)? ?automatic",
        r"(?im)^\W*quest[ao] è una? (?:risposta|messaggio|e-?mail|notifica)[^.\n]{0,20} automatic",
        r"(?im)^\W*quest[ao]? ?(?:messaggio|e-?mail|risposta) (?:è stat[ao] )?(?:generat|inviat)[ao] (?:in )?automatic",
        r"(?im)^\W*\(?(?:risposta automatica|messaggio automatico|automatic reply|auto-?reply)\)?\W*$",
    ])
    .ok()
});

static BOUNCED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)(?:delivery (?:has failed|to the following recipients? failed)|(?:your|the) (?:message|e-?mail) (?:could not|couldn't|wasn't able to|was not able to) be delivered",
        r"|this is the mail (?:system|delivery)|recipient(?:'s)? (?:mailbox|inbox) is full|550[ -]5\.\d\.\d|address not found",
        r"|(?:il|suo|tuo) messaggio non (?:è stato|ha potuto essere|può essere) (?:recapitato|consegnato)|impossibile recapitare il messaggio|casella (?:di posta )?(?:è )?piena)",
    ))
    .ok()
});

static AWAY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)(?:\b(?:i am|i'm|i will be|i'll be|we are) (?:currently |now )?(?:out of (?:the )?office|away|on (?:annual |maternity |paternity |sick )?(?:leave|holiday|vacation)|not in the office|absent)",
        r"|\b(?:sono|sarò|siamo|saremo) (?:attualmente |al momento )?(?:fuori (?:ufficio|sede)|in ferie|assente|in congedo|in malattia|in trasferta)|\bl'ufficio (?:è|sarà|resterà) chiuso)",
    ))
    .ok()
});

static AWAY_DUTY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)(?:limited access to (?:my )?e?-?mail|in my absence|on my return|when i (?:return|am back|get back)|will (?:reply|respond|answer|get back to you)|for (?:urgent|anything urgent|emergencies)|if (?:your (?:message|request|matter) is|it is|it's) urgent",
        r"|(?:in|durante la) mia assenza|al mio rientro|al rientro|rientrerò|risponderò (?:appena|al|il prima|non appena|quanto prima)|per (?:le )?(?:urgenze|comunicazioni urgenti|questioni urgenti|richieste urgenti)|accesso limitato alla posta)",
    ))
    .ok()
});

/// What the headers say.
pub(super) fn by_headers(message: &Message<'_>) -> Option<String> {
    let raw = |name: &str| message.header_raw(name).map(|value| value.trim().to_lowercase());
    let told = |name: &str| Some(format!("header:{name}"));
    if raw("Auto-Submitted").is_some_and(|value| !value.is_empty() && !value.starts_with("no")) {
        return told("auto-submitted");
    }
    for name in [
        "X-Autoreply",
        "X-Auto-Reply",
        "X-Autorespond",
        "X-Autoresponder",
        "X-Failed-Recipients",
        "X-Ricevuta",
    ] {
        if raw(name).is_some_and(|value| !value.is_empty() && value != "no" && value != "false") {
            return told(&name.to_lowercase());
        }
    }
    let precedence = raw("Precedence").unwrap_or_default();
    if ["auto_reply", "auto-reply", "bulk", "junk"].iter().any(|word| precedence.starts_with(word)) {
        return told("precedence");
    }
    if raw("Content-Type").is_some_and(|value| value.starts_with("multipart/report")) {
        return told("content-type");
    }
    if raw("Return-Path").is_some_and(|value| value == "<>") {
        return told("return-path");
    }
    let from = raw("From").unwrap_or_default();
    let daemon = ["mailer-daemon@", "postmaster@", "mailer-daemon "].iter().any(|name| from.contains(name));
    if daemon { told("from") } else { None }
}

/// What the subject or the words say.
pub(super) fn by_subject_or_text(subject: Option<&str>, text: &str) -> Option<String> {
    if let (Some(subject), Some(pattern)) = (subject, &*SUBJECT)
        && pattern.is_match(subject)
    {
        return Some("header:subject".to_owned());
    }
    if text.chars().count() > MAX_TEXT {
        return None;
    }
    let matches = |pattern: &Option<Regex>| pattern.as_ref().is_some_and(|pattern| pattern.is_match(text));
    if TOLD.as_ref().is_some_and(|set| set.is_match(text)) {
        Some("text:automatic-message".to_owned())
    } else if matches(&AWAY) && matches(&AWAY_DUTY) {
        Some("text:out-of-office".to_owned())
    } else if matches(&BOUNCED) && text.contains("[EMAIL]") | text.contains('@') {
        Some("text:bounce".to_owned())
    } else {
        None
    }
}

#[cfg(test)]
pub(super) fn patterns() -> [bool; 5] {
    [SUBJECT.is_some(), TOLD.is_some(), BOUNCED.is_some(), AWAY.is_some(), AWAY_DUTY.is_some()]
}
