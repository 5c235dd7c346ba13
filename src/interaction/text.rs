//! Small things that several channels need: what is unseen, entities, one-line forms, names fit for messages.

use mail_parser::decoders::html::add_html_token;

/// The longest entity name looked for, `&` and `;` left out.
const MAX_ENTITY: usize = 32;

/// Characters that show nothing: controls, zero-width, direction marks, variation selectors, tags, fillers.
pub(super) fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{20E3}'
                | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}'
                | '\u{180B}'..='\u{180F}'
                | '\u{200B}'..='\u{200F}'
                | '\u{202A}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}'
                | '\u{FE00}'..='\u{FE0F}'
                | '\u{FFF0}'..='\u{FFFB}'
                | '\u{1BCA0}'..='\u{1BCA3}'
                | '\u{1D173}'..='\u{1D17A}'
                | '\u{E0000}'..='\u{E0FFF}'
        )
}

/// If `out` ends in a known entity, takes it off and gives the character it stands for.
pub(super) fn pop_entity(out: &mut String) -> Option<char> {
    let bytes = out.as_bytes();
    let floor = bytes.len().saturating_sub(MAX_ENTITY + 2);
    let start = floor + bytes.get(floor..)?.iter().rposition(|byte| *byte == b'&')?;
    let decoded = entity(out.get(start..)?)?;
    out.truncate(start);
    Some(decoded)
}

/// The character a whole entity such as `&egrave;` or `&#232;` stands for.
pub(super) fn entity(token: &str) -> Option<char> {
    let name = token.strip_prefix('&')?.strip_suffix(';')?;
    let fit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'#';
    if name.is_empty() || name.len() > MAX_ENTITY || !name.bytes().all(fit) {
        return None;
    }
    let mut decoded = String::new();
    add_html_token(&mut decoded, token.as_bytes(), false);
    let mut chars = decoded.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) => Some(c),
        _ => None,
    }
}

/// Lines joined by one space.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A producer's name or short value, fit for an error message: no control characters, redacted, at most 40
/// characters.
pub(super) fn shown(name: &str) -> String {
    const LIMIT: usize = 40;
    let head: String = name.chars().take(4 * LIMIT).collect();
    let clean = super::redact::redact(&one_line(&super::normalise::normalise(&head)));
    if clean.chars().count() <= LIMIT {
        return clean;
    }
    clean.chars().take(LIMIT).chain(['…']).collect()
}
