//! `smista bench` with the scripted engine: what it prints, and that it leaves nothing behind.

use serde_json::Value;

use crate::support::process::Workspace;
use crate::support::rabbit::Rabbit;

fn object(output: &std::process::Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn assert_positive(report: &Value, names: &[&str]) {
    for name in names {
        assert!(report[name].as_f64().is_some_and(|value| value > 0.0), "{name}: {report}");
    }
}

fn scripted() -> Workspace {
    Workspace::of("[engine]\nkind = \"scripted\"\n")
}

#[test]
fn inference_of_a_file_and_of_the_samples() {
    let workspace = scripted();
    let file = workspace.path().join("texts.jsonl");
    std::fs::write(&file, "{\"text\":\"Where is my parcel?\"}\n{\"text\":\"Grazie\"}\n").unwrap();
    let report = object(&workspace.smista(&[
        "bench",
        "inference",
        "--input",
        file.to_str().unwrap(),
        "--seconds",
        "1",
        "--json",
    ]));
    assert_eq!(report["texts"], 2);
    assert_positive(&report, &["messages_per_second", "tokens_per_second", "p50_ms", "p95_ms", "p99_ms"]);
    let output = workspace.smista(&["bench", "inference", "--seconds", "1"]);
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        table.contains("messages/s") && table.contains("scripted") && !table.contains('\u{1b}'),
        "{table}"
    );
}

#[test]
fn wrong_use_is_told() {
    let workspace = scripted();
    let file = workspace.path().join("texts.jsonl");
    std::fs::write(&file, "{\"text\":\"Hello\"}\nnot json\n").unwrap();
    let wrong = |args: &[&str], saying: &str| {
        let output = workspace.smista(args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(saying), "{said}");
    };
    wrong(&["bench", "inference", "--input", file.to_str().unwrap()], "line 2");
    wrong(&["bench", "inference", "--input", "nowhere.jsonl"], "nowhere.jsonl");
    wrong(&["bench", "inference", "--against", "reference"], "scripted");
    wrong(&["bench", "inference", "--seconds", "0"], "seconds");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_is_measured_and_put_away() {
    if !Rabbit::installed() {
        assert!(std::env::var_os("CI").is_none(), "RabbitMQ has to be installed");
        return;
    }
    let rabbit = Rabbit::start();
    let workspace = Workspace::new(&rabbit.url(), "real", 1, None);
    let report = object(&workspace.smista(&["bench", "pipeline", "--seconds", "1", "--json"]));
    assert_positive(
        &report,
        &["messages_per_second", "cpu_ms_per_message", "memory_mib", "p50_ms", "p95_ms", "p99_ms"],
    );
    assert_eq!(report["store"], "sqlite");
    let loads: Vec<f64> =
        report["loads"].as_array().unwrap().iter().map(|load| load["load"].as_f64().unwrap()).collect();
    assert_eq!(loads, [0.25, 0.5, 0.8]);
    assert_eq!(report["loads"][1]["p99_ms"], report["p99_ms"]);
    let left = rabbit.shell("rabbitmqctl -q list_queues name; rabbitmqctl -q list_exchanges name");
    assert!(!left.contains("smista-bench"), "{left}");

    let nobody = Workspace::of(
        "[engine]\nkind = \"scripted\"\n[broker]\nurl = \"amqp://guest:guest@127.0.0.1:9/%2f\"\n",
    );
    let output = nobody.smista(&["bench", "pipeline", "--seconds", "1"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("start RabbitMQ"), "{said}");
}
