"""What arrives and leaves stays compatible: whoever wrote to the form that was once published can go on.

tests/data/contracts has that form: it changes only by additions, together with the program (`smista schema`).
"""

import json
import unittest

import support
from support import ROOT

CONTRACTS = ROOT / "tests/data/contracts"


def resolved(schema, root):
    while isinstance(schema, dict) and "$ref" in schema:
        place = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            place = place[part]
        schema = {**place, **{key: value for key, value in schema.items() if key != "$ref"}}
    return schema


def kinds(schema):
    """Types that a schema lets through, those of its alternatives too."""
    if not isinstance(schema, dict):
        return set()
    own = schema.get("type", [])
    return set([own] if isinstance(own, str) else own)


def values(schema, root):
    """Constants that a schema lists; none where anything goes."""
    found = set(map(json.dumps, schema.get("enum", []))) | ({json.dumps(schema["const"])} if "const" in schema else set())
    for part in (*schema.get("oneOf", []), *schema.get("anyOf", [])):
        found |= values(resolved(part, root), root)
    return found


class Comparison:
    """Faults of a new schema against the old one; `arrives` for what others write, else what they read."""

    def __init__(self, old, new, arrives):
        self.old, self.new, self.arrives, self.faults, self.seen = old, new, arrives, [], set()
        self.compare(old, new, "$")

    def compare(self, old, new, path):
        if path.count(".") > 12:
            return
        old, new = resolved(old, self.old), resolved(new, self.new)
        if not isinstance(old, dict) or not isinstance(new, dict):
            return
        self.types(old, new, path)
        self.constants(old, new, path)
        required = set(old.get("required", [])), set(new.get("required", []))
        if self.arrives and required[1] - required[0]:
            self.faults.append(f"{path}: now required: {sorted(required[1] - required[0])}")
        if not self.arrives and required[0] - required[1]:
            self.faults.append(f"{path}: no longer always there: {sorted(required[0] - required[1])}")
        for name, schema in old.get("properties", {}).items():
            if name not in new.get("properties", {}):
                self.faults.append(f"{path}.{name} is gone")
            else:
                self.compare(schema, new["properties"][name], f"{path}.{name}")
        if isinstance(old.get("items"), dict):
            self.compare(old["items"], new.get("items", {}), f"{path}[]")
        for word in ("anyOf", "oneOf", "allOf"):
            # Alternatives keep their order; new ones come behind.
            for place, part in enumerate(old.get(word, [])):
                if place >= len(new.get(word, [])):
                    self.faults.append(f"{path}: an alternative is gone")
                elif "const" not in part and "enum" not in part:
                    self.compare(part, new[word][place], f"{path}/{place}")

    def types(self, old, new, path):
        before, now = kinds(old), kinds(new)
        if before and now and (before - now if self.arrives else now - before):
            self.faults.append(f"{path}: {sorted(before)} became {sorted(now)}")

    def constants(self, old, new, path):
        lost = values(old, self.old) - values(new, self.new)
        if values(new, self.new) and lost and self.arrives:
            self.faults.append(f"{path}: no longer taken: {sorted(lost)}")


def current(which):
    return json.loads(support.run(support.smista(), "schema", which))


class Contracts(unittest.TestCase):
    def test_nothing_is_taken_away(self):
        for which in ("interaction", "decision", "correction"):
            with self.subTest(which):
                old = json.loads((CONTRACTS / f"{which}.json").read_text())
                self.assertEqual([], Comparison(old, current(which), which == "interaction").faults)

    def test_nothing_is_taken_from_the_events_and_exchanges(self):
        old, new = json.loads((CONTRACTS / "asyncapi.json").read_text()), current("asyncapi")
        for name, channel in old["channels"].items():
            self.assertEqual(channel["address"], new["channels"].get(name, {}).get("address"))
            self.assertEqual(channel["bindings"]["amqp"]["exchange"], new["channels"][name]["bindings"]["amqp"]["exchange"])
        for name, message in old["components"]["messages"].items():
            now = new["components"]["messages"][name]
            self.assertLessEqual(set(message.get("headers", {}).get("required", [])), set(now.get("headers", {}).get("required", [])))
            old_schema, new_schema = message["payload"]["schema"], now["payload"]["schema"]
            with self.subTest(name):
                self.assertEqual([], Comparison(old_schema, new_schema, name == "interaction").faults)

    def test_additions_are_kept_for_the_next_time(self):
        for which in ("interaction", "decision", "correction", "asyncapi"):
            kept = json.loads((CONTRACTS / f"{which}.json").read_text())
            hint = f"smista schema {which} > tests/data/contracts/{which}.json, if it is an addition"
            self.assertEqual(kept, current(which), hint)

    def test_what_is_taken_away_is_found(self):
        for which, change, word in [
            ("interaction", lambda schema: schema["properties"].pop("channel"), "$.channel is gone"),
            ("interaction", lambda schema: schema["required"].append("subject"), "now required"),
            ("decision", lambda schema: schema["properties"].pop("route"), "$.route is gone"),
            ("decision", lambda schema: schema["required"].remove("priority"), "no longer always there"),
            ("decision", lambda schema: schema["properties"].update(degraded={"type": "string"}), "$.degraded"),
        ]:
            with self.subTest(word):
                new = current(which)
                change(new)
                old = json.loads((CONTRACTS / f"{which}.json").read_text())
                faults = Comparison(old, new, which == "interaction").faults
                self.assertTrue(any(word in fault for fault in faults), faults)


if __name__ == "__main__":
    unittest.main()
