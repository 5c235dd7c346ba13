//! Secrets come from files and the environment and are seen nowhere: not in what commands print, not in errors, not in
//! the most talkative log, whether things go well or wrong.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::support::process::Workspace;
use crate::support::rabbit::Rabbit;

const SECRET: &str = "Hush4711x";

fn smista(workspace: &Workspace, environment: &[(&str, String)], args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smista"));
    command.arg("--config").arg(workspace.config()).args(args).stdin(Stdio::null());
    command.env("RUST_BACKTRACE", "1").envs(environment.iter().map(|(name, value)| (name, value)));
    command.output().unwrap()
}

fn assert_silent(what: &str, output: &Output) {
    for (stream, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        let text = String::from_utf8_lossy(bytes);
        let line = text.lines().find(|line| line.contains(SECRET) || line.contains("4711"));
        assert_eq!(line, None, "{what}: the secret is on {stream}");
    }
}

/// A worker that ends by itself, or else waits for its database and is then told to stop.
fn worker_that_waits(workspace: &Workspace, environment: &[(&str, String)]) -> Output {
    let (stdout, stderr) = (tempfile::NamedTempFile::new().unwrap(), tempfile::NamedTempFile::new().unwrap());
    let mut child = Command::new(env!("CARGO_BIN_EXE_smista"))
        .arg("--config")
        .arg(workspace.config())
        .arg("worker")
        .env("RUST_BACKTRACE", "1")
        .stdin(Stdio::null())
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdout(stdout.reopen().unwrap())
        .stderr(stderr.reopen().unwrap())
        .spawn()
        .unwrap();
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        let said = std::fs::read_to_string(stderr.path()).unwrap();
        if said.contains("waiting for it") {
            let pid = child.id().to_string();
            assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
            break child.wait().unwrap();
        }
        assert!(started.elapsed() < Duration::from_secs(60), "neither over nor waiting: {said}");
        std::thread::sleep(Duration::from_millis(50));
    };
    let read = |file: &tempfile::NamedTempFile| std::fs::read(file.path()).unwrap();
    Output { status, stdout: read(&stdout), stderr: read(&stderr) }
}

#[test]
fn failing_commands_show_no_secret() {
    let plain =
        "[engine]\nkind = \"scripted\"\n[telemetry]\nlisten = \"127.0.0.1:0\"\nlog_filter = \"trace\"\n";
    let workspace = Workspace::of(plain);
    let files = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let amqp = format!("amqp://anna:{SECRET}@127.0.0.1:1/%2f");
    let postgres = format!("postgres://anna:{SECRET}@127.0.0.1:1/x");
    let environments: Vec<(&str, Vec<(&str, String)>)> = vec![
        ("addresses", vec![("SMISTA_BROKER__URL", amqp.clone()), ("SMISTA_STORE__URL", postgres.clone())]),
        (
            "files",
            vec![
                ("SMISTA_BROKER__URL_FILE", file("amqp", amqp)),
                ("SMISTA_STORE__URL_FILE", file("postgres", postgres)),
                ("SMISTA_INTERACTION__IDENTITY_KEY_FILE", file("key", SECRET.to_owned())),
            ],
        ),
        (
            "passwords",
            vec![
                ("SMISTA_BROKER__PASSWORD_FILE", file("password", SECRET.to_owned())),
                ("SMISTA_STORE__PASSWORD_FILE", file("password", SECRET.to_owned())),
                ("SMISTA_BROKER__URL", "amqp://anna@127.0.0.1:1/".to_owned()),
                ("SMISTA_STORE__URL", "postgres://anna@127.0.0.1:1/x".to_owned()),
            ],
        ),
        (
            "addresses that are none",
            vec![
                ("SMISTA_BROKER__URL", format!("http://anna:{SECRET}@mq")),
                ("SMISTA_STORE__URL", format!("postgres://anna:{SECRET}@[::x:99999/")),
            ],
        ),
        ("another kind of store", vec![("SMISTA_STORE__URL", format!("mysql://anna:{SECRET}@db"))]),
        ("a key that is a number", vec![("SMISTA_INTERACTION__IDENTITY_KEY", "4711".to_owned())]),
        ("an address that is a number", vec![("SMISTA_BROKER__URL", "4711".to_owned())]),
        ("a key in the environment", vec![("SMISTA_INTERACTION__IDENTITY_KEY", SECRET.to_owned())]),
    ];
    for (what, mut environment) in environments {
        environment.push(("SMISTA_STORE__STATEMENT_TIMEOUT_S", "1".to_owned()));
        for args in [
            &["doctor", "--quick"][..],
            &["doctor", "--quick", "--json", "-vv"],
            &["worker"],
            &["topology", "check", "-vv"],
            &["topology", "apply", "-vv"],
            &["parked", "list"],
            &["database", "apply", "-vv"],
            &["erase", "--customer", "c", "-vv"],
            &["replay", "--decision", "b1946ac9-2b1e-5d3f-9c46-0d0f6b3b8f11"],
            &["--help"],
            &["worker", "--help"],
        ] {
            // A worker with a good store waits for its broker for ever.
            if args == ["worker"] && what.starts_with("a key") {
                continue;
            }
            let output = match args {
                ["worker"] => worker_that_waits(&workspace, &environment),
                _ => smista(&workspace, &environment, args),
            };
            assert_silent(&format!("{what}: {args:?}"), &output);
        }
    }
    for text in [
        format!("[broker]\nurl = \"amqp://a:{SECRET}@mq\n"),
        format!("[interaction]\nidentity_key = [\"{SECRET}\"]\n"),
        format!("[broker]\nurl = \"amqp://a:{SECRET}@mq\"\nprefetch = \"x\"\n"),
    ] {
        let output = smista(&Workspace::of(&text), &[], &["doctor"]);
        assert_eq!(output.status.code(), Some(1));
        assert_silent(&text, &output);
    }
}

/// Everything the libraries can say is said, and the password is not in it.
#[test]
fn a_working_worker_logs_no_secret_even_at_trace() {
    if !Rabbit::installed() {
        assert!(std::env::var("CI").is_err(), "RabbitMQ must be installed in CI");
        return;
    }
    let rabbit = Rabbit::start();
    rabbit.shell(&format!(
        "echo {SECRET} | rabbitmqctl add_user anna; rabbitmqctl set_permissions anna '.*' '.*' '.*'"
    ));
    let url = rabbit.url().replace("guest:guest", "anna");
    let workspace = Workspace::of(&format!(
        "[engine]\nkind = \"scripted\"\n[interaction]\nidentity_key = \"{SECRET}\"\n[broker]\nurl = \"{url}\"\npassword_file = \"pw\"\n\
         [telemetry]\nlisten = \"127.0.0.1:0\"\nlog_filter = \"trace,lapin=trace,amq_protocol=trace\"\n[store]\nurl = \"sqlite:{}\"\n",
        "here.db"
    ));
    // Named without its folder: it lies beside the configuration file.
    std::fs::write(workspace.path().join("pw"), format!("{SECRET}\n")).unwrap();
    let text = std::fs::read_to_string(workspace.config()).unwrap();
    let database = workspace.path().join("smista.db");
    std::fs::write(workspace.config(), text.replace("here.db", &database.display().to_string())).unwrap();
    let output = workspace.smista(&["topology", "apply", "-vv"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_silent("topology apply", &output);
    let mut worker = workspace.worker("trace");
    worker.wait_connected(Duration::from_secs(30));
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(worker.terminate(Duration::from_secs(30)), Some(0));
    let log = worker.log();
    assert!(log.lines().count() > 10, "{log}");
    let line = log.lines().find(|line| line.contains(SECRET));
    assert_eq!(line, None, "the password is in the log");
}

/// A service's credentials, as systemd gives them.
#[test]
fn credentials_are_found_by_name() {
    let workspace = Workspace::of("[engine]\nkind = \"scripted\"\n[broker]\nurl_file = \"amqp-url\"\n");
    let credentials = tempfile::tempdir().unwrap();
    std::fs::write(credentials.path().join("amqp-url"), format!("amqp://anna:{SECRET}@127.0.0.1:1/x"))
        .unwrap();
    let environment = [("CREDENTIALS_DIRECTORY", credentials.path().display().to_string())];
    let output = smista(&workspace, &environment, &["topology", "check"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("amqp://anna@127.0.0.1:1/x cannot be used: nobody listens there"), "{text}");
    assert_silent("credentials", &output);
    let output = smista(&workspace, &[], &["topology", "check"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("broker.url_file: amqp-url cannot be read"), "{text}");
}
