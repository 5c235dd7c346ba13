//! Text messages: the part marks of long ones go.

use std::sync::LazyLock;

use regex::Regex;

use super::normalise::normalise;

/// `(1/3)` or `[2/3]` at an end.
static PART: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^[(\[]\d{1,2} ?/ ?\d{1,2}[)\]] ?|[(\[]\d{1,2} ?/ ?\d{1,2}[)\]]$").ok());

/// The message.
pub(super) fn clean(text: &str) -> String {
    let text = normalise(text);
    let Some(part) = &*PART else { return text };
    let whole = normalise(&part.replace_all(&text, ""));
    if whole.is_empty() { text } else { whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_marks_go() {
        assert_eq!(clean("(1/2) dove è il pacco"), "dove è il pacco");
        assert_eq!(clean("dove è il pacco [2/2]"), "dove è il pacco");
        assert_eq!(clean("il 1/2 chilo (3/4) era"), "il 1/2 chilo (3/4) era");
        assert_eq!(clean("[1/2]"), "[1/2]");
    }
}
