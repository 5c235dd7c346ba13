//! The questions a customer asks: sentences that end in a question mark, and sentences in interrogative form without
//! one, in English and Italian. Pure.

use std::sync::LazyLock;

use regex::Regex;
use unicode_segmentation::UnicodeSegmentation;

use super::cues::Folded;

/// Most questions that are listed.
pub const MOST: usize = 20;
/// A longer question is shortened to so many characters, with an ellipsis.
pub const LONGEST: usize = 300;

/// How a question begins where the question mark was left out.
static OPENING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let before = r"(?:(?:hi|hello|hey|ok|so|and|but|also|please|sorry|um|uh|ciao|salve|buongiorno|buonasera|scusi|scusate|ma|e|allora|quindi)[\s,]+)*";
    let english = r"(?:(?:what|when|where|who|whom|which|why|how)(?:'s|s)?\s+(?:is|are|was|were|do|does|did|can|could|should|would|will|has|have|much|many|long|come|far|old|late|soon|often|time|day|about|i|to|am|must)\b|(?:is|are|do|does|did|can|could|will|would|may|might|shall|should)\s+(?:i|we|you|u|it|there|they|he|she|this|that|these|those|the|my|your|anyone|anybody|someone|somebody|any)\b|(?:has|have)\s+(?:you|u|my|the|anyone|it|they|there)\b|any\s+(?:news|update|idea|chance)\b)";
    let italian = r"(?:(?:quando|quanto|quanti|quante|quanta|dove|perche|xche|come|chi|quale|quali|qual|cosa|che cosa|dov'e|com'e|cos'e|quant'e)\s+(?:e|sono|mi|si|vi|ci|posso|possiamo|devo|dobbiamo|faccio|fate|funziona|costa|costano|arriva|arrivano|mai|tempo|spendo|viene|va|sta|trovo|manca|ore|ci|il|la|lo|i|gli|le|non|avete|ha|hanno|dovrei|potrei|siete|fa)\b|(?:posso|possiamo|potete|puo|puoi|potrei|potreste|potrebbe|si puo|e possibile|avete|fate|accettate|sapete|sai|mi sa dire|mi sapete dire|mi potete|mi puo|mi dite|c'e modo|c'e un|c'e una|ci sono)\b)";
    Regex::new(&format!(r"^\W*{before}(?:{english}|{italian})")).ok()
});

/// A wish or a request in the form of an opening that asks nothing.
static NO_QUESTION: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^\W*(?:come (?:da|per|sempre|al solito)|quando (?:mi|vi|si) (?:e|ha|hanno|sono)\b|how (?:nice|lovely|great)|what a\b|where i\b|when i\b|what i\b|why i\b)").ok()
});

/// The questions in `text`, in order: at most [`MOST`], each at most [`LONGEST`] characters.
pub fn questions(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in text.lines() {
        for sentence in line.unicode_sentences() {
            let sentence = sentence.trim();
            if found.len() < MOST && is_question(sentence) {
                found.push(shortened(sentence));
            }
        }
    }
    found
}

fn is_question(sentence: &str) -> bool {
    if !sentence.chars().any(char::is_alphabetic) {
        return false;
    }
    let end = sentence.trim_end_matches(|c: char| !c.is_alphanumeric() && c != '?');
    if end.ends_with('?') {
        return true;
    }
    // A mark within an unfinished line: "is it open? need it today".
    let folded = Folded::new(sentence);
    let holds = |regex: &Option<Regex>| regex.as_ref().is_some_and(|regex| regex.is_match(folded.as_str()));
    let statement = sentence.trim_end().ends_with(['!', ':']);
    !statement && holds(&OPENING) && !holds(&NO_QUESTION)
}

fn shortened(sentence: &str) -> String {
    if sentence.chars().count() <= LONGEST {
        return sentence.to_owned();
    }
    let head: String = sentence.chars().take(LONGEST - 1).collect();
    format!("{}…", head.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn questions_with_and_without_a_mark() {
        let check = |text: &str, expected: &[&str]| assert_eq!(questions(text), expected, "{text:?}");
        check(
            "Where is my parcel? It was due Monday. Can you check?",
            &["Where is my parcel?", "Can you check?"],
        );
        check("how do i reset my password", &["how do i reset my password"]);
        check("hi, is the pool heated", &["hi, is the pool heated"]);
        check("Dov'è il mio pacco?! Aspetto da ieri.", &["Dov'è il mio pacco?!"]);
        check("quanto costa il piano famiglia", &["quanto costa il piano famiglia"]);
        check("scusate, si può pagare a rate", &["scusate, si può pagare a rate"]);
        check("Perché non risponde nessuno", &["Perché non risponde nessuno"]);
        check("My router is broken.", &[]);
        check("When I opened the box it was empty.", &[]);
        check("Quando mi è arrivato era rotto.", &[]);
        check("Come da accordi vi invio la ricevuta.", &[]);
        check("What a mess!", &[]);
        check("???", &[]);
        check("", &[]);
    }

    #[test]
    fn the_list_is_bounded() {
        let many = "Why? ".repeat(50);
        assert_eq!(questions(&many).len(), MOST);
        let long = format!("why is {}?", "so ".repeat(400));
        assert_eq!(questions(&long)[0].chars().count(), LONGEST);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in any::<String>()) {
            for question in questions(&text) {
                prop_assert!(!question.is_empty() && question.chars().count() <= LONGEST);
            }
        }
    }
}
