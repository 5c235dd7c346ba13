//! What the program says of itself: version, completions and manual pages, as a package installs them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use clap::CommandFactory as _;
use smista::cli::Cli;

fn smista(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smista"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SMISTA_") {
            command.env_remove(name);
        }
    }
    command.current_dir(folder).env("NO_COLOR", "1").args(args).output().unwrap()
}

/// What it printed; it has to have gone well.
fn said(folder: &Path, args: &[&str]) -> String {
    let output = smista(folder, args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The words of every command.
fn commands() -> Vec<Vec<String>> {
    fn below(command: &clap::Command, words: &[String], all: &mut Vec<Vec<String>>) {
        for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
            let words = [words, &[command.get_name().to_owned()]].concat();
            all.push(words.clone());
            below(command, &words, all);
        }
    }
    let mut all = Vec::new();
    below(&Cli::command(), &[], &mut all);
    all
}

#[test]
fn version_says_what_was_built_and_which_model_would_be_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let first = format!("smista {}", env!("CARGO_PKG_VERSION"));
    assert_eq!(said(dir.path(), &["-V"]), format!("{first}\n"));
    assert_eq!(said(dir.path(), &["worker", "-V"]), format!("{first}\n"));

    let pack = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/core");
    let config = dir.path().join("mine.toml");
    std::fs::write(&config, format!("[engine]\npack = \"{}\"\n", pack.display())).unwrap();
    for args in [["--version", "--config", "mine.toml"], ["--config", "mine.toml", "--version"]] {
        let text = said(dir.path(), &args);
        assert!(text.starts_with(&format!("{first}\ncommit: ")), "{text}");
        for line in
            ["\ntarget: ", "\nfeatures: ", "\nconfiguration: mine.toml\n", "\nmodel pack: core@sha256:"]
        {
            assert!(text.contains(line), "{line:?} is missing: {text}");
        }
        assert_eq!(text.contains("\nlibtorch: "), cfg!(feature = "torch"), "{text}");
    }
    // Nothing that is wrong keeps it from being said.
    std::fs::write(&config, "[engine]\npack = \"nowhere\"\n").unwrap();
    let text = said(dir.path(), &["--version", "--config", "mine.toml"]);
    assert!(text.contains("\nmodel pack: no pack found at nowhere\n"), "{text}");
    std::fs::write(&config, "[engine]\nnonsense = 1\n").unwrap();
    let text = said(dir.path(), &["--version", "--config", "mine.toml"]);
    assert!(text.contains("\nconfiguration: mine.toml, which cannot be used"), "{text}");
}

#[test]
fn completions_know_every_command_and_bash_reads_them() {
    let dir = tempfile::tempdir().unwrap();
    let all = commands();
    assert!(all.len() > 30, "{all:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let text = said(dir.path(), &["completions", shell]);
        for name in all.iter().flatten() {
            assert!(text.contains(name.as_str()), "{shell}: {name} is missing");
        }
        std::fs::write(dir.path().join(shell), text).unwrap();
    }
    assert_eq!(smista(dir.path(), &["completions", "tcsh"]).status.code(), Some(2));
    // As bash does it at a tab: the words of the line, and what may follow.
    let complete = |words: &[&str]| -> BTreeSet<String> {
        let script = "source ./bash; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); COMPREPLY=()\n\
                      _smista smista \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD - 1]}\"\n\
                      printf '%s\\n' \"${COMPREPLY[@]}\"";
        let mut bash = Command::new("bash");
        let output =
            bash.current_dir(dir.path()).args(["-euo", "pipefail", "-c", script, "bash"]).args(words);
        let output = output.output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    };
    let set = |names: &[&str]| names.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    assert_eq!(complete(&["smista", "wor"]), set(&["worker"]));
    assert_eq!(complete(&["smista", "topology", "resh"]), set(&["reshard"]));
    assert_eq!(complete(&["smista", "analyze", "--inp"]), set(&["--input"]));
    assert_eq!(complete(&["smista", "--color", ""]), set(&["always", "auto", "never"]));
}

#[test]
fn there_is_a_manual_page_for_every_command_and_all_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    said(dir.path(), &["man", "pages"]);
    let folder = dir.path().join("pages/man1");
    let there: BTreeSet<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|file| file.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    let wanted: BTreeSet<String> = std::iter::once("smista.1".to_owned())
        .chain(commands().iter().map(|words| format!("smista-{}.1", words.join("-"))))
        .collect();
    assert_eq!(there, wanted);

    let worker = std::fs::read_to_string(folder.join("smista-worker.1")).unwrap();
    for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "SEE ALSO"] {
        assert!(
            worker.contains(&format!(".SH {section}\n")) || worker.contains(&format!(".SH \"{section}\"\n"))
        );
    }
    let settings = std::fs::read_to_string(dir.path().join("pages/man5/smista.toml.5")).unwrap();
    assert!(settings.contains("[broker]") && settings.contains("[console]"));

    let pages: Vec<_> = there
        .iter()
        .map(|name| folder.join(name))
        .chain([dir.path().join("pages/man5/smista.toml.5")])
        .collect();
    let mut read = false;
    for (program, args) in
        [("groff", &["-man", "-Tutf8", "-Kutf8", "-ww", "-z"] as &[&str]), ("mandoc", &["-Tlint", "-Werror"])]
    {
        for page in &pages {
            let Ok(output) = Command::new(program).args(args).arg(page).output() else { break };
            read = true;
            let complaints = [output.stdout, output.stderr].concat();
            let complaints = String::from_utf8_lossy(&complaints).into_owned();
            assert!(output.status.success() && complaints.is_empty(), "{program}: {complaints}");
        }
    }
    if !read {
        eprintln!("neither groff nor mandoc is here: the pages were written and not read");
    }
    // Written again, over what is there.
    said(dir.path(), &["man", "pages"]);
    std::fs::write(dir.path().join("file"), "").unwrap();
    assert_eq!(smista(dir.path(), &["man", "file"]).status.code(), Some(1));
}
