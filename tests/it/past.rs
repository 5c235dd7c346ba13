//! Looking back: commands that read a store of past decisions, made here by the shipped samples and the scripted engine.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

mod simulate;
mod spikes;

/// The program in a folder, without any configuration of the machine that runs the test.
fn smista(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smista"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SMISTA_") {
            command.env_remove(name);
        }
    }
    command.env("SMISTA_ENGINE__KIND", "scripted").env_remove("RUST_LOG").env("NO_COLOR", "1");
    command.current_dir(folder).args(args).stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs it; standard output of a run that must succeed.
fn done(folder: &Path, args: &[&str]) -> String {
    let output = smista(folder, args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A folder with `past.db`: the shipped samples, decided now.
fn samples() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    done(folder.path(), &["demo", "--json", "--state", "sqlite:past.db"]);
    folder
}
