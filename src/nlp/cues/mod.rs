//! Cue rules: words that by themselves tell of a signal or of the customer's effort. The rules are data (`en.toml`,
//! `it.toml`), each with sentences it must find and sentences it must leave alone; this module compiles them once and
//! runs them. It decides nothing.

mod fold;
mod rules;

use std::ops::Range;

use sha2::{Digest, Sha256};

use super::labels::SignalKind;
pub use fold::Folded;
pub use rules::CueError;
use rules::Rule;

/// The rule files, by language.
const FILES: [(&str, &str); 2] = [("en", include_str!("en.toml")), ("it", include_str!("it.toml"))];

/// Words that a rule found.
#[derive(Debug, Clone, PartialEq)]
pub struct Cue {
    /// Name of the rule, `<language>.<name>`.
    pub rule: String,
    /// The signal it tells of; none for a rule that is about effort only.
    pub signal: Option<SignalKind>,
    /// How far the words alone can be trusted, 0…1.
    pub confidence: f32,
    /// What the words say of the customer's effort, 0…1.
    pub effort: f32,
    /// `[start, end)` in Unicode scalar values of the text.
    pub span: [usize; 2],
    /// The words.
    pub text: String,
}

/// The compiled rules of some languages.
#[derive(Debug)]
pub struct Cues {
    rules: Vec<Rule>,
    version: String,
}

impl Cues {
    /// The rules of the languages that have any; others have none.
    pub fn new(languages: &[String]) -> Result<Self, CueError> {
        let mut rules = Vec::new();
        let mut hash = Sha256::new();
        for (language, source) in FILES {
            if languages.iter().any(|enabled| enabled == language) {
                rules.extend(rules::read(language, source)?);
                hash.update(source);
            }
        }
        let version = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { rules, version })
    }

    /// Changes whenever a rule does (16 hex digits).
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Everything the rules find: at most one cue per rule, the first, in order of the text.
    pub fn find(&self, text: &str) -> Vec<Cue> {
        let folded = Folded::new(text);
        // Rule by rule: measured 15 times faster than all of them as one set, which is too large for a quick automaton.
        let mut cues: Vec<Cue> = self
            .rules
            .iter()
            .filter_map(|rule| rule.first(&folded).map(|bytes| cue(rule, &folded, text, &bytes)))
            .collect();
        cues.sort_by(|a, b| a.span.cmp(&b.span).then_with(|| a.rule.cmp(&b.rule)));
        cues
    }
}

fn cue(rule: &Rule, folded: &Folded, text: &str, bytes: &Range<usize>) -> Cue {
    let span = folded.span(bytes);
    Cue {
        rule: rule.name.clone(),
        signal: rule.signal,
        confidence: rule.confidence,
        effort: rule.effort,
        span,
        text: text.chars().skip(span[0]).take(span[1] - span[0]).collect(),
    }
}

#[cfg(test)]
mod tests;
