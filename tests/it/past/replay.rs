//! `smista replay --since`: a day of decisions is proved, and one that was tampered with is found.

use serde_json::Value;
use smista::routing::Decision;
use sqlx::Connection as _;

use super::{a_day, json, smista, text};
use crate::support::{fresh_database, postgres_url};

const DAY: [&str; 5] = ["replay", "--since", "2026-05-14", "--until", "2026-05-15"];

/// The message whose decision is changed behind the program's back.
const TAMPERED: &str = "sample-01-1";

async fn tamper(url: &str, from: &str, to: &str, id: &str) -> u64 {
    let sql = "UPDATE decisions SET decision = replace(decision, $1, $2) WHERE decision_id = $3";
    if url.starts_with("sqlite:") {
        let mut connection = sqlx::SqliteConnection::connect(url).await.unwrap();
        let done = sqlx::query(sql).bind(from).bind(to).bind(id).execute(&mut connection).await.unwrap();
        done.rows_affected()
    } else {
        let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
        let done = sqlx::query(sql).bind(from).bind(to).bind(id).execute(&mut connection).await.unwrap();
        done.rows_affected()
    }
}

async fn proves_a_day(url: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let count = a_day(url, 6).await;
    assert!(count > 200, "more than a page: {count}");
    let run = |args: &[&str]| {
        let output = smista(path, &[&DAY[..], &["--state", url], args].concat());
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, out, err) = run(&["--json"]);
    assert_eq!(code, Some(0), "{out}{err}");
    let proof = json(&out);
    assert_eq!((proof["decisions"].as_u64(), proof["equal"].as_u64()), (Some(count), Some(count)), "{proof}");
    assert_eq!((&proof["different"]["count"], &proof["not_provable"]["count"]), (&0.into(), &0.into()));

    // Half a day is half of it.
    let noon =
        ["replay", "--since", "2026-05-14T12:00:00Z", "--until", "2026-05-15", "--state", url, "--json"];
    let afternoon = json(&text(&smista(path, &noon).stdout))["decisions"].as_u64().unwrap();
    assert!(afternoon.abs_diff(count / 2) <= 2, "{afternoon} of {count}");

    // One that cannot be read stops nothing, is told, and is no success.
    let broken = Decision::id_for("sample-02-1", 1).to_string();
    assert_eq!(tamper(url, "{\"schema\"", "{schema", &broken).await, 1);
    let (code, out, err) = run(&["--json"]);
    let proof = json(&out);
    assert_eq!((code, proof["equal"].as_u64()), (Some(1), Some(count - 1)), "{proof}");
    assert_eq!(proof["not_provable"]["reasons"]["unreadable"], 1);
    assert!(err.contains("1 stored decisions cannot be read") && err.contains(&broken), "{err}");
    assert_eq!(tamper(url, "{schema", "{\"schema\"", &broken).await, 1);

    let id = Decision::id_for(TAMPERED, 1).to_string();
    let changed = tamper(url, "\"supersedes\":null", &format!("\"supersedes\":\"{id}\""), &id).await;
    assert_eq!(changed, 1, "there is a message {TAMPERED}");
    let (code, out, _) = run(&["--json"]);
    assert_eq!(code, Some(1), "{out}");
    let proof = json(&out);
    assert_eq!((proof["equal"].as_u64(), proof["different"]["count"].as_u64()), (Some(count - 1), Some(1)));
    let first = &proof["different"]["first"][0];
    assert_eq!(
        (first["decision_id"].as_str(), first["message_id"].as_str()),
        (Some(id.as_str()), Some(TAMPERED))
    );
    assert!(
        proof["different"]["fields"].as_object().unwrap().keys().all(|field| field == "supersedes"),
        "{proof}"
    );
    let (code, out, _) = run(&[]);
    assert_eq!(code, Some(1));
    for part in ["1  different", "supersedes", &id, &format!("{}  equal", count - 1)] {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert!(!out.contains('\u{1b}'), "no colours outside a terminal");

    // What another policy decided proves nothing, and is no difference.
    let other =
        include_str!("../../../policy/default.toml").replace("name = \"default\"", "name = \"other\"");
    std::fs::write(path.join("other.toml"), other).unwrap();
    let (code, out, err) = run(&["--json", "--policy", "other.toml"]);
    assert_eq!(code, Some(0), "{out}{err}");
    let proof: Value = json(&out);
    assert_eq!(proof["not_provable"]["reasons"], serde_json::json!({ "other_policy": count }), "{proof}");
    let versions = proof["not_provable"]["versions"].as_object().unwrap();
    assert!(
        versions.len() == 1 && versions.keys().all(|name| name.starts_with("default@sha256:")),
        "{proof}"
    );

    // Neither does what was decided by other settings.
    std::fs::write(path.join("smista.toml"), "[journey]\nrepeat_days = 3\n").unwrap();
    let (code, out, err) = run(&["--json"]);
    assert_eq!(code, Some(0), "{out}{err}");
    let proof: Value = json(&out);
    assert_eq!(proof["not_provable"]["reasons"], serde_json::json!({ "other_settings": count }), "{proof}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_is_proved_and_tampering_found_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    proves_a_day(&format!("sqlite:{}", folder.path().join("past.db").display())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_is_proved_and_tampering_found_on_postgres() {
    let Some(server) = postgres_url() else { return };
    proves_a_day(&fresh_database(&server).await).await;
}

#[test]
fn wrong_use_is_told() {
    let folder = super::samples();
    let check = |args: &[&str], code: i32, words: &str| {
        let output = smista(folder.path(), &[&["replay"], args].concat());
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(words), "{args:?}: {said}");
    };
    let id = "b1946ac9-2b1e-5d3f-9c46-0d0f6b3b8f11";
    check(&[], 2, "--decision");
    check(&["--since", "1d", "--decision", id], 2, "cannot be used with");
    check(&["--until", "1d", "--decision", id], 2, "--until");
    check(&["--since", "yesterday"], 2, "30d");
    check(&["--since", "1d", "--until", "2d", "--state", "sqlite:past.db"], 2, "the span is empty");
    check(&["--since", "1d", "--state", "sqlite:none.db"], 2, "there is no database");
    check(
        &["--since", "2999-01-01", "--until", "2999-01-02", "--state", "sqlite:past.db"],
        0,
        "no decisions",
    );
}
