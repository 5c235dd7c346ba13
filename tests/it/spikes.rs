//! Topics that rise: counted with the commit, told once however many workers there are, erased with the customer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use smista::config::{Config, OnEngineFailure};
use smista::interaction::{Interaction, Mode, ParseContext, parse};
use smista::journey::spikes::{Topic, hour_of};
use smista::nlp::analyzer::{Analyzer, Model};
use smista::nlp::engine::Engine;
use smista::nlp::pack::PackError;
use smista::nlp::scripted::ScriptedEngine;
use smista::nlp::service::{EngineHandle, EngineSettings};
use smista::routing::PolicyHandle;
use smista::routing::compile::Policy;
use smista::store::{self, Destination, MarkKey, OutboxMessage, Store, Subject};
use smista::worker::{Decided, Pipeline};
use tokio::task::JoinSet;

use crate::support::{fresh_database, postgres_url};

const KEY: &[u8] = b"key";

fn analyzer(config: &Config) -> Arc<Analyzer> {
    let engine = EngineHandle::spawn(
        || Ok::<Box<dyn Engine>, PackError>(Box::new(ScriptedEngine)),
        EngineSettings::default(),
    )
    .unwrap();
    Arc::new(Analyzer::new(Model::scripted(), engine, &config.interaction.languages, "en").unwrap())
}

fn pipeline(config: &Config, analyzer: &Arc<Analyzer>, store: &Arc<dyn Store>, watching: bool) -> Pipeline {
    let policy = PolicyHandle::new(Policy::embedded_default().unwrap());
    let spikes = watching.then(|| (&config.journey.spikes).into());
    let analyzer = Arc::clone(analyzer);
    let fold = (&config.journey).into();
    Pipeline::new(analyzer, Arc::clone(store), Arc::new(policy), fold, OnEngineFailure::Hold).watching(spikes)
}

/// An hour in which things happen, two days after the first message.
fn at(minutes: i64) -> DateTime<Utc> {
    "2026-05-13T09:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minutes)
}

fn message(id: &str, customer: &str, text: &str, sent_at: DateTime<Utc>) -> Interaction {
    let body = json!({
        "schema": "smista.interaction.v1", "message_id": id, "conversation_id": format!("k-{customer}"),
        "customer_id": customer, "channel": "chat", "sent_at": sent_at, "text": text,
    });
    let context = ParseContext { received_at: sent_at, identity_key: KEY, mode: Mode::Queue };
    parse(body.to_string().as_bytes(), &context).unwrap()
}

const OUTAGE: &str = "The service is down, the router shows an error message";

async fn tell(pipeline: &Pipeline, id: &str, customer: &str, at: DateTime<Utc>) -> Decided {
    let interaction = message(id, customer, OUTAGE, at);
    pipeline.decide(&interaction, at + TimeDelta::seconds(2)).await.unwrap()
}

fn spikes_in(outbox: &[OutboxMessage]) -> Vec<Value> {
    let events = outbox.iter().filter(|message| message.destination == Destination::Events);
    events
        .map(|message| serde_json::from_str::<Value>(&message.body).unwrap())
        .filter(|event| event["event"] == "topic_spike")
        .collect()
}

/// Nobody has confirmed anything: every event is still there.
async fn told(store: &dyn Store) -> Vec<Value> {
    spikes_in(&store.unsent(Utc::now() + TimeDelta::days(1), 10_000).await.unwrap())
}

async fn stores(folder: &tempfile::TempDir) -> Vec<(String, Arc<dyn Store>)> {
    let mut config = Config::load(None).unwrap();
    let mut urls = vec![format!("sqlite:{}", folder.path().join("t.db").display())];
    if let Some(server) = postgres_url() {
        urls.push(fresh_database(&server).await);
    }
    let mut stores = Vec::new();
    for url in urls {
        config.store.url.clone_from(&url);
        stores.push((url, store::open(&config.store).await.unwrap()));
    }
    stores
}

/// Two workers, twenty customers at the same time, everything delivered twice.
#[tokio::test]
async fn one_event_however_many_workers_and_deliveries() {
    let config = Config::load(None).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let analyzer = analyzer(&config);
    for (url, store) in stores(&folder).await {
        let workers = [0, 1].map(|_| Arc::new(pipeline(&config, &analyzer, &store, true)));
        let first = tell(&workers[0], "first", "c-first", at(-2 * 24 * 60)).await;
        let intent = first.decision.analysis.intents[0].name.clone();
        let mut at_work = JoinSet::new();
        for delivery in 0..2 {
            for n in 0..20 {
                let worker = Arc::clone(&workers[(n + delivery) % 2]);
                at_work.spawn(async move {
                    tell(&worker, &format!("m-{n}"), &format!("c-{n}"), at(i64::try_from(n).unwrap())).await
                });
            }
        }
        let mut published = BTreeSet::new();
        while let Some(decided) = at_work.join_next().await {
            for event in spikes_in(&decided.unwrap().outbox) {
                published.insert(event.to_string());
            }
        }
        let topic = Topic::intent(&intent);
        let hour = hour_of(at(0));
        let past = store.topic_past(&topic, hour, hour + 1).await.unwrap();
        assert_eq!(past.counts, [(hour, 20)], "{url}: a second delivery counts nothing");

        let told = told(store.as_ref()).await;
        let of_intent: Vec<&Value> = told.iter().filter(|event| event["kind"] == "intent").collect();
        let [event] = of_intent[..] else { panic!("{url}: {told:?}") };
        assert_eq!(
            (event["topic"].as_str(), event["count"].as_u64()),
            (Some(intent.as_str()), Some(5)),
            "{url}"
        );
        assert_eq!(event["since"], "2026-05-13T09:00:00Z");
        assert_eq!(event["event_id"], topic.event_id(hour).to_string());
        assert!(event["ratio"].as_f64().unwrap() >= 3.0 && event["expected"].as_f64().unwrap() < 1.0);
        let examples = event["examples"].as_array().unwrap();
        assert_eq!(examples.len(), 5, "{event}");
        assert!(examples.iter().all(|example| example["text"].as_str().unwrap().starts_with("The service")));
        assert!(published.contains(&event.to_string()), "the lane publishes it with the decision");
        // Once enough customers have used them, phrases rise, each once.
        let topics: Vec<&str> = told.iter().map(|event| event["topic"].as_str().unwrap()).collect();
        assert!(told.len() > 1, "{topics:?}");
        assert_eq!(topics.iter().collect::<BTreeSet<_>>().len(), topics.len(), "{topics:?}");

        let spikes = store.spikes(at(0)).await.unwrap();
        let spike = spikes.iter().find(|spike| spike.topic == topic).unwrap();
        assert_eq!((spike.count, spike.examples.len(), spike.hours.len()), (20, 5, 24));
        assert_eq!(spike.hours.last(), Some(&20));
        assert!(store.spikes(at(60)).await.unwrap().is_empty());

        store.forget_topics(at(60)).await.unwrap();
        assert!(store.spikes(at(-100_000)).await.unwrap().is_empty());
        assert!(store.topic_past(&topic, 0, hour + 1).await.unwrap().counts.is_empty());
    }
}

#[tokio::test]
async fn an_erased_customer_leaves_the_events_of_others() {
    let config = Config::load(None).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let analyzer = analyzer(&config);
    let key = MarkKey::new(Arc::from(KEY));
    for (url, store) in stores(&folder).await {
        let worker = pipeline(&config, &analyzer, &store, true);
        tell(&worker, "first", "c-first", at(-2 * 24 * 60)).await;
        for n in 0..5 {
            tell(&worker, &format!("m-{n}"), &format!("c-{n}"), at(n)).await;
        }
        let before = told(store.as_ref()).await;
        assert!(before[0].to_string().contains("m-1"), "{url}: {before:?}");
        let erase = |customer: &str| Subject { customer: Some(customer.to_owned()), identities: Vec::new() };

        // Whose message is shown: it goes from the event and from the list.
        let looked = store.erase(&erase("c-1"), &key, None).await.unwrap();
        assert_eq!(looked.tables["topic_examples"], 1, "{url}");
        assert_eq!(told(store.as_ref()).await, before, "{url}: looking changes nothing");
        store.erase(&erase("c-1"), &key, Some(at(30))).await.unwrap();
        let after = told(store.as_ref()).await;
        assert_eq!(after.len(), before.len());
        assert!(!after[0].to_string().contains("m-1"), "{url}: {after:?}");
        assert_eq!(after[0]["examples"].as_array().unwrap().len(), 4);
        assert_eq!(store.spikes(at(0)).await.unwrap()[0].examples.len(), 4);

        // Whose message raised it, before it was published: the next message raises it again.
        store.erase(&erase("c-4"), &key, Some(at(30))).await.unwrap();
        assert_eq!(told(store.as_ref()).await, Vec::<Value>::new(), "{url}");
        tell(&worker, "m-6", "c-6", at(20)).await;
        let again = told(store.as_ref()).await;
        assert_eq!(again[0]["event_id"], before[0]["event_id"], "{url}");
        assert_eq!(again[0]["message_id"], "m-6");
    }
}

/// What counting costs, with and without taking turns in one run. `SMISTA_SPIKE_MESSAGES` for more than a glance.
#[tokio::test]
async fn what_counting_costs() {
    let messages = std::env::var("SMISTA_SPIKE_MESSAGES").ok().map_or(120, |text| text.parse().unwrap());
    let config = Config::load(None).unwrap();
    let analyzer = analyzer(&config);
    let folder = tempfile::tempdir().unwrap();
    for (url, store) in stores(&folder).await {
        let kind = url.split(':').next().unwrap_or_default().to_owned();
        let with = pipeline(&config, &analyzer, &store, true);
        let without = pipeline(&config, &analyzer, &store, false);
        let texts = [
            "My parcel with the blue lamp has not arrived, where is it?",
            "I cannot log in, the page shows error 4711 after the password.",
            "Vorrei il rimborso della lavatrice difettosa.",
            "The invoice of March is wrong, you charged the delivery twice.",
        ];
        let mut took = [std::time::Duration::ZERO; 2];
        for n in 0..messages {
            for (which, worker) in [&with, &without].into_iter().enumerate() {
                let id = format!("m-{which}-{n}");
                let text = texts[n % texts.len()];
                let sent = at(i64::try_from(n).unwrap());
                let interaction = message(&id, &format!("c-{which}-{n}"), text, sent);
                let understanding = worker.analyse(&interaction).await.unwrap();
                let begun = Instant::now();
                worker.fold_and_commit(&interaction, &understanding, sent).await.unwrap();
                took[which] += begun.elapsed();
            }
        }
        let rate = took.map(|took| messages as f64 / took.as_secs_f64());
        eprintln!(
            "{kind}: fold and commit of {messages} messages: {:.0}/s with counting, {:.0}/s without, {:.2} ms more each",
            rate[0],
            rate[1],
            (took[0].as_secs_f64() - took[1].as_secs_f64()) * 1e3 / messages as f64,
        );
    }
}
