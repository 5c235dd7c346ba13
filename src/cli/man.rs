//! `smista man`: a manual page for every command and one for the configuration, written from the same text as `--help`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use super::{Cli, Outcome};
use crate::config;

/// Write the manual pages of every command and of smista.toml.
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "Examples:\n  smista man ~/.local/share/man\n  smista man man && man -l man/man1/smista-worker.1\n\nThe pages go into man1 and man5 of the folder, as man looks for them."
)]
pub struct Args {
    /// Folder to write to; made when it is not there
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
}

/// Writes them.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut all = Vec::new();
    pages(&command, &mut all)?;
    all.push(("man5/smista.toml.5".to_owned(), configuration()));
    for (name, page) in all {
        let path = args.dir.join(name);
        let written =
            fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).and_then(|()| fs::write(&path, page));
        written.with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(Outcome::Done)
}

/// The page of the command and those of its commands: file name and text.
fn pages(command: &clap::Command, all: &mut Vec<(String, Vec<u8>)>) -> anyhow::Result<()> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        pages(below, all)?;
    }
    let man = Man::new(command.clone());
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let mut page = title(name, 1).into_bytes();
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let mut closing = Roff::default();
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    close(&mut closing, &help);
    if command.get_name() == "smista" {
        closing.control("SH", ["EXIT STATUS"]);
        closing.text([roman("0: done. 1: it failed, wholly or in part. 2: wrong use of the program.")]);
    }
    closing.control("SH", ["SEE ALSO"]);
    let above = if command.get_name() == "smista" { "" } else { "smista(1), " };
    closing.text([roman(format!("{above}smista.toml(5)"))]);
    closing.to_writer(&mut page)?;
    all.push((format!("man1/{}", man.get_filename()), page));
    Ok(())
}

/// What stands below a command's help: examples, line by line as they are typed, after the notes.
fn close(roff: &mut Roff, help: &str) {
    let blocks: Vec<&str> = help.split("\n\n").map(str::trim_end).filter(|block| !block.is_empty()).collect();
    let (examples, notes): (Vec<&str>, Vec<&str>) =
        blocks.into_iter().partition(|block| block.starts_with("Example"));
    if !notes.is_empty() {
        roff.control("SH", ["NOTES"]);
    }
    for (at, note) in notes.into_iter().enumerate() {
        if at > 0 {
            roff.control("PP", []);
        }
        note.lines().for_each(|line| _ = roff.text([roman(line)]));
    }
    for block in examples {
        roff.control("SH", ["EXAMPLES"]);
        let lines = block.lines().skip(1).map(|line| line.strip_prefix("  ").unwrap_or(line));
        verbatim(roff, lines);
    }
}

/// Lines that stay as they are.
fn verbatim<'a>(roff: &mut Roff, lines: impl Iterator<Item = &'a str>) {
    roff.control("nf", []);
    for line in lines {
        // An empty line of the source would be two in some readers.
        if line.is_empty() {
            roff.control("sp", []);
        } else {
            roff.text([roman(line)]);
        }
    }
    roff.control("fi", []);
}

/// smista.toml(5): the annotated default file as it is.
fn configuration() -> Vec<u8> {
    let mut roff = Roff::default();
    roff.control("SH", ["NAME"]);
    roff.text([roman("smista.toml - configuration of smista")]);
    roff.control("SH", ["DESCRIPTION"]);
    roff.text([roman(
        "Read from the file that --config names, else from the current folder, where there is one. Below is every key with its \
         default and what it means; a file needs only the keys that it changes.",
    )]);
    roff.control("SH", ["KEYS"]);
    verbatim(&mut roff, config::DEFAULT.lines());
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman("smista(1)")]);
    (title("smista.toml", 5) + &roff.render()).into_bytes()
}

/// The first line of a page. The day is that of the commit, where it is known; `roff` would leave an empty one out.
fn title(name: &str, section: u8) -> String {
    let day = env!("SMISTA_BUILD_COMMIT").split_once(" of ").map_or("", |(_, day)| day);
    let day = day.split(',').next().unwrap_or_default();
    format!(".TH {name} {section} \"{day}\" \"smista {}\" smista\n", env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_stay_line_by_line_and_notes_come_before_them() {
        let mut roff = Roff::default();
        close(&mut roff, "It is so.\nIndeed.\n\nExamples:\n  smista one\n  smista two --x\n\nMore.");
        let page = roff.render();
        let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text:?} is missing in {page}"));
        assert!(place(".SH NOTES") < place("It is so."));
        assert!(place("More.") < place(".SH EXAMPLES"));
        assert!(place(".nf\nsmista one\n") < place("smista two"), "{page}");
    }
}
