//! Gives what links to libtorch an rpath, so that it runs without `LD_LIBRARY_PATH`: `lib` beside the folder of the
//! binary first and `lib/smista` there, for an installed copy, then the libtorch that it was built with. And tells the
//! program what it was built from, for `smista --version`. What cannot be found out is left empty and stops no build.

use std::path::Path;
use std::process::Command;

/// What the program is made of; other files of the repository do not change it.
const SOURCES: [&str; 7] = ["Cargo.lock", "Cargo.toml", "build.rs", "migrations", "policy", "samples", "src"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    for name in ["LIBTORCH", "LIBTORCH_INCLUDE", "SMISTA_COMMIT"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    for (name, value) in [
        ("COMMIT", commit()),
        ("TARGET", std::env::var("TARGET").ok()),
        ("PROFILE", std::env::var("PROFILE").ok()),
        ("LIBTORCH", libtorch()),
    ] {
        println!("cargo:rustc-env=SMISTA_BUILD_{name}={}", value.unwrap_or_default());
    }
    if std::env::var_os("CARGO_FEATURE_TORCH").is_none() {
        return;
    }
    println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN/../lib");
    println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN/../lib/smista");
    if let Some(prefix) = std::env::var_os("LIBTORCH") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}/lib", prefix.to_string_lossy());
    }
}

/// The commit of the sources and its day: `SMISTA_COMMIT` where the builder knows it, else git's, with a word when there
/// are changes beside it. Only releases ask git: a new commit would have everything compiled again while developing.
fn commit() -> Option<String> {
    if let Some(given) = std::env::var("SMISTA_COMMIT").ok().filter(|given| !given.trim().is_empty()) {
        return given.lines().next().map(|line| line.trim().to_owned());
    }
    if std::env::var("PROFILE").ok()? != "release" {
        return Some("development".to_owned());
    }
    let root = std::env::var("CARGO_MANIFEST_DIR").ok()?;
    // Sources that were unpacked inside somebody else's repository are not of its commits.
    let top = git(&root, &["rev-parse", "--show-toplevel"])?;
    if Path::new(&top).canonicalize().ok()? != Path::new(&root).canonicalize().ok()? {
        return None;
    }
    for name in ["HEAD", "logs/HEAD"] {
        let file = git(&root, &["rev-parse", "--git-path", name])?;
        if Path::new(&root).join(&file).exists() {
            println!("cargo:rerun-if-changed={file}");
        }
    }
    for source in SOURCES {
        println!("cargo:rerun-if-changed={source}");
    }
    // The last that touched the program, so that one that changes only a page has nothing compiled again.
    let ask = |command: &[&str]| git(&root, &[command, &["--"], &SOURCES].concat());
    let last = ask(&["log", "-1", "--abbrev=12", "--date=short", "--format=%h of %ad"])?;
    let changed = ask(&["status", "--porcelain"]).is_none_or(|changes| !changes.is_empty());
    Some(if changed { format!("{last}, with changes") } else { last })
}

/// One line or more that git says.
fn git(root: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// The version that libtorch's header names.
fn libtorch() -> Option<String> {
    std::env::var_os("CARGO_FEATURE_TORCH")?;
    let prefix = std::env::var_os("LIBTORCH_INCLUDE").or_else(|| std::env::var_os("LIBTORCH"))?;
    let header = Path::new(&prefix).join("include/torch/csrc/api/include/torch/version.h");
    let text = std::fs::read_to_string(header).ok()?;
    let (_, after) = text.split_once("#define TORCH_VERSION \\")?;
    after.split('"').nth(1).map(str::to_owned)
}
