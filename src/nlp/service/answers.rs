//! Answers to windows that were asked before: greetings, templates, thanks. Kept under a hash of the window, so that no
//! customer's words stay in memory; the least recently asked goes first.

use std::num::NonZeroUsize;

use lru::LruCache;
use sha2::{Digest as _, Sha256};

use crate::nlp::engine::{Window, WindowOutput};

/// Longer windows hardly ever come twice.
const LONGEST: usize = 64;

/// SHA-256 of what an engine reads.
pub(super) type Key = [u8; 32];

/// The answers kept; none where there is no room.
pub(super) struct Answers(Option<LruCache<Key, WindowOutput>>);

impl Answers {
    /// At most so many.
    pub fn new(most: usize) -> Self {
        Self(NonZeroUsize::new(most).map(LruCache::new))
    }

    /// Under what the answer to a window is kept; nothing where it is not.
    pub fn key(&self, window: &Window) -> Option<Key> {
        if self.0.is_none() || window.ids.len() > LONGEST {
            return None;
        }
        let mut hash = Sha256::new();
        window.ids.iter().for_each(|id| hash.update(id.to_le_bytes()));
        // Engines that read words may tell apart what is the same to the tokenizer.
        hash.update(window.text.as_bytes());
        Some(hash.finalize().into())
    }

    pub fn get(&mut self, key: &Key) -> Option<WindowOutput> {
        self.0.as_mut()?.get(key).cloned()
    }

    pub fn keep(&mut self, key: Key, answer: &WindowOutput) {
        if let Some(answers) = &mut self.0 {
            answers.put(key, answer.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(text: &str) -> Window {
        let ids = text.split(' ').map(|word| u32::try_from(word.len()).unwrap()).collect();
        Window { ids, text: text.into() }
    }

    #[test]
    fn the_same_window_is_answered_and_no_other() {
        let mut answers = Answers::new(2);
        let asked = ["thank you", "never mind", "see you"].map(|text| answers.key(&window(text)).unwrap());
        assert_ne!(answers.key(&window("Thank you")), Some(asked[0]), "the same ids, other words");
        for (at, key) in asked.iter().enumerate() {
            assert_eq!(answers.get(key), None);
            let embedding = vec![at as f32];
            answers.keep(*key, &WindowOutput { embedding, ..WindowOutput::default() });
        }
        assert_eq!(answers.get(&asked[0]), None, "there was room for two");
        assert_eq!(answers.get(&asked[2]).unwrap().embedding, [2.0]);
        let long = Window { ids: vec![1; LONGEST + 1], text: "long".into() };
        assert_eq!(answers.key(&long), None);
        assert_eq!(Answers::new(0).key(&window("thank you")), None);
    }
}
