//! How long the console's pages take over many decisions: fills a store of its own, then asks for pages as a browser would, without
//! the network. `scripts/load-console` runs it on SQLite and PostgreSQL.
//!
//! The store is filled by multiplying decisions that the program itself committed: ids, times, priorities, queues and marks vary, and one
//! in five is listed for review. Nothing of it is a customer's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use chrono::{DateTime, TimeDelta, Utc};
use clap::Parser;
use smista::config::Config;
use smista::console::{Console, password, routes};
use smista::journey::map::Filter as MapFilter;
use smista::routing::{Decision, Policy, PolicyHandle};
use smista::store::console::{Account, ConsoleStore, Cursor, Expired, Filter, Role, Sorting};
use smista::store::{Effect, journey_map, open_console};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// Fill a store with decisions and measure the console's pages over it.
#[derive(Parser)]
struct Args {
    /// An empty database: sqlite:FILE or postgres://…
    #[arg(long)]
    store: String,
    /// Decisions to fill it with; one in five is listed
    #[arg(long, default_value_t = 100_000)]
    decisions: u64,
    /// Requests for each page
    #[arg(long, default_value_t = 200)]
    requests: usize,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut config = Config::load(None)?;
    config.store.url.clone_from(&args.store);
    let store = open_console(&config.store).await?;
    ensure!(store.counts().await?.messages == 0, "the store is not empty: give it a database of its own");
    let filling = Instant::now();
    commit_templates(store.as_ref()).await?;
    multiply(&args.store, args.decisions).await?;
    let filled = filling.elapsed();

    let token = session(store.as_ref()).await?;
    let middle = middle(store.as_ref()).await?;
    let policy = PolicyHandle::new(Policy::embedded_default()?);
    let console =
        Console::new(Arc::clone(&store), config.console, None, policy, Vec::new(), CancellationToken::new())?;
    let router = routes::router(&console);
    let pages = [
        ("to do, most urgent first", "/queue".to_owned()),
        ("newest first", "/queue?sort=newest".into()),
        ("from the middle on", format!("/queue{middle}")),
        ("urgent", "/queue?priority=urgent".into()),
        ("one queue", "/queue?queue=billing".into()),
        ("mine", "/queue?view=mine".into()),
        ("resolved", "/queue?view=resolved".into()),
        ("four filters", "/queue?channel=chat&stage=support&sentiment=negative&language=it".into()),
        ("a signal", "/queue?signal=legal_threat".into()),
        ("a rare signal", "/queue?signal=safety".into()),
        ("a common word", "/queue?q=invoice".into()),
        ("a rare word", "/queue?q=zanzibar".into()),
        ("a word that nobody said", "/queue?q=quokka".into()),
        ("a conversation", "/conversation/k-t2-777".into()),
    ];
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING).set_header(["page", "p50 ms", "p95 ms", "longest ms"]);
    let mut lines = Vec::new();
    for (name, path) in pages {
        let mut took = Vec::with_capacity(args.requests);
        for _ in 0..args.requests {
            let request = Request::get(&path).header(header::COOKIE, format!("smista={token}"));
            let asked = Instant::now();
            let response = router.clone().oneshot(request.body(Body::empty())?).await?;
            ensure!(response.status().is_success(), "{path}: {}", response.status());
            to_bytes(response.into_body(), usize::MAX).await?;
            took.push(asked.elapsed());
            // A page that takes seconds need not be asked for so often.
            if took.len() >= 5 && took.iter().sum::<Duration>() > Duration::from_secs(20) {
                break;
            }
        }
        took.sort_unstable();
        let at = |share: usize| took[(took.len() * share / 100).min(took.len() - 1)].as_secs_f64() * 1000.0;
        let (p50, p95, longest) = (at(50), at(95), at(100));
        table.add_row([name.to_owned(), format!("{p50:.1}"), format!("{p95:.1}"), format!("{longest:.1}")]);
        lines.push(serde_json::json!({ "page": name, "p50_ms": p50, "p95_ms": p95, "max_ms": longest, "requests": took.len() }));
    }
    let (mapped, took) = whole_map(store.as_ref()).await?;
    ensure!(mapped >= args.decisions, "the map has {mapped} rows");
    let folding = took.as_secs_f64();
    let kind = args.store.split(':').next().unwrap_or_default();
    if args.json {
        let seconds = filled.as_secs_f64();
        println!(
            "{}",
            serde_json::json!({ "store": kind, "decisions": args.decisions, "filled_s": seconds, "pages": lines, "map_s": folding })
        );
    } else {
        println!("{kind}, {} decisions, filled in {:.0} s\n{table}", args.decisions, filled.as_secs_f64());
        println!(" the journey map of all {mapped} messages: {folding:.1} s");
    }
    Ok(())
}

/// Decisions that everything else is made from, committed as a worker does.
async fn commit_templates(store: &dyn ConsoleStore) -> anyhow::Result<()> {
    let texts = [
        "The invoice of last month is wrong again and nobody answers me.",
        "Buongiorno, la linea è giù da ieri sera e ho il negozio chiuso.",
        "I was charged twice for one order; my lawyer will hear of it.",
        "Vorrei disdire il contratto, la concorrenza mi offre di meglio.",
    ];
    for (at, text) in texts.into_iter().enumerate() {
        let (message, conversation) = (format!("m-t{at}-0"), format!("k-t{at}-0"));
        let now = Utc::now();
        let interaction = serde_json::json!({
            "message_id": message, "conversation_id": conversation, "customer_id": format!("c-t{at}-0"), "identities": [],
            "channel": "chat", "author": "customer", "sent_at": now, "language_hint": null, "subject": null,
            "turns": [{"speaker": "customer", "text": format!("{text} ").repeat(8)}],
            "ratings": {}, "attributes": {}, "attachments": [], "auto_reply": null,
        });
        let mut decision: Decision = serde_json::from_str(include_str!("../tests/data/decision.json"))?;
        decision.decision_id = Decision::id_for(&message, 1);
        (decision.message_id, decision.conversation_id) = (message, conversation);
        decision.customer_id = format!("c-t{at}-0");
        (decision.decided_at, decision.supersedes, decision.flags) = (now, None, vec!["legal".to_owned()]);
        let before = store.customer(&decision.customer_id).await?;
        let (after, outbox, topics) = (before.journey.clone(), Vec::new(), Vec::new());
        let interaction = serde_json::from_value(interaction)?;
        let effect = Effect {
            interaction,
            before,
            absorbed: Vec::new(),
            after,
            decision,
            outbox,
            traces: None,
            topics,
        };
        store.commit(effect).await?;
    }
    Ok(())
}

/// Every template many times, in five statements that both databases take.
async fn multiply(url: &str, decisions: u64) -> anyhow::Result<()> {
    let copies = decisions / 4;
    let series = format!(
        "WITH RECURSIVE s(n) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT n + 1 FROM s WHERE n < {copies})"
    );
    // k-t2-0 becomes k-t2-777; a text of its own keeps the template's number.
    let id = |column: &str| format!("substr({column}, 1, 5) || s.n");
    let pick = |list: &[&str], by: u32| {
        let cases: String =
            list.iter().enumerate().map(|(at, name)| format!(" WHEN {at} THEN '{name}'")).collect();
        format!("CASE (s.n / {by}) % {}{cases} END", list.len())
    };
    // Ten thousand decisions an hour, the latest now.
    let at = format!("t.decided_at - ({copies} - s.n) * 1440000 - 1");
    let level = "CASE WHEN s.n % 50 = 0 THEN 3 WHEN s.n % 7 = 0 THEN 2 WHEN s.n % 3 = 0 THEN 0 ELSE 1 END";
    let levels =
        format!("CASE {level} WHEN 3 THEN 'urgent' WHEN 2 THEN 'high' WHEN 1 THEN 'normal' ELSE 'low' END");
    let statements = [
        format!(
            "INSERT INTO inbox (message_id, customer, decision_id, decided_at) {series} \
             SELECT {}, 'c-' || (s.n % 200000), {}, {at} FROM inbox t, s",
            id("t.message_id"),
            "t.decision_id || '-' || s.n",
        ),
        format!(
            "INSERT INTO decisions (decision_id, message_id, decided_at, decision, interaction, before) {series} \
             SELECT t.decision_id || '-' || s.n, {}, {at}, replace(t.decision, t.message_id, {}), \
                replace(t.interaction, t.message_id, {}), t.before FROM decisions t, s WHERE t.message_id LIKE 'm-t_-0'",
            id("t.message_id"),
            id("t.message_id"),
            id("t.message_id"),
        ),
        format!(
            "INSERT INTO review_messages (message_id, conversation_id, decided_at) {series} \
             SELECT {}, {}, {at} FROM review_messages t, s WHERE t.message_id LIKE 'm-t_-0'",
            id("t.message_id"),
            id("t.conversation_id"),
        ),
        format!(
            "INSERT INTO review (conversation_id, message_id, decided_at, listed, urgency, priority, action, queue, channel, \
                stage, sentiment, language, intent, signals, flags, words, excerpt, due_at, status, done, assignee) {series} \
             SELECT {}, {}, {at}, CASE WHEN s.n % 5 = 0 THEN 1 ELSE 0 END, \
                ({level}) * 10000000000000 + 10000000000000 - (({at}) / 1000 + 3600000), {levels}, \
                t.action, {}, {}, {}, {}, {}, t.intent, \
                CASE WHEN s.n % 40 = 0 THEN ' legal_threat churn ' WHEN s.n % 50000 = 5 THEN ' safety ' ELSE ' deadline ' END, t.flags, \
                CASE WHEN s.n % 25000 = 0 THEN 'zanzibar ' ELSE '' END || t.words, t.excerpt, ({at}) + 3600000000, \
                CASE WHEN s.n % 15 = 0 THEN 'resolved' WHEN s.n % 20 = 0 THEN 'assigned' ELSE 'open' END, \
                CASE WHEN s.n % 15 = 0 THEN 1 ELSE 0 END, \
                CASE WHEN s.n % 20 = 0 THEN 'load' || (s.n / 20 % 30) ELSE '' END \
             FROM review t, s WHERE t.message_id LIKE 'm-t_-0'",
            id("t.conversation_id"),
            id("t.message_id"),
            pick(
                &["billing", "technical", "complaints", "retention", "general", "orders", "accounts", "care"],
                5
            ),
            pick(&["chat", "email", "call", "messaging"], 5),
            pick(&["support", "purchase", "retention", "onboarding", "consideration"], 25),
            pick(&["negative", "neutral", "positive"], 5),
            pick(&["en", "it"], 35),
        ),
        format!(
            "INSERT INTO map_contacts (customer, sent_at, message_id, conversation_id, channel, language, stage, counts, \
                sentiment, effort, repeated, repeat_of, wants, open_goals, open_here) {series} \
             SELECT 'c-' || (s.n % 200000), {at}, {}, {}, {}, {}, {}, 1, s.n % 2001 - 1000, s.n % 1001, \
                CASE WHEN s.n % 9 = 0 THEN 1 ELSE 0 END, '', 1, s.n % 2, s.n % 2 \
             FROM map_contacts t, s WHERE t.message_id LIKE 'm-t_-0'",
            id("t.message_id"),
            id("t.conversation_id"),
            pick(&["chat", "email", "call", "messaging"], 5),
            pick(&["en", "it"], 35),
            pick(&["support", "purchase", "retention", "onboarding", "consideration"], 25),
        )
        .replace("t.decided_at", "t.sent_at"),
    ];
    if url.starts_with("sqlite:") {
        let pool = sqlx::SqlitePool::connect(url).await.context("the store")?;
        let mut transaction = pool.begin().await?;
        for sql in &statements {
            sqlx::query(sql).execute(&mut *transaction).await.with_context(|| sql.clone())?;
        }
        transaction.commit().await?;
        // One transaction wrote everything into the log; workers write it piece by piece and the log stays short.
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&pool).await?;
        pool.close().await;
    } else {
        let pool = sqlx::PgPool::connect(url).await.context("the store")?;
        let mut transaction = pool.begin().await?;
        for sql in &statements {
            sqlx::query(sql).execute(&mut *transaction).await.with_context(|| sql.clone())?;
        }
        transaction.commit().await?;
        // What autovacuum does within minutes of such a change.
        sqlx::query("VACUUM ANALYZE").execute(&pool).await?;
        pool.close().await;
    }
    Ok(())
}

async fn session(store: &dyn ConsoleStore) -> anyhow::Result<String> {
    let account = Account {
        name: "load0".to_owned(),
        role: Role::Supervisor,
        password: "none".to_owned(),
        disabled: false,
        language: String::new(),
        created_at: Utc::now(),
    };
    store.add_account(&account).await?;
    let token = password::token();
    let never = DateTime::UNIX_EPOCH;
    let expired = Expired { created: never, seen: never };
    store.begin_session(&password::digest(&token), &account.name, Utc::now(), expired).await?;
    Ok(token)
}

/// The journey map of everything, folded once: its rows, and how long it took.
async fn whole_map(store: &dyn ConsoleStore) -> anyhow::Result<(u64, Duration)> {
    let started = Instant::now();
    let mut rows = 0;
    let (since, until) = (DateTime::UNIX_EPOCH, Utc::now() + TimeDelta::days(1));
    let map = journey_map(store, since, until, MapFilter::default(), |page| rows += page).await?;
    ensure!(map.total.contacts == rows, "{} contacts of {rows} rows", map.total.contacts);
    Ok((rows, started.elapsed()))
}

/// The address of a page far down the queue: from its first normal conversation on.
async fn middle(store: &dyn ConsoleStore) -> anyhow::Result<String> {
    let filter = Filter { priority: "normal".to_owned(), ..Filter::default() };
    let item = store.queue(&filter, None, 1).await?.items.into_iter().next().context("nothing is listed")?;
    let Cursor { key, conversation_id } = Cursor::behind(&item, Sorting::Urgent);
    Ok(format!("?after={key}&behind={conversation_id}"))
}
