//! Which phrases are heavy, in bounded memory: the frequent-elements algorithm of J. Misra and D. Gries (*Finding repeated
//! elements*, Science of Computer Programming 2, 1982). Of n phrases seen, one that is more than n/(m+1) of them is
//! among the m kept; when all places are taken, everybody's weight falls by one and whoever has none left goes.
//!
//! A phrase is told to nobody before `customers` different people have used it within the window: what one person
//! writes, a name for instance, never becomes a topic (k-anonymity: L. Sweeney, *k-anonymity: a model for protecting
//! privacy*, 2002). Until then it is only here, in memory.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher as _, RandomState};

/// The phrases watched. Bounded: `most` phrases with `customers` hashes each.
#[derive(Debug)]
pub struct Sketch {
    most: usize,
    customers: usize,
    window: i64,
    secret: RandomState,
    watched: HashMap<String, Watched>,
}

#[derive(Debug, Default)]
struct Watched {
    weight: u32,
    /// Who used it last, by hash, and in which hour; at most `customers`.
    voices: Vec<(u64, i64)>,
}

impl Sketch {
    /// Watches `most` phrases; one is known when so many customers used it within `window` hours.
    pub fn new(most: usize, customers: usize, window: i64) -> Self {
        let customers = customers.max(1);
        Self { most, customers, window, secret: RandomState::new(), watched: HashMap::new() }
    }

    /// Takes in the phrases of a customer's message; those that are known.
    pub fn observe(&mut self, phrases: &BTreeSet<String>, customer: &str, hour: i64) -> Vec<String> {
        let customer = self.secret.hash_one(customer);
        phrases.iter().filter(|phrase| self.one(phrase, customer, hour)).cloned().collect()
    }

    fn one(&mut self, phrase: &str, customer: u64, hour: i64) -> bool {
        if !self.watched.contains_key(phrase) {
            if self.watched.len() >= self.most {
                self.watched.retain(|_, watched| {
                    watched.weight = watched.weight.saturating_sub(1);
                    watched.weight > 0
                });
                return false;
            }
            self.watched.insert(phrase.to_owned(), Watched::default());
        }
        let Some(watched) = self.watched.get_mut(phrase) else { return false };
        watched.weight = watched.weight.saturating_add(1);
        let voices = &mut watched.voices;
        voices.retain(|(_, at)| hour - at <= self.window);
        match voices.iter().position(|(voice, _)| *voice == customer) {
            Some(place) => {
                let (_, at) = voices.remove(place);
                voices.push((customer, at.max(hour)));
            }
            None => {
                if voices.len() >= self.customers {
                    voices.remove(0);
                }
                voices.push((customer, hour));
            }
        }
        voices.len() >= self.customers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(phrases: &[&str]) -> BTreeSet<String> {
        phrases.iter().map(|phrase| (*phrase).to_owned()).collect()
    }

    #[test]
    fn one_person_says_nothing_however_often() {
        let mut sketch = Sketch::new(10, 3, 100);
        for hour in 0..20 {
            assert!(sketch.observe(&set(&["mario rossi"]), "c-1", hour).is_empty());
        }
        assert!(sketch.observe(&set(&["mario rossi"]), "c-2", 20).is_empty());
        assert_eq!(sketch.observe(&set(&["mario rossi"]), "c-3", 21), ["mario rossi"]);
        // Outside the window the others are no longer counted.
        assert!(sketch.observe(&set(&["mario rossi"]), "c-4", 300).is_empty());
    }

    #[test]
    fn heavy_phrases_stay_and_memory_is_bounded() {
        let mut sketch = Sketch::new(50, 3, 100);
        let mut known = Vec::new();
        for n in 0..5_000 {
            let mut phrases: Vec<String> = (0..4).map(|word| format!("rare {n} {word}")).collect();
            if n % 5 == 0 {
                phrases.push("error 4711".to_owned());
            }
            known = sketch.observe(&phrases.into_iter().collect(), &format!("c-{n}"), 0);
            assert!(sketch.watched.len() <= 50);
        }
        // One in 21 of all phrases: more than one in 51.
        assert!(sketch.watched.contains_key("error 4711"), "{known:?}");
        assert_eq!(sketch.observe(&set(&["error 4711"]), "c", 0), ["error 4711"]);
    }
}
