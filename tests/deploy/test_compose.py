"""deploy/compose.yaml: by the compose specification's schema, and that everything it names is there and does its work."""

import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

import support
from support import DEPLOY, ROOT, needs_broker, needs_module, run

COMPOSE = DEPLOY / "compose.yaml"
OF_SMISTA = {"topology", "database", "worker", "console", "gateway"}
ONCE = {"topology", "database"}


def compose():
    import yaml

    return yaml.safe_load(COMPOSE.read_text())


def secrets_in(folder):
    run(sys.executable, DEPLOY / "make-secrets", folder)
    return folder


@needs_module("yaml")
class Compose(unittest.TestCase):
    @needs_module("check_jsonschema")
    def test_it_is_what_the_specification_asks_for(self):
        run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE)

    def test_services_may_do_no_more_than_they_need(self):
        for name, service in compose()["services"].items():
            with self.subTest(name):
                self.assertTrue(service["read_only"])
                self.assertEqual(["ALL"], service["cap_drop"])
                self.assertIn("no-new-privileges:true", service["security_opt"])
                self.assertNotIn("privileged", service)
                self.assertIn("mem_limit", service)
                for port in service.get("ports", []):
                    self.assertTrue(port.startswith("127.0.0.1:"), "reachable from elsewhere")
                if name not in OF_SMISTA:
                    self.assertRegex(service["image"], r":v?\d", "a version, not whatever is latest")
                # The worker's is in the Dockerfile.
                self.assertTrue(name == "worker" or "healthcheck" in service)
                self.assertEqual(name in ONCE, service.get("healthcheck", {}).get("disable", False))
                for value in service.get("environment", {}).values():
                    self.assertNotRegex(str(value), r"://[^/@]*:[^/@]*@", "a password in an address")

    def test_files_and_secrets_it_names_are_there(self):
        content = compose()
        for name, service in content["services"].items():
            for volume in service.get("volumes", []):
                source = volume.split(":")[0]
                if source.startswith("."):
                    self.assertTrue((DEPLOY / source).exists(), f"{name}: {source}")
                else:
                    self.assertIn(source, content["volumes"])
            named = set(re.findall(r"/run/secrets/([\w.-]+)", json.dumps(service)))
            self.assertLessEqual(named, set(service.get("secrets", [])), name)
        with tempfile.TemporaryDirectory() as folder:
            made = set(os.listdir(secrets_in(folder)))
            self.assertLessEqual({os.path.basename(secret["file"]) for secret in content["secrets"].values()}, made)
            before = {name: open(f"{folder}/{name}").read() for name in made}
            secrets_in(folder)
            self.assertEqual(before, {name: open(f"{folder}/{name}").read() for name in made}, "a second run changes some")

    def test_smista_knows_every_command_and_key(self):
        with tempfile.TemporaryDirectory() as folder:
            secrets_in(folder)
            for name in OF_SMISTA:
                service = compose()["services"][name]
                run(smista := support.smista(), *service["command"], "--help")
                keys = {
                    key: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value).replace("/run/secrets", folder)
                    for key, value in service["environment"].items()
                }
                # An unknown key is refused; this command reads all of them and asks nobody.
                shown = json.loads(run(smista, "topology", "show", "--json", env=os.environ | keys, cwd=folder))
                self.assertIn("smista.interactions.3", [queue["name"] for queue in shown["queues"]])
                wrong = subprocess.run(
                    [smista, "topology", "show"], env=os.environ | {"SMISTA_BROKER__SHARD": "4"}, capture_output=True
                )
                self.assertNotEqual(0, wrong.returncode, "an unknown key is accepted: this check says nothing")

    def test_ports_and_names_meet(self):
        services = compose()["services"]
        dockerfile = (ROOT / "Dockerfile").read_text()
        import yaml

        for job in yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text())["scrape_configs"]:
            for found in job.get("dns_sd_configs", []):
                self.assertLessEqual(set(found["names"]), set(services))
                self.assertIn(f"EXPOSE {found['port']}", dockerfile)
            for static in job.get("static_configs", []):
                for target in static["targets"]:
                    self.assertIn(target.split(":")[0], services)
        source = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yaml").read_text())
        self.assertEqual("http://prometheus:9090", source["datasources"][0]["url"])
        provider = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/smista.yaml").read_text())
        mounts = [volume.split(":")[1] for volume in services["grafana"]["volumes"]]
        self.assertIn(f"{provider['providers'][0]['options']['path']}/smista.json", mounts)
        plugins = (DEPLOY / "rabbitmq" / "enabled_plugins").read_text()
        for plugin in ["rabbitmq_prometheus", "rabbitmq_consistent_hash_exchange"]:
            self.assertIn(plugin, plugins)
        listen = services["gateway"]["environment"]["SMISTA_GATEWAY__LISTEN"]
        self.assertTrue(services["gateway"]["ports"][0].endswith(listen.split(":")[1]))
        listen = services["console"]["environment"]["SMISTA_CONSOLE__LISTEN"]
        self.assertTrue(services["console"]["ports"][0].endswith(listen.split(":")[1]))
        routes = (ROOT / "src/console/routes.rs").read_text()
        page = re.search(r"GET (\S+) HTTP", json.dumps(services["console"]["healthcheck"]))[1]
        self.assertIn(f'route(Method::GET, "{page}", Page::SignInForm, None)', routes)


class Rights(unittest.TestCase):
    def test_broker_users_are_those_the_program_asks_for(self):
        printed = {}
        for line in run(support.smista(), "topology", "show", "--users").splitlines():
            if found := re.match(r"rabbitmqctl set_permissions -p '/' '(\S+)' '(.*)' '(.*)' '(.*)'$", line):
                printed[found[1]] = found.groups()[1:]
        with tempfile.TemporaryDirectory() as folder:
            made = json.load(open(f"{secrets_in(folder)}/rabbitmq-definitions.json"))
        rights = {right["user"]: (right["configure"], right["write"], right["read"]) for right in made["permissions"]}
        self.assertGreater(len(rights), 3)
        for user, right in rights.items():
            self.assertEqual(printed[user], right, user)

    def test_database_roles_are_those_the_program_asks_for(self):
        self.assertEqual(run(support.smista(), "database", "roles"), (DEPLOY / "postgres" / "roles.sql").read_text())

    @needs_broker()
    def test_with_these_rights_operator_worker_and_producer_do_their_work(self):
        address = os.environ["SMISTA_DEPLOY_AMQP_URL"].split("@")[1]
        with tempfile.TemporaryDirectory() as folder:
            support.broker_users(folder)

            def as_user(user):
                return {
                    "SMISTA_BROKER__URL": f"amqp://smista-{user}@{address}",
                    "SMISTA_BROKER__PASSWORD_FILE": f"{folder}/amqp-{user}",
                }

            worker = support.Worker(folder)
            worker.operator = worker.environment | as_user("operator")
            worker.environment |= as_user("worker")
            with worker:
                body = {
                    "schema": "smista.interaction.v1",
                    "message_id": "rights-1",
                    "conversation_id": "rights",
                    "channel": "chat",
                    "text": "Where is my parcel?",
                }
                support.publish("smista.interactions", "rights", body, "rights-1")
                support.until(lambda: "\nsmista_decided_total{" in worker.metrics(), "a decision by smista-worker")


if __name__ == "__main__":
    unittest.main()
