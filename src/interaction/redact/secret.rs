//! Passwords, PINs, one-time and card security codes: a cue word, a few small words, then the value; or a code and
//! then *is my code*. Sentences about them (`my password is wrong`) are let be.

use std::sync::LazyLock;

use regex::Regex;

use super::numbers::DIGIT_WORD;
use super::scan::{Found, Kind, pattern};

/// Names of numeric secrets.
pub(super) const CODE: &str = r"(?:pin|pin ?code|codice pin|otp|puk|cvv2?|cvc2?|cvn|csc|one[ -]?time (?:pass(?:word|code)|code|pin)|(?:security|verification|authentication|auth|access|login|confirmation|activation|unlock|2fa|sms|temporary|secret) code|passcode|codice (?:di |d')?(?:sicurezza|verifica|accesso|autenticazione|autorizzazione|conferma|attivazione|sblocco|otp|sms|segreto|temporaneo|dispositivo|usa e getta)|codice (?:che )?(?:mi )?(?:è|e'|avete) (?:arrivato|ricevuto|mandato|inviato)(?: via sms| per sms)?)";
/// Small words between a cue and its value.
const FILLER: &str = r"(?:is|was|are|it's|its|code|number|that|i|got|received|you|sent|me|for|my|the|of|on|to|this|card|account|app|login|new|old|current|just|now|temporary|è|é|e'|era|sono|il|la|lo|le|del|della|dell'|di|mio|mia|mie|che|ho|ricevuto|mi|avete|hai|mandato|inviato|arrivato|arrivata|numero|codice|carta|conto|per|accesso|l'accesso|nuovo|nuova|vecchio|vecchia|attuale|sms|via|tramite|questo|questa|otp|pin|app)";

/// A numeric secret after its cue.
static CODED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let spoken = format!(r"{DIGIT_WORD}(?:[ ,\-]{{1,2}}{DIGIT_WORD}\b){{2,9}}");
    let value = format!(r"(?:{spoken}|[A-Za-z]{{0,3}}-?\d(?:[ \-.]?[0-9A-Za-z]){{2,9}})");
    pattern(&format!(
        r##"(?i)\b{CODE}\b(?:[ ,(]{{1,2}}{FILLER}\b['’]?){{0,8}}[ \t]?\)?[ ]?[:=#\-–>]{{0,2}}[ \n]?["'«“(*`]{{0,2}}({value})"##
    ))
});

/// `482913 is my OTP`, `482913 è il codice di verifica`.
static REVERSED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(&format!(
        r"(?i)\b([A-Z]?-?\d{{3}}[ \-]?\d{{1,5}})\b['”»]?,? (?:is|was|as|è|e'|é|era|come)(?: {FILLER})*? {CODE}\b"
    ))
});

/// A password after its cue: the link word or sign, then the value.
static LINKED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(concat!(
        r"(?i)\b(?:passwords?|passwd|passphrase|pwd|psw|parola d'ordine|parola chiave|password wi-?fi|secret word)",
        r"(?: (?:for|of|to|del|della|di|per|dell'|al|alla) (?:(?:my|the|il|la|mio|mia) )?[\p{L}'-]{1,20}){0,2}",
        r"( ?[:=] ?| (?:is|was|è|e'|é|era|sarebbe|set to|changed to|cambiata in|impostata a):? |[ \n]+)",
        r#"(["'«“‘`(]{0,2})([^\s]{3,64})"#
    ))
});

/// `pass` alone is a word of many meanings: only with a sign after it.
static SIGNED: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r#"(?i)\bpass( ?[:=] ?)(["'«“‘`(]{0,2})([^\s]{3,64})"#));

/// Whether the costlier patterns have anything to look for.
static HINT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(r"(?i)pin|otp|puk|cv[vcn]|csc|code|codice|pass|pwd|psw|parola|secret|one[ -]time")
});

/// Words that follow *my password is* without being one.
pub(super) const NOT_SECRET: &[&str] = &[
    "not",
    "no",
    "wrong",
    "incorrect",
    "expired",
    "invalid",
    "blocked",
    "locked",
    "being",
    "still",
    "already",
    "always",
    "never",
    "rejected",
    "refused",
    "required",
    "needed",
    "too",
    "very",
    "the",
    "and",
    "but",
    "because",
    "same",
    "correct",
    "right",
    "fine",
    "working",
    "changed",
    "reset",
    "gone",
    "lost",
    "forgotten",
    "missing",
    "saved",
    "weak",
    "secure",
    "old",
    "new",
    "case",
    "what",
    "not.",
    "that",
    "this",
    "when",
    "where",
    "why",
    "how",
    "which",
    "unknown",
    "disabled",
    "accepted",
    "recognised",
    "recognized",
    "protected",
    "stored",
    "sent",
    "only",
    "just",
    "really",
    "also",
    "now",
    "again",
    "about",
    "compromised",
    "stolen",
    "leaked",
    "hacked",
    "okay",
    "outdated",
    "valid",
    "good",
    "different",
    "something",
    "for",
    "with",
    "from",
    "in",
    "on",
    "at",
    "to",
    "my",
    "your",
    "you",
    "it's",
    "doesn't",
    "isn't",
    "non",
    "errata",
    "sbagliata",
    "scaduta",
    "corretta",
    "giusta",
    "bloccata",
    "stata",
    "sempre",
    "ancora",
    "già",
    "gia",
    "troppo",
    "una",
    "quella",
    "questa",
    "per",
    "perché",
    "perche",
    "valida",
    "invalida",
    "rifiutata",
    "dimenticata",
    "persa",
    "cambiata",
    "obbligatoria",
    "richiesta",
    "necessaria",
    "nuova",
    "vecchia",
    "debole",
    "sicura",
    "cosa",
    "stessa",
    "mia",
    "che",
    "come",
    "quando",
    "dove",
    "quale",
    "diversa",
    "uguale",
    "incorretta",
    "respinta",
    "riconosciuta",
    "accettata",
    "salvata",
    "solo",
    "anche",
    "ora",
    "adesso",
    "molto",
    "più",
    "piu",
    "compromessa",
    "rubata",
    "disattivata",
    "temporanea",
    "temporary",
    "andata",
    "inviata",
    "arrivata",
    "illegibile",
    "illeggibile",
    "unreadable",
    "impossible",
    "impossibile",
    "difficile",
    "difficult",
    "easy",
    "facile",
    "della",
    "del",
    "dal",
];

/// Adds the secrets of `text`.
pub(super) fn find(text: &str, found: &mut Vec<Found>) {
    if !HINT.as_ref().is_some_and(|hint| hint.is_match(text)) {
        return;
    }
    for pattern in [&*CODED, &*REVERSED] {
        let Some(pattern) = pattern else { continue };
        for value in pattern.captures_iter(text).filter_map(|captures| captures.get(1)) {
            let end = value.start() + value.as_str().trim_end_matches([' ', '.', '-']).len();
            let (start, end) = (value.start(), code_end(text, value.start(), end));
            if is_code(text.get(start..end).unwrap_or_default()) {
                found.push(Found { start, end, kind: Kind::Secret });
            }
        }
    }
    for pattern in [&*LINKED, &*SIGNED].into_iter().flatten() {
        passwords(pattern, text, found);
    }
}

/// The values after a password's name; a refused one may itself be a name, so the search goes on at it.
fn passwords(pattern: &Regex, text: &str, found: &mut Vec<Found>) {
    let mut at = 0;
    while let Some(captures) = pattern.captures_at(text, at) {
        let (Some(link), Some(quote), Some(value)) = (captures.get(1), captures.get(2), captures.get(3))
        else {
            return;
        };
        let word = value
            .as_str()
            .trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '"', '\'', '»', '”', '’', '`']);
        // After `pwd!` alone nothing would be left; then the marks are the value.
        let word = if word.is_empty() { value.as_str() } else { word };
        let bare = link.as_str().trim().is_empty();
        if is_password(word, bare, !quote.is_empty()) {
            let end = value.start() + word.len();
            found.push(Found { start: value.start(), end, kind: Kind::Secret });
            at = end;
        } else {
            at = value.start();
        }
    }
}

/// Letters in a code go on to its end or the code is only its digits.
fn code_end(text: &str, start: usize, end: usize) -> usize {
    let span = text.get(start..end).unwrap_or_default();
    let spoken =
        span.chars().next().is_some_and(char::is_alphabetic) && !span.bytes().any(|b| b.is_ascii_digit());
    if spoken {
        return end;
    }
    // Stop at the first word that has no digit: `1234 grazie`.
    let mut stop = end;
    let mut offset = 0;
    for word in span.split_inclusive([' ', '-', '.']) {
        if offset > 0 && !word.bytes().any(|b| b.is_ascii_digit()) && !word.trim().is_empty() {
            stop = start + offset;
            break;
        }
        offset += word.len();
    }
    let head = text.get(start..stop).unwrap_or_default().trim_end_matches([' ', '-', '.']).len();
    start + head
}

/// Three digits or more, or three spoken ones.
fn is_code(span: &str) -> bool {
    let digits = span.bytes().filter(u8::is_ascii_digit).count();
    digits >= 3 || (digits == 0 && span.split([' ', ',', '-']).filter(|word| !word.is_empty()).count() >= 3)
}

fn is_password(word: &str, bare: bool, quoted: bool) -> bool {
    if word.starts_with('[') && word.ends_with(']') || word.chars().count() < 3 {
        return false;
    }
    let lower = word.to_lowercase();
    if NOT_SECRET.contains(&lower.as_str()) {
        return false;
    }
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let letters = word.chars().filter(|c| c.is_alphabetic()).count();
    let marks = word.chars().filter(|c| !c.is_alphanumeric() && !"'’-.,/".contains(*c)).count();
    if bare && !quoted {
        digits >= 4 || (digits >= 1 && letters >= 1) || (marks >= 1 && letters >= 2)
    } else {
        true
    }
}

#[cfg(test)]
pub(super) fn patterns() -> [bool; 5] {
    [CODED.is_some(), REVERSED.is_some(), LINKED.is_some(), SIGNED.is_some(), HINT.is_some()]
}
