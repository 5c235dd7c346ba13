//! RFC 5322 messages: parts, bodies, attachments, the headers that tell a machine. Certified mail (PEC) is read
//! through its envelope.

use std::borrow::Cow;
use std::collections::HashSet;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use mail_parser::{Message, MessageParser, MimeHeaders, PartType};

use super::super::error::WireError;
use super::super::wire::WireAttachment;
use super::{auto, html};

/// Parts an e-mail may have, those of attached messages included.
pub(super) const MAX_PARTS: usize = 100;
const ATTACHMENTS_LISTED: usize = MAX_PARTS;

/// What an e-mail holds.
#[derive(Debug, Default)]
pub(in crate::interaction) struct Mail {
    pub subject: Option<String>,
    pub text: String,
    pub attachments: Vec<WireAttachment>,
    pub auto_reply: Option<String>,
}

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Reads the message.
pub(super) fn read(mime: &str) -> Result<Mail, WireError> {
    let compact: Vec<u8> = mime
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            byte => byte,
        })
        .collect();
    let bytes = BASE64.decode(compact).map_err(|_| WireError::BadMime { problem: "is not base64" })?;
    Ok(of(&open(&bytes)?))
}

/// With an empty line between a line that ends in `=` and one that may be a boundary. The parser takes the end of the line for
/// the boundary's, though a soft line break of quoted-printable has hidden it, and would cut letters off instead.
fn with_line_before_boundaries(bytes: &[u8]) -> Cow<'_, [u8]> {
    const PATTERNS: [(&[u8], &[u8]); 2] = [(b"=\r\n--", b"\r\n"), (b"=\n--", b"\n")];
    let mut mended = Vec::new();
    let mut kept = 0;
    for at in 0..bytes.len() {
        for (pattern, line_end) in PATTERNS {
            if bytes.get(at..).is_some_and(|rest| rest.starts_with(pattern)) {
                let end = at + 1 + line_end.len();
                mended.extend_from_slice(bytes.get(kept..end).unwrap_or_default());
                mended.extend_from_slice(line_end);
                kept = end;
            }
        }
    }
    if kept == 0 {
        return Cow::Borrowed(bytes);
    }
    mended.extend_from_slice(bytes.get(kept..).unwrap_or_default());
    Cow::Owned(mended)
}

/// Parses an RFC 5322 message of no more parts than allowed.
pub(in crate::interaction) fn open(bytes: &[u8]) -> Result<Message<'_>, WireError> {
    let announced = announced_parts(bytes);
    if announced > MAX_PARTS {
        return Err(WireError::TooManyParts { found: announced, limit: MAX_PARTS });
    }
    let parser = MessageParser::default();
    let parsed = match with_line_before_boundaries(bytes) {
        Cow::Borrowed(bytes) => parser.parse(bytes),
        Cow::Owned(bytes) => parser.parse(&bytes).map(Message::into_owned),
    };
    let message = parsed
        .filter(|message| message.headers().iter().any(|header| !header.value.is_empty()))
        .ok_or(WireError::BadMime { problem: "has no e-mail headers" })?;
    let parts = all_parts(&message, 0);
    if parts > MAX_PARTS {
        return Err(WireError::TooManyParts { found: parts, limit: MAX_PARTS });
    }
    Ok(message)
}

/// The customer's own message: certified mail carries it as an attachment of the provider's envelope.
pub(in crate::interaction) fn own<'a, 'x>(message: &'a Message<'x>) -> &'a Message<'x> {
    let certified = message
        .header_raw("X-Trasporto")
        .is_some_and(|value| value.to_lowercase().contains("posta-certificata"));
    let inner = message.parts.iter().find_map(|part| match &part.body {
        PartType::Message(inner) if certified => Some(inner),
        _ => None,
    });
    inner.unwrap_or(message)
}

/// What is read of it.
pub(in crate::interaction) fn of(message: &Message<'_>) -> Mail {
    let own = own(message);
    Mail {
        subject: own.subject().map(str::to_owned),
        text: text(own),
        attachments: attachments(own),
        auto_reply: auto::by_headers(message).or_else(|| auto::by_headers(own)),
    }
}

/// Lines that open a part of one of the boundaries announced, counted before the parser sees them.
fn announced_parts(bytes: &[u8]) -> usize {
    let text = String::from_utf8_lossy(bytes);
    // ASCII lower case keeps every byte where it is.
    let lower = text.to_ascii_lowercase();
    let mut boundaries: HashSet<&str> = HashSet::new();
    for (at, mark) in lower.match_indices("boundary=") {
        let value = text.get(at + mark.len()..).unwrap_or_default();
        let boundary = match value.strip_prefix('"') {
            Some(quoted) => quoted.split(['"', '\n']).next(),
            None => value.split([';', '\r', '\n', ' ', '\t']).next(),
        };
        boundaries.extend(boundary.filter(|boundary| !boundary.is_empty()).map(str::trim_end));
        if boundaries.len() > MAX_PARTS {
            return boundaries.len();
        }
    }
    let opens =
        |line: &&str| line.strip_prefix("--").is_some_and(|rest| boundaries.contains(rest.trim_end()));
    text.lines().filter(opens).count()
}

fn all_parts(message: &Message<'_>, depth: usize) -> usize {
    let nested: usize = message
        .parts
        .iter()
        .map(|part| match &part.body {
            PartType::Message(inner) if depth < 8 => all_parts(inner, depth + 1),
            _ => 0,
        })
        .sum();
    message.parts.len() + nested
}

/// The plain body; the HTML one where there is none, or where the plain one only asks for HTML.
fn text(message: &Message<'_>) -> String {
    let bodies = |parts: Vec<&mail_parser::MessagePart<'_>>| -> String {
        let texts = parts.into_iter().filter_map(|part| match &part.body {
            PartType::Text(text) => Some(text.to_string()),
            PartType::Html(html) => Some(html::to_text(html)),
            _ => None,
        });
        texts.collect::<Vec<_>>().join("\n\n")
    };
    let plain = bodies(message.text_bodies().collect());
    let stub = plain.len() < 200 && {
        let lower = plain.to_lowercase();
        plain.trim().is_empty() || (lower.contains("html") && lower.contains("mail"))
    };
    if !stub {
        return plain;
    }
    let rich = bodies(message.html_bodies().collect());
    if rich.trim().is_empty() { plain } else { rich }
}

fn attachments(message: &Message<'_>) -> Vec<WireAttachment> {
    let list = message.attachments().take(ATTACHMENTS_LISTED);
    list.map(|part| {
        let media_type = part.content_type().map(|kind| match kind.subtype() {
            Some(subtype) => format!("{}/{subtype}", kind.ctype()),
            None => kind.ctype().to_owned(),
        });
        let name = part.attachment_name().map(|name| name.chars().take(255).collect());
        let nested = if part.is_message() { "message.eml" } else { "attachment" };
        WireAttachment {
            name: Some(name.unwrap_or_else(|| nested.to_owned())),
            media_type,
            bytes: u64::try_from(part.len()).ok(),
            url: None,
        }
    })
    .collect()
}
