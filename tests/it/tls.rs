//! TLS to RabbitMQ and PostgreSQL, with certificates made on the spot: what is right works, and what is wrong is refused
//! with an error that names it and `smista doctor` says what to do.

use std::path::Path;

use serde_json::Value;
use smista::broker::amqp::Address;
use smista::broker::amqp::fault::Problem;
use smista::config::{self, BrokerAuth, Config};
use smista::store;

use crate::support::certificates::Certificates;
use crate::support::postgres::Postgres;
use crate::support::process::Workspace;
use crate::support::rabbit::{Rabbit, free_port};

/// In CI nothing is left out for want of a server.
fn can_run(installed: bool, what: &str) -> bool {
    assert!(installed || std::env::var("CI").is_err(), "{what} must be installed in CI");
    if !installed {
        eprintln!("left out: {what} is not installed");
    }
    installed
}

fn broker(url: &str, certificates: &Certificates) -> config::Broker {
    let mut config = Config::load(None).unwrap().broker;
    config.url = url.to_owned();
    config.tls_ca = Some(certificates.ca.clone());
    config.tls_certificate = Some(certificates.client.0.clone());
    config.tls_key = Some(certificates.client.1.clone());
    config
}

fn tls_rabbit(certificates: &Certificates) -> (Rabbit, u16) {
    let port = free_port();
    let configuration = format!(
        "listeners.ssl.1 = 127.0.0.1:{port}\nssl_options.cacertfile = {}\nssl_options.certfile = {}\n\
         ssl_options.keyfile = {}\nssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true\n\
         auth_mechanisms.1 = PLAIN\nauth_mechanisms.2 = EXTERNAL\nssl_cert_login_from = common_name",
        certificates.ca.display(),
        certificates.server.0.display(),
        certificates.server.1.display(),
    );
    (Rabbit::start_with(&configuration, ",rabbitmq_auth_mechanism_ssl"), port)
}

#[tokio::test(flavor = "multi_thread")]
async fn rabbitmq_over_tls() {
    if !can_run(Rabbit::installed(), "RabbitMQ") {
        return;
    }
    let certificates = Certificates::new("by-certificate");
    let (rabbit, port) = tls_rabbit(&certificates);
    rabbit.shell("echo unused | rabbitmqctl add_user by-certificate; rabbitmqctl set_permissions by-certificate '' '' ''");
    let url = format!("amqps://guest:guest@localhost:{port}/%2f");
    let good = broker(&url, &certificates);

    let connect = async |config: &config::Broker| Address::from_config(config).unwrap().connect("test").await;
    let by_password = connect(&good).await.unwrap();
    let mut pkcs12 = good.clone();
    (pkcs12.tls_certificate, pkcs12.tls_key) = (None, None);
    pkcs12.tls_identity = Some(certificates.client_p12.0.clone());
    pkcs12.tls_identity_password_file = Some(certificates.client_p12.1.clone());
    connect(&pkcs12).await.unwrap();
    let mut by_certificate = good.clone();
    by_certificate.auth = BrokerAuth::Certificate;
    by_certificate.url = format!("amqps://localhost:{port}/%2f");
    let without_password = connect(&by_certificate).await.unwrap();
    let users = rabbit.shell("rabbitmqctl list_connections user ssl");
    assert!(users.contains("by-certificate\ttrue") && users.contains("guest\ttrue"), "{users}");
    drop((by_password, without_password));

    let refused = async |what: &str, change: &dyn Fn(&mut config::Broker), problem: Problem| {
        let mut config = good.clone();
        change(&mut config);
        let fault = connect(&config).await.unwrap_err();
        assert_eq!(fault.problem, problem, "{what}: {fault}");
        let workspace = Workspace::of(&configuration(&config));
        let check = doctor(&workspace, "broker");
        assert_eq!(check["status"], "failed", "{what}");
        assert_eq!(check["remedy"], fault.remedy(), "{what}: {check}");
        assert!(check["detail"].as_str().unwrap().contains(&fault.to_string()), "{what}: {check}");
    };
    let stranger = &certificates.stranger;
    refused("unknown authority", &|c| c.tls_ca = Some(stranger.clone()), Problem::UnknownAuthority).await;
    refused("no authority", &|c| c.tls_ca = None, Problem::UnknownAuthority).await;
    refused("other name", &|c| c.url = url.replace("localhost", "127.0.0.1"), Problem::WrongName).await;
    let without = |c: &mut config::Broker| (c.tls_certificate, c.tls_key) = (None, None);
    refused("no client certificate", &without, Problem::CertificateWanted).await;
    let impostor = |c: &mut config::Broker| {
        c.tls_certificate = Some(certificates.impostor.0.clone());
        c.tls_key = Some(certificates.impostor.1.clone());
    };
    refused("a client signed by somebody else", &impostor, Problem::CertificateRefused).await;
    refused("wrong password", &|c| c.url = url.replace("guest:guest", "guest:wrong"), Problem::Login).await;
    refused("no such vhost", &|c| c.url = url.replace("%2f", "nowhere"), Problem::NoVhost).await;
    rabbit.shell("rabbitmqctl add_vhost closed");
    refused("vhost forbidden", &|c| c.url = url.replace("%2f", "closed"), Problem::VhostForbidden).await;
    let plain = rabbit.url().replace("amqp://", "amqps://").replace("127.0.0.1", "localhost");
    refused("no TLS there", &|c| c.url.clone_from(&plain), Problem::NotTls).await;
    let closed = format!("amqps://localhost:{}/", free_port());
    refused("nobody there", &|c| c.url.clone_from(&closed), Problem::Refused).await;
    refused("no such host", &|c| c.url = "amqps://no-such-host.invalid/".to_owned(), Problem::UnknownHost)
        .await;

    // The whole program, from the topology to a worker, on TLS alone.
    let workspace = Workspace::of(&configuration(&good));
    let output = workspace.smista(&["topology", "apply"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut worker = workspace.worker("tls");
    worker.wait_connected(std::time::Duration::from_secs(20));
    let connections = rabbit.shell("rabbitmqctl list_connections ssl client_properties");
    assert!(connections.lines().filter(|line| line.starts_with("true")).count() >= 2, "{connections}");
    assert!(!connections.lines().any(|line| line.starts_with("false")), "{connections}");
}

fn quoted(path: Option<&Path>, key: &str) -> String {
    path.map(|path| format!("{key} = \"{}\"\n", path.display())).unwrap_or_default()
}

fn configuration(broker: &config::Broker) -> String {
    format!(
        "[engine]\nkind = \"scripted\"\n[telemetry]\nlisten = \"127.0.0.1:0\"\n[broker]\nurl = \"{}\"\n{}{}{}",
        broker.url,
        quoted(broker.tls_ca.as_deref(), "tls_ca"),
        quoted(broker.tls_certificate.as_deref(), "tls_certificate"),
        quoted(broker.tls_key.as_deref(), "tls_key"),
    )
}

/// One of doctor's checks.
pub fn doctor(workspace: &Workspace, name: &str) -> Value {
    let output = workspace.smista(&["doctor", "--quick", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    report["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_over_tls() {
    if !can_run(Postgres::installed(), "PostgreSQL") {
        return;
    }
    let certificates = Certificates::new("by_certificate");
    let postgres = Postgres::start();
    let key = postgres.keep_key(&certificates.server.1);
    let tls = format!(
        "ssl = on\nssl_cert_file = '{}'\nssl_key_file = '{}'\nssl_ca_file = '{}'",
        certificates.server.0.display(),
        key.display(),
        certificates.ca.display()
    );
    let access = "hostssl all by_certificate 127.0.0.1/32 cert\nhostssl all smista 127.0.0.1/32 trust\n\
                  hostssl all by_password 127.0.0.1/32 scram-sha-256\n";
    postgres.reconfigure(&tls, access);
    let mut good = Config::load(None).unwrap().store;
    good.url = postgres.url("smista", "localhost");
    good.tls_ca = Some(certificates.ca.clone());
    good.statement_timeout_s = 5;
    let admin = store::open(&good).await.unwrap();
    admin.ping().await.unwrap();
    sql(&good, "CREATE ROLE by_certificate LOGIN SUPERUSER").await;
    sql(&good, "CREATE ROLE by_password LOGIN SUPERUSER PASSWORD 'right pass'").await;

    let mut by_certificate = good.clone();
    by_certificate.url = postgres.url("by_certificate", "localhost");
    by_certificate.tls_certificate = Some(certificates.client.0.clone());
    by_certificate.tls_key = Some(certificates.client.1.clone());
    store::open(&by_certificate).await.unwrap().ping().await.unwrap();
    let password = certificates.folder.path().join("password");
    std::fs::write(&password, "right pass\n").unwrap();
    let mut by_password = good.clone();
    by_password.url = postgres.url("by_password", "localhost");
    by_password.password_file = Some(password.clone());
    store::open(&by_password).await.unwrap().ping().await.unwrap();

    let refused = async |what: &str, config: &config::Store, said: &str, remedy: &str| {
        let started = std::time::Instant::now();
        let error =
            store::open(config).await.err().unwrap_or_else(|| panic!("{what} was let in")).to_string();
        assert!(error.contains(said), "{what}: {error}");
        let workspace = Workspace::of(&store_configuration(config));
        let check = doctor(&workspace, "database");
        assert_eq!(check["status"], "failed", "{what}: {check}");
        assert!(check["detail"].as_str().unwrap().contains(said), "{what}: {check}");
        assert!(check["remedy"].as_str().unwrap().contains(remedy), "{what}: {check}");
        assert!(started.elapsed().as_secs() < 20, "{what}: told late");
    };
    let changed = |base: &config::Store, change: &dyn Fn(&mut config::Store)| {
        let mut config = base.clone();
        change(&mut config);
        config
    };
    let stranger = changed(&good, &|c| c.tls_ca = Some(certificates.stranger.clone()));
    refused("unknown authority", &stranger, "UnknownIssuer", "store.tls_ca").await;
    let other = changed(&good, &|c| c.url = postgres.url("smista", "127.0.0.1"));
    refused("other name", &other, "ot valid for name", "certificate names").await;
    let without = changed(&by_certificate, &|c| (c.tls_certificate, c.tls_key) = (None, None));
    refused("no client certificate", &without, "valid client certificate", "tls_certificate").await;
    std::fs::write(&password, "wrong pass").unwrap();
    refused("wrong password", &by_password, "(28P01)", "password_file").await;
    let database =
        changed(&good, &|c| c.url = c.url.replace("/postgres?", "/x").replace("/postgres", "/nowhere"));
    refused("no such database", &database, "(3D000)", "createdb").await;
    let stopped = changed(&good, &|c| c.url = format!("postgres://a@localhost:{}/x", free_port()));
    refused("nobody there", &stopped, "onnection refused", "start PostgreSQL").await;
    let unknown = changed(&good, &|c| c.url = "postgres://a@no-such-host.invalid/x".to_owned());
    refused("no such host", &unknown, "failed to lookup", "the host").await;
    let weaker = changed(&good, &|c| c.url.push_str("?sslmode=require"));
    refused("a check that would check nothing", &weaker, "another sslmode", "").await;
    postgres.reconfigure("ssl = off", "host all all 127.0.0.1/32 trust\n");
    refused("no TLS there", &good, "TLS", "").await;
}

async fn sql(config: &config::Store, statement: &str) {
    use sqlx::{Connection, Executor};
    let ca = config.tls_ca.as_ref().unwrap().display();
    let url = format!("{}?sslmode=verify-full&sslrootcert={ca}", config.url);
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    connection.execute(statement).await.unwrap();
}

fn store_configuration(store: &config::Store) -> String {
    format!(
        "[engine]\nkind = \"scripted\"\n[broker]\nurl = \"amqp://127.0.0.1:1/\"\n[store]\nurl = \"{}\"\n{}{}{}{}",
        store.url,
        quoted(store.tls_ca.as_deref(), "tls_ca"),
        quoted(store.tls_certificate.as_deref(), "tls_certificate"),
        quoted(store.tls_key.as_deref(), "tls_key"),
        quoted(store.password_file.as_deref(), "password_file"),
    )
}
