//! Last stage: writes the model pack. Weights go to half precision, temperatures and thresholds are fitted on the
//! development examples through the engine that will serve them, and the model card tells what came out.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use sha2::{Digest, Sha256};
use tch::{Kind, Tensor};

use super::align::Aligned;
use super::calibrate::CuedRow;
use super::examples::Example;
use super::measure::{Answered, answer, cross_fitted, rounded};
use super::recipe::Recipe;
use super::target::StageTarget;
use super::tune::{Tuned, core_heads};
use super::{TrainError, calibrate, file};
use crate::nlp::decode::softmax;
use crate::nlp::labels::{INTENTS, NONE};
use crate::nlp::pack::{Heads, Pack, PackManifest, SoftmaxHead, TrainingData};

const FILES: [&str; 3] = ["config.json", "model.safetensors", "tokenizer.json"];

/// Writes a pack from the folders of the former stages into `output` and gives its manifest.
pub fn run(
    recipe: &Recipe,
    examples: &[Example],
    aligned: &Path,
    tuned: &Path,
    output: &Path,
) -> Result<PackManifest, TrainError> {
    file(output, std::fs::create_dir_all(output))?;
    let weights = Tensor::read_safetensors(tuned.join("model.safetensors"))?;
    let halved: Vec<(String, Tensor)> = weights
        .into_iter()
        // Heads that only the training needs.
        .filter(|(name, _)| !name.starts_with("auxiliary."))
        // What products in bfloat16 read is exact in it, so that they stay near the reference.
        .map(|(name, tensor)| {
            let rounded =
                if name.contains("encoder.layer.") { tensor.to_kind(Kind::BFloat16) } else { tensor };
            (name, rounded.to_kind(Kind::Half).contiguous())
        })
        .collect();
    Tensor::write_safetensors(&halved, output.join("model.safetensors"))?;
    for name in ["config.json", "tokenizer.json"] {
        let to = output.join(name);
        file(&to, std::fs::copy(tuned.join(name), &to))?;
    }
    let aligned: Aligned = read_json(&aligned.join("aligned.json"))?;
    let tuned: Tuned = read_json(&tuned.join("tuned.json"))?;
    let mut manifest = PackManifest {
        name: recipe.name.clone(),
        format: 1,
        max_tokens: recipe.max_tokens,
        files: FILES
            .iter()
            .map(|name| {
                let path = output.join(name);
                let bytes = file(&path, std::fs::read(&path))?;
                Ok(((*name).to_owned(), hex(&Sha256::digest(&bytes))))
            })
            .collect::<Result<_, TrainError>>()?,
        heads: core_heads(),
        training_data: training_data(recipe, &aligned, &tuned),
        results: BTreeMap::new(),
    };
    write_manifest(output, &manifest)?;

    let kept = examples.iter().filter(|example| example.development);
    let answered = answer(output, kept.map(|example| (&example.row, example.language.as_str())))?;
    let all: Vec<&Answered<'_>> = answered.iter().collect();
    calibrate_heads(&mut manifest.heads, &all);
    manifest.results = cross_fitted(&manifest.heads, &all);
    let retrieval = [
        ("before", Some(aligned.retrieval_before)),
        ("after", Some(aligned.retrieval)),
        ("tuned", Some(tuned.retrieval)),
        ("settled", tuned.settled),
        ("whitened", tuned.whitened),
    ];
    let retrieval =
        retrieval.into_iter().filter_map(|(name, value)| Some((name.to_owned(), rounded(value?))));
    manifest.results.insert("alignment.retrieval".to_owned(), retrieval.collect());
    write_manifest(output, &manifest)?;
    let card = output.join("README.md");
    file(&card, std::fs::write(&card, model_card(&manifest, &aligned, &tuned)))?;
    Pack::open(output)?;
    Ok(manifest)
}

fn training_data(recipe: &Recipe, aligned: &Aligned, tuned: &Tuned) -> Vec<TrainingData> {
    let mut data = vec![TrainingData {
        name: "all-MiniLM-L6-v2".to_owned(),
        licence: "Apache-2.0".to_owned(),
        rows: 0,
        used_for: "base encoder".to_owned(),
    }];
    data.extend(tuned.data.iter().cloned());
    for (source, (name, pairs)) in recipe.align.source.iter().zip(&aligned.pairs) {
        data.push(TrainingData {
            name: name.clone(),
            licence: source.licence.clone(),
            rows: *pairs,
            used_for: "alignment with Italian".to_owned(),
        });
    }
    data
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, TrainError> {
    let text = file(path, std::fs::read_to_string(path))?;
    serde_json::from_str(&text).map_err(|error| TrainError::content(path, error))
}

fn write_manifest(output: &Path, manifest: &PackManifest) -> Result<(), TrainError> {
    let path = output.join("pack.toml");
    let text = toml::to_string_pretty(manifest).map_err(|error| TrainError::content(&path, error))?;
    file(&path, std::fs::write(&path, text))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What may need a person at once must not be missed: finding it counts more than a false alarm.
fn beta(signal: &str) -> f64 {
    const WORTHY: [&str; 8] = [
        "agent_request",
        "legal_threat",
        "safety",
        "vulnerable",
        "fraud",
        "churn",
        "repeat_contact",
        "outage",
    ];
    if WORTHY.contains(&signal) { 1.5 } else { 1.0 }
}

pub(super) fn calibrate_heads(heads: &mut Heads, answered: &[&Answered<'_>]) {
    let sentiment: Vec<(&[f32], usize)> = answered
        .iter()
        .filter_map(|row| Some((row.output.sentiment.as_slice(), row.target().sentiment?)))
        .collect();
    heads.sentiment.temperature = calibrate::temperature(&heads.sentiment, &sentiment);

    let intents: Vec<(&[f32], &[usize])> = answered
        .iter()
        .filter_map(|row| Some((row.output.intents.as_slice(), row.target().intents.as_deref()?)))
        .collect();
    let none = |head: &SoftmaxHead| head.labels.iter().position(|label| label == NONE);
    let nothing = none(&heads.intents);
    let first: Vec<(&[f32], usize)> = intents
        .iter()
        .filter_map(|(logits, labels)| Some((*logits, labels.first().copied().or(nothing)?)))
        .collect();
    heads.intents.temperature = calibrate::temperature(&heads.intents, &first);
    // Abstaining counts as `other`, so it is right where the truth is `other` or nothing.
    let other = INTENTS.iter().position(|label| *label == "other");
    let rows: Vec<(Vec<f32>, Option<usize>)> = intents
        .iter()
        .map(|(logits, labels)| {
            let truth = labels.first().copied().filter(|label| Some(*label) != other);
            (softmax(&heads.intents, logits), truth)
        })
        .collect();
    heads.intents.threshold = calibrate::abstain_threshold(nothing, &rows);
    heads.intents.abstention_confidence =
        calibrate::abstention_confidence(heads.intents.threshold, nothing, &rows);
    let rows: Vec<(Vec<f32>, &[usize])> =
        intents.iter().map(|(logits, labels)| (softmax(&heads.intents, logits), *labels)).collect();
    heads.intents.secondary_threshold = calibrate::secondary_threshold(nothing, &rows);

    let nobody = none(&heads.stage);
    let stage: Vec<(&[f32], usize)> = answered
        .iter()
        .filter_map(|row| match row.target().stage {
            StageTarget::At(label) => Some((row.output.stage.as_slice(), label)),
            StageTarget::Nobody => Some((row.output.stage.as_slice(), nobody?)),
            StageTarget::Unknown => None,
        })
        .collect();
    heads.stage.temperature = calibrate::temperature(&heads.stage, &stage);
    let rows: Vec<(Vec<f32>, Option<usize>)> = answered
        .iter()
        .filter_map(|row| {
            let truth = match row.target().stage {
                StageTarget::At(label) => Some(label),
                StageTarget::Nobody => None,
                StageTarget::Unknown => return None,
            };
            Some((softmax(&heads.stage, &row.output.stage), truth))
        })
        .collect();
    heads.stage.threshold = calibrate::abstain_threshold(nobody, &rows);
    heads.stage.abstention_confidence =
        calibrate::abstention_confidence(heads.stage.threshold, nobody, &rows);

    let emotions: Vec<(&[f32], &[usize])> = answered
        .iter()
        .filter_map(|row| Some((row.output.emotions.as_slice(), row.target().emotions.as_deref()?)))
        .collect();
    heads.emotions.temperature = calibrate::sigmoid_temperature(&heads.emotions, &emotions);
    heads.emotions.thresholds = calibrate::label_thresholds(&heads.emotions, &emotions);
    let signals: Vec<(&[f32], &[usize])> = answered
        .iter()
        .filter_map(|row| Some((row.output.signals.as_slice(), row.target().signals.as_deref()?)))
        .collect();
    heads.signals.temperature = calibrate::sigmoid_temperature(&heads.signals, &signals);
    let cued: Vec<CuedRow<'_>> = answered
        .iter()
        .filter_map(|row| {
            let truth = row.target().signals.as_deref()?;
            let found = heads.signals.labels.iter().map(|label| row.cues.iter().any(|cue| cue == label));
            Some((row.output.signals.as_slice(), truth, found.collect()))
        })
        .collect();
    (heads.signals.thresholds, heads.signals.with_cue) =
        calibrate::signal_thresholds(&heads.signals, beta, &cued);
}

fn model_card(manifest: &PackManifest, aligned: &Aligned, tuned: &Tuned) -> String {
    let mut card = format!(
        "# Model pack `{}`\n\nWritten by `smista train pack`; do not edit.\n\nA six-layer BERT encoder (MiniLM) with five linear heads on its mean-pooled vector: sentiment, intents, journey \
         stage, emotions, signals. English and Italian. The vocabulary has {} Italian word pieces beside those of the \
         base encoder. Weights are stored at half precision.\n\n## Results\n\nMeasured on the development part of the project's own examples, which was not trained on; temperatures and \
         thresholds are fitted on one half of it and judged on the other, and the other way round. Abstaining counts as \
         `other`.\n\n| task and set | rows | accuracy | macro F1 | precision | recall | ECE |\n|---|---|---|---|---|---|---|\n",
        manifest.name, aligned.pieces
    );
    for (name, figures) in manifest.results.iter().filter(|(_, figures)| figures.contains_key("rows")) {
        let figure = |key: &str| figures.get(key).map_or("—".to_owned(), |value| format!("{value:.3}"));
        // A row of a head with independent labels counts once for each of them.
        let rows = figures.get("rows").copied().unwrap_or_default();
        let _ = writeln!(
            card,
            "| {name} | {rows} | {} | {} | {} | {} | {} |",
            figure("accuracy"),
            figure("macro_f1"),
            figure("precision"),
            figure("recall"),
            figure("ece")
        );
    }
    for (name, figures) in &manifest.results {
        if let (Some(answered), Some(right), Some(outside)) = (
            figures.get("answered"),
            figures.get("accuracy_when_answered"),
            figures.get("out_of_scope_recall"),
        ) {
            let _ = writeln!(
                card,
                "\n{name}: an intent is named for {:.0} % of the texts and right for {:.0} % of those; of the texts \
                 outside every intent, {:.0} % are told so.",
                100.0 * answered,
                100.0 * right,
                100.0 * outside
            );
        }
    }
    let _ = writeln!(
        card,
        "\nNearest-neighbour retrieval of held-out English sentences by their Italian translations: {:.3} after \
         alignment (before {:.3}), {:.3} after fine-tuning{}{}.\n\n## Trained on\n\n| data | licence | rows | for |\n|---|---|---|---|",
        aligned.retrieval,
        aligned.retrieval_before,
        tuned.retrieval,
        tuned.settled.map_or_else(String::new, |settled| format!(", {settled:.3} after settling")),
        tuned.whitened.map_or_else(String::new, |whitened| format!(", {whitened:.3} after whitening"))
    );
    for data in &manifest.training_data {
        let _ = writeln!(card, "| {} | {} | {} | {} |", data.name, data.licence, data.rows, data.used_for);
    }
    for data in manifest.training_data.iter().filter(|data| data.licence.starts_with("ODbL")) {
        let _ = writeln!(
            card,
            "\nThis model was made from information of {}, which is made available under the Open Database License \
             (ODbL) 1.0; its labels were mapped as `models/core/recipe.toml` says.",
            data.name
        );
    }
    card.push_str(
        "\nSentences of Tatoeba are by the contributors of tatoeba.org.\n\n## Known limits\n\n- Texts longer than a window are read in several windows; figures above are for the first one.\n- Rare signals and emotions have few development examples; their thresholds stay near one half.\n- Indirect and borderline messages, which the examples hold on purpose, are often given the wrong intent or none.\n- Languages other than English and Italian are read only as far as they resemble these.\n- The examples are written, not collected: real traffic will differ, and a tenant should check with `smista eval` on its own texts.\n",
    );
    card
}
