//! Many messages folded on one machine: the state of a customer stays bounded however long the history is, and its cost
//! with it. `SMISTA_FOLD_MESSAGES=1000000 SMISTA_FOLD_CUSTOMERS=100000` in a release build gives the figures of
//! `docs/journey.md`; states live in a file, as they do in service, so memory is what the fold itself needs.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use smista::config::Config;
use smista::interaction::{Author, Channel, Ratings};
use smista::journey::model::Outcome;
use smista::journey::{Contact, FoldSettings, Journey, fold};
use smista::nlp::labels::{INTENTS, Stage};
use smista::nlp::understanding::Scored;
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};

/// Messages in one transaction of the file.
const BATCH: u64 = 1000;
/// Components of a sentence vector of the shipped pack.
const VECTOR: usize = 384;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

/// The n-th message; the same n gives the same one.
fn contact(n: u64, customers: u64) -> Contact {
    let chance = |salt: u64, below: u64| {
        let mut x =
            n.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(salt.wrapping_mul(0xd134_2543_de82_ef95));
        x ^= x >> 29;
        x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (x ^ (x >> 32)) % below
    };
    let index = |salt, below: usize| usize::try_from(chance(salt, below as u64)).unwrap();
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let part = |salt| chance(salt, 1000) as f32 / 1000.0;
    let start: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
    let agent = chance(1, 5) == 0;
    Contact {
        message_id: format!("m{n}"),
        conversation_id: format!("k{}-{}", n % customers, chance(2, 40)),
        channel: Channel::ALL[index(3, Channel::ALL.len())],
        author: if agent { Author::Agent } else { Author::Customer },
        at: start + TimeDelta::seconds(i64::try_from(n * 86_400 / customers).unwrap()),
        intents: vec![Scored { name: INTENTS[index(4, INTENTS.len())].to_owned(), confidence: 0.8 }],
        sentiment: part(5) * 2.0 - 1.0,
        stage: Some(Stage::ALL[index(6, Stage::ALL.len())]),
        stage_confidence: 0.8,
        signals: Vec::new(),
        goal: None,
        effort: part(7),
        ratings: Ratings::default(),
        promises: if agent { vec!["We will call you back tomorrow.".to_owned()] } else { Vec::new() },
        auto_reply: false,
        language: if chance(8, 2) == 0 { "it" } else { "en" }.to_owned(),
        outcome: if chance(9, 6) == 0 { Outcome::Resolved } else { Outcome::None },
        gratitude: false,
        promise_unkept: false,
        of_promise: Default::default(),
        embedding: (0..VECTOR)
            .map(|at| if (at as u64 + chance(10, 50)).is_multiple_of(50) { 0.25 } else { 0.0 })
            .collect(),
        summary: "It does not do what it did before, and I have told you so already.".to_owned(),
        answers: false,
        settles: Vec::new(),
        statements: Vec::new(),
    }
}

/// Times kept of a range, so that many messages do not fill the memory.
const SAMPLE: usize = 50_000;

/// Of a range of lengths of history: messages, times in the fold, largest state.
#[derive(Default, Clone)]
struct Cost {
    messages: u32,
    took: Vec<Duration>,
    largest: usize,
}

impl Cost {
    fn median(&mut self) -> Duration {
        self.took.sort_unstable();
        self.took.get(self.took.len() / 2).copied().unwrap_or_default()
    }
}

#[tokio::test]
async fn the_cost_of_a_message_does_not_grow_with_the_history() {
    let messages = number("SMISTA_FOLD_MESSAGES", 600);
    let customers = number("SMISTA_FOLD_CUSTOMERS", 3);
    let settings: FoldSettings = (&Config::load(None).unwrap().journey).into();
    let folder = tempfile::tempdir().unwrap();
    let mut file = SqliteConnectOptions::new()
        .filename(folder.path().join("states.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Off)
        .synchronous(SqliteSynchronous::Off)
        .connect()
        .await
        .unwrap();
    sqlx::query("CREATE TABLE states (customer INTEGER PRIMARY KEY, journey TEXT NOT NULL)")
        .execute(&mut file)
        .await
        .unwrap();
    let bound = u64::try_from(settings.max_contacts).unwrap();
    // By history: up to the bound, up to twice, beyond.
    let mut costs: [Cost; 3] = Default::default();
    // A history as long as is kept, and what the same message costs it at the same moment: machines are noisy.
    let mut reference: Option<Journey> = None;
    let mut beside = Vec::new();
    let started = Instant::now();
    let mut n = 0;
    while n < messages {
        let mut batch = file.begin().await.unwrap();
        for n in n..(n + BATCH).min(messages) {
            let customer = i64::try_from(n % customers).unwrap();
            let stored = sqlx::query("SELECT journey FROM states WHERE customer = $1")
                .bind(customer)
                .fetch_optional(&mut *batch)
                .await
                .unwrap();
            let before: Journey = match stored {
                Some(row) => serde_json::from_str(&row.get::<String, _>(0)).unwrap(),
                None => Journey::default(),
            };
            let begun = Instant::now();
            let folded = fold(&before, contact(n, customers), &settings);
            let took = begun.elapsed();
            if before.total_contacts >= 2 * bound
                && beside.len() < SAMPLE
                && let Some(reference) = &reference
            {
                let begun = Instant::now();
                let _ = fold(reference, contact(n, customers), &settings);
                beside.push(begun.elapsed());
            } else if reference.is_none() && before.total_contacts + 1 >= 2 * bound {
                reference = Some(before.clone());
            }
            let state = serde_json::to_string(&folded.journey).unwrap();
            let cost = match before.total_contacts {
                few if few < bound => &mut costs[0],
                some if some < 2 * bound => &mut costs[1],
                _ => &mut costs[2],
            };
            cost.messages += 1;
            if cost.took.len() < SAMPLE {
                cost.took.push(took);
            }
            cost.largest = cost.largest.max(state.len());
            assert!(folded.journey.contacts.len() <= settings.max_contacts);
            assert_eq!(folded.journey.total_contacts, before.total_contacts + 1);
            sqlx::query(
                "INSERT INTO states VALUES ($1, $2) ON CONFLICT (customer) DO UPDATE SET journey = $2",
            )
            .bind(customer)
            .bind(state)
            .execute(&mut *batch)
            .await
            .unwrap();
        }
        batch.commit().await.unwrap();
        n += BATCH;
    }
    let names = ["up to the bound", "up to twice the bound", "beyond"];
    for (name, cost) in names.into_iter().zip(&mut costs) {
        let each = cost.median();
        eprintln!(
            "{name}: {} messages, median {each:?}, largest state {} bytes",
            cost.messages, cost.largest
        );
    }
    let [_, twice, mut beyond] = costs;
    let mut beside = Cost { took: beside, ..Cost::default() };
    let ratio = beyond.median().as_secs_f64() / beside.median().as_secs_f64().max(1e-9);
    eprintln!("beyond twice the bound against one up to it, in turn: {ratio:.2}");
    eprintln!("{messages} messages of {customers} customers in {:?}; {}", started.elapsed(), memory());
    // Flat; what a busy machine adds it adds to both.
    assert!(beyond.messages == 0 || ratio < 1.5, "{ratio}");
    // A text more or less in the contacts that happen to be kept.
    assert!(beyond.largest <= twice.largest + twice.largest / 10, "{} and {}", twice.largest, beyond.largest);
}

/// Most memory this process has held.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    peak.split_whitespace().collect::<Vec<_>>().join(" ")
}
