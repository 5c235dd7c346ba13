//! `smista spikes` over a store.

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json as object};

use super::{done, json, smista, text};

#[test]
fn a_rise_is_listed_with_its_hours_and_examples() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let now = Utc::now();
    let line = |n: i64, sent_at: chrono::DateTime<Utc>| {
        let said = "The service is down, the router shows an error message.";
        object!({ "message_id": format!("m-{n}"), "customer_id": format!("c-{n}"), "channel": "chat", "text": said, "sent_at": sent_at })
            .to_string()
    };
    let mut lines = vec![line(0, now - TimeDelta::days(2))];
    lines.extend((1..=6).map(|n| line(n, now)));
    std::fs::write(path.join("in.jsonl"), lines.join("\n")).unwrap();
    done(path, &["analyze", "--input", "in.jsonl", "--output", "out.jsonl", "--state", "sqlite:past.db"]);

    let state = ["spikes", "--state", "sqlite:past.db"];
    let told = json(&done(path, &[&state[..], &["--json"]].concat()));
    let spikes = told["spikes"].as_array().unwrap();
    let intent: Vec<&Value> = spikes.iter().filter(|spike| spike["kind"] == "intent").collect();
    let [spike] = intent[..] else { panic!("{told}") };
    assert_eq!((spike["topic"].as_str(), spike["count"].as_u64()), (Some("technical.problem"), Some(6)));
    assert_eq!(spike["hours"].as_array().unwrap().last().unwrap(), 6);
    assert_eq!(spike["examples"].as_array().unwrap().len(), 5);

    let shown = done(path, &state);
    for part in ["hour (UTC)", "technical.problem", "▁█", "The service is down"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let before = done(path, &[&state[..], &["--since", "2100-01-01", "--json"]].concat());
    assert_eq!(json(&before)["spikes"], object!([]));
    let nothing = smista(path, &[&state[..], &["--since", "2100-01-01"]].concat());
    assert!(nothing.stdout.is_empty() && text(&nothing.stderr).contains("no topic has risen"));
    let wrong = smista(path, &["spikes", "--since", "yesterday"]);
    assert_eq!(wrong.status.code(), Some(2));
    let nowhere = smista(path, &["spikes", "--state", "sqlite:none.db"]);
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(text(&nowhere.stderr).contains("there is no database"), "{}", text(&nowhere.stderr));
}
