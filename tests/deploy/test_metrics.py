"""Dashboard and alerts name what a worker and RabbitMQ really expose: a real Prometheus collects and evaluates all of it."""

import json
import os
import re
import subprocess
import tempfile
import unittest
import urllib.parse

import support
from support import DEPLOY, ROOT, get, needs, needs_broker, needs_module, run, until

RULES = DEPLOY / "prometheus" / "rules.yaml"
NAME = re.compile(r"\b(?:smista|rabbitmq)_[a-z0-9_]+\b")
# What Prometheus adds to the name of a histogram.
PARTS = re.compile(r"_(?:bucket|sum|count)$")
# Labels of the collecting, not of the metrics.
OF_PROMETHEUS = {"instance", "job", "le", "queue", "exchange", "vhost"}


def expressions():
    """Every expression of the dashboard and the rules, with where it stands."""
    import yaml

    dashboard = json.loads((DEPLOY / "grafana" / "smista.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield f"panel “{panel['title']}”", target["expr"]
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            yield f"rule {rule.get('alert') or rule['record']}", rule["expr"]


def declared():
    """The names that the program can record, from its one list."""
    source = (ROOT / "src" / "telemetry" / "events.rs").read_text()
    return set(re.findall(r'=> "(smista_[a-z_]+)"', source))


class Rules(unittest.TestCase):
    @needs("promtool")
    def test_prometheus_reads_the_rules(self):
        run("promtool", "check", "rules", RULES)
        run("promtool", "check", "config", "--syntax-only", DEPLOY / "prometheus" / "prometheus.yaml")

    @needs("promtool")
    def test_every_alert_fires_when_it_should(self):
        run("promtool", "test", "rules", DEPLOY / "prometheus" / "rules.test.yaml")

    @needs_module("yaml")
    def test_every_alert_has_a_test_and_a_remedy(self):
        import yaml

        tested = set()
        for case in yaml.safe_load((DEPLOY / "prometheus" / "rules.test.yaml").read_text())["tests"]:
            tested |= {alert["alertname"] for alert in case.get("alert_rule_test", []) if alert["exp_alerts"]}
        alerts = {
            rule["alert"]
            for group in yaml.safe_load(RULES.read_text())["groups"]
            for rule in group["rules"]
            if "alert" in rule
        }
        self.assertEqual(alerts, tested)
        handbook = (ROOT / "docs" / "operating.md").read_text()
        self.assertEqual([], sorted(alert for alert in alerts if f"`{alert}`" not in handbook))


class Names(unittest.TestCase):
    @needs_module("yaml")
    def test_the_program_knows_every_metric_and_label(self):
        known = declared()
        self.assertIn("smista_decided_total", known)
        events = "".join(path.read_text() for path in (ROOT / "src" / "telemetry").rglob("*.rs"))
        labels = set(re.findall(r'"([a-z_]+)" =>', events)) | OF_PROMETHEUS
        for place, expression in expressions():
            for name in NAME.findall(expression):
                if name.startswith("smista_"):
                    self.assertTrue({name, PARTS.sub("", name)} & known, f"{place}: nothing records {name}")
            for group in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression):
                for label in group.split(","):
                    self.assertIn(label.strip(), labels, f"{place}: nothing has this label")

    @needs_module("yaml")
    def test_every_metric_of_the_program_is_shown(self):
        shown = {PARTS.sub("", name) for _, expression in expressions() for name in NAME.findall(expression)}
        self.assertEqual(set(), declared() - shown)


class Prometheus(unittest.TestCase):
    """A worker decides messages while a Prometheus with the shipped configuration collects from it and from RabbitMQ."""

    @needs("prometheus")
    @needs_module("yaml")
    @needs_broker()
    def test_every_expression_finds_what_it_asks_for(self):
        with tempfile.TemporaryDirectory() as folder, support.Worker(folder) as worker:
            process, address = self.start_prometheus(folder, worker.port)
            try:
                self.collect(worker, address)
                self.evaluate(address)
            finally:
                process.terminate()
                process.wait(30)

    def start_prometheus(self, folder, port):
        """The shipped configuration with this machine's addresses and short intervals."""
        import yaml

        config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text())
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = [str(RULES)]
        broker = os.environ["SMISTA_DEPLOY_METRICS_ADDRESS"]
        for job in config["scrape_configs"]:
            job.pop("dns_sd_configs", None)
            target = f"127.0.0.1:{port}" if job["job_name"] == "smista" else broker
            job["static_configs"] = [{"targets": [target]}]
        path = f"{folder}/prometheus.json"
        with open(path, "w") as file:
            json.dump(config, file)
        listen = support.free_port()
        with open(f"{folder}/prometheus.log", "w") as log:
            process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={path}",
                    f"--storage.tsdb.path={folder}/tsdb",
                    f"--web.listen-address=127.0.0.1:{listen}",
                ],
                stdout=log,
                stderr=log,
            )
        return process, f"http://127.0.0.1:{listen}"

    def query(self, address, expression):
        """The series that an expression gives now; fails the test when Prometheus refuses it."""
        answer = json.loads(get(f"{address}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"))
        self.assertEqual("success", answer["status"], f"{expression}: {answer.get('error')}")
        return answer["data"]["result"]

    def collect(self, worker, address):
        """Has messages decided and one parked until Prometheus has seen it twice: a rate needs two values."""
        until(lambda: get(f"{address}/-/ready").startswith("Prometheus"), "Prometheus is ready")
        jobs = 'count(up{job=~"smista|rabbitmq|rabbitmq-node"} == 1) == 3'
        until(lambda: self.query(address, jobs), "Prometheus reaches the worker and RabbitMQ")
        for wave in range(2):
            for number in range(8):
                message_id = f"deploy-{wave}-{number}"
                body = {
                    "schema": "smista.interaction.v1",
                    "message_id": message_id,
                    "conversation_id": f"conv-{number}",
                    "customer_id": f"c-{number}",
                    "channel": "chat",
                    "text": "My parcel never came and nobody answers.",
                }
                if number == 0:
                    del body["channel"]
                support.publish("smista.interactions", f"c-{number}", body, message_id)
            decided = f"sum(smista_decided_total) == {7 * (wave + 1)} and sum(smista_parked_total) == {wave + 1}"
            until(lambda decided=decided: self.query(address, decided), f"wave {wave} decided and collected")
        until(
            lambda: self.query(address, 'sum(rabbitmq_detailed_queue_messages{queue="smista.parked"}) > 0'),
            "the parked message collected",
        )

    def evaluate(self, address):
        live = set(json.loads(get(f"{address}/api/v1/label/__name__/values"))["data"])
        # What a worker that has met no failure exposes; the others appear when they first count something.
        for name in ["smista_received_total", "smista_broker_up", "smista_active_shards", "smista_latency_seconds_bucket"]:
            self.assertIn(name, live)
        for place, expression in expressions():
            asked = expression.replace("$__rate_interval", "1m").replace("$prefix", "smista")
            names = NAME.findall(asked)
            for name in names:
                if name.startswith("rabbitmq_"):
                    self.assertIn(name, live, f"{place}: RabbitMQ does not expose it")
            if place.startswith("panel") and set(names) <= live:
                # RabbitMQ counts what a channel published some seconds later, and a rate needs two values.
                until(lambda asked=asked: self.query(address, asked), f"{place} shows something: {asked}")
            else:
                self.query(address, asked)
        groups = until(lambda: self.evaluated(address), "Prometheus has evaluated every rule")
        for rule in groups:
            self.assertEqual("ok", rule["health"], f"{rule['name']}: {rule.get('lastError')}")

    def evaluated(self, address):
        groups = json.loads(get(f"{address}/api/v1/rules"))["data"]["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        return rules if rules and all(rule["health"] != "unknown" for rule in rules) else None


if __name__ == "__main__":
    unittest.main()
