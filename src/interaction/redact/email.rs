//! E-mail addresses, written, spaced out and spoken (`mario punto rossi chiocciola gmail punto com`).

use std::sync::LazyLock;

use regex::Regex;

use super::scan::{Found, Kind, each, lead, pattern};

const MAX_LOCAL: usize = 128;
const MAX_DOMAIN: usize = 255;
/// Providers whose name alone, without its ending, makes an address.
const PROVIDERS: &[&str] = &[
    "gmail",
    "googlemail",
    "hotmail",
    "outlook",
    "live",
    "yahoo",
    "ymail",
    "icloud",
    "libero",
    "virgilio",
    "tiscali",
    "alice",
    "tin",
    "aruba",
    "pec",
    "fastwebnet",
    "proton",
    "protonmail",
    "gmx",
    "aol",
    "btinternet",
    "msn",
    "me",
];

/// `(at)` and `chiocciola` are said only in addresses; the domain may then be written.
static MARKED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"(?i)[\p{L}\p{N}_+-]+(?:(?:\.| (?:punto|dot|underscore|trattino|trattino basso|dash|meno) )[\p{L}\p{N}_+-]+){0,5}(?: ?[\(\[\{] ?(?:at|chiocciola) ?[\)\]\}] ?| chiocciola )[\p{L}\p{N}-]+(?:(?: ?\. ?| (?:punto|dot) | ?[\(\[\{] ?(?:dot|punto) ?[\)\]\}] ?)[\p{L}\p{N}-]+){1,4}",
    )
});

/// A bare `at` needs a spoken dot after it.
static SPOKEN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"(?i)[\p{L}\p{N}_+-]+(?:(?:\.| (?:dot|punto|underscore|dash) )[\p{L}\p{N}_+-]+){0,5} at [\p{L}\p{N}-]+(?: (?:dot|punto) [\p{L}\p{N}-]+){0,2} (?:dot|punto) (?:com|it|org|net|eu|co|uk|info|de|fr|es|io|edu|gov|biz|me)\b",
    )
});

/// A bare `at` before a written domain: judged by what stands before it.
static HALF: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"(?i)[\p{L}\p{N}](?:[\p{L}\p{N}_.+-]*[\p{L}\p{N}_])? at [\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)*\.\p{L}{2,}",
    )
});
/// Words that say that an address follows.
static CUE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:e-?mail|mail|posta elettronica|indirizzo|address)\b(?: (?:address|is|è|e'|mia|mio|my))*[ :=,]{1,3}$",
    )
});

/// Whether the costlier patterns have anything to look for.
static HINT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(r"(?i)chiocciola|[(\[{] ?at ?[)\]}]| at [^\n]{1,60} (?:dot|punto) | at [^\s]+\.\p{L}")
});

/// Adds the addresses of `text`.
pub(super) fn find(text: &str, found: &mut Vec<Found>) {
    // As it is, and as it stands in an address of the web.
    for sign in ["@", "%40"] {
        for (at, _) in text.match_indices(sign) {
            if let Some((start, end)) = around(text, at, sign.len()) {
                found.push(Found { start, end, kind: Kind::Email });
            }
        }
    }
    if !HINT.as_ref().is_some_and(|hint| hint.is_match(text)) {
        return;
    }
    each(HALF.as_ref(), text, |start, end| {
        let (name, domain) = text.get(start..end)?.rsplit_once(" at ")?;
        let first = domain.split('.').next().unwrap_or_default().to_lowercase();
        let is_address = two_names(name)
            || PROVIDERS.contains(&first.as_str())
            || CUE.as_ref().is_some_and(|cue| cue.is_match(lead(text, start, 40)));
        if is_address {
            found.push(Found { start, end, kind: Kind::Email });
            return Some(end);
        }
        // A part of the name is no name: the search goes on behind it.
        Some(start + name.len())
    });
    for spelled in [&*MARKED, &*SPOKEN] {
        each(spelled.as_ref(), text, |start, end| {
            found.push(Found { start, end, kind: Kind::Email });
            Some(end)
        });
    }
}

/// Whether a name has two parts that begin with letters (`mario.rossi`, not `1.5` or `v2.1`).
fn two_names(name: &str) -> bool {
    let mut parts = name.split(['.', '_']);
    parts.clone().count() > 1 && parts.all(|part| part.starts_with(char::is_alphabetic))
}

/// Full stops of other scripts and dots that look like one.
fn is_dot(c: char) -> bool {
    matches!(c, '.' | '。' | '｡' | '·' | '•' | '‧' | '∙')
}

fn is_local(c: char) -> bool {
    c.is_alphanumeric() || is_dot(c) || "_%+'-!#$*^`{|}~".contains(c)
}

/// The address around a sign of so many bytes. A space before it alone is that of a handle (`ask @acme.com`), unless what
/// stands there is no word.
fn around(text: &str, at: usize, sign: usize) -> Option<(usize, usize)> {
    let (head, tail) = (text.get(..at)?, text.get(at + sign..)?);
    let (spaced_head, spaced_tail) = (head.ends_with([' ', '\n']), tail.starts_with([' ', '\n']));
    let spaced = head;
    let head = head.trim_end_matches([' ', '\n']);
    if spaced_head && !spaced_tail {
        let name = head.get(local(head)?..)?;
        if spaced.ends_with('\n')
            || !name.contains(['.', '_']) && !name.contains(|c: char| c.is_ascii_digit())
        {
            return None;
        }
    }
    let domain_start = at + sign + (tail.len() - tail.trim_start_matches([' ', '\n']).len());
    let start = local(head)?;
    let name = head.get(start..).unwrap_or_default();
    let glued = !spaced_head && !spaced_tail && name.chars().any(char::is_alphabetic);
    let end = domain(text, domain_start, glued)?;
    Some((start, end))
}

/// Where the local part begins.
fn local(head: &str) -> Option<usize> {
    if let Some(inner) = head.strip_suffix('"') {
        let from = inner.char_indices().rev().take(MAX_LOCAL).find(|(_, c)| *c == '"');
        if let Some((start, _)) = from {
            return Some(start);
        }
    }
    let mut start = None;
    for (index, c) in head.char_indices().rev().take(MAX_LOCAL) {
        if !is_local(c) {
            break;
        }
        if c.is_alphanumeric() || c == '_' {
            start = Some(index);
        }
    }
    start
}

/// Where the domain ends, if it is one.
fn domain(text: &str, start: usize, glued: bool) -> Option<usize> {
    let tail = text.get(start..)?;
    if let Some(literal) = tail.strip_prefix('[') {
        let close = literal.char_indices().take(48).find(|(_, c)| *c == ']')?.0;
        let numeric = literal.get(..close)?.chars().all(|c| c.is_ascii_hexdigit() || ".:IPv".contains(c));
        return (numeric && close > 0).then_some(start + close + 2);
    }
    let length: usize = tail
        .chars()
        .take(MAX_DOMAIN)
        .take_while(|c| c.is_alphanumeric() || *c == '-' || is_dot(*c) || *c == '_')
        .map(char::len_utf8)
        .sum();
    let domain = tail.get(..length)?.trim_end_matches(|c| is_dot(c) || c == '-' || c == '_');
    let domain = if glued { unglued(domain) } else { domain };
    let labels: Vec<&str> = domain.split(is_dot).collect();
    let ending = labels.last().is_some_and(|last| {
        last.chars().count() >= 2 && (last.starts_with("xn--") || last.chars().all(char::is_alphabetic))
    });
    let dotted = labels.len() >= 2 && labels.iter().all(|label| !label.is_empty()) && ending;
    let first = labels.first().copied().unwrap_or_default().to_lowercase();
    let numeric = labels.len() == 4 && labels.iter().all(|label| label.parse::<u8>().is_ok());
    // A host of one's own network has no dot.
    let bare =
        glued && labels.len() == 1 && domain.chars().count() >= 3 && domain.starts_with(char::is_alphabetic);
    // A broken ending (`gmail.c0m`, `gmail..com`, none at all) still names the provider.
    (dotted || numeric || bare || PROVIDERS.contains(&first.as_str())).then_some(start + domain.len())
}

/// Without what is stuck to an ending of two or more letters: `example.it-ok`, `example.it123`, `example.it_ok`.
fn unglued(domain: &str) -> &str {
    let Some((head, last)) = domain.rsplit_once(is_dot) else { return domain };
    let letters: usize = last.chars().take_while(|c| c.is_alphabetic()).map(char::len_utf8).sum();
    let stuck = last.get(letters..).unwrap_or_default();
    if letters < 2 || stuck.is_empty() || last.starts_with("xn--") {
        return domain;
    }
    let end = domain.len() - stuck.len();
    if head.is_empty() { domain } else { domain.get(..end).unwrap_or(domain) }
}

#[cfg(test)]
pub(super) fn patterns() -> [bool; 5] {
    [MARKED.is_some(), SPOKEN.is_some(), HINT.is_some(), HALF.is_some(), CUE.is_some()]
}
