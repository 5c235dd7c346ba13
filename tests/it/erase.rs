//! `smista erase`: a customer leaves every table, every queue and the database file, stays away when messages come late,
//! and may come back. Which tables there are is asked of the database, so a new one that holds a name fails here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use lapin::options::BasicConsumeOptions;
use lapin::types::FieldTable;
use serde_json::{Value, json};
use smista::interaction::hash_identity;
use smista::store::{self, Correction, Store};
use sqlx::{Connection as _, Row as _};

use crate::support::bench::{depth, eventually_holds, produce};
use crate::support::process::Workspace;
use crate::support::rabbit::{Stage, on_stage};
use crate::support::{fresh_database, postgres_url};

const KEY: &[u8] = b"change-me";

/// Every table of the database with all its values, whatever it has.
pub async fn all_rows(url: &str) -> BTreeMap<String, Vec<String>> {
    let mut tables = BTreeMap::new();
    if url.starts_with("sqlite:") {
        let mut connection = sqlx::SqliteConnection::connect(url).await.unwrap();
        let names =
            sqlx::query("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
        for table in names.fetch_all(&mut connection).await.unwrap() {
            let table: String = table.get(0);
            let sql = format!("SELECT name FROM pragma_table_info('{table}')");
            let columns = sqlx::query(&sql).fetch_all(&mut connection).await.unwrap();
            let all: Vec<String> = columns
                .iter()
                .map(|column| format!("CAST(\"{}\" AS BLOB)", column.get::<String, _>(0)))
                .collect();
            let sql = format!("SELECT {} FROM \"{table}\"", all.join(", "));
            let rows = sqlx::query(&sql).fetch_all(&mut connection).await.unwrap();
            let text = |row: &sqlx::sqlite::SqliteRow| {
                let values = (0..all.len()).map(|at| row.get::<Option<Vec<u8>>, _>(at).unwrap_or_default());
                values
                    .map(|value| String::from_utf8_lossy(&value).into_owned())
                    .collect::<Vec<_>>()
                    .join(" | ")
            };
            tables.insert(table, rows.iter().map(text).collect());
        }
    } else {
        let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
        let names = sqlx::query(
            "SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables \
             WHERE table_schema NOT IN ('pg_catalog', 'information_schema')",
        );
        for table in names.fetch_all(&mut connection).await.unwrap() {
            let table: String = table.get(0);
            let sql = format!("SELECT t::text FROM {table} t");
            let rows = sqlx::query(&sql).fetch_all(&mut connection).await.unwrap();
            let name = table.trim_start_matches("public.").to_owned();
            tables.insert(name, rows.iter().map(|row| row.get(0)).collect());
        }
    }
    tables
}

/// The tables in which any of the names stands.
async fn tables_with(url: &str, names: &[String]) -> BTreeSet<String> {
    let named = |rows: &Vec<String>| rows.iter().any(|row| names.iter().any(|name| row.contains(name)));
    all_rows(url).await.into_iter().filter(|(_, rows)| named(rows)).map(|(table, _)| table).collect()
}

/// The queues of the topology in which any of the names stands, headers included; all go back afterwards.
async fn queues_with(stage: &Stage, names: &[String]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for queue in &stage.topology.queues {
        let wanted = depth(stage, &queue.name).await;
        let channel = stage.admin.create_channel().await.unwrap();
        let mut messages = channel
            .basic_consume(
                queue.name.as_str().into(),
                "walk".into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            )
            .await
            .unwrap();
        for _ in 0..wanted {
            let message = tokio::time::timeout(Duration::from_secs(20), messages.next()).await.unwrap();
            let message = message.unwrap().unwrap();
            let text = format!(
                "{} {:?} {}",
                String::from_utf8_lossy(&message.data),
                message.properties,
                message.routing_key
            );
            if names.iter().any(|name| text.contains(name)) {
                found.insert(queue.name.clone());
            }
        }
        channel.close(200, "done".into()).await.unwrap();
        eventually_holds(stage, &queue.name, wanted).await;
    }
    found
}

struct Someone {
    customer: String,
    mail: String,
    conversations: [String; 2],
}

impl Someone {
    fn new(name: &str) -> Self {
        let own = uuid::Uuid::new_v4().simple().to_string();
        Self {
            customer: format!("c-{name}-{own}"),
            mail: format!("{name}-{own}@example.org"),
            conversations: [format!("k1-{name}-{own}"), format!("k2-{name}-{own}")],
        }
    }

    fn id(&self, n: usize) -> String {
        format!("m{n}-{}", self.customer)
    }

    /// Every name under which something of theirs could be kept.
    fn names(&self) -> Vec<String> {
        let hash = hash_identity(&format!("mailto:{}", self.mail), KEY).unwrap();
        let mut names = vec![self.customer.clone(), self.mail.clone(), hash];
        names.extend(self.conversations.clone());
        names.extend(late_names(self));
        names
    }

    fn message(&self, n: usize, named: bool, sent_at: &str) -> Value {
        let mut message = json!({
            "schema": "smista.interaction.v1", "message_id": self.id(n), "conversation_id": self.conversations[n % 2],
            "identities": [format!("mailto:{}", self.mail)], "channel": "chat", "sent_at": sent_at,
            "text": "I was charged twice, I want my money back and will cancel my contract",
        });
        if named {
            message["customer_id"] = self.customer.clone().into();
        }
        message
    }

    async fn send(&self, stage: &Stage, message: &Value) {
        let id = message["message_id"].as_str().unwrap();
        produce(stage, &self.customer, id, message.to_string().as_bytes()).await;
    }
}

/// Ids made here that hold no other name.
fn late_names(someone: &Someone) -> Vec<String> {
    vec![format!("only-{}", &someone.customer[2..])]
}

fn erase(workspace: &Workspace, args: &[&str]) -> Value {
    let output = workspace.smista(&[&["erase", "--json"], args].concat());
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    serde_json::from_str(&out).unwrap()
}

/// A worker that works until `done` says so, given its log.
async fn work(workspace: &Workspace, name: &str, done: impl AsyncFn(String) -> bool) {
    let mut worker = workspace.worker(name);
    worker.wait_connected(Duration::from_secs(20));
    let until = std::time::Instant::now() + Duration::from_secs(40);
    while !done(worker.log()).await {
        assert!(std::time::Instant::now() < until, "{}", worker.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(worker.terminate(Duration::from_secs(30)), Some(0));
}

async fn a_customer_leaves_everything(stage: Arc<Stage>, store_url: Option<&str>) {
    let workspace = Workspace::new(&stage.config.url, &stage.topology.prefix, 1, store_url);
    let sqlite = format!("sqlite:{}", workspace.path().join("smista.db").display());
    let url = store_url.unwrap_or(&sqlite);
    let (anna, bruno) = (Someone::new("anna"), Someone::new("bruno"));
    let before = "2026-05-01T10:00:00Z";

    for someone in [&anna, &bruno] {
        // The first comes while nobody knows whose conversation it is: a stand-in, taken over by the second.
        someone.send(&stage, &someone.message(0, false, before)).await;
        for n in 1..5 {
            someone.send(&stage, &someone.message(n, true, before)).await;
        }
        let mut refused = someone.message(5, true, before);
        refused["text"] = "".into();
        someone.send(&stage, &refused).await;
        let unreadable = format!("{{not json, but of {}", someone.mail);
        produce(&stage, &someone.customer, &late_names(someone)[0], unreadable.as_bytes()).await;
    }
    let config = config(url);
    let decided = async |messages| {
        let store = store::open(&config).await.unwrap();
        store.counts().await.unwrap().messages >= messages
    };
    work(&workspace, "first", async |_| decided(10).await).await;
    let parked = stage.topology.parked_queue();
    eventually_holds(&stage, &parked, 4).await;
    let unrouted = format!("{}.unrouted", stage.topology.prefix);
    assert!(depth(&stage, &unrouted).await >= 10, "nobody has bound the decisions");
    let store = store::open(&config).await.unwrap();
    correct(&*store, &anna).await;
    correct(&*store, &bruno).await;
    drop(store);

    // A walk that finds nothing proves nothing unless it has found it all before.
    let everywhere = [
        "corrections",
        "customers",
        "decisions",
        "identities",
        "inbox",
        "map_contacts",
        "customer_risks",
        "outbox",
        "review",
        "review_messages",
    ]
    .map(str::to_owned);
    assert_eq!(tables_with(url, &anna.names()).await, BTreeSet::from(everywhere.clone()));
    let full = BTreeSet::from([parked.clone(), unrouted.clone()]);
    assert_eq!(queues_with(&stage, &anna.names()).await, full);

    let mail = format!("mailto:{}", anna.mail);
    let args = ["--customer", &anna.customer, "--identity", &mail];
    let all = all_rows(url).await;
    let would = erase(&workspace, &[&args[..], &["--dry-run"]].concat());
    assert_eq!(all_rows(url).await, all, "a dry run changes nothing");
    assert_eq!(would["tables"]["inbox"], 5);
    let gone = erase(&workspace, &args);
    assert_eq!(
        (&gone["tables"], &gone["queues"], &gone["unpublished"]),
        (&would["tables"], &would["queues"], &would["unpublished"])
    );
    assert_eq!(gone["tables"]["corrections"], 1, "{gone}");
    assert_eq!(gone["queues"][&parked], 2, "{gone}");

    let gone_from_tables = |url: String| {
        let names = anna.names();
        async move { assert_eq!(tables_with(&url, &names).await, BTreeSet::new()) }
    };
    gone_from_tables(url.to_owned()).await;
    assert_eq!(queues_with(&stage, &anna.names()).await, BTreeSet::new());
    assert_eq!(tables_with(url, &bruno.names()).await, BTreeSet::from(everywhere), "others stay");
    assert_eq!(queues_with(&stage, &bruno.names()).await, full);
    if store_url.is_none() {
        for file in ["smista.db", "smista.db-wal"] {
            let bytes = std::fs::read(workspace.path().join(file)).unwrap_or_default();
            for name in anna.names() {
                let found = bytes.windows(name.len()).any(|window| window == name.as_bytes());
                assert!(!found, "{name} is still in {file}");
            }
        }
    }
    let records = all_rows(url).await["erasures"].join("\n").replace('"', "");
    assert!(records.contains("inbox:5") && records.contains(&parked), "{records}");

    // Late: a redelivery, a message never seen, and one that names only the conversation. All sent before.
    anna.send(&stage, &anna.message(1, true, before)).await;
    anna.send(&stage, &anna.message(6, true, before)).await;
    anna.send(&stage, &anna.message(8, false, before)).await;
    let mut new_conversation = anna.message(9, false, before);
    new_conversation["conversation_id"] = late_names(&anna)[0].clone().into();
    anna.send(&stage, &new_conversation).await;
    work(&workspace, "late", async |log| log.matches("let go").count() >= 4).await;
    gone_from_tables(url.to_owned()).await;
    assert_eq!(queues_with(&stage, &anna.names()).await, BTreeSet::new());

    let again = erase(&workspace, &args);
    assert_eq!((&again["tables"]["inbox"], &again["queues"][&parked]), (&json!(0), &json!(0)));

    // Whoever comes back is a new customer.
    let later = (chrono::Utc::now() + chrono::TimeDelta::seconds(5)).to_rfc3339();
    anna.send(&stage, &anna.message(7, true, &later)).await;
    work(&workspace, "back", async |_| decided(6).await).await;
    let store = store::open(&config).await.unwrap();
    assert_eq!(store.customer(&anna.customer).await.unwrap().journey.total_contacts, 1);
    assert!(store.customer(&bruno.customer).await.unwrap().journey.total_contacts >= 4);
}

fn config(url: &str) -> smista::config::Store {
    let mut config = smista::config::Config::load(None).unwrap().store;
    config.url = url.to_owned();
    config
}

async fn correct(store: &dyn Store, someone: &Someone) {
    let correction = Correction {
        correction_id: uuid::Uuid::new_v4(),
        message_id: someone.id(1),
        corrected_at: chrono::Utc::now(),
        corrected_by: "ada".to_owned(),
        sentiment: None,
        intents: None,
        stage: None,
        priority: None,
        queue: None,
        note: Some(format!("as {} said", someone.mail)),
    };
    assert!(store.correct(correction).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_leaves_every_table_and_queue_on_sqlite() {
    on_stage(1, async |stage| a_customer_leaves_everything(stage, None).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_leaves_every_table_and_queue_on_postgres() {
    let Some(server) = postgres_url() else { return };
    let database = fresh_database(&server).await;
    on_stage(1, async |stage| a_customer_leaves_everything(stage, Some(&database)).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_of_somebody_else_stops_the_erasure() {
    let workspace = Workspace::new("amqp://127.0.0.1:1/%2f", "t", 1, None);
    let url = format!("sqlite:{}", workspace.path().join("smista.db").display());
    let store = store::open(&config(&url)).await.unwrap();
    let hash = hash_identity("mailto:both@example.org", KEY).unwrap();
    store.resolve_customer(Some("other"), "k", &[hash]).await.unwrap();
    let args = ["erase", "--no-queues", "--customer", "one", "--identity", "mailto:both@example.org"];
    let output = workspace.smista(&args);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("another customer too: other") && text.contains("nothing was erased"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_erased_while_the_queues_cannot_be_reached() {
    let workspace = Workspace::new("amqp://127.0.0.1:1/%2f", "t", 1, None);
    let url = format!("sqlite:{}", workspace.path().join("smista.db").display());
    let store = store::open(&config(&url)).await.unwrap();
    store.resolve_customer(Some("one"), "k", &["hash".to_owned()]).await.unwrap();
    let output = workspace.smista(&["erase", "--customer", "one"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing was erased"));
    assert_eq!(tables_with(&url, &["hash".to_owned()]).await.len(), 1);
    let output = workspace.smista(&["erase", "--customer", "one", "--no-queues"]);
    assert!(output.status.success());
    assert_eq!(tables_with(&url, &["hash".to_owned()]).await.len(), 0);
}

#[test]
fn wrong_use_is_named() {
    let workspace = Workspace::new("amqp://127.0.0.1:1/%2f", "t", 1, None);
    for (args, expected) in [
        (&["erase"][..], "--customer"),
        (&["erase", "--identity", "anna"], "anna: not an address"),
        (&["erase", "--customer", " "], "--customer is empty"),
        (&["erase", "--customer", "c", "--state", "sqlite:nowhere.db"], "--state: there is no database"),
    ] {
        let output = workspace.smista(args);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
        assert!(text.contains(expected), "{args:?}: {text}");
    }
}
