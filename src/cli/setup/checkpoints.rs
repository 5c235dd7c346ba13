//! Checkpoints that replace heads: where they lie, and how they join the engine.

use std::path::{Path, PathBuf};

use super::super::Hinted;
use super::Build;
use crate::config::{Config, Replace};
use crate::nlp::checkpoint::{CheckpointError, in_hub_cache};
use crate::nlp::pack::Heads;

/// The folder of each: beside the configuration file first, then in the current folder, then in the local Hugging Face
/// cache. What is nowhere stays as it is, so that the error names it.
pub fn resolve(replace: &mut Replace, base: Option<&Path>, cache: Option<&Path>) {
    for replacement in replace.iter_mut() {
        let name = Path::new(&replacement.checkpoint);
        let beside = base.map(|base| base.join(name));
        let cached = cache.and_then(|cache| in_hub_cache(cache, &replacement.checkpoint));
        let mut places = beside.into_iter().chain([name.to_owned()]).chain(cached);
        if let Some(folder) = places.find(|folder| folder.is_dir()) {
            replacement.checkpoint = folder.display().to_string();
        }
    }
}

/// Where the hub's own tools keep what they download.
pub fn hub_cache() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("HF_HUB_CACHE")
        .or_else(|| Some(variable("HF_HOME")?.join("hub")))
        .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("huggingface/hub")))
        .or_else(|| Some(variable("HOME")?.join(".cache/huggingface/hub")))
}

/// Puts the configured checkpoints over the engine that `build` makes, and their labels and versions in the place of
/// the pack's.
#[cfg(feature = "torch")]
pub fn replace(
    config: &Config,
    heads: &mut Heads,
    version: &mut String,
    mut build: Build,
) -> anyhow::Result<Build> {
    use crate::nlp::checkpoint;
    use crate::nlp::torch::ReplacingEngine;

    let checkpoints =
        checkpoint::replace(&config.engine.replace, heads, version).map_err(|found| error(*found))?;
    if checkpoints.is_empty() {
        return Ok(build);
    }
    let options = super::torch_options(config);
    Ok(Box::new(move || Ok(Box::new(ReplacingEngine::load(build()?, &checkpoints, options)?))))
}

/// Refuses checkpoints, which only libtorch can run.
#[cfg(not(feature = "torch"))]
pub fn replace(
    config: &Config,
    _heads: &mut Heads,
    _version: &mut String,
    build: Build,
) -> anyhow::Result<Build> {
    match config.engine.replace.named().next() {
        None => Ok(build),
        Some((head, _)) => Err(Hinted::new(
            format!("engine.replace.{head}: this build has no torch engine, and a checkpoint needs it"),
            "build with feature torch, or take the section out of smista.toml",
        )
        .into()),
    }
}

/// A checkpoint that cannot be used, with its remedy.
pub fn error(error: CheckpointError) -> anyhow::Error {
    let what = format!("the {} head cannot be replaced", error.head);
    let hint = format!(
        "correct [engine.replace.{}] of smista.toml as said, or take it out; docs/replace-a-head.md shows one that works",
        error.head
    );
    anyhow::Error::new(error).context(Hinted::new(what, hint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Replacement;

    #[test]
    fn a_checkpoint_is_looked_for_beside_the_file_then_in_the_hub_cache() {
        let root = tempfile::tempdir().unwrap();
        let (base, cache) = (root.path().join("etc"), root.path().join("hub"));
        let name = "org-of-this-test/model.v1";
        let find = || {
            let mut replace = Replace {
                stage: Some(Replacement {
                    checkpoint: name.to_owned(),
                    labels: std::collections::BTreeMap::new(),
                    temperature: 1.0,
                    threshold: None,
                    secondary_threshold: None,
                }),
                ..Replace::default()
            };
            resolve(&mut replace, Some(&base), Some(&cache));
            PathBuf::from(replace.stage.unwrap().checkpoint)
        };
        assert_eq!(find(), Path::new(name), "nowhere: left as it is");

        let repository = cache.join("models--org-of-this-test--model.v1");
        let snapshot = repository.join("snapshots/abc123");
        std::fs::create_dir_all(&snapshot).unwrap();
        assert_eq!(find(), Path::new(name), "a download that never ended has no revision");
        std::fs::create_dir_all(repository.join("refs")).unwrap();
        std::fs::write(repository.join("refs/main"), "abc123\n").unwrap();
        assert_eq!(find(), snapshot);

        std::fs::create_dir_all(base.join(name)).unwrap();
        assert_eq!(find(), base.join(name), "a folder of that name wins");
    }
}
