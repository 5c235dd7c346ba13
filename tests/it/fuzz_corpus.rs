//! Replays the inputs of `fuzz/corpus` through the functions that are fuzzed: what fuzzing has found stays mended, and
//! the seeds stay seeds.

use std::path::Path;

#[path = "../../fuzz/targets.rs"]
mod targets;

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut inputs: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    inputs.sort();
    assert!(inputs.len() >= 3, "{} has no seeds", folder.display());
    for input in inputs {
        let bytes = std::fs::read(&input).unwrap();
        if let Err(panic) = std::panic::catch_unwind(|| run(&bytes)) {
            eprintln!("with {}", input.display());
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn envelopes() {
    replay("envelope", targets::envelope);
}

#[test]
fn mails() {
    replay("mime", targets::mime);
}

#[test]
fn texts() {
    replay("normalise_redact", targets::normalise_redact);
}

#[test]
fn imports() {
    replay("import", targets::import);
}

#[test]
fn policies() {
    replay("policy", targets::policy);
}

#[test]
fn headers() {
    replay("amqp_headers", targets::amqp_headers);
}

/// Every target is built, and every seed is read in the way it is meant.
#[test]
fn each_corpus_has_its_target() {
    let manifest = include_str!("../../fuzz/Cargo.toml");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    for entry in std::fs::read_dir(root.join("corpus")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        assert!(root.join(format!("fuzz_targets/{name}.rs")).is_file(), "{name}");
    }
}
