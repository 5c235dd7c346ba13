"""docs/: a book that has every page, links that lead somewhere, and pages whose commands work."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import support
from support import ROOT, needs_broker

DOCS = ROOT / "docs"
LINK = re.compile(r"\]\(([^)\s]+)\)")


def pages():
    """Every page that people read, with its text outside code."""
    files = [*DOCS.rglob("*.md"), *ROOT.glob("*.md"), ROOT / "deploy/README.md", ROOT / "clients/README.md"]
    for file in sorted(files):
        yield file, re.sub(r"```.*?```", "", file.read_text(), flags=re.S)


def anchor(heading):
    """As GitHub and mdBook name a heading."""
    plain = re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", heading).strip().lower())
    return plain.replace(" ", "-")


def anchors(file):
    return {anchor(heading) for heading in re.findall(r"^#+ +(.*)$", file.read_text(), flags=re.M)}


class Book(unittest.TestCase):
    def test_every_page_is_in_the_book_once(self):
        listed = LINK.findall((DOCS / "SUMMARY.md").read_text())
        self.assertEqual(len(listed), len(set(listed)), "a page comes twice")
        there = {str(file.relative_to(DOCS)) for file in DOCS.rglob("*.md")} - {"SUMMARY.md"}
        self.assertEqual(there, set(listed), "docs/SUMMARY.md and the files in docs/")

    def test_the_book_has_settings(self):
        import tomllib

        book = tomllib.loads((DOCS / "book.toml").read_text())
        self.assertEqual(".", book["book"]["src"])
        self.assertTrue(book["output"]["html"]["search"]["enable"])

    def test_links_lead_somewhere(self):
        dead = []
        for file, text in pages():
            for link in LINK.findall(text):
                if re.match(r"[a-z]+:", link):
                    continue
                path, _, part = link.partition("#")
                target = (file.parent / path).resolve() if path else file
                if not target.exists():
                    dead.append(f"{file.relative_to(ROOT)}: {link}")
                elif part and target.suffix == ".md" and part not in anchors(target):
                    dead.append(f"{file.relative_to(ROOT)}: {link}: no such heading")
        self.assertEqual([], dead)


class Reference(unittest.TestCase):
    def test_it_is_what_the_program_says(self):
        with tempfile.TemporaryDirectory() as folder:
            support.run(ROOT / "scripts/reference", folder)
            for page in sorted(pathlib.Path(folder).iterdir()):
                there = (DOCS / "reference" / page.name).read_text()
                self.assertEqual(page.read_text(), there, f"docs/reference/{page.name}: run scripts/reference")


class Commands(unittest.TestCase):
    def blocks(self, page):
        """Commands of the marked blocks, each with the output that it is said to have."""
        for block in re.findall(r"<!-- run -->\n```console\n(.*?)```", (DOCS / page).read_text(), flags=re.S):
            for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
                command, _, output = part.partition("\n")
                yield command, output

    @needs_broker()
    def test_those_of_the_tutorial_work(self):
        self.they_work("tutorial.md", 9)

    @needs_broker()
    def test_those_of_importing_work(self):
        self.they_work("import.md", 9)

    def they_work(self, page, least):
        commands = list(self.blocks(page))
        self.assertGreaterEqual(len(commands), least)
        with tempfile.TemporaryDirectory() as folder:
            here = pathlib.Path(folder)
            (here / "bin").mkdir()
            os.symlink(support.smista(), here / "bin" / "smista")
            shutil.copytree(ROOT / "policy", here / "policy")
            environment = os.environ | {
                "PATH": f"{here / 'bin'}:{os.environ['PATH']}",
                "SMISTA_ENGINE__KIND": "scripted",
                "SMISTA_BROKER__URL": os.environ["SMISTA_DEPLOY_AMQP_URL"],
                "SMISTA_BROKER__PREFIX": page.removesuffix(".md"),
            }
            for command, output in commands:
                with self.subTest(command):
                    done = subprocess.run(
                        ["bash", "-euo", "pipefail", "-c", command],
                        env=environment,
                        cwd=here,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.STDOUT,
                        text=True,
                    )
                    self.assertEqual(0, done.returncode, done.stdout)
                    shown = ".*".join(map(re.escape, output.strip().split("…")))
                    self.assertRegex(done.stdout.strip(), re.compile(shown, re.S))


if __name__ == "__main__":
    unittest.main()
