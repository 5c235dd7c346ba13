//! Texts become sentence vectors, through any engine: cleaned as messages are, cut into windows, put together again.

use std::path::Path;

use super::TrainError;
use super::fit::linear::Matrix;
use crate::interaction::{Channel, sample};
use crate::nlp::engine::{Engine, Window, WindowOutput, features};
use crate::nlp::merge::mean_vector;
use crate::nlp::windows::WindowMaker;

/// Windows the engine is asked about at once; progress is told after each.
const CHUNK: usize = 256;

/// What custom intents are fitted on ([`features`]) of the texts of the file at `path`, in order: one row each, length 1. Each text comes with its line, for errors.
/// `progress` gets the texts done and those there are.
pub fn encode(
    path: &Path,
    texts: &[(&str, usize)],
    maker: &dyn WindowMaker,
    engine: &mut dyn Engine,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Matrix, TrainError> {
    let at = |line: usize, reason: String| TrainError::Line { path: path.to_owned(), line, reason };
    let mut windows: Vec<Vec<Window>> = Vec::with_capacity(texts.len());
    for (text, line) in texts {
        let message = sample(Channel::Chat, text).map_err(|error| at(*line, error.to_string()))?;
        let own = maker.windows(&message.document()).map_err(|error| at(*line, error.to_string()))?;
        if own.is_empty() {
            return Err(at(*line, "the text holds nothing to read".to_owned()));
        }
        windows.push(own);
    }
    // Near lengths together: padding costs as much as words.
    let mut order: Vec<usize> = (0..texts.len()).collect();
    order.sort_by_key(|text| windows[*text].iter().map(|window| window.ids.len()).max());
    let mut vectors: Vec<Vec<f32>> = vec![Vec::new(); texts.len()];
    let mut done = 0;
    for chunk in order.chunks(CHUNK) {
        let asked: Vec<Window> = chunk.iter().flat_map(|text| windows[*text].iter().cloned()).collect();
        let mut answers = engine.infer(&asked).into_iter();
        for text in chunk {
            let mut parts = Vec::new();
            for window in &windows[*text] {
                let Some(answer) = answers.next() else {
                    return Err(at(texts[*text].1, "the engine gave no answer".to_owned()));
                };
                let output = answer.map_err(|error| at(texts[*text].1, error.to_string()))?;
                parts.push((output, window.weight()));
            }
            let mean = |of: fn(&WindowOutput) -> &Vec<f32>| {
                let views: Vec<(&[f32], f32)> =
                    parts.iter().map(|(output, weight)| (of(output).as_slice(), *weight)).collect();
                mean_vector(&views)
            };
            vectors[*text] = features(&mean(WindowOutput::outer), &mean(|output| &output.inner));
        }
        done += chunk.len();
        progress(done, texts.len());
    }
    let columns = vectors.iter().map(Vec::len).max().unwrap_or_default();
    Ok(Matrix::from_rows(columns, vectors.iter().map(Vec::as_slice)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nlp::scripted::ScriptedEngine;
    use crate::nlp::windows::WordWindows;

    fn rows(texts: &[(&str, usize)], words: usize) -> Result<Matrix, TrainError> {
        encode(Path::new("f.csv"), texts, &WordWindows { words }, &mut ScriptedEngine, &mut |_, _| {})
    }

    #[test]
    fn rows_keep_their_order_whatever_their_length() {
        let texts = [("where is my parcel, it should have come on Monday", 2), ("invoice", 3)];
        let both = rows(&texts, 50).unwrap();
        for (at, text) in texts.iter().enumerate() {
            assert_eq!(both.row(at), rows(&[*text], 50).unwrap().row(0));
        }
        let cut = rows(&texts, 3).unwrap();
        let length: f32 = cut.row(0).iter().map(|value| value * value).sum();
        assert!((length - 1.0).abs() < 1e-4, "several windows make one vector of length 1: {length}");
    }

    #[test]
    fn a_text_that_cannot_be_read_is_named() {
        let error = rows(&[("fine", 2), (" ", 7)], 50).unwrap_err().to_string();
        assert!(error.starts_with("f.csv, line 7: "), "{error}");
    }
}
