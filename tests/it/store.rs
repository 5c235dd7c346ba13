//! One suite of what a store must do, run on SQLite and, where `SMISTA_TEST_POSTGRES_URL` names a server, on PostgreSQL.
//! Every test works on customers and messages of its own, so that they share one database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};
use serde_json::json;
use smista::config;
use smista::interaction::Interaction;
use smista::journey::spikes::{Bar, Topic, hour_of};
use smista::journey::{Journey, JourneyView};
use smista::routing::Decision;
use smista::routing::canary::Comparison;
use smista::store::console::{
    Access, Account, Act, ConsoleStore, ErasureRequest, Identity, Note, Operated, Operation, Role, Seen,
};
use smista::store::{
    self, Committed, Corrected, Correction, Counted, CustomerState, Destination, Effect, Forgotten, MarkKey,
    Order, OutboxMessage, Past, Span, Store, StoreError, Subject, Walk,
};
use uuid::Uuid;

use crate::support::postgres_url;

mod merging;

use merging::{join, makes_two_customers_one, merges_once_from_both_sides};

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_780_000_000 + seconds, 123_000_000).unwrap()
}

/// A name that no other test run uses.
fn unique(name: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{name}-{}-{}", Uuid::new_v4().simple(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn interaction(message: &str, conversation: &str, customer: Option<&str>) -> Interaction {
    serde_json::from_value(json!({
        "message_id": message, "conversation_id": conversation, "customer_id": customer, "identities": [],
        "channel": "chat", "author": "customer", "sent_at": at(0), "language_hint": null, "subject": null,
        "turns": [{"speaker": "customer", "text": "Perché il router è rotto? \u{1F6E0} It's \"down\"\n"}],
        "ratings": {}, "attributes": {"tier": "gold"}, "attachments": [], "auto_reply": null,
    }))
    .unwrap()
}

fn decision(message: &str, conversation: &str, customer: &str, decided_at: DateTime<Utc>) -> Decision {
    let view: JourneyView = serde_json::from_value(json!({
        "contacts": [], "repeat_contact": {"is_repeat": false, "of": [], "days": 0.0},
        "experience": {"score": 60, "previous": null}, "churn_risk": {"level": "low", "reasons": []},
        "promises": [], "brief": "Primo contatto.", "follow_up": null,
    }))
    .unwrap();
    serde_json::from_value(json!({
        "schema": "smista.decision.v1", "decision_id": Decision::id_for(message, 1), "revision": 1,
        "supersedes": null, "message_id": message, "conversation_id": conversation, "customer_id": customer,
        "channel": "chat", "decided_at": decided_at,
        "analysis": {
            "language": {"code": "it", "confidence": 0.9},
            "sentiment": {"label": "neutral", "score": 0.1, "confidence": 0.7, "first_third": 0.1, "last_third": 0.1, "shift": 0.0},
            "emotions": [], "intents": [], "abstained": true, "stage": null, "signals": [], "goal": null,
            "complexity": "standard", "effort": 0.3, "questions": [],
        },
        "journey": view, "priority": {"level": "normal", "score": 0.5},
        "route": {"action": "queue", "queue": "general", "skills": [], "language": "it", "sla_due_at": null},
        "flags": [], "reasons": [],
        "versions": {"model": "m", "policy": "p", "schema": "v1", "input": "i", "state": "s"}, "degraded": false,
    }))
    .unwrap()
}

fn mark_key() -> MarkKey {
    MarkKey::new(Arc::from(b"key".as_slice()))
}

struct Message {
    id: String,
    conversation: String,
    /// As the producer says.
    customer_id: Option<String>,
    decided_at: DateTime<Utc>,
}

impl Message {
    fn of(customer: &str) -> Self {
        Self {
            id: unique("m"),
            conversation: unique("k"),
            customer_id: Some(customer.to_owned()),
            decided_at: at(0),
        }
    }

    fn effect(&self, before: CustomerState) -> Effect {
        let customer = before.customer.clone();
        let after = Journey { total_contacts: before.journey.total_contacts + 1, ..before.journey.clone() };
        let interaction = interaction(&self.id, &self.conversation, self.customer_id.as_deref());
        let decision = decision(&self.id, &self.conversation, &customer, self.decided_at);
        let outbox = vec![
            OutboxMessage {
                id: decision.decision_id.to_string(),
                destination: Destination::Decisions,
                routing_key: decision.routing_key(),
                body: serde_json::to_string(&decision).unwrap(),
            },
            OutboxMessage {
                id: format!("{}/event", self.id),
                destination: Destination::Events,
                routing_key: "stage_changed".to_owned(),
                body: r#"{"b":1, "a":"é"}"#.to_owned(),
            },
        ];
        Effect {
            interaction,
            before,
            absorbed: Vec::new(),
            after,
            decision,
            outbox,
            traces: None,
            topics: Vec::new(),
        }
    }
}

async fn commit(store: &dyn Store, message: &Message, customer: &str) -> Effect {
    let effect = message.effect(store.customer(customer).await.unwrap());
    assert_eq!(store.commit(effect.clone()).await.unwrap(), Committed::New);
    effect
}

async fn writes_all_of_an_effect(store: Arc<dyn Store>) {
    let customer = unique("c");
    let fresh = store.customer(&customer).await.unwrap();
    assert_eq!(fresh, CustomerState { customer: customer.clone(), epoch: 0, journey: Journey::default() });
    let message = Message::of(&customer);
    assert!(store.decided(&message.id).await.unwrap().is_none());

    let effect = commit(&*store, &message, &customer).await;

    let state = store.customer(&customer).await.unwrap();
    assert_eq!((state.epoch, &state.journey), (1, &effect.after));
    let (decision, unsent) = store.decided(&message.id).await.unwrap().unwrap();
    assert_eq!((decision, unsent), (effect.decision.clone(), effect.outbox.clone()));
    let record = store.replay_record(effect.decision.decision_id).await.unwrap().unwrap();
    assert_eq!((record.interaction, record.customer), (effect.interaction, customer.clone()));
    assert_eq!((record.before, record.decision), (effect.before.journey, effect.decision));
    assert!(store.replay_record(Uuid::new_v4()).await.unwrap().is_none());

    commit(&*store, &Message::of(&customer), &customer).await;
    let state = store.customer(&customer).await.unwrap();
    assert_eq!((state.epoch, state.journey.total_contacts), (2, 2));
}

async fn decides_a_message_once(store: Arc<dyn Store>) {
    let customer = unique("c");
    let message = Message::of(&customer);
    let first = commit(&*store, &message, &customer).await;
    let mut again = message.effect(store.customer(&customer).await.unwrap());
    again.decision.decided_at = at(99);

    let outcome = store.commit(again.clone()).await.unwrap();
    assert_eq!(outcome, Committed::Duplicate(Box::new(first.decision.clone()), first.outbox.clone()));

    store.mark_sent(&[first.outbox[0].id.clone()], at(5)).await.unwrap();
    let outcome = store.commit(again.clone()).await.unwrap();
    assert_eq!(
        outcome,
        Committed::Duplicate(Box::new(first.decision.clone()), vec![first.outbox[1].clone()])
    );

    store.mark_sent(&[first.outbox[1].id.clone(), "no such row".to_owned()], at(5)).await.unwrap();
    assert_eq!(store.decided(&message.id).await.unwrap().unwrap().1, []);
    assert_eq!(store.customer(&customer).await.unwrap().epoch, 1, "a duplicate changes nothing");
}

async fn refuses_a_stale_worker(store: Arc<dyn Store>) {
    let customer = unique("c");
    let (first, second) = (Message::of(&customer), Message::of(&customer));
    let unseen = store.customer(&customer).await.unwrap();
    commit(&*store, &first, &customer).await;

    assert_eq!(store.commit(second.effect(unseen)).await.unwrap(), Committed::Stale);
    assert!(store.decided(&second.id).await.unwrap().is_none(), "nothing of a stale commit stays");
    let current = store.customer(&customer).await.unwrap();
    let ahead = CustomerState { epoch: 7, ..current.clone() };
    assert_eq!(store.commit(second.effect(ahead)).await.unwrap(), Committed::Stale);
    assert_eq!(store.commit(second.effect(current)).await.unwrap(), Committed::New);
}

async fn lets_one_of_two_commits_through(store: Arc<dyn Store>) {
    for known in [false, true] {
        let customer = unique("c");
        if known {
            commit(&*store, &Message::of(&customer), &customer).await;
        }
        let before = store.customer(&customer).await.unwrap();
        let tasks: Vec<_> = (0..6)
            .map(|_| {
                let (store, effect) = (Arc::clone(&store), Message::of(&customer).effect(before.clone()));
                tokio::spawn(async move { store.commit(effect).await.unwrap() })
            })
            .collect();
        let outcomes: Vec<Committed> = futures::future::try_join_all(tasks).await.unwrap();
        let new = outcomes.iter().filter(|outcome| **outcome == Committed::New).count();
        let stale = outcomes.iter().filter(|outcome| **outcome == Committed::Stale).count();
        assert_eq!((new, stale), (1, 5), "known before: {known}");
        assert_eq!(store.customer(&customer).await.unwrap().epoch, before.epoch + 1);
    }
}

async fn takes_one_of_two_deliveries(store: Arc<dyn Store>) {
    let customer = unique("c");
    let message = Message::of(&customer);
    let effect = message.effect(store.customer(&customer).await.unwrap());
    let tasks: Vec<_> = (0..6)
        .map(|_| {
            let (store, effect) = (Arc::clone(&store), effect.clone());
            tokio::spawn(async move { store.commit(effect).await.unwrap() })
        })
        .collect();
    let outcomes: Vec<Committed> = futures::future::try_join_all(tasks).await.unwrap();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Committed::New).count(), 1);
    let same = Committed::Duplicate(Box::new(effect.decision.clone()), effect.outbox.clone());
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == same).count(), 5);
}

async fn serves_many_customers_at_once(store: Arc<dyn Store>) {
    let tasks: Vec<_> = (0..12)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let customer = unique("c");
                for _ in 0..4 {
                    commit(&*store, &Message::of(&customer), &customer).await;
                }
                store.customer(&customer).await.unwrap().epoch
            })
        })
        .collect();
    let epochs = futures::future::try_join_all(tasks).await.unwrap();
    assert_eq!(epochs, vec![4; 12]);
}

async fn finds_what_a_crash_left_behind(store: Arc<dyn Store>) {
    let customer = unique("c");
    let mut messages = Vec::new();
    for seconds in [-3_000_000, -2_999_990] {
        let message = Message { decided_at: at(seconds), ..Message::of(&customer) };
        messages.push(commit(&*store, &message, &customer).await);
    }
    let left = |found: Vec<OutboxMessage>| {
        let mine: Vec<String> =
            messages.iter().flat_map(|effect| &effect.outbox).map(|row| row.id.clone()).collect();
        found.into_iter().filter(|row| mine.contains(&row.id)).collect::<Vec<_>>()
    };
    assert_eq!(left(store.unsent(at(-3_000_000), 100).await.unwrap()), [], "not older than itself");
    assert_eq!(left(store.unsent(at(-2_999_995), 100).await.unwrap()), messages[0].outbox);
    let both = [messages[0].outbox.clone(), messages[1].outbox.clone()].concat();
    assert_eq!(left(store.unsent(at(-2_999_980), 100).await.unwrap()), both, "oldest first");
    assert_eq!(store.unsent(at(0), 1).await.unwrap().len(), 1);

    let counts = store.counts().await.unwrap();
    assert!(counts.unsent >= 4 && counts.messages >= 2 && counts.customers >= 1);
    assert!(counts.oldest_unsent.unwrap() <= at(-3_000_000));

    let ids: Vec<String> = both.iter().map(|row| row.id.clone()).collect();
    store.mark_sent(&ids, at(0)).await.unwrap();
    assert_eq!(left(store.unsent(at(0), 100).await.unwrap()), []);
}

async fn shows_the_latest_decisions(store: Arc<dyn Store>) {
    let customer = unique("c");
    let mut newest_first = Vec::new();
    for seconds in [1_000_001, 1_000_003, 1_000_002] {
        let message = Message { decided_at: at(seconds), ..Message::of(&customer) };
        newest_first.push(commit(&*store, &message, &customer).await.decision);
    }
    newest_first.sort_by_key(|decision| std::cmp::Reverse(decision.decided_at));
    let found = store.recent_decisions(1000).await.unwrap();
    let mine: Vec<Decision> = found.into_iter().filter(|decision| decision.customer_id == customer).collect();
    assert_eq!(mine, newest_first);
    assert_eq!(store.recent_decisions(2).await.unwrap().len(), 2);
}

async fn walks_what_was_decided(store: Arc<dyn Store>) {
    let (one, two) = (unique("c"), unique("c"));
    let seconds = 3_000_000;
    let mut committed = Vec::new();
    // Two at the same moment, too.
    for (customer, later) in [(&two, 0), (&one, 1), (&two, 2), (&one, 2), (&two, 3), (&one, 9)] {
        let message = Message { decided_at: at(seconds + later), ..Message::of(customer) };
        committed.push(commit(&*store, &message, customer).await);
    }
    committed.retain(|effect| effect.decision.decided_at < at(seconds + 9));
    let span = |order| Span { since: at(seconds), until: at(seconds + 9), order };
    let pages = async |order, limit| {
        let (mut found, mut after) = (Vec::<Past>::new(), None);
        loop {
            let page = store.past(&span(order), after.as_ref(), limit).await.unwrap();
            let Some(last) = page.last else { return found };
            assert_eq!(page.past.last().map(Past::place), Some(last.clone()));
            after = Some(last);
            // Other runs may share the database.
            found.extend(page.past.into_iter().filter(|past| past.customer == one || past.customer == two));
        }
    };
    let key = |decision: &Decision| (decision.decided_at, decision.decision_id.to_string());
    for limit in [1, 2, 3, 100] {
        let found = pages(Order::Time, limit).await;
        committed.sort_by_key(|effect| key(&effect.decision));
        let decisions: Vec<_> = found.iter().map(|past| &past.decision).collect();
        assert_eq!(decisions, committed.iter().map(|effect| &effect.decision).collect::<Vec<_>>());
        assert_eq!(found[0].interaction, committed[0].interaction);

        let found = pages(Order::Customer, limit).await;
        committed.sort_by_key(|effect| (effect.before.customer.clone(), key(&effect.decision)));
        let decisions: Vec<_> = found.iter().map(|past| &past.decision).collect();
        assert_eq!(decisions, committed.iter().map(|effect| &effect.decision).collect::<Vec<_>>());
    }
    let mut walk = Walk::new(Arc::clone(&store), span(Order::Time));
    let mut walked = 0;
    while let Some(page) = walk.next().await.unwrap() {
        walked += page.iter().filter(|past| past.customer == one || past.customer == two).count();
    }
    assert_eq!(walked, 5);
    let nobody = Span { since: at(-90_000_000), until: at(-80_000_000), order: Order::Time };
    assert!(Walk::new(store, nobody).next().await.unwrap().is_none());
}

async fn knows_a_customer_by_identities(store: Arc<dyn Store>) {
    let resolve = async |customer: Option<&str>, conversation: &str, identities: &[&String]| {
        let identities: Vec<String> = identities.iter().map(|identity| (*identity).clone()).collect();
        store.resolve_customer(customer, conversation, &identities).await.unwrap().customer
    };
    let (mail, phone, app) = (unique("mail"), unique("tel"), unique("app"));
    let (k1, k2, k3, customer) = (unique("k1"), unique("k2"), unique("k3"), unique("c"));

    assert_eq!(resolve(None, &k1, &[]).await, k1, "the conversation stands for an unknown customer");
    assert_eq!(resolve(None, &k1, &[&mail]).await, k1);
    assert_eq!(resolve(None, &k2, &[&mail, &phone]).await, k1, "stitched by the mail address");
    assert_eq!(resolve(None, &k3, &[&phone]).await, k1, "and by what came with it");

    // What was kept for the stand-in goes over to the customer with the message that tells who it is.
    let message = Message { conversation: k1.clone(), customer_id: None, ..Message::of("") };
    let stand_in = commit(&*store, &message, &k1).await;
    let owner = store.resolve_customer(Some(&customer), &k3, std::slice::from_ref(&phone)).await.unwrap();
    assert_eq!((owner.customer.as_str(), owner.absorbs.clone()), (customer.as_str(), vec![k1.clone()]));
    let message = Message { conversation: k3.clone(), ..Message::of(&customer) };
    let joined = join(&*store, &message, &owner).await;
    assert_eq!(store.commit(joined.clone()).await.unwrap(), Committed::New);
    assert_eq!(resolve(None, &k2, &[&mail]).await, customer);
    assert_eq!(resolve(None, &k1, &[]).await, customer, "the stand-in's conversation without anything");
    let state = store.customer(&customer).await.unwrap();
    assert_eq!((state.epoch, state.journey), (1, joined.after));
    assert_eq!(store.customer(&k1).await.unwrap().epoch, 0);
    let late = Message { conversation: k1.clone(), customer_id: None, ..Message::of("") };
    let late = late.effect(CustomerState { customer: k1.clone(), epoch: 1, journey: stand_in.after });
    assert_eq!(store.commit(late).await.unwrap(), Committed::Stale, "a worker that still holds the stand-in");
    let new = Message { conversation: k1.clone(), customer_id: None, ..Message::of("") };
    let new = new.effect(CustomerState { customer: k1.clone(), ..CustomerState::default() });
    assert_eq!(store.commit(new).await.unwrap(), Committed::Stale, "and one that takes it for new");

    // A conversation is known once a message of it was decided.
    let k4 = unique("k4");
    let message = Message { conversation: k4.clone(), ..Message::of(&customer) };
    commit(&*store, &message, &customer).await;
    assert_eq!(resolve(None, &k4, &[]).await, customer);
    assert_eq!(resolve(None, &k4, &[&app]).await, customer);
    assert_eq!(resolve(None, &unique("k5"), &[&app]).await, customer);

    // Two known customers who share a telephone stay two.
    let other = unique("c");
    assert_eq!(resolve(Some(&other), &unique("k6"), &[&phone]).await, other);
    assert_eq!(resolve(Some(&customer), &unique("k7"), &[&phone]).await, customer);
}

async fn agrees_on_a_new_identity(store: Arc<dyn Store>) {
    let identity = unique("mail");
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (store, identity) = (Arc::clone(&store), identity.clone());
            tokio::spawn(async move {
                store.resolve_customer(None, &unique("k"), &[identity]).await.unwrap().customer
            })
        })
        .collect();
    let mut answers = futures::future::try_join_all(tasks).await.unwrap();
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
}

async fn forgets_what_is_old(store: Arc<dyn Store>) {
    let customer = unique("c");
    let long_ago = -30_000_000;
    let sent = Message { decided_at: at(long_ago), ..Message::of(&customer) };
    let waiting = Message { decided_at: at(long_ago), ..Message::of(&customer) };
    let recent = Message::of(&customer);
    let gone = commit(&*store, &sent, &customer).await;
    let kept = commit(&*store, &waiting, &customer).await;
    commit(&*store, &recent, &customer).await;
    let ids: Vec<String> = gone.outbox.iter().map(|row| row.id.clone()).collect();
    store.mark_sent(&ids, at(0)).await.unwrap();

    assert_eq!(store.purge(at(long_ago)).await.unwrap(), 0, "not older than itself");
    assert_eq!(store.purge(at(long_ago + 1)).await.unwrap(), 1);

    assert!(store.decided(&sent.id).await.unwrap().is_none());
    assert!(store.replay_record(gone.decision.decision_id).await.unwrap().is_none());
    assert!(store.decided(&waiting.id).await.unwrap().is_some(), "still to be published");
    assert!(store.decided(&recent.id).await.unwrap().is_some());
    assert_eq!(store.customer(&customer).await.unwrap().epoch, 3, "the state stays");
    let ids: Vec<String> = kept.outbox.iter().map(|row| row.id.clone()).collect();
    store.mark_sent(&ids, at(0)).await.unwrap();
    assert_eq!(store.purge(at(long_ago + 1)).await.unwrap(), 1);
}

async fn erases_a_customer(store: Arc<dyn Store>) {
    let (customer, other, mail) = (unique("c"), unique("c"), unique("mail"));
    let conversation = unique("k");
    store.resolve_customer(Some(&customer), &conversation, std::slice::from_ref(&mail)).await.unwrap();
    let message = Message { conversation, ..Message::of(&customer) };
    let effect = commit(&*store, &message, &customer).await;
    let others = commit(&*store, &Message::of(&other), &other).await;

    let subject = Subject { customer: Some(customer.clone()), identities: Vec::new() };
    let would = store.erase(&subject, &mark_key(), None).await.unwrap();
    assert!(store.decided(&message.id).await.unwrap().is_some(), "only looked");
    let erased = store.erase(&subject, &mark_key(), Some(Utc::now())).await.unwrap();
    assert_eq!((&erased.tables, &erased.marks), (&would.tables, &would.marks));
    let gone = ["customers", "decisions", "identities", "inbox", "outbox"].map(|table| erased.tables[table]);
    assert_eq!((gone, erased.unpublished), ([1, 1, 2, 1, 2], 2));
    let again = store.erase(&subject, &mark_key(), Some(Utc::now())).await.unwrap();
    assert_eq!((again.rows(), again.marks), (0, erased.marks), "still known by the same marks");

    assert_eq!(store.customer(&customer).await.unwrap().epoch, 0);
    assert!(store.decided(&message.id).await.unwrap().is_none());
    assert!(store.replay_record(effect.decision.decision_id).await.unwrap().is_none());
    let unsent = store.unsent(at(1), 100_000).await.unwrap();
    assert!(!unsent.iter().any(|row| row.id == effect.outbox[0].id));
    assert!(unsent.iter().any(|row| row.id == others.outbox[0].id), "others keep theirs");
    let fresh = unique("k");
    assert_eq!(store.resolve_customer(None, &fresh, &[mail]).await.unwrap().customer, fresh);
}

/// Every table that grows has its time: what is older goes, whole customers with their identities, and nothing of the others.
async fn forgets_whom_nobody_hears_from(store: Arc<dyn Store>) {
    let days = |days: i64| Utc::now() - chrono::TimeDelta::days(days);
    let (silent, talking, recent) = (unique("c"), unique("c"), unique("c"));
    let mut messages = Vec::new();
    for (customer, decided_at) in [(&silent, days(1000)), (&talking, days(1000)), (&recent, days(40))] {
        let message = Message { decided_at, ..Message::of(customer) };
        store.resolve_customer(Some(customer), &message.conversation, &[unique(customer)]).await.unwrap();
        let effect = commit(&*store, &message, customer).await;
        let ids: Vec<String> = effect.outbox.iter().map(|row| row.id.clone()).collect();
        store.mark_sent(&ids, days(1)).await.unwrap();
        messages.push(message);
    }
    commit(&*store, &Message { decided_at: days(1), ..Message::of(&talking) }, &talking).await;
    let gone = Subject { customer: Some(unique("c")), identities: Vec::new() };
    store.erase(&gone, &mark_key(), Some(days(1000))).await.unwrap();
    let fresh = Subject { customer: Some(unique("c")), identities: Vec::new() };
    let marks = store.erase(&fresh, &mark_key(), Some(days(1))).await.unwrap().marks;

    store.forget(Utc::now()).await.unwrap();
    assert_ne!(store.customer(&silent).await.unwrap().epoch, 0, "not before its messages");
    store.purge(days(30)).await.unwrap();
    assert!(store.decided(&messages[2].id).await.unwrap().is_none());
    store.forget(Utc::now()).await.unwrap();

    assert_eq!(store.customer(&silent).await.unwrap().epoch, 0);
    assert_ne!(store.customer(&talking).await.unwrap().epoch, 0);
    assert_ne!(store.customer(&recent).await.unwrap().epoch, 0, "its messages are old, the customer is not");
    let rows =
        async |subject: &Subject| store.erase(subject, &mark_key(), None).await.unwrap().tables["identities"];
    let of = |customer: &String| Subject { customer: Some(customer.clone()), identities: Vec::new() };
    assert_eq!((rows(&of(&silent)).await, rows(&of(&recent)).await), (0, 2));
    let kept = store.erase(&fresh, &mark_key(), None).await.unwrap().marks;
    assert_eq!(kept, marks);
    assert_eq!(store.forget(Utc::now()).await.unwrap(), Forgotten::default());
}

/// A message under way while its customer is erased is either removed or refused, also when it is the customer's first.
async fn erases_what_is_being_committed(store: Arc<dyn Store>) {
    for round in 0..40 {
        let customer = unique("c");
        if round % 2 == 0 {
            commit(&*store, &Message::of(&customer), &customer).await;
        }
        let message = Message::of(&customer);
        let identity = unique("mail");
        let before = store.customer(&customer).await.unwrap();
        let mut effect = message.effect(before);
        effect.interaction.identities = vec![identity.clone()];
        effect.traces = Some(mark_key().traces(&effect.interaction));
        let subject = Subject { customer: Some(customer.clone()), identities: Vec::new() };
        let (committing, erasing) = (Arc::clone(&store), Arc::clone(&store));
        let conversation = message.conversation.clone();
        let named = customer.clone();
        let commits = tokio::spawn(async move {
            committing.resolve_customer(Some(&named), &conversation, &[identity]).await.unwrap();
            let mut committed = committing.commit(effect.clone()).await.unwrap();
            while committed == Committed::Stale {
                effect.before = committing.customer(&named).await.unwrap();
                committed = committing.commit(effect.clone()).await.unwrap();
            }
        });
        let erases = tokio::spawn(async move {
            tokio::time::sleep(std::time::Duration::from_micros(round * 150)).await;
            erasing.erase(&subject, &mark_key(), Some(Utc::now())).await.unwrap()
        });
        commits.await.unwrap();
        erases.await.unwrap();
        assert_eq!(store.customer(&customer).await.unwrap().epoch, 0, "round {round}");
        assert!(store.decided(&message.id).await.unwrap().is_none(), "round {round}");
        let subject = Subject { customer: Some(customer.clone()), identities: Vec::new() };
        let left = store.erase(&subject, &mark_key(), None).await.unwrap();
        assert_eq!(left.rows(), 0, "round {round}: {left:?}");
    }
}

async fn keeps_corrections(store: Arc<dyn Store>) {
    let customer = unique("c");
    let (message, other) = (Message::of(&customer), Message::of(&customer));
    commit(&*store, &message, &customer).await;
    let correction = |message: &str, seconds, intents: &[&str]| Correction {
        correction_id: Uuid::new_v4(),
        message_id: message.to_owned(),
        corrected_at: at(seconds),
        corrected_by: "ada".to_owned(),
        sentiment: None,
        intents: Some(intents.iter().map(|intent| (*intent).to_owned()).collect()),
        stage: None,
        priority: None,
        queue: None,
        note: None,
    };
    let first = correction(&message.id, 10, &["praise"]);
    let second = correction(&message.id, 20, &["complaint"]);
    assert!(store.correct(second.clone()).await.unwrap());
    assert!(store.correct(first.clone()).await.unwrap());
    assert!(store.correct(first).await.unwrap(), "again");
    assert!(!store.correct(correction(&other.id, 10, &[])).await.unwrap(), "no such message");

    let own = |all: Vec<Corrected>| -> Vec<Corrected> {
        all.into_iter().filter(|one| one.correction.message_id == message.id).collect()
    };
    let kept = own(store.corrections().await.unwrap());
    assert_eq!(kept.len(), 1, "the latest of a message: {kept:?}");
    assert_eq!(kept[0].correction, second);
    assert_eq!(kept[0].interaction.message_id, message.id);
    let subject = Subject { customer: Some(customer), identities: Vec::new() };
    store.erase(&subject, &mark_key(), Some(Utc::now())).await.unwrap();
    assert_eq!(own(store.corrections().await.unwrap()), []);
}

/// Everything a store must do.
async fn suite(store: Arc<dyn Store>) {
    store.ping().await.unwrap();
    writes_all_of_an_effect(Arc::clone(&store)).await;
    decides_a_message_once(Arc::clone(&store)).await;
    refuses_a_stale_worker(Arc::clone(&store)).await;
    lets_one_of_two_commits_through(Arc::clone(&store)).await;
    takes_one_of_two_deliveries(Arc::clone(&store)).await;
    serves_many_customers_at_once(Arc::clone(&store)).await;
    finds_what_a_crash_left_behind(Arc::clone(&store)).await;
    shows_the_latest_decisions(Arc::clone(&store)).await;
    walks_what_was_decided(Arc::clone(&store)).await;
    knows_a_customer_by_identities(Arc::clone(&store)).await;
    agrees_on_a_new_identity(Arc::clone(&store)).await;
    makes_two_customers_one(Arc::clone(&store)).await;
    merges_once_from_both_sides(Arc::clone(&store)).await;
    forgets_what_is_old(Arc::clone(&store)).await;
    keeps_corrections(Arc::clone(&store)).await;
    erases_a_customer(Arc::clone(&store)).await;
    erases_what_is_being_committed(Arc::clone(&store)).await;
    forgets_whom_nobody_hears_from(store).await;
}

fn configured(url: &str) -> config::Store {
    config::Store { url: url.to_owned(), ..config::Config::load(None).unwrap().store }
}

fn sqlite_in(folder: &tempfile::TempDir) -> config::Store {
    configured(&format!("sqlite:{}", folder.path().join("smista.db").display()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_does_it_all() {
    let folder = tempfile::tempdir().unwrap();
    suite(store::open(&sqlite_in(&folder)).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_in_memory_does_it_all() {
    suite(store::sqlite::memory().await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgres_does_it_all() {
    let Some(url) = postgres_url() else { return };
    suite(store::open(&configured(&url)).await.unwrap()).await;
}

#[tokio::test]
async fn sqlite_keeps_what_was_committed_when_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let config = sqlite_in(&folder);
    let customer = unique("c");
    let message = Message::of(&customer);
    let first = store::open(&config).await.unwrap();
    let effect = commit(&*first, &message, &customer).await;
    // Beside the open one, as another process would.
    let second = store::open(&config).await.unwrap();
    assert_eq!(second.decided(&message.id).await.unwrap().unwrap().0, effect.decision);
    drop(first);
    commit(&*second, &Message::of(&customer), &customer).await;
    assert_eq!(second.customer(&customer).await.unwrap().epoch, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_files_may_be_opened_by_several_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = sqlite_in(&folder);
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let config = config.clone();
            tokio::spawn(async move {
                let store = store::open(&config).await.unwrap();
                let customer = unique("c");
                for _ in 0..5 {
                    commit(&*store, &Message::of(&customer), &customer).await;
                }
            })
        })
        .collect();
    futures::future::try_join_all(tasks).await.unwrap();
    let store = store::open(&config).await.unwrap();
    assert_eq!(store.counts().await.unwrap().messages, 20);
}

/// A new file is put into write-ahead mode and given its tables by whoever comes first; nobody is turned away for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn new_sqlite_files_may_be_opened_by_several_at_once() {
    for _ in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let config = sqlite_in(&folder);
        let opened = (0..6).map(|_| {
            let config = config.clone();
            tokio::spawn(async move {
                for _ in 0..5 {
                    drop(store::open(&config).await?);
                }
                Ok::<_, StoreError>(())
            })
        });
        for result in futures::future::try_join_all(opened).await.unwrap() {
            result.unwrap();
        }
    }
}

#[tokio::test]
async fn wrong_addresses_are_named() {
    let check =
        async |url: &str| match store::open(&config::Store { statement_timeout_s: 1, ..configured(url) })
            .await
        {
            Ok(_) => panic!("{url} was opened"),
            Err(error) => error,
        };
    assert!(matches!(check("mysql://localhost/x").await, StoreError::Open(_)));
    assert!(matches!(check("sqlite:/no/such/folder/smista.db").await, StoreError::Open(_)));
    let away = check("postgres://127.0.0.1:1/nothing").await;
    assert!(away.is_transient(), "{away}: a server that is away may come back");
    let missing = config::Store { url_file: Some("/no/such/file".into()), ..configured("sqlite::memory:") };
    assert!(matches!(store::open(&missing).await.err(), Some(StoreError::Open(_))));
}

#[tokio::test]
async fn a_locked_sqlite_file_is_not_available() {
    let folder = tempfile::tempdir().unwrap();
    let config = config::Store { statement_timeout_s: 1, ..sqlite_in(&folder) };
    let store = store::open(&config).await.unwrap();
    let other = sqlx::SqlitePool::connect(&config.url).await.unwrap();
    let lock = other.begin_with("BEGIN EXCLUSIVE").await.unwrap();
    let customer = unique("c");
    let message = Message::of(&customer);
    let effect = message.effect(store.customer(&customer).await.unwrap());
    let error = store.commit(effect.clone()).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    lock.rollback().await.unwrap();
    assert_eq!(store.commit(effect).await.unwrap(), Committed::New, "and works when the lock is gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_postgres_row_is_not_available() {
    let Some(url) = postgres_url() else { return };
    let config = config::Store { statement_timeout_s: 1, max_connections: 2, ..configured(&url) };
    let store = store::open(&config).await.unwrap();
    let customer = unique("c");
    commit(&*store, &Message::of(&customer), &customer).await;
    let before = store.customer(&customer).await.unwrap();
    let effect = Message::of(&customer).effect(before);

    let other = sqlx::PgPool::connect(&url).await.unwrap();
    let mut lock = other.begin().await.unwrap();
    sqlx::query("SELECT epoch FROM customers WHERE customer = $1 FOR UPDATE")
        .bind(&customer)
        .fetch_one(&mut *lock)
        .await
        .unwrap();
    // More often than there are connections: a call given up must not keep one.
    for _ in 0..4 {
        let error = store.commit(effect.clone()).await.unwrap_err();
        assert!(error.is_transient(), "{error}");
    }
    let stranger = unique("c");
    commit(&*store, &Message::of(&stranger), &stranger).await;
    lock.rollback().await.unwrap();
    assert_eq!(store.commit(effect).await.unwrap(), Committed::New);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = sqlite_in(&folder);
    std::fs::write(folder.path().join("smista.db"), vec![b'x'; 4096]).unwrap();
    assert!(matches!(store::open(&config).await.err(), Some(StoreError::Open(_))));
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = sqlite_in(&folder);
    store::open(&config).await.unwrap();
    let pool = sqlx::SqlitePool::connect(&config.url).await.unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'later', TRUE, x'00', 0)",
    )
    .execute(&pool)
    .await
    .unwrap();
    let error = store::open(&config).await.err().unwrap();
    assert!(matches!(&error, StoreError::Open(why) if why.contains("newer")), "{error}");
}

/// A table that nobody empties grows for ever. The tables are asked of the database: a new one has to be filled here, and
/// to be empty once everything in it is too old.
async fn nothing_is_kept_for_ever(config: &config::Store) {
    /// Nobody's data: what has been migrated, which workers are there, who may use the console.
    const OTHERS: [&str; 7] = [
        "_sqlx_migrations",
        "workers",
        "console_accounts",
        "console_identities",
        "console_sessions",
        "console_views",
        "console_tokens",
    ];
    let store = store::open_console(config).await.unwrap();
    let customer = unique("c");
    let message = Message::of(&customer);
    store.resolve_customer(Some(&customer), &message.conversation, &[unique("mail")]).await.unwrap();
    let mut effect = message.effect(store.customer(&customer).await.unwrap());
    let bar = Some(Bar { needed: 1, expected: 0.1 });
    effect.topics = vec![Counted { topic: Topic::phrase("router"), hour: hour_of(at(0)), bar }];
    let Committed::Spiked(spiked) = store.commit(effect.clone()).await.unwrap() else { panic!("no spike") };
    let ids: Vec<String> = effect.outbox.iter().chain(&spiked).map(|row| row.id.clone()).collect();
    store.mark_sent(&ids, Utc::now()).await.unwrap();
    let correction = Correction {
        correction_id: Uuid::new_v4(),
        message_id: message.id.clone(),
        corrected_at: at(1),
        corrected_by: "ada".to_owned(),
        sentiment: None,
        intents: None,
        stage: None,
        priority: None,
        queue: None,
        note: None,
    };
    assert!(store.correct(correction).await.unwrap());
    let note = Note { at: at(1), account: "ada".to_owned(), act: Act::Comment, text: "seen".to_owned() };
    assert!(store.note(&message.conversation, &note).await.unwrap());
    let conversation_id = message.conversation.clone();
    store
        .saw(&Access { at: at(1), account: "ada".to_owned(), conversation_id, what: Seen::Conversation })
        .await
        .unwrap();
    let operated = Operation { at: at(1), account: "ada".into(), act: Operated::Replay, target: "m".into() };
    store.operate(&operated).await.unwrap();
    let request = ErasureRequest {
        customer: unique("c"),
        conversation_id: message.conversation.clone(),
        at: at(1),
        account: "ada".to_owned(),
        reason: String::new(),
    };
    assert!(
        store.request_erasure(&request).await.unwrap() && !store.request_erasure(&request).await.unwrap()
    );
    store.begin_alone(&message.id, "w1").await.unwrap();
    let mut shadow = effect.decision.clone();
    shadow.route.queue = Some("elsewhere".to_owned());
    store.compare(&[Comparison::of(&effect.decision, &shadow)]).await.unwrap();
    let erased = Subject { customer: Some(unique("c")), identities: Vec::new() };
    store.erase(&erased, &mark_key(), Some(Utc::now())).await.unwrap();
    let tables = async |empty: bool| {
        let rows = crate::erase::all_rows(&config.url).await;
        let named = rows.into_iter().filter(|(name, _)| !OTHERS.contains(&name.as_str()));
        named.filter(|(_, rows)| rows.is_empty() == empty).map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(tables(true).await, Vec::<String>::new(), "not filled by this test");
    let late = Utc::now() + chrono::TimeDelta::days(10_000);
    store.purge(late).await.unwrap();
    store.forget(late).await.unwrap();
    store.forget_topics(late).await.unwrap();
    assert_eq!(tables(false).await, Vec::<String>::new(), "kept for ever");
}

#[tokio::test]
async fn nothing_is_kept_for_ever_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    nothing_is_kept_for_ever(&sqlite_in(&folder)).await;
}

#[tokio::test]
async fn nothing_is_kept_for_ever_on_postgres() {
    let Some(url) = postgres_url() else { return };
    nothing_is_kept_for_ever(&configured(&crate::support::fresh_database(&url).await)).await;
}

/// Whom a provider vouches for is known by issuer and subject; the role is the latest; a name is nobody else's.
async fn a_provider_vouches(store: &dyn ConsoleStore) {
    let identity =
        |subject: &str| Identity { issuer: "https://login.example".to_owned(), subject: subject.to_owned() };
    let (ada, other) = (identity("1"), identity("2"));
    let made = store.admit(&ada, "ada", Role::Viewer).await.unwrap().unwrap();
    assert!(made.is_of_provider() && (made.name.as_str(), made.role) == ("ada", Role::Viewer));
    let again = store.admit(&ada, "ada.rossi", Role::Admin).await.unwrap().unwrap();
    assert_eq!((again.name.as_str(), again.role), ("ada", Role::Admin));
    assert_eq!(store.account("ada").await.unwrap().unwrap().role, Role::Admin);
    assert_eq!(store.admit(&other, "ada", Role::Admin).await.unwrap(), None);
    assert_eq!(
        store.admit(&other, "ben", Role::Viewer).await.unwrap().unwrap().name,
        "ben",
        "nothing was left half done"
    );
    let barred = Account { disabled: true, ..made };
    assert!(store.change_account(&barred).await.unwrap());
    let still = store.admit(&ada, "ada", Role::Operator).await.unwrap().unwrap();
    assert!(still.disabled && store.account("ada").await.unwrap().unwrap().role == Role::Viewer);
}

#[tokio::test]
async fn a_provider_vouches_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    a_provider_vouches(&*store::open_console(&sqlite_in(&folder)).await.unwrap()).await;
}

#[tokio::test]
async fn a_provider_vouches_on_postgres() {
    let Some(url) = postgres_url() else { return };
    let config = configured(&crate::support::fresh_database(&url).await);
    a_provider_vouches(&*store::open_console(&config).await.unwrap()).await;
}
