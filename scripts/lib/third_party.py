"""Prints the crates that are linked into the program, with their licences and notices, each text once.

Crates that only build, test or work elsewhere are left out, as cargo's resolved graph for the target tells."""

import collections
import json
import pathlib
import re
import subprocess
import sys

NAMES = re.compile(r"(licen[cs]e|copying|copyright|notice|unlicense)", re.I)


def metadata(target):
    command = ["cargo", "metadata", "--locked", "--format-version=1", f"--filter-platform={target}"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def linked(data):
    """Ids of the packages that end up in the program."""
    nodes = {node["id"]: node for node in data["resolve"]["nodes"]}
    root = data["resolve"]["root"]
    seen, open_ = {root}, [root]
    while open_:
        for dep in nodes[open_.pop()]["deps"]:
            if dep["pkg"] not in seen and any(kind["kind"] is None for kind in dep["dep_kinds"]):
                seen.add(dep["pkg"])
                open_.append(dep["pkg"])
    return seen - {root}


def main(target):
    data = metadata(target)
    ids = linked(data)
    packages = sorted((p for p in data["packages"] if p["id"] in ids), key=lambda p: (p["name"], p["version"]))
    texts, bare = collections.defaultdict(list), []
    print("Rust crates in smista\n")
    for package in packages:
        name = f"{package['name']} {package['version']}"
        print(f"{name}: {package['license'] or 'see its files'}, {package['repository'] or 'no address'}")
        folder = pathlib.Path(package["manifest_path"]).parent
        files = sorted(file for file in folder.iterdir() if file.is_file() and NAMES.search(file.name))
        found = {file.read_text(errors="replace").strip() for file in files if file.suffix not in (".rs", ".html")}
        for text in found:
            texts[text].append(name)
        if not found:
            bare.append(name)
    if bare:
        print("\nWithout a text of their own; the licence is as named above:\n" + "\n".join(f"  {name}" for name in bare))
    for text, names in sorted(texts.items(), key=lambda pair: (-len(pair[1]), pair[1])):
        print("\n" + "=" * 78 + "\n" + ", ".join(names) + "\n" + "-" * 78 + f"\n{text}")


main(sys.argv[1])
