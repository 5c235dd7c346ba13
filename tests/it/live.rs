//! A running worker takes another policy and another filter of its log at SIGHUP, and refuses bad ones.

use std::time::{Duration, Instant};

use crate::support::ledger::Ledger;
use crate::support::process::{Worker, Workspace};
use crate::support::rabbit::on_stage;

const LONG: Duration = Duration::from_secs(20);

fn says(worker: &Worker, what: &str, times: usize) {
    let until = Instant::now() + LONG;
    while worker.log().matches(what).count() < times {
        assert!(Instant::now() < until, "not {times} times {what:?} in:\n{}", worker.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn policy_and_log_filter_change_without_a_restart() {
    on_stage(1, async |stage| {
        let workspace = Workspace::new(&stage.config.url, &stage.config.prefix, 1, None);
        let policy = workspace.path().join("policy.toml");
        let default = include_str!("../../policy/default.toml");
        std::fs::write(&policy, default).unwrap();
        let text = std::fs::read_to_string(workspace.config()).unwrap();
        let configure = |filter: &str| {
            let text = text.replace("log_filter = \"info\"", &format!("log_filter = \"{filter}\""));
            std::fs::write(workspace.config(), format!("{text}\n[policy]\npath = \"policy.toml\"\n"))
                .unwrap();
        };
        configure("info");
        let mut ledger = Ledger::open(&stage.config.url, &stage.config.prefix).await;
        let mut worker = workspace.worker("live");
        worker.wait_connected(LONG);
        let mut sent = 0;
        let mut decide = async || {
            sent += 1;
            ledger.publish("anna", &format!("m{sent}"), "where is my parcel?", "2026-05-14T18:45:00Z").await;
            ledger.read(sent, 0, LONG).await;
            ledger.decided.last().unwrap()["versions"]["policy"].as_str().unwrap().to_owned()
        };
        let first = decide().await;
        assert!(!worker.log().contains("message decided"), "a line of the level debug");

        // Bad ones change nothing.
        std::fs::write(&policy, "[[rules]]\nwhen = \"nonsense(\"\n").unwrap();
        configure("info,=debug=");
        worker.signal("HUP");
        says(&worker, "policy refused", 1);
        says(&worker, "log filter refused", 1);
        assert_eq!(decide().await, first);

        std::fs::write(&policy, format!("{default}\n# another one\n")).unwrap();
        configure("info,smista=debug");
        worker.signal("HUP");
        says(&worker, "policy reloaded", 1);
        says(&worker, "log filter read again", 1);
        assert_ne!(decide().await, first);
        says(&worker, "message decided", 1);
        configure("warn");
        worker.signal("HUP");
        says(&worker, "policy reloaded", 1);
        std::thread::sleep(Duration::from_millis(200));
        let before = worker.log().len();
        decide().await;
        assert_eq!(worker.log().len(), before, "{}", worker.log());
        assert_eq!(worker.terminate(LONG), Some(0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thresholds_change_without_a_restart() {
    on_stage(1, async |stage| {
        let workspace = Workspace::new(&stage.config.url, &stage.config.prefix, 1, None);
        let text = std::fs::read_to_string(workspace.config()).unwrap();
        let configure = |thresholds: &str| {
            std::fs::write(workspace.config(), format!("{text}\n[engine.thresholds]\n{thresholds}\n"))
                .unwrap();
        };
        let mut ledger = Ledger::open(&stage.config.url, &stage.config.prefix).await;
        let mut worker = workspace.worker("live");
        worker.wait_connected(LONG);
        let mut sent = 0;
        let mut decide = async || {
            sent += 1;
            ledger.publish("anna", &format!("m{sent}"), "where is my parcel?", "2026-05-14T18:45:00Z").await;
            ledger.read(sent, 0, LONG).await;
            let decision = ledger.decided.last().unwrap();
            let settings = decision["versions"]["settings"].as_str().unwrap().to_owned();
            (decision["analysis"]["abstained"].as_bool().unwrap(), settings)
        };
        let (abstained, first) = decide().await;
        assert!(!abstained);
        for bad in ["intents = 1.5", "intents = \"x\"", "intense = 0.5", "signals = { chrun = 0.5 }"] {
            configure(bad);
            let told = worker.log().matches("thresholds refused").count();
            worker.signal("HUP");
            says(&worker, "thresholds refused", told + 1);
            assert_eq!(decide().await, (false, first.clone()), "{bad}");
        }
        configure("intents = 1.0");
        worker.signal("HUP");
        says(&worker, "thresholds read again", 1);
        let (abstained, second) = decide().await;
        assert!(abstained && second != first, "surer than the model ever is, and the decision names it");
        std::fs::write(workspace.config(), &text).unwrap();
        worker.signal("HUP");
        says(&worker, "thresholds read again", 2);
        assert_eq!(decide().await, (false, first));
        assert_eq!(worker.terminate(LONG), Some(0));
    })
    .await;
}
