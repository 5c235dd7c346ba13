"""deploy/systemd: units that systemd accepts and finds hardened, and a worker that starts by their settings."""

import os
import pathlib
import re
import tempfile
import unittest

import support
from support import DEPLOY, needs, needs_broker, run

UNITS = DEPLOY / "systemd"
# systemd-analyze security: tenths of exposure; what is left are the network and the broker's and database's sockets.
EXPOSURE = 12


def settings(unit):
    """Key and value of every line, in order."""
    lines = (UNITS / unit).read_text().splitlines()
    return [tuple(line.split("=", 1)) for line in lines if re.match(r"[A-Z]\w+=", line)]


def installed(folder):
    """The units with the program under test in its place, since verify looks for it; named as one instance is."""
    folder = pathlib.Path(folder)
    plain = ["smista-console.service", "smista-gateway.service"]
    for source, name in [("smista-worker@.service", "smista-worker@1.service"), *zip(plain, plain)]:
        text = (UNITS / source).read_text().replace("/usr/local/bin/smista", support.smista())
        (folder / name).write_text(text)
        yield folder / name


class Units(unittest.TestCase):
    @needs("systemd-analyze")
    def test_systemd_accepts_them(self):
        with tempfile.TemporaryDirectory() as folder:
            for unit in installed(folder):
                # Units of others that are not on this machine are none of its business.
                said = support.outcome("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit)
                self.assertEqual((0, ""), said, unit)
                unit.write_text(unit.read_text() + "\n[Service]\nPrivateTemp=yes\n")
                _, said = support.outcome("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit)
                self.assertIn("PrivateTemp", said, "an unknown key is accepted: this check says nothing")

    @needs("systemd-analyze")
    def test_systemd_finds_them_hardened(self):
        with tempfile.TemporaryDirectory() as folder:
            for unit in installed(folder):
                options = ["--offline=true", f"--threshold={EXPOSURE}", "--no-pager"]
                run("systemd-analyze", "security", *options, unit)
                unit.write_text(unit.read_text().replace("SystemCallFilter=", "#").replace("RestrictNamespaces=", "#"))
                code, _ = support.outcome("systemd-analyze", "security", *options, unit)
                self.assertNotEqual(0, code, "a softer unit passes: this check says nothing")

    def test_they_differ_from_each_other_where_they_must_only(self):
        worker, console = settings("smista-worker@.service"), settings("smista-console.service")
        gateway = settings("smista-gateway.service")
        for pair in [("User", "smista"), ("NoNewPrivileges", "yes"), ("ProtectSystem", "strict"), ("CapabilityBoundingSet", "")]:
            self.assertIn(pair, worker)
            self.assertIn(pair, console)
            self.assertIn(pair, gateway)
        self.assertIn("u smista ", (UNITS / "smista.sysusers").read_text())
        self.assertIn(("Environment", "SMISTA_TELEMETRY__LISTEN=127.0.0.1:946%i"), worker)


class Service(unittest.TestCase):
    @needs_broker()
    def test_a_worker_starts_by_unit_credentials_and_configuration(self):
        address = os.environ["SMISTA_DEPLOY_AMQP_URL"].split("@")[1]
        with tempfile.TemporaryDirectory() as folder:
            secrets = pathlib.Path(folder, "secrets")
            support.broker_users(secrets)
            # As LoadCredential does: the files of the unit under their names, and nothing else.
            credentials = pathlib.Path(folder, "credentials")
            credentials.mkdir()
            for key, value in settings("smista-worker@.service"):
                if key == "LoadCredential":
                    name, source = value.split(":")
                    (credentials / name).write_text((secrets / pathlib.Path(source).name).read_text())
            configuration = pathlib.Path(folder, "unit.toml")
            text = (UNITS / "smista.toml").read_text()
            # This machine's broker; its own database instead of a PostgreSQL, which has no password then.
            text = text.replace("127.0.0.1:5672/%2f", address)
            text = re.sub(r'url = "postgres.*\n.*\n', f'url = "sqlite:{folder}/smista.db"\n', text)
            configuration.write_text(text)
            worker = support.Worker(folder, shards=4)
            worker.operator = worker.environment.copy()
            for key in ["BROKER__URL", "BROKER__PREFIX", "BROKER__SHARDS", "STORE__URL", "INTERACTION__IDENTITY_KEY"]:
                del worker.environment[f"SMISTA_{key}"]
            for key, value in settings("smista-worker@.service"):
                if key == "Environment" and "LISTEN" not in value:
                    name, value = value.split("=", 1)
                    worker.environment[name] = value
            worker.environment["CREDENTIALS_DIRECTORY"] = str(credentials)
            worker.arguments = ["--config", str(configuration)]
            with worker:
                pass
            (credentials / "amqp-worker").write_text("wrong")
            code, said = support.outcome(support.smista(), *worker.arguments, "topology", "check", env=worker.environment)
            self.assertNotEqual(0, code)
            self.assertIn("password", said)


if __name__ == "__main__":
    unittest.main()
