//! The program as people and scripts use it: input on stdin, decisions on stdout, exit codes. The scripted engine stands
//! in for a model.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

/// The program in an empty folder, without any configuration of the machine that runs the test.
fn smista(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smista"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SMISTA_") {
            command.env_remove(name);
        }
    }
    command.env("SMISTA_ENGINE__KIND", "scripted").env_remove("RUST_LOG").env("NO_COLOR", "1");
    command.current_dir(folder).args(args);
    command
}

fn spawn(folder: &Path, args: &[&str]) -> Child {
    let mut command = smista(folder, args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn run(folder: &Path, args: &[&str], input: &[u8]) -> Output {
    let mut child = spawn(folder, args);
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        // A program that refuses its arguments does not read.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

fn lines(output: &Output) -> Vec<Value> {
    output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn decisions_come_in_the_order_of_the_lines() {
    let dir = folder();
    let input: String = (0..120)
        .map(|at| {
            let text = "My parcel has not arrived. ".repeat(if at % 10 == 0 { 200 } else { 1 });
            json!({ "message_id": format!("m{at}"), "customer_id": format!("c{}", at % 7), "channel": "chat", "text": text })
                .to_string()
                + "\n"
        })
        .collect();
    let output = run(dir.path(), &["analyze", "--jobs", "32"], input.as_bytes());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let decisions = lines(&output);
    let ids: Vec<&str> = decisions.iter().map(|decision| decision["message_id"].as_str().unwrap()).collect();
    assert_eq!(ids, (0..120).map(|at| format!("m{at}")).collect::<Vec<_>>());
    // Every message of a customer finds those before it; a decision shows the last ten.
    for (at, decision) in decisions.iter().enumerate() {
        assert_eq!(decision["journey"]["contacts"].as_array().unwrap().len(), (at / 7).min(10), "m{at}");
    }
}

#[test]
fn a_line_that_cannot_be_decided_says_why_and_the_run_goes_on() {
    let dir = folder();
    let good = json!({ "channel": "email", "text": "Vorrei sapere quando arriva il mio ordine" }).to_string();
    let deep =
        format!("{{\"channel\":\"chat\",\"text\":\"hi\",\"x\":{}{}}}", "[".repeat(200), "]".repeat(200));
    let long = json!({ "channel": "chat", "text": "a ".repeat(1024 * 1024) }).to_string();
    let cases: [(&[u8], Option<&str>); 9] = [
        (good.as_bytes(), None),
        (b"hello", Some("not_json")),
        (b"{\"channel\":\"chat\",\"text\":\"\xff\xfe\"}", Some("not_utf8")),
        (long.as_bytes(), Some("too_large")),
        (deep.as_bytes(), Some("too_deep")),
        (b"{\"channel\":\"chat\",\"text\":\"  \"}", Some("empty_text")),
        (b"{\"text\":\"no channel\"}", Some("missing_field")),
        (b"[1]", Some("not_an_object")),
        (good.as_bytes(), None),
    ];
    // An empty line before each: skipped, but counted.
    let input: Vec<u8> = cases.iter().flat_map(|(line, _)| [b"\n", *line, b"\r\n"].concat()).collect();
    let output = run(dir.path(), &["analyze"], &input);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let results = lines(&output);
    assert_eq!(results.len(), cases.len());
    for (at, (result, (_, class))) in results.iter().zip(&cases).enumerate() {
        match class {
            Some(class) => {
                assert_eq!(result["class"], *class, "{result}");
                assert_eq!(result["line"], 2 * at + 2);
                assert!(result["error"].as_str().unwrap().len() > 10, "{result}");
            }
            None => assert_eq!(result["schema"], "smista.decision.v1", "{result}"),
        }
    }
    assert!(stderr(&output).contains("7 of 9 could not be decided"), "{}", stderr(&output));
}

#[test]
fn what_a_line_leaves_out_is_filled_in_alike_every_time() {
    let dir = folder();
    let input = b"{\"channel\":\"sms\",\"text\":\"Where is my order?\"}\n{\"channel\":\"sms\",\"text\":\"Where is my order?\"}\n";
    let first = lines(&run(dir.path(), &["analyze"], input));
    let second = lines(&run(dir.path(), &["analyze"], input));
    assert_ne!(first[0]["decision_id"], first[1]["decision_id"]);
    for (one, two) in first.iter().zip(&second) {
        assert_eq!(one["decision_id"], two["decision_id"]);
        assert_eq!(one["conversation_id"], one["message_id"]);
    }
    let named = b"{\"message_id\":\"m1\",\"channel\":\"sms\",\"text\":\"Where is my order?\"}";
    assert_eq!(lines(&run(dir.path(), &["analyze"], named))[0]["conversation_id"], "m1");
}

#[test]
fn an_answer_comes_before_the_input_ends() {
    let dir = folder();
    let mut child = spawn(dir.path(), &["analyze"]);
    let mut stdin = child.stdin.take().unwrap();
    let (sender, answers) = std::sync::mpsc::channel();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || stdout.lines().for_each(|line| sender.send(line.unwrap()).unwrap()));
    for at in 0..3 {
        writeln!(stdin, "{}", json!({ "message_id": format!("m{at}"), "channel": "chat", "text": "hello" }))
            .unwrap();
        let answer: Value =
            serde_json::from_str(&answers.recv_timeout(Duration::from_secs(60)).unwrap()).unwrap();
        assert_eq!(answer["message_id"], format!("m{at}"));
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn state_lasts_from_run_to_run_and_replay_proves_a_decision() {
    let dir = folder();
    let line = |id: &str| {
        json!({ "message_id": id, "customer_id": "c1", "channel": "chat", "sent_at": format!("2026-05-0{}T09:00:00Z", &id[1..]),
            "text": "My thermostat does not work, it is broken" })
        .to_string()
    };
    let analyze = |id: &str| {
        let output = run(dir.path(), &["analyze", "--state", "sqlite:state.db"], line(id).as_bytes());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        lines(&output).remove(0)
    };
    let first = analyze("m1");
    let second = analyze("m2");
    assert_eq!(second["journey"]["contacts"].as_array().unwrap().len(), 1);
    assert_eq!(analyze("m1"), first, "the same message again has the same decision");

    let id = second["decision_id"].as_str().unwrap();
    let replay = |extra: &[&str]| {
        let args = [&["replay", "--decision", id, "--state", "sqlite:state.db"], extra].concat();
        run(dir.path(), &args, b"")
    };
    let equal = replay(&[]);
    assert_eq!(equal.status.code(), Some(0), "{}{}", String::from_utf8_lossy(&equal.stdout), stderr(&equal));
    assert!(equal.stdout.starts_with(b"equal "));

    let policy = include_str!("../../policy/default.toml").replace("name = \"default\"", "name = \"other\"");
    std::fs::write(dir.path().join("other.toml"), policy).unwrap();
    let different = replay(&["--policy", "other.toml"]);
    assert_eq!(different.status.code(), Some(1), "{}", stderr(&different));
    let text = String::from_utf8_lossy(&different.stdout).into_owned();
    assert!(text.starts_with("different ") && text.contains("versions.policy"), "{text}");
}

#[test]
fn files_in_and_out() {
    let dir = folder();
    std::fs::write(dir.path().join("in.jsonl"), "{\"channel\":\"chat\",\"text\":\"hello\"}\n").unwrap();
    let output = run(dir.path(), &["analyze", "--input", "in.jsonl", "--output", "out.jsonl"], b"");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(output.stdout.is_empty());
    assert_eq!(std::fs::read_to_string(dir.path().join("out.jsonl")).unwrap().lines().count(), 1);
    let same = run(dir.path(), &["analyze", "--input", "in.jsonl", "--output", "in.jsonl"], b"");
    assert_eq!(same.status.code(), Some(2));
    assert!(std::fs::metadata(dir.path().join("in.jsonl")).unwrap().len() > 0, "the input is left alone");
    let text = run(dir.path(), &["analyze", "--text", "Voglio parlare con un operatore"], b"");
    assert_eq!(lines(&text)[0]["channel"], "chat");
}

#[test]
fn exit_codes_and_errors_say_what_to_do() {
    let dir = folder();
    std::fs::write(dir.path().join("bad.toml"), "[broker]\nno_such_key = 1\n").unwrap();
    let check = |args: &[&str], code: i32, words: &str| {
        let output = run(dir.path(), args, b"");
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.starts_with("error: "), "{args:?}: {said}");
        assert!(said.contains(words), "{args:?}: {said}");
    };
    check(&["no-such-command"], 2, "no-such-command");
    check(&["analyze", "--jobs", "0"], 2, "--jobs");
    check(&["analyze", "--state", "customers.db"], 2, "--state sqlite:customers.db");
    check(&["analyze", "--input", "nowhere.jsonl"], 1, "hint:");
    check(&["--config", "nowhere.toml", "analyze"], 2, "nowhere.toml");
    check(&["--config", "bad.toml", "analyze"], 2, "no_such_key");
    check(&["analyze", "--policy", "nowhere.toml"], 1, "nowhere.toml");
    check(
        &["replay", "--decision", "b1946ac9-2b1e-5d3f-9c46-0d0f6b3b8f11", "--state", "sqlite:no.db"],
        2,
        "no.db",
    );
    check(&["replay", "--decision", "17"], 2, "--decision");
    let keyless = "[interaction]\nidentity_key = \" \"\n[store]\nurl = \"postgres://u@127.0.0.1:1/d\"\n";
    std::fs::write(dir.path().join("keyless.toml"), keyless).unwrap();
    check(&["--config", "keyless.toml", "worker"], 1, "openssl rand -hex 32");
    std::fs::write(dir.path().join("store.toml"), "[store]\nurl = \"sqlite:none.db\"\n").unwrap();
    let id = "b1946ac9-2b1e-5d3f-9c46-0d0f6b3b8f11";
    check(&["--config", "store.toml", "replay", "--decision", id], 2, "none.db");
    assert!(!dir.path().join("none.db").exists(), "nothing is created");
}

#[cfg(not(feature = "torch"))]
#[test]
fn a_build_without_torch_says_so() {
    let dir = folder();
    let output = smista(dir.path(), &["analyze", "--text", "hello"])
        .env("SMISTA_ENGINE__KIND", "torch")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("no torch engine") && said.contains("engine.kind = \"scripted\""), "{said}");
}

#[test]
fn every_help_has_an_example() {
    let dir = folder();
    let help = |path: &[&str]| {
        let output = run(dir.path(), &[path, &["--help"]].concat(), b"");
        assert_eq!(output.status.code(), Some(0), "{path:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let inside = |text: &str| -> Vec<String> {
        text.lines()
            .skip_while(|line| *line != "Commands:")
            .skip(1)
            .take_while(|line| !line.trim().is_empty())
            .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
            .filter_map(|line| line.split_whitespace().next())
            .filter(|name| *name != "help")
            .map(str::to_owned)
            .collect()
    };
    let commands = inside(&help(&[]));
    assert!(commands.len() >= 6, "{commands:?}");
    for command in &commands {
        let group = help(&[command]);
        let nested = inside(&group);
        assert!(group.contains("Example"), "{command}: {group}");
        assert!(!group.contains("See the module"), "{command}: {group}");
        for one in &nested {
            let text = help(&[command, one]);
            let example = format!("smista {command} {one}");
            let shown = text.split_once("Example").is_some_and(|(_, after)| after.contains(&example));
            assert!(shown, "{command} {one}: {text}");
        }
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_program_quietly() {
    let dir = folder();
    let input: String = (0..2000).map(|_| "{\"channel\":\"chat\",\"text\":\"hello there\"}\n").collect();
    for args in [&["demo", "--samples"][..], &["analyze"], &["schema", "decision"], &["demo", "--json"]] {
        let mut child = spawn(dir.path(), args);
        let mut stdin = child.stdin.take().unwrap();
        let input = input.clone();
        let writer = std::thread::spawn(move || {
            let _ = stdin.write_all(input.as_bytes());
        });
        let mut first = [0; 16];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        let status = child.wait().unwrap();
        writer.join().unwrap();
        assert!(status.success() && said.is_empty(), "{args:?}: {status}: {said}");
    }
}

#[test]
fn the_demo_decides_every_sample_in_order() {
    let dir = folder();
    let samples = lines(&run(dir.path(), &["demo", "--samples"], b""));
    let output = run(dir.path(), &["demo", "--json"], b"");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let decisions = lines(&output);
    let ids = |values: &[Value]| values.iter().map(|value| value["message_id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&decisions), ids(&samples));

    let shown = run(dir.path(), &["demo", "--state", "sqlite:demo.db"], b"");
    let again = run(dir.path(), &["demo", "--state", "sqlite:demo.db"], b"");
    for output in [shown, again] {
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("43 decisions in") && text.contains("Try next"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
    }
}

#[test]
fn the_samples_are_labelled_with_names_that_exist() {
    use smista::nlp::labels::{INTENTS, SentimentLabel, Stage};
    use smista::routing::decision::Level;

    let expected: toml::Table = toml::from_str(include_str!("../../samples/expected.toml")).unwrap();
    let samples = smista::cli::samples::load().unwrap();
    assert_eq!(expected.len(), samples.len());
    let queues: Vec<String> =
        smista::routing::Policy::embedded_default().unwrap().queues().map(str::to_owned).collect();
    for sample in samples {
        let labels = &expected[&sample.id];
        let check = |field: &str, known: &dyn Fn(&str) -> bool| {
            for label in labels[field].as_array().unwrap() {
                let label = label.as_str().unwrap();
                assert!(known(label), "{}: {field}: {label}", sample.id);
            }
        };
        check("priority", &|name| Level::ALL.iter().any(|level| level.as_str() == name));
        check("action", &|name| ["self_service", "queue", "escalate", "none"].contains(&name));
        check("queue", &|name| name == "none" || queues.iter().any(|queue| queue == name));
        check("sentiment", &|name| SentimentLabel::from_name(name).is_some());
        check("intents", &|name| INTENTS.contains(&name));
        check("stage", &|name| Stage::from_name(name).is_some());
    }
}

#[test]
fn schemas_are_json_documents() {
    let dir = folder();
    let asyncapi = run(dir.path(), &["schema", "asyncapi"], b"");
    let document: Value = serde_json::from_slice(&asyncapi.stdout).unwrap();
    assert_eq!(document["asyncapi"], "3.0.0");
    for which in ["interaction", "decision", "correction"] {
        let output = run(dir.path(), &["schema", which], b"");
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(document["properties"]["message_id"].is_object(), "{which}: {document}");
    }
}

#[test]
fn the_doctor_names_what_is_wrong() {
    let dir = folder();
    let quick = smista(dir.path(), &["doctor", "--quick", "--json"])
        .env("SMISTA_BROKER__URL", "amqp://guest:hunter22@127.0.0.1:1/%2f")
        .output()
        .unwrap();
    assert_eq!(quick.status.code(), Some(1), "nothing listens on port 1");
    assert!(!String::from_utf8_lossy(&quick.stdout).contains("hunter22"));
    let report: Value = serde_json::from_slice(&quick.stdout).unwrap();
    let status = |name: &str| {
        let checks = report["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == name).map(|check| check["status"].clone())
    };
    assert_eq!(status("configuration"), Some(json!("ok")));
    assert_eq!(status("policy"), Some(json!("ok")));
    assert_eq!(status("database"), Some(json!("ok")));
    assert_eq!(status("identity key"), Some(json!("warning")));
    assert_eq!(status("broker"), Some(json!("failed")));

    std::fs::write(
        dir.path().join("bad.toml"),
        "[policy]\npath = \"nowhere.toml\"\n[store]\nurl = \"mysql:x\"\n",
    )
    .unwrap();
    let bad = run(dir.path(), &["--config", "bad.toml", "doctor"], b"");
    let text = String::from_utf8(bad.stdout).unwrap();
    assert_eq!(bad.status.code(), Some(1), "{text}");
    assert!(text.contains("✗ policy") && text.contains("✗ database") && text.contains("✓ engine"), "{text}");
}
