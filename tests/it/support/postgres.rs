//! A whole PostgreSQL of the test's own, for what cannot be tried on a shared one: TLS, roles, its stop.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::rabbit::free_port;

/// In a temporary folder with a port of its own; stopped when dropped.
pub struct Postgres {
    folder: tempfile::TempDir,
    port: u16,
}

impl Postgres {
    pub fn installed() -> bool {
        script("_postgres_bin").status().is_ok_and(|status| status.success())
    }

    /// Superuser `smista`, trusted from this machine.
    pub fn start() -> Self {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::Builder::new().prefix("postgres").tempdir().unwrap();
        // It may run as somebody else than the test.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        let postgres = Self { folder, port: free_port() };
        assert!(postgres.call(&format!("start_postgres \"$DIR\" {}", postgres.port)));
        postgres
    }

    /// With a user and a host, as in `("smista", "localhost")`.
    pub fn url(&self, user: &str, host: &str) -> String {
        format!("postgres://{user}@{host}:{}/postgres", self.port)
    }

    /// Stops it, adds to its configuration, replaces who may log in how, and starts it.
    pub fn reconfigure(&self, configuration: &str, access: &str) {
        assert!(self.call("stop_postgres \"$DIR\""));
        let data = self.folder.path().join("db/data");
        let file = data.join("postgresql.conf");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("{text}\n{configuration}\n")).unwrap();
        std::fs::write(data.join("pg_hba.conf"), access).unwrap();
        assert!(self.call(&format!("start_postgres \"$DIR\" {}", self.port)));
    }

    /// Copies a key to where its server can read it and nobody else.
    pub fn keep_key(&self, key: &Path) -> PathBuf {
        let kept = self.folder.path().join("db/server.key");
        std::fs::copy(key, &kept).unwrap();
        assert!(self.call(
            "chmod 600 \"$DIR/server.key\"; [ \"$(id -u)\" -ne 0 ] || chown nobody \"$DIR/server.key\""
        ));
        kept
    }

    fn call(&self, commands: &str) -> bool {
        script(commands).env("DIR", self.folder.path().join("db")).status().unwrap().success()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.call("stop_postgres \"$DIR\"");
    }
}

fn script(commands: &str) -> Command {
    let library = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scripts/lib/postgres.sh");
    let mut command = Command::new("bash");
    command.arg("-c").arg(format!(". '{}'; {commands}", library.display()));
    command
}
