//! What the words of a text say beside its sentence vector: runs of words and of letters, weighted by how rare they are
//! among the examples (Salton and Buckley, *Term-weighting approaches in automatic text retrieval*, 1988). Product names,
//! codes and fixed phrases, which a sentence vector blurs, stand out here. Pure.

use std::collections::BTreeMap;

/// What runs of letters count beside runs of words.
const LETTERS: f32 = 0.7;
/// Lengths of runs of letters, within a word with a blank on either side.
const LETTER_RUNS: std::ops::RangeInclusive<usize> = 3..=5;
/// A text beyond so many words is read to there: the sentence vector speaks for long ones.
const MOST_WORDS: usize = 256;

/// Runs that are known, and what each one says of each outcome.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Words {
    /// FNV-1a hashes of the known runs, ascending.
    pub hashes: Vec<u32>,
    /// Inverse document frequency of each known run.
    pub rarity: Vec<f32>,
    /// That of a run that is not known: such runs take their share of a text's length and say nothing.
    pub unknown: f32,
    /// `(runs + 1) × outcomes`: what each run adds to each logit; the last row is added to every text.
    pub weights: Vec<f32>,
}

impl Words {
    /// The text as places among the known runs, with their weights: each of its two halves, words and letters, has length 1
    /// before the unknown are left out.
    pub fn vector(&self, text: &str) -> Vec<(usize, f32)> {
        let mut vector = Vec::new();
        for (counts, share) in runs(text).iter().zip([1.0, LETTERS]) {
            let known = counts.iter().map(|(hash, count)| {
                let place = self.hashes.binary_search(hash).ok();
                let rarity = place.and_then(|at| self.rarity.get(at)).unwrap_or(&self.unknown);
                (place, (1.0 + (*count as f32).ln()) * rarity)
            });
            let all: Vec<(Option<usize>, f32)> = known.collect();
            let length = all.iter().map(|(_, value)| value * value).sum::<f32>().sqrt();
            vector.extend(
                all.into_iter().filter_map(|(place, value)| {
                    Some((place?, share * value / length.max(f32::MIN_POSITIVE)))
                }),
            );
        }
        vector
    }

    /// Adds to the logits what the words say.
    pub fn add_to(&self, text: &str, logits: &mut [f32]) {
        let outcomes = logits.len();
        let row = |at: usize| self.weights.get(at * outcomes..(at + 1) * outcomes).unwrap_or_default();
        let vector = self.vector(text);
        for (place, value) in vector.into_iter().chain([(self.hashes.len(), 1.0)]) {
            logits.iter_mut().zip(row(place)).for_each(|(logit, weight)| *logit += value * weight);
        }
    }

    /// The tables fit together, for so many outcomes.
    pub fn fits(&self, outcomes: usize) -> bool {
        self.rarity.len() == self.hashes.len()
            && self.weights.len() == (self.hashes.len() + 1) * outcomes
            && self.hashes.is_sorted_by(|a, b| a < b)
            && self.rarity.iter().chain(&self.weights).chain([&self.unknown]).all(|value| value.is_finite())
    }
}

/// How often each run of one or two words, and each run of letters, occurs in the text; by hash.
pub fn runs(text: &str) -> [BTreeMap<u32, u32>; 2] {
    let mut found = [BTreeMap::new(), BTreeMap::new()];
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower
        .split(|letter: char| !(letter.is_alphanumeric() || letter == '_'))
        .filter(|word| !word.is_empty())
        .take(MOST_WORDS)
        .collect();
    let [of_words, of_letters] = &mut found;
    for (at, word) in words.iter().enumerate() {
        *of_words.entry(hash(&["w", word])).or_default() += 1;
        if let Some(next) = words.get(at + 1) {
            *of_words.entry(hash(&["w", word, " ", next])).or_default() += 1;
        }
        let letters: Vec<char> = format!(" {word} ").chars().collect();
        for length in LETTER_RUNS {
            for run in letters.windows(length) {
                *of_letters.entry(hash(&["l", &run.iter().collect::<String>()])).or_default() += 1;
            }
        }
    }
    found
}

/// FNV-1a with 32 bits (Fowler, Noll and Vo).
fn hash(parts: &[&str]) -> u32 {
    parts
        .iter()
        .flat_map(|part| part.bytes())
        .fold(0x811C_9DC5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(hash(&["a"]), 0xE40C_292C);
        assert_eq!(hash(&["foo", "bar"]), 0xBF9C_F968);
    }

    #[test]
    fn runs_are_of_words_and_within_words() {
        let [words, letters] = runs("Top-up, top up!");
        assert_eq!(words.len(), 4, "top, up, top up, up top");
        assert_eq!(words[&hash(&["wtop up"])], 2);
        // " top ": 3 of three, 2 of four, 1 of five; " up ": 2 and 1.
        assert_eq!(letters.len(), 9);
        assert_eq!(letters[&hash(&["l up"])], 2);
        assert_eq!(runs("  …!").map(|runs| runs.len()), [0, 0]);
        assert_eq!(runs("È"), runs("è"));
    }

    #[test]
    fn unknown_runs_say_nothing_and_thin_out_the_known_ones() {
        let words = Words {
            hashes: vec![hash(&["wcard"])],
            rarity: vec![2.0],
            unknown: 2.0,
            weights: vec![1.0, -1.0, 0.5, 0.0],
        };
        assert!(words.fits(2) && !words.fits(3));
        let logits = |text: &str| {
            let mut logits = [0.0, 0.0];
            words.add_to(text, &mut logits);
            logits
        };
        assert_eq!(logits("card"), [1.5, -1.0]);
        assert_eq!(logits("perduta"), [0.5, 0.0], "only what every text gets");
        let [with, without] = logits("card lost");
        let third = 1.0 / 3.0_f32.sqrt();
        assert!((with - 0.5 - third).abs() < 1e-6 && (without + third).abs() < 1e-6, "card, lost, card lost");
    }
}
