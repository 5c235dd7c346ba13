//! Calls: transcribers' marks and time stamps go; what the speakers said stays, disfluencies included.

use std::sync::LazyLock;

use regex::Regex;

use super::chat::transcript;
use super::model::Author;
use super::normalise::normalise;
use super::parse::Spoken;

/// `[inaudible]`, `(background noise)`, `<unk>`, `[00:12:05]`.
static MARK: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)[\[(<{*](?:/?(?:unk|unclear|inaudible|unintelligible|noise|background noise|music|hold music|silence|pause|long pause|crosstalk|overlapping|laughter|laughs|cough|coughs|sigh|sighs|breathing|beep|tone|dtmf|no speech|foreign",
        r"|incomprensibile|inudibile|non udibile|rumore|rumori|rumore di fondo|musica|musica d'attesa|silenzio|pausa|risata|risate|ride|tosse|sospiro|sovrapposizione|voci sovrapposte)(?: \d{1,4} ?s(?:ec(?:onds?|ondi)?)?)?",
        r"|\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d{1,3})?(?: ?-+>? ?\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d{1,3})?)?)[\])>}*]",
    ))
    .ok()
});

/// One speaker's words.
pub(super) fn clean(text: &str) -> String {
    let text = normalise(text);
    let Some(mark) = &*MARK else { return text };
    normalise(&mark.replace_all(&text, " "))
}

/// A transcript as turns.
pub(super) fn turns(text: &str, author: Author) -> Vec<Spoken> {
    let text = clean(text);
    transcript(&text).unwrap_or_else(|| vec![Spoken::new(author, text)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_go_and_disfluencies_stay() {
        assert_eq!(clean("[00:01:02] Ehm, I, I uh [inaudible] want (music) it"), "Ehm, I, I uh want it");
        assert_eq!(
            clean("Allora, cioè... <unk> non, non va [rumore di fondo]"),
            "Allora, cioè... non, non va"
        );
        assert_eq!(clean("it costs (about) ten [euros]"), "it costs (about) ten [euros]");
        assert_eq!(clean("[silence]"), "");
    }

    #[test]
    fn speakers_in_the_text() {
        let turns = turns("[00:01] Operatore: Pronto\n[00:03] Cliente: ehm, buongiorno", Author::Customer);
        let said: Vec<_> = turns.iter().map(|turn| (turn.speaker, turn.text.as_str())).collect();
        assert_eq!(said, [(Author::Agent, "Pronto"), (Author::Customer, "ehm, buongiorno")]);
    }
}
