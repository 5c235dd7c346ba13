"""Every command in the documentation: those marked are run by test_docs.py; of every other one this checks that the program has the
command and the options, that scripts are there and know what they are told, and that other programs are given files of the project."""

import collections
import functools
import re
import shlex
import subprocess
import unittest

import support
from support import ROOT

PAGES = sorted(
    [
        *(ROOT / "docs").rglob("*.md"),
        *ROOT.glob("*.md"),
        *(ROOT / "models").rglob("README.md"),
        ROOT / "deploy/README.md",
        ROOT / "clients/README.md",
        ROOT / "policy/README.md",
        ROOT / "samples/README.md",
    ]
)
BLOCK = re.compile(r"(<!-- run -->\n)?^```(sh|bash|console|shell)\n(.*?)^```", flags=re.S | re.M)
# Programs of the system that pages tell people to use. A page with another one has to be looked at.
OTHERS = """
    . alias amqp-consume amqp-publish apt apt-get cat cargo cd cp createdb curl docker echo editor export git grep hf helm install journalctl just
    kill kubectl mkdir mkcert mv npm npx openssl pip printf psql python python3 rabbitmqctl rabbitmq-plugins rm service source sudo systemctl
    systemd-sysusers tar test tmux umask useradd
    """.split()
FOLDERS = ("deploy", "docs", "policy", "samples", "scripts", "models", "clients", "src", "tests", "examples", "fuzz")


def without_comments(text):
    """The text without what the shell does not read."""
    kept, quote, comment, before = [], "", False, "\n"
    for letter in text:
        if comment:
            comment = letter != "\n"
        elif quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter == "#" and before.isspace():
            comment = True
        if not comment:
            kept.append(letter)
        before = letter
    return "".join(kept)


def commands(text, language):
    """Simple commands of a block, as words, without comments and redirections."""
    if language == "console":
        text = "\n".join(line[2:] for line in text.splitlines() if line.startswith("$ "))
    text = without_comments(text.replace("\\\n", " "))
    # What is put in by the shell: an inner command is one of its own.
    inner = re.findall(r"\$\(([^()]*)\)", text)
    text = re.sub(r"\$\([^()]*\)", "inner", text)
    for part in [text, *inner]:
        lexer = shlex.shlex(part, posix=True, punctuation_chars="|&;<>\n")
        lexer.whitespace = " \t"
        lexer.commenters = ""
        lexer.whitespace_split = True
        words, skip = [], False
        for word in [*lexer, ";"]:
            if set(word) <= set("<>&") and set(word) & set("<>"):
                skip = True
            elif set(word) <= set("|&;\n"):
                while words and re.match(r"[A-Z_][A-Z0-9_]*=", words[0]):
                    words.pop(0)
                if words:
                    yield words
                words, skip = [], False
            elif skip:
                skip = False
            else:
                words.append(word)


@functools.cache
def help_of(*words):
    """Help of a command of the program; None where there is no such command."""
    done = subprocess.run([support.smista(), *words, "--help"], capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else None


@functools.cache
def told_by(script):
    return subprocess.run([script, "--help"], capture_output=True, text=True, cwd=ROOT).stdout


def has(help_text, option):
    return re.search(rf"(^|[\s,\[|(`]){re.escape(option)}($|[\s,=\]|)<`.\[])", help_text, flags=re.M) is not None


class Commands(unittest.TestCase):
    def setUp(self):
        self.seen = collections.Counter()

    def test_each_is_known(self):
        for page in PAGES:
            if not page.exists() or page.name == "CHANGELOG.md":
                continue
            for mark, language, text in BLOCK.findall(page.read_text()):
                for words in commands(text, language):
                    if mark:
                        self.seen["run by test_docs.py"] += 1
                        continue
                    with self.subTest(page=str(page.relative_to(ROOT)), command=" ".join(words)):
                        self.known(words)
        told = ", ".join(f"{count} {what}" for what, count in sorted(self.seen.items()))
        print(f"commands of the pages: {told}", flush=True)
        self.assertGreater(self.seen["of smista"], 30, "the pages are not read")

    def known(self, words):
        name, *rest = words
        if name == "sudo":
            return self.known(rest)
        if re.fullmatch(r"(\./|bin/|.*/)?(scripts/)?smista", name) and "test" not in name:
            return self.of_smista(rest)
        script = ROOT / name
        if re.match(r"(\./)?(scripts/|deploy/make-secrets|\.ci/)", name) and script.suffix != ".py":
            return self.of_script(script, rest)
        self.assertIn(name, OTHERS, "a program that this check knows nothing of")
        self.seen["of other programs"] += 1
        if name == "kubectl":
            return
        for word in rest:
            # A path into the project has to lead somewhere.
            path = word.removeprefix("./").split("=")[-1].lstrip("@")
            if path.split("/")[0] in FOLDERS and "/" in path and not re.search(r"[*$…]|ours|candidate|our-", path):
                self.assertTrue((ROOT / path).exists(), f"{path} is not there")

    def of_smista(self, words):
        if words[:1] == ["train"] and help_of("train") is None:
            # A program without torch trains nothing: its source tells.
            source = (ROOT / "src/cli/train.rs").read_text()
            for option in (word.split("=")[0] for word in words if word.startswith("--")):
                self.assertRegex(source + (ROOT / "src/cli/mod.rs").read_text(), rf"\b{option[2:].replace('-', '_')}:")
            self.seen["of smista with torch"] += 1
            return
        self.seen["of smista"] += 1
        command = []
        for place, word in enumerate(words):
            if word.startswith("-"):
                if word in ("--config",) or not command:
                    continue
                break
            if place and words[place - 1] == "--config":
                continue
            if help_of(*command, word) is None:
                break
            command.append(word)
        help_text = help_of(*command)
        options = [word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)]
        for option in options:
            self.assertTrue(has(help_text, option), f"smista {' '.join(command)} has no {option}")
        if not command:
            self.assertTrue(options, f"there is no command {' '.join(words)}")
        # A command with subcommands needs one of them.
        if re.search(r"^Commands:", help_text, flags=re.M) and command:
            rest = [word for word in words if word not in command and not word.startswith("-")]
            self.assertTrue("[COMMAND]" in help_text or not rest, f"smista {' '.join(command)} has no {rest}")

    def of_script(self, script, words):
        self.seen["of scripts"] += 1
        self.assertTrue(script.exists(), f"{script} is not there")
        if script.name == "make-secrets" and not words:
            return
        for option in (word.split("=")[0] for word in words if word.startswith("--")):
            self.assertIn(option, told_by(script), f"{script.name} has no {option}")


if __name__ == "__main__":
    unittest.main()
