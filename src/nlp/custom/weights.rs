//! The numbers of custom intents: their file, their shapes, and how like a vector is to the intents.

use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorView, serialize};

use super::CustomError;
use super::words::Words;

/// The numbers of `intents.safetensors`; shapes by number of intents and length of the sentence vector.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Weights {
    /// `intents × length`, or a row more: what is outside all of them.
    pub weights: Vec<f32>,
    /// One per row of the weights.
    pub bias: Vec<f32>,
    /// `length × length`: whitens a vector.
    pub whiten: Vec<f32>,
    /// `length`: taken off the whitened vector.
    pub centre: Vec<f32>,
    /// `intents × length`: directions of the intents from the centre, length 1.
    pub directions: Vec<f32>,
    /// `intents × length`: directions of the intents from zero in whitened space, length 1.
    pub homes: Vec<f32>,
    /// What the words add to the logits; none where only vectors were fitted.
    pub words: Option<Words>,
}

/// Likeness of a whitened vector to the intent it is nearest to, −1…1: the cosine with an intent's direction from the
/// centre of all, which tells the intents' neighbours from them, and for a third the cosine with its direction from
/// zero, which tells what is far from all of them. `directions` and `homes` are rows of length 1.
pub fn likeness(point: &[f32], centre: &[f32], directions: &[f32], homes: &[f32]) -> f32 {
    const FROM_CENTRE: f32 = 2.0 / 3.0;
    let best = |point: &[f32], rows: &[f32]| {
        let length = dot(point, point).sqrt();
        let top =
            rows.chunks(point.len().max(1)).map(|row| dot(row, point)).fold(f32::NEG_INFINITY, f32::max);
        if length > 0.0 { top / length } else { -1.0 }
    };
    let moved: Vec<f32> = point.iter().zip(centre).map(|(value, centre)| value - centre).collect();
    FROM_CENTRE * best(&moved, directions) + (1.0 - FROM_CENTRE) * best(point, homes)
}

pub(super) fn check_shapes(path: &Path, intents: usize, weights: &Weights) -> Result<(), CustomError> {
    let (size, rows) = (weights.centre.len(), weights.bias.len());
    let all = [
        &weights.weights,
        &weights.bias,
        &weights.whiten,
        &weights.centre,
        &weights.directions,
        &weights.homes,
    ];
    let sizes = all.map(Vec::len) == [rows * size, rows, size * size, size, intents * size, intents * size];
    let outcomes = [intents, intents + 1].contains(&rows);
    let words = weights.words.as_ref().is_none_or(|words| words.fits(rows));
    if sizes && outcomes && words && size > 0 && all.into_iter().flatten().all(|value| value.is_finite()) {
        return Ok(());
    }
    let reason = format!("the weights are not finite numbers for {intents} intents");
    Err(CustomError::Content { path: path.to_owned(), reason })
}

fn invalid(path: &Path, error: &SafeTensorError) -> CustomError {
    CustomError::Content { path: path.to_owned(), reason: format!("{error:?}") }
}

pub(super) fn encode(path: &Path, intents: usize, weights: &Weights) -> Result<Vec<u8>, CustomError> {
    let size = weights.centre.len();
    let tables: [(&str, &[f32], Vec<usize>); 6] = [
        ("weights", &weights.weights, vec![weights.bias.len(), size]),
        ("bias", &weights.bias, vec![weights.bias.len()]),
        ("whiten", &weights.whiten, vec![size, size]),
        ("centre", &weights.centre, vec![size]),
        ("directions", &weights.directions, vec![intents, size]),
        ("homes", &weights.homes, vec![intents, size]),
    ];
    let mut tables = tables.to_vec();
    let unknown;
    let mut hashes = Vec::new();
    if let Some(words) = &weights.words {
        unknown = [words.unknown];
        tables.push(("words.rarity", &words.rarity, vec![words.rarity.len()]));
        tables.push(("words.unknown", &unknown, vec![1]));
        tables.push(("words.weights", &words.weights, vec![words.hashes.len() + 1, weights.bias.len()]));
        hashes = words.hashes.iter().flat_map(|hash| hash.to_le_bytes()).collect();
    }
    let mut bytes: Vec<(&str, Dtype, Vec<u8>, Vec<usize>)> = tables
        .into_iter()
        .map(|(name, values, shape)| {
            (name, Dtype::F32, values.iter().flat_map(|value| value.to_le_bytes()).collect(), shape)
        })
        .collect();
    if let Some(words) = &weights.words {
        bytes.push(("words.hashes", Dtype::U32, hashes, vec![words.hashes.len()]));
    }
    let views: Vec<(&str, TensorView<'_>)> = bytes
        .iter()
        .map(|(name, kind, bytes, shape)| Ok((*name, TensorView::new(*kind, shape.clone(), bytes)?)))
        .collect::<Result<_, SafeTensorError>>()
        .map_err(|error| invalid(path, &error))?;
    serialize(views, &None).map_err(|error| invalid(path, &error))
}

pub(super) fn decode(path: &Path, bytes: &[u8]) -> Result<Weights, CustomError> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| invalid(path, &error))?;
    let table = |name: &str| -> Result<Vec<f32>, CustomError> {
        let view = file.tensor(name).map_err(|error| invalid(path, &error))?;
        if view.dtype() != Dtype::F32 {
            return Err(CustomError::Content {
                path: path.to_owned(),
                reason: format!("`{name}` is not in single precision"),
            });
        }
        let (numbers, _) = view.data().as_chunks::<4>();
        Ok(numbers.iter().map(|number| f32::from_le_bytes(*number)).collect())
    };
    let words = if file.names().iter().any(|name| *name == "words.weights") {
        let hashes = file.tensor("words.hashes").map_err(|error| invalid(path, &error))?;
        let (numbers, rest) = hashes.data().as_chunks::<4>();
        if hashes.dtype() != Dtype::U32 || !rest.is_empty() {
            let reason = "`words.hashes` are not whole numbers of 32 bits".to_owned();
            return Err(CustomError::Content { path: path.to_owned(), reason });
        }
        Some(Words {
            hashes: numbers.iter().map(|number| u32::from_le_bytes(*number)).collect(),
            rarity: table("words.rarity")?,
            unknown: table("words.unknown")?.first().copied().unwrap_or_default(),
            weights: table("words.weights")?,
        })
    } else {
        None
    };
    Ok(Weights {
        words,
        weights: table("weights")?,
        bias: table("bias")?,
        whiten: table("whiten")?,
        centre: table("centre")?,
        directions: table("directions")?,
        homes: table("homes")?,
    })
}

pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
