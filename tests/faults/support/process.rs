//! Worker processes, as an operator runs them.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A running worker; killed when dropped.
pub struct Worker {
    child: Child,
    pub log_file: PathBuf,
    port: u16,
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Worker {
    pub fn spawn(mut command: Command, log_file: PathBuf) -> Self {
        let port = free_port();
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&log_file).unwrap();
        let child = command
            .env("SMISTA_TELEMETRY__LISTEN", format!("127.0.0.1:{port}"))
            .arg("worker")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child, log_file, port }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log_file).unwrap_or_default()
    }

    /// Waits until the log has these words; whether it came to that.
    pub async fn says(&self, words: &str, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        while !self.log().contains(words) {
            if Instant::now() > until {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        true
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.pid().to_string()]).status().unwrap().success());
    }

    /// Waits for its end and says how it ended; `None` when it still runs after `limit`.
    pub async fn ended(&mut self, limit: Duration) -> Option<std::process::ExitStatus> {
        let until = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            if Instant::now() > until {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// SIGTERM, then the exit code and how long it took.
    pub async fn terminate(&mut self, limit: Duration) -> (Option<i32>, Duration) {
        let started = Instant::now();
        if self.is_running() {
            self.signal("-TERM");
        }
        let status = self.ended(limit).await;
        (status.and_then(|status| status.code()), started.elapsed())
    }

    /// The answer of the address that operators look at; `None` when it does not answer.
    pub fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
    }

    /// What readiness says of a part: whether it works, and in words.
    pub fn health(&self, part: &str) -> (bool, String) {
        let report: Value = self
            .get("/health/ready")
            .and_then(|body| serde_json::from_str(&body[body.find('{')?..=body.rfind('}')?]).ok())
            .unwrap_or_default();
        let detail = report[part]["detail"].as_str().unwrap_or("no answer");
        (report[part]["ok"] == true, detail.to_owned())
    }

    /// Waits until readiness says so of a part; how long it took.
    pub async fn part_is(
        &mut self,
        part: &str,
        wanted: impl Fn(bool, &str) -> bool,
        limit: Duration,
    ) -> Duration {
        let started = Instant::now();
        loop {
            let (ok, detail) = self.health(part);
            if wanted(ok, &detail) {
                return started.elapsed();
            }
            assert!(self.is_running(), "the worker ended:\n{}", self.log());
            assert!(started.elapsed() < limit, "the {part} is still '{detail}':\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The same of the broker.
    pub async fn broker_is(&mut self, wanted: impl Fn(bool, &str) -> bool, limit: Duration) -> Duration {
        self.part_is("broker", wanted, limit).await
    }

    pub async fn ready(&mut self) {
        self.broker_is(|ok, _| ok, Duration::from_secs(120)).await;
    }

    /// A counter, summed over its labels.
    pub fn metric(&self, name: &str) -> f64 {
        let page = self.get("/metrics").unwrap_or_default();
        page.lines()
            .filter(|line| {
                line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ') || rest.starts_with('{'))
            })
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// Resident memory in MiB.
    pub fn memory_mib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
        let kib: String = line.chars().filter(char::is_ascii_digit).collect();
        kib.parse::<f64>().unwrap_or_default() / 1024.0
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
