//! Whether a candidate pack may take the place of the current one: both are judged on the fixed development examples
//! and on corrections that were held back, and a worse candidate is refused.

use std::path::Path;

use serde::Serialize;

use super::examples::Example;
use super::measure::{Results, answer, as_they_are};
use super::target::Row;
use super::{TrainError, file};
use crate::nlp::pack::Pack;

/// A figure may sink by this much: about what chance alone moves it on the development examples.
const ALLOWED: f64 = 0.01;
/// The mean may not sink but by rounding.
const ROUNDING: f64 = 0.0005;

/// One figure of both packs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// Task and set, such as `intent.dev-it`.
    pub name: String,
    /// Accuracy of the current pack, 0…1.
    pub current: f64,
    /// Accuracy of the candidate.
    pub candidate: f64,
}

/// The comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// Accuracies, by task and set.
    pub compared: Vec<Compared>,
    /// Why the candidate is refused; empty when it may be promoted.
    pub refused: Vec<String>,
}

/// Judges both packs on the development examples and on held-back corrections.
pub fn compare(
    examples: &[Example],
    held_back: &[Row],
    current: &Path,
    candidate: &Path,
) -> Result<Verdict, TrainError> {
    let development = examples.iter().filter(|example| example.development);
    let rows: Vec<(&Row, &str)> = development
        .map(|example| (&example.row, example.language.as_str()))
        .chain(held_back.iter().map(|row| (row, "corrections")))
        .collect();
    let judged = |pack: &Path| {
        let heads = Pack::open(pack)?.manifest.heads;
        Ok::<_, TrainError>(as_they_are(&heads, &answer(pack, rows.iter().copied())?))
    };
    Ok(verdict(&judged(current)?, &judged(candidate)?))
}

fn verdict(current: &Results, candidate: &Results) -> Verdict {
    let accuracy =
        |results: &Results, name: &str| results.get(name).and_then(|row| row.get("accuracy")).copied();
    let compared: Vec<Compared> = current
        .keys()
        .filter_map(|name| {
            let (current, candidate) = (accuracy(current, name)?, accuracy(candidate, name)?);
            Some(Compared { name: name.clone(), current, candidate })
        })
        .collect();
    let mut refused: Vec<String> = Vec::new();
    for one in &compared {
        // Corrections are what people found wrong: none of them may be lost again.
        let allowed = if one.name.ends_with("corrections") { 0.0 } else { ALLOWED };
        if one.current - one.candidate > allowed + 1e-9 {
            refused.push(format!("{} sinks from {:.3} to {:.3}", one.name, one.current, one.candidate));
        }
    }
    let mean = |of: fn(&Compared) -> f64| compared.iter().map(of).sum::<f64>() / compared.len().max(1) as f64;
    let (before, after) = (mean(|one| one.current), mean(|one| one.candidate));
    if before - after > ROUNDING {
        refused.push(format!("the mean sinks from {before:.3} to {after:.3}"));
    }
    Verdict { compared, refused }
}

/// Puts the candidate in the current pack's place, which moves to `<name>.previous`; what stood there is removed.
pub fn promote(current: &Path, candidate: &Path) -> Result<(), TrainError> {
    let beside = |ending: &str| {
        let mut name = current.file_name().unwrap_or_default().to_os_string();
        name.push(ending);
        current.with_file_name(name)
    };
    let (new, previous) = (beside(".new"), beside(".previous"));
    for stale in [&new, &previous] {
        if stale.exists() {
            file(stale, std::fs::remove_dir_all(stale))?;
        }
    }
    file(&new, std::fs::create_dir_all(&new))?;
    // What the pack does not bring, such as the recipe, stays.
    for from in [current, candidate] {
        for entry in file(from, std::fs::read_dir(from))? {
            let entry = file(from, entry)?;
            if file(&entry.path(), entry.file_type())?.is_file() {
                file(&entry.path(), std::fs::copy(entry.path(), new.join(entry.file_name())))?;
            }
        }
    }
    Pack::open(&new)?;
    file(current, std::fs::rename(current, &previous))?;
    file(&new, std::fs::rename(&new, current))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn results(rows: &[(&str, f64)]) -> Results {
        rows.iter()
            .map(|(name, accuracy)| {
                ((*name).to_owned(), BTreeMap::from([("accuracy".to_owned(), *accuracy)]))
            })
            .collect()
    }

    #[test]
    fn only_a_candidate_that_is_no_worse_passes() {
        let current = [("intent.dev-en", 0.80), ("intent.dev-it", 0.78), ("intent.dev-corrections", 0.50)];
        for (candidate, said) in [
            ([0.81, 0.78, 0.60], ""),
            ([0.795, 0.79, 0.50], ""),
            ([0.90, 0.76, 0.60], "intent.dev-it sinks from 0.780 to 0.760"),
            ([0.80, 0.78, 0.49], "intent.dev-corrections sinks"),
            ([0.795, 0.775, 0.50], "the mean sinks from 0.693 to 0.690"),
        ] {
            let rows: Vec<_> =
                current.iter().zip(candidate).map(|((name, _), value)| (*name, value)).collect();
            let verdict = verdict(&results(&current), &results(&rows));
            assert_eq!(verdict.refused.is_empty(), said.is_empty(), "{candidate:?}: {:?}", verdict.refused);
            assert!(
                said.is_empty() || verdict.refused.iter().any(|reason| reason.contains(said)),
                "{verdict:?}"
            );
        }
    }
}
