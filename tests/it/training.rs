//! `smista train promote` on real packs: a worse one is refused and changes nothing.

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
