//! Quoted replies and forwarded messages, as mail programs write them in English and Italian (and the attribution
//! lines of French, German and Spanish ones).

use std::sync::LazyLock;

use regex::Regex;

/// Lines an attribution may be wrapped over.
const MAX_WRAP: usize = 4;

/// `On Tue, 14 May 2024 at 10:32, Support <help@acme.example> wrote:`
static ATTRIBUTION: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)^(?:",
        r"on\b.{6,300}\bwrote ?:?",
        r"|il\b.{6,300}\bha(?:nno)? scritto ?:?",
        r"|le\b.{6,300}\ba écrit ?:?",
        r"|am\b.{6,300}\bschrieb\b.{0,80}:",
        r"|el\b.{6,300}\bescribió ?:?",
        r"|(?:in data|in date)\b.{6,200}\bha scritto ?:?",
        r")$",
    ))
    .ok()
});

/// Its first words; a line that has them begins an attribution of its own.
static BEGINS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i)^(?:on|il|le|am|el|in data|in date)\b").ok());

/// Forms that keep to one line: `Support <help@acme.example> wrote:`
static ON_ONE_LINE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)^(?:.{2,120}<[^>\n]*@[^>\n]*> ?(?:wrote|ha scritto|a écrit|schrieb|escribió) ?:?",
        r"|.{2,80} (?:wrote|ha scritto) (?:on|in data|il|alle)\b.{4,80}:",
        r"|\d{4}[-/]\d{2}[-/]\d{2}.{4,120}<[^>\n]*@[^>\n]*> ?:)$",
    ))
    .ok()
});

static SEPARATOR: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)^(?:",
        r"[-_=* ]{2,}(?: ?)(?:original message|original appointment|messaggio originale|forwarded message|forwarded by .{0,80}|messaggio inoltrato|inoltrato da .{0,80}|reply message|messaggio di risposta|message d'origine|ursprüngliche nachricht|mensaje original)[-_=* ]*:?",
        r"|begin forwarded message ?:?|inizio messaggio inoltrato ?:?|inizio del messaggio inoltrato ?:?",
        r"|(?:please )?(?:reply|write) above this line.{0,60}|#+ ?- ?please type your reply above this line.{0,60}|[-=_ ]*(?:scrivi|rispondi) sopra questa (?:riga|linea).{0,60}",
        r")$",
    ))
    .ok()
});

/// First line of a header block.
static FROM: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i)^\*?(?:from|da|mittente|de|von) ?:\*? ?\S").ok());
/// The other lines of one.
static HEADER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)^\*?(?:sent|date|to|cc|subject|reply-to|inviato(?: il)?|inviata(?: il)?|data|a|per|destinatario|oggetto|importance|priorità|envoyé|objet|à|gesendet|an|betreff|enviado|para|asunto) ?:\*?")
        .ok()
});

/// The text without what it quotes. Text between quoted lines stays: it answers them.
pub(super) fn cut(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut kept: Vec<&str> = Vec::with_capacity(lines.len());
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        if is_quoted(line) {
            at += 1;
        } else if is_match(&SEPARATOR, line) || header_block(&lines, at) {
            break;
        } else if let Some(wrapped) = attribution(&lines, at) {
            let behind = lines.get(at + wrapped..).unwrap_or_default();
            if !behind.iter().find(|line| !line.is_empty()).is_some_and(|line| is_quoted(line)) {
                break;
            }
            at += wrapped;
        } else {
            kept.push(line);
            at += 1;
        }
    }
    // The rule that mail programs draw over what they quote.
    while kept.last().is_some_and(|line| line.chars().all(|c| "_-=* ".contains(c))) {
        kept.pop();
    }
    if kept.iter().all(|line| line.is_empty()) { unquoted(&lines) } else { kept.join("\n") }
}

/// A message that is nothing but quotes: their words, without marks and headers.
fn unquoted(lines: &[&str]) -> String {
    let bare = lines.iter().map(|line| line.trim_start_matches(['>', ' ']));
    let words =
        bare.filter(|line| !is_match(&SEPARATOR, line) && !is_match(&FROM, line) && !is_match(&HEADER, line));
    words.collect::<Vec<_>>().join("\n")
}

/// A `>` at the line's start, unless it draws a face.
fn is_quoted(line: &str) -> bool {
    let faces = [">:(", ">:-(", ">:[", ">.<", ">_<", ">:|", ">:D", ">:@", ">:/"];
    line.starts_with('>') && !faces.iter().any(|face| line.starts_with(face))
}

/// How many lines the attribution here takes, if it is one.
fn attribution(lines: &[&str], at: usize) -> Option<usize> {
    let first = lines.get(at)?;
    if first.len() <= 300 && is_match(&ON_ONE_LINE, first) && closes(first, lines, at) {
        return Some(1);
    }
    if !is_match(&BEGINS, first) {
        return None;
    }
    let mut joined = String::new();
    for (count, line) in lines.get(at..)?.iter().take(MAX_WRAP).enumerate() {
        if line.is_empty() || line.len() > 300 || (count > 0 && is_match(&BEGINS, line)) {
            return None;
        }
        if count > 0 {
            joined.push(' ');
        }
        joined.push_str(line);
        let dated = joined.contains('@') || joined.bytes().any(|byte| byte.is_ascii_digit());
        if dated
            && joined.len() <= 400
            && is_match(&ATTRIBUTION, &joined)
            && closes(&joined, lines, at + count)
        {
            return Some(count + 1);
        }
    }
    None
}

/// Without its colon, an attribution needs a quote under it: `On Monday 3 people wrote` is a sentence.
fn closes(joined: &str, lines: &[&str], last: usize) -> bool {
    joined.ends_with(':')
        || lines
            .get(last + 1..)
            .unwrap_or_default()
            .iter()
            .find(|line| !line.is_empty())
            .is_some_and(|l| is_quoted(l))
}

/// `From:` with two more header lines among the next six.
fn header_block(lines: &[&str], at: usize) -> bool {
    let Some(line) = lines.get(at) else { return false };
    if !is_match(&FROM, line) {
        return false;
    }
    let following = lines.get(at + 1..).unwrap_or_default().iter().take(7);
    following.filter(|line| is_match(&HEADER, line)).count() >= 2
}

fn is_match(pattern: &LazyLock<Option<Regex>>, line: &str) -> bool {
    pattern.as_ref().is_some_and(|pattern| pattern.is_match(line))
}

#[cfg(test)]
pub(super) fn patterns() -> [bool; 6] {
    [
        ATTRIBUTION.is_some(),
        BEGINS.is_some(),
        ON_ONE_LINE.is_some(),
        SEPARATOR.is_some(),
        FROM.is_some(),
        HEADER.is_some(),
    ]
}
