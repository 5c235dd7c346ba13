//! The policy in force, and another one tried out: who may, what is told, what is refused.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use chrono::{TimeDelta, Utc};
use smista::routing::Policy;
use smista::routing::compile::DEFAULT;
use smista::store::console::{Operated, Role};

use super::desk::{Desk, Said};

fn form(csrf: &str, text: &str, days: &str) -> String {
    let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("csrf={csrf}&days={days}&text={encoded}")
}

#[tokio::test]
async fn the_policy_in_force_is_shown_with_its_tests_and_history() {
    let desk = Desk::new().await;
    let viewer = desk.session(Role::Viewer).await;
    let page = desk.get("/policy", Some(&viewer)).await;
    assert_eq!(page.status, StatusCode::OK);
    let policy = Policy::embedded_default().unwrap();
    assert!(page.body.contains(&policy.id()) && page.body.contains("Nothing has been decided yet."));
    let rules = policy.listed().count();
    assert!(rules > 5 && policy.listed().all(|rule| page.body.contains(&format!("<td>{}</td>", rule.name))));
    assert!(page.body.contains(" passed · 0 failed"), "its own tests pass");
    assert!(!page.body.contains("<textarea"), "a viewer tries nothing out");
    desk.decide(&Said::flagged("k1", "ciao")).await;
    let page = desk.get("/policy", Some(&viewer)).await.body;
    assert!(page.contains("made by another policy than this console has"), "{page}");
    assert!(page.contains("<code>p</code>"), "the test's decision names it");
}

#[tokio::test]
async fn another_policy_is_tried_out() {
    let desk = Desk::new().await;
    for conversation in ["k1", "k/2"] {
        let mut said = Said::flagged(conversation, "Voglio parlare con <b>qualcuno</b>");
        (said.customer, said.at) = (conversation.to_owned(), Utc::now() - TimeDelta::hours(2));
        desk.decide(&said).await;
    }
    let operator = desk.session(Role::Operator).await;
    let csrf = desk.csrf(&operator).await;
    let wrong = DEFAULT.replacen("when = '", "when = 'no_such_fact && ", 1);
    let refused = desk.post("/policy/simulations", Some(&operator), &form(&csrf, &wrong, "7")).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let line = 1 + wrong[..wrong.find("no_such_fact").unwrap()].matches('\n').count();
    assert!(refused.body.contains(&format!("policy.toml:{line}:")), "{}", refused.body);
    for (text, days) in [(" ", "7"), (DEFAULT, "0"), (DEFAULT, "91"), (DEFAULT, "x")] {
        let answer = desk.post("/policy/simulations", Some(&operator), &form(&csrf, text, days)).await;
        assert!(answer.status.is_client_error(), "{days}: {}", answer.status);
    }
    assert!(desk.store.operations(10).await.unwrap().is_empty());

    let rule = "\n[[rules]]\nname = \"everything-now\"\nwhen = \"true\"\npriority = \"urgent\"\nreason = \"A try\"\n";
    let new = format!("{DEFAULT}{rule}");
    let sent = form(&csrf, &new.replace('\n', "\r\n"), "7");
    let begun = desk.post("/policy/simulations", Some(&operator), &sent).await;
    assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.body);
    let until = Instant::now() + Duration::from_secs(60);
    let page = loop {
        let page = desk.get(begun.header("location"), Some(&operator)).await;
        assert_eq!(page.status, StatusCode::OK);
        if page.header("refresh").is_empty() {
            break page.body;
        }
        assert!(Instant::now() < until, "{}", page.body);
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(page.contains("<strong>2</strong> of 2 decisions change"), "{page}");
    assert!(page.contains("href=\"/conversation/k%2F2\"") && page.contains("everything-now"), "{page}");
    assert!(
        page.contains("<ins>+ name = &quot;everything-now&quot;") && page.contains("class=\"pair-chart\""),
        "{page}"
    );
    assert!(!page.contains("<b>qualcuno"), "escaped");
    let log = desk.store.operations(10).await.unwrap();
    let id = Policy::from_text(&new, "new").unwrap().id();
    assert_eq!((log.len(), log[0].act, &log[0].target), (1, Operated::Simulate, &id));
    let viewer = desk.session(Role::Viewer).await;
    assert_eq!(desk.get(begun.header("location"), Some(&viewer)).await.status, StatusCode::FORBIDDEN);
    assert_eq!(desk.get("/policy/simulations/none", Some(&operator)).await.status, StatusCode::NOT_FOUND);
}
