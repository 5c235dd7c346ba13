//! Changing the number of input queues while messages come in: nothing lost, nothing twice, every customer in order.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::ledger::Ledger;
use crate::support::process::{Worker, Workspace};
use crate::support::{amqp_url, fresh_prefix};

struct Rig {
    workspace: Workspace,
    ledger: Ledger,
    published: usize,
}

impl Rig {
    async fn new(url: &str, shards: u16) -> Self {
        let prefix = fresh_prefix();
        let workspace = Workspace::new(url, &prefix, shards, None);
        let applied = workspace.smista(&["topology", "apply"]);
        assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
        Self { workspace, ledger: Ledger::open(url, &prefix).await, published: 0 }
    }

    /// One message for each of twenty customers.
    async fn publish_round(&mut self) {
        for customer in 0..20 {
            let n = self.published;
            let at = chrono::DateTime::from_timestamp(1_780_000_000 + n as i64, 0).unwrap().to_rfc3339();
            self.ledger.publish(&format!("c{customer}"), &format!("m{n}"), "where is my parcel?", &at).await;
            self.published += 1;
        }
    }

    async fn publish_for(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.publish_round().await;
            self.ledger.read(self.published, 0, Duration::from_millis(100)).await;
        }
    }

    /// What an operator writes into the file when `reshard` says so.
    fn configure(&self, shards: u16, generation: u16) {
        let text = std::fs::read_to_string(self.workspace.config()).unwrap();
        let lines =
            text.lines().filter(|line| !line.starts_with("shards =") && !line.starts_with("generation ="));
        let text: String = lines.map(|line| format!("{line}\n")).collect();
        let keys = format!("[broker]\nshards = {shards}\ngeneration = {generation}\n");
        std::fs::write(self.workspace.config(), text.replacen("[broker]\n", &keys, 1)).unwrap();
    }

    fn reshard(&self, args: &[&str]) -> (bool, String) {
        let output = self.workspace.smista(&[&["topology", "reshard"], args].concat());
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// `reshard` in the background, its messages in a file.
    fn reshard_begins(&self, shards: u16) -> Running {
        let log = self.workspace.path().join(format!("reshard-{shards}.log"));
        let child = Command::new(env!("CARGO_BIN_EXE_smista"))
            .arg("--config")
            .arg(self.workspace.config())
            .args(["topology", "reshard", "--wait", "--shards", &shards.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Running { child, log }
    }

    async fn assert_clean(&mut self, queues: &[String]) {
        self.ledger.read(self.published, 0, Duration::from_secs(60)).await;
        self.ledger.read_rest(Duration::from_secs(1)).await;
        self.ledger.assert_complete_and_in_order();
        for queue in queues {
            assert_eq!(self.ledger.depth(queue).await, 0, "{queue}");
        }
        assert!(self.ledger.parked_messages.is_empty());
        assert!(self.workspace.smista(&["topology", "check"]).status.success());
    }
}

struct Running {
    child: Child,
    log: std::path::PathBuf,
}

impl Running {
    fn says(&self, text: &str) -> bool {
        std::fs::read_to_string(&self.log).unwrap().contains(text)
    }

    async fn wait_for(&mut self, text: &str) {
        let until = Instant::now() + Duration::from_secs(60);
        while !self.says(text) {
            let log = std::fs::read_to_string(&self.log).unwrap();
            assert!(
                Instant::now() < until && self.child.try_wait().unwrap().is_none(),
                "no {text:?}:\n{log}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn wait_done(mut self) {
        let until = Instant::now() + Duration::from_secs(90);
        loop {
            let log = std::fs::read_to_string(&self.log).unwrap();
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "{log}");
                return;
            }
            assert!(Instant::now() < until, "not done:\n{log}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn stop(worker: &mut Worker) {
    assert_eq!(worker.terminate(Duration::from_secs(40)), Some(0), "{}", worker.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn from_one_shard_to_four_with_workers_at_work_and_back_to_two_without() {
    let Some(url) = amqp_url() else { return };
    let mut rig = Rig::new(&url, 1).await;
    let mut old = rig.workspace.worker("old");
    old.wait_connected(Duration::from_secs(30));
    rig.publish_for(Duration::from_secs(1)).await;

    let (good, text) = rig.reshard(&["--shards", "4"]);
    assert!(!good && text.contains("--wait") && text.contains("1 of them have a worker"), "{text}");
    let (good, text) = rig.reshard(&["--shards", "4", "--wait", "--dry-run"]);
    assert!(good && text.contains("interactions.g1.0") && text.contains("Nothing was done"), "{text}");
    assert!(rig.workspace.smista(&["topology", "check"]).status.success(), "neither has changed anything");

    let mut reshard = rig.reshard_begins(4);
    reshard.wait_for("goes to the new queues").await;
    // The one backlog is worked off, the other grows.
    for _ in 0..5 {
        rig.publish_round().await;
    }
    reshard.wait_for("the old queues are empty, 1 have a worker").await;
    rig.configure(4, 1);
    let mut new = rig.workspace.worker("new");
    rig.publish_round().await;
    stop(&mut old);
    reshard.wait_done().await;
    rig.publish_for(Duration::from_secs(1)).await;
    let queues: Vec<String> = (0..4).map(|shard| format!("interactions.g1.{shard}")).collect();
    rig.assert_clean(&queues).await;
    assert_eq!(rig.ledger.decided.len(), rig.published, "no decision was published twice");

    // Nobody can fall back by mistake.
    rig.configure(1, 0);
    let output = rig.workspace.smista(&["topology", "apply"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("broker.generation = 1"), "{text}");
    rig.configure(4, 1);

    // With the workers stopped and nothing waiting it needs no telling; with something waiting it does.
    stop(&mut new);
    let (good, text) = rig.reshard(&["--shards", "4"]);
    assert!(!good && text.contains("already"), "{text}");
    rig.publish_round().await;
    let (good, text) = rig.reshard(&["--shards", "2"]);
    assert!(!good && text.contains("20 messages wait"), "{text}");
    let mut last = rig.workspace.worker("last");
    rig.ledger.read(rig.published, 0, Duration::from_secs(30)).await;
    stop(&mut last);
    let (good, text) = rig.reshard(&["--shards", "2"]);
    assert!(good && text.contains("generation = 2"), "{text}");
    rig.configure(2, 2);
    let mut newest = rig.workspace.worker("newest");
    rig.publish_for(Duration::from_secs(1)).await;
    rig.assert_clean(&["interactions.g2.0".into(), "interactions.g2.1".into()]).await;
    stop(&mut newest);
}

/// Killed at different moments, with messages coming in all the time and workers of both configurations killed too.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_reshard_goes_on_where_it_stopped() {
    let Some(url) = amqp_url() else { return };
    let mut rig = Rig::new(&url, 2).await;
    let mut old = rig.workspace.worker("old");
    old.wait_connected(Duration::from_secs(30));
    for text in ["from 2 to 3", "the new queues are there", "goes to the new queues"] {
        let mut reshard = rig.reshard_begins(3);
        rig.publish_round().await;
        reshard.wait_for(text).await;
        drop(reshard);
        rig.publish_round().await;
    }
    let (good, text) = rig.reshard(&["--shards", "5", "--wait"]);
    assert!(!good && text.contains("another number"), "{text}");
    // A worker dies with old messages under way; one of the new configuration works them off before it goes on.
    for _ in 0..4 {
        rig.publish_round().await;
    }
    old.kill();
    rig.configure(3, 1);
    let mut new = rig.workspace.worker("new");
    let (good, text) = rig.reshard(&["--shards", "4", "--wait"]);
    assert!(!good && text.contains("end it first, with --shards 3"), "{text}");
    let reshard = rig.reshard_begins(3);
    rig.publish_round().await;
    reshard.wait_done().await;
    rig.publish_for(Duration::from_secs(1)).await;
    let queues: Vec<String> = (0..3).map(|shard| format!("interactions.g1.{shard}")).collect();
    rig.assert_clean(&queues).await;
    let (good, text) = rig.reshard(&["--shards", "3", "--wait"]);
    assert!(!good && text.contains("already"), "{text}");
    stop(&mut new);
}

/// No plugin, no right, no such number: said before anything is changed.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_said_first() {
    let Some(url) = amqp_url() else { return };
    let rig = Rig::new(&url, 2).await;
    rig.configure(3, 0);
    let (good, text) = rig.reshard(&["--shards", "4"]);
    assert!(!good && text.contains("has 2 input queues of generation 0, the configuration says 3"), "{text}");
    rig.configure(2, 0);
    let output = rig.workspace.smista(&["topology", "reshard", "--shards", "0"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(rig.workspace.smista(&["topology", "check"]).status.success());
}
