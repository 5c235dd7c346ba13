//! Messaging apps: marks of bold and italics, placeholders for media and deleted messages, exported time stamps.

use std::sync::LazyLock;

use regex::Regex;

use super::chat::transcript;
use super::model::Author;
use super::normalise::normalise;
use super::parse::Spoken;

/// `*bold*`, `_italic_`, `~struck~`, whole words only.
static MARKED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(^|[\s(])([*_~])([^\s*_~](?:[^*_~\n]{0,400}[^\s*_~])?)([*_~])([\s.,;:!?)]|$)").ok()
});

/// Lines the app puts in place of something.
static STAND_IN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)^\W*(?:media omitted|media omessi|(?:image|video|audio|sticker|gif|document|contact card) omitted|(?:immagine|video|audio|sticker|gif|documento) omess[oa]",
        r"|this message was deleted|you deleted this message|(?:questo )?messaggio (?:è stato )?eliminato|hai eliminato questo messaggio|questo messaggio è stato eliminato",
        r"|forwarded(?: many times)?|inoltrato(?: molte volte)?|messages and calls are end-to-end encrypted.*|i messaggi e le chiamate sono crittografati.*|missed (?:voice|video) call|chiamata vocale persa|videochiamata persa)\W*$",
    ))
    .ok()
});

/// The message.
pub(super) fn clean(text: &str) -> String {
    let text = normalise(&text.replace("```", " "));
    let kept: Vec<&str> = text
        .lines()
        .filter(|line| !STAND_IN.as_ref().is_some_and(|pattern| pattern.is_match(line)))
        .collect();
    let kept = kept.join("\n");
    // Marked words that share the space between them need another round.
    let mut bare = kept.clone();
    for _ in 0..3 {
        let Some(marked) = &*MARKED else { break };
        bare = marked
            .replace_all(&bare, |found: &regex::Captures<'_>| {
                let part = |index: usize| found.get(index).map_or("", |part| part.as_str());
                if part(2) == part(4) {
                    format!("{}{}{}", part(1), part(3), part(5))
                } else {
                    part(0).to_owned()
                }
            })
            .into_owned();
    }
    normalise(&bare)
}

/// A message, or a conversation with a speaker before each line.
pub(super) fn turns(text: &str, author: Author) -> Vec<Spoken> {
    let text = clean(text);
    transcript(&text).unwrap_or_else(|| vec![Spoken::new(author, text)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_stand_ins_go() {
        assert_eq!(clean("*Urgente*: il _router_ ~va~ non va"), "Urgente: il router va non va");
        assert_eq!(clean("<Media omitted>\nsee the photo"), "see the photo");
        assert_eq!(clean("5*6*7 e nome_di_file"), "5*6*7 e nome_di_file");
        assert_eq!(clean("<Media omessi>"), "");
    }
}
