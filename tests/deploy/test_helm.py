"""deploy/helm/smista, rendered by Helm's own library: by Kubernetes' schemas, and that what it names is there."""

import json
import os
import re
import tempfile
import unittest

import support
from support import DEPLOY, ROOT, needs, needs_module, run

CHART = DEPLOY / "helm" / "smista"
HOOKS = '''
[[gateway.webhooks]]
name = "crm"
url = "https://crm.example.com/hooks"
secret_file = "crm-webhook-secret"
events = ["#"]
'''
# Every switch turned the other way from the defaults, and what people usually set.
EVERYTHING = {
    "gateway": {
        "enabled": True,
        "config": HOOKS,
        "secretKeys": ["crm-webhook-secret"],
        "ingress": {"enabled": True, "host": "in.example.com", "tlsSecret": "in-tls", "className": "nginx"},
    },
    "autoscaling": {"enabled": True, "maxReplicas": 8},
    "settings": {"broker": {"shards": 8}, "engine": {"threads": 2, "batch_wait_ms": 5}, "journey": {"time_zone": "Europe/Rome"}},
    "policy": (ROOT / "policy" / "default.toml").read_text(),
    "imagePullSecrets": [{"name": "registry"}],
    "console": {"publicUrl": "https://console.example.com"},
    "networkPolicy": {"metricsFrom": [{"namespaceSelector": {}}], "to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]},
    "worker": {"nodeSelector": {"disk": "ssd"}, "tolerations": [{"key": "smista", "operator": "Exists"}]},
}
LITTLE = {"setup": {"enabled": False}, "console": {"enabled": False}, "networkPolicy": {"enabled": False}}


def render(values=None):
    """The objects that an installation with these values makes."""
    import helm_python
    import yaml

    with helm_python.Chart.load(str(CHART)) as chart:
        chart.validate_schema(values or {})
        files = chart.render(values or {}, name="trial", namespace="care", is_install=True)
    return [item for file in files.values() for item in yaml.safe_load_all(file) if item]


def pods(objects):
    """Name, pod template and container of everything that runs."""
    for item in objects:
        if item["kind"] in ("Deployment", "Job"):
            template = item["spec"]["template"]
            yield item["metadata"]["name"], template["spec"], template["spec"]["containers"][0]


@needs_module("helm_python")
@needs_module("yaml")
class Chart(unittest.TestCase):
    def test_helm_finds_nothing_amiss(self):
        import helm_python

        found = helm_python.lint(str(CHART), strict=True)
        # An icon is all that it may wish for.
        wishes = [message for message in found["messages"] if message["severity"] > 1]
        self.assertEqual(([], []), (wishes, found["errors"]))

    @needs_module("kubernetes_validate")
    def test_objects_are_what_kubernetes_asks_for(self):
        import kubernetes_validate

        for values in (None, EVERYTHING, LITTLE):
            kinds = set()
            for item in render(values):
                kinds.add(item["kind"])
                # KEDA's own kind is none of Kubernetes'.
                if item["kind"] != "ScaledObject":
                    for version in ("1.28", "1.33"):
                        kubernetes_validate.validate(item, version, strict=True)
            self.assertIn("Deployment", kinds)
        wrong = next(item for item in render() if item["kind"] == "Deployment")
        wrong["spec"]["replica"] = 2
        with self.assertRaises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(wrong, "1.33", strict=True)

    def test_pods_may_do_no_more_than_they_need(self):
        for values in (None, EVERYTHING):
            for name, pod, container in pods(render(values)):
                with self.subTest(name):
                    self.assertIs(False, pod["automountServiceAccountToken"])
                    self.assertIs(True, pod["securityContext"]["runAsNonRoot"])
                    self.assertEqual("RuntimeDefault", pod["securityContext"]["seccompProfile"]["type"])
                    self.assertEqual(
                        {
                            "allowPrivilegeEscalation": False,
                            "readOnlyRootFilesystem": True,
                            "capabilities": {"drop": ["ALL"]},
                        },
                        container["securityContext"],
                    )
                    self.assertIn("memory", container["resources"]["limits"])
                    user = re.search(r"useradd .*--uid (\d+)", (ROOT / "Dockerfile").read_text())[1]
                    self.assertEqual(int(user), pod["securityContext"]["runAsUser"])
                    for variable in container["env"]:
                        self.assertNotRegex(variable["value"], r"://[^/@]*:[^/@]*@", "a password in an address")

    def test_smista_knows_every_command_and_key(self):
        for values in (None, EVERYTHING):
            for name, pod, container in pods(render(values)):
                with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                    run(support.smista(), *(part for part in container["args"] if not part.startswith("/") and part != "--config"), "--help")
                    keys = {variable["name"]: variable["value"] for variable in container["env"]}
                    self.assertEqual(len(keys), len(container["env"]), "a variable comes twice")
                    # A folder, of which the configuration names the files.
                    keys.pop("CREDENTIALS_DIRECTORY", None)
                    # Every file that a variable names is mounted.
                    mounted = {
                        f"/run/secrets/smista/{item['path']}"
                        for volume in pod["volumes"]
                        for item in volume.get("secret", {}).get("items", [])
                    }
                    if any("configMap" in volume for volume in pod["volumes"]):
                        mounted.add("/etc/smista/policy.toml")
                    files = {value for value in keys.values() if value.startswith(("/run/", "/etc/"))}
                    self.assertLessEqual(files, mounted)
                    keys = {key: self.in_folder(value, folder) for key, value in keys.items()}
                    shown = json.loads(run(support.smista(), "topology", "show", "--json", env=os.environ | keys))
                    self.assertGreaterEqual(len(shown["queues"]), 6)

    def in_folder(self, value, folder):
        """A value as the pod has it, with its file in a folder of this machine."""
        if not value.startswith(("/run/", "/etc/")):
            return value
        path = f"{folder}/{os.path.basename(value)}"
        with open(path, "w") as file:
            file.write("0123456789abcdef0123456789abcdef")
        return path

    def test_probes_ask_pages_that_are_there(self):
        pages = (ROOT / "src/telemetry/http.rs").read_text() + (ROOT / "src/console/routes.rs").read_text()
        probed = set()
        for name, _, container in pods(render()):
            ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
            for probe in (container.get("livenessProbe"), container.get("readinessProbe")):
                if probe and "httpGet" in probe:
                    self.assertIn(f'"{probe["httpGet"]["path"]}"', pages)
                    self.assertIn(probe["httpGet"]["port"], ports)
                    probed.add((name, ports[probe["httpGet"]["port"]]))
        self.assertEqual({("trial-worker", 9464), ("trial-console", 8787)}, probed)
        self.assertIn("SMISTA_TELEMETRY__LISTEN=0.0.0.0:9464", (ROOT / "Dockerfile").read_text())

    def test_selectors_find_their_pods(self):
        objects = render(EVERYTHING)
        labels = [item["spec"]["template"]["metadata"]["labels"] for item in objects if item["kind"] == "Deployment"]
        asked = 0
        for item in objects:
            spec = item.get("spec", {})
            for selector in (spec.get("podSelector"), spec.get("selector")):
                if selector:
                    wanted = selector.get("matchLabels", selector)
                    found = [each for each in labels if wanted.items() <= each.items()]
                    self.assertEqual(1, len(found), f"{item['kind']} {item['metadata']['name']}")
                    asked += 1
        self.assertEqual(10, asked)

    def test_the_gateways_hooks_get_their_queues_and_secrets(self):
        objects = render(EVERYTHING)
        maps = {item["metadata"]["name"]: item for item in objects if item["kind"] == "ConfigMap"}
        for name, pod, container in pods(objects):
            if name not in ("trial-topology", "trial-gateway"):
                self.assertNotIn("--config", container["args"], name)
                continue
            self.assertEqual(["--config", "/etc/smista-gateway/smista.toml"], container["args"][:2])
            mounted = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
            volume = next(volume for volume in pod["volumes"] if volume["name"] == mounted["/etc/smista-gateway"])
            config = maps[volume["configMap"]["name"]]
            early = "helm.sh/hook" in config["metadata"].get("annotations", {})
            self.assertEqual(name == "trial-topology", early, "a hook needs a map that is there before it")
            with tempfile.TemporaryDirectory() as folder:
                file = os.path.join(folder, "smista.toml")
                with open(file, "w") as text:
                    text.write(config["data"]["smista.toml"])
                shown = json.loads(run(support.smista(), "--config", file, "topology", "show", "--json"))
            self.assertRegex(json.dumps(shown), r"smista\.hooks?\.crm")
        gateway = next(pod for name, pod, _ in pods(objects) if name == "trial-gateway")
        secrets = next(volume for volume in gateway["volumes"] if volume["name"] == "secrets")["secret"]["items"]
        self.assertIn({"key": "crm-webhook-secret", "path": "crm-webhook-secret"}, secrets)

    def test_wrong_values_are_refused(self):
        for values, word in [
            ({"wroker": {}}, "wroker"),
            ({"settings": {"broker": {"url": "amqp://u:secret@mq"}}}, "pattern"),
            ({"settings": {"store": {"url": "sqlite:a.db"}}}, "pattern"),
            ({"worker": {"replicas": 5}}, "stand by"),
            ({"autoscaling": {"enabled": True, "maxReplicas": 5}}, "stand by"),
            ({"worker": {"terminationGracePeriodSeconds": 10}}, "21"),
            ({"gateway": {"ingress": {"enabled": True}}}, "host"),
        ]:
            with self.subTest(values), self.assertRaises(Exception) as refused:
                render(values)
            self.assertIn(word, str(refused.exception))


@needs_module("helm_python")
@needs_module("yaml")
class Scaling(unittest.TestCase):
    def scaled(self):
        objects = render(EVERYTHING)
        worker = next(item for item in objects if item["metadata"]["name"] == "trial-worker" and item["kind"] == "Deployment")
        return worker, next(item["spec"] for item in objects if item["kind"] == "ScaledObject")

    def test_keda_scales_the_workers_up_to_the_queues(self):
        worker, scaled = self.scaled()
        self.assertNotIn("replicas", worker["spec"], "the chart and KEDA would pull at the same number")
        self.assertEqual(worker["metadata"]["name"], scaled["scaleTargetRef"]["name"])
        self.assertEqual(8, scaled["maxReplicaCount"])
        self.assertEqual(["AverageValue", "Value"], [trigger["metricType"] for trigger in scaled["triggers"]])
        for trigger in scaled["triggers"]:
            self.assertEqual("prometheus", trigger["type"])
            for value in trigger["metadata"].values():
                self.assertIsInstance(value, str, "KEDA takes texts only")

    @needs("promtool")
    def test_prometheus_understands_what_keda_asks(self):
        _, scaled = self.scaled()
        depth, age = (trigger["metadata"]["query"] for trigger in scaled["triggers"])
        waiting = 'rabbitmq_detailed_queue_messages_ready{queue="smista.interactions.%d"}'
        series = [
            {"series": waiting % 0, "values": "400x40"},
            {"series": waiting % 1, "values": "200x40"},
            {"series": 'rabbitmq_detailed_queue_messages_ready{queue="smista.parked"}', "values": "9x40"},
            {"series": 'smista_decided_total{instance="w1",channel="chat",priority="low"}', "values": "0+75x40"},
        ]
        cases = [
            {"expr": depth, "eval_time": "9m", "exp_samples": [{"labels": "{}", "value": 600}]},
            {"expr": age, "eval_time": "9m", "exp_samples": [{"labels": "{}", "value": 120}]},
        ]
        content = {"evaluation_interval": "15s", "tests": [{"interval": "15s", "input_series": series, "promql_expr_test": cases}]}
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(content, file)
            file.flush()
            run("promtool", "test", "rules", file.name)


if __name__ == "__main__":
    unittest.main()
