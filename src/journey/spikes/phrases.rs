//! Phrases of a message: one to three words in a row of what the customer wrote, English and Italian, without words that
//! carry nothing and without the marks that redaction leaves. A mark, a stop word or a stop in the text ends a row.

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

use crate::interaction::{Author, Interaction};

/// Words in a phrase, at most.
const WORDS: usize = 3;
/// Words of a message looked at.
const LOOKED_AT: usize = 150;
/// Longest word taken for one, in characters.
const LONGEST: usize = 24;

/// Function words, courtesies, and what is said in every message to a contact centre.
const STOP: &str = "a an and are as at be been being but by can cannot could did do does doing done don for from get gets getting \
got had has have having he hello help her here hers hi him his how i if in into is isn it its just know ll let like m may me might \
mine more most must my need never no nor not now of off ok okay on once one only onto or other our ours out over own please re \
really said same say see she should so some someone still such t than thank thanks that the their theirs them then there these \
they this those through to too try trying under until up upon us ve very want wanted was wasn way we well were what when where \
which while who whom why will with won would yes yet you your yours dear sir madam regards best kind good morning afternoon \
evening again also always any anyone anything back because before after about all already another day days today tomorrow \
yesterday time times week weeks month months year years call called message email mail chat customer service \
ad agli ai al alla alle allo anche ancora andare aver avere avete avevo abbiamo bene buon buona buonasera buongiorno c che chi ci \
ciao cioè col come con cordiali cosa così cui d da dagli dai dal dall dalla dalle dallo degli dei del dell della delle dello dopo \
dove due e ecco ed era erano essere fa far fare fatto fino fra già gentile gentili giorni giorno gli grazie ha hai hanno ho i il in \
invece io l la le lei li lo loro lui ma mai me mentre mese mesi mi mia mie miei mio molto n ne negli nei nel nell nella nelle nello \
nessuno niente noi non nostra nostro o oggi ogni oppure ora ore per perché però più poi possibile posso potete potrei prima proprio \
può qua qual quale qualcosa qualcuno quando quanto quella quelle quelli quello questa queste questi questo qui s saluti salve \
sarebbe se sei sempre senza si sia siamo siete solo sono sopra sta stata stati stato sto su sua subito sue sugli sui sul sull sulla \
suo suoi tra tre troppo tu tutta tutte tutti tutto un una uno va vi voglio voi volevo volta vorrei vostra vostro ieri domani \
settimana anno anni cliente assistenza servizio scrivo chiamato detto aiuto favore prego";

static STOP_WORDS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| STOP.split_whitespace().collect());

/// The phrases of a message, each once, in alphabetical order.
pub(super) fn of(interaction: &Interaction) -> BTreeSet<String> {
    let mut phrases = BTreeSet::new();
    let theirs = interaction.turns.iter().filter(|turn| turn.speaker == Author::Customer);
    for text in theirs.map(|turn| turn.text.as_str()).chain(interaction.subject.as_ref().map(|s| s.as_str()))
    {
        for row in rows(text) {
            for from in 0..row.len() {
                for words in (1..=WORDS).filter_map(|length| row.get(from..from + length)) {
                    // A number alone is no topic; beside a word it may be one.
                    if words.iter().any(|word| word.chars().any(char::is_alphabetic)) {
                        phrases.insert(words.join(" "));
                    }
                }
            }
        }
    }
    phrases
}

/// Rows of words with nothing between them but spaces.
fn rows(text: &str) -> Vec<Vec<String>> {
    let mut rows = vec![Vec::new()];
    let mut word = String::new();
    let mut in_mark = false;
    let mut looked_at = 0;
    let end_row = |rows: &mut Vec<Vec<String>>| {
        if rows.last().is_some_and(|row| !row.is_empty()) {
            rows.push(Vec::new());
        }
    };
    for c in text.chars().chain(['.']) {
        if c.is_alphanumeric() && !in_mark {
            word.extend(c.to_lowercase());
            continue;
        }
        if !word.is_empty() {
            looked_at += 1;
            let length = word.chars().count();
            if (2..=LONGEST).contains(&length) && !STOP_WORDS.contains(word.as_str()) {
                if let Some(row) = rows.last_mut() {
                    row.push(std::mem::take(&mut word));
                }
            } else {
                word.clear();
                end_row(&mut rows);
            }
        }
        match c {
            '[' => in_mark = true,
            ']' => in_mark = false,
            _ => {}
        }
        if !matches!(c, ' ' | '-' | '\'' | '’' | '_' | '\t') {
            end_row(&mut rows);
        }
        if looked_at >= LOOKED_AT {
            break;
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interaction::{Channel, sample};

    fn check(text: &str, expected: &[&str]) {
        let found = of(&sample(Channel::Chat, text).unwrap());
        assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), expected, "{text}");
    }

    #[test]
    fn one_to_three_words_without_what_carries_nothing() {
        check(
            "The payment page shows error 4711",
            &[
                "error",
                "error 4711",
                "page",
                "page shows",
                "page shows error",
                "payment",
                "payment page",
                "payment page shows",
                "shows",
                "shows error",
                "shows error 4711",
            ],
        );
        check("Hello, I would like to have it. Thanks!", &[]);
        check("Buongiorno, non riesco con l'app", &["app", "riesco"]);
        check("4711 4712", &[]);
    }

    #[test]
    fn marks_and_stops_end_a_row() {
        check("card 4111 1111 1111 1111 refused", &["card", "refused"]);
        check("Router broken. Lamp red", &["broken", "lamp", "lamp red", "red", "router", "router broken"]);
    }
}
