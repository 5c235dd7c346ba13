//! What several commands build from the configuration: files found, logging, analyzer, policy, store, pipeline.

pub mod checkpoints;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use super::{Hinted, WrongUse};
use crate::broker::Publisher;
use crate::config::{Config, EngineKind, secret};
use crate::nlp::analyzer::{Analyzer, Model};
use crate::nlp::custom::CustomIntents;
use crate::nlp::engine::Engine;
use crate::nlp::pack::PackError;
use crate::nlp::scripted::ScriptedEngine;
use crate::nlp::service::{EngineHandle, EngineSettings};
use crate::routing::decision::hash_json;
use crate::routing::{Policy, PolicyHandle};
use crate::store::console::ConsoleStore;
use crate::store::{self, MarkKey, Store, StoreError};
use crate::telemetry::Health;
use crate::worker::{self, LaneContext, Pipeline};

/// Makes relative paths of the configuration hold from any folder: beside the configuration file first, then in the
/// current folder, then around the program.
pub fn resolve_paths(config: &mut Config, file: Option<&Path>) {
    let base = file.and_then(Path::parent);
    config.engine.pack = find_pack(&config.engine.pack, base, std::env::current_exe().ok().as_deref());
    checkpoints::resolve(&mut config.engine.replace, base, checkpoints::hub_cache().as_deref());
    for path in secret_files(config) {
        secret::place(path, base);
    }
    if let (Some(path), Some(base)) = (&config.policy.path, base)
        && base.join(path).is_file()
    {
        config.policy.path = Some(base.join(path));
    }
    if let (Some(path), Some(base)) = (&config.canary.policy, base)
        && base.join(path).is_file()
    {
        config.canary.policy = Some(base.join(path));
    }
    if let Some(pack) = &config.canary.pack {
        config.canary.pack = Some(find_pack(pack, base, std::env::current_exe().ok().as_deref()));
    }
    if let (Some(path), Some(base)) = (&config.intents.custom, base)
        && base.join(path).is_dir()
    {
        config.intents.custom = Some(base.join(path));
    }
}

/// Every file of secrets, keys and certificates that is named.
fn secret_files(config: &mut Config) -> impl Iterator<Item = &mut PathBuf> {
    let crate::config::Config { broker, store, interaction, console, gateway, .. } = config;
    [
        &mut broker.url_file,
        &mut broker.password_file,
        &mut broker.tls_ca,
        &mut broker.tls_certificate,
        &mut broker.tls_key,
        &mut broker.tls_identity,
        &mut broker.tls_identity_password_file,
        &mut store.url_file,
        &mut store.password_file,
        &mut store.tls_ca,
        &mut store.tls_certificate,
        &mut store.tls_key,
        &mut interaction.identity_key_file,
    ]
    .into_iter()
    .flatten()
    .chain(console.oidc.as_mut().and_then(|oidc| oidc.client_secret_file.as_mut()))
    .chain(gateway.secret_files())
}

fn find_pack(pack: &Path, base: Option<&Path>, program: Option<&Path>) -> PathBuf {
    if pack.is_absolute() {
        return pack.to_owned();
    }
    let beside = base.map(|base| base.join(pack));
    let around = program
        .and_then(Path::parent)
        .into_iter()
        .flat_map(|folder| ["", "..", "../..", "../share/smista"].map(|step| folder.join(step).join(pack)));
    beside
        .into_iter()
        .chain([pack.to_owned()])
        .chain(around)
        .chain([Path::new("/usr/share/smista").join(pack)])
        .find(|folder| folder.join("pack.toml").is_file())
        .unwrap_or_else(|| pack.to_owned())
}

/// Sets the log up. A service says what the configuration asks for; other commands only what nobody else would say; `-v` more.
pub fn logging(config: &Config, verbose: u8, service: bool) -> anyhow::Result<()> {
    let mut settings = config.telemetry.clone();
    match (verbose, service) {
        (0, true) => {}
        (0, false) => settings.log_filter = "error".to_owned(),
        (1, false) => settings.log_filter = "info".to_owned(),
        (1, true) | (2, false) => settings.log_filter = "info,smista=debug".to_owned(),
        _ => settings.log_filter = "debug,smista=trace".to_owned(),
    }
    let choice = anstream::AutoStream::choice(&std::io::stderr());
    crate::telemetry::logging::init(&settings, choice != anstream::ColorChoice::Never)
        .map_err(|error| WrongUse(error.to_string()).into())
}

/// Builds the analyzer: the engine on its own thread, loaded and ready. Takes about a second with a model pack.
pub async fn analyzer(config: &Config) -> anyhow::Result<Arc<Analyzer>> {
    let config = config.clone();
    tokio::task::spawn_blocking(move || blocking_analyzer(&config))
        .await
        .context("the engine could not be started")?
}

fn blocking_analyzer(config: &Config) -> anyhow::Result<Arc<Analyzer>> {
    let settings = EngineSettings {
        batch_tokens: config.engine.batch_tokens,
        batch_wait: Duration::from_millis(config.engine.batch_wait_ms),
        // The lexicon answers faster than anything is looked up.
        cache: if config.engine.kind == EngineKind::Scripted { 0 } else { config.engine.cache },
        ..EngineSettings::default()
    };
    let (model, build) = model(config)?;
    let engine = EngineHandle::spawn(build, settings).map_err(|error| engine_error(config, error))?;
    let languages = &config.interaction.languages;
    let custom = custom_intents(config, &model.version)?;
    let mut analyzer = Analyzer::new(model, engine, languages, &config.interaction.default_language)
        .context("the analysis cannot be set up")?;
    if let Some(custom) = custom {
        analyzer = analyzer.with_custom(custom, config.intents.mode);
    }
    analyzer
        .retune(&config.engine.thresholds)
        .context(Hinted::new("the thresholds cannot be used", "correct engine.thresholds in smista.toml"))?;
    Ok(Arc::new(analyzer))
}

/// Builds the engine, on the thread where it will live.
pub type Build = Box<dyn FnMut() -> Result<Box<dyn Engine>, PackError> + Send>;

/// What the configuration asks for: the pack or the scripted engine, with the checkpoints that replace heads.
pub fn model(config: &Config) -> anyhow::Result<(Model, Build)> {
    let (mut model, build): (Model, Build) = match config.engine.kind {
        EngineKind::Scripted => (Model::scripted(), Box::new(|| Ok(Box::new(ScriptedEngine)))),
        EngineKind::Torch => torch(config)?,
    };
    let build = checkpoints::replace(config, &mut model.heads, &mut model.version, build)?;
    Ok((model, build))
}

/// An engine that cannot be built, with its remedy.
pub fn engine_error(config: &Config, error: PackError) -> anyhow::Error {
    let hint = match error {
        PackError::Checkpoint(error) => return checkpoints::error(*error),
        _ if config.engine.kind == EngineKind::Scripted => return error.into(),
        _ => {
            "name its folder in engine.pack of smista.toml (or SMISTA_ENGINE__PACK); \
             for a dry run without a model set SMISTA_ENGINE__KIND=scripted"
        }
    };
    let what = format!("the model pack {} cannot be used", config.engine.pack.display());
    anyhow::Error::new(error).context(Hinted::new(what, hint))
}

/// The custom intents that the configuration names, for the model pack of that version.
pub fn custom_intents(config: &Config, pack: &str) -> anyhow::Result<Option<CustomIntents>> {
    let Some(dir) = &config.intents.custom else { return Ok(None) };
    let custom = CustomIntents::open(dir, pack).context(Hinted::new(
        format!("the custom intents {} cannot be used", dir.display()),
        "name a folder that `smista intents fit` wrote in intents.custom of smista.toml, or fit it again",
    ))?;
    Ok(Some(custom))
}

#[cfg(feature = "torch")]
fn torch(config: &Config) -> anyhow::Result<(Model, Build)> {
    use crate::nlp::pack::Pack;
    use crate::nlp::tokens::Tokens;
    use crate::nlp::torch::TorchEngine;

    let open = || -> Result<(Model, Build), PackError> {
        let pack = Pack::open(&config.engine.pack)?;
        let windows = Box::new(Tokens::load(&pack)?);
        let model = Model { heads: pack.manifest.heads.clone(), windows, version: pack.version.clone() };
        let options = torch_options(config);
        Ok((model, Box::new(move || Ok(Box::new(TorchEngine::load(&pack, options)?)))))
    };
    open().map_err(|error| engine_error(config, error))
}

/// How torch engines run.
#[cfg(feature = "torch")]
pub fn torch_options(config: &Config) -> crate::nlp::torch::TorchOptions {
    crate::nlp::torch::TorchOptions {
        threads: config.engine.threads,
        precision: precision(config.engine.forward),
        batch_tokens: config.engine.batch_tokens,
    }
}

/// How the configured engine computes on this processor.
#[cfg(feature = "torch")]
pub fn forward(config: &Config) -> &'static str {
    match config.engine.kind {
        EngineKind::Scripted => "scripted",
        EngineKind::Torch => precision(config.engine.forward).as_str(),
    }
}

/// How the configured engine computes on this processor.
#[cfg(not(feature = "torch"))]
pub fn forward(_config: &Config) -> &'static str {
    "scripted"
}

/// What the setting comes to on this processor.
#[cfg(feature = "torch")]
pub fn precision(forward: crate::config::Forward) -> crate::nlp::torch::Precision {
    use crate::config::Forward;
    use crate::nlp::torch::Precision;

    match forward {
        Forward::Auto => Precision::of_this_processor(),
        Forward::Reference => Precision::Reference,
        Forward::F32 => Precision::F32,
        Forward::Bf16 => Precision::Bf16,
    }
}

#[cfg(not(feature = "torch"))]
fn torch(_config: &Config) -> anyhow::Result<(Model, Build)> {
    Err(Hinted::new(
        "this build has no torch engine",
        "set engine.kind = \"scripted\" (or SMISTA_ENGINE__KIND=scripted), or build with feature torch",
    )
    .into())
}

/// Reads and compiles the policy that the configuration names, else the one inside the program.
pub fn policy(config: &Config) -> anyhow::Result<Policy> {
    let hint = "`smista policy check FILE` shows every fault of a policy";
    match &config.policy.path {
        None => Policy::embedded_default().context("the policy inside the program cannot be used"),
        Some(path) => {
            let what = format!("the policy {} cannot be used", path.display());
            let text = std::fs::read_to_string(path)
                .context(Hinted::new(what.clone(), "name the file in policy.path of smista.toml"))?;
            Policy::from_text(&text, &path.display().to_string()).context(Hinted::new(what, hint))
        }
    }
}

/// The policy of the canary, if it has one of its own.
pub fn canary_policy(config: &Config) -> anyhow::Result<Option<Policy>> {
    let Some(path) = &config.canary.policy else { return Ok(None) };
    let what = format!("the policy of the canary {} cannot be used", path.display());
    let text = std::fs::read_to_string(path)
        .context(Hinted::new(what.clone(), "name the file in canary.policy of smista.toml, or remove it"))?;
    let hint = "`smista policy check FILE` shows every fault of a policy";
    Policy::from_text(&text, &path.display().to_string()).map(Some).context(Hinted::new(what, hint))
}

/// The stages with the shadow that the configuration asks for.
pub async fn canary(config: &Config, pipeline: Pipeline) -> anyhow::Result<Pipeline> {
    if !config.canary.is_set() {
        return Ok(pipeline);
    }
    let policy = canary_policy(config)?;
    let analyses: Option<Arc<dyn worker::Analysis>> = match &config.canary.pack {
        None => None,
        Some(pack) => {
            let mut config = config.clone();
            config.engine.pack.clone_from(pack);
            let analyzer = analyzer(&config).await.context(Hinted::new(
                format!("the canary's pack {} cannot be used", pack.display()),
                "name the folder of a pack in canary.pack of smista.toml, or remove it",
            ))?;
            Some(analyzer)
        }
    };
    let reads = analyses.is_some();
    let shadow = pipeline.shadow(policy, analyses);
    Ok(pipeline.beside(worker::canary::Canary::start(shadow, reads, config.canary.share)))
}

/// Opens the configured store.
pub async fn store(config: &Config) -> anyhow::Result<Arc<dyn Store>> {
    let store: Arc<dyn Store> = console_store(config).await?;
    Ok(store)
}

/// The same, with what the console keeps there.
pub async fn console_store(config: &Config) -> anyhow::Result<Arc<dyn ConsoleStore>> {
    store::open_console(&config.store).await.map_err(store_error)
}

/// A store that cannot be opened, with its remedy.
pub fn store_error(error: StoreError) -> anyhow::Error {
    anyhow::Error::new(error).context(Hinted::new(
        "the database cannot be used",
        "check store.url (or store.url_file) in smista.toml; `smista doctor` tells more",
    ))
}

/// Opens a store that is there already, to look into: the one that `--state` names, else the configured one.
pub async fn kept(config: &mut Config, state: Option<&str>) -> anyhow::Result<Arc<dyn Store>> {
    if let Some(url) = state {
        url.clone_into(&mut config.store.url);
        config.store.url_file = None;
    }
    if let Some(file) = store::missing_file(&config.store).await? {
        let from = if state.is_some() { "--state" } else { "store.url" };
        return Err(WrongUse(format!("{from}: there is no database {}", file.display())).into());
    }
    store(config).await
}

/// Counts what is gone through, on a terminal only.
pub fn counter(what: &'static str) -> indicatif::ProgressBar {
    let style = indicatif::ProgressStyle::with_template("{spinner} {human_pos} {msg}, {per_sec}, {elapsed}");
    let bar = indicatif::ProgressBar::new_spinner().with_message(what);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// The stages of a message, put together over a store.
pub async fn pipeline(config: &Config, store: Arc<dyn Store>) -> anyhow::Result<Pipeline> {
    let policy = PolicyHandle::new(policy(config)?);
    let analyzer = analyzer(config).await?;
    let fold = (&config.journey).into();
    let pipeline = Pipeline::new(analyzer, store, Arc::new(policy), fold, config.engine.on_failure);
    let marks = MarkKey::new(identity_key(config)?);
    let persona = (&config.journey.persona).into();
    let spikes = config.journey.spikes.enabled.then(|| (&config.journey.spikes).into());
    Ok(pipeline
        .by_settings(settings(config)?)
        .explaining(config.engine.explain)
        .heeding_erasures(marks)
        .sounding_like(persona)
        .watching(spikes))
}

/// The hash of the settings that decisions depend on.
pub fn settings(config: &Config) -> anyhow::Result<String> {
    hash_json(&config.deciding()).context("the settings cannot be hashed")
}

/// The secret that keys the hashes of identities.
pub fn identity_key(config: &Config) -> anyhow::Result<Arc<[u8]>> {
    let Some(path) = &config.interaction.identity_key_file else {
        let key = &config.interaction.identity_key;
        if key.trim().is_empty() {
            return Err(Hinted::new(
                "interaction.identity_key is empty",
                "put a secret of your own into it (openssl rand -hex 32), or name a file in identity_key_file",
            )
            .into());
        }
        return Ok(key.as_bytes().into());
    };
    let text = std::fs::read_to_string(path).context(Hinted::new(
        format!("the identity key {} cannot be read", path.display()),
        "name a readable file in interaction.identity_key_file",
    ))?;
    let key = text.trim();
    if key.is_empty() {
        return Err(anyhow::anyhow!("it is empty").context(Hinted::new(
            format!("the identity key {} cannot be used", path.display()),
            "put a secret of your own into it (openssl rand -hex 32)",
        )));
    }
    Ok(key.as_bytes().into())
}

/// What every lane of a worker shares.
pub fn lanes(
    config: &Config,
    pipeline: Pipeline,
    publisher: Arc<dyn Publisher>,
    health: Health,
) -> Arc<LaneContext> {
    Arc::new(LaneContext {
        pipeline,
        publisher,
        health,
        retry_attempts: config.worker.retry_attempts,
        retry_backoff: Duration::from_millis(config.worker.retry_backoff_ms),
        abandon: CancellationToken::new(),
        analysed: AtomicU64::new(0),
    })
}

/// How a worker works.
pub fn worker_settings(config: &Config) -> anyhow::Result<worker::Settings> {
    Ok(worker::Settings {
        prefetch: config.broker.prefetch,
        max_in_flight: usize::from(config.broker.prefetch) * usize::from(config.broker.shards),
        lanes: config.worker.lanes,
        shutdown_timeout: Duration::from_secs(config.worker.shutdown_timeout_s),
        identity_key: identity_key(config)?,
        inbox_days: config.store.inbox_days,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack_at(folder: &Path) {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("pack.toml"), "").unwrap();
    }

    #[test]
    fn a_pack_is_looked_for_beside_the_file_then_around_the_program() {
        let root = tempfile::tempdir().unwrap();
        let name = Path::new("packs-of-this-test/core");
        let etc = root.path().join("etc");
        let program = root.path().join("target/release/smista");
        let find = || find_pack(name, Some(&etc), Some(&program));
        assert_eq!(find(), name, "nowhere: left as it is, so that the error names it");

        pack_at(&root.path().join(name));
        // `../..` is only found through a folder that is there.
        std::fs::create_dir_all(root.path().join("target/release")).unwrap();
        assert_eq!(find().canonicalize().unwrap(), root.path().join(name).canonicalize().unwrap());

        pack_at(&etc.join(name));
        assert_eq!(find(), etc.join(name));
        let absolute = root.path().join("elsewhere");
        assert_eq!(find_pack(&absolute, Some(&etc), Some(&program)), absolute);
    }
}
