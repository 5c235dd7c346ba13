"""What scripts/package makes: archives that run from an empty folder, with nothing of the machine that built them."""

import functools
import json
import os
import pathlib
import re
import shutil
import stat
import subprocess
import tarfile
import tempfile
import unittest

from support import ROOT, needs, outcome, run

LIBTORCH = os.environ.get("LIBTORCH", "")
# Nothing of the environment of the build.
BARE = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "NO_COLOR": "1"}
TEXT = "Third time I write: the parcel still is not here. I want to speak to a manager."


def archive(pattern):
    found = list(pathlib.Path(os.environ["SMISTA_PACKAGES"]).glob(pattern))
    assert len(found) == 1, f"{pattern}: {found}"
    return found[0]


@functools.cache
def hidden():
    """A command before others that hides the libtorch of the build from them; empty where the system does not let it."""
    user = [] if os.getuid() == 0 else ["--user", "--map-root-user"]
    command = ["unshare", *user, "--mount", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', LIBTORCH]
    able = LIBTORCH and shutil.which("unshare") and outcome(*command, "true")[0] == 0
    return command if able else []


@functools.cache
def unpacked(kind):
    """The folder whose bin, lib and share the archive holds."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix=kind))
    if kind == "tar":
        run("tar", "--extract", "--file", archive("*.tar.gz"), "--directory", folder)
        (inside,) = folder.iterdir()
        return inside
    run("dpkg-deb", "--extract", archive("*.deb"), folder)
    return folder / "usr"


def each(test):
    """Runs a test for both archives."""

    def both(self):
        for kind in ["tar", "deb"]:
            with self.subTest(kind):
                if kind == "deb" and not shutil.which("dpkg-deb"):
                    self.skipTest("dpkg-deb is not installed")
                test(self, unpacked(kind))

    return both


class Program(unittest.TestCase):
    @each
    def test_it_finds_its_libraries_beside_itself_only(self, folder):
        files = [folder / "bin/smista", *(folder / "lib/smista").iterdir()]
        self.assertGreater(len(files), 3)
        for file in files:
            head = run("readelf", "--dynamic", "--wide", file)
            paths = [part for path in re.findall(r"R(?:UN)?PATH.*\[(.*)\]", head) for part in path.split(":")]
            self.assertTrue(all(path.startswith("$ORIGIN") for path in paths), f"{file.name}: {paths}")
        loaded = re.findall(r"=> (\S+)", run("ldd", files[0], env=BARE))
        self.assertNotIn("not", loaded, "a library is missing")
        for library in loaded:
            own = pathlib.Path(library).resolve().is_relative_to(folder.resolve())
            everywhere = re.match(r"(/usr)?/lib(64|/x86_64-linux-gnu)?/(ld-linux|lib(c|m|dl|rt|util|pthread|stdc\+\+|gcc_s)\.)", library)
            self.assertTrue(own or everywhere, f"{library} is neither in the archive nor on every system")
        self.assertIn("libtorch_cpu.so", {pathlib.Path(library).name for library in loaded})

    @each
    def test_it_decides_with_the_model_it_came_with(self, folder):
        with tempfile.TemporaryDirectory() as empty:
            done = run(*hidden(), folder / "bin/smista", "analyze", "--text", TEXT, env=BARE, cwd=empty)
            decision = json.loads(done)
            self.assertRegex(decision["versions"]["model"], "^core@sha256:")
            self.assertEqual("negative", decision["analysis"]["sentiment"]["label"])
            self.assertEqual([], list(pathlib.Path(empty).iterdir()))

    @each
    def test_it_says_what_it_is(self, folder):
        version = re.search(r'(?m)^version = "(.*)"', (ROOT / "Cargo.toml").read_text())[1]
        with tempfile.TemporaryDirectory() as empty:
            lines = run(folder / "bin/smista", "--version", env=BARE, cwd=empty).splitlines()
        self.assertEqual(f"smista {version}", lines[0])
        said = dict(line.split(": ", 1) for line in lines[1:])
        self.assertEqual("2.4.0", said["libtorch"])
        self.assertRegex(said["model pack"], r"^core@sha256:[0-9a-f]{64} in .*share/smista/models/core$")

    @each
    def test_nothing_tells_where_it_was_built(self, folder):
        places = [str(ROOT), str(pathlib.Path.home() / ".cache")]
        for file in folder.rglob("*"):
            # The program names its sources in messages of its own, without the machine's folders.
            if file.is_file() and (file.suffix in (".service", ".toml", ".conf") or file.name == "INSTALL"):
                text = file.read_text()
                self.assertFalse([place for place in places if place in text], file)


class Around(unittest.TestCase):
    @each
    def test_pages_and_completions_are_there(self, folder):
        commands = set(re.findall(r"(?m)^  ([a-z]+)  ", run(folder / "bin/smista", "--help", env=BARE)))
        self.assertIn("worker", commands)
        pages = {file.name for file in (folder / "share/man/man1").iterdir()}
        self.assertEqual(set(), {f"smista-{command}.1.gz" for command in commands - {"help"}} - pages)
        self.assertTrue((folder / "share/man/man5/smista.toml.5.gz").is_file())
        run("bash", "-n", folder / "share/bash-completion/completions/smista")
        self.assertEqual(1, len(list((folder / "share/zsh").glob("*/_smista"))))
        self.assertTrue((folder / "share/fish/vendor_completions.d/smista.fish").is_file())

    @each
    def test_licences_are_there(self, folder):
        doc = folder / "share/doc/smista"
        for name in ["copyright", "LICENSE-APACHE.gz", "LICENSE-MIT", "third-party.txt.gz"]:
            self.assertGreater((doc / name).stat().st_size, 500, name)
        crates = run("gzip", "--decompress", "--stdout", doc / "third-party.txt.gz")
        for crate in ["tokio", "lapin", "rust-bert", "clap_mangen"]:
            self.assertRegex(crates, rf"(?m)^{crate} \d")
        self.assertNotRegex(crates, r"(?m)^(insta|proptest) \d", "a crate of the tests only")

    @each
    def test_modes_are_sober(self, folder):
        for file in [folder, *folder.rglob("*")]:
            mode = stat.S_IMODE(file.lstat().st_mode)
            wanted = 0o755 if file.is_dir() or file.parent.name == "bin" else 0o644
            self.assertEqual(oct(wanted), oct(mode), file)
            self.assertFalse(file.is_symlink(), file)

    @each
    @needs("systemd-analyze")
    def test_units_are_accepted_and_start_what_is_installed(self, folder):
        prefix = "/usr" if folder.name == "usr" else "/usr/local"
        settings = (folder.parent / "etc/smista/smista.toml") if prefix == "/usr" else folder / "share/smista/smista.toml"
        self.assertIn(f'pack = "{prefix}/share/smista/models/core"', settings.read_text())
        with tempfile.TemporaryDirectory() as place:
            for unit in (folder / "lib/systemd/system").iterdir():
                text = unit.read_text()
                self.assertIn(f"ExecStart={prefix}/bin/smista ", text)
                copy = pathlib.Path(place, unit.name.replace("@.", "@1."))
                copy.write_text(text.replace(f"{prefix}/bin/smista", str(folder / "bin/smista")))
                said = outcome("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", copy)
                self.assertEqual((0, ""), said, unit.name)


class Deb(unittest.TestCase):
    @needs("dpkg-deb")
    def test_its_head_is_whole(self):
        deb = archive("*.deb")
        field = lambda name: run("dpkg-deb", "--field", deb, name).strip()
        self.assertEqual(f"smista_{field('Version')}_amd64.deb", deb.name)
        for package in ["libc6 (>= ", "libstdc++6 (>= ", "passwd"]:
            self.assertIn(package, field("Depends"))
        size = sum(file.lstat().st_size for file in unpacked("deb").parent.rglob("*") if file.is_file())
        self.assertLess(abs(int(field("Installed-Size")) * 1024 / size - 1), 0.02)

    @needs("dpkg-deb")
    def test_everything_is_root_s_and_the_scripts_are_sound(self):
        with tempfile.TemporaryDirectory() as place:
            run("dpkg-deb", "--control", archive("*.deb"), place)
            control = pathlib.Path(place)
            self.assertEqual("/etc/smista/smista.toml\n", (control / "conffiles").read_text())
            for name in ["postinst", "prerm", "postrm"]:
                run("sh", "-n", control / name)
                self.assertNotRegex((control / name).read_text(), r"systemctl.*\b(start|enable)\b")
            run("md5sum", "--check", "--quiet", control / "md5sums", cwd=unpacked("deb").parent)
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", archive("*.deb")], stdout=subprocess.PIPE) as made:
            with tarfile.open(fileobj=made.stdout, mode="r|") as inside:
                modes = {}
                for member in inside:
                    self.assertEqual((0, 0), (member.uid, member.gid), member.name)
                    modes[member.name.rstrip("/")] = member.mode
        self.assertEqual(0o700, modes["./etc/smista/secrets"])
        self.assertEqual(0o750, modes["./var/lib/smista"])

    @needs("lintian")
    def test_lintian_finds_no_error(self):
        # Libraries of its own are what the package is for; the maintainer is named by whoever publishes it.
        let = ["embedded-library", "unstripped-binary-or-object", "bogus-mail-host", "root-in-contact"]
        let += ["bogus-mail-host-in-debian-changelog"]
        said = outcome("lintian", "--fail-on", "error", "--suppress-tags", ",".join(let), archive("*.deb"))
        self.assertEqual(0, said[0], said[1])


if __name__ == "__main__":
    unittest.main()
