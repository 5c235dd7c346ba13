//! Looking back: commands that read a store of past decisions, made here by the shipped samples and the scripted engine.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use smista::config::{Config, EngineKind};
use smista::interaction::{Mode, ParseContext, parse};

mod export;
mod map;
mod replay;
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

/// The day that [`a_day`] fills.
fn day() -> DateTime<Utc> {
    "2026-05-14T00:00:00Z".parse().unwrap()
}

/// Puts the shipped samples into a database, told `rounds` times by other customers, as if decided over that day in equal
/// steps. How many.
async fn a_day(url: &str, rounds: u32) -> u64 {
    let mut config = Config::load(None).unwrap();
    config.engine.kind = EngineKind::Scripted;
    url.clone_into(&mut config.store.url);
    let store = smista::cli::setup::store(&config).await.unwrap();
    let pipeline = smista::cli::setup::pipeline(&config, store).await.unwrap();
    let samples = smista::cli::samples::load().unwrap();
    let all = samples.len() * usize::try_from(rounds).unwrap();
    let step = TimeDelta::seconds(86_400 / i64::try_from(all).unwrap());
    let mut at = day();
    for round in 0..rounds {
        for sample in &samples {
            let mut body: Value = serde_json::from_str(&sample.body).unwrap();
            for id in ["message_id", "conversation_id", "customer_id"] {
                if let Some(name) = body[id].as_str() {
                    body[id] = format!("{name}-{round}").into();
                }
            }
            body["identities"] = Value::Array(Vec::new());
            let context = ParseContext { received_at: sample.at, identity_key: b"key", mode: Mode::Queue };
            let interaction = parse(body.to_string().as_bytes(), &context).unwrap();
            pipeline.decide(&interaction, at).await.unwrap();
            at += step;
        }
    }
    u64::try_from(all).unwrap()
}
