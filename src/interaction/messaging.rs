//! messaging
use super::model::Author;
use super::normalise::normalise;
use super::parse::Spoken;
pub(super) fn clean(text: &str) -> String {
    normalise(text)
}
pub(super) fn turns(text: &str, author: Author) -> Vec<Spoken> {
    vec![Spoken::new(author, clean(text))]
}
