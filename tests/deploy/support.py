"""What the checks of deploy/ share: places, programs of the system, waiting for conditions, a worker of their own."""

import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time
import unittest
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
# Longest wait for a condition, seconds: generous, so that a loaded machine passes.
PATIENCE = 120


def needs(program):
    """Leaves a test out, with a word why, where a program is missing."""
    return unittest.skipUnless(shutil.which(program), f"{program} is not installed (scripts/setup --for test)")


def needs_module(name):
    """The same for a Python module of tests/deploy/requirements.txt."""
    import importlib.util

    return unittest.skipUnless(importlib.util.find_spec(name), f"Python has no {name} (scripts/setup --for test)")


def needs_broker():
    """The same for the RabbitMQ that scripts/test-deploy starts."""
    return unittest.skipUnless(os.environ.get("SMISTA_DEPLOY_AMQP_URL"), "there is no RabbitMQ (scripts/test-deploy)")


def free_port():
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(condition, what, patience=PATIENCE):
    """Waits until condition() is true and returns what it gave; what: for the error."""
    end = time.monotonic() + patience
    while True:
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            if value := condition():
                return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {patience} s: {what}")
        time.sleep(0.2)


def get(url):
    """The body of an answer, whatever its status."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.read().decode()


def smista():
    """The program under test."""
    return os.environ["SMISTA_BIN"]


def run(*command, **options):
    """Runs a program to its end; its output is part of the error when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def outcome(*command, **options):
    """Exit status and output of a program that may fail."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    return done.returncode, done.stdout


class Worker:
    """A worker with the scripted engine on the checks' RabbitMQ; prefix keeps it apart from others."""

    def __init__(self, folder, prefix="smista", shards=2):
        self.folder = pathlib.Path(folder)
        self.port = free_port()
        self.environment = os.environ | {
            "SMISTA_BROKER__URL": os.environ["SMISTA_DEPLOY_AMQP_URL"],
            "SMISTA_BROKER__PREFIX": prefix,
            "SMISTA_BROKER__SHARDS": str(shards),
            "SMISTA_STORE__URL": f"sqlite:{self.folder / 'smista.db'}",
            "SMISTA_ENGINE__KIND": "scripted",
            "SMISTA_INTERACTION__IDENTITY_KEY": "0123456789abcdef0123456789abcdef",
            "SMISTA_TELEMETRY__LISTEN": f"127.0.0.1:{self.port}",
        }
        # Who declares exchanges and queues, where that is somebody else.
        self.operator = None
        # Before the command.
        self.arguments = []
        self.process = None

    def __enter__(self):
        run(smista(), "topology", "apply", env=self.operator or self.environment, cwd=self.folder)
        with open(self.folder / "worker.log", "w") as log:
            self.process = subprocess.Popen(
                [smista(), *self.arguments, "worker"], env=self.environment, cwd=self.folder, stdout=log, stderr=log
            )
        try:
            until(self.ready, "the worker is ready")
        except AssertionError as error:
            self.__exit__()
            raise AssertionError(f"{error}\n{(self.folder / 'worker.log').read_text()}") from None
        return self

    def ready(self):
        if self.process.poll() is not None:
            raise AssertionError("the worker ended")
        return json.loads(get(f"http://127.0.0.1:{self.port}/health/ready"))["ready"]

    def metrics(self):
        """Its metrics, as Prometheus text."""
        return get(f"http://127.0.0.1:{self.port}/metrics")

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def broker_users(folder):
    """Makes secrets and brings the users of deploy/make-secrets to the checks' broker."""
    run(sys.executable, DEPLOY / "make-secrets", folder)
    request = urllib.request.Request(
        f"{os.environ['SMISTA_DEPLOY_MANAGEMENT_URL']}/api/definitions",
        pathlib.Path(folder, "rabbitmq-definitions.json").read_bytes(),
        {"content-type": "application/json", "authorization": "Basic Z3Vlc3Q6Z3Vlc3Q="},
    )
    urllib.request.urlopen(request, timeout=30).close()


def publish(exchange, key, body, message_id):
    """Publishes over RabbitMQ's management interface, which needs no AMQP library."""
    properties = {"message_id": message_id, "content_type": "application/json", "delivery_mode": 2}
    content = {"properties": properties, "routing_key": key, "payload": json.dumps(body), "payload_encoding": "string"}
    request = urllib.request.Request(
        f"{os.environ['SMISTA_DEPLOY_MANAGEMENT_URL']}/api/exchanges/%2F/{exchange}/publish",
        json.dumps(content).encode(),
        {"content-type": "application/json", "authorization": "Basic Z3Vlc3Q6Z3Vlc3Q="},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        if not json.load(answer)["routed"]:
            raise AssertionError(f"{exchange} has not routed {message_id}")
