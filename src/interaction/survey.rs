//! Survey answers: the question that the tool repeats is not the customer's.

use std::sync::LazyLock;

use regex::Regex;

use super::chat::plain;
use super::normalise::normalise;

static QUESTION: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)^(?:q\d{0,2}|question ?\d{0,2}|domanda ?\d{0,2}|d\d{1,2})(?: ?[:.)] ).*$").ok()
});
static ANSWER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)^(?:a\d{0,2}|answer ?\d{0,2}|risposta ?\d{0,2}|r\d{1,2}|comment|commento)(?: ?[:.)] )")
        .ok()
});

/// The answers.
pub(super) fn clean(text: &str) -> String {
    let text = plain(text);
    let (Some(question), Some(answer)) = (&*QUESTION, &*ANSWER) else { return text };
    // Only when questions are marked are answers marked too.
    if !text.lines().any(|line| question.is_match(line)) {
        return text;
    }
    let answers: Vec<_> =
        text.lines().filter(|line| !question.is_match(line)).map(|line| answer.replace(line, "")).collect();
    let answers = normalise(&answers.join("\n"));
    if answers.is_empty() { text } else { answers }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_go() {
        assert_eq!(clean("Q: What can we do better?\nA: Answer the phone"), "Answer the phone");
        assert_eq!(
            clean("Domanda 1: Come va?\nRisposta 1: male\nDomanda 2: Perché?\nRisposta 2: ritardi"),
            "male\nritardi"
        );
        assert_eq!(clean("A: plain comment"), "A: plain comment");
        assert_eq!(clean("Q: only the question"), "Q: only the question");
    }
}
