//! `analyze` needs no network: it runs in a network namespace without any interface up.

use std::process::{Command, Stdio};

#[test]
fn analyze_works_with_the_network_cut_off() {
    let cut_off = |program: &str, args: &[&str]| {
        Command::new("unshare")
            .args(["--map-root-user", "--net", program])
            .args(args)
            .env("SMISTA_ENGINE__KIND", if cfg!(feature = "torch") { "torch" } else { "scripted" })
            .env("SMISTA_ENGINE__PACK", concat!(env!("CARGO_MANIFEST_DIR"), "/models/core"))
            .stdin(Stdio::null())
            .output()
            .unwrap()
    };
    if !cut_off("true", &[]).status.success() {
        eprintln!("left out: this machine gives no network namespaces");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("one.jsonl");
    std::fs::write(&input, r#"{"channel":"chat","text":"I was charged twice"}"#).unwrap();
    let output = cut_off(env!("CARGO_BIN_EXE_smista"), &["analyze", "--input", input.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let decision: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(decision["schema"], "smista.decision.v1");
    assert_eq!(decision["analysis"]["intents"][0]["name"], "billing.dispute", "{decision:#}");
}
