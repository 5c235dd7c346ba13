//! First stage: brings Italian to where English already is. The vocabulary gains Italian pieces, and the encoder learns
//! to give an Italian sentence the vector that the frozen base encoder gives its English translation
//! (Reimers and Gurevych, 2020).

use std::path::Path;

use tch::{Kind, Tensor};

use super::checkpoint::Checkpoint;
use super::optimizer::{Optimizer, Rates, rate};
use super::recipe::Recipe;
use super::student::{Student, kinds};
use super::{Progress, Shuffle, TrainError, file, sources, vocabulary};
use crate::nlp::tokens::Tokens;
use crate::nlp::torch::bert::normalise;
use crate::nlp::torch::whitening::Whitening;

/// A pair of sentences as token ids.
pub(super) struct Pair {
    pub english: Vec<u32>,
    pub italian: Vec<u32>,
    /// Row of the English vector; only for this stage.
    pub target: i64,
}

/// What the stage reached.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Aligned {
    /// Pieces added to the vocabulary.
    pub pieces: usize,
    /// Pairs trained on by source, repeats not counted.
    pub pairs: Vec<(String, usize)>,
    /// Share of held-out Italian sentences whose English one is the nearest of all held out.
    pub retrieval: f64,
    /// The same before training.
    pub retrieval_before: f64,
}

/// The sentence pairs of the recipe, some of them kept aside.
struct Corpus {
    texts: Vec<(String, String)>,
    repeats: Vec<usize>,
    counts: Vec<(String, usize)>,
    held_out: Vec<usize>,
    train: Vec<usize>,
}

fn corpus(recipe: &Recipe, data: &Path) -> Result<Corpus, TrainError> {
    let settings = &recipe.align;
    let (mut texts, mut repeats, mut counts) = (Vec::new(), Vec::new(), Vec::new());
    for source in &settings.source {
        let pairs = sources::read_pairs(data, source, settings.max_words, recipe.seed)?;
        counts.push((source.name.clone(), pairs.len()));
        repeats.extend(std::iter::repeat_n(source.repeat, pairs.len()));
        texts.extend(pairs);
    }
    let mut order: Vec<usize> = (0..texts.len()).collect();
    Shuffle::new(recipe.seed).shuffle(&mut order);
    let train = order.split_off(settings.held_out.min(order.len() / 2));
    Ok(Corpus { texts, repeats, counts, held_out: order, train })
}

fn pairs_of(
    texts: &[(String, String)],
    repeats: &[usize],
    train: &[usize],
    tokens: &Tokens,
) -> Result<Vec<Pair>, TrainError> {
    let mut pairs = Vec::new();
    for index in train {
        let (english, italian) = &texts[*index];
        for _ in 0..repeats[*index] {
            pairs.push(Pair {
                english: first_window(tokens, english)?,
                italian: first_window(tokens, italian)?,
                target: *index as i64,
            });
        }
    }
    Ok(pairs)
}

/// The pairs to train on, each as often as the recipe says; those kept aside are not among them.
pub(super) fn pairs(recipe: &Recipe, data: &Path, tokens: &Tokens) -> Result<Vec<Pair>, TrainError> {
    let corpus = corpus(recipe, data)?;
    pairs_of(&corpus.texts, &corpus.repeats, &corpus.train, tokens)
}

/// Aligns the encoder in `base` on the recipe's pairs under `data` and writes `output` (weights, configuration,
/// tokenizer, `aligned.json`). `words` are further Italian texts from which the vocabulary learns.
pub fn run(
    recipe: &Recipe,
    data: &Path,
    base: &Path,
    words: &[String],
    output: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Aligned, TrainError> {
    let Corpus { texts, repeats, counts, held_out, train } = corpus(recipe, data)?;

    let base_tokenizer = base.join("tokenizer.json");
    let learned: Vec<String> =
        train.iter().map(|pair| texts[*pair].1.clone()).chain(words.iter().cloned()).collect();
    let extended = vocabulary::extend(&base_tokenizer, &learned, &recipe.vocabulary)?;
    file(output, std::fs::create_dir_all(output))?;
    let tokenizer = output.join("tokenizer.json");
    file(&tokenizer, std::fs::write(&tokenizer, extended.tokenizer.to_string()))?;
    let old_tokens = read_tokens(&base_tokenizer, recipe.max_tokens)?;
    let tokens = read_tokens(&tokenizer, recipe.max_tokens)?;

    tch::manual_seed(recipe.seed as i64);
    let frozen = Student::load(base, kinds(recipe))?;
    let english: Vec<Vec<u32>> =
        texts.iter().map(|(english, _)| first_window(&old_tokens, english)).collect::<Result<_, _>>()?;
    let english: Vec<&[u32]> = english.iter().map(Vec::as_slice).collect();
    let targets = normalise(&frozen.embed(&english, 64)?)?;
    drop(frozen);

    let student = Student::grow(base, kinds(recipe), &extended.made_of)?;
    let pairs = pairs_of(&texts, &repeats, &train, &tokens)?;
    let kept: Vec<Vec<u32>> =
        held_out.iter().map(|index| first_window(&tokens, &texts[*index].1)).collect::<Result<_, _>>()?;
    let kept_ids: Vec<i64> = held_out.iter().map(|index| *index as i64).collect();
    let kept_targets = targets.f_index_select(0, &Tensor::from_slice(&kept_ids))?;
    let retrieval_before = retrieval(&student, &kept, &kept_targets)?;

    let settings = &recipe.align;
    let course = Course {
        steps: settings.steps,
        batch: settings.batch,
        learning_rate: settings.learning_rate,
        warm_up: settings.warm_up,
        english_every: settings.english_every,
        weights: [1.0, 0.0],
        seed: recipe.seed,
    };
    // The inner layer of this encoder is free to go where it likes.
    train_pairs(&course, &student, &pairs, std::slice::from_ref(&targets), output, progress)?;

    let retrieval = retrieval(&student, &kept, &kept_targets)?;
    student.save(output)?;
    let aligned = Aligned { pieces: extended.made_of.len(), pairs: counts, retrieval, retrieval_before };
    let path = output.join("aligned.json");
    let json = serde_json::to_string_pretty(&aligned).map_err(|error| TrainError::content(&path, error))?;
    file(&path, std::fs::write(&path, json))?;
    Ok(aligned)
}

/// How [`train_pairs`] goes.
#[derive(Debug)]
pub(super) struct Course {
    pub steps: usize,
    pub batch: usize,
    pub learning_rate: f64,
    pub warm_up: f64,
    pub english_every: usize,
    /// What the last and the inner layer count.
    pub weights: [f64; 2],
    pub seed: u64,
}

/// Trains until the vectors of both sides are the rows of `targets` that the pairs name: of the last layer and, where it
/// counts, of the inner one.
pub(super) fn train_pairs(
    course: &Course,
    student: &Student,
    pairs: &[Pair],
    targets: &[Tensor],
    output: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), TrainError> {
    let lengths: Vec<usize> = pairs.iter().map(|pair| pair.italian.len()).collect();
    let mut shuffle = Shuffle::new(course.seed ^ 0xA11);
    let mut optimizer = Optimizer::new(student, 0.0)?;
    let mut checkpoint = Checkpoint::new(output, format!("{course:?} {}", pairs.len()))?;
    let (begin, mut average) = checkpoint.resume(&mut optimizer)?.unwrap_or((0, 0.0));
    let mut batches = Vec::new();
    for step in 0..course.steps {
        if batches.is_empty() {
            batches = shuffle.batches(&lengths, course.batch);
        }
        let batch = batches.pop().unwrap_or_default();
        if step < begin {
            continue;
        }
        let wanted: Vec<i64> = batch.iter().map(|pair| pairs[*pair].target).collect();
        let rows = Tensor::from_slice(&wanted);
        let side = |italian: bool| {
            let ids = |pair: &usize| {
                let pair = &pairs[*pair];
                if italian { pair.italian.as_slice() } else { pair.english.as_slice() }
            };
            let (pooled, touched) = student.pooled_twice(&batch.iter().map(ids).collect::<Vec<_>>())?;
            let mut sum = Tensor::from(0.0_f32);
            for ((pooled, targets), weight) in pooled.iter().zip(targets).zip(course.weights) {
                let wanted = targets.f_index_select(0, &rows)?;
                sum = sum.f_add(&distance(pooled, &wanted)?.f_mul_scalar(weight)?)?;
            }
            Ok::<_, TrainError>((sum, touched))
        };
        let (mut loss, touched) = side(true)?;
        let mut touched = vec![touched];
        if step % course.english_every == 0 {
            let (english, more) = side(false)?;
            loss = loss.f_add(&english)?;
            // Each side's rows are updated by themselves, so a token of both moves twice; both moves are small.
            touched.push(more);
        }
        let rate = rate(course.learning_rate, step, course.steps, course.warm_up);
        let loss = optimizer.step(&loss, &touched, Rates { encoder: rate, heads: rate })?;
        average = if step == 0 { loss } else { 0.98 * average + 0.02 * loss };
        progress(Progress { step: step + 1, steps: course.steps, loss: average });
        checkpoint.after(&optimizer, step + 1, average)?;
    }
    checkpoint.finish()
}

/// Mean cosine distance of the rows.
pub(super) fn distance(pooled: &Tensor, wanted: &Tensor) -> Result<Tensor, TrainError> {
    let cosine =
        normalise(pooled)?.f_mul(wanted)?.f_sum_dim_intlist([-1i64].as_slice(), false, Kind::Float)?;
    Ok(cosine.f_mean(Kind::Float)?.f_neg()?.f_add_scalar(1.0)?)
}

/// Share of the recipe's held-out Italian sentences whose English one is the nearest of all held out, both by `student`.
pub(super) fn retrieval_within(
    recipe: &Recipe,
    data: &Path,
    student: &Student,
    tokens: &Tokens,
    whitening: Option<&Whitening>,
) -> Result<f64, TrainError> {
    let corpus = corpus(recipe, data)?;
    let kept = corpus.held_out.iter().map(|index| &corpus.texts[*index]);
    let (english, italian): (Vec<_>, Vec<_>) =
        kept.map(|(english, italian)| (first_window(tokens, english), first_window(tokens, italian))).unzip();
    let english = english.into_iter().collect::<Result<Vec<_>, _>>()?;
    let italian = italian.into_iter().collect::<Result<Vec<_>, _>>()?;
    let english: Vec<&[u32]> = english.iter().map(Vec::as_slice).collect();
    let italian: Vec<&[u32]> = italian.iter().map(Vec::as_slice).collect();
    let [english, italian] = [english, italian].map(|side| {
        let vectors = normalise(&student.embed(&side, 64)?)?;
        whitening.map_or(Ok(vectors.shallow_clone()), |whitening| whitening.apply(&vectors))
    });
    found(&italian?, &english?)
}

fn retrieval(student: &Student, italian: &[Vec<u32>], targets: &Tensor) -> Result<f64, TrainError> {
    if italian.is_empty() {
        return Ok(0.0);
    }
    let sequences: Vec<&[u32]> = italian.iter().map(Vec::as_slice).collect();
    found(&normalise(&student.embed(&sequences, 64)?)?, targets)
}

/// Share of the rows of `italian` to which the same row of `english` is the nearest.
fn found(italian: &Tensor, english: &Tensor) -> Result<f64, TrainError> {
    let nearest = Vec::<i64>::try_from(italian.f_matmul(&english.f_tr()?)?.f_argmax(1, false)?)?;
    let right = nearest.iter().enumerate().filter(|(row, found)| *row as i64 == **found).count();
    Ok(right as f64 / nearest.len().max(1) as f64)
}

pub(super) fn read_tokens(path: &Path, max_tokens: usize) -> Result<Tokens, TrainError> {
    let tokenizer =
        tokenizers::Tokenizer::from_file(path).map_err(|error| TrainError::content(path, error))?;
    Tokens::new(tokenizer, max_tokens).map_err(|reason| TrainError::content(path, reason))
}

/// Ids of a text's first window; longer texts are cut for training.
pub(super) fn first_window(tokens: &Tokens, text: &str) -> Result<Vec<u32>, TrainError> {
    let windows = tokens.windows(text).map_err(|error| TrainError::Tokenizer(error.to_string()))?;
    let first = windows.into_iter().next();
    first.map(|window| window.ids).ok_or_else(|| TrainError::Tokenizer(format!("`{text}` has no tokens")))
}
