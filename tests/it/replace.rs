//! Heads answered by checkpoints in the form the Hugging Face hub has them. The checkpoints are tiny and made here, with
//! weights chosen so that one word decides the label: every other word has the embedding 0, attention is uniform and
//! copies, and the classifier reads the first number of the vector.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use tokenizers::Tokenizer;
use tokenizers::models::wordlevel::WordLevel;
use tokenizers::normalizers::Lowercase;
use tokenizers::pre_tokenizers::whitespace::Whitespace;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::processors::roberta::RobertaProcessing;

const WIDTH: i64 = 4;
const CORE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/core");
const TEXT: &str = "Thank you, brilliant service!";

/// Tensors by the names of Python's transformers.
#[derive(Default)]
struct Weights(Vec<(String, Tensor)>);

impl Weights {
    fn add(&mut self, name: &str, tensor: Tensor) {
        self.0.push((name.to_owned(), tensor));
    }

    fn zeros(&mut self, name: &str, shape: &[i64]) {
        self.add(name, Tensor::zeros(shape, (Kind::Float, Device::Cpu)));
    }

    /// A layer that gives what it gets.
    fn identity(&mut self, name: &str) {
        self.add(&format!("{name}.weight"), Tensor::eye(WIDTH, (Kind::Float, Device::Cpu)));
        self.zeros(&format!("{name}.bias"), &[WIDTH]);
    }

    /// A layer that gives nothing.
    fn nothing(&mut self, name: &str, from: i64, to: i64) {
        self.zeros(&format!("{name}.weight"), &[to, from]);
        self.zeros(&format!("{name}.bias"), &[to]);
    }

    fn norm(&mut self, name: &str) {
        self.add(&format!("{name}.weight"), Tensor::ones([WIDTH], (Kind::Float, Device::Cpu)));
        self.zeros(&format!("{name}.bias"), &[WIDTH]);
    }

    /// One row a label: how the first number of the vector speaks for it, and its bias.
    fn classifier(&mut self, name: &str, labels: &[(f32, f32)]) {
        let rows: Vec<f32> = labels.iter().flat_map(|(weight, _)| [*weight, 0.0, 0.0, 0.0]).collect();
        let rows = Tensor::from_slice(&rows).view([i64::try_from(labels.len()).unwrap(), WIDTH]);
        self.add(&format!("{name}.weight"), rows);
        let biases: Vec<f32> = labels.iter().map(|(_, bias)| *bias).collect();
        self.add(&format!("{name}.bias"), Tensor::from_slice(&biases));
    }

    /// The last of so many tokens is the word that counts.
    fn words(&mut self, name: &str, tokens: i64) {
        let table = Tensor::zeros([tokens, WIDTH], (Kind::Float, Device::Cpu));
        let _ = table.get(tokens - 1).get(0).fill_(1.0);
        self.add(name, table);
    }
}

/// A checkpoint's folder: `word` decides between `labels`, which are id, weight and bias.
struct Tiny {
    dir: tempfile::TempDir,
}

impl Tiny {
    fn new(config: &Value, labels: &[&str], special: [&str; 4], word: &str, weights: &Weights) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let named: serde_json::Map<String, Value> =
            labels.iter().enumerate().map(|(at, label)| (at.to_string(), json!(label))).collect();
        let mut config = config.clone();
        config["id2label"] = named.into();
        config["vocab_size"] = json!(special.len() + 1);
        std::fs::write(dir.path().join("config.json"), config.to_string()).unwrap();

        let all = special.into_iter().chain([word]);
        let vocabulary = all.zip(0u32..).map(|(word, id)| (word.to_owned(), id)).collect();
        let unknown = special[3].to_owned();
        let model = WordLevel::builder().vocab(vocabulary).unk_token(unknown).build().unwrap();
        let mut tokenizer = Tokenizer::new(model);
        tokenizer.with_normalizer(Some(Lowercase));
        tokenizer.with_pre_tokenizer(Some(Whitespace {}));
        let id = |token: &str| {
            let at = special.iter().position(|known| *known == token).unwrap();
            (token.to_owned(), u32::try_from(at).unwrap())
        };
        if special.contains(&"[CLS]") {
            tokenizer.with_post_processor(Some(BertProcessing::new(id("[SEP]"), id("[CLS]"))));
        } else {
            tokenizer.with_post_processor(Some(RobertaProcessing::new(id("</s>"), id("<s>"))));
        }
        tokenizer.save(dir.path().join("tokenizer.json"), false).unwrap();
        Tensor::write_safetensors(&weights.0, dir.path().join("model.safetensors")).unwrap();
        Self { dir }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }
}

/// The parts that BERT and RoBERTa share, under the name of either.
fn encoder(weights: &mut Weights, name: &str, positions: i64, segments: i64) {
    weights.words(&format!("{name}.embeddings.word_embeddings.weight"), 5);
    weights.zeros(&format!("{name}.embeddings.position_embeddings.weight"), &[positions, WIDTH]);
    weights.zeros(&format!("{name}.embeddings.token_type_embeddings.weight"), &[segments, WIDTH]);
    weights.norm(&format!("{name}.embeddings.LayerNorm"));
    let layer = format!("{name}.encoder.layer.0");
    weights.nothing(&format!("{layer}.attention.self.query"), WIDTH, WIDTH);
    weights.nothing(&format!("{layer}.attention.self.key"), WIDTH, WIDTH);
    weights.identity(&format!("{layer}.attention.self.value"));
    weights.identity(&format!("{layer}.attention.output.dense"));
    weights.norm(&format!("{layer}.attention.output.LayerNorm"));
    weights.nothing(&format!("{layer}.intermediate.dense"), WIDTH, 8);
    weights.nothing(&format!("{layer}.output.dense"), 8, WIDTH);
    weights.norm(&format!("{layer}.output.LayerNorm"));
}

fn bert_config(model_type: &str, positions: i64, segments: i64) -> Value {
    json!({
        "model_type": model_type, "hidden_size": WIDTH, "num_hidden_layers": 1, "num_attention_heads": 1,
        "intermediate_size": 8, "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
        "initializer_range": 0.02, "max_position_embeddings": positions, "type_vocab_size": segments
    })
}

const BERT: [&str; 4] = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"];

/// BERT for sentiment: `brilliant` is negative, which no other model says; all else is neutral.
fn sentiment() -> Tiny {
    let mut weights = Weights::default();
    encoder(&mut weights, "bert", 64, 2);
    weights.identity("bert.pooler.dense");
    weights.classifier("classifier", &[(6.0, 0.0), (0.0, 2.0), (-6.0, 0.0)]);
    let labels = ["LABEL_0", "LABEL_1", "LABEL_2"];
    Tiny::new(&bert_config("bert", 64, 2), &labels, BERT, "brilliant", &weights)
}

const SENTIMENT: &str = "labels = { LABEL_0 = \"negative\", LABEL_1 = \"neutral\", LABEL_2 = \"positive\" }";

/// DistilBERT for intents: `brilliant` asks for a contract's end, all else is small talk.
fn intents() -> Tiny {
    let mut weights = Weights::default();
    weights.words("distilbert.embeddings.word_embeddings.weight", 5);
    weights.zeros("distilbert.embeddings.position_embeddings.weight", &[64, WIDTH]);
    weights.norm("distilbert.embeddings.LayerNorm");
    let layer = "distilbert.transformer.layer.0";
    weights.nothing(&format!("{layer}.attention.q_lin"), WIDTH, WIDTH);
    weights.nothing(&format!("{layer}.attention.k_lin"), WIDTH, WIDTH);
    weights.identity(&format!("{layer}.attention.v_lin"));
    weights.identity(&format!("{layer}.attention.out_lin"));
    weights.norm(&format!("{layer}.sa_layer_norm"));
    weights.nothing(&format!("{layer}.ffn.lin1"), WIDTH, 8);
    weights.nothing(&format!("{layer}.ffn.lin2"), 8, WIDTH);
    weights.norm(&format!("{layer}.output_layer_norm"));
    weights.identity("pre_classifier");
    weights.classifier("classifier", &[(6.0, 0.0), (0.0, 3.0)]);
    let config = json!({
        "model_type": "distilbert", "dim": WIDTH, "n_layers": 1, "n_heads": 1, "hidden_dim": 8, "activation": "gelu",
        "dropout": 0.1, "attention_dropout": 0.1, "qa_dropout": 0.1, "seq_classif_dropout": 0.2,
        "initializer_range": 0.02, "max_position_embeddings": 64, "sinusoidal_pos_embds": false, "tie_weights_": true
    });
    Tiny::new(&config, &["subscription.cancel", "chat"], BERT, "brilliant", &weights)
}

/// RoBERTa for emotions: `brilliant` is worrying and, as all else, boring.
fn emotions() -> Tiny {
    let mut weights = Weights::default();
    encoder(&mut weights, "roberta", 66, 1);
    weights.identity("classifier.dense");
    weights.classifier("classifier.out_proj", &[(9.0, -4.0), (0.0, 5.0)]);
    let special = ["<s>", "<pad>", "</s>", "<unk>"];
    Tiny::new(&bert_config("roberta", 66, 1), &["fear", "boredom"], special, "brilliant", &weights)
}

fn smista(folder: &Path, engine: &str, sections: &[String], args: &[&str]) -> Output {
    let text = format!(
        "[engine]\nkind = \"{engine}\"\npack = \"{CORE}\"\n\n[broker]\nurl = \"amqp://127.0.0.1:1/%2f\"\n\n{}",
        sections.join("\n\n")
    );
    std::fs::write(folder.join("smista.toml"), text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_smista"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SMISTA_") {
            command.env_remove(name);
        }
    }
    command.env("NO_COLOR", "1").env("HOME", folder).current_dir(folder).args(args).stdin(Stdio::null());
    command.output().unwrap()
}

fn section(head: &str, checkpoint: &Path, rest: &str) -> String {
    format!("[engine.replace.{head}]\ncheckpoint = \"{}\"\n{rest}", checkpoint.display())
}

fn decide(folder: &Path, engine: &str, sections: &[String], text: &str) -> Value {
    let input = folder.join("one.jsonl");
    std::fs::write(&input, json!({ "channel": "chat", "text": text }).to_string()).unwrap();
    let output = smista(folder, engine, sections, &["analyze", "--input", input.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_checkpoint_answers_its_head_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let own = decide(dir.path(), "torch", &[], TEXT);
    assert_eq!(own["analysis"]["sentiment"]["label"], "positive", "{own:#}");

    let tiny = sentiment();
    let sections = [section("sentiment", tiny.path(), SENTIMENT)];
    let replaced = decide(dir.path(), "torch", &sections, TEXT);
    let analysis = &replaced["analysis"];
    assert_eq!(analysis["sentiment"]["label"], "negative", "{replaced:#}");
    let sure = analysis["sentiment"]["confidence"].as_f64().unwrap();
    // The classifier sees tanh(√3) times 6 against a bias of 2.
    assert!((sure - 0.974).abs() < 0.005, "{sure}");
    for other in ["intents", "stage", "emotions", "signals", "language"] {
        assert_eq!(analysis[other], own["analysis"][other], "{other}");
    }
    let (version, before) =
        (replaced["versions"]["model"].as_str().unwrap(), own["versions"]["model"].as_str());
    let (core, cues) = before.unwrap().split_once("+cues@").unwrap();
    assert!(version.starts_with(&format!("{core}+sentiment@sha256:")), "{version}");
    assert!(version.ends_with(&format!("+cues@{cues}")), "{version}");

    let plain = decide(dir.path(), "torch", &sections, "Thank you, lovely service!");
    assert_eq!(plain["analysis"]["sentiment"]["label"], "neutral", "without the word: {plain:#}");
}

#[test]
fn several_families_at_once_with_folders_beside_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let beside = |name: &str, tiny: &Tiny| {
        let target = dir.path().join(name);
        std::fs::create_dir_all(&target).unwrap();
        for entry in std::fs::read_dir(tiny.path()).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), target.join(entry.file_name())).unwrap();
        }
        PathBuf::from(name)
    };
    let sections = [
        section("sentiment", &beside("models/mood", &sentiment()), SENTIMENT),
        section(
            "intents",
            &beside("org/wishes", &intents()),
            "labels = { chat = \"smalltalk\" }\nthreshold = 0.6",
        ),
        section(
            "emotions",
            &beside("feelings", &emotions()),
            "labels = { fear = \"worry\", boredom = \"-\" }",
        ),
    ];
    let found = decide(dir.path(), "scripted", &sections, TEXT);
    let analysis = &found["analysis"];
    assert_eq!(analysis["sentiment"]["label"], "negative", "{found:#}");
    let names = |key: &str| {
        let found = analysis[key].as_array().unwrap().iter();
        found.map(|one| one["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("intents"), ["subscription.cancel"], "{found:#}");
    assert_eq!(names("emotions"), ["worry"], "{found:#}");
    let version = found["versions"]["model"].as_str().unwrap();
    for part in ["scripted@", "+sentiment@sha256:", "+intents@sha256:", "+emotions@sha256:"] {
        assert!(version.contains(part), "{version}");
    }

    let plain = decide(dir.path(), "scripted", &sections, "good morning");
    assert_eq!(plain["analysis"]["intents"][0]["name"], "smalltalk", "{plain:#}");
    assert_eq!(plain["analysis"]["emotions"], json!([]));
}

#[test]
fn a_checkpoint_that_cannot_be_used_stops_the_start_and_doctor_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let tiny = sentiment();
    let check = |sections: &[String], expected: &[&str]| {
        let output = smista(dir.path(), "scripted", sections, &["analyze", "--text", "hello"]);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && output.stdout.is_empty(), "{stderr}");
        for part in expected {
            assert!(stderr.contains(part), "{part:?} is not in: {stderr}");
        }
    };
    check(&[section("mood", tiny.path(), SENTIMENT)], &["mood", "sentiment"]);
    let unmapped =
        [section("sentiment", tiny.path(), "labels = { LABEL_0 = \"negative\", LABEL_1 = \"neutral\" }")];
    check(&unmapped, &["engine.replace.sentiment", "\"LABEL_2\"", "hint:", "docs/replace-a-head.md"]);
    let nobody = section("stage", Path::new("nobody/has-this-checkpoint"), "");
    check(&[nobody], &["engine.replace.stage", "neither a folder", "hf download nobody/has-this-checkpoint"]);

    // Only the weights themselves tell this.
    let config = tiny.path().join("config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace(",\"2\":\"LABEL_2\"", "")).unwrap();
    let two =
        [section("sentiment", tiny.path(), "labels = { LABEL_0 = \"negative\", LABEL_1 = \"neutral\" }")];
    let expected = "engine.replace.sentiment: config.json has 2 labels and the weights are for 3";
    check(&two, &[expected, "id2label"]);
    let output = smista(dir.path(), "scripted", &two, &["doctor", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let engine = report["checks"].as_array().unwrap().iter().find(|check| check["name"] == "engine").unwrap();
    assert_eq!(engine["status"], "failed", "{report:#}");
    assert!(engine["detail"].as_str().unwrap().contains(expected), "{engine}");
    assert!(engine["remedy"].as_str().unwrap().contains("[engine.replace.sentiment]"), "{engine}");
}
