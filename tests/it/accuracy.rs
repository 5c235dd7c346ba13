//! What the shipped pack must reach on plain messages that nothing was trained or tuned on.

use std::process::{Command, Stdio};

/// Task, least accuracy in English, in Italian.
const LEAST: [(&str, f64, f64); 3] =
    [("intent", 0.88, 0.85), ("stage", 0.85, 0.83), ("sentiment", 0.90, 0.88)];
/// Kind of posts, least macro F1 of sentiment in English, in Italian.
const POSTS: [(&str, f64, f64); 2] = [("general", 0.75, 0.65), ("company", 0.80, 0.78)];
/// Least recall and precision over the signals that call for a person, in English, in Italian.
const SIGNALS: [(&str, f64, f64); 2] = [("en", 0.85, 0.85), ("it", 0.82, 0.85)];
const CALLING_FOR_A_PERSON: [&str; 8] =
    ["agent_request", "churn", "fraud", "legal_threat", "outage", "repeat_contact", "safety", "vulnerable"];
/// Greatest calibration error of a head over both languages' texts of a task.
const CALIBRATION: f64 = 0.08;

/// What `smista eval` says of `models/plain/NAME-LANGUAGE.csv`.
fn figures(task: &str, name: &str, language: &str) -> serde_json::Value {
    let data = format!("{}/models/plain/{name}-{language}.csv", env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(env!("CARGO_BIN_EXE_smista"))
        .args(["eval", "--json", "--task", task, "--data", &data])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn plain_messages_are_understood() {
    let mut missed = Vec::new();
    for (task, english, italian) in LEAST {
        for (language, least) in [("en", english), ("it", italian)] {
            let figures = figures(task, task, language);
            assert_eq!(figures["rows"], 220);
            let (accuracy, ece) = (figures["accuracy"].as_f64().unwrap(), figures["ece"].as_f64().unwrap());
            if accuracy < least {
                missed.push(format!("{task} {language}: accuracy {accuracy:.3}, not {least}"));
            }
            if ece > CALIBRATION {
                missed.push(format!("{task} {language}: calibration error {ece:.3}, not {CALIBRATION}"));
            }
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn the_mood_of_posts_is_understood() {
    for (kind, english, italian) in POSTS {
        for (language, least) in [("en", english), ("it", italian)] {
            let figures = figures("sentiment", &format!("posts-{kind}"), language);
            let macro_f1 = figures["macro_f1"].as_f64().unwrap();
            assert!(macro_f1 >= least, "posts, {kind}, {language}: macro F1 {macro_f1:.3}, not {least}");
        }
    }
}

#[test]
fn signals_that_call_for_a_person_are_seen() {
    for (language, least_recall, least_precision) in SIGNALS {
        let figures = figures("signals", "signals", language);
        let signals = figures["per_signal"].as_object().unwrap();
        assert!(signals.keys().map(String::as_str).eq(CALLING_FOR_A_PERSON), "{:?}", signals.keys());
        let (recall, precision) = (&figures["overall"]["recall"], &figures["overall"]["precision"]);
        assert!(recall.as_f64().unwrap() >= least_recall, "{language}: recall {recall}, not {least_recall}");
        assert!(
            precision.as_f64().unwrap() >= least_precision,
            "{language}: precision {precision}, not {least_precision}"
        );
    }
}
