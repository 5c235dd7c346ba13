//! Reading and compiling a rule file.

use std::collections::BTreeMap;
use std::ops::Range;

use regex::Regex;
use serde::Deserialize;

use super::fold::Folded;
use crate::nlp::labels::SignalKind;

/// Why the rules cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CueError {
    /// The file is not what it should be.
    #[error("cue rules of {language}: {reason}")]
    File {
        /// Of which language.
        language: String,
        /// What is wrong.
        reason: String,
    },
    /// One rule is not what it should be.
    #[error("cue rule {rule}: {reason}")]
    Rule {
        /// Its name.
        rule: String,
        /// What is wrong.
        reason: String,
    },
    /// The rules cannot be compiled together.
    #[error("cue rules: {0}")]
    Set(String),
}

/// A rule file as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Pieces of pattern that rules use as `<name>`.
    #[serde(default)]
    words: BTreeMap<String, String>,
    rule: Vec<RuleForm>,
}

/// A rule as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleForm {
    pub name: String,
    pub signal: Option<String>,
    #[serde(default = "sure")]
    pub confidence: f32,
    #[serde(default)]
    pub effort: f32,
    /// Any of these, on word boundaries.
    pub find: Vec<String>,
    /// Not when the sentence also holds any of these.
    #[serde(default)]
    pub unless: Vec<String>,
    /// Counts in quoted passages too.
    #[serde(default)]
    pub quoted: bool,
    /// Sentences the rule finds.
    #[cfg_attr(not(test), expect(dead_code, reason = "the examples are what the tests run"))]
    pub yes: Vec<String>,
    /// Sentences it leaves alone.
    #[serde(default)]
    #[cfg_attr(not(test), expect(dead_code, reason = "the examples are what the tests run"))]
    pub no: Vec<String>,
}

fn sure() -> f32 {
    0.9
}

/// A compiled rule.
#[derive(Debug)]
pub(super) struct Rule {
    pub name: String,
    pub signal: Option<SignalKind>,
    pub confidence: f32,
    pub effort: f32,
    pub pattern: Regex,
    unless: Option<Regex>,
    quoted: bool,
}

impl Rule {
    /// The first place where the rule holds, in bytes of the folded text.
    pub fn first(&self, folded: &Folded) -> Option<Range<usize>> {
        self.pattern.find_iter(folded.as_str()).map(|found| found.range()).find(|bytes| {
            let excused =
                || self.unless.as_ref().is_some_and(|unless| unless.is_match(folded.sentence(bytes)));
            (self.quoted || !folded.is_quoted(bytes)) && !excused()
        })
    }
}

/// Reads and compiles the rules of a language.
pub(super) fn read(language: &str, source: &str) -> Result<Vec<Rule>, CueError> {
    let (words, forms) = forms(language, source)?;
    forms.iter().map(|form| compile(language, &words, form)).collect()
}

/// The rules as written.
pub(super) fn forms(
    language: &str,
    source: &str,
) -> Result<(BTreeMap<String, String>, Vec<RuleForm>), CueError> {
    let file: File = toml::from_str(source)
        .map_err(|error| CueError::File { language: language.to_owned(), reason: error.to_string() })?;
    Ok((file.words, file.rule))
}

/// Compiles one rule.
pub(super) fn compile(
    language: &str,
    words: &BTreeMap<String, String>,
    form: &RuleForm,
) -> Result<Rule, CueError> {
    let name = format!("{language}.{}", form.name);
    let wrong = |reason: String| CueError::Rule { rule: name.clone(), reason };
    let regex = |parts: &[String]| {
        let pattern = expand(words, &parts.join("|")).map_err(wrong)?;
        Regex::new(&format!(r"(?-u:\b)(?:{pattern})(?-u:\b)")).map_err(|error| wrong(error.to_string()))
    };
    let signal = match &form.signal {
        Some(label) => {
            Some(SignalKind::from_name(label).ok_or_else(|| wrong(format!("there is no signal {label}")))?)
        }
        None => None,
    };
    if form.find.is_empty() || (signal.is_none() && form.effort <= 0.0) {
        return Err(wrong("it finds nothing, or says nothing of what it finds".into()));
    }
    let pattern = regex(&form.find)?;
    if pattern.is_match("") {
        return Err(wrong("it matches nothing at all".into()));
    }
    let unless = if form.unless.is_empty() { None } else { Some(regex(&form.unless)?) };
    Ok(Rule {
        name,
        signal,
        confidence: form.confidence,
        effort: form.effort,
        pattern,
        unless,
        quoted: form.quoted,
    })
}

/// Writes out the short forms: `<name>` from the `words` table, `<..N>` for up to N characters within the sentence, a
/// space for any white space, `\b` for a word boundary between plain letters.
fn expand(words: &BTreeMap<String, String>, pattern: &str) -> Result<String, String> {
    let mut out = String::with_capacity(pattern.len() * 2);
    let mut rest = pattern;
    while let Some(open) = rest.find('<') {
        let (before, after) = rest.split_at(open);
        out.push_str(before);
        let close = after.find('>').ok_or("'<' without '>'")?;
        let name = &after[1..close];
        if let Some(count) = name.strip_prefix("..") {
            let count: usize = count.parse().map_err(|_| format!("<{name}> is no number"))?;
            out.push_str(&format!(r"[^.!?;\n]{{0,{count}}}?"));
        } else {
            let word = words.get(name).ok_or_else(|| format!("there is no word list <{name}>"))?;
            out.push_str(&format!("(?:{word})"));
        }
        rest = &after[close + 1..];
    }
    out.push_str(rest);
    Ok(out.replace(' ', r"\s+").replace(r"\b", r"(?-u:\b)"))
}
