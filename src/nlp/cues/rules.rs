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
/// space for any white space (` ?` for none or any), `\b` for a word boundary between plain letters.
fn expand(words: &BTreeMap<String, String>, pattern: &str) -> Result<String, String> {
    let spaced = names(words, pattern, 0)?.replace(" ?", r"\s*").replace(' ', r"\s+");
    Ok(plain_letters(&spaced))
}

/// Classes of plain letters in place of those of all Unicode: the folded text of the rules' languages has no others,
/// and the compiled rules are a tenth of the size.
fn plain_letters(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() * 2);
    let mut in_class = false;
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            in_class = (in_class || c == '[') && c != ']';
            out.push(c);
            continue;
        }
        match (chars.next(), in_class) {
            (Some('w'), true) => out.push_str("a-z0-9_"),
            (Some('w'), false) => out.push_str("[a-z0-9_]"),
            (Some('W'), false) => out.push_str("[^a-z0-9_]"),
            (Some('d'), true) => out.push_str("0-9"),
            (Some('d'), false) => out.push_str("[0-9]"),
            (Some('s'), false) => out.push_str(r"[ \t\r\n]"),
            (Some('b'), _) => out.push_str(r"(?-u:\b)"),
            (Some(other), _) => out.extend(['\\', other]),
            (None, _) => out.push('\\'),
        }
    }
    out
}

/// `depth` keeps lists that name each other from going round for ever.
fn names(words: &BTreeMap<String, String>, pattern: &str, depth: u8) -> Result<String, String> {
    if depth > 4 {
        return Err("word lists name each other too deeply".into());
    }
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
            out.push_str(&format!("(?:{})", names(words, word, depth + 1)?));
        }
        rest = &after[close + 1..];
    }
    out.push_str(rest);
    Ok(out)
}
