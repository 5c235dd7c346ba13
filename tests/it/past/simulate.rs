//! `smista policy simulate` over a store.

use std::collections::BTreeMap;

use super::{done, json, samples, smista, text};

const STATE: [&str; 2] = ["--state", "sqlite:past.db"];

fn simulate<'a>(args: &[&'a str]) -> Vec<&'a str> {
    [&["policy", "simulate"], &STATE[..], args].concat()
}

#[test]
fn the_policy_in_force_changes_nothing_and_others_do() {
    let folder = samples();
    let path = folder.path();
    let default = std::fs::read_to_string("policy/default.toml").unwrap();
    std::fs::write(path.join("same.toml"), &default).unwrap();

    let same = json(&done(path, &simulate(&["--policy", "same.toml", "--json"])));
    assert!(same["decisions"].as_u64().unwrap() >= 40, "{same}");
    // Facts as the store keeps them lead to the very decisions that were published: attributes, ratings and ages included.
    for none in ["changed", "not_as_recorded", "due_sooner", "due_later"] {
        assert_eq!(same[none], 0, "{none}: {same}");
    }
    assert_eq!((&same["moves"], &same["biggest"]), (&serde_json::json!([]), &serde_json::json!([])));

    // A policy that names no queue of the old one and knows no urgency.
    let plain = "version = 1\nname = \"plain\"\ntime_zone = \"Europe/Rome\"\n[defaults]\npriority = \"normal\"\nqueue = \"everything\"\n\
        language = \"en\"\n[queues.everything]\nhours = [\"always\"]\nsla = { normal = \"8h\" }\n";
    std::fs::write(path.join("plain.toml"), plain).unwrap();
    let page = path.join("page.html");
    let args = ["--policy", "plain.toml", "--json", "--html", page.to_str().unwrap()];
    let report = json(&done(path, &simulate(&args)));
    let all = report["decisions"].as_u64().unwrap();
    assert_eq!(report["queues"]["everything"]["after"], all);
    assert_eq!(report["priorities"]["normal"]["after"], all);
    let load: u64 = report["load"]["everything"]["after"]
        .as_array()
        .unwrap()
        .iter()
        .map(|count| count.as_u64().unwrap())
        .sum();
    assert_eq!(load, all, "every message is due in some hour");
    let biggest = report["biggest"].as_array().unwrap();
    assert_eq!(biggest.len(), 20);
    let sizes: Vec<u64> = biggest.iter().map(|change| change["size"].as_u64().unwrap()).collect();
    assert!(sizes.is_sorted_by(|one, next| one >= next) && sizes[0] >= 45, "{sizes:?}");
    assert!(biggest.iter().all(|change| change["text"].as_str().is_some_and(|text| !text.is_empty())));

    let html = std::fs::read_to_string(&page).unwrap();
    for part in ["<svg", "<table>", "prefers-color-scheme: dark", "width=device-width", "Biggest changes"] {
        assert!(html.contains(part), "{part}");
    }
    for foreign in ["http://", "https://", "<script", "src=", "@import", "url("] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    well_formed(&html);

    let said = done(path, &simulate(&["--policy", "plain.toml"]));
    let long = said.lines().find(|line| line.chars().count() > 100);
    assert_eq!(long, None, "{said}");
    for part in ["decisions change", "answers due by hour", "biggest changes", "everything"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains('\u{1b}'), "no colours outside a terminal");

    // The other way round: what was after is before.
    let back = json(&done(path, &simulate(&["--policy", "same.toml", "--against", "plain.toml", "--json"])));
    assert_eq!(
        (&back["changed"], &back["queues"]["everything"]["before"]),
        (&report["changed"], &report["decisions"])
    );
    assert_eq!(back["not_as_recorded"], back["changed"], "the other policy was in force");
    let lines = |report: &serde_json::Value, from: &str, to: &str| -> BTreeMap<String, u64> {
        let moves = report["moves"].as_array().unwrap().iter();
        moves.map(|one| (format!("{} {}", one[from], one[to]), one["count"].as_u64().unwrap())).collect()
    };
    assert_eq!(lines(&report, "from", "to"), lines(&back, "to", "from"));
}

/// Every element that is opened is closed, in order; a few need not be.
fn well_formed(html: &str) {
    let tag = regex::Regex::new(r#"<(/?)([a-z0-9]+)(?:\s[^<>]*?)?(/?)>"#).unwrap();
    let mut open: Vec<&str> = Vec::new();
    for found in tag.captures_iter(html) {
        let name = found.get(2).unwrap().as_str();
        if ["meta", "td", "html", "main"].contains(&name) || &found[3] == "/" {
            continue;
        }
        if &found[1] == "/" {
            assert_eq!(open.pop(), Some(name), "at {}", found.get(0).unwrap().start());
        } else {
            open.push(name);
        }
    }
    assert_eq!(open, Vec::<&str>::new());
}

#[test]
fn the_span_counts_and_wrong_use_is_told() {
    let folder = samples();
    let path = folder.path();
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/policy/default.toml");
    let output = smista(path, &simulate(&["--policy", policy, "--since", "2999-01-01", "--json"]));
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(json(&text(&output.stdout))["decisions"], 0);
    assert!(text(&output.stderr).contains("no decisions"), "{}", text(&output.stderr));

    let check = |args: &[&str], code: i32, words: &str| {
        let output = smista(path, args);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(words), "{args:?}: {said}");
        assert!(!said.contains("panic"), "{said}");
    };
    check(&simulate(&["--policy", policy, "--since", "yesterday"]), 2, "30d");
    check(&simulate(&["--policy", "nowhere.toml"]), 2, "nowhere.toml");
    check(&["policy", "simulate", "--policy", policy, "--state", "sqlite:other.db"], 2, "other.db");
    assert!(!path.join("other.db").exists(), "looking makes no database");
    check(&simulate(&["--policy", policy, "--html", "no/such/folder.html"]), 1, "folder.html");
    std::fs::write(path.join("bad.toml"), "version = 1\n[defaults]\nqueue = 3\n").unwrap();
    check(&simulate(&["--policy", "bad.toml"]), 1, "bad.toml");
    check(&simulate(&["--policy", policy, "--decisions", "-"]), 2, "--decisions");
}
