//! Between settling and the pack: learns the map that spreads sentence vectors evenly, on both sides of the sentence pairs.
//! Weights and heads stay as they are.

use std::path::Path;

use tch::Tensor;

use super::align::{self, pairs, read_tokens};
use super::recipe::Recipe;
use super::student::{Student, kinds};
use super::tune::Tuned;
use super::{TrainError, file};
use crate::nlp::torch::bert::normalise;
use crate::nlp::torch::whitening::{MATRIX, MEAN, Whitening};

/// Learns the map for the encoder in `folder` on the recipe's pairs under `data` and puts it beside the weights there, in the
/// place of one that is there already.
pub fn run(recipe: &Recipe, data: &Path, folder: &Path) -> Result<Tuned, TrainError> {
    let Some(settings) = &recipe.whiten else {
        return Err(TrainError::content(folder, "the recipe has no stage `whiten`"));
    };
    let tokens = read_tokens(&folder.join("tokenizer.json"), recipe.max_tokens)?;
    let mut pairs = pairs(recipe, data, &tokens)?;
    // Repeats stand side by side.
    pairs.dedup_by(|one, other| one.target == other.target);
    let step = (pairs.len() / settings.pairs.max(1)).max(1);
    let chosen = || pairs.iter().step_by(step);
    let sentences: Vec<&[u32]> = chosen()
        .map(|pair| pair.english.as_slice())
        .chain(chosen().map(|pair| pair.italian.as_slice()))
        .collect();
    let student = Student::load(folder, kinds(recipe))?;
    let whitening = Whitening::learn(&normalise(&student.embed(&sentences, 64)?)?, settings.power)?;

    let weights = folder.join("model.safetensors");
    let mut whole: Vec<(String, Tensor)> = Tensor::read_safetensors(&weights)?
        .into_iter()
        .filter(|(name, _)| name != MEAN && name != MATRIX)
        .collect();
    whole.push((MEAN.to_owned(), whitening.mean.shallow_clone()));
    whole.push((MATRIX.to_owned(), whitening.matrix.shallow_clone()));
    let part = folder.join("model.safetensors.part");
    Tensor::write_safetensors(&whole, &part)?;
    file(&weights, std::fs::rename(&part, &weights))?;

    let path = folder.join("tuned.json");
    let text = file(&path, std::fs::read_to_string(&path))?;
    let mut result: Tuned = serde_json::from_str(&text).map_err(|error| TrainError::content(&path, error))?;
    result.whitened = Some(align::retrieval_within(recipe, data, &student, &tokens, Some(&whitening))?);
    let json = serde_json::to_string_pretty(&result).map_err(|error| TrainError::content(&path, error))?;
    file(&path, std::fs::write(&path, json))?;
    Ok(result)
}
