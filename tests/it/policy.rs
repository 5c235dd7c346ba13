//! `smista policy`, as it is called: exit codes, what goes to which stream, and no colour in a pipe.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

fn smista(args: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_smista"))
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that ends without reading closes the pipe; that is its right.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_good_policy_is_called_good_and_a_bad_one_names_file_line_and_rule() {
    let good = smista(&["policy", "check", "policy/default.toml"], "");
    assert_eq!(good.status.code(), Some(0), "{}", text(&good.stderr));
    assert!(text(&good.stdout).starts_with("default@sha256:"), "{}", text(&good.stdout));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.toml");
    let bad = std::fs::read_to_string("policy/default.toml")
        .unwrap()
        .replace("\"safety\" in signals", "\"safty\" in signals");
    std::fs::write(&file, bad).unwrap();
    let file = file.to_str().unwrap();
    let refused = smista(&["policy", "check", file], "");
    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused.stderr);
    assert!(
        said.contains("bad.toml:") && said.contains("rule `danger`") && said.contains("`safety`"),
        "{said}"
    );
    let refused = smista(&["policy", "check", file, "--json"], "");
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(json(&refused)["ok"], false);
    assert_eq!(smista(&["policy", "check", "nowhere.toml"], "").status.code(), Some(2));
    assert_eq!(smista(&["policy", "chek"], "").status.code(), Some(2));
}

#[test]
fn the_tests_beside_a_policy_run() {
    for args in [
        &["policy", "test", "--json"][..],
        &["policy", "test", "--policy", "policy/default.toml", "--json"],
        &["policy", "test", "--tests", "policy/tests", "--json"],
    ] {
        let output = smista(args, "");
        assert_eq!(output.status.code(), Some(0), "{args:?} {}", text(&output.stderr));
        let report = json(&output);
        assert_eq!(report["failed"], 0, "{report}");
        assert!(report["passed"].as_u64().unwrap() >= 40, "{report}");
    }
    let folder = tempfile::tempdir().unwrap();
    let none = smista(&["policy", "test", "--tests", folder.path().to_str().unwrap()], "");
    assert_eq!(none.status.code(), Some(2), "no test at all is no success");
    let file = folder.path().join("wrong.toml");
    std::fs::write(&file, "[[case]]\nname = \"wrong\"\nexpect = { priority = \"urgent\" }\n").unwrap();
    let failed = smista(&["policy", "test", "--tests", file.to_str().unwrap()], "");
    assert_eq!(failed.status.code(), Some(1));
    assert!(text(&failed.stdout).contains("wrong.toml:1: wrong"), "{}", text(&failed.stdout));
}

#[test]
fn explain_shows_rules_reasons_and_counterfactuals() {
    let facts =
        r#"{"intents":["billing.dispute"],"sentiment":"negative","signals":["legal_threat","deadline"]}"#;
    let output = smista(&["policy", "explain"], facts);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert!(said.starts_with("urgent") && said.contains("escalate"), "{said}");
    assert!(said.contains("legal-threat") && said.contains("without it: high, queue"), "{said}");
    assert!(!said.contains("own-words") && !said.contains('\u{1b}'), "{said}");
    assert!(text(&smista(&["policy", "explain", "--all"], facts).stdout).contains("own-words"));
    let routing = json(&smista(&["policy", "explain", "--json", "--facts", "-"], facts));
    assert_eq!(routing["priority"]["level"], "urgent");
    assert_eq!(smista(&["policy", "explain"], r#"{"mood":"bad"}"#).status.code(), Some(1));
    assert_eq!(smista(&["policy", "explain", "--facts", "nowhere.json"], "").status.code(), Some(2));

    let decision = smista(&["policy", "explain", "--json", "--facts", "tests/data/decision.json"], "");
    assert_eq!(json(&decision)["priority"]["level"], "urgent", "a published decision will do, too");
}

#[test]
fn explain_takes_the_time_now_and_says_what_it_does_not_know() {
    let before = chrono::Utc::now();
    let routing = json(&smista(&["policy", "explain", "--json"], r#"{"intents":["billing.dispute"]}"#));
    let due = routing["route"]["sla_due_at"].as_str().unwrap();
    assert!(due.parse::<chrono::DateTime<chrono::Utc>>().unwrap() > before, "{due}");
    let given = r#"{"intents":["billing.dispute"],"sent_at":"2026-05-14T09:00:00Z"}"#;
    let routing = json(&smista(&["policy", "explain", "--json"], given));
    assert!(routing["route"]["sla_due_at"].as_str().unwrap().starts_with("2026-05-1"), "{routing}");

    let check = |facts: &str, words: &[&str]| {
        let output = smista(&["policy", "explain"], facts);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{facts}: {said}");
        assert!(words.iter().all(|word| said.contains(word)), "{facts}: {said}");
        assert!(!said.contains("untagged"), "{facts}: {said}");
    };
    check("[]", &["one JSON object"]);
    check("\"negative\"", &["one JSON object"]);
    check(r#"{"sentiment":"angry"}"#, &["sentiment", "`angry`", "`negative`", "`neutral`", "`positive`"]);
    check(r#"{"signals":["legal"]}"#, &["signals", "`legal`", "`legal_threat`", "`contradiction`"]);
    check(r#"{"emotions":[{"name":"rage","confidence":1}]}"#, &["emotions", "`rage`", "`anger`"]);
    check(r#"{"intents":["billing.dispte"]}"#, &["intents", "`billing.dispte`", "`billing.dispute`"]);
    check(r#"{"intents":[7]}"#, &["intents", "a name or a table"]);
    check(r#"{"stage":"buying"}"#, &["`buying`", "`purchase`"]);
}

#[test]
fn a_simulation_counts_what_another_policy_would_change() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new.toml");
    let new = std::fs::read_to_string("policy/default.toml")
        .unwrap()
        .replace("queue = \"technical\"", "queue = \"general\"");
    std::fs::write(&file, new).unwrap();
    let decision: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string("tests/data/decision.json").unwrap()).unwrap();
    let lines = format!("{decision}\n\n{decision}\n");
    let args = ["policy", "simulate", "--policy", file.to_str().unwrap(), "--decisions", "-", "--json"];
    let output = smista(&args, &lines);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report = json(&output);
    assert_eq!((report["decisions"].as_u64(), report["changed"].as_u64()), (Some(2), Some(2)), "{report}");
    assert_eq!(report["moves"][0]["to"], "general");
    let said = text(&smista(&args[..6], &lines).stdout);
    assert!(said.contains("2 of 2 decisions change") && said.contains("technical → general"), "{said}");
    assert_eq!(smista(&args, "{}\n").status.code(), Some(1));
}
