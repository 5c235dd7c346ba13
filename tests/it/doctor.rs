//! `smista doctor`: what a worker would fail on, each with its own remedy. The servers' refusals are in `tls.rs`.

use std::net::TcpListener;

use crate::support::process::Workspace;
use crate::tls::doctor;

fn telemetry(settings: &str) -> (String, String, String) {
    let workspace = Workspace::of(&format!(
        "[engine]\nkind = \"scripted\"\n[broker]\nurl = \"amqp://127.0.0.1:1/\"\n{settings}"
    ));
    let check = doctor(&workspace, "telemetry");
    let text = |field: &str| check[field].as_str().unwrap_or_default().to_owned();
    (text("status"), text("detail"), text("remedy"))
}

#[test]
fn the_log_filter_and_the_address_of_the_metrics_are_tried() {
    let check = |settings: &str, status: &str, detail: &str, remedy: &str| {
        let (found, said, advice) = telemetry(&format!("[telemetry]\n{settings}\n"));
        assert_eq!(found, status, "{settings}: {said}");
        assert!(said.contains(detail) && advice.contains(remedy), "{settings}: {said}; {advice}");
    };
    check("listen = \"127.0.0.1:0\"", "ok", "is free", "");
    check(
        "log_filter = \"smista=loud\"",
        "failed",
        "telemetry.log_filter is not a valid filter",
        "info,smista=debug",
    );
    check("listen = \"here\"", "failed", "telemetry.listen = here", "host:port");
    check("listen = \"192.0.2.1:9464\"", "failed", "192.0.2.1:9464", "of this machine");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    check(&format!("listen = \"{address}\""), "warning", "is taken", "another telemetry.listen");
}

#[test]
fn a_provider_that_does_not_answer_is_told() {
    let workspace = Workspace::of(
        "[engine]\nkind = \"scripted\"\n[console]\npublic_url = \"https://c.example.com\"\n[console.oidc]\n\
         issuer = \"http://127.0.0.1:1\"\nclient_id = \"smista\"\ndefault_role = \"viewer\"\n",
    );
    let check = doctor(&workspace, "sign-in provider");
    assert_eq!(check["status"], "failed", "{check}");
    assert!(check["remedy"].as_str().unwrap().contains("console.oidc.issuer"), "{check}");
}

#[test]
fn a_broker_that_is_not_there_is_told_from_a_host_that_is_not() {
    let check = |url: &str, detail: &str, remedy: &str| {
        let workspace = Workspace::of(&format!("[engine]\nkind = \"scripted\"\n[broker]\nurl = \"{url}\"\n"));
        let check = doctor(&workspace, "broker");
        assert!(check["detail"].as_str().unwrap().contains(detail), "{check}");
        assert!(check["remedy"].as_str().unwrap().contains(remedy), "{check}");
    };
    check("amqp://127.0.0.1:1/", "nobody listens there", "start RabbitMQ");
    check("amqp://no-such-host.invalid/", "the host is not known", "the host in broker.url");
    check("http://127.0.0.1/", "amqp[s]://", "broker section");
}
