"""clients/: types that are those of the program, and examples that work with a real RabbitMQ and a real worker."""

import contextlib
import filecmp
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import urllib.parse
import urllib.request

import support
from support import ROOT, needs, needs_broker, needs_module, outcome, run, until

CLIENTS = ROOT / "clients"
TYPESCRIPT = CLIENTS / "typescript"
needs_packages = unittest.skipUnless(
    (TYPESCRIPT / "node_modules").is_dir(), "clients/typescript has no packages (scripts/setup --for test)"
)
TEXTS = [
    ("c-1", "Third time I write: the parcel still is not here and nobody calls me back."),
    ("c-2", "Grazie mille, tutto risolto!"),
    ("c-1", "I will call my lawyer."),
]


def address(user, folder):
    """The checks' broker as one of the users of deploy/make-secrets."""
    with open(f"{folder}/secrets/amqp-{user}") as file:
        password = urllib.parse.quote(file.read(), safe="")
    return f"amqp://smista-{user}:{password}@{os.environ['SMISTA_DEPLOY_AMQP_URL'].split('@')[1]}"


def interactions(name):
    lines = [
        {
            "schema": "smista.interaction.v1",
            "message_id": f"{name}-{number}",
            "conversation_id": f"{name}-{customer}",
            "customer_id": customer,
            "channel": "chat",
            "text": text,
        }
        for number, (customer, text) in enumerate(TEXTS)
    ]
    return "".join(json.dumps(line) + "\n" for line in lines)


def has_consumer(queue):
    request = urllib.request.Request(
        f"{os.environ['SMISTA_DEPLOY_MANAGEMENT_URL']}/api/consumers", headers={"authorization": "Basic Z3Vlc3Q6Z3Vlc3Q="}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return any(consumer["queue"]["name"] == queue for consumer in json.load(answer))


class Types(unittest.TestCase):
    @needs_module("datamodel_code_generator")
    @needs("node")
    @needs_packages
    def test_they_are_those_of_the_program(self):
        with tempfile.TemporaryDirectory() as folder:
            run(ROOT / "scripts" / "client-types", folder)
            made = [
                os.path.relpath(os.path.join(path, name), folder) for path, _, names in os.walk(folder) for name in names
            ]
            self.assertEqual(6, len(made))
            for name in made:
                same = filecmp.cmp(f"{folder}/{name}", CLIENTS / name, shallow=False)
                self.assertTrue(same, f"clients/{name} is not what the program says now: run scripts/client-types")

    @needs_module("jsonschema")
    def test_a_decision_is_what_its_schema_says(self):
        import jsonschema

        schema = json.loads((CLIENTS / "schema" / "decision.schema.json").read_text())
        environment = os.environ | {"SMISTA_ENGINE__KIND": "scripted"}
        line = '{"channel":"chat","text":"My parcel never came"}\n'
        decision = json.loads(run(support.smista(), "analyze", input=line, env=environment))
        check = jsonschema.Draft202012Validator(schema)
        check.validate(decision)
        del decision["route"]
        self.assertFalse(check.is_valid(decision))


class Examples(unittest.TestCase):
    """Each as the users that deploy/make-secrets makes: a producer who may only send, a router who may only take."""

    def check(self, name, publish, consume, environment):
        with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
            support.broker_users(f"{folder}/secrets")
            worker = support.Worker(folder)
            stack.enter_context(worker)
            queue = f"router.{name}"
            router = environment | {"SMISTA_AMQP_URL": address("router", folder), "SMISTA_COUNT": str(len(TEXTS))}
            with open(f"{folder}/taken", "w") as taken:
                consumer = subprocess.Popen([*consume(queue)], env=router, stdout=taken, stderr=subprocess.PIPE, text=True)
            stack.callback(consumer.kill)
            until(lambda: consumer.poll() is not None or has_consumer(queue), f"{queue} has a consumer")
            producer = environment | {"SMISTA_AMQP_URL": address("producer", folder)}
            # Twice: a message that is sent again has no second effect, and is decided under the same id.
            run(*publish, input=interactions(name), env=producer)
            run(*publish, input=interactions(name), env=producer)
            _, said = consumer.communicate(timeout=support.PATIENCE)
            self.assertEqual(0, consumer.returncode, said)
            with open(f"{folder}/taken") as lines:
                decisions = [json.loads(line) for line in lines]
            self.assertEqual(len(TEXTS), len(decisions))
            for decision in decisions:
                self.assertEqual("smista.decision.v1", decision["schema"])
            ids = {decision["message_id"]: decision["decision_id"] for decision in decisions}
            self.assertLessEqual(set(ids), {f"{name}-{number}" for number in range(len(TEXTS))})
            until(
                lambda: self.decided(worker) == len(TEXTS),
                "every message decided once",
            )
            # Nobody takes what goes to a prefix that is not there: an error, not silence.
            code, said = outcome(*publish, input=interactions(name), env=producer | {"SMISTA_PREFIX": "nowhere"})
            self.assertNotEqual(0, code, said)
            code, said = outcome(*consume("router.none"), env=router | {"SMISTA_AMQP_URL": address("producer", folder)})
            self.assertNotEqual(0, code, "a producer may take decisions")

    def decided(self, worker):
        lines = [line for line in worker.metrics().splitlines() if line.startswith("smista_decided_total{")]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    @needs_broker()
    @needs_module("aio_pika")
    def test_python(self):
        program = [sys.executable, CLIENTS / "python" / "smista_client.py"]
        self.check(
            "python",
            [*program, "publish"],
            lambda queue: [*program, "consume", "--queue", queue, "--keys", "#", "--count", str(len(TEXTS))],
            os.environ,
        )

    @needs_broker()
    @needs("node")
    @needs_packages
    def test_typescript(self):
        with tempfile.TemporaryDirectory() as built:
            # Beside its packages, where node looks for them.
            shutil.copytree(TYPESCRIPT / "src", f"{built}/src")
            for name in ["tsconfig.json", "package.json"]:
                shutil.copy(TYPESCRIPT / name, built)
            os.symlink(TYPESCRIPT / "node_modules", f"{built}/node_modules")
            run("node", TYPESCRIPT / "node_modules/typescript/bin/tsc", "--project", built)
            program = ["node", f"{built}/dist/main.js"]
            self.check("typescript", [*program, "publish"], lambda queue: [*program, "consume", queue, "#"], os.environ)


if __name__ == "__main__":
    unittest.main()
