//! E-mail.
use super::error::WireError;
use super::model::Author;
use super::normalise::normalise;
use super::parse::{Heard, Spoken};
pub(super) fn clean(text: &str) -> String {
    normalise(text)
}
pub(super) fn from_text(text: &str, _subject: Option<&str>, author: Author) -> Heard {
    Heard { turns: vec![Spoken::new(author, clean(text))], ..Heard::default() }
}
pub(super) fn from_mime(_mime: &str, _author: Author) -> Result<Heard, WireError> {
    Err(WireError::BadMime { problem: "is not read yet" })
}
