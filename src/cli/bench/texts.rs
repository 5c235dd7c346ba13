//! The texts of a measurement: a file's, else those of the sample conversations.

use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;

use crate::cli::{Hinted, WrongUse, samples};

#[derive(Deserialize)]
struct Line {
    text: String,
}

/// The `text` of every line of a JSONL file; without one, those of the conversations that come with the program.
/// None is blank, and there is at least one.
pub fn load(input: Option<&Path>) -> anyhow::Result<Vec<String>> {
    let texts = match input {
        None => own()?,
        Some(path) => {
            let hint = "every line is a JSON object with `text`";
            let what = format!("{} cannot be used", path.display());
            let lines = std::fs::read_to_string(path)
                .map_err(|error| WrongUse(error.to_string()))
                .context(Hinted::new(what.clone(), hint))?;
            let lines = lines.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
            let read = |(number, line)| match serde_json::from_str::<Line>(line) {
                Ok(line) => Ok(line.text),
                Err(error) => Err(anyhow::Error::new(WrongUse(format!("line {}: {error}", number + 1)))),
            };
            let texts: Result<Vec<_>, _> = lines.map(read).collect();
            texts.context(Hinted::new(what, hint))?
        }
    };
    let texts: Vec<String> = texts.into_iter().filter(|text| !text.trim().is_empty()).collect();
    if texts.is_empty() {
        let what = input.map_or_else(|| "the samples".to_owned(), |path| path.display().to_string());
        return Err(WrongUse(format!("{what}: no texts")).into());
    }
    Ok(texts)
}

fn own() -> anyhow::Result<Vec<String>> {
    let mut texts = Vec::new();
    for sample in samples::load()? {
        let value: serde_json::Value = serde_json::from_str(&sample.body)?;
        let turns = value.get("turns").and_then(serde_json::Value::as_array).into_iter().flatten();
        let found = turns.chain(std::iter::once(&value)).filter_map(|part| part.get("text")?.as_str());
        texts.extend(found.map(str::to_owned));
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_samples_have_texts_and_a_bad_line_is_named() {
        assert!(load(None).unwrap().len() > 30);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "{\"text\":\"Hello\"}\n\n{\"text\":\" \"}\n").unwrap();
        assert_eq!(load(Some(file.path())).unwrap(), ["Hello"]);
        std::fs::write(file.path(), "{\"text\":\"Hello\"}\n{\"txt\":1}\n").unwrap();
        let error = format!("{:#}", load(Some(file.path())).unwrap_err());
        assert!(error.contains("line 2") && error.contains("`text`"), "{error}");
        std::fs::write(file.path(), "\n").unwrap();
        assert!(load(Some(file.path())).unwrap_err().to_string().contains("no texts"));
    }
}
