//! `smista train promote` on real packs: a worse one is refused and changes nothing. `smista train settle` moves the encoder and
//! nothing else.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

struct Rig {
    folder: tempfile::TempDir,
}

impl Rig {
    /// A copy of the shipped pack as the current one, and a few development examples of both languages.
    fn new() -> Self {
        let rig = Self { folder: tempfile::tempdir().unwrap() };
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        copy(&root.join("models/core"), &rig.at("current"));
        std::fs::create_dir(rig.at("data")).unwrap();
        for language in ["en.jsonl", "it.jsonl"] {
            let text = std::fs::read_to_string(root.join("models/data").join(language)).unwrap();
            let kept: Vec<&str> =
                text.lines().filter(|line| line.contains("\"development\"")).take(40).collect();
            std::fs::write(rig.at("data").join(language), kept.join("\n")).unwrap();
        }
        rig
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A candidate whose manifest is changed.
    fn candidate(&self, change: impl Fn(&str) -> String) {
        copy(&self.at("current"), &self.at("candidate"));
        let manifest = self.at("candidate").join("pack.toml");
        let text = std::fs::read_to_string(&manifest).unwrap();
        let changed = change(&text);
        assert_ne!(text, changed, "the manifest did not change");
        std::fs::write(manifest, changed).unwrap();
    }

    fn promote(&self) -> Output {
        Command::new(env!("CARGO_BIN_EXE_smista"))
            .args([
                "train",
                "promote",
                "--candidate",
                "candidate",
                "--current",
                "current",
                "--examples",
                "data",
            ])
            .args(["--recipe", concat!(env!("CARGO_MANIFEST_DIR"), "/models/core/recipe.toml")])
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn manifest(&self, pack: &str) -> String {
        std::fs::read_to_string(self.at(pack).join("pack.toml")).unwrap()
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn a_worse_pack_is_refused_and_changes_nothing() {
    let rig = Rig::new();
    // It would hardly ever name an intent.
    rig.candidate(|manifest| {
        let (before, intents) = manifest.split_once("[heads.intents]").unwrap();
        let (_, rest) = intents.split_once("\nthreshold = ").unwrap();
        let (labels, _) = intents.split_once("\nthreshold = ").unwrap();
        let (_, rest) = rest.split_once('\n').unwrap();
        format!("{before}[heads.intents]{labels}\nthreshold = 0.999\n{rest}")
    });
    let current = rig.manifest("current");
    let output = rig.promote();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("worse: intent.dev-en sinks"), "{said}");
    assert_eq!(rig.manifest("current"), current);
    assert!(!rig.at("current.previous").exists());
}

#[test]
fn a_pack_that_is_no_worse_takes_the_place() {
    let rig = Rig::new();
    rig.candidate(|manifest| manifest.replacen("name = \"core\"", "name = \"candidate\"", 1));
    let output = rig.promote();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("sentiment.dev-it"));
    assert!(rig.manifest("current").contains("name = \"candidate\""));
    assert!(rig.manifest("current.previous").contains("name = \"core\""));
}

/// The recipe with a short last stage on one file of pairs.
fn short_recipe(steps: usize, share: f64) -> String {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/models/core/recipe.toml")).unwrap();
    let mut recipe: toml::Table = toml::from_str(&text).unwrap();
    let pairs = toml::toml! {
        name = "pairs"
        licence = "own"
        file = "pairs.tsv"
    };
    let align = recipe["align"].as_table_mut().unwrap();
    align.insert("source".to_owned(), vec![toml::Value::from(pairs)].into());
    align.insert("held_out".to_owned(), 4.into());
    let settle = recipe["settle"].as_table_mut().unwrap();
    settle.insert("steps".to_owned(), i64::try_from(steps).unwrap().into());
    settle.insert("batch".to_owned(), 4.into());
    settle.insert("share".to_owned(), share.into());
    toml::to_string(&recipe).unwrap()
}

/// Settles the shipped pack on a few pairs; the tensors before and after.
fn settle(rig: &Rig, steps: usize, share: f64) -> [Vec<(String, tch::Tensor)>; 2] {
    let work = rig.at("work");
    copy(&rig.at("current"), &work.join("tuned"));
    std::fs::write(work.join("tuned/tuned.json"), r#"{"data":[],"steps":0,"retrieval":0.0}"#).unwrap();
    std::fs::write(rig.at("recipe.toml"), short_recipe(steps, share)).unwrap();
    let pairs = [
        ("Where is my parcel?", "Dov'è il mio pacco?"),
        ("The line has been down since morning.", "La linea non va da stamattina."),
        ("I want my money back.", "Rivoglio i miei soldi."),
        ("Can I pay by card?", "Posso pagare con la carta?"),
        ("Thank you, that helped.", "Grazie, mi è stato utile."),
        ("How much is the larger one?", "Quanto costa quello più grande?"),
        ("I cannot sign in.", "Non riesco ad accedere."),
        ("Please cancel the contract.", "Disdite il contratto, per favore."),
    ];
    let lines: Vec<String> = pairs.iter().map(|(english, italian)| format!("{english}\t{italian}")).collect();
    std::fs::write(rig.at("pairs.tsv"), lines.join("\n")).unwrap();
    let told = stage(rig, "settle");
    assert!(told.contains("settled: retrieval"), "{told}");
    ["tuned", "settled"].map(|stage| tensors(&work.join(stage)))
}

/// Runs a stage of the training; what it says.
fn stage(rig: &Rig, stage: &str) -> String {
    let rest = ["--recipe", "recipe.toml", "--work", "work", "--examples", "data", "--data", "."];
    let done = Command::new(env!("CARGO_BIN_EXE_smista"))
        .args(["train", stage])
        .args(rest)
        .current_dir(rig.folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{told}");
    told
}

/// Weights and heads in a folder, by name.
fn tensors(folder: &Path) -> Vec<(String, tch::Tensor)> {
    let mut all = tch::Tensor::read_safetensors(folder.join("model.safetensors")).unwrap();
    // Learned for one encoder; another stage puts it there again.
    all.retain(|(name, _)| !name.starts_with("whitening."));
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn moved(before: &[(String, tch::Tensor)], after: &[(String, tch::Tensor)]) -> Vec<String> {
    let same = |a: &tch::Tensor, b: &tch::Tensor| {
        a.to_kind(tch::Kind::Float).allclose(&b.to_kind(tch::Kind::Float), 0.0, 1e-7, false)
    };
    let known = |name: &str| after.iter().find(|(other, _)| other == name).map(|(_, tensor)| tensor);
    let changed = before.iter().filter(|(name, tensor)| !same(tensor, known(name).expect("it is kept")));
    changed.map(|(name, _)| name.clone()).collect()
}

#[test]
fn settling_moves_the_encoder_and_keeps_the_heads() {
    let rig = Rig::new();
    let [before, after] = settle(&rig, 2, 1.0);
    let moved = moved(&before, &after);
    assert!(moved.iter().any(|name| name.starts_with("encoder.layer.0.")), "{moved:?}");
    assert!(moved.iter().all(|name| !name.starts_with("heads.")), "{moved:?}");
}

#[test]
fn settling_by_no_share_changes_nothing() {
    let rig = Rig::new();
    let [before, after] = settle(&rig, 2, 0.0);
    assert_eq!(moved(&before, &after), Vec::<String>::new());
}

#[test]
fn whitening_stands_beside_the_weights_and_changes_none() {
    let rig = Rig::new();
    settle(&rig, 1, 1.0);
    let settled = rig.at("work").join("settled");
    let names = || {
        let all = tch::Tensor::read_safetensors(settled.join("model.safetensors")).unwrap();
        all.into_iter().map(|(name, _)| name).filter(|name| name.starts_with("whitening.")).count()
    };
    assert_eq!(names(), 0);
    let before = tensors(&settled);
    // Once more puts another in its place.
    for _ in 0..2 {
        let told = stage(&rig, "whiten");
        assert!(told.contains("whitened: retrieval"), "{told}");
        assert_eq!(names(), 2);
    }
    assert_eq!(moved(&before, &tensors(&settled)), Vec::<String>::new());
    let result: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(settled.join("tuned.json")).unwrap()).unwrap();
    assert!(result["whitened"].as_f64().unwrap() > 0.0, "{result}");
}
