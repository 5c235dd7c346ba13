//! Where a canary differs, as the page tells it.

use axum::http::StatusCode;
use chrono::Utc;
use smista::routing::canary::{Aspect, Comparison, Difference};
use smista::store::console::Role;

use super::desk::{Desk, Said};

fn difference(aspect: Aspect, live: &str, shadow: &str) -> Difference {
    Difference { aspect, live: live.to_owned(), shadow: shadow.to_owned() }
}

#[tokio::test]
async fn the_page_tells_how_often_in_which_ways_and_where() {
    let desk = Desk::new().await;
    let viewer = desk.session(Role::Viewer).await;
    let empty = desk.get("/canary", Some(&viewer)).await;
    assert_eq!(empty.status, StatusCode::OK);
    assert!(empty.body.contains("Nothing has been compared"));
    for conversation in ["k1", "k<2"] {
        desk.decide(&Said::flagged(conversation, "ciao")).await;
    }
    let made: Vec<Comparison> = (desk.store.recent_decisions(2).await.unwrap().into_iter())
        .map(|decision| Comparison {
            message_id: decision.message_id,
            differences: match decision.conversation_id.as_str() {
                "k1" => Vec::new(),
                _ => vec![
                    difference(Aspect::Queue, "billing", "<b>"),
                    difference(Aspect::Priority, "normal", "urgent"),
                ],
            },
            conversation_id: decision.conversation_id,
            decided_at: Utc::now(),
            live: "core@sha256:0123456789abcdef default@sha256:aaaa".to_owned(),
            shadow: "core@sha256:0123456789abcdef default@sha256:bbbbbbbbbbbb".to_owned(),
            live_rules: "old".to_owned(),
            shadow_rules: "new".to_owned(),
        })
        .collect();
    desk.store.compare(&made).await.unwrap();
    let page = desk.get("/canary", Some(&viewer)).await.body;
    assert!(page.contains("<strong>2</strong>") && page.contains("<strong>1</strong> (50.0 %)"), "{page}");
    assert!(page.contains("default@bbbbbbbb<") && page.contains("/conversation/k%3C2"), "{page}");
    assert!(page.contains("&lt;b&gt;") && !page.contains("<b>"), "{page}");
    assert!(page.contains("old → new"), "{page}");
    let narrowed = desk.get("/canary?pair=0&aspect=action", Some(&viewer)).await.body;
    assert!(narrowed.contains("No difference.") && !narrowed.contains("/conversation/"), "{narrowed}");
    let narrowed = desk.get("/canary?aspect=priority", Some(&viewer)).await.body;
    assert!(narrowed.contains("/conversation/k%3C2"));
    for (query, status) in [("pair=7", 404), ("pair=x", 400), ("aspect=x", 400)] {
        let answer = desk.get(&format!("/canary?{query}"), Some(&viewer)).await;
        assert_eq!(answer.status.as_u16(), status, "{query}");
    }
}
