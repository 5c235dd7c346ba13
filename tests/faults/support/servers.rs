//! A RabbitMQ and a PostgreSQL of a row's own, for faults that would hit other rows too. Stopped when dropped.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::process::free_port;

/// A RabbitMQ in a temporary folder with ports of its own.
pub struct Rabbit {
    folder: tempfile::TempDir,
    pub port: u16,
}

impl Rabbit {
    pub fn start() -> Self {
        let rabbit = Self {
            folder: tempfile::Builder::new().prefix("rabbit").tempdir().unwrap(),
            port: port("rabbitmq"),
        };
        rabbit.restart();
        rabbit
    }

    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.port)
    }

    /// Brings it back with its data.
    pub fn restart(&self) {
        self.call(&format!("start_rabbitmq \"$DIR\" {}", self.port));
    }

    pub fn kill(&self) {
        self.call("kill_rabbitmq \"$DIR\"");
    }

    pub fn stop(&self) {
        self.call("stop_rabbitmq \"$DIR\"");
    }

    /// Brings it back and says when its port opened.
    pub async fn restart_and_time(&self) -> Instant {
        let port = self.port;
        let opened = tokio::spawn(async move {
            loop {
                if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                    return Instant::now();
                }
                tokio::time::sleep(Duration::from_millis(25)).await;
            }
        });
        tokio::task::block_in_place(|| self.restart());
        opened.await.unwrap()
    }

    /// Stops (`-STOP`) or continues (`-CONT`) its process.
    pub fn signal(&self, name: &str) {
        self.call(&format!("kill {name} \"$(cat \"$DIR/pid\")\""));
    }

    /// `rabbitmqctl`; its output.
    pub fn ctl(&self, arguments: &str) -> String {
        self.call(&format!("rabbitmqctl_in \"$DIR\" -q {arguments}"))
    }

    /// When its log last said so. It is written some seconds late.
    pub async fn logged(&self, what: &str) -> DateTime<Utc> {
        let file = self.folder.path().join(format!("log/smista-{}@localhost.log", self.port));
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let log = std::fs::read_to_string(&file).unwrap();
            if let Some(line) = log.lines().rev().find(|line| line.contains(what)) {
                return DateTime::parse_from_str(&line[..32], "%Y-%m-%d %H:%M:%S%.f%:z").unwrap().to_utc();
            }
            assert!(Instant::now() < until, "the broker's log never said '{what}'");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    fn call(&self, commands: &str) -> String {
        call("rabbitmq", self.folder.path(), commands)
    }
}

impl Drop for Rabbit {
    fn drop(&mut self) {
        // A stopped process would not hear the request to end.
        script("rabbitmq", self.folder.path(), "kill -CONT \"$(cat \"$DIR/pid\")\"; stop_rabbitmq \"$DIR\"")
            .status()
            .unwrap();
    }
}

/// A PostgreSQL in a temporary folder.
pub struct Postgres {
    folder: tempfile::TempDir,
    port: u16,
}

impl Postgres {
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("postgres").tempdir().unwrap();
        // Root runs the server as nobody, who has to get there.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).unwrap();
        let postgres = Self { folder, port: port("postgres") };
        postgres.restart();
        postgres
    }

    pub fn url(&self) -> String {
        format!("postgres://smista@127.0.0.1:{}/postgres", self.port)
    }

    pub fn restart(&self) {
        call("postgres", self.folder.path(), &format!("start_postgres \"$DIR/pg\" {}", self.port));
    }

    /// Has every commit wait for the disk; the scripts start it without.
    pub async fn make_durable(&self) {
        use sqlx::{Connection as _, Executor as _};
        let mut connection = sqlx::postgres::PgConnection::connect(&self.url()).await.unwrap();
        connection.execute("ALTER SYSTEM SET fsync = on").await.unwrap();
        connection.execute("SELECT pg_reload_conf()").await.unwrap();
        connection.close().await.unwrap();
    }

    /// Stops it at once, as a crash would.
    pub fn kill(&self) {
        call("postgres", self.folder.path(), "kill_postgres \"$DIR/pg\"");
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        script("postgres", self.folder.path(), "kill_postgres \"$DIR/pg\"").status().unwrap();
    }
}

fn port(library: &str) -> u16 {
    if library == "rabbitmq" {
        call(library, Path::new("."), "free_port").trim().parse().unwrap()
    } else {
        free_port()
    }
}

fn call(library: &str, folder: &Path, commands: &str) -> String {
    let output = script(library, folder, commands).output().unwrap();
    assert!(output.status.success(), "{commands}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn script(library: &str, folder: &Path, commands: &str) -> Command {
    let library = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("scripts/lib/{library}.sh"));
    let mut command = Command::new("bash");
    command.arg("-c").arg(format!(". '{}'; {commands}", library.display())).env("DIR", folder);
    command
}
