//! Second stage: fine-tunes the encoder and the five heads together on the project's examples and on public data, each
//! row counting for the heads it knows.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tch::nn::OptimizerConfig as _;
use tch::{Tensor, nn};

use super::align::{Pair, distance, first_window, read_tokens};
use super::checkpoint::Checkpoint;
use super::examples::{self, Example};
use super::loss::{self, Sample};
use super::optimizer::{Optimizer, Rates, rate};
use super::recipe::Recipe;
use super::student::{Student, kinds};
use super::target::{Row, Target};
use super::{Progress, Shuffle, TrainError, align, file, sources};
use crate::nlp::labels::{Emotion, INTENTS, NONE, SentimentLabel, SignalKind, Stage};
use crate::nlp::pack::{Heads, SigmoidHead, SoftmaxHead, TrainingData};
use crate::nlp::tokens::Tokens;
use crate::nlp::torch::bert::{TaskHeads, normalise};

/// What the stage was trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tuned {
    /// Rows by data set, the own examples among them.
    pub data: Vec<TrainingData>,
    /// Steps taken.
    pub steps: usize,
    /// As [`align::Aligned::retrieval`], both sides by this encoder.
    pub retrieval: f64,
    /// The same after the stage `settle`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<f64>,
    /// The same after the stage `whiten`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whitened: Option<f64>,
}

/// The heads of a core pack, not calibrated.
pub fn core_heads() -> Heads {
    let names = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect::<Vec<_>>();
    let softmax = |labels: Vec<String>| SoftmaxHead {
        labels,
        temperature: 1.0,
        threshold: 0.0,
        secondary_threshold: 0.5,
        abstention_confidence: 0.5,
    };
    let sigmoid = |labels: Vec<String>| {
        let thresholds = vec![0.5; labels.len()];
        SigmoidHead { labels, temperature: 1.0, thresholds, with_cue: Vec::new() }
    };
    let of = |all: Vec<&str>| names(&all);
    Heads {
        sentiment: softmax(of(SentimentLabel::ALL.iter().map(|label| label.as_str()).collect())),
        intents: softmax(names(&INTENTS).into_iter().chain([NONE.to_owned()]).collect()),
        stage: softmax(of(Stage::ALL.iter().map(|label| label.as_str()).chain([NONE]).collect())),
        emotions: sigmoid(of(Emotion::ALL.iter().map(|label| label.as_str()).collect())),
        signals: sigmoid(of(SignalKind::ALL.iter().map(|label| label.as_str()).collect())),
    }
}

/// What is ours: it counts several times in each pass.
#[derive(Debug, Clone, Copy)]
pub struct Own<'a> {
    /// The project's examples.
    pub examples: &'a [Example],
    /// Supervisors' corrections.
    pub corrections: &'a [Row],
}

/// What the encoder is trained on.
struct Mix {
    /// The own examples first.
    samples: Vec<Sample>,
    /// Indices of samples, as often as they count in one pass.
    draws: Vec<usize>,
    /// Sizes of the auxiliary heads.
    auxiliary: Vec<usize>,
    pairs: Vec<Pair>,
    used: Vec<TrainingData>,
}

/// The five heads and those that the pack leaves out.
struct AllHeads {
    tasks: TaskHeads,
    auxiliary: Vec<nn::Linear>,
}

impl AllHeads {
    fn new(student: &Student, auxiliary: &[usize]) -> Self {
        let (root, hidden) = (student.store.root(), student.config.hidden_size);
        let head = |(number, size): (usize, &usize)| {
            nn::linear(&root / "auxiliary" / number, hidden, *size as i64, nn::LinearConfig::default())
        };
        Self {
            tasks: TaskHeads::new(&root, hidden, &core_heads()),
            auxiliary: auxiliary.iter().enumerate().map(head).collect(),
        }
    }

    fn loss(&self, pooled: &Tensor, rows: &[&Sample], recipe: &Recipe) -> Result<Tensor, TrainError> {
        let settings = &recipe.tune;
        let mut sum = loss::tasks(&self.tasks.forward(pooled)?, rows, &settings.head_weights)?;
        for (number, head) in self.auxiliary.iter().enumerate() {
            if rows.iter().any(|row| row.auxiliary.is_some_and(|(of, _)| of == number)) {
                let logits = pooled.f_linear(&head.ws, head.bs.as_ref())?;
                let part = loss::auxiliary(&logits, rows, number)?;
                sum = sum.f_add(&part.f_mul_scalar(settings.auxiliary_weight)?)?;
            }
        }
        Ok(sum)
    }
}

/// Trains on the recipe's sources under `data` and on what is ours, starting from the folder `aligned`, and writes
/// `output` (weights with heads, configuration, tokenizer, `tuned.json`). Examples kept for development take no part.
/// An interrupted run goes on from its last checkpoint in `output`.
pub fn run(
    recipe: &Recipe,
    data: &Path,
    own: Own<'_>,
    aligned: &Path,
    output: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Tuned, TrainError> {
    let tokenizer = aligned.join("tokenizer.json");
    let tokens = read_tokens(&tokenizer, recipe.max_tokens)?;
    let mix = mix(recipe, data, own, &tokens)?;

    tch::manual_seed(recipe.seed as i64);
    let mut student = Student::load(aligned, kinds(recipe))?;
    student.dropout = recipe.tune.encoder_dropout;
    let heads = AllHeads::new(&student, &mix.auxiliary);
    let mut optimizer = Optimizer::new(&student, recipe.tune.mean_decay)?;
    let fingerprint = format!("{:?} {} {} {}", recipe.tune, recipe.seed, mix.draws.len(), mix.pairs.len());
    let checkpoint = Checkpoint::new(output, fingerprint)?;
    let begin = match checkpoint.resume(&mut optimizer)? {
        Some(begin) => begin,
        None => {
            start_heads(recipe, &student, &heads, &mix)?;
            (0, 0.0)
        }
    };
    let steps = fit(recipe, &student, &heads, &mix, Run { optimizer, checkpoint, begin }, progress)?;

    student.save(output)?;
    let retrieval = align::retrieval_within(recipe, data, &student, &tokens, None)?;
    let copy = output.join("tokenizer.json");
    file(&copy, std::fs::copy(&tokenizer, &copy))?;
    let tuned = Tuned { data: mix.used, steps, retrieval, settled: None, whitened: None };
    let path = output.join("tuned.json");
    let json = serde_json::to_string_pretty(&tuned).map_err(|error| TrainError::content(&path, error))?;
    file(&path, std::fs::write(&path, json))?;
    Ok(tuned)
}

fn mix(recipe: &Recipe, data: &Path, own: Own<'_>, tokens: &Tokens) -> Result<Mix, TrainError> {
    let settings = &recipe.tune;
    let sample = |row: &Row| {
        Ok::<_, TrainError>(Sample {
            ids: first_window(tokens, &row.text)?,
            target: row.target.clone(),
            weight: row.weight,
            auxiliary: None,
        })
    };
    let mut mix = Mix {
        samples: Vec::new(),
        draws: Vec::new(),
        auxiliary: Vec::new(),
        pairs: align::pairs(recipe, data, tokens)?,
        used: Vec::new(),
    };
    let note = |name: &str, licence: &str, used_for: &str, rows: usize| TrainingData {
        name: name.to_owned(),
        licence: licence.to_owned(),
        rows,
        used_for: used_for.to_owned(),
    };
    for example in own.examples.iter().filter(|example| !example.development) {
        mix.samples.push(sample(&example.row)?);
        if let Some(english) = &example.english {
            mix.pairs.push(Pair {
                english: first_window(tokens, english)?,
                italian: first_window(tokens, &example.row.text)?,
                target: 0,
            });
        }
    }
    let heads = "sentiment, intents, stage, emotions, signals";
    mix.used.push(note("smista examples", "Apache-2.0 OR MIT", heads, mix.samples.len()));
    if !own.corrections.is_empty() {
        for row in own.corrections {
            mix.samples.push(sample(row)?);
        }
        mix.used.push(note(
            "supervisors' corrections",
            "own",
            "sentiment, intents, stage",
            own.corrections.len(),
        ));
    }
    let own = mix.samples.len();
    for source in &settings.source {
        let taken = sources::read(data, source, recipe.seed)?;
        for row in taken.rows.iter().filter(|row| !row.text.is_empty()) {
            mix.samples.push(sample(row)?);
        }
        mix.used.push(note(&source.name, &source.licence, &source.used_for, taken.rows.len()));
    }
    for (number, source) in settings.auxiliary.iter().enumerate() {
        let kept = sources::read_auxiliary(data, source, recipe.seed)?;
        let first = mix.samples.len();
        for (text, label) in &kept.rows {
            mix.samples.push(Sample {
                ids: first_window(tokens, text)?,
                target: Target::default(),
                weight: source.weight,
                auxiliary: Some((number, *label)),
            });
        }
        for _ in 1..source.repeat {
            mix.draws.extend(first..mix.samples.len());
        }
        mix.auxiliary.push(kept.labels.len());
        mix.used.push(note(&source.name, &source.licence, &source.used_for, kept.rows.len()));
    }
    mix.draws.extend(0..mix.samples.len());
    for _ in 1..settings.own_repeat {
        mix.draws.extend(0..own);
    }
    Ok(mix)
}

/// Trains the heads alone on the encoder's vectors as they are: a fine-tuning that starts from good heads bends the
/// encoder less and needs fewer steps (Kumar et al., 2022).
fn start_heads(recipe: &Recipe, student: &Student, heads: &AllHeads, mix: &Mix) -> Result<(), TrainError> {
    const BATCH: usize = 256;
    let settings = &recipe.tune;
    let sequences: Vec<&[u32]> = mix.samples.iter().map(|sample| sample.ids.as_slice()).collect();
    let vectors = student.embed(&sequences, settings.batch)?;
    // The encoder gets no gradient here and stays as it is.
    let mut optimizer = nn::adamw(0.9, 0.999, 1e-3).build(&student.store, settings.head_start_rate)?;
    let mut shuffle = Shuffle::new(recipe.seed ^ 0x4EAD);
    let mut order = mix.draws.clone();
    let batches = order.len().div_ceil(BATCH);
    for epoch in 0..settings.head_epochs {
        shuffle.shuffle(&mut order);
        for (number, chunk) in order.chunks(BATCH).enumerate() {
            let rows: Vec<&Sample> = chunk.iter().map(|draw| &mix.samples[*draw]).collect();
            let at: Vec<i64> = chunk.iter().map(|draw| *draw as i64).collect();
            let pooled = vectors.f_index_select(0, &Tensor::from_slice(&at))?;
            let loss = heads.loss(&pooled, &rows, recipe)?;
            let step = epoch * batches + number;
            optimizer.set_lr(rate(settings.head_start_rate, step, settings.head_epochs * batches, 0.05));
            optimizer.backward_step(&loss);
        }
    }
    Ok(())
}

/// Where a run stands.
struct Run {
    optimizer: Optimizer,
    checkpoint: Checkpoint,
    begin: (usize, f64),
}

fn fit(
    recipe: &Recipe,
    student: &Student,
    heads: &AllHeads,
    mix: &Mix,
    mut run: Run,
    progress: &mut dyn FnMut(Progress),
) -> Result<usize, TrainError> {
    let settings = &recipe.tune;
    let lengths: Vec<usize> = mix.draws.iter().map(|draw| mix.samples[*draw].ids.len()).collect();
    let mut shuffle = Shuffle::new(recipe.seed ^ 0x7E5);
    let mut batches: Vec<Vec<usize>> = Vec::new();
    for _ in 0..settings.epochs {
        batches.extend(shuffle.batches(&lengths, settings.batch));
    }
    let lengths: Vec<usize> = mix.pairs.iter().map(|pair| pair.italian.len()).collect();
    let mut pairs: Vec<Vec<usize>> = Vec::new();
    let steps = batches.len();
    let (begin, mut average) = run.begin;
    for (step, batch) in batches.iter().enumerate() {
        let aligning = step % settings.align_every == 0 && !mix.pairs.is_empty();
        if aligning && pairs.is_empty() {
            pairs = shuffle.batches(&lengths, settings.align_batch);
        }
        let aligned = if aligning { pairs.pop() } else { None };
        if step < begin {
            continue;
        }
        // Chance depends on the step alone, so that a run which was interrupted takes the same course.
        let mut random = Shuffle::new(recipe.seed ^ 0x57E9 ^ ((step as u64) << 20));
        tch::manual_seed((recipe.seed ^ step as u64) as i64);
        let rows: Vec<&Sample> = batch.iter().map(|row| &mix.samples[mix.draws[*row]]).collect();
        let thinned: Vec<Vec<u32>> =
            rows.iter().map(|row| thin(&row.ids, settings.token_dropout, &mut random)).collect();
        let sequences: Vec<&[u32]> = thinned.iter().map(Vec::as_slice).collect();
        let (pooled, touched) = student.pooled(&sequences)?;
        let mut touched = vec![touched];
        let mut loss = heads.loss(&pooled.f_dropout(settings.dropout, true)?, &rows, recipe)?;
        if let Some(batch) = aligned {
            let side = |of: fn(&Pair) -> &Vec<u32>| -> Vec<&[u32]> {
                batch.iter().map(|pair| of(&mix.pairs[*pair]).as_slice()).collect()
            };
            // English leads: its vectors are taken as they are.
            let english = student.embed_twice(&side(|pair| &pair.english), settings.align_batch)?;
            let (italian, more) = student.pooled_twice(&side(|pair| &pair.italian))?;
            let weights = [settings.align_weight, settings.align_inner_weight];
            for ((italian, english), weight) in italian.iter().zip(&english).zip(weights) {
                loss = loss.f_add(&distance(italian, &normalise(english)?)?.f_mul_scalar(weight)?)?;
            }
            touched.push(more);
        }
        let part = |peak: f64| rate(peak, step, steps, settings.warm_up);
        let rates = Rates { encoder: part(settings.encoder_rate), heads: part(settings.head_rate) };
        let loss = run.optimizer.step(&loss, &touched, rates)?;
        average = if step == 0 { loss } else { 0.98 * average + 0.02 * loss };
        progress(Progress { step: step + 1, steps, loss: average });
        run.checkpoint.after(&run.optimizer, step + 1, average)?;
    }
    // Without a step the means know nothing of the heads that were started.
    if steps > 0 {
        run.optimizer.settle()?;
    }
    run.checkpoint.finish()?;
    Ok(steps)
}

/// The ids without some of the inner ones, so that a row seen again is not the same row; half of the texts stay whole.
fn thin(ids: &[u32], share: f64, random: &mut Shuffle) -> Vec<u32> {
    let mut chance = |below: f64| (random.next_bits() >> 11) as f64 / (1u64 << 53) as f64 <= below;
    if ids.len() < 6 || !chance(0.5) {
        return ids.to_vec();
    }
    let last = ids.len() - 1;
    let kept = ids.iter().enumerate().filter(|(place, _)| *place == 0 || *place == last || !chance(share));
    kept.map(|(_, id)| *id).collect()
}

/// Reads the own examples and gives those texts of one language that may be trained on.
pub fn training_texts(examples: &[Example], language: &str) -> Vec<String> {
    let fits = |example: &&examples::Example| example.language == language && !example.development;
    examples.iter().filter(fits).map(|example| example.row.text.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_drops_about_the_share_and_keeps_the_ends() {
        let ids: Vec<u32> = (0..102).collect();
        let mut random = Shuffle::new(9);
        let thinned: Vec<Vec<u32>> = (0..400).map(|_| thin(&ids, 0.2, &mut random)).collect();
        assert!(thinned.iter().all(|ids| ids.first() == Some(&0) && ids.last() == Some(&101)));
        let whole = thinned.iter().filter(|ids| ids.len() == 102).count();
        assert!((150..250).contains(&whole), "{whole}");
        let kept: usize = thinned.iter().filter(|ids| ids.len() < 102).map(Vec::len).sum();
        let mean = kept as f64 / (400 - whole) as f64;
        assert!((80.0..84.0).contains(&mean), "{mean}");
    }
}
