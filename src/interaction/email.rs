//! E-mail: what the customer wrote this time. MIME and HTML become text; quoted replies, signatures and legal footers
//! are cut; machines' messages are recognised. When cutting would leave nothing, the uncut text stays.

mod auto;
mod footer;
mod html;
mod mime;
mod quotes;
mod signature;

use super::error::WireError;
use super::model::Author;
use super::normalise::normalise;
use super::parse::{Heard, Spoken};

pub(super) use html::{looks_like_html, to_text};
pub(super) use mime::{Mail, of, open, own};

/// An RFC 5322 message in base64.
pub(super) fn from_mime(mime: &str, author: Author) -> Result<Heard, WireError> {
    let mail = mime::read(mime)?;
    let text = clean(&mail.text);
    let auto_reply = mail.auto_reply.or_else(|| auto::by_subject_or_text(mail.subject.as_deref(), &text));
    Ok(Heard {
        turns: vec![Spoken::new(author, text)],
        subject: mail.subject,
        attachments: mail.attachments,
        auto_reply,
    })
}

/// The text of an e-mail, with its subject where known.
pub(super) fn from_text(text: &str, subject: Option<&str>, author: Author) -> Heard {
    let text = clean(text);
    let auto_reply = auto::by_subject_or_text(subject, &text);
    Heard { turns: vec![Spoken::new(author, text)], auto_reply, ..Heard::default() }
}

/// The customer's own new words.
pub(super) fn clean(text: &str) -> String {
    let text = if looks_like_html(text) { normalise(&to_text(text)) } else { normalise(text) };
    let own = keep(text, quotes::cut);
    let own = keep(own, footer::cut);
    keep(own, signature::cut)
}

/// A step of cutting, undone when it leaves nothing.
fn keep(text: String, step: fn(&str) -> String) -> String {
    let cut = normalise(&step(&text));
    if cut.is_empty() { text } else { cut }
}

#[cfg(test)]
mod tests;
