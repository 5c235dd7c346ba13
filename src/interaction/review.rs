//! Reviews: the author's own words, not the site's translation of them and not the owner's answer.

use std::sync::LazyLock;

use regex::Regex;

use super::chat::plain;
use super::normalise::normalise;

static TRANSLATED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?is)\(?(?:translated by google|tradotto da google|traduzione di google)\)?.*?\((?:original|originale)\)").ok()
});
/// The original first, the translation after it.
static ORIGINAL_FIRST: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?is)\n\s*\((?:translated by google|tradotto da google|traduzione di google)\).*$").ok()
});
static ANSWER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?ims)^\W*(?:response from the owner|response from the developer|owner response|reply from the (?:seller|owner)|risposta del proprietario|risposta dello sviluppatore|risposta del venditore|risposta della struttura)\b.*").ok()
});

/// The review.
pub(super) fn clean(text: &str) -> String {
    let text = plain(text);
    let mut own = text.clone();
    for pattern in [&*TRANSLATED, &*ORIGINAL_FIRST, &*ANSWER].into_iter().flatten() {
        let cut = normalise(&pattern.replace(&own, ""));
        if !cut.is_empty() {
            own = cut;
        }
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn translations_and_answers_go() {
        assert_eq!(clean("(Translated by Google) Bad place\n\n(Original)\nPosto pessimo"), "Posto pessimo");
        assert_eq!(clean("Posto pessimo\n\n(Translated by Google)\nBad place"), "Posto pessimo");
        assert_eq!(clean("Slow.\nResponse from the owner 2 weeks ago\nWe are sorry"), "Slow.");
        assert_eq!(
            clean("La risposta del proprietario è stata scortese"),
            "La risposta del proprietario è stata scortese"
        );
        assert_eq!(clean("Risposta del proprietario\nGrazie"), "Risposta del proprietario\nGrazie");
    }
}
