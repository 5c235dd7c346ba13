//! The journey map on the console: the table, its colours and links, what is asked for wrongly, and the same as JSON.

use axum::http::StatusCode;
use chrono::{TimeDelta, Utc};
use serde_json::Value;
use smista::config::Config;
use smista::console::{api, password};
use smista::journey::model::RiskLevel;
use smista::journey::spikes::{Bar, Topic, hour_of};
use smista::store::console::{ConsoleStore, Role, Scope, Seen, Token};
use smista::store::{self, Correction, Counted};
use uuid::Uuid;

use super::desk::{self, Desk, Said, request};
use crate::support::{fresh_database, postgres_url};

async fn call(desk: &Desk, name: &str, path: &str) -> (StatusCode, Value) {
    let secret = format!("{}{}", api::PREFIX, password::token());
    let token = Token { name: name.into(), scopes: vec![Scope::Read], created_at: Utc::now(), used_at: None };
    assert!(desk.store.add_token(&password::digest(&secret), &token).await.unwrap());
    let request = request("GET", path, None).header("authorization", format!("Bearer {secret}"));
    let answer = desk.send(request.body(axum::body::Body::empty()).unwrap()).await;
    (answer.status, serde_json::from_str(&answer.body).unwrap())
}

/// Six customers write in chat, at stage support.
async fn six(desk: &Desk) {
    for at in 0..6 {
        let mut said = Said::flagged(&format!("k{at}"), "Chiamo l'avvocato");
        said.customer = format!("c{at}");
        desk.decide(&said).await;
    }
}

#[tokio::test]
async fn the_map_has_a_number_a_colour_and_a_way_in_each_cell() {
    let desk = Desk::new().await;
    let viewer = desk.session(Role::Viewer).await;
    let empty = desk.get("/maps?range=7d", Some(&viewer)).await;
    assert_eq!(empty.status, StatusCode::OK);
    assert!(empty.body.contains("No contacts in this span") && !empty.body.contains("class=\"heat\""));
    six(&desk).await;
    let page = desk.get("/maps", Some(&viewer)).await.body;
    let cell = "<td class=\"much-4\"><a href=\"/queue?channel=chat&amp;stage=support\" \
        aria-label=\"6: support, chat. To the review queue\">6</a></td>";
    assert!(page.contains(cell), "{page}");
    assert!(page.contains("<ul class=\"legend\"") && page.contains("All figures as a table"));
    let queue = desk.get("/queue?channel=chat&stage=support", Some(&viewer)).await.body;
    assert_eq!(queue.matches("data-row").count(), 6, "the cell's link leads to them");
    for (by, told) in [("sentiment", "bad-3\"><a"), ("effort", "bad-1\"><a"), ("repeat_rate", "0 %</a>")] {
        let page = desk.get(&format!("/maps?by={by}"), Some(&viewer)).await.body;
        assert!(page.contains(told), "{by}: {page}");
    }
    let page = desk.get("/maps?by=first_contact_resolution", Some(&viewer)).await.body;
    assert!(page.contains(">–</a>"), "nothing to tell from: {page}");
    let narrowed = desk.get("/maps?channel=email", Some(&viewer)).await.body;
    assert!(narrowed.contains("No contacts in this span"));
    let narrowed = desk.get("/maps?language=IT&by=contacts", Some(&viewer)).await.body;
    assert!(narrowed.contains(">6</a>"));
}

#[tokio::test]
async fn what_is_asked_for_wrongly_is_named() {
    let desk = Desk::new().await;
    let viewer = desk.session(Role::Viewer).await;
    for (query, told, named) in [
        ("range=1y", "There is no such span", "range is one of 24h, 7d"),
        ("since=soon", "The first day is no day", "since is a day such as"),
        ("until=2026-13-01", "The last day is no day", "until is a day such as"),
        ("since=2026-05-02&until=2026-05-01", "The span is empty", "the span is empty"),
        ("channel=%3Cscript%3E", "There is no such channel", "channel is one of chat"),
        ("language=english", "A language is a code", "language is a code"),
    ] {
        let page = desk.get(&format!("/maps?{query}"), Some(&viewer)).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{query}");
        assert!(page.body.contains(told) && page.body.contains("role=\"alert\""), "{query}: {}", page.body);
        assert!(!page.body.contains("<script>"), "{query}");
        let (status, problem) = call(&desk, query, &format!("/api/v1/map?{query}")).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
        assert!(problem["detail"].as_str().unwrap().contains(named), "{query}: {problem}");
    }
    assert_eq!(desk.get("/maps?by=colour", Some(&viewer)).await.status, StatusCode::BAD_REQUEST);
    let (status, _) = call(&desk, "unknown", "/api/v1/map?colour=red").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn the_map_as_json_is_what_the_document_says() {
    let desk = Desk::new().await;
    six(&desk).await;
    let (status, map) = call(&desk, "one", "/api/v1/map?range=7d&language=it").await;
    assert_eq!(
        (status, &map["total"]["contacts"], &map["is_cut"]),
        (StatusCode::OK, &6.into(), &false.into())
    );
    super::api::as_told("/api/v1/map", "get", "200", &map);
    assert_eq!((&map["cells"][0]["stage"], &map["cells"][0]["channel"]), (&"support".into(), &"chat".into()));
    // A sentiment is kept in thousandths.
    assert_eq!(map["total"]["sentiment"], Value::from(-0.6));
    let (_, none) = call(&desk, "two", "/api/v1/map?since=2020-01-01&until=2020-02-01").await;
    assert_eq!((&none["total"]["contacts"], &none["total"]["effort"]), (&0.into(), &Value::Null));
    super::api::as_told("/api/v1/map", "get", "200", &none);
}

#[tokio::test]
async fn a_span_that_is_too_full_begins_later() {
    let desk = Desk::new().await;
    six(&desk).await;
    let (since, until) = (Utc::now() - TimeDelta::days(1), Utc::now());
    assert_eq!(desk.store.map_begins(since, until, 6).await.unwrap(), None);
    let begins = desk.store.map_begins(since, until, 4).await.unwrap().expect("there are six");
    let rows = desk.store.map_rows(begins, until, None, 100).await.unwrap();
    assert_eq!(rows.len(), 4, "the latest four");
}

#[tokio::test]
async fn a_timeline_goes_across_conversations_and_is_written_down() {
    let desk = Desk::new().await;
    let viewer = desk.session(Role::Viewer).await;
    for (conversation, customer, text, hours) in [
        ("k1", "c-1", "Dov'è il pacco?", 30),
        ("k2/ü", "c-1", "<script>alert(1)</script> ancora niente", 2),
        ("k3", "c-2", "un altro cliente", 1),
    ] {
        let mut said = Said::flagged(conversation, text);
        (said.customer, said.at) = (customer.to_owned(), Utc::now() - TimeDelta::hours(hours));
        desk.decide(&said).await;
    }
    let conversation = desk.get("/conversation/k1", Some(&viewer)).await.body;
    assert!(conversation.contains("href=\"/conversation/k1/timeline\""), "{conversation}");
    let page = desk.get("/conversation/k1/timeline", Some(&viewer)).await;
    assert_eq!(page.status, StatusCode::OK);
    let body = page.body;
    let (first, then) =
        (body.find("Dov&#39;è il pacco?").or(body.find("Dov'è il pacco?")), body.find("ancora niente"));
    assert!(first.is_some() && first < then, "oldest first: {body}");
    assert!(body.contains("href=\"/conversation/k2%2F%C3%BC\"") && !body.contains("<script>alert"), "{body}");
    assert!(!body.contains("un altro cliente"), "{body}");
    assert!(
        body.contains("<polyline") && body.contains("2: 2 chat") && body.contains("No goal is known."),
        "{body}"
    );

    let log = desk.store.accesses(10).await.unwrap();
    let told: Vec<_> =
        log.iter().map(|line| (line.account.as_str(), line.conversation_id.as_str(), line.what)).collect();
    assert_eq!(told, [("viewer", "k1", Seen::Timeline), ("viewer", "k1", Seen::Conversation)]);
    let admin = desk.session(Role::Admin).await;
    let access = desk.get("/access", Some(&admin)).await.body;
    assert!(access.contains("k1 · timeline of the customer"), "{access}");
    assert_eq!(desk.get("/conversation/none/timeline", Some(&viewer)).await.status, StatusCode::NOT_FOUND);
    assert_eq!(desk.store.accesses(10).await.unwrap().len(), 2, "nothing was seen of it");
}

/// Those who may leave, topics, a rise, and what was said of two messages.
async fn goes_on(store: &dyn ConsoleStore) {
    let now = Utc::now();
    let counted = |name: &str, needed| Counted {
        topic: if name == "router" { Topic::phrase(name) } else { Topic::intent(name) },
        hour: hour_of(now),
        bar: Some(Bar { needed, expected: 0.5 }),
    };
    for (customer, risks, topics) in [
        ("c1", vec!["medium"], vec![counted("complaint", 99), counted("technical.outage", 1)]),
        ("c2", vec!["medium", "high"], vec![counted("complaint", 99)]),
        ("c3", vec!["high", "low"], vec![counted("router", 99)]),
        ("c4", vec!["low"], vec![]),
    ] {
        for (turn, risk) in (1..).zip(risks) {
            let mut said = Said::flagged(&format!("k-{customer}"), "<b>router</b> spento");
            (said.customer, said.risk) = (customer.to_owned(), risk);
            said.at = now - TimeDelta::minutes(10 - turn);
            said.topics = if turn == 1 { topics.clone() } else { Vec::new() };
            desk::decide(store, &said).await;
        }
    }
    for (customer, intents) in [("c1", None), ("c2", Some(vec!["praise".to_owned()]))] {
        let reviewed = store.conversation(&format!("k-{customer}")).await.unwrap().unwrap();
        for minutes in [2, 1] {
            let correction = Correction {
                correction_id: Uuid::new_v4(),
                message_id: reviewed.messages[0].1.message_id.clone(),
                corrected_at: now - TimeDelta::minutes(minutes),
                corrected_by: "ada".to_owned(),
                sentiment: None,
                intents: intents.clone(),
                stage: None,
                priority: None,
                queue: None,
                note: None,
            };
            assert!(store.correct(correction).await.unwrap());
        }
    }
}

async fn what_goes_on(store: &dyn ConsoleStore) {
    goes_on(store).await;
    let (since, until) = (Utc::now() - TimeDelta::days(2), Utc::now() + TimeDelta::hours(2));
    let risks = store.risks(10).await.unwrap();
    let told: Vec<_> = risks.iter().map(|risk| (risk.customer.as_str(), risk.level)).collect();
    assert_eq!(told, [("c2", RiskLevel::High), ("c1", RiskLevel::Medium)], "the latest message counts");
    assert_eq!((risks[0].conversation_id.as_str(), risks[0].experience), ("k-c2", 60));
    assert_eq!(store.risks(1).await.unwrap().len(), 1);
    let intents = store.intents_by_day(since, until).await.unwrap();
    let told: Vec<_> = intents.iter().map(|(intent, _, count)| (intent.as_str(), *count)).collect();
    assert_eq!(told, [("complaint", 2), ("technical.outage", 1)], "and no phrase");
    assert_eq!(store.intents_by_day(since - TimeDelta::days(2), since).await.unwrap(), []);
    let spikes = store.latest_spikes(since, until, 5).await.unwrap();
    assert_eq!((spikes.len(), spikes[0].topic.name(), spikes[0].count), (1, "technical.outage", 1));
    assert!(store.latest_spikes(since, until, 0).await.unwrap().is_empty());
    assert!(store.latest_spikes(since - TimeDelta::days(2), since, 5).await.unwrap().is_empty());
    let judged = store.judged(since, 10).await.unwrap();
    assert_eq!(judged.len(), 2, "each message once: {judged:?}");
    assert!(judged.iter().all(|one| one.correction.message_id == one.decision.message_id));
    assert_eq!(store.judged(since, 1).await.unwrap().len(), 1);
    assert_eq!(store.judged(until, 10).await.unwrap(), []);
    assert_eq!(store.customer_of("k-c1").await.unwrap().as_deref(), Some("c1"));
    assert_eq!(store.customer_of("none").await.unwrap(), None);
    let begins = store.map_begins(since, until, 2).await.unwrap().expect("there are six");
    assert_eq!(store.map_rows(begins, until, None, 10).await.unwrap().len(), 2);
    // A risk goes with its message, and that stays until the event of the rise is out.
    let unsent: Vec<String> = store.unsent(until, 10).await.unwrap().into_iter().map(|row| row.id).collect();
    store.mark_sent(&unsent, Utc::now()).await.unwrap();
    store.purge(until).await.unwrap();
    assert!(store.risks(10).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_goes_on_on_sqlite() {
    what_goes_on(&*Desk::new().await.store).await;
}

#[tokio::test]
async fn what_goes_on_on_postgres() {
    let Some(url) = postgres_url() else { return };
    let mut config = Config::load(None).unwrap().store;
    config.url = fresh_database(&url).await;
    what_goes_on(&*store::open_console(&config).await.unwrap()).await;
}

#[tokio::test]
async fn topics_churn_and_agreement_are_tables() {
    let desk = Desk::new().await;
    let viewer = desk.session(Role::Viewer).await;
    for (path, told) in [
        ("/maps/topics", "Nothing was counted in these days"),
        ("/maps/churn", "Nobody is about to leave"),
        ("/maps/agreement", "Nobody has confirmed or corrected anything"),
    ] {
        let page = desk.get(path, Some(&viewer)).await;
        assert!(page.status == StatusCode::OK && page.body.contains(told), "{path}: {}", page.body);
    }
    let page = desk.get("/maps/topics?day=soon", Some(&viewer)).await;
    assert!(page.status == StatusCode::BAD_REQUEST && page.body.contains("role=\"alert\""), "{}", page.body);

    goes_on(&*desk.store).await;
    let page = desk.get("/maps/topics", Some(&viewer)).await.body;
    assert!(page.contains("<td class=\"much-4\"><span>2</span></td>"), "{page}");
    assert!(page.contains("<h3>technical.outage ") && page.contains("<strong>1</strong>"), "{page}");
    let past = desk.get("/maps/topics?day=2020-01-01", Some(&viewer)).await.body;
    assert!(past.contains("Nothing was counted in these days"));
    let page = desk.get("/maps/churn", Some(&viewer)).await.body;
    let (high, medium) =
        (page.find("/conversation/k%2Dc2/timeline"), page.find("/conversation/k%2Dc1/timeline"));
    assert!(high.is_some() && high < medium && !page.contains("k%2Dc3"), "{page}");
    assert!(page.contains("<span class=\"chip\">says so</span>"), "{page}");
    let page = desk.get("/maps/agreement", Some(&viewer)).await.body;
    // Two were judged, one confirmed, one intent corrected; two are too few for a share.
    let row = "<td>2</td><td>1</td><td>1</td><td>–</td><td>–</td>";
    assert!(page.contains(&format!("<th scope=\"row\">complaint</th>{row}")), "{page}");
}

#[tokio::test]
async fn timelines_and_who_may_leave_as_json() {
    let desk = Desk::new().await;
    goes_on(&*desk.store).await;
    let (status, churn) = call(&desk, "churn", "/api/v1/churn").await;
    assert_eq!((status, &churn["is_cut"]), (StatusCode::OK, &false.into()));
    super::api::as_told("/api/v1/churn", "get", "200", &churn);
    assert_eq!(
        (&churn["customers"][0]["customer"], &churn["customers"][0]["level"]),
        (&"c2".into(), &"high".into())
    );
    let (status, timeline) = call(&desk, "timeline", "/api/v1/conversations/k-c1/timeline").await;
    assert_eq!(
        (status, &timeline["customer"], &timeline["messages"]),
        (StatusCode::OK, &"c1".into(), &1.into())
    );
    super::api::as_told("/api/v1/conversations/{id}/timeline", "get", "200", &timeline);
    assert_eq!(timeline["moments"][0]["events"][0]["event"], "topic_spike", "{timeline}");
    let log = desk.store.accesses(10).await.unwrap();
    assert_eq!((log.len(), log[0].account.as_str(), log[0].what), (1, "api:timeline", Seen::Timeline));
    let (status, _) = call(&desk, "none", "/api/v1/conversations/none/timeline").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}
