//! Legal footers: confidentiality and privacy notices, and the plea for the environment. A customer who writes about
//! privacy or the law is no footer: a notice speaks of the message itself.

use std::sync::LazyLock;

use regex::{Regex, RegexSet};

/// Lines a notice may have.
const MAX_LINES: usize = 60;

/// How a notice begins.
static START: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)^\W*(?:this (?:e-?mail|message|communication|transmission|electronic)|the (?:information|contents?)|confidentiality|confidential|disclaimer|legal notice|privileged|if you (?:are not|have received)|please (?:consider|think)|before printing|notice:|important:|gdpr|privacy",
        r"|quest[oa] (?:messaggio|e-?mail|comunicazione|documento)|il (?:presente|contenuto|testo)|la presente|le informazioni|ai sensi|a norma|avvis|avvertenz|informativa|nota di riservatezza|riservatezza|qualora|se (?:avete|ha|hai|non siete|non è)|prima di stampare|rispett[ai]|pensa all|salva un albero|clausola)",
    ))
    .ok()
});

/// What a notice says; three of these make one.
static SAYS: LazyLock<Option<RegexSet>> = LazyLock::new(|| {
    RegexSet::new([
        r"(?i)this (?:e-?mail|message|communication|transmission)|(?:presente|questo|questa) (?:messaggio|e-?mail|comunicazione|posta|documento)|contained (?:in|herein)|contenut[eoi] (?:in|nel)|eventuali allegati|any attachments?",
        r"(?i)confidential|privileged|riservat|confidenzial|privacy",
        r"(?i)intended (?:solely|only|recipient|for)|addressee|destinatari|esclusivamente|persona indicata",
        r"(?i)in error|by mistake|per errore|erroneamente",
        r"(?i)delete|destroy|notify|cancell|distrugg|elimin|avvisar|comunicar|dandone|mittente|sender",
        r"(?i)prohibited|unauthori[sz]ed|strictly|unlawful|vietat|proibit|non autorizzat|illecit|divieto|copia|diffusione|distribution|dissemination|disclosure",
        r"(?i)2016/679|196/2003|gdpr|d\. ?lgs|art\.? ?616|codice penale|regulation \(eu\)|regolamento (?:ue|europeo)",
    ])
    .ok()
});

/// The customer's own request, which no notice makes.
static ASKS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)\b(?:i (?:want|would like|request|ask|demand|am writing|wish)|my (?:data|personal|account|order|details)|could you|can you|please (?:delete|erase|remove) my",
        r"|(?:vi |le |ti )?(?:chiedo|richiedo|chiediamo|esigo|pretendo)|vorrei|voglio|intendo|(?:i )?miei dati|mio (?:account|ordine|nominativo)|potete|potreste)\b",
    ))
    .ok()
});

static GREEN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)^\W*(?:please )?(?:consider the environment|think (?:of|about) the environment|think before (?:you )?print|before printing.{0,40}think|prima di stampare|pensa all'ambiente|rispett[ai] l'ambiente|save (?:a tree|paper)|salva un albero).{0,120}$",
    )
    .ok()
});

/// A heading that stands over a notice.
static HEADING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)^\W*(?:confidentiality notice|legal (?:notice|disclaimer)|disclaimer|avviso di riservatezza|nota di riservatezza|clausola di riservatezza|avvertenze?|informativa (?:sulla )?privacy|privacy notice|gdpr)\W*$").ok()
});

/// The text without its notices.
pub(super) fn cut(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut kept: Vec<&str> = Vec::with_capacity(lines.len());
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let notice = if is_match(&START, line) { notice_end(&lines, at) } else { None };
        if is_match(&GREEN, line) {
            at += 1;
        } else if let Some(end) = notice {
            at = end;
        } else {
            kept.push(line);
            at += 1;
        }
    }
    kept.join("\n")
}

/// Where the notice that begins here ends: its paragraph, with the next one where this is only its heading.
fn notice_end(lines: &[&str], at: usize) -> Option<usize> {
    let end = paragraph_end(lines, at);
    let paragraph = lines.get(at..end)?;
    if let [heading] = paragraph
        && is_match(&HEADING, heading)
    {
        let next_end = paragraph_end(lines, end + 1);
        return speaks_as_notice(&lines.get(end + 1..next_end)?.join(" ")).then_some(next_end);
    }
    speaks_as_notice(&paragraph.join(" ")).then_some(end)
}

/// The next blank line, no further than a notice reaches.
fn paragraph_end(lines: &[&str], at: usize) -> usize {
    let rest = lines.get(at..).unwrap_or_default();
    at + rest.iter().take(MAX_LINES).take_while(|line| !line.is_empty()).count()
}

fn speaks_as_notice(text: &str) -> bool {
    let said = SAYS.as_ref().map_or(0, |set| set.matches(text).iter().count());
    said >= 3 && !is_match(&ASKS, text)
}

fn is_match(pattern: &LazyLock<Option<Regex>>, text: &str) -> bool {
    pattern.as_ref().is_some_and(|pattern| pattern.is_match(text))
}

#[cfg(test)]
pub(super) fn patterns() -> [bool; 5] {
    [START.is_some(), SAYS.is_some(), ASKS.is_some(), GREEN.is_some(), HEADING.is_some()]
}
