//! Signatures: the `--` line, lines that mail apps add, a closing with names and numbers under it, contact lines.

use std::sync::LazyLock;

use regex::Regex;

/// Lines a signature may have.
const MAX_LINES: usize = 14;
/// Bytes a line of it may have.
const MAX_LINE: usize = 90;

/// What phones and mail apps add.
static DEVICE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)^\W*(?:sent (?:from|via|with|using) (?:my |the |an? )?(?:i-?phone|i-?pad|android|samsung|galaxy|huawei|xiaomi|nokia|blackberry|mobile|phone|smartphone|tablet|outlook|mail|gmail|yahoo|aol|proton ?mail|windows|thunderbird|spark|mailbird|webmail|libero|[\p{L}]+ mobile)\b.{0,60}",
        r"|get outlook for .{0,40}|get bluemail for .{0,40}|outlook per (?:android|ios).{0,20}",
        r"|(?:inviato|inviata|spedito) (?:da|dal|dalla|tramite|con) (?:il |la |mio |mia |un )*(?:i-?phone|i-?pad|android|samsung|galaxy|huawei|xiaomi|dispositivo|smartphone|cellulare|telefono|telefonino|tablet|outlook|posta|mail|gmail|yahoo|libero|virgilio|tiscali|app|windows|thunderbird)\b.{0,60}",
        r"|(?:scarica|ottieni) outlook per .{0,40}|envoyé de mon .{0,30}|von meinem .{0,30} gesendet|enviado desde mi .{0,30}",
        r"|(?:mail|e-?mail) priva di virus.{0,60}|virus[- ]free.{0,60}|this e-?mail has been checked for viruses.{0,80}|questa e-?mail è stata (?:controllata|esaminata).{0,80}virus.{0,40})$",
    ))
    .ok()
});

/// A closing line, alone or with a name behind it.
static CLOSING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)^\W*(?:(?:with )?(?:kind(?:est)?|best|warm(?:est)?|many|sincere) (?:regards|wishes)|regards|rgds|sincerely|yours(?: (?:sincerely|faithfully|truly))?|respectfully|all the best|best|cheers",
        r"|(?:i miei |i più |porgo |in attesa,? )*(?:cordiali|distinti|cari|migliori|tanti) saluti|cordialmente|cordialità|saluti(?: cordiali| distinti)?|un (?:caro |cordiale )?saluto|distintamente|buona giornata|buon lavoro|in fede)",
        r"(?:[,.!;: ]|$)(.{0,60})$",
    ))
    .ok()
});

/// Thanks close too, but they are the customer's words and stay.
static THANKS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)^\W*(?:many thanks|thanks(?: a lot| so much| again| in advance)?|thank you(?: very much| in advance| again)?|thx|ta",
        r"|grazie(?: mille| tante| infinite| anticipatamente| in anticipo| ancora| e (?:cordiali |distinti )?saluti| e buona giornata)?|vi ringrazio|la ringrazio|ringraziando)",
        r"(?:,? (?:and )?(?:(?:kind|best) )?regards)?[,.! ]*$",
    ))
    .ok()
});

/// A line that only says how to reach somebody.
static CONTACT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)^\W*(?:(?:tel|telefono|telephone|cell|cellulare|mobile|mob|phone|fax|ph|t|m|f|p\.? ?iva|partita iva|c\.? ?f\.?|cod\.? ?fisc\w*|vat(?: no| number)?|web|sito|e-?mail|pec|skype|whatsapp|via|viale|piazza|address|indirizzo)\b ?[.:/]+ ?\S.{0,80}",
        r"|\+?[\d ()./\-]{8,24}|(?:https?://|www\.)\S+|<?\S+@\S+\.\w+>?)$",
    ))
    .ok()
});

/// The text without its signature.
pub(super) fn cut(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().filter(|line| !is_match(&DEVICE, line)).collect();
    dashes(&mut lines);
    trim(&mut lines);
    closing(&mut lines);
    trim(&mut lines);
    contacts(&mut lines);
    lines.join("\n")
}

fn trim(lines: &mut Vec<&str>) {
    while lines.last().is_some_and(|line| line.chars().all(|c| c.is_whitespace() || "-_=*".contains(c))) {
        lines.pop();
    }
}

/// The last `--` line, when a signature's worth of lines is under it.
fn dashes(lines: &mut Vec<&str>) {
    let Some(at) = lines.iter().rposition(|line| matches!(*line, "--" | "---" | "—" | "––" | "__"))
    else {
        return;
    };
    let under = lines.get(at + 1..).unwrap_or_default();
    if at > 0 && under.len() <= MAX_LINES && under.iter().all(|line| line.len() <= 2 * MAX_LINE) {
        lines.truncate(at);
    }
}

fn closing(lines: &mut Vec<&str>) {
    let from = lines.len().saturating_sub(MAX_LINES);
    for at in from..lines.len() {
        let Some(line) = lines.get(at) else { return };
        let closes = CLOSING.as_ref().and_then(|pattern| pattern.captures(line));
        let thanks = is_match(&THANKS, line);
        let named =
            closes.as_ref().and_then(|captures| captures.get(1)).is_none_or(|rest| is_name(rest.as_str()));
        let under = lines.get(at + 1..).unwrap_or_default();
        if ((closes.is_some() && named) || thanks) && under.iter().all(|line| is_signature_line(line)) {
            lines.truncate(if thanks { at + 1 } else { at });
            return;
        }
    }
}

/// Contact lines at the end, and the name over them.
fn contacts(lines: &mut Vec<&str>) {
    let before = lines.len();
    while lines.len() > 1 && lines.last().is_some_and(|line| is_match(&CONTACT, line)) {
        lines.pop();
        trim(lines);
    }
    let named = |line: &&str| is_name(line) && line.split(' ').count() >= 2;
    if lines.len() < before && lines.len() > 1 && lines.last().is_some_and(named) {
        lines.pop();
    }
}

/// Names, titles, companies, numbers: short, and no sentence.
fn is_signature_line(line: &str) -> bool {
    let words = line.split(' ').count();
    let sentence = line.ends_with(['?', '!']) || (line.ends_with('.') && words > 4) || words > 9;
    line.len() <= MAX_LINE && (is_match(&CONTACT, line) || !sentence && !says_something(line))
}

/// Small letters at the start of most words: people and firms are written with capitals.
fn says_something(line: &str) -> bool {
    let words: Vec<&str> =
        line.split(' ').filter(|word| word.chars().next().is_some_and(char::is_alphabetic)).collect();
    let small = words.iter().filter(|word| word.starts_with(char::is_lowercase)).count();
    words.len() > 3 && small * 2 > words.len()
}

/// Up to four words with capitals, or nothing.
fn is_name(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.len() <= 4
        && words.iter().all(|word| {
            word.starts_with(char::is_uppercase)
                && word.chars().all(|c| c.is_alphabetic() || ".'’-,".contains(c))
        })
}

fn is_match(pattern: &LazyLock<Option<Regex>>, line: &str) -> bool {
    pattern.as_ref().is_some_and(|pattern| pattern.is_match(line))
}

#[cfg(test)]
pub(super) fn patterns() -> [bool; 4] {
    [DEVICE.is_some(), CLOSING.is_some(), THANKS.is_some(), CONTACT.is_some()]
}
