//! `smista doctor`: what a worker would fail on is seeded, found, and told with a remedy of its own. Refusals of servers
//! that speak TLS are in `tls.rs`, those for want of rights in `privileges.rs`.

use std::net::TcpListener;
use std::path::Path;

use serde_json::Value;

use crate::support::bench::produce;
use crate::support::process::Workspace;
use crate::support::rabbit::{Stage, on_stage};
use crate::support::{fresh_database, postgres_url};

/// A configuration that is well but for what a test adds; sections may be named once only, so those that tests
/// change are left out.
const SCRIPTED: &str = "[engine]\nkind = \"scripted\"\n";
const NOBODY: &str = "[broker]\nurl = \"amqp://127.0.0.1:1/\"\n";
const SILENT: &str = "[telemetry]\nlisten = \"127.0.0.1:0\"\n";

fn report(workspace: &Workspace) -> (Value, Option<i32>) {
    let output = workspace.smista(&["doctor", "--json"]);
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (report, output.status.code())
}

/// What is wrong, where it is looked for, and what is said of it.
struct Seed {
    what: &'static str,
    check: &'static str,
    status: &'static str,
    said: String,
    remedy: &'static str,
}

fn seed(
    what: &'static str,
    check: &'static str,
    status: &'static str,
    said: &str,
    remedy: &'static str,
) -> Seed {
    Seed { what, check, status, said: said.to_owned(), remedy }
}

fn found(seed: &Seed, workspace: &Workspace) {
    let (report, code) = report(workspace);
    let what = seed.what;
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["name"] == seed.check);
    let check = check.unwrap_or_else(|| panic!("{what}: no check {}: {report}", seed.check));
    assert_eq!(check["status"], seed.status, "{what}: {check}");
    assert!(check["detail"].as_str().unwrap().contains(&seed.said), "{what}: {check}");
    let remedy = check["remedy"].as_str().unwrap_or_default();
    assert!(remedy.contains(seed.remedy), "{what}: {check}");
    if seed.status == "failed" {
        assert_eq!((code, &report["ok"]), (Some(1), &false.into()), "{what}");
    }
}

/// With DIR as the folder of the configuration: addresses of databases begin where the program runs.
fn in_place(configuration: &str) -> Workspace {
    let workspace = Workspace::of(configuration);
    file(&workspace, "smista.toml", &configuration.replace("DIR", &workspace.path().display().to_string()));
    workspace
}

fn file(workspace: &Workspace, name: &str, text: &str) {
    std::fs::write(workspace.path().join(name), text).unwrap();
}

#[test]
fn faults_in_files_are_found() {
    let check = |seed: Seed, configuration: &[&str], files: &[(&str, &str)]| {
        let workspace = in_place(&configuration.concat());
        for (name, text) in files {
            file(&workspace, name, text);
        }
        found(&seed, &workspace);
    };
    let configuration = |what, said, remedy| seed(what, "configuration", "failed", said, remedy);
    check(configuration("a bracket left open", "line 1", "check the file"), &["[broker\nurl = 1\n"], &[]);
    check(configuration("a key misspelt", "prefecth", "check the file"), &["[broker]\nprefecth = 8\n"], &[]);
    check(
        configuration("a value out of range", "shards", "check the file"),
        &["[broker]\nshards = 0\n"],
        &[],
    );
    check(
        seed("a policy that is not there", "policy", "failed", "nowhere.toml", "policy"),
        &[SCRIPTED, NOBODY, SILENT, "[policy]\npath = \"nowhere.toml\"\n"],
        &[],
    );
    check(
        seed("a rule that is no expression", "policy", "failed", "broken.toml", "smista policy check"),
        &[SCRIPTED, NOBODY, SILENT, "[policy]\npath = \"broken.toml\"\n"],
        &[("broken.toml", "version = 1\nname = \"b\"\n[[rule]]\nname = \"r\"\nwhen = \"sentiment <\"\n")],
    );
    check(
        seed("a folder without a pack", "model pack", "failed", "empty", "engine.pack"),
        &["[engine]\nkind = \"torch\"\npack = \"empty\"\n", NOBODY, SILENT],
        &[],
    );
    check(
        seed("a key that everybody knows", "identity key", "warning", "everybody knows", "identity_key_file"),
        &[SCRIPTED, NOBODY, SILENT],
        &[],
    );
    check(
        seed("a key in a file that is not there", "identity key", "failed", "no-such-key", "readable file"),
        &[SCRIPTED, NOBODY, SILENT, "[interaction]\nidentity_key_file = \"no-such-key\"\n"],
        &[],
    );
    check(
        seed("a password that others may read", "secrets", "warning", "holds a password", "chmod 600"),
        &[SCRIPTED, SILENT, "[broker]\nurl = \"amqp://us:secret@127.0.0.1:1/\"\n"],
        &[],
    );
    check(
        seed(
            "intents that nobody has fitted",
            "custom intents",
            "failed",
            "cannot be used",
            "smista intents fit",
        ),
        &[SCRIPTED, NOBODY, SILENT, "[intents]\ncustom = \"ours\"\n"],
        &[],
    );
    check(
        seed("a head that is not there", "engine", "failed", "sentiment", ""),
        &[
            SCRIPTED,
            "[engine.replace.sentiment]\ncheckpoint = \"our-sentiment\"\nlabels = { A = \"negative\", B = \"neutral\", C = \"positive\" }\n",
            NOBODY,
            SILENT,
        ],
        &[],
    );
    check(
        seed(
            "a database in no folder",
            "database",
            "failed",
            "no folder that can be written to",
            "writable folder",
        ),
        &[SCRIPTED, NOBODY, SILENT, "[store]\nurl = \"sqlite:/no/such/folder/smista.db\"\n"],
        &[],
    );
    check(
        seed(
            "a file that is no database",
            "database",
            "failed",
            "not a database",
            "another file in store.url",
        ),
        &[SCRIPTED, NOBODY, SILENT, "[store]\nurl = \"sqlite:DIR/notes.db\"\n"],
        &[("notes.db", &"These are notes, and no database at all.\n".repeat(200))],
    );
    check(
        seed("nobody at the database's port", "database", "failed", "onnection refused", "start PostgreSQL"),
        &[SCRIPTED, NOBODY, SILENT, "[store]\nurl = \"postgres://smista@127.0.0.1:1/smista\"\n"],
        &[],
    );
    check(
        seed("a filter that is none", "telemetry", "failed", "telemetry.log_filter", "info,smista=debug"),
        &[SCRIPTED, NOBODY, "[telemetry]\nlog_filter = \"smista=loud\"\n"],
        &[],
    );
    check(
        seed("an address that is none", "telemetry", "failed", "telemetry.listen = here", "host:port"),
        &[SCRIPTED, NOBODY, "[telemetry]\nlisten = \"here\"\n"],
        &[],
    );
    check(
        seed("an address of another machine", "telemetry", "failed", "192.0.2.1:9464", "of this machine"),
        &[SCRIPTED, NOBODY, "[telemetry]\nlisten = \"192.0.2.1:9464\"\n"],
        &[],
    );
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("[telemetry]\nlisten = \"{}\"\n", taken.local_addr().unwrap());
    check(
        seed("an address that is taken", "telemetry", "warning", "is taken", "another telemetry.listen"),
        &[SCRIPTED, NOBODY, &listen],
        &[],
    );
    check(
        seed("nobody at the broker's port", "broker", "failed", "nobody listens there", "start RabbitMQ"),
        &[SCRIPTED, SILENT, NOBODY],
        &[],
    );
    check(
        seed(
            "a broker's host that is none",
            "broker",
            "failed",
            "the host is not known",
            "the host in broker.url",
        ),
        &[SCRIPTED, SILENT, "[broker]\nurl = \"amqp://no-such-host.invalid/\"\n"],
        &[],
    );
    check(
        seed("an address of another protocol", "broker", "failed", "amqp[s]://", "broker section"),
        &[SCRIPTED, SILENT, "[broker]\nurl = \"http://127.0.0.1/\"\n"],
        &[],
    );
    check(
        seed(
            "a provider that does not answer",
            "sign-in provider",
            "failed",
            "127.0.0.1:1",
            "console.oidc.issuer",
        ),
        &[
            SCRIPTED,
            NOBODY,
            SILENT,
            "[console]\npublic_url = \"https://c.example.com\"\n[console.oidc]\nissuer = \"http://127.0.0.1:1\"\n\
             client_id = \"smista\"\ndefault_role = \"viewer\"\n",
        ],
        &[],
    );
}

/// A pack of which one byte has changed.
#[test]
fn a_damaged_pack_is_found() {
    let workspace =
        Workspace::of(&["[engine]\nkind = \"torch\"\npack = \"damaged\"\n", NOBODY, SILENT].concat());
    let (from, to) =
        (Path::new(env!("CARGO_MANIFEST_DIR")).join("models/core"), workspace.path().join("damaged"));
    std::fs::create_dir(&to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
    let tokenizer = std::fs::read_to_string(to.join("tokenizer.json")).unwrap();
    file(&workspace, "damaged/tokenizer.json", &tokenizer.replacen('e', "f", 1));
    found(&seed("a damaged file", "model pack", "failed", "tokenizer.json", "undamaged pack"), &workspace);
}

fn on(stage: &Stage, url: &str, more: &str) -> Workspace {
    let broker = format!(
        "[broker]\nurl = \"{url}\"\nprefix = \"{}\"\nshards = {}\n{more}",
        stage.config.prefix, stage.config.shards
    );
    Workspace::of(&[SCRIPTED, SILENT, &broker].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_on_the_broker_are_found() {
    on_stage(2, |stage| async move {
        let url = stage.config.url.clone();
        let well = on(&stage, &url, "");
        let (told, code) = report(&well);
        assert_eq!((code, &told["ok"]), (Some(0), &true.into()), "{told}");
        let queues = told["checks"].as_array().unwrap().iter().find(|check| check["name"] == "queues");
        assert_eq!(queues.unwrap()["detail"], "0 messages wait, none set aside", "{told}");

        let wrong = url.replace("guest:guest", "guest:wrong");
        found(
            &seed("a wrong password", "broker", "failed", "wrong user or password", "password_file"),
            &on(&stage, &wrong, ""),
        );
        let nowhere = format!("{}/nowhere", url.rsplit_once('/').unwrap().0);
        found(
            &seed("a virtual host that is not there", "broker", "failed", "virtual host", "add_vhost"),
            &on(&stage, &nowhere, ""),
        );
        found(
            &seed("TLS where there is none", "broker", "failed", "", "TLS port"),
            &on(&stage, &url.replace("amqp://", "amqps://"), ""),
        );
        found(
            &seed("nothing declared", "topology", "failed", "is missing", "smista topology apply"),
            &Workspace::of(&[SCRIPTED, SILENT, &format!("[broker]\nurl = \"{url}\"\nprefix = \"none\"\n")].concat()),
        );
        found(
            &seed("queues with another limit", "topology", "failed", "is different", "smista topology check"),
            &on(&stage, &url, "delivery_limit = 7\n"),
        );
        let body = br#"{"schema":"smista.interaction.v1","message_id":"w1","conversation_id":"k","customer_id":"c","channel":"chat","sent_at":"2026-05-14T10:00:00Z","text":"Hello"}"#;
        produce(&stage, "c", "w1", body).await;
        found(
            &seed("messages that nobody reads", "queues", "warning", "nobody reads them: 1 in", "smista worker"),
            &well,
        );
        let mut worker = well.worker("doctor");
        worker.wait_connected(std::time::Duration::from_secs(30));
        produce(&stage, "c", "w2", b"this is no message").await;
        crate::support::bench::eventually_holds(&stage, &stage.topology.parked_queue(), 1).await;
        found(&seed("a parked message", "queues", "warning", "set aside: 1 in", "smista parked list"), &well);
        worker.terminate(std::time::Duration::from_secs(30));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_databases_are_found() {
    use sqlx::Connection as _;
    let workspace = in_place(&[SCRIPTED, NOBODY, SILENT, "[store]\nurl = \"sqlite:DIR/kept.db\"\n"].concat());
    let url = format!("sqlite:{}", workspace.path().join("kept.db").display());
    let mut store = smista::config::Config::load(None).unwrap().store;
    store.url.clone_from(&url);
    drop(smista::store::open(&store).await.unwrap());
    let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
    let rows = [
        "INSERT INTO inbox (message_id, customer, decision_id, decided_at) VALUES ('m', 'c', 'd', 1)",
        "INSERT INTO decisions (decision_id, message_id, decided_at, decision, interaction, before) VALUES ('d', 'm', 1, '{}', '{}', '{}')",
        "INSERT INTO outbox (id, message_id, destination, routing_key, body, created_at) \
         VALUES ('d', 'm', 'decision', 'normal.general.chat', '{}', 1)",
    ];
    for row in rows {
        sqlx::query(row).execute(&mut connection).await.unwrap_or_else(|error| panic!("{row}: {error}"));
    }
    found(
        &seed("a decision never published", "database", "warning", "are not published", "a worker that runs"),
        &workspace,
    );
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', 1, x'00', 0)";
    sqlx::query(newer).execute(&mut connection).await.unwrap();
    found(&seed("the database of a later version", "database", "failed", "9999", "a later one"), &workspace);

    let Some(server) = postgres_url() else { return };
    let base = fresh_database(&server).await;
    let nowhere = format!("{}/nowhere", base.rsplit_once('/').unwrap().0);
    let on = |url: &str| {
        Workspace::of(&[SCRIPTED, NOBODY, SILENT, &format!("[store]\nurl = \"{url}\"\n")].concat())
    };
    found(&seed("a database that is not there", "database", "failed", "(3D000)", "createdb"), &on(&nowhere));
}
