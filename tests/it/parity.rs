//! The same interactions through the in-process broker and through `analyze` give the same decisions.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use smista::routing::Decision;

fn smista(folder: &std::path::Path, engine: &str, args: &[&str]) -> Vec<u8> {
    let output = Command::new(env!("CARGO_BIN_EXE_smista"))
        .args(args)
        .current_dir(folder)
        .env("SMISTA_ENGINE__KIND", engine)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn by_message(lines: &[u8]) -> BTreeMap<String, Decision> {
    let text = std::str::from_utf8(lines).unwrap();
    text.lines()
        .map(|line| serde_json::from_str::<Decision>(line).unwrap())
        .map(|decision| (decision.message_id.clone(), decision))
        .collect()
}

fn both(engine: &str) -> (BTreeMap<String, Decision>, BTreeMap<String, Decision>) {
    let folder = tempfile::tempdir().unwrap();
    let samples = folder.path().join("samples.jsonl");
    std::fs::write(&samples, smista(folder.path(), engine, &["demo", "--samples"])).unwrap();
    let through_broker = smista(folder.path(), engine, &["demo", "--json"]);
    let analyzed = smista(folder.path(), engine, &["analyze", "--input", samples.to_str().unwrap()]);
    let (through_broker, analyzed) = (by_message(&through_broker), by_message(&analyzed));
    assert!(through_broker.len() >= 40, "{} decisions", through_broker.len());
    assert_eq!(through_broker.keys().collect::<Vec<_>>(), analyzed.keys().collect::<Vec<_>>());
    (through_broker, analyzed)
}

#[test]
fn analyze_decides_as_the_worker_does() {
    let (through_broker, analyzed) = both("scripted");
    for (message, decision) in &through_broker {
        assert_eq!(
            decision.content_hash().unwrap(),
            analyzed[message].content_hash().unwrap(),
            "{message}: {decision:#?}\n{:#?}",
            analyzed[message]
        );
    }
}

/// What a consumer routes by. With the pack, a score's last digit may depend on the texts it shared a batch with, so
/// scores are compared within a thousandth or two and everything else exactly.
#[cfg(feature = "torch")]
fn same(at: &str, left: &serde_json::Value, right: &serde_json::Value) {
    use serde_json::Value;
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            assert!((a - b).abs() <= 0.002 + 1e-9, "{at}: {a} and {b}");
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().for_each(|(n, (a, b))| same(&format!("{at}[{n}]"), a, b));
        }
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
            a.iter().for_each(|(key, value)| same(&format!("{at}.{key}"), value, &b[key]));
        }
        _ => assert_eq!(left, right, "{at}"),
    }
}

#[cfg(feature = "torch")]
#[test]
fn analyze_decides_as_the_worker_does_with_the_pack() {
    let (through_broker, analyzed) = both("torch");
    for (message, decision) in &through_broker {
        let plain = |decision: &Decision| {
            let mut value = serde_json::to_value(decision).unwrap();
            value.as_object_mut().unwrap().remove("decided_at");
            // The state's hash covers scores that may differ in their last digit.
            value["versions"].as_object_mut().unwrap().remove("state");
            value
        };
        same(message, &plain(decision), &plain(&analyzed[message]));
    }
}
