//! Worker processes, as an operator runs them.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A configuration file in a folder of its own.
pub struct Workspace {
    dir: tempfile::TempDir,
    config: PathBuf,
}

impl Workspace {
    /// Scripted engine, no telemetry address, the given broker and store.
    pub fn new(amqp_url: &str, prefix: &str, shards: u16, store_url: Option<&str>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("smista.toml");
        let sqlite = format!("sqlite:{}", dir.path().join("smista.db").display());
        let store_url = store_url.unwrap_or(&sqlite);
        let text = format!(
            "[broker]\nurl = \"{amqp_url}\"\nprefix = \"{prefix}\"\nshards = {shards}\nprefetch = 32\n\n\
             [store]\nurl = \"{store_url}\"\n\n[engine]\nkind = \"scripted\"\n\n\
             [telemetry]\nlisten = \"127.0.0.1:0\"\nlog_filter = \"info\"\n"
        );
        std::fs::write(&config, text).unwrap();
        Self { dir, config }
    }

    /// With this configuration file.
    pub fn of(text: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("smista.toml");
        std::fs::write(&config, text).unwrap();
        Self { dir, config }
    }

    /// Its configuration file.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Runs a command to its end and returns its output.
    pub fn smista(&self, args: &[&str]) -> std::process::Output {
        command(self.config()).args(args).output().unwrap()
    }

    /// Starts a worker; its log goes to `NAME.log` in the folder.
    pub fn worker(&self, name: &str) -> Worker {
        let log = self.path().join(format!("{name}.log"));
        let child = command(self.config())
            .arg("worker")
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Worker { child, log }
    }
}

fn command(config: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smista"));
    command.arg("--config").arg(config).stdin(Stdio::null());
    command
}

/// A running worker; killed when dropped.
pub struct Worker {
    child: Child,
    log: PathBuf,
}

impl Worker {
    /// Waits until the log says that the broker is connected.
    pub fn wait_connected(&mut self, limit: Duration) {
        let started = Instant::now();
        loop {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            if log.contains("broker connected") {
                return;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && started.elapsed() < limit, "worker not connected ({ended:?}):\n{log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal by its name: `STOP`, `CONT`.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// SIGTERM, then the exit code within `limit`.
    pub fn terminate(&mut self, limit: Duration) -> Option<i32> {
        self.signal("TERM");
        let started = Instant::now();
        while started.elapsed() < limit {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("still running {limit:?} after SIGTERM:\n{}", self.log());
    }

    /// Messages it says it has decided, once it has stopped.
    pub fn decided(&self) -> u64 {
        let log = self.log();
        let line = log.lines().find(|line| line.contains("worker stopped"));
        let digits = |text: &str| text.chars().skip_while(|c| !c.is_ascii_digit()).collect::<String>();
        line.and_then(|line| line.split_once("decided"))
            .map(|(_, rest)| digits(rest).chars().take_while(char::is_ascii_digit).collect::<String>())
            .and_then(|count| count.parse().ok())
            .unwrap_or_else(|| panic!("no summary in its log:\n{log}"))
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
