//! Third stage: brings Italian back to where the tuned encoder has English. The tuned encoder is its own teacher: its
//! English vectors stay as they are, in both layers that are used, and each Italian sentence learns to lie where its
//! translation does. The heads, trained on those vectors, stay.

use std::path::Path;

use tch::Tensor;

use super::align::{self, Course, Pair, first_window, read_tokens, train_pairs};
use super::examples::Example;
use super::recipe::Recipe;
use super::student::{Student, kinds};
use super::tune::Tuned;
use super::{Progress, TrainError, file};
use crate::nlp::torch::bert::normalise;

/// Settles the encoder in the folder `tuned` on the recipe's pairs under `data` and on the examples that have a translation,
/// and writes `output`: the same files. An interrupted run goes on from its last checkpoint in `output`.
pub fn run(
    recipe: &Recipe,
    data: &Path,
    examples: &[Example],
    tuned: &Path,
    output: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Tuned, TrainError> {
    let Some(settings) = &recipe.settle else {
        return Err(TrainError::content(tuned, "the recipe has no stage `settle`"));
    };
    let tokenizer = tuned.join("tokenizer.json");
    let tokens = read_tokens(&tokenizer, recipe.max_tokens)?;
    let mut pairs = align::pairs(recipe, data, &tokens)?;
    for example in examples.iter().filter(|example| !example.development) {
        if let Some(english) = &example.english {
            let (english, italian) =
                (first_window(&tokens, english)?, first_window(&tokens, &example.row.text)?);
            pairs.push(Pair { english, italian, target: 0 });
        }
    }
    pairs.iter_mut().zip(0..).for_each(|(pair, row)| pair.target = row);

    tch::manual_seed(recipe.seed as i64);
    let student = Student::load(tuned, kinds(recipe))?;
    let english: Vec<&[u32]> = pairs.iter().map(|pair| pair.english.as_slice()).collect();
    let [last, inner] = student.embed_twice(&english, 64)?;
    let targets = [normalise(&last)?, normalise(&inner)?];
    let course = Course {
        steps: settings.steps,
        batch: settings.batch,
        learning_rate: settings.learning_rate,
        warm_up: settings.warm_up,
        english_every: settings.english_every,
        weights: [1.0, settings.inner_weight],
        seed: recipe.seed ^ 0x5E7,
    };
    file(output, std::fs::create_dir_all(output))?;
    train_pairs(&course, &student, &pairs, &targets, output, progress)?;

    // Part of the way keeps what tuning taught and most of what was brought back (Wortsman et al., 2022).
    let before = Student::load(tuned, kinds(recipe))?;
    student.approach(&before, 1.0 - settings.share)?;
    student.save(output)?;
    let weights = output.join("model.safetensors");
    let heads = Tensor::read_safetensors(tuned.join("model.safetensors"))?;
    let heads = heads.into_iter().filter(|(name, _)| name.starts_with("heads."));
    let whole: Vec<(String, Tensor)> = Tensor::read_safetensors(&weights)?.into_iter().chain(heads).collect();
    Tensor::write_safetensors(&whole, &weights)?;
    let copy = output.join("tokenizer.json");
    file(&copy, std::fs::copy(&tokenizer, &copy))?;
    let path = tuned.join("tuned.json");
    let text = file(&path, std::fs::read_to_string(&path))?;
    let mut result: Tuned = serde_json::from_str(&text).map_err(|error| TrainError::content(&path, error))?;
    result.settled = Some(align::retrieval_within(recipe, data, &student, &tokens, None)?);
    let path = output.join("tuned.json");
    let json = serde_json::to_string_pretty(&result).map_err(|error| TrainError::content(&path, error))?;
    file(&path, std::fs::write(&path, json))?;
    Ok(result)
}
