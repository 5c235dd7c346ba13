//! What the shipped pack must reach on plain messages that nothing was trained or tuned on.

use std::process::{Command, Stdio};

/// Task, least accuracy in English, in Italian.
const LEAST: [(&str, f64, f64); 3] =
    [("intent", 0.88, 0.85), ("stage", 0.85, 0.83), ("sentiment", 0.90, 0.88)];
/// Greatest calibration error of a head over both languages' texts of a task.
const CALIBRATION: f64 = 0.08;

fn figures(task: &str, language: &str) -> serde_json::Value {
    let data = format!("{}/models/plain/{task}-{language}.csv", env!("CARGO_MANIFEST_DIR"));
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
            let figures = figures(task, language);
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
