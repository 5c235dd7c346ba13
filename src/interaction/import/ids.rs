//! Ids made from content: the same bytes give the same id, wherever and whenever they are read.

use sha2::{Digest, Sha256};

use crate::interaction::text::is_unseen;
use crate::interaction::wire::MAX_ID;

/// Room left behind an id taken over, for what is put after it.
const ROOM: usize = 40;

/// The first 16 bytes of the SHA-256 of the pieces, each with its length before it.
pub(super) fn digest(pieces: &[&[u8]]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for piece in pieces {
        hash.update((piece.len() as u64).to_be_bytes());
        hash.update(piece);
    }
    let mut first = [0; 16];
    first.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
    first
}

/// So many hexadecimal digits of it, 32 at most.
pub(super) fn hex(digest: [u8; 16], digits: usize) -> String {
    let mut text: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    text.truncate(digits);
    text
}

/// An id of the other system as it is, or made from it where it is too long or has what an id may not have.
pub(super) fn taken(id: &str) -> Option<String> {
    let id = id.trim();
    if id.is_empty() {
        return None;
    }
    if id.len() <= MAX_ID - ROOM && !id.chars().any(is_unseen) {
        return Some(id.to_owned());
    }
    Some(format!("sha256-{}", hex(digest(&[id.as_bytes()]), 32)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_taken_over_where_they_fit() {
        assert_eq!(taken("  a b "), Some("a b".to_owned()));
        assert_eq!(taken(" \t"), None);
        let made = taken(&"x".repeat(300)).unwrap();
        assert!(made.starts_with("sha256-") && made.len() == 39, "{made}");
        assert_ne!(Some(made), taken(&"x".repeat(301)));
        assert!(taken("a\u{200B}b").unwrap().starts_with("sha256-"));
    }

    #[test]
    fn pieces_do_not_run_together() {
        assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
        assert_eq!(hex(digest(&[b"a"]), 8).len(), 8);
    }
}
