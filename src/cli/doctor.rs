//! `smista doctor`: looks at everything a worker needs and says what to do about what is missing.

mod servers;

use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use super::style::{self, paint};
use super::{Global, Outcome, setup};
use crate::config::{Config, EngineKind};
use crate::interaction::{Channel, sample};
use crate::nlp::pack::Pack;

/// The engine is asked about this.
const SENTENCE: &str = "My parcel has not arrived and nobody answers the phone.";
/// As it stands in the default configuration.
const DEFAULT_KEY: &str = "change-me";

/// Check everything a worker needs, with a remedy for each failure.
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "Examples:\n  smista doctor\n  smista doctor --quick\n  smista --config /etc/smista.toml doctor --json"
)]
pub struct Args {
    /// Leave out what takes longer: hashing and loading the model
    #[arg(long)]
    pub quick: bool,
    /// Print the checks as JSON
    #[arg(long)]
    pub json: bool,
}

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Warning,
    Failed,
    Skipped,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Check {
    name: &'static str,
    status: Status,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl Check {
    fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, status: Status::Ok, detail: detail.into(), remedy: None }
    }

    fn skipped(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, status: Status::Skipped, detail: detail.into(), remedy: None }
    }

    fn bad(name: &'static str, status: Status, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, status, detail: detail.into(), remedy: Some(remedy.into()) }
    }

    fn failed(name: &'static str, error: &anyhow::Error, remedy: impl Into<String>) -> Self {
        let mut causes: Vec<String> = Vec::new();
        for cause in error.chain().map(ToString::to_string) {
            if !causes.iter().any(|known| known.contains(&cause)) {
                causes.push(cause);
            }
        }
        let remedy =
            error.downcast_ref::<super::Hinted>().map_or_else(|| remedy.into(), |hinted| hinted.hint.clone());
        Self::bad(name, Status::Failed, causes.join(": "), remedy)
    }
}

/// Runs every check; `Failed` when one failed. Loads the configuration itself, since that is the first check.
pub async fn run(args: Args, global: &Global) -> anyhow::Result<Outcome> {
    let mut screen = Screen { json: args.json, checks: Vec::new() };
    match global.load_config() {
        Err(error) => {
            screen.add(Check::failed(
                "configuration",
                &error,
                "compare the file with the annotated default",
            ))?;
        }
        Ok(config) => {
            let file = global
                .config_file()
                .map_or("the defaults; no smista.toml here".to_owned(), |path| path.display().to_string());
            screen.add(Check::ok("configuration", file))?;
            if let Some(check) = secrets(global.config_file().as_deref()) {
                screen.add(check)?;
            }
            screen.add(servers::telemetry(&config).await)?;
            screen.add(identity_key(&config))?;
            screen.add(policy(&config))?;
            if let Some(check) = canary(&config) {
                screen.add(check)?;
            }
            screen.add(pack(&config, args.quick))?;
            if let Some(check) = custom_intents(&config) {
                screen.add(check)?;
            }
            screen.add(engine(&config, args.quick).await)?;
            screen.add(servers::database(&config).await)?;
            if let Some(check) = servers::provider(&config).await {
                screen.add(check)?;
            }
            for check in servers::broker(&config).await {
                screen.add(check)?;
            }
        }
    }
    screen.close()
}

/// A configuration file that holds a password and that others may read.
fn secrets(file: Option<&Path>) -> Option<Check> {
    use std::os::unix::fs::PermissionsExt as _;
    let file = file?;
    let readable = file.metadata().is_ok_and(|file| file.permissions().mode() & 0o077 != 0);
    let text = std::fs::read_to_string(file).ok()?;
    // The name and password that RabbitMQ comes with are no secret.
    let held = text.lines().map(str::trim_start).filter(|line| !line.starts_with('#')).any(|line| {
        let user = line.split_once("://").and_then(|(_, rest)| rest.split_once('@')).map(|(user, _)| user);
        user.is_some_and(|user| user != "guest:guest" && user.contains(':'))
    });
    (readable && held).then(|| {
        Check::bad(
            "secrets",
            Status::Warning,
            format!("{} holds a password, and others on this machine may read it", file.display()),
            "move the password to a file of its own (password_file, url_file), or `chmod 600` the configuration",
        )
    })
}

/// Intents of one's own, where there are some: with the folder's hashes, and fitted on the pack in use.
fn custom_intents(config: &Config) -> Option<Check> {
    const NAME: &str = "custom intents";
    const REMEDY: &str = "name a folder that `smista intents fit` wrote in intents.custom";
    let folder = config.intents.custom.as_ref()?;
    let version = match setup::model(config) {
        Ok((model, _)) => model.version,
        Err(_) => return Some(Check::skipped(NAME, "they need the model pack, which cannot be used")),
    };
    Some(match setup::custom_intents(config, &version) {
        Ok(_) => Check::ok(NAME, folder.display().to_string()),
        Err(error) => Check::failed(NAME, &error, REMEDY),
    })
}

fn identity_key(config: &Config) -> Check {
    const NAME: &str = "identity key";
    match setup::identity_key(config) {
        Err(error) => Check::failed(NAME, &error, "name a readable file in interaction.identity_key_file"),
        Ok(key) if *key == *DEFAULT_KEY.as_bytes() || key.is_empty() => Check::bad(
            NAME,
            Status::Warning,
            "hashes of customers' addresses are keyed with a default that everybody knows",
            "set interaction.identity_key_file to a file with a secret of your own (openssl rand -hex 32)",
        ),
        Ok(_) => Check::ok(NAME, "a secret of your own"),
    }
}

fn policy(config: &Config) -> Check {
    const NAME: &str = "policy";
    match setup::policy(config) {
        Ok(policy) => {
            let from = config
                .policy
                .path
                .as_ref()
                .map_or("inside the program".to_owned(), |path| path.display().to_string());
            Check::ok(NAME, format!("{}, {} rules, {from}", short(&policy.id()), policy.rules().count()))
        }
        Err(error) => Check::failed(NAME, &error, "`smista policy check FILE` shows every fault"),
    }
}

/// What is tried in the shadow, where something is.
fn canary(config: &Config) -> Option<Check> {
    const NAME: &str = "canary";
    config.canary.is_set().then(|| {
        let policy = match setup::canary_policy(config) {
            Ok(policy) => policy.map(|policy| short(&policy.id())),
            Err(error) => {
                return Check::failed(
                    NAME,
                    &error,
                    "name a policy that passes `smista policy check` in canary.policy",
                );
            }
        };
        let pack = match config.canary.pack.as_deref().map(Pack::open).transpose() {
            Ok(pack) => pack.map(|pack| short(&pack.version)),
            Err(error) => {
                return Check::failed(
                    NAME,
                    &error.into(),
                    "name the folder of an undamaged pack in canary.pack",
                );
            }
        };
        let tried: Vec<String> = pack.into_iter().chain(policy).collect();
        Check::ok(NAME, format!("{} in the shadow", tried.join(", ")))
    })
}

fn pack(config: &Config, quick: bool) -> Check {
    const NAME: &str = "model pack";
    let dir = &config.engine.pack;
    if config.engine.kind == EngineKind::Scripted {
        return Check::skipped(NAME, "the scripted engine needs none");
    }
    if quick {
        return if dir.join("pack.toml").is_file() {
            Check::skipped(NAME, format!("{}; hashes not checked", dir.display()))
        } else {
            Check::bad(NAME, Status::Failed, format!("{} holds no pack.toml", dir.display()), PACK_REMEDY)
        };
    }
    match Pack::open(dir) {
        Ok(pack) => {
            let files = pack.manifest.files.len();
            Check::ok(
                NAME,
                format!("{}, {files} files as they should be, {}", short(&pack.version), dir.display()),
            )
        }
        Err(error) => Check::failed(NAME, &error.into(), PACK_REMEDY),
    }
}

const PACK_REMEDY: &str =
    "name the folder of an undamaged pack in engine.pack; the one of this version is models/core";

async fn engine(config: &Config, quick: bool) -> Check {
    const NAME: &str = "engine";
    const REMEDY: &str =
        "run scripts/setup for libtorch and the build; for a dry run set SMISTA_ENGINE__KIND=scripted";
    if quick {
        return Check::skipped(NAME, "not loaded with --quick");
    }
    let started = Instant::now();
    let answer = async {
        let analyzer = setup::analyzer(config).await?;
        let loaded = started.elapsed();
        let interaction = sample(Channel::Chat, SENTENCE)?;
        let asked = Instant::now();
        let understood = analyzer.analyze(&interaction).await?;
        anyhow::Ok((analyzer, loaded, asked.elapsed(), understood))
    };
    match answer.await {
        Ok((analyzer, loaded, took, understood)) => Check::ok(
            NAME,
            format!(
                "{}, ready in {:.1} s; one sentence in {:.0} ms: {}, {}",
                short(analyzer.version()),
                loaded.as_secs_f64(),
                took.as_secs_f64() * 1000.0,
                understood.sentiment.label,
                understood.intent().unwrap_or("unsure"),
            ),
        ),
        Err(error) => Check::failed(NAME, &error, REMEDY),
    }
}

/// `name@sha256:0123456789ab` of `name@sha256:` and 64 digits.
fn short(version: &str) -> String {
    let shorten = |part: &str| {
        let digits = part.bytes().take_while(u8::is_ascii_hexdigit).count();
        let kept = if digits > 24 { 12 } else { digits };
        format!("{}{}", &part[..kept], &part[digits..])
    };
    version
        .split("sha256:")
        .enumerate()
        .map(|(at, part)| if at == 0 { part.to_owned() } else { shorten(part) })
        .collect::<Vec<_>>()
        .join("sha256:")
}

/// Prints each check as it is done, or all at the end as JSON.
struct Screen {
    json: bool,
    checks: Vec<Check>,
}

impl Screen {
    fn add(&mut self, check: Check) -> anyhow::Result<()> {
        if !self.json {
            let (style, mark) = match check.status {
                Status::Ok => (style::GOOD, "✓"),
                Status::Warning => (style::WARN, "!"),
                Status::Failed => (style::BAD, "✗"),
                Status::Skipped => (style::DIM, "–"),
            };
            let mut out = anstream::stdout();
            writeln!(out, "{} {:14} {}", paint(style, mark), check.name, check.detail)?;
            if let Some(remedy) = &check.remedy {
                writeln!(out, "                 {}", paint(style::HINT, &format!("→ {remedy}")))?;
            }
        }
        self.checks.push(check);
        Ok(())
    }

    fn close(&self) -> anyhow::Result<Outcome> {
        let failed = self.checks.iter().filter(|check| check.status == Status::Failed).count();
        let mut out = anstream::stdout();
        if self.json {
            let report = serde_json::json!({ "ok": failed == 0, "checks": self.checks });
            writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
        } else if failed == 0 {
            let warnings = self.checks.iter().filter(|check| check.status == Status::Warning).count();
            let said = match warnings {
                0 => paint(style::GOOD, "All is well."),
                1 => paint(style::WARN, "Nothing failed; 1 warning."),
                more => paint(style::WARN, &format!("Nothing failed; {more} warnings.")),
            };
            writeln!(out, "\n{said}")?;
        } else {
            let what =
                if failed == 1 { "1 check failed.".to_owned() } else { format!("{failed} checks failed.") };
            writeln!(out, "\n{}", paint(style::BAD, &what))?;
        }
        Ok(if failed == 0 { Outcome::Done } else { Outcome::Failed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_hashes_are_shortened_and_nothing_else() {
        let hash = "0123456789abcdef".repeat(4);
        let check = |version: &str, expected: &str| assert_eq!(short(version), expected);
        check(&format!("core@sha256:{hash}"), "core@sha256:0123456789ab");
        check(
            &format!("core@sha256:{hash}+cues@sha256:{hash}"),
            "core@sha256:0123456789ab+cues@sha256:0123456789ab",
        );
        check("scripted@sha256:0123456789abcdef", "scripted@sha256:0123456789abcdef");
        check("default", "default");
    }
}
