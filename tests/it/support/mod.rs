//! What several integration tests share: servers named by the environment, worker processes, a ledger of decisions.

pub mod bench;
pub mod certificates;
#[cfg(feature = "torch")]
pub mod core;
pub mod ledger;
pub mod postgres;
pub mod process;
pub mod proxy;
pub mod rabbit;
pub mod rig;

/// Address of the RabbitMQ that `scripts/test` started; tests that need one say that they were left out.
pub fn amqp_url() -> Option<String> {
    server("SMISTA_TEST_AMQP_URL")
}

/// Address of the PostgreSQL that `scripts/test` started.
pub fn postgres_url() -> Option<String> {
    server("SMISTA_TEST_POSTGRES_URL")
}

fn server(variable: &str) -> Option<String> {
    let url = std::env::var(variable).ok().filter(|url| !url.is_empty());
    if url.is_none() {
        assert!(std::env::var("CI").is_err(), "{variable} must be set in CI: run ./scripts/test");
        eprintln!("left out: {variable} is not set (./scripts/test starts the servers)");
    }
    url
}

/// A database of the test's own on that server: a worker forgets old messages, other tests' ones too.
pub async fn fresh_database(url: &str) -> String {
    use sqlx::{Connection, Executor};
    let name = fresh_prefix();
    let mut connection = sqlx::postgres::PgConnection::connect(url).await.unwrap();
    connection.execute(format!("CREATE DATABASE {name}").as_str()).await.unwrap();
    let (server, _) = url.rsplit_once('/').unwrap();
    format!("{server}/{name}")
}

/// A prefix nobody else uses, so that tests share one broker.
pub fn fresh_prefix() -> String {
    format!("t{}", uuid::Uuid::new_v4().simple())
}
