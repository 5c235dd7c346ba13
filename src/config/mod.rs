//! `smista.toml`. The annotated default file is embedded; the user's file and `SMISTA_*` variables are laid over it,
//! unknown keys are refused, and [`Config::validate`] checks what types cannot.

mod canary;
mod deciding;
mod gateway;
mod oidc;
pub mod secret;
mod thresholds;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use figment::Figment;
use figment::providers::{Env, Format, Toml};
use serde::{Deserialize, Serialize};

pub use canary::Canary;
pub use gateway::{CHATWOOT, Chatwoot, Gateway, Hook, Notes, Webhook};
pub use oidc::Oidc;
pub use thresholds::Thresholds;

/// The annotated default file: every key with its meaning.
pub const DEFAULT: &str = include_str!("default.toml");

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// RabbitMQ.
    pub broker: Broker,
    /// Database.
    pub store: Store,
    /// Model pack and inference.
    pub engine: Engine,
    /// Intents of the user's own.
    pub intents: Intents,
    /// What arrives.
    pub interaction: Interaction,
    /// The customer's journey.
    pub journey: Journey,
    /// Policy file.
    pub policy: Policy,
    /// What decides in the shadow.
    pub canary: Canary,
    /// The pipeline.
    pub worker: Worker,
    /// Logs, metrics, health.
    pub telemetry: Telemetry,
    /// The supervisor's console.
    pub console: Console,
    /// The ways in and out by HTTP.
    pub gateway: Gateway,
}

/// RabbitMQ.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Broker {
    /// `amqp://` or `amqps://` address, vhost included. Secrets: use `url_file`.
    pub url: String,
    /// File that holds the address; wins over `url`.
    pub url_file: Option<PathBuf>,
    /// Prefix of every exchange and queue.
    pub prefix: String,
    /// Number of input queues, shared evenly by the workers; above 1 the consistent-hash plugin is needed.
    pub shards: u16,
    /// Which set of input queues; `smista topology reshard` says when it changes.
    pub generation: u16,
    /// Unsettled deliveries per input queue.
    pub prefetch: u16,
    /// Redeliveries a quorum queue allows before it dead-letters.
    pub delivery_limit: u16,
    /// AMQP heartbeat in seconds.
    pub heartbeat_s: u16,
    /// Longest wait for a confirm, seconds.
    pub confirm_timeout_s: u64,
    /// File that holds the password of the address.
    pub password_file: Option<PathBuf>,
    /// How to log in: with the password of the address, or with the client certificate.
    pub auth: BrokerAuth,
    /// PEM file of certificate authorities for `amqps://`, trusted beside those of the system.
    pub tls_ca: Option<PathBuf>,
    /// PEM file with the client certificate and those that lead to its authority.
    pub tls_certificate: Option<PathBuf>,
    /// PEM file with the key of `tls_certificate`, not encrypted.
    pub tls_key: Option<PathBuf>,
    /// PKCS #12 file with client certificate and key, instead of the two above.
    pub tls_identity: Option<PathBuf>,
    /// File with the password of `tls_identity`.
    pub tls_identity_password_file: Option<PathBuf>,
}

/// How to log in to RabbitMQ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BrokerAuth {
    /// User and password.
    #[default]
    Password,
    /// SASL EXTERNAL: the client certificate names the user. RabbitMQ needs its plugin `rabbitmq_auth_mechanism_ssl`.
    Certificate,
}

/// Database.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// `sqlite:PATH` or `postgres://…`.
    pub url: String,
    /// File that holds the address; wins over `url`.
    pub url_file: Option<PathBuf>,
    /// File that holds PostgreSQL's password.
    pub password_file: Option<PathBuf>,
    /// PEM file of certificate authorities; with it the server's certificate and name are checked.
    pub tls_ca: Option<PathBuf>,
    /// PEM file with the client certificate.
    pub tls_certificate: Option<PathBuf>,
    /// PEM file with the key of `tls_certificate`, not encrypted.
    pub tls_key: Option<PathBuf>,
    /// Connections at most.
    pub max_connections: u32,
    /// Longest wait for a statement, seconds.
    pub statement_timeout_s: u64,
    /// Days that inbox rows are kept: how late a redelivery may come; at least 7.
    pub inbox_days: u16,
    /// Days that a customer's state is kept after the last message.
    pub customer_days: u16,
    /// Days that erasures are remembered, and late messages of erased customers let go.
    pub erasure_days: u16,
    /// When two known customers are taken for one.
    pub merging: Merging,
}

/// Model pack and inference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Engine {
    /// Folder of the model pack.
    pub pack: PathBuf,
    /// `torch`, or `scripted`: a lexicon for tests and dry runs, no model.
    pub kind: EngineKind,
    /// In which number formats the encoder runs.
    pub forward: Forward,
    /// Intra-op threads; 0 takes one per core.
    pub threads: usize,
    /// Tokens in one batch at most.
    pub batch_tokens: usize,
    /// How long a lone message waits for company, milliseconds.
    pub batch_wait_ms: u64,
    /// Answers kept for texts of up to 64 tokens that come again word for word; 0 keeps none.
    pub cache: usize,
    /// What to do while the engine fails: `hold` the messages or decide from `cues` alone, marked degraded.
    pub on_failure: OnEngineFailure,
    /// Which decisions say what words carried their labels.
    pub explain: Explain,
    /// Bars in the place of the pack's.
    #[serde(default)]
    pub thresholds: Thresholds,
    /// Checkpoints of your own in the place of heads of the pack.
    #[serde(default)]
    pub replace: Replace,
}

/// How the encoder computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Forward {
    /// `bf16` where the processor has instructions for it, else `f32`.
    Auto,
    /// rust-bert's own forward in single precision: what the others are measured against.
    Reference,
    /// Fused operations in single precision.
    F32,
    /// Fused operations, matrix products in bfloat16.
    Bf16,
}

impl Forward {
    /// Every setting.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Reference, Self::F32, Self::Bf16];

    /// Its name in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Reference => "reference",
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }
}

/// Hugging Face sequence-classification checkpoints that stand in for heads of the pack.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Replace {
    /// Instead of the pack's sentiment.
    pub sentiment: Option<Replacement>,
    /// Instead of the pack's intents.
    pub intents: Option<Replacement>,
    /// Instead of the pack's journey stage.
    pub stage: Option<Replacement>,
    /// Instead of the pack's emotions; each label by itself.
    pub emotions: Option<Replacement>,
    /// Instead of the pack's signals; each label by itself.
    pub signals: Option<Replacement>,
}

impl Replace {
    /// The replacements there are, with their keys.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &Replacement)> {
        let heads = [
            ("sentiment", &self.sentiment),
            ("intents", &self.intents),
            ("stage", &self.stage),
            ("emotions", &self.emotions),
            ("signals", &self.signals),
        ];
        heads.into_iter().filter_map(|(name, replacement)| Some((name, replacement.as_ref()?)))
    }

    /// The same, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Replacement> {
        [&mut self.sentiment, &mut self.intents, &mut self.stage, &mut self.emotions, &mut self.signals]
            .into_iter()
            .flatten()
    }
}

/// One checkpoint and how its answers are read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replacement {
    /// Its folder, or the `org/name` of one in the local Hugging Face cache.
    pub checkpoint: String,
    /// From the checkpoint's labels to those of the head; a label that is already one of the head's needs no entry.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Logits are divided by this before softmax or sigmoid.
    #[serde(default = "one")]
    pub temperature: f32,
    /// Below this probability a label does not count; the head's default when absent.
    pub threshold: Option<f32>,
    /// For intents: a second and third one count from here; the head's default when absent.
    pub secondary_threshold: Option<f32>,
}

fn one() -> f32 {
    1.0
}

/// Which decisions are explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Explain {
    /// Those that escalate or carry a flag.
    #[default]
    Flagged,
    /// None.
    Never,
    /// All.
    Always,
}

/// Which engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// rust-bert on libtorch.
    Torch,
    /// A word list; for tests and dry runs.
    Scripted,
}

/// What to do while the engine fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnEngineFailure {
    /// Hold the messages and try again.
    Hold,
    /// Decide from cue rules alone; decisions are marked degraded.
    Cues,
}

/// Intents of the user's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intents {
    /// Folder that `smista intents fit` wrote; none for the pack's intents alone.
    pub custom: Option<PathBuf>,
    /// Whether they come beside the pack's intents or instead of them.
    pub mode: IntentsMode,
}

/// How custom intents and those of the pack go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IntentsMode {
    /// Accepted custom intents first, then the pack's; three in all at most.
    Beside,
    /// Custom intents only.
    Instead,
}

impl IntentsMode {
    /// As it stands in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Beside => "beside",
            Self::Instead => "instead",
        }
    }
}

/// What arrives.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interaction {
    /// Languages to tell apart, ISO 639-1.
    pub languages: Vec<String>,
    /// Assumed when none can be told.
    pub default_language: String,
    /// Secret that keys the hashes of identities. Change it and known identities are forgotten.
    pub identity_key: String,
    /// File that holds the secret; wins over `identity_key`.
    pub identity_key_file: Option<PathBuf>,
}

/// When two customers that are known each by itself are taken for one person. A conversation that only stands in for an
/// unknown customer is always joined to the customer it turns out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Merging {
    /// When one message without a customer id carries identities of both, whether it came before or after they had names.
    #[default]
    Identities,
    /// The same, but only when it comes after: a name later given to one of its identities proves nothing.
    Unnamed,
    /// Never.
    Never,
}

/// The customer's journey.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journey {
    /// Contacts kept per customer.
    pub max_contacts: usize,
    /// A contact about the same problem within so many days is a repeat.
    pub repeat_days: u16,
    /// Similarity (dot product of sentence vectors) from which two contacts are about the same problem.
    pub repeat_similarity: f32,
    /// Days after which half of an experience is forgotten.
    pub experience_half_life_days: f32,
    /// A customer is asked for marks at most once in so many days.
    pub survey_days: u16,
    /// Where a day begins and what "tomorrow" is: an IANA name such as `Europe/Rome`.
    pub time_zone: String,
    /// Topics that rise against their own past.
    pub spikes: Spikes,
    /// What the contact centre wants to sound like.
    pub persona: Persona,
}

/// Topics that rise against their own past.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spikes {
    /// Whether messages are counted by topic at all.
    pub enabled: bool,
    /// Days of counts that are kept and compared with.
    pub history_days: u16,
    /// Hours of counting before anything is called unusual.
    pub min_history_hours: u16,
    /// Messages within an hour, at least.
    pub min_count: u32,
    /// Times what was to be expected, at least.
    pub min_ratio: f64,
    /// Probability that chance alone brings a topic over the bar in an hour.
    pub false_alarms: f64,
    /// Phrases that a worker watches at a time; 0 for intents alone.
    pub phrases: usize,
    /// Customers who have to use a phrase within `history_days` before it is counted; at least 3.
    pub phrase_customers: usize,
}

/// What agents' and bots' turns are checked against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Persona {
    /// The first turn of a conversation greets.
    pub greeting: bool,
    /// An upset customer reads or hears that it was noticed.
    pub empathy: bool,
    /// Phrases not to be used, by language; those under `""` in any.
    pub banned: BTreeMap<String, Vec<String>>,
}

/// Policy file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The file; the embedded default policy when absent.
    pub path: Option<PathBuf>,
}

/// The pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Worker {
    /// Customers worked on at the same time, at most.
    pub lanes: usize,
    /// Tries of a transient failure before the lane waits for the store or the engine to come back.
    pub retry_attempts: u32,
    /// First pause between tries, milliseconds; doubles.
    pub retry_backoff_ms: u64,
    /// Longest time to finish what is under way after SIGTERM, seconds.
    pub shutdown_timeout_s: u64,
}

/// Logs, metrics, health.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// `pretty` or `json`.
    pub log_format: LogFormat,
    /// Filter, as in `info,smista=debug`.
    pub log_filter: String,
    /// Address of `/metrics`, `/health/live` and `/health/ready`; none to leave it out.
    pub listen: Option<String>,
    /// Address of an OpenTelemetry collector that takes OTLP over HTTP; none for no traces.
    pub traces: Option<String>,
    /// Share of the messages whose producer sends no trace context that get a trace, 0 to 1.
    pub traces_share: f64,
}

/// The supervisor's console.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Console {
    /// Address to listen on.
    pub listen: String,
    /// Address as browsers see it, `https://…` behind a proxy that ends TLS: cookies are then for TLS only. None: as `listen`.
    pub public_url: Option<String>,
    /// A session nobody uses ends after so many minutes.
    pub session_idle_minutes: u32,
    /// Every session ends after so many hours.
    pub session_hours: u32,
    /// `en` or `it`: for accounts without a language, where the browser asks for neither.
    pub language: String,
    /// Sign-in through a provider.
    pub oidc: Option<Oidc>,
}

impl Console {
    /// Whether browsers come by TLS.
    pub fn is_secure(&self) -> bool {
        self.public_url.as_deref().is_some_and(|url| url.starts_with("https://"))
    }
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// Why the configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A key or value is wrong; the message names file and key.
    #[error("configuration: {0}")]
    Invalid(String),
    /// A file that the configuration names cannot be read.
    #[error("configuration: {path} cannot be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
}

impl Config {
    /// The defaults, with `file` and then the environment (`SMISTA_BROKER__URL`, …) laid over them.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let mut figment = Figment::from(Toml::string(DEFAULT));
        if let Some(path) = file {
            secret::check_syntax(path)?;
            figment = figment.merge(Toml::file_exact(path));
        }
        let config: Self = figment
            .merge(Env::prefixed("SMISTA_").filter(|key| is_setting(key.as_str())).split("__"))
            .extract()
            .map_err(|error| ConfigError::Invalid(secret::told(error)))?;
        config.validate()?;
        Ok(config)
    }

    /// Checks ranges and combinations.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut faults = Vec::new();
        let mut check = |good: bool, message: &str| {
            if !good {
                faults.push(message.to_owned());
            }
        };
        check(self.broker.shards >= 1, "broker.shards must be at least 1");
        for key in self.engine.thresholds.wrong() {
            check(false, &format!("engine.thresholds.{key} must be from 0 to 1"));
        }
        check(
            self.canary.share > 0.0 && self.canary.share <= 1.0,
            "canary.share must be above 0 and at most 1; without canary.policy and canary.pack nothing is compared",
        );
        check(
            self.broker.prefetch >= 1,
            "broker.prefetch must be at least 1: an unbounded prefetch fills the memory",
        );
        check(self.broker.confirm_timeout_s >= 1, "broker.confirm_timeout_s must be at least 1");
        check(
            self.broker.tls_certificate.is_some() == self.broker.tls_key.is_some(),
            "broker.tls_certificate and broker.tls_key go together",
        );
        check(
            self.broker.tls_certificate.is_none() || self.broker.tls_identity.is_none(),
            "broker.tls_certificate and broker.tls_identity are two forms of the same: set one",
        );
        check(
            self.broker.auth == BrokerAuth::Password
                || self.broker.tls_certificate.is_some()
                || self.broker.tls_identity.is_some(),
            "broker.auth = \"certificate\" needs broker.tls_certificate with tls_key, or tls_identity",
        );
        check(
            self.store.tls_certificate.is_some() == self.store.tls_key.is_some(),
            "store.tls_certificate and store.tls_key go together",
        );
        check(self.worker.lanes >= 1, "worker.lanes must be at least 1");
        check(self.store.inbox_days >= 7, "store.inbox_days must be at least 7: a redelivery may come late");
        check(
            self.store.customer_days >= self.store.inbox_days,
            "store.customer_days must not be below store.inbox_days: messages are kept with their customer",
        );
        check(
            self.store.erasure_days >= self.store.inbox_days,
            "store.erasure_days must not be below store.inbox_days: an erased message could come back",
        );
        check(self.store.max_connections >= 1, "store.max_connections must be at least 1");
        check(
            !self.interaction.languages.is_empty(),
            "interaction.languages must name at least one language",
        );
        check(
            self.interaction.languages.contains(&self.interaction.default_language),
            "interaction.default_language must be one of interaction.languages",
        );
        check(
            (0.0..=1.0).contains(&self.journey.repeat_similarity),
            "journey.repeat_similarity must lie between 0 and 1",
        );
        check(self.console.session_idle_minutes >= 1, "console.session_idle_minutes must be at least 1");
        check(self.console.session_hours >= 1, "console.session_hours must be at least 1");
        check(
            ["en", "it"].contains(&self.console.language.as_str()),
            "console.language must be \"en\" or \"it\"",
        );
        check(
            self.console.public_url.as_deref().is_none_or(|url| {
                url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).is_some_and(|rest| {
                    let host = rest.strip_suffix('/').unwrap_or(rest);
                    !host.is_empty() && !host.contains(['/', '?', '#', '@', ' '])
                })
            }),
            "console.public_url must be http:// or https:// with a host, and no path",
        );
        if let Some(oidc) = &self.console.oidc {
            oidc.check(self.console.public_url.as_deref(), &mut check);
        }
        check(self.journey.max_contacts >= 1, "journey.max_contacts must be at least 1");
        check(
            self.journey.time_zone.parse::<chrono_tz::Tz>().is_ok(),
            "journey.time_zone must be an IANA name, Europe/Rome for instance",
        );
        check(
            self.telemetry.traces.as_deref().is_none_or(gateway::is_url),
            "telemetry.traces must be the http:// or https:// address of an OpenTelemetry collector",
        );
        check(
            (0.0..=1.0).contains(&self.telemetry.traces_share),
            "telemetry.traces_share must lie between 0 and 1",
        );
        self.journey.spikes.check(&mut check);
        self.gateway.check(&mut check);
        for (head, replacement) in self.engine.replace.named() {
            let shares = [replacement.threshold, replacement.secondary_threshold];
            check(
                shares.into_iter().flatten().all(|share| (0.0..=1.0).contains(&share)),
                &format!("engine.replace.{head}: thresholds must lie between 0 and 1"),
            );
            check(
                replacement.temperature > 0.0 && replacement.temperature.is_finite(),
                &format!("engine.replace.{head}.temperature must be above 0"),
            );
            check(
                !replacement.checkpoint.trim().is_empty(),
                &format!("engine.replace.{head}.checkpoint must name a folder"),
            );
        }
        if faults.is_empty() { Ok(()) } else { Err(ConfigError::Invalid(faults.join("; "))) }
    }
}

impl Spikes {
    fn check(&self, check: &mut impl FnMut(bool, &str)) {
        let is = "journey.spikes";
        check(
            (1..=365).contains(&self.history_days),
            &format!("{is}.history_days must lie between 1 and 365"),
        );
        check(
            self.min_history_hours >= 1
                && u32::from(self.min_history_hours) <= u32::from(self.history_days) * 24,
            &format!("{is}.min_history_hours must be at least 1 and lie within history_days"),
        );
        check(self.min_count >= 1, &format!("{is}.min_count must be at least 1"));
        check(
            self.min_ratio >= 1.0 && self.min_ratio.is_finite(),
            &format!("{is}.min_ratio must be at least 1"),
        );
        check(
            (1e-9..=0.1).contains(&self.false_alarms),
            &format!("{is}.false_alarms must lie between 1e-9 and 0.1"),
        );
        check(
            self.phrase_customers >= 3,
            &format!("{is}.phrase_customers must be at least 3: what one person writes is no topic"),
        );
    }
}

impl Broker {
    /// How long a publish waits for its confirm.
    pub fn confirm_timeout(&self) -> Duration {
        Duration::from_secs(self.confirm_timeout_s)
    }
}

/// Whether a `SMISTA_*` variable (prefix taken off) sets a key. Section and key are joined by two underscores; names
/// without them belong to the command line and the scripts. A section's name with one underscore is taken too, so that
/// the slip is refused as an unknown key instead of being ignored.
fn is_setting(name: &str) -> bool {
    let section = name.split('_').next().unwrap_or(name);
    name.contains("__") || SECTIONS.iter().any(|known| known.eq_ignore_ascii_case(section))
}

/// The sections of the file.
const SECTIONS: [&str; 12] = [
    "broker",
    "canary",
    "store",
    "engine",
    "intents",
    "interaction",
    "journey",
    "policy",
    "worker",
    "telemetry",
    "console",
    "gateway",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_set_a_key() {
        for (name, expected) in [
            ("BROKER__URL", true),
            ("store__max_connections", true),
            ("NO_SUCH_SECTION__KEY", true),
            ("BROKER_URL", true),
            ("TEST_AMQP_URL", false),
            ("TEST_POSTGRES_URL", false),
            ("CONFIG", false),
        ] {
            assert_eq!(is_setting(name), expected, "{name}");
        }
    }

    #[test]
    fn sections_are_those_of_the_default_file() {
        let table: toml::Table = toml::from_str(DEFAULT).unwrap();
        let mut sections: Vec<_> = table.keys().map(String::as_str).collect();
        let mut known = SECTIONS.to_vec();
        sections.sort_unstable();
        known.sort_unstable();
        assert_eq!(sections, known);
    }

    #[test]
    fn custom_intents_are_a_folder_and_a_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("smista.toml");
        let load = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Config::load(Some(&path)).map(|config| config.intents).map_err(|error| error.to_string())
        };
        let intents = load("[intents]\ncustom = \"my-intents\"\nmode = \"instead\"\n").unwrap();
        assert_eq!(intents, Intents { custom: Some("my-intents".into()), mode: IntentsMode::Instead });
        assert!(load("[intents]\nmode = \"both\"\n").unwrap_err().contains("both"));
        assert!(load("[intents]\nfolder = \"x\"\n").unwrap_err().contains("folder"));
    }

    /// `scripts/test` runs this with `SMISTA_TEST_*` set, which must not be read as keys.
    #[test]
    fn the_defaults_load() {
        let config = Config::load(None).unwrap();
        assert_eq!(config.broker.prefix, "smista");
        assert_eq!(config.engine.replace, Replace::default());
        assert_eq!(config.intents, Intents { custom: None, mode: IntentsMode::Beside });
    }

    #[test]
    fn what_no_journey_can_be_set_to_is_refused() {
        let load = |text: &str| {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("smista.toml");
            std::fs::write(&path, text).unwrap();
            Config::load(Some(&path)).map(|_| ()).map_err(|error| error.to_string())
        };
        load("[journey]\ntime_zone = \"Europe/Rome\"\n[journey.spikes]\nphrases = 0\n").unwrap();
        for (text, expected) in [
            ("[journey]\ntime_zone = \"Rome\"\n", "journey.time_zone"),
            ("[journey.spikes]\nhistory_days = 0\n", "history_days"),
            ("[journey.spikes]\nhistory_days = 1\nmin_history_hours = 25\n", "min_history_hours"),
            ("[journey.spikes]\nmin_count = 0\n", "min_count"),
            ("[journey.spikes]\nmin_ratio = 0.5\n", "min_ratio"),
            ("[journey.spikes]\nfalse_alarms = 0.0\n", "false_alarms"),
            ("[journey.spikes]\nphrase_customers = 2\n", "phrase_customers"),
            ("[journey.spikes]\nthreshold = 2\n", "threshold"),
        ] {
            let error = load(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn replacements_of_heads() {
        let load = |text: &str| {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("smista.toml");
            std::fs::write(&path, text).unwrap();
            Config::load(Some(&path)).map(|config| config.engine.replace).map_err(|error| error.to_string())
        };
        let good = load(
            "[engine.replace.emotions]\ncheckpoint = \"m\"\nlabels = { anger = \"anger\", LABEL_1 = \"-\" }\n",
        );
        let good = good.unwrap();
        let [("emotions", replacement)] = good.named().collect::<Vec<_>>()[..] else {
            panic!("{good:?}");
        };
        assert_eq!(replacement.labels.get("LABEL_1").map(String::as_str), Some("-"));
        assert!((replacement.temperature - 1.0).abs() < f32::EPSILON && replacement.threshold.is_none());
        for (text, expected) in [
            ("[engine.replace.mood]\ncheckpoint = \"m\"\n", "mood"),
            ("[engine.replace.stage]\ncheckpont = \"m\"\n", "checkpont"),
            ("[engine.replace.stage]\nthreshold = 0.5\n", "checkpoint"),
            ("[engine.replace.stage]\ncheckpoint = \" \"\n", "engine.replace.stage.checkpoint"),
            (
                "[engine.replace.stage]\ncheckpoint = \"m\"\ntemperature = 0.0\n",
                "engine.replace.stage.temperature",
            ),
            ("[engine.replace.stage]\ncheckpoint = \"m\"\nthreshold = 40.0\n", "between 0 and 1"),
        ] {
            let error = load(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
