//! `smista --version`: what this program is, what it was built from, and which model it would load here. `-V` is its
//! first line.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, CommandFactory as _, FromArgMatches as _};

use super::{Cli, Global};
use crate::config::{Config, EngineKind};
use crate::nlp::pack::Pack;

/// Answers a command line on which clap found `--version` or `-V`.
pub fn answer(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> ExitCode {
    let mut lines = vec![format!("smista {}", env!("CARGO_PKG_VERSION"))];
    if let Some(global) = asked_for_all(arguments) {
        lines
            .extend(built().into_iter().chain(here(&global)).map(|(name, value)| format!("{name}: {value}")));
    }
    match writeln!(anstream::stdout(), "{}", lines.join("\n")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => super::report(&error.into()),
    }
}

/// The options beside `--version`; `None` for `-V`. Whatever else is there or missing does not matter.
fn asked_for_all(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> Option<Global> {
    let flag = |name: &'static str| Arg::new(name).global(true).action(ArgAction::Count);
    let command = Cli::command()
        .disable_version_flag(true)
        .ignore_errors(true)
        .arg(flag("all").long("version"))
        .arg(flag("short").short('V'));
    let matches: ArgMatches = command.try_get_matches_from(arguments).unwrap_or_default();
    let all = matches.try_get_one::<u8>("all").ok().flatten().is_some_and(|count| *count > 0);
    all.then(|| Global::from_arg_matches(&matches).unwrap_or_default())
}

/// What the program was built from and with.
fn built() -> Vec<(&'static str, String)> {
    let known = |value: &str| if value.is_empty() { "unknown".to_owned() } else { value.to_owned() };
    let target = format!("{} ({})", env!("SMISTA_BUILD_TARGET"), env!("SMISTA_BUILD_PROFILE"));
    let mut lines = vec![("commit", known(env!("SMISTA_BUILD_COMMIT"))), ("target", target)];
    if cfg!(feature = "torch") {
        lines.push(("features", "torch".to_owned()));
        lines.push(("libtorch", known(env!("SMISTA_BUILD_LIBTORCH"))));
    } else {
        lines.push(("features", "none".to_owned()));
    }
    lines
}

/// The configuration in force and the model pack that it leads to. `smista doctor` checks them; here they are only named.
fn here(global: &Global) -> Vec<(&'static str, String)> {
    let file = global.config_file().map_or("the defaults".to_owned(), |path| path.display().to_string());
    match global.load_config() {
        Ok(config) => vec![("configuration", file), ("model pack", pack(&config))],
        Err(_) => vec![("configuration", format!("{file}, which cannot be used (smista doctor tells why)"))],
    }
}

fn pack(config: &Config) -> String {
    let folder = config.engine.pack.canonicalize().unwrap_or_else(|_| config.engine.pack.clone());
    let folder = folder.display();
    match (config.engine.kind, Pack::read(&config.engine.pack)) {
        (EngineKind::Scripted, _) => "none needed, the engine is the scripted one".to_owned(),
        (EngineKind::Torch, Ok(pack)) => format!("{} in {folder}", pack.version),
        (EngineKind::Torch, Err(_)) => format!("no pack found at {folder}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str) -> Option<Global> {
        asked_for_all(line.split(' ').map(Into::into))
    }

    #[test]
    fn the_options_count_wherever_they_stand() {
        for line in [
            "smista --version --config a.toml",
            "smista --config a.toml --version",
            "smista worker --config a.toml --version",
            "smista --config=a.toml worker --version",
        ] {
            let config = asked(line).unwrap_or_else(|| panic!("{line}: not seen")).config;
            assert_eq!(config, Some("a.toml".into()), "{line}");
        }
        assert!(asked("smista -V").is_none());
        assert!(asked("smista worker -V --config a.toml").is_none());
    }

    #[test]
    fn a_pack_that_is_not_there_is_said_to_be_missing() {
        let mut config = Config::load(None).unwrap();
        config.engine.pack = "nowhere/core".into();
        assert_eq!(pack(&config), "no pack found at nowhere/core");
        config.engine.pack = concat!(env!("CARGO_MANIFEST_DIR"), "/models/core").into();
        let whole = Pack::open(&config.engine.pack).unwrap();
        assert!(pack(&config).starts_with(&format!("{} in ", whole.version)), "{}", pack(&config));
        config.engine.kind = EngineKind::Scripted;
        assert!(pack(&config).contains("scripted"));
    }
}
