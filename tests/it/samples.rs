//! The shipped samples decided with the shipped pack and policy: what a careful person expects, for nearly all of them.

use std::process::{Command, Stdio};

use smista::routing::Decision;

/// Least number of samples of 43 in which a field must be right; a new pack may raise these, never lower them.
const FLOORS: [(&str, usize); 6] =
    [("priority", 41), ("action", 39), ("queue", 40), ("sentiment", 42), ("intents", 41), ("stage", 39)];

fn found(decision: &Decision, field: &str) -> Vec<String> {
    let one = |text: &str| vec![text.to_owned()];
    match field {
        "priority" => one(decision.priority.level.as_str()),
        "action" => one(serde_json::to_value(decision.route.action).unwrap().as_str().unwrap()),
        "queue" => one(decision.route.queue.as_deref().unwrap_or("none")),
        "sentiment" => one(decision.analysis.sentiment.label.as_str()),
        "stage" => one(decision.analysis.stage.as_ref().map_or("", |stage| stage.name.as_str())),
        _ => decision.analysis.intents.iter().map(|intent| intent.name.clone()).collect(),
    }
}

#[test]
fn the_samples_are_decided_as_a_person_would() {
    let output = Command::new(env!("CARGO_BIN_EXE_smista"))
        .args(["demo", "--json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let decisions: Vec<Decision> = std::str::from_utf8(&output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let expected: toml::Table = toml::from_str(include_str!("../../samples/expected.toml")).unwrap();
    assert_eq!(decisions.len(), expected.len());
    for (field, floor) in FLOORS {
        let mut wrong = Vec::new();
        for decision in &decisions {
            let right: Vec<&str> = expected[&decision.message_id][field]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|name| name.as_str())
                .collect();
            let found = found(decision, field);
            // An empty stage: the message places nobody, so the customer's stage is whatever it was.
            let open = field == "stage" && right.contains(&"");
            if !open && !found.iter().any(|name| right.contains(&name.as_str())) {
                wrong.push(format!("{}: {found:?}, not {right:?}", decision.message_id));
            }
        }
        assert!(decisions.len() - wrong.len() >= floor, "{field}:\n{}", wrong.join("\n"));
    }
}
