//! The project's own labelled examples (`models/data/*.jsonl`): reading and checking. Which of them are kept for
//! development is written in the files, so that it never changes as others are added.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;

use super::target::{self, Row, StageTarget, Target};
use super::{TrainError, file};
use crate::nlp::understanding::GoalKind;

/// One example.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Text and labels; its weight is 1. A public post, not a message to a contact centre, knows its sentiment alone.
    pub row: Row,
    /// `en` or `it`.
    pub language: String,
    /// What the customer is after, if anything.
    pub goal: Option<GoalKind>,
    /// The text it translates, if it was written as a translation.
    pub english: Option<String>,
    /// Kept for development, never trained on.
    pub development: bool,
}

/// A line of an example file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    text: String,
    language: String,
    sentiment: String,
    intents: Option<Vec<String>>,
    stage: Option<String>,
    #[serde(default)]
    emotions: Vec<String>,
    #[serde(default)]
    signals: Vec<String>,
    urgency: Option<String>,
    escalate: Option<bool>,
    goal: Option<GoalKind>,
    english: Option<String>,
    #[serde(default)]
    development: bool,
}

/// Reads every `*.jsonl` of a folder, in name order. A malformed line or a text that stands twice is an error.
pub fn read_folder(folder: &Path) -> Result<Vec<Example>, TrainError> {
    let mut paths = Vec::new();
    for entry in file(folder, std::fs::read_dir(folder))? {
        let path = file(folder, entry)?.path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            paths.push(path);
        }
    }
    paths.sort();
    let mut examples: Vec<Example> = Vec::new();
    let mut seen: HashMap<String, String> = HashMap::new();
    for path in paths {
        let text = file(&path, std::fs::read_to_string(&path))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for (number, line) in text.lines().enumerate() {
            let at = |reason: String| TrainError::Line { path: path.clone(), line: number + 1, reason };
            let example = parse(line).map_err(at)?;
            let key = example.row.text.to_lowercase();
            if let Some(first) = seen.insert(key, format!("{name}:{}", number + 1)) {
                return Err(at(format!("the text stands already at {first}")));
            }
            examples.push(example);
        }
    }
    if examples.is_empty() {
        return Err(TrainError::content(folder, "no examples (*.jsonl) here"));
    }
    let kept: HashMap<String, bool> =
        examples.iter().map(|example| (example.row.text.to_lowercase(), example.development)).collect();
    for example in &examples {
        let english = example.english.as_ref().map(|english| english.to_lowercase());
        if english.and_then(|english| kept.get(&english)) == Some(&true) && !example.development {
            let reason = format!("`{}` translates a development example but is trained on", example.row.text);
            return Err(TrainError::content(folder, reason));
        }
    }
    Ok(examples)
}

fn parse(line: &str) -> Result<Example, String> {
    let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let text = line.text.trim();
    if text.is_empty() {
        return Err("the text is empty".to_owned());
    }
    if !["en", "it"].contains(&line.language.as_str()) {
        return Err(format!("the language is `{}`, not en or it", line.language));
    }
    let list = |names: &[String], read: fn(&str) -> Result<Vec<usize>, String>| match names {
        [] => Ok(Vec::new()),
        names => read(&names.join(",")),
    };
    let sentiment = Some(target::sentiment(&line.sentiment)?);
    let target = match (&line.intents, &line.urgency, line.escalate) {
        (None, None, None) if line.stage.is_none() && line.goal.is_none() => {
            Target { sentiment, ..Target::default() }
        }
        (Some(intents), Some(urgency), Some(escalate)) => {
            check_urgency(urgency, escalate)?;
            let intents = list(intents, target::intents)?;
            let stage = match &line.stage {
                Some(stage) => target::stage(stage)?,
                None => StageTarget::Nobody,
            };
            Target {
                sentiment,
                intents: Some(intents),
                stage,
                emotions: Some(list(&line.emotions, target::emotions)?),
                signals: Some(list(&line.signals, target::signals)?),
            }
        }
        _ => return Err("intents, urgency and escalate stand together or, in a post, not at all".to_owned()),
    };
    Ok(Example {
        row: Row { text: text.to_owned(), target, weight: 1.0 },
        language: line.language,
        goal: line.goal,
        english: line.english,
        development: line.development,
    })
}

fn check_urgency(urgency: &str, escalate: bool) -> Result<(), String> {
    if !["urgent", "high", "normal", "low"].contains(&urgency) {
        return Err(format!("no urgency is called `{urgency}`"));
    }
    // A person who must come at once cannot be of low urgency.
    if escalate && urgency == "low" {
        return Err("a message of low urgency does not escalate".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"text":"Dov'è il pacco?","language":"it","sentiment":"neutral","intents":["order.status"],"stage":"support","urgency":"normal","escalate":false,"goal":"ask"}"#;

    fn read(lines: &[&str]) -> Result<Vec<Example>, TrainError> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("it.jsonl"), lines.join("\n")).unwrap();
        read_folder(folder.path())
    }

    #[test]
    fn a_line_becomes_an_example() {
        let examples = read(&[GOOD]).unwrap();
        assert_eq!(examples.len(), 1);
        assert_eq!((examples[0].language.as_str(), examples[0].development), ("it", false));
        assert_eq!(examples[0].row.target.intents, Some(vec![6]));
        assert_eq!(examples[0].goal, Some(GoalKind::Ask));
    }

    #[test]
    fn what_no_agent_could_tell_has_no_intent_and_no_stage() {
        let line = GOOD.replace(r#"["order.status"]"#, "[]").replace(r#""support""#, "null");
        let example = &read(&[&line]).unwrap()[0];
        assert_eq!(
            (example.row.target.intents.clone(), example.row.target.stage),
            (Some(vec![]), StageTarget::Nobody)
        );
    }

    #[test]
    fn a_post_knows_its_sentiment_alone() {
        let post = r#"{"text":"What a match","language":"en","sentiment":"positive"}"#;
        let example = &read(&[post]).unwrap()[0];
        assert_eq!(example.row.target, Target { sentiment: Some(2), ..Target::default() });
        let half = post.replace('}', r#","intents":[]}"#);
        assert!(read(&[&half]).unwrap_err().to_string().contains("stand together"));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let change = |from: &str, to: &str| GOOD.replace(from, to).replace("pacco", "piatto");
        for (line, said) in [
            ("{".to_owned(), "line 2: EOF"),
            (change("neutral", "fine"), "line 2: no sentiment is called `fine`"),
            (change("order.status", "order.stat"), "order.stat"),
            (change("normal", "later"), "no urgency is called `later`"),
            (change(r#""it""#, r#""fr""#), "`fr`, not en or it"),
            (change(r#""text""#, r#""words":1,"text""#), "unknown field `words`"),
            (change("normal", "low").replace("false", "true"), "low urgency does not escalate"),
            (GOOD.replace("Dov", "DOV"), "line 2: the text stands already at it.jsonl:1"),
        ] {
            let error = read(&[GOOD, &line]).unwrap_err().to_string();
            assert!(error.contains(said), "{said}: {error}");
        }
        assert!(read(&[]).unwrap_err().to_string().contains("no examples"));
    }

    #[test]
    fn a_translation_stays_on_its_originals_side() {
        let original = GOOD.replace(r#""goal""#, r#""development":true,"goal""#);
        let translation = GOOD
            .replace("Dov'è il pacco?", "Il pacco dov'è?")
            .replace(r#""goal""#, r#""english":"DOV'È il pacco?","goal""#);
        let error = read(&[&original, &translation]).unwrap_err().to_string();
        assert!(error.contains("translates a development example"), "{error}");
        assert!(read(&[GOOD, &translation]).is_ok());
    }

    #[test]
    fn the_shipped_examples_are_enough_of_every_intent_and_kept_apart() {
        let examples = read_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models/data")).unwrap();
        for language in ["en", "it"] {
            let own: Vec<&Example> = examples.iter().filter(|example| example.language == language).collect();
            for (intent, name) in crate::nlp::labels::INTENTS.iter().enumerate() {
                let labelled = |example: &&&Example| {
                    example.row.target.intents.as_ref().is_some_and(|intents| intents.contains(&intent))
                };
                let count = own.iter().filter(labelled).count();
                assert!(count >= 40, "{language}: {count} of {name}");
            }
            let kept = own.iter().filter(|example| example.development).count() as f64 / own.len() as f64;
            assert!((0.15..0.25).contains(&kept), "{language}: {kept} kept for development");
        }
    }
}
