//! What `smista doctor` asks of the servers around a worker, and what their refusals mean.

use std::path::Path;
use std::time::Duration;

use chrono::{TimeDelta, Utc};

use super::{Check, Status};
use crate::broker::amqp::backlog::Backlog;
use crate::broker::amqp::park::ParkedQueue;
use crate::broker::amqp::{Address, declare};
use crate::broker::topology::Topology;
use crate::cli::setup;
use crate::config::{self, Config};
use crate::store;
use crate::telemetry::logging;

/// Longest wait for RabbitMQ or the database.
const PATIENCE: Duration = Duration::from_secs(8);
/// A worker publishes what another left behind well within this.
const UNSENT_FOR: TimeDelta = TimeDelta::minutes(5);

/// The provider through which people sign in to the console, where there is one.
pub(super) async fn provider(config: &Config) -> Option<Check> {
    const NAME: &str = "sign-in provider";
    let issuer = &config.console.oidc.as_ref()?.issuer;
    Some(match crate::console::ask_provider(&config.console).await? {
        Ok(()) => Check::ok(NAME, format!("{issuer} answers")),
        Err(error) => Check::bad(
            NAME,
            Status::Failed,
            format!("{issuer}: {error}"),
            "correct console.oidc.issuer (exactly as the provider's /.well-known/openid-configuration has it) or start the provider; accounts with a password sign in meanwhile",
        ),
    })
}

/// The database: reached, its schema there, and how much it holds.
pub(super) async fn database(config: &Config) -> Check {
    const NAME: &str = "database";
    const REMEDY: &str = "check store.url: for sqlite a writable folder, for PostgreSQL a server that runs and a user that may create tables";
    let address = match store::redacted_address(&config.store).await {
        Ok(address) => address,
        Err(error) => return Check::failed(NAME, &error.into(), "name a readable file in store.url_file"),
    };
    // Asked once: whoever waits for a server that starts is the worker.
    let mut config = config.clone();
    config.store.statement_timeout_s = config.store.statement_timeout_s.min(PATIENCE.as_secs() - 3);
    let config = &config;
    match store::missing_file(&config.store).await {
        // Looking creates nothing; the worker will.
        Ok(Some(file)) => {
            let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = folder.unwrap_or(Path::new("."));
            if folder.metadata().is_ok_and(|folder| folder.is_dir() && !folder.permissions().readonly()) {
                return Check::ok(
                    NAME,
                    format!("sqlite, {} is not there yet: the worker makes it", file.display()),
                );
            }
            let detail = format!(
                "{} is not there and {} is no folder that can be written to",
                file.display(),
                folder.display()
            );
            return Check::bad(NAME, Status::Failed, detail, REMEDY);
        }
        Ok(None) => {}
        Err(error) => return Check::failed(NAME, &error.into(), REMEDY),
    }
    let opened = async {
        let store = setup::store(config).await?;
        store.ping().await?;
        anyhow::Ok(store.counts().await?)
    };
    match tokio::time::timeout(PATIENCE, opened).await {
        Ok(Ok(counts)) => {
            let held = format!("{address}, {} customers, {} messages", counts.customers, counts.messages);
            let late = counts.oldest_unsent.map(|at| Utc::now() - at).filter(|age| *age > UNSENT_FOR);
            match late {
                Some(age) => Check::bad(
                    NAME,
                    Status::Warning,
                    format!(
                        "{held}; {} decisions and events are not published, the oldest for {} minutes",
                        counts.unsent,
                        age.num_minutes()
                    ),
                    "a worker that runs publishes them: start one, or look into its log for what the broker refuses",
                ),
                None if counts.unsent > 0 => {
                    Check::ok(NAME, format!("{held}, {} not published yet", counts.unsent))
                }
                None => Check::ok(NAME, held),
            }
        }
        Ok(Err(error)) => {
            let mut check = Check::failed(NAME, &error, REMEDY);
            check.remedy = Some(database_remedy(&check.detail).unwrap_or(REMEDY).to_owned());
            check.detail = format!("{address}: {}", check.detail);
            check
        }
        Err(_) => {
            let detail = format!("{address}: connected, but no answer within {PATIENCE:?}");
            Check::bad(
                NAME,
                Status::Failed,
                detail,
                "look whether the server is overloaded or a lock is held",
            )
        }
    }
}

/// What PostgreSQL's refusals mean: SQLSTATE codes, which stay the same in every language, and what connecting says.
fn database_remedy(said: &str) -> Option<&'static str> {
    const REMEDIES: [(&str, &str); 18] = [
        ("newer than this program", "run the version of smista that last opened it, or a later one"),
        ("not a database", "name another file in store.url: this one holds something else, or is damaged"),
        ("(28P01)", "correct user and password in store.url, url_file or password_file"),
        ("valid client certificate", "set store.tls_certificate and store.tls_key"),
        (
            "(28000)",
            "make the role, or let it log in from here (pg_hba.conf); `smista database roles` shows the SQL",
        ),
        ("(3D000)", "correct the database's name at the end of store.url, or make it: createdb"),
        ("may not change it (42501)", "run `smista database apply` as the owner of the tables"),
        ("(42501)", "grant the role what it needs: `smista database roles` shows the SQL"),
        (
            "(53300)",
            "the server has no connection left: lower store.max_connections or raise its max_connections",
        ),
        ("UnknownIssuer", "name the authority that signed the server's certificate in store.tls_ca"),
        ("CaUsedAsEndEntity", "name the authority that signed the server's certificate in store.tls_ca"),
        ("ot valid for name", "use a host in store.url that the server's certificate names"),
        ("NotValidForName", "use a host in store.url that the server's certificate names"),
        ("server does not support TLS", "switch TLS on at the server (ssl = on), or take store.tls_ca out"),
        ("TLS: ", "check store.tls_ca, tls_certificate and tls_key, and the server's log"),
        ("failed to lookup", "correct the host in store.url"),
        ("onnection refused", "start PostgreSQL, or correct host and port in store.url"),
        ("does not answer", "check host and port in store.url, and firewalls between here and there"),
    ];
    REMEDIES.iter().find(|(sign, _)| said.contains(sign)).map(|(_, remedy)| *remedy)
}

/// What the worker would fail on when it starts to listen, or log.
pub(super) async fn telemetry(config: &Config) -> Check {
    const NAME: &str = "telemetry";
    let settings = &config.telemetry;
    if let Err(error) = logging::check(&settings.log_filter) {
        return Check::failed(NAME, &error.into(), "write it as in info,smista=debug");
    }
    let Some(listen) = &settings.listen else {
        return Check::ok(NAME, format!("log {}; no metrics, no health", settings.log_filter));
    };
    match tokio::net::TcpListener::bind(listen).await {
        Ok(_) => Check::ok(NAME, format!("log {}; {listen} is free", settings.log_filter)),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Check::bad(
            NAME,
            Status::Warning,
            format!("{listen} is taken: by a worker that runs, or by something else"),
            "a second worker on this machine needs another telemetry.listen, or none",
        ),
        Err(error) => Check::bad(
            NAME,
            Status::Failed,
            format!("telemetry.listen = {listen}: {error}"),
            "set telemetry.listen to host:port of this machine, or remove it",
        ),
    }
}

/// What waits in the queues, and whether anybody is at it; none where there are no queues yet.
async fn backlog(config: &config::Broker) -> Option<Check> {
    const NAME: &str = "queues";
    let queues = ParkedQueue::open(config).await.ok()?;
    let told = queues.backlog().await;
    queues.close().await;
    let told = told.ok()?;
    let waiting = |queue: &Backlog| queue.waiting.unwrap_or(0);
    let set_aside: Vec<String> = told
        .iter()
        .filter(|queue| queue.shard.is_none() && waiting(queue) > 0)
        .map(|queue| format!("{} in {}", waiting(queue), queue.queue))
        .collect();
    let unread: Vec<String> = told
        .iter()
        .filter(|queue| queue.waiting.is_some() && queue.is_stuck() && waiting(queue) > 0)
        .map(|queue| format!("{} in {}", waiting(queue), queue.queue))
        .collect();
    let input: u64 =
        told.iter().filter(|queue| queue.shard.is_some()).map(|queue| u64::from(waiting(queue))).sum();
    Some(if !unread.is_empty() {
        let detail = format!("messages wait and nobody reads them: {}", unread.join(", "));
        Check::bad(NAME, Status::Warning, detail, "start a worker: `smista worker`")
    } else if !set_aside.is_empty() {
        let detail = format!("messages were set aside: {}", set_aside.join(", "));
        let remedy = "`smista parked list` says why each was parked; what is in the queue of unrouted messages had no queue bound for it: bind one for your routing system";
        Check::bad(NAME, Status::Warning, detail, remedy)
    } else if told.iter().any(|queue| queue.waiting.is_none()) {
        return None;
    } else {
        Check::ok(NAME, format!("{input} messages wait, none set aside"))
    })
}

/// The broker and what has to be on it.
pub(super) async fn broker(config: &Config) -> Vec<Check> {
    const NAME: &str = "broker";
    const TOPOLOGY: &str = "topology";
    const REMEDY: &str = "look into the broker's log: it answers, but not in time";
    let address = match Address::from_config(&config.broker) {
        Ok(address) => address,
        Err(error) => {
            return vec![Check::failed(NAME, &error.into(), "correct the broker section of smista.toml")];
        }
    };
    let shown = address.redacted();
    let connection = match tokio::time::timeout(PATIENCE, address.connect("smista doctor")).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(fault)) => {
            return vec![Check::bad(NAME, Status::Failed, fault.to_string(), fault.remedy())];
        }
        Err(_) => {
            let detail = format!("{shown} does not answer within {PATIENCE:?}");
            return vec![Check::bad(
                NAME,
                Status::Failed,
                detail,
                "check host and port in broker.url, and firewalls",
            )];
        }
    };
    let mut checks = vec![if address.is_exposed() {
        Check::bad(
            NAME,
            Status::Warning,
            format!("{shown}; password and messages go over the network in the clear"),
            "let the broker listen for TLS and write amqps://; docs/security.md tells how",
        )
    } else {
        Check::ok(NAME, shown)
    }];
    let topology = Topology::of(&config.broker).with_hooks(&config.gateway);
    let looked =
        tokio::time::timeout(PATIENCE, declare::check(&connection, &topology, declare::Depth::Shape));
    checks.push(match looked.await {
        Ok(Ok(report)) if report.faults.is_empty() => Check::ok(
            TOPOLOGY,
            format!("{} exchanges, {} queues", topology.exchanges.len(), topology.queues.len()),
        ),
        Ok(Ok(report)) => {
            let faults: Vec<String> =
                report.faults.iter().map(|fault| format!("{} {} {}", fault.kind, fault.name, fault.problem)).collect();
            let only_missing = report.faults.iter().all(|fault| fault.problem == declare::Problem::Missing);
            let remedy = if only_missing {
                "run `smista topology apply` as a user that may configure"
            } else {
                "`smista topology check` tells what to do about each; what is different has to be deleted before `smista topology apply` makes it anew"
            };
            Check::bad(TOPOLOGY, Status::Failed, faults.join(", "), remedy)
        }
        Ok(Err(error)) => Check::failed(TOPOLOGY, &error.into(), "`smista topology check` tells more"),
        Err(_) => Check::bad(TOPOLOGY, Status::Failed, format!("no answer within {PATIENCE:?}"), REMEDY),
    });
    let looked = tokio::time::timeout(PATIENCE, backlog(&config.broker)).await;
    checks.extend(looked.ok().flatten());
    // The checks are done; a connection that does not close cleanly changes nothing.
    let _ = connection.close(200, "done".into()).await;
    checks
}
