//! `smista map`: what it shows is what the decisions say, counted by another way.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json as object};
use sqlx::Connection as _;

use super::{a_day, done, json, smista, text};
use crate::support::{fresh_database, postgres_url};

const ALWAYS: [&str; 4] = ["--since", "2000-01-01", "--until", "2100-01-01"];

async fn execute(url: &str, sql: &str) {
    if url.starts_with("sqlite:") {
        let mut connection = sqlx::SqliteConnection::connect(url).await.unwrap();
        sqlx::query(sql).execute(&mut connection).await.unwrap();
    } else {
        let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
        sqlx::query(sql).execute(&mut connection).await.unwrap();
    }
}

/// Contacts, repeats and the sum of sentiments, by stage and channel.
type Cells = BTreeMap<(String, String), (u64, u64, f64)>;

/// Contacts, repeats and the sum of sentiments of each cell, and all customers, from the exported rows.
fn counted(decisions: &[Value], interactions: &[Value]) -> (Cells, usize) {
    let own: BTreeSet<&str> = interactions
        .iter()
        .filter(|row| {
            row["author"] == "customer" && row["auto_reply"].is_null() && row["customer_turns"] != 0
        })
        .map(|row| row["message_id"].as_str().unwrap())
        .collect();
    let mut cells = Cells::new();
    let mut customers = BTreeSet::new();
    for row in decisions.iter().filter(|row| own.contains(row["message_id"].as_str().unwrap())) {
        let stage = row["stage"].as_str().unwrap_or("none").to_owned();
        let cell = cells.entry((stage, row["channel"].as_str().unwrap().to_owned())).or_default();
        cell.0 += 1;
        cell.1 += u64::from(row["repeat_contact"] == true);
        cell.2 += row["sentiment_score"].as_f64().unwrap();
        customers.insert(row["customer_id"].as_str().unwrap());
    }
    (cells, customers.len())
}

async fn says_what_the_decisions_say(url: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    a_day(url, 6).await;
    let map = |more: &[&str]| done(path, &[&["map", "--state", url], &ALWAYS[..], more].concat());
    let rows = |what: &str| -> Vec<Value> {
        let file = format!("{what}.jsonl");
        done(path, &[&["export", what, "--out", &file, "--state", url], &ALWAYS[..]].concat());
        std::fs::read_to_string(path.join(file)).unwrap().lines().map(json).collect()
    };
    let (cells, journeys) = counted(&rows("decisions"), &rows("interactions"));
    let found = json(&map(&["--json"]));
    assert_eq!(found["unmapped"], 0);
    assert_eq!(found["total"]["journeys"], journeys, "{found}");
    let listed = found["cells"].as_array().unwrap();
    assert_eq!(listed.len(), cells.len(), "{found}");
    for cell in listed {
        let key = (cell["stage"].as_str().unwrap().to_owned(), cell["channel"].as_str().unwrap().to_owned());
        let (contacts, repeats, sentiment) = cells[&key];
        assert_eq!(cell["contacts"], contacts, "{key:?}");
        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        let of = |part: f64| part / contacts as f64;
        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        for (name, expected) in [("sentiment", of(sentiment)), ("repeat_rate", of(repeats as f64))] {
            let value = &cell[name];
            let close = value.as_f64().is_some_and(|value| (value - expected).abs() < 0.002);
            assert!(
                if contacts < 5 { value.is_null() } else { close },
                "{key:?} {name}: {value}, {expected}"
            );
        }
        for share in ["drop_off", "first_contact_resolution"] {
            assert!(cell[share].is_null() || (0.0..=1.0).contains(&cell[share].as_f64().unwrap()));
        }
    }
    assert!(
        found["total"]["drop_off"].as_f64().unwrap() > 0.0
            && found["total"]["repeat_rate"].as_f64().unwrap() > 0.0
    );
    let first = found["total"]["first_contact_resolution"].as_f64().unwrap();
    assert!(first > 0.0 && first < 1.0, "{found}");

    let italian = json(&map(&["--json", "--language", "it", "--channel", "email"]));
    let some = italian["total"]["contacts"].as_u64().unwrap();
    assert!(some > 0 && some < found["total"]["contacts"].as_u64().unwrap());
    assert!(italian["cells"].as_array().unwrap().iter().all(|cell| cell["channel"] == "email"));

    let shown = map(&["--by", "drop-off"]);
    for part in ["drop-off: journeys", "support", "email", "first contact", "–", " %"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains('\u{1b}') && shown.lines().all(|line| line.chars().count() <= 110), "{shown}");

    // Decisions from before there was a map are missed, and taken in.
    execute(url, "DELETE FROM map_contacts WHERE message_id LIKE '%-1'").await;
    let output = smista(path, &[&["map", "--state", url], &ALWAYS[..]].concat());
    assert!(text(&output.stderr).contains("smista console index"), "{}", text(&output.stderr));
    std::fs::write(path.join("smista.toml"), format!("[store]\nurl = \"{url}\"\n")).unwrap();
    done(path, &["console", "index"]);
    assert_eq!(json(&map(&["--json"])), found);
    // What is forgotten is forgotten here too.
    execute(url, "DELETE FROM inbox").await;
    let output = smista(path, &[&["map", "--json", "--state", url], &ALWAYS[..]].concat());
    assert_eq!(json(&text(&output.stdout))["total"]["contacts"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_map_says_what_the_decisions_say_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    says_what_the_decisions_say(&format!("sqlite:{}", folder.path().join("past.db").display())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_map_says_what_the_decisions_say_on_postgres() {
    let Some(server) = postgres_url() else { return };
    says_what_the_decisions_say(&fresh_database(&server).await).await;
}

#[test]
fn a_customer_has_a_timeline() {
    let folder = super::samples();
    let path = folder.path();
    let state = ["--state", "sqlite:past.db"];
    let timeline = json(&done(path, &[&["map", "--json", "--customer", "c-1001"], &state[..]].concat()));
    let moments = timeline["moments"].as_array().unwrap();
    assert!(moments.len() >= 3, "{timeline}");
    assert!(moments.is_sorted_by_key(|moment| moment["at"].as_str().unwrap().to_owned()));
    let channels: u64 = timeline["channels"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(timeline["contacts"], channels);
    let events: Vec<&str> = moments
        .iter()
        .flat_map(|moment| moment["events"].as_array().unwrap())
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    assert!(events.contains(&"goal_opened"), "{events:?}");
    let goals = timeline["goals"].as_array().unwrap();
    assert!(!goals.is_empty() && goals.iter().all(|goal| goal["opened_at"].is_string()), "{timeline}");
    let shown = done(path, &[&["map", "--customer", "c-1001"], &state[..]].concat());
    assert!(
        shown.contains("c-1001") && shown.contains("goal_opened") && !shown.contains('\u{1b}'),
        "{shown}"
    );

    let check = |args: &[&str], code: i32, words: &str| {
        let output = smista(path, &[&["map"], args, &state[..]].concat());
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(words), "{args:?}: {said}");
    };
    check(&["--customer", "nobody"], 1, "there is no customer nobody");
    check(&["--customer", "c-1001", "--since", "1d"], 2, "cannot be used with");
    check(&["--channel", "pigeon"], 2, "pigeon");
    check(&["--since", "1d", "--until", "2d"], 2, "the span is empty");
    check(&["--since", "2999-01-01", "--until", "2999-02-01"], 0, "no contacts");
}

#[test]
fn two_who_turn_out_to_be_one_have_one_journey() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let line = |id: &str, identities: &[&str]| {
        let said = "My router does not work, please help me.";
        object!({ "message_id": id, "conversation_id": format!("k-{id}"), "identities": identities, "channel": "chat",
            "sent_at": "2026-05-14T08:00:00Z", "text": said })
        .to_string()
    };
    let (mail, tel) = ("mailto:a@example.org", "tel:+390212345678");
    let add = |lines: &[String]| {
        std::fs::write(path.join("in.jsonl"), lines.join("\n")).unwrap();
        done(path, &["analyze", "--input", "in.jsonl", "--output", "out.jsonl", "--state", "sqlite:past.db"]);
        let map = [&["map", "--json", "--state", "sqlite:past.db"], &ALWAYS[..]].concat();
        json(&done(path, &map))["total"].clone()
    };
    let two = add(&[line("m1", &[mail]), line("m2", &[tel])]);
    assert_eq!((&two["contacts"], &two["journeys"]), (&2.into(), &2.into()));
    let one = add(&[line("m3", &[mail, tel])]);
    assert_eq!((&one["contacts"], &one["journeys"]), (&3.into(), &1.into()));
    for name in ["k-m1", "k-m2"] {
        let args = ["map", "--json", "--customer", name, "--state", "sqlite:past.db"];
        assert_eq!(json(&done(path, &args))["moments"].as_array().unwrap().len(), 3, "{name}");
    }
}
