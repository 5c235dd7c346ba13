//! `smista gateway`: interactions in and decisions out by HTTP.

use std::io::Write as _;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Subcommand;
use tokio_util::sync::CancellationToken;

use super::style::{GOOD, paint};
use super::{Hinted, Outcome, setup};
use crate::broker::Broker;
use crate::broker::amqp::AmqpBroker;
use crate::config::Config;
use crate::gateway::{self, Patience};
use crate::telemetry::health::Part;
use crate::telemetry::{Health, http};
use crate::worker;

/// Take interactions by HTTP, and send decisions and events to webhooks and to Chatwoot.
#[derive(Debug, Clone, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    long_about = "Take interactions by HTTP, and send decisions and events to webhooks and to Chatwoot.\n\n\
        It listens on gateway.listen: POST /v1/interactions, /openapi.json, /metrics, /health/live and /health/ready. SIGTERM \
        and SIGINT finish what is under way. The queues of webhooks must be there: `smista topology apply`.",
    after_help = "Examples:\n  smista console token add shop --scope send\n  smista gateway\n  \
        curl -H \"Authorization: Bearer $TOKEN\" --json @message.json http://127.0.0.1:8788/v1/interactions\n  \
        smista gateway secret > crm-webhook-secret\n\ndocs/gateway.md tells more."
)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// Make up a secret for a webhook and print it.
    #[command(after_help = "Example:\n  (umask 077; smista gateway secret > crm-webhook-secret)")]
    Secret,
    /// Print the OpenAPI document of the intake.
    #[command(after_help = "Example:\n  smista gateway openapi | jq .paths")]
    Openapi,
}

/// Runs it.
pub async fn run(args: Args, config: Config) -> anyhow::Result<Outcome> {
    match args.command {
        Some(Command::Secret) => writeln!(anstream::stdout(), "{}", gateway::new_secret())?,
        Some(Command::Openapi) => writeln!(anstream::stdout(), "{:#}", gateway::document())?,
        None => serve(config).await?,
    }
    Ok(Outcome::Done)
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    super::worker::stop_on_signals(&stop)?;
    let store = setup::console_store(&config).await?;
    let health = Health::default();
    health.set(Part::Store, true, "open");
    health.set(Part::Engine, true, "not used here");
    let broker = Arc::new(
        AmqpBroker::start(&config.broker)
            .context(Hinted::new("the broker cannot be used", "correct the broker section of smista.toml"))?,
    );
    tokio::spawn(worker::watch_broker(Arc::<AmqpBroker>::clone(&broker), health.clone(), stop.clone()));
    let pages = http::routes(http::install_recorder()?, health, stop.clone());
    let patience = Patience::of(&config.gateway);
    let running =
        gateway::start(&config, store, broker.as_ref(), pages, patience, stop).await.context(Hinted::new(
            "the gateway cannot start",
            "correct the gateway section of smista.toml; docs/gateway.md",
        ))?;
    writeln!(anstream::stderr(), "{} http://{}", paint(GOOD, "gateway:"), running.address)?;
    for task in running.tasks {
        task.await.context("a part of the gateway ended early")?;
    }
    broker.close().await;
    Ok(())
}
