use std::collections::BTreeMap;

use super::*;
use crate::nlp::decode::{sigmoid, softmax};
use crate::nlp::scripted;

const SENTIMENTS: &[(&str, &str)] =
    &[("LABEL_0", "negative"), ("LABEL_1", "neutral"), ("LABEL_2", "positive")];

fn settings(folder: &Path, labels: &[(&str, &str)]) -> Replacement {
    let own = |(label, target): &(&str, &str)| ((*label).to_owned(), (*target).to_owned());
    Replacement {
        checkpoint: folder.display().to_string(),
        labels: labels.iter().map(own).collect::<BTreeMap<_, _>>(),
        temperature: 1.0,
        threshold: None,
        secondary_threshold: None,
    }
}

/// A folder with the files of a checkpoint, of which only `config.json` is real.
fn folder(config: &Value) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
    std::fs::write(dir.path().join("tokenizer.json"), "{}").unwrap();
    std::fs::write(dir.path().join("model.safetensors"), "weights").unwrap();
    dir
}

fn three() -> Value {
    json!({ "model_type": "bert", "id2label": { "0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2" } })
}

fn named(labels: &[&str]) -> Value {
    let labels: serde_json::Map<String, Value> =
        labels.iter().enumerate().map(|(at, label)| (at.to_string(), json!(label))).collect();
    json!({ "model_type": "xlm-roberta", "max_position_embeddings": 514, "id2label": labels })
}

fn open(head: Head, settings: &Replacement) -> Result<Checkpoint, String> {
    Checkpoint::open(head, settings, &scripted::manifest()).map_err(|error| error.to_string())
}

#[test]
fn each_fault_says_what_and_what_to_do() {
    let check = |head: Head, settings: &Replacement, expected: &[&str]| {
        let error = open(head, settings).unwrap_err();
        for part in expected.iter().chain(&[&*format!("engine.replace.{head}: ")]) {
            assert!(error.contains(part), "{part:?} is not in: {error}");
        }
    };
    let whole = folder(&three());
    let missing = whole.path().join("nowhere");
    check(
        Head::Sentiment,
        &settings(&missing, SENTIMENTS),
        &["there is no folder", "nowhere", "name the folder"],
    );
    let hub = Path::new("org/name-of-this-test");
    check(Head::Sentiment, &settings(hub, SENTIMENTS), &["org/name-of-this-test", "`hf download"]);
    for (file, remedy) in [
        ("config.json", "whole checkpoint"),
        ("tokenizer.json", "AutoTokenizer"),
        ("model.safetensors", "save_pretrained"),
    ] {
        let dir = folder(&three());
        std::fs::remove_file(dir.path().join(file)).unwrap();
        check(Head::Sentiment, &settings(dir.path(), SENTIMENTS), &["holds no", file, remedy]);
    }
    let broken = folder(&three());
    std::fs::write(broken.path().join("config.json"), "{").unwrap();
    check(Head::Sentiment, &settings(broken.path(), SENTIMENTS), &["config.json is not valid"]);
    let gap = folder(&json!({ "model_type": "bert", "id2label": { "0": "a", "2": "b" } }));
    check(Head::Sentiment, &settings(gap.path(), &[]), &["config.json is not valid", "no entry \"1\""]);
    for model_type in ["gpt2", "reformer", ""] {
        let other = folder(&json!({ "model_type": model_type }));
        let expected = format!("model_type \"{model_type}\" is not supported");
        check(Head::Sentiment, &settings(other.path(), &[]), &[&expected, "\"xlm-roberta\""]);
    }
    let typo = [("LABEL_9", "negative")];
    check(Head::Sentiment, &settings(whole.path(), &typo), &["\"LABEL_9\"", "\"LABEL_0\""]);
    let unknown = [("LABEL_0", "furious")];
    check(
        Head::Sentiment,
        &settings(whole.path(), &unknown),
        &["\"furious\"", "no label of sentiment", "\"neutral\""],
    );
    check(
        Head::Sentiment,
        &settings(whole.path(), &SENTIMENTS[..2]),
        &["\"LABEL_2\"", "map each", "\"positive\""],
    );
    let nowhere = [("LABEL_0", "-"), ("LABEL_1", "neutral"), ("LABEL_2", "positive")];
    check(Head::Sentiment, &settings(whole.path(), &nowhere), &["to \"-\", which is no label of sentiment"]);
    let all_one = SENTIMENTS.iter().map(|(label, _)| (*label, "neutral")).collect::<Vec<_>>();
    check(Head::Sentiment, &settings(whole.path(), &all_one), &["at least two"]);
}

#[test]
fn labels_that_are_ours_already_need_no_mapping() {
    let dir = folder(&named(&["POSITIVE", "NEGATIVE"]));
    let checkpoint = open(Head::Sentiment, &settings(dir.path(), &[])).unwrap();
    let mut heads = scripted::manifest();
    checkpoint.replace_in(&mut heads);
    assert_eq!(heads.sentiment.labels, ["negative", "neutral", "positive"]);
    let found = softmax(&heads.sentiment, &checkpoint.to_head(&[3.0, -101.0]));
    assert!(found[2] > 0.999 && found[1] < 1e-6, "what it does not know is never the answer: {found:?}");
    let unsure = softmax(&heads.sentiment, &checkpoint.nothing());
    assert!((unsure[0] - 0.5).abs() < 1e-6 && unsure[1] < 1e-6, "{unsure:?}");
    assert_eq!((checkpoint.pad, checkpoint.positions()), (1, 512));
    assert_eq!(heads.stage, scripted::manifest().stage, "other heads stay");
}

#[test]
fn without_names_there_are_two_labels() {
    let dir = folder(&json!({ "model_type": "distilbert", "max_position_embeddings": 512 }));
    let labels = [("LABEL_0", "negative"), ("LABEL_1", "positive")];
    let checkpoint = open(Head::Sentiment, &settings(dir.path(), &labels)).unwrap();
    assert_eq!(checkpoint.labels, ["LABEL_0", "LABEL_1"]);
    assert_eq!(checkpoint.config["id2label"]["1"], "LABEL_1");
    assert_eq!((checkpoint.pad, checkpoint.positions()), (0, 512));
}

#[test]
fn several_labels_may_lead_to_one() {
    let dir = folder(&named(&["1 star", "2 stars", "3 stars", "4 stars", "5 stars"]));
    let stars = [
        ("1 star", "negative"),
        ("2 stars", "negative"),
        ("3 stars", "neutral"),
        ("4 stars", "positive"),
        ("5 stars", "positive"),
    ];
    let mut settings = settings(dir.path(), &stars);
    settings.temperature = 2.0;
    let checkpoint = open(Head::Sentiment, &settings).unwrap();
    let mut heads = scripted::manifest();
    checkpoint.replace_in(&mut heads);
    let logits = [1.0, 0.5, -2.0, 3.0, 0.1];
    let own: Vec<f32> = logits.iter().map(|logit: &f32| (logit / 2.0).exp()).collect();
    let sum: f32 = own.iter().sum();
    let found = softmax(&heads.sentiment, &checkpoint.to_head(&logits));
    for (found, expected) in found.iter().zip([own[0] + own[1], own[2], own[3] + own[4]]) {
        assert!((found - expected / sum).abs() < 1e-6, "probabilities add up: {found}");
    }
}

#[test]
fn independent_labels_count_by_themselves_and_may_go_unread() {
    let dir = folder(&named(&["annoyance", "anger", "curiosity", "joy"]));
    let labels = [("annoyance", "anger"), ("curiosity", NOWHERE)];
    let mut settings = settings(dir.path(), &labels);
    settings.threshold = Some(0.7);
    let checkpoint = open(Head::Emotions, &settings).unwrap();
    let mut heads = scripted::manifest();
    checkpoint.replace_in(&mut heads);
    assert_eq!(heads.emotions.labels, ["anger", "joy"]);
    assert_eq!(heads.emotions.thresholds, [0.7, 0.7]);
    assert_eq!(checkpoint.to_head(&[2.0, -1.0, 9.0, 0.5]), [2.0, 0.5]);
    assert!(sigmoid(&heads.emotions, &checkpoint.nothing()).iter().all(|share| *share < 1e-6));
    let parts = [(vec![2.0, -3.0], 10), (vec![-1.0, 4.0], 90)];
    assert_eq!(checkpoint.whole(&parts), [2.0, 4.0], "a fact in one part is a fact");
}

#[test]
fn a_stage_may_be_none() {
    let dir = folder(&named(&["support", "retention", "none"]));
    let checkpoint = open(Head::Stage, &settings(dir.path(), &[("none", NOWHERE)])).unwrap();
    let mut heads = scripted::manifest();
    checkpoint.replace_in(&mut heads);
    let decide = |logits: &[f32]| {
        let output =
            crate::nlp::engine::WindowOutput { stage: checkpoint.to_head(logits), ..Default::default() };
        crate::nlp::decode::decode(&heads, &output).stage.map(|(stage, _)| stage.as_str())
    };
    assert_eq!(decide(&[0.0, 5.0, 0.0]), Some("retention"));
    assert_eq!(decide(&[0.0, 0.0, 5.0]), None);
    let parts = [(vec![1.0, 0.0, 0.0], 30), (vec![0.0, 1.0, 0.0], 10)];
    assert_eq!(checkpoint.whole(&parts)[..3], [0.75, 0.25, 0.0], "a choice is weighted by length");
}

#[test]
fn the_version_names_files_and_settings_but_no_folder() {
    let version = |dir: &tempfile::TempDir, change: fn(&mut Replacement)| {
        let mut settings = settings(dir.path(), SENTIMENTS);
        change(&mut settings);
        open(Head::Sentiment, &settings).unwrap().version
    };
    let (first, second) = (folder(&three()), folder(&three()));
    let same = version(&first, |_| {});
    assert!(same.starts_with("sentiment@sha256:") && same.len() == "sentiment@sha256:".len() + 64, "{same}");
    assert_eq!(same, version(&second, |_| {}));
    assert_ne!(same, version(&first, |settings| settings.temperature = 1.5));
    assert_ne!(same, version(&first, |settings| settings.threshold = Some(0.5)));
    std::fs::write(second.path().join("model.safetensors"), "other weights").unwrap();
    assert_ne!(same, version(&second, |_| {}));
}

#[test]
fn all_replacements_join_the_version_in_order() {
    let dir = folder(&three());
    let labels = [("LABEL_0", "anger"), ("LABEL_1", "joy"), ("LABEL_2", NOWHERE)];
    let replace_both = Replace {
        emotions: Some(settings(dir.path(), &labels)),
        sentiment: Some(settings(dir.path(), SENTIMENTS)),
        ..Replace::default()
    };
    let (mut heads, mut version) = (scripted::manifest(), "core".to_owned());
    let opened = replace(&replace_both, &mut heads, &mut version).unwrap();
    assert_eq!(
        opened.iter().map(|checkpoint| checkpoint.head).collect::<Vec<_>>(),
        [Head::Sentiment, Head::Emotions]
    );
    assert_eq!(version, format!("core+{}+{}", opened[0].version, opened[1].version));
    assert_eq!(heads.emotions.labels, ["anger", "joy"]);
}

#[test]
fn hub_names_are_told_from_paths() {
    for (name, expected) in [
        ("cardiffnlp/twitter-xlm-roberta-base-sentiment", true),
        ("org/name.v2_1", true),
        ("models/a/b", false),
        ("./models/mine", false),
        ("../mine", false),
        ("mine", false),
        ("/srv/mine", false),
        ("org/", false),
    ] {
        assert_eq!(is_hub_name(name), expected, "{name}");
    }
}

#[test]
fn what_the_hub_leaves_out_is_filled_in() {
    let config = json!({ "model_type": "longformer", "attention_window": 512, "num_hidden_layers": 3,
        "id2label": { "0": "negative", "1": "positive" } });
    let dir = folder(&config);
    let checkpoint = open(Head::Sentiment, &settings(dir.path(), &[])).unwrap();
    assert_eq!(checkpoint.config["attention_window"], json!([512, 512, 512]));
    assert_eq!(checkpoint.config["num_labels"], 2);
}
