//! The queue: its order and pages on both databases, what filters find, and news as they come.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use smista::config::Config;
use smista::store;
use smista::store::console::{Act, ConsoleStore, Filter, Note, Role, Sorting};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::desk::{Desk, Said, decide};
use crate::support::{fresh_database, postgres_url};

async fn pages_follow_each_other(store: &dyn ConsoleStore) {
    let levels = ["urgent", "high", "normal", "low"];
    for at in 0..25 {
        let mut said = Said::flagged(&format!("k{at}"), "ciao");
        (said.customer, said.priority) = (format!("c{at}"), levels[at % 4]);
        // Some are due at the same moment, some never.
        said.due = (at % 5 != 0).then(|| Utc::now() + TimeDelta::minutes(i64::try_from(at / 3).unwrap()));
        decide(store, &said).await;
    }
    let mut plain = Said::flagged("plain", "ciao");
    (plain.customer, plain.flags) = ("c-plain".into(), Vec::new());
    decide(store, &plain).await;
    for sorting in [Sorting::Urgent, Sorting::Newest] {
        let filter = Filter { sorting, ..Filter::default() };
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = store.queue(&filter, after.as_ref(), 7).await.unwrap();
            assert!(page.items.len() <= 7 && !page.is_cut);
            seen.extend(page.items);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let names: BTreeSet<_> = seen.iter().map(|item| item.conversation_id.clone()).collect();
        assert_eq!((seen.len(), names.len()), (25, 25), "each once, and nothing that is not flagged");
        match sorting {
            Sorting::Urgent => {
                let rank = |name: &str| levels.iter().position(|level| *level == name).unwrap();
                assert!(seen.is_sorted_by_key(|item| rank(&item.priority)));
                let urgent: Vec<_> = seen.iter().filter(|item| item.priority == "urgent").collect();
                let due = |at: usize| urgent[at].due_at.map_or(i64::MAX, |due| due.timestamp_millis());
                assert!((1..urgent.len()).all(|at| due(at - 1) <= due(at)), "{urgent:?}");
            }
            Sorting::Newest => assert!(seen.is_sorted_by(|a, b| a.decided_at >= b.decided_at)),
        }
    }
    // A filter without an index looks through so many and says where to go on; nothing is left out, none comes twice.
    for sorting in [Sorting::Urgent, Sorting::Newest] {
        let whole = Filter { sorting, language: "it".into(), ..Filter::default() };
        let all = store.queue(&whole, None, 100).await.unwrap();
        assert!(all.next.is_none() && !all.is_cut);
        for (look_through, limit) in [(4, 7), (10, 3), (25, 100), (26, 100), (1, 1)] {
            let filter = Filter { look_through: Some(look_through), ..whole.clone() };
            let (mut seen, mut after, mut pages) = (Vec::new(), None, 0);
            loop {
                let page = store.queue(&filter, after.as_ref(), limit).await.unwrap();
                let most = limit.min(look_through) as usize;
                assert!(page.items.len() <= most && (!page.is_cut || page.next.is_some()));
                seen.extend(page.items);
                (after, pages) = (page.next, pages + 1);
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(seen, all.items, "{look_through} {limit} in {pages} pages");
        }
        let nobody = Filter { text: "quokka".into(), look_through: Some(10), ..whole };
        let page = store.queue(&nobody, None, 7).await.unwrap();
        assert!(page.items.is_empty() && page.is_cut && page.next.is_some());
    }
    let count = async |filter: Filter| store.queue_count(&filter, 100).await.unwrap();
    assert_eq!(count(Filter::default()).await, 25);
    assert_eq!(count(Filter { priority: "urgent".into(), ..Filter::default() }).await, 7);
    assert_eq!(store.queue_count(&Filter::default(), 10).await.unwrap(), 10, "counted no further");
}

async fn filters_find(store: &dyn ConsoleStore) {
    let mut said = Said::flagged("wanted", "Perché il 50% del Prezzo_Pieno?");
    (said.customer, said.queue) = ("c-wanted".into(), "billing".into());
    decide(store, &said).await;
    let found = async |filter: Filter| {
        let found = store.queue(&filter, None, 100).await.unwrap();
        found.items.into_iter().map(|item| item.conversation_id).collect::<Vec<_>>()
    };
    for (text, expected) in
        [("PERCHÉ", true), ("50%", true), ("prezzo_", true), ("5%0", false), ("prezzo.pieno", false)]
    {
        let names = found(Filter { text: text.into(), ..Filter::default() }).await;
        assert_eq!(names.contains(&"wanted".to_owned()), expected, "{text}: {names:?}");
    }
    assert_eq!(found(Filter { queue: "billing".into(), ..Filter::default() }).await, ["wanted"]);
    for signal in ["leg", "%", "legal legal"] {
        assert!(found(Filter { signal: signal.into(), ..Filter::default() }).await.is_empty(), "{signal}");
    }
    let all = Filter {
        signal: "legal".into(),
        channel: "chat".into(),
        stage: "support".into(),
        ..Filter::default()
    };
    assert!(found(all).await.contains(&"wanted".to_owned()));

    let note = |act, text: &str| Note { at: Utc::now(), account: "ada".into(), act, text: text.into() };
    assert!(!store.note("no such", &note(Act::Resolve, "")).await.unwrap());
    store.note("wanted", &note(Act::Assign, "ada")).await.unwrap();
    assert_eq!(found(Filter { assignee: "ada".into(), ..Filter::default() }).await, ["wanted"]);
    store.note("wanted", &note(Act::Resolve, "")).await.unwrap();
    assert!(!found(Filter::default()).await.contains(&"wanted".to_owned()));
    assert_eq!(found(Filter { done: true, ..Filter::default() }).await, ["wanted"]);
    said.at = Utc::now();
    decide(store, &said).await;
    let reopened = store.conversation("wanted").await.unwrap().unwrap();
    assert_eq!((reopened.item.status.as_str(), reopened.item.assignee.as_str()), ("reopened", "ada"));
    assert_eq!((reopened.messages.len(), reopened.notes.len()), (2, 2));
}

#[tokio::test]
async fn the_queue_on_sqlite() {
    let desk = Desk::new().await;
    pages_follow_each_other(&*desk.store).await;
    filters_find(&*desk.store).await;
}

#[tokio::test]
async fn the_queue_on_postgres() {
    let Some(url) = postgres_url() else { return };
    let mut config = Config::load(None).unwrap().store;
    config.url = fresh_database(&url).await;
    let store = store::open_console(&config).await.unwrap();
    pages_follow_each_other(&*store).await;
    filters_find(&*store).await;
}

#[tokio::test]
async fn what_was_decided_before_there_was_a_queue_is_put_into_it() {
    let desk = Desk::new().await;
    desk.decide(&Said::flagged("k1", "ciao")).await;
    let reviewed = desk.store.conversation("k1").await.unwrap().unwrap();
    let (interaction, decision) = &reviewed.messages[0];
    // Again: nothing changes.
    desk.store.index(decision, interaction).await.unwrap();
    assert_eq!(desk.store.conversation("k1").await.unwrap().unwrap(), reviewed);
    // Purged in between: it stays away.
    desk.store.purge(Utc::now() + TimeDelta::days(1)).await.unwrap();
    desk.store.index(decision, interaction).await.unwrap();
    assert!(desk.store.conversation("k1").await.unwrap().is_none());
}

#[tokio::test]
async fn a_page_hears_of_what_is_new() {
    let desk = Desk::new().await;
    let token = desk.session(Role::Viewer).await;
    let (address, serving) = smista::console::serve(desk.console.clone()).await.unwrap();
    let mut line = tokio::net::TcpStream::connect(address).await.unwrap();
    let asked = format!("GET /live HTTP/1.1\r\nHost: {address}\r\nCookie: smista={token}\r\n\r\n");
    line.write_all(asked.as_bytes()).await.unwrap();
    let mut heard = String::new();
    let mut hear = async |wanted: &str| {
        let mut buffer = [0; 4096];
        while !heard.contains(wanted) {
            let read = tokio::time::timeout(Duration::from_secs(20), line.read(&mut buffer)).await;
            let read = read.unwrap_or_else(|_| panic!("no {wanted} in {heard}")).unwrap();
            assert!(read > 0, "closed after {heard}");
            heard.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
    };
    hear("text/event-stream").await;
    let mut said = Said::flagged("brand-new", "ciao");
    said.at = Utc::now();
    desk.decide(&said).await;
    hear("event: news").await;
    hear("\"id\":\"brand-new\"").await;
    // Stopping does not wait for those who listen.
    desk.stop.cancel();
    drop(line);
    tokio::time::timeout(Duration::from_secs(20), serving).await.unwrap().unwrap();
}
