//! What customers write about anything: generic texts that stand for what is outside the user's intents, and which of
//! them may. Reads no file; the texts are part of the program.

use std::collections::BTreeMap;

use super::linear::{Matrix, dot};
use crate::nlp::language::{LanguageGuesser, UnknownLanguage};

/// One text a line, English and Italian half and half: all core intents, small talk and what is none of them.
const TEXTS: &str = include_str!("background.txt");

/// Share of the examples from which their language counts as one of theirs.
const SOME: f64 = 0.05;

/// The texts in the languages of the examples, or all when those are neither English nor Italian. Texts of another language
/// would teach the fit to refuse that language, whatever it says.
pub fn texts<'a>(examples: impl IntoIterator<Item = &'a str>) -> Result<Vec<&'static str>, UnknownLanguage> {
    let guesser = LanguageGuesser::new(&["en".to_owned(), "it".to_owned()], "en")?;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for example in examples {
        *counts.entry(guesser.guess(example, None).code).or_default() += 1;
    }
    let all: usize = counts.values().sum();
    counts.retain(|_, count| *count as f64 >= SOME * all as f64);
    let own: Vec<&str> =
        TEXTS.lines().filter(|text| counts.contains_key(&guesser.guess(text, None).code)).collect();
    Ok(if own.is_empty() { TEXTS.lines().collect() } else { own })
}

/// The rows of `background` that stand for what is outside: all but those as near to the centroid of an intent as its own
/// examples are. So an intent about orders is not pushed away by what everybody writes about orders.
pub fn usable(vectors: &Matrix, classes: &[usize], count: usize, background: &Matrix) -> Vec<usize> {
    let middle = mean(background, 0..background.rows);
    // What all texts have in common tells nothing.
    let away =
        |row: &[f32]| -> Vec<f32> { row.iter().zip(&middle).map(|(value, mean)| value - mean).collect() };
    let intents: Vec<(Vec<f32>, f64)> = (0..count)
        .map(|class| {
            let own: Vec<usize> = (0..classes.len()).filter(|at| classes[*at] == class).collect();
            let centroid = mean(vectors, own.iter().copied());
            let mut near: Vec<f64> = own
                .iter()
                .map(|at| {
                    let row = vectors.row(*at);
                    // The centroid of the others: an example is always near to itself.
                    let rest = own.len().saturating_sub(1).max(1) as f32;
                    let others: Vec<f32> = centroid
                        .iter()
                        .zip(row)
                        .map(|(mean, value)| (mean * own.len() as f32 - value) / rest)
                        .collect();
                    cosine(&away(row), &away(&others))
                })
                .collect();
            near.sort_by(f64::total_cmp);
            (away(&centroid), near.get(near.len() / 4).copied().unwrap_or(1.0))
        })
        .collect();
    (0..background.rows)
        .filter(|at| {
            let text = away(background.row(*at));
            intents.iter().all(|(centroid, line)| cosine(&text, centroid) < *line)
        })
        .collect()
}

fn mean(matrix: &Matrix, rows: impl IntoIterator<Item = usize>) -> Vec<f32> {
    let mut sum = vec![0.0_f32; matrix.columns];
    let mut count = 0.0_f32;
    for at in rows {
        sum.iter_mut().zip(matrix.row(at)).for_each(|(sum, value)| *sum += value);
        count += 1.0;
    }
    sum.iter_mut().for_each(|value| *value /= count.max(1.0));
    sum
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if lengths > 0.0 { dot(a, b) / lengths } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_texts_are_many_short_and_all_different() {
        let all: Vec<&str> = TEXTS.lines().collect();
        assert_eq!(all.len(), 300);
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 300);
        assert!(all.iter().all(|text| (10..=120).contains(&text.chars().count()) && text.trim() == *text));
    }

    #[test]
    fn the_texts_speak_the_languages_of_the_examples() {
        let (english, italian) =
            ("where is my parcel, it never came", "dov'è il mio pacco, non è mai arrivato");
        let count = |examples: &[&str]| texts(examples.iter().copied()).unwrap().len();
        let (of_english, of_italian) = (count(&[english; 9]), count(&[italian; 9]));
        assert!((140..=160).contains(&of_english), "{of_english}");
        assert_eq!(of_english + of_italian, 300);
        assert_eq!(count(&[english, italian]), 300);
        let mut few = vec![english; 99];
        few.push(italian);
        assert_eq!(count(&few), of_english, "one in a hundred is a stray");
        assert_eq!(count(&[]), 300);
    }

    #[test]
    fn texts_as_near_to_an_intent_as_its_own_are_left_out() {
        let matrix = |rows: &[[f32; 3]]| Matrix::from_rows(3, rows.iter().map(|row| row.as_slice()));
        let examples = matrix(&[[1.0, 0.2, 0.0], [1.0, -0.2, 0.0], [0.0, 1.0, 0.2], [0.0, 1.0, -0.2]]);
        // The third is what the first intent is about.
        let background = matrix(&[
            [-1.0, -1.0, 0.0],
            [0.1, 0.0, 1.0],
            [1.0, 0.0, 0.0],
            [-1.0, 0.1, -1.0],
            [0.0, -0.5, -1.0],
        ]);
        assert_eq!(usable(&examples, &[0, 0, 1, 1], 2, &background), [0, 1, 3, 4]);
    }
}
