//! A topology of the test's own on the RabbitMQ that `SMISTA_TEST_AMQP_URL` names, taken down when the test ends; and,
//! for fault tests, a whole RabbitMQ of the test's own.

use std::path::PathBuf;
use std::process::Command;

use futures::FutureExt as _;
use lapin::options::{ExchangeDeleteOptions, QueueDeleteOptions};
use lapin::{Connection, ConnectionProperties};
use smista::broker::amqp::declare;
use smista::broker::topology::Topology;
use smista::config;

/// A connection for the test itself, and a configuration whose names nobody else uses.
pub struct Stage {
    pub config: config::Broker,
    pub topology: Topology,
    pub admin: Connection,
}

impl Stage {
    pub async fn new(url: &str, shards: u16) -> Self {
        let mut config = config::Config::load(None).unwrap().broker;
        config.url = url.to_owned();
        config.prefix = super::fresh_prefix();
        config.shards = shards;
        let topology = Topology::of(&config);
        let admin = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
        Self { config, topology, admin }
    }

    pub async fn apply(&self) {
        declare::apply(&self.admin, &self.topology).await.unwrap();
    }

    async fn tear_down(&self) {
        let channel = self.admin.create_channel().await.unwrap();
        for queue in &self.topology.queues {
            channel.queue_delete(queue.name.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
        }
        for exchange in &self.topology.exchanges {
            channel
                .exchange_delete(exchange.name.as_str().into(), ExchangeDeleteOptions::default())
                .await
                .unwrap();
        }
    }
}

/// Runs the test on a stage with its topology applied, and takes it down whatever happens. Without a test broker it
/// says so and passes.
pub async fn on_stage<F: Future<Output = ()>>(shards: u16, test: impl FnOnce(std::sync::Arc<Stage>) -> F) {
    let Some(url) = super::amqp_url() else { return };
    let stage = std::sync::Arc::new(Stage::new(&url, shards).await);
    stage.apply().await;
    let outcome = std::panic::AssertUnwindSafe(test(std::sync::Arc::clone(&stage))).catch_unwind().await;
    stage.tear_down().await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

/// A RabbitMQ in a temporary folder with ports of its own; stopped when dropped.
pub struct Rabbit {
    folder: tempfile::TempDir,
    port: u16,
}

impl Rabbit {
    /// Whether one can be started here.
    pub fn installed() -> bool {
        script("_rabbitmq_bin").status().is_ok_and(|status| status.success())
    }

    pub fn start() -> Self {
        Self::start_with("", "")
    }

    /// With more lines in its configuration, and more plugins, as in `",rabbitmq_auth_mechanism_ssl"`.
    pub fn start_with(configuration: &str, plugins: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("rabbit").tempdir().unwrap();
        let port = free_port();
        let rabbit = Self { folder, port };
        if !configuration.is_empty() || !plugins.is_empty() {
            let write = "_write_rabbitmq_env \"$DIR\" \"$PORT\" && printf '%s\\n' \"$CONF\" >>\"$DIR/rabbitmq.conf\" && \
                echo \"[rabbitmq_management,rabbitmq_consistent_hash_exchange$PLUGINS].\" >\"$DIR/enabled_plugins\"";
            let status = script(write)
                .env("DIR", rabbit.folder.path())
                .env("PORT", port.to_string())
                .env("CONF", configuration)
                .env("PLUGINS", plugins)
                .status();
            assert!(status.unwrap().success());
        }
        rabbit.restart();
        rabbit
    }

    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.port)
    }

    /// Brings it back with its data after [`Rabbit::kill`] or [`Rabbit::stop`].
    pub fn restart(&self) {
        assert!(self.call(&format!("start_rabbitmq \"$DIR\" {}", self.port)));
    }

    pub fn kill(&self) {
        assert!(self.call("kill_rabbitmq \"$DIR\""));
    }

    pub fn stop(&self) {
        assert!(self.call("stop_rabbitmq \"$DIR\""));
    }

    /// `rabbitmqctl`, as in `ctl("close_all_connections test")`.
    pub fn ctl(&self, arguments: &str) {
        assert!(self.call(&format!("rabbitmqctl_in \"$DIR\" -q {arguments}")), "rabbitmqctl {arguments}");
    }

    /// Runs shell commands in which `rabbitmqctl` is that of this broker; what they print.
    pub fn shell(&self, commands: &str) -> String {
        let commands = format!("rabbitmqctl() {{ rabbitmqctl_in \"$DIR\" -q \"$@\"; }}; set -e; {commands}");
        let output = script(&commands).env("DIR", self.folder.path()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{commands}: {text}{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    fn call(&self, commands: &str) -> bool {
        script(commands).env("DIR", self.folder.path()).status().unwrap().success()
    }
}

impl Drop for Rabbit {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    let port = script("free_port").output().unwrap();
    String::from_utf8(port.stdout).unwrap().trim().parse().unwrap()
}

fn script(commands: &str) -> Command {
    let library = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scripts/lib/rabbitmq.sh");
    let mut command = Command::new("bash");
    command.arg("-c").arg(format!(". '{}'; {commands}", library.display()));
    command
}
