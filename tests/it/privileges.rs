//! Users and roles with no more rights than each needs, made by the very commands that the program prints: a worker works
//! and may change nothing; a producer may only publish.

use std::time::Duration;

use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions,
    ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};
use sqlx::{Connection as _, Executor as _};

use crate::support::fresh_prefix;
use crate::support::ledger::Ledger;
use crate::support::postgres::Postgres;
use crate::support::process::Workspace;
use crate::support::rabbit::Rabbit;

fn left_out(installed: bool, what: &str) -> bool {
    assert!(installed || std::env::var("CI").is_err(), "{what} must be installed in CI");
    !installed
}

async fn channel(url: &str) -> (Connection, Channel) {
    let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    (connection, channel)
}

/// The attempt is refused for want of rights; a refusal takes its channel with it.
async fn forbidden<T, F: Future<Output = lapin::Result<T>>>(
    url: &str,
    what: &str,
    attempt: impl FnOnce(Channel) -> F,
) {
    let (_connection, channel) = channel(url).await;
    let error = attempt(channel).await.err().unwrap_or_else(|| panic!("{what} was allowed"));
    assert!(error.to_string().contains("ACCESS_REFUSED"), "{what}: {error}");
}

/// Everything that changes the broker, on something that is there and on something new.
async fn may_change_nothing(url: &str, prefix: &str) {
    let queue = format!("{prefix}.interactions.0");
    let exchange = format!("{prefix}.decisions");
    let table = FieldTable::default;
    for name in [queue.as_str(), "new"] {
        forbidden(url, "declaring a queue", async |channel| {
            channel
                .queue_declare(
                    name.into(),
                    QueueDeclareOptions { durable: true, ..Default::default() },
                    table(),
                )
                .await
        })
        .await;
        if name != "new" {
            forbidden(url, "deleting a queue", async |channel| {
                channel.queue_delete(name.into(), QueueDeleteOptions::default()).await
            })
            .await;
        }
    }
    for name in [exchange.as_str(), "new"] {
        forbidden(url, "declaring an exchange", async |channel| {
            let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
            channel.exchange_declare(name.into(), ExchangeKind::Topic, options, table()).await
        })
        .await;
    }
    forbidden(url, "deleting an exchange", async |channel| {
        channel.exchange_delete(exchange.as_str().into(), ExchangeDeleteOptions::default()).await
    })
    .await;
    forbidden(url, "binding", async |channel| {
        let (queue, exchange) = (queue.as_str().into(), exchange.as_str().into());
        channel.queue_bind(queue, exchange, "#".into(), QueueBindOptions::default(), table()).await
    })
    .await;
}

async fn publish(channel: &Channel, exchange: &str, body: &[u8]) -> lapin::Result<lapin::Confirmation> {
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    let properties = BasicProperties::default().with_delivery_mode(2);
    channel.basic_publish(exchange.into(), "c1".into(), options, body, properties).await?.await
}

async fn may_not_publish(url: &str, exchange: &str) {
    forbidden(url, exchange, async |channel| publish(&channel, exchange, b"{}").await).await;
}

async fn may_not_read(url: &str, queue: &str) {
    forbidden(url, queue, async |channel| {
        channel
            .basic_consume(queue.into(), "".into(), BasicConsumeOptions::default(), FieldTable::default())
            .await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_users_may_do_their_work_and_nothing_else() {
    if left_out(Rabbit::installed(), "RabbitMQ") {
        return;
    }
    let rabbit = Rabbit::start();
    let prefix = fresh_prefix();
    let workspace = Workspace::new(&rabbit.url(), &prefix, 2, None);
    let output = workspace.smista(&["topology", "apply", "--print-users"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    let commands: Vec<String> = printed
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .map(|line| if line.contains("add_user") { format!("echo pw | {line}") } else { line.to_owned() })
        .collect();
    assert!(commands.len() >= 10 && commands.iter().all(|line| line.contains("rabbitmqctl ")), "{printed}");
    rabbit.shell(&commands.join("\n"));
    let url_of = |user: &str| rabbit.url().replace("guest:guest", &format!("{prefix}-{user}:pw"));
    let (worker, producer) = (url_of("worker"), url_of("producer"));

    // The worker works: messages in by the producer, decisions and parked messages out.
    let mut ledger = Ledger::open(&rabbit.url(), &prefix).await;
    let as_worker = Workspace::new(&worker, &prefix, 2, None);
    let mut running = as_worker.worker("least");
    running.wait_connected(Duration::from_secs(20));
    let (_connection, produces) = channel(&producer).await;
    let input = format!("{prefix}.interactions");
    for n in 0..20 {
        let body = serde_json::json!({
            "schema": "smista.interaction.v1", "message_id": format!("m{n}"), "conversation_id": "k", "customer_id": "c1",
            "channel": "chat", "text": "I was charged twice, please refund me",
        });
        let confirm = publish(&produces, &input, body.to_string().as_bytes()).await.unwrap();
        assert_eq!(confirm, lapin::Confirmation::Ack(None));
    }
    publish(&produces, &input, b"{not json").await.unwrap();
    let as_producer = Workspace::new(&producer, &prefix, 2, None);
    let table = as_producer.path().join("rows.csv");
    std::fs::write(&table, "customer_id,text\nc1,Where is my refund?\n").unwrap();
    let output = as_producer.smista(&["import", "--publish", "--channel", "chat", table.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    ledger.read(21, 1, Duration::from_secs(30)).await;
    assert_eq!((ledger.distinct(), ledger.parked_messages.len()), (21, 1), "{}", running.log());
    assert_eq!(running.terminate(Duration::from_secs(30)), Some(0));
    assert!(!running.log().contains("ACCESS_REFUSED"), "{}", running.log());

    may_change_nothing(&worker, &prefix).await;
    may_not_publish(&worker, &input).await;
    may_not_publish(&worker, &format!("{prefix}.unrouted")).await;
    for queue in ["parked", "unrouted"] {
        may_not_read(&worker, &format!("{prefix}.{queue}")).await;
    }
    // What it reads it may also empty: reading is taking. RabbitMQ has one right for both.
    let (_connection, purges) = channel(&worker).await;
    let input_queue = format!("{prefix}.interactions.0");
    purges.queue_purge(input_queue.as_str().into(), QueuePurgeOptions::default()).await.unwrap();

    may_change_nothing(&producer, &prefix).await;
    for exchange in ["decisions", "events", "corrections", "parked", "unrouted"] {
        may_not_publish(&producer, &format!("{prefix}.{exchange}")).await;
    }
    for queue in ["interactions.0", "interactions.1", "parked", "unrouted"] {
        may_not_read(&producer, &format!("{prefix}.{queue}")).await;
    }

    let console = url_of("console");
    may_change_nothing(&console, &prefix).await;
    may_not_publish(&console, &input).await;
    may_not_read(&console, &format!("{prefix}.parked")).await;
    let as_operator = Workspace::new(&url_of("operator"), &prefix, 2, None);
    for args in [&["topology", "apply"][..], &["topology", "check"], &["parked", "list"]] {
        let output = as_operator.smista(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let output = as_worker.smista(&["topology", "apply"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("may not declare"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_worker_may_change_rows_and_no_table() {
    if left_out(Postgres::installed(), "PostgreSQL") {
        return;
    }
    let postgres = Postgres::start();
    let workspace =
        |user: &str| Workspace::new("amqp://127.0.0.1:1/", "t", 1, Some(&postgres.url(user, "127.0.0.1")));
    let output = workspace("smista").smista(&["database", "roles", "--name", "acme"]);
    let sql = String::from_utf8(output.stdout).unwrap();
    let mut admin = sqlx::PgConnection::connect(&postgres.url("smista", "127.0.0.1")).await.unwrap();
    admin.execute(sql.as_str()).await.unwrap();

    // Before the owner has made the schema, a worker says who can.
    let refused = workspace("acme_worker").smista(&["worker"]);
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && text.contains("may not change it"), "{text}");
    let doctor = crate::tls::doctor(&workspace("acme_worker"), "database");
    assert!(doctor["remedy"].as_str().unwrap().contains("smista database apply"), "{doctor}");
    for _ in 0..2 {
        let output = workspace("acme_owner").smista(&["database", "apply"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    // Again, now that there are tables: takes the right to the list of migrations away.
    admin.execute(sql.as_str()).await.unwrap();

    let mut config = smista::config::Config::load(None).unwrap().store;
    config.url = postgres.url("acme_worker", "127.0.0.1");
    let store = smista::store::open(&config).await.unwrap();
    store.resolve_customer(Some("c"), "k", &["hash".to_owned()]).await.unwrap();
    assert_eq!(store.resolve_customer(None, "k2", &["hash".to_owned()]).await.unwrap().customer, "c");
    let erased = workspace("acme_worker").smista(&["erase", "--customer", "c", "--no-queues"]);
    assert!(erased.status.success(), "{}", String::from_utf8_lossy(&erased.stderr));

    let mut worker = sqlx::PgConnection::connect(&config.url).await.unwrap();
    for statement in [
        "CREATE TABLE t (a INT)",
        "ALTER TABLE inbox ADD COLUMN a INT",
        "DROP TABLE inbox",
        "TRUNCATE inbox CASCADE",
        "CREATE INDEX i ON inbox (customer)",
        "DELETE FROM _sqlx_migrations",
        "CREATE ROLE other",
    ] {
        match worker.execute(statement).await {
            Err(sqlx::Error::Database(error)) => {
                assert_eq!(error.code().as_deref(), Some("42501"), "{statement}: {error}");
            }
            other => panic!("{statement}: {other:?}"),
        }
    }
}
