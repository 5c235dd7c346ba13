"""Called by scripts/faults: makes docs/reliability.md of the rows' JSON files. Arguments: their folder, the page."""

import json
import pathlib
import sys

ROWS = 30
NAMES = {
    "p50_ms": "50th percentile {} ms",
    "p99_ms": "99th percentile {} ms",
    "p99_s": "99th percentile {} s",
    "messages_per_second": "{} messages a second",
    "stopped_after_s": "stopped after {} s",
    "median_wait_s": "median wait {} s",
    "analysed_again": "{} analysed again",
    "copies": "{} copies of decisions",
    "slow_item_received": "the slow item delivered {} times",
    "deaths": "{} deaths",
    "decided_after_s": "decided after {} s",
    "noticed_after_s": "noticed after {} s",
    "alarm_after_s": "alarm after {} s",
    "shown_after_s": "shown after {} s",
    "held_back": "{} held back",
    "acked_while_full": "{} acked while full",
    "waiting_while_full": "{} waiting while full",
    "reconnects": "{} reconnects",
    "duplicates_recognised": "{} duplicates recognised",
    "memory_before_mib": "{} MiB before",
    "memory_most_mib": "{} MiB at most",
    "held_at_most": "{} held at most",
    "memory_warm_mib": "{} MiB warm",
    "memory_end_mib": "{} MiB at the end",
    "slowest": "slowest: {}",
}


def number(value):
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


def figures(row):
    return "; ".join(NAMES.get(name, name + " {}").format(number(value)) for name, value in row["figures"].items())


def cell(text):
    return str(text).replace("|", "\\|").replace("\n", " ")


def line(row):
    recovery = "" if row["recovery_s"] is None else f"{row['recovery_s']:.1f}"
    state = row["state"] if row["state"] == "passes" else f"**{row['state']}**"
    return [
        f"{row['row']}{row['part']}",
        row["fault"],
        row["bar"],
        row["done"],
        row["inputs"],
        row["lost"],
        row["effects_not_one"],
        row["published_again"],
        row["order_violations"],
        recovery,
        figures(row),
        state,
    ]


HEADER = [
    "row", "fault", "passes when, besides the invariant", "what was done", "inputs", "lost", "effects not one",
    "decisions published again", "order violations", "recovery (s)", "measured", "result",
]


def main(folder, page):
    rows = [json.loads(file.read_text()) for file in sorted(pathlib.Path(folder).glob("row-*.json"))]
    rows.sort(key=lambda row: (row["row"], row["part"]))
    forms = sorted({row["form"] for row in rows})
    days = sorted({row["on"] for row in rows})
    missing = sorted(set(range(1, ROWS + 1)) - {row["row"] for row in rows})
    passed = sum(row["state"] == "passes" for row in rows)
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}" if days else "never"
    lines = [
        "# Reliability",
        "",
        "Written by `scripts/faults` from a run; not edited by hand.",
        "",
        "Every row breaks something around real worker processes with a real RabbitMQ and a real database, through a proxy where it",
        "is the line that breaks. A ledger knows every message that the broker confirmed to the producer and reads every",
        "decision and parked message; at the end it is compared with the database. In every row: no confirmed message is lost; every",
        "message has exactly one effect on its customer's state, in the order in which the customer's messages were sent; no outbox row",
        "is left and no input unacked; every message is decided or parked. A decision may be *published* again, under the same id.",
        "",
        f"Form: **{' and '.join(forms)}** (the short form has smaller counts and durations; `scripts/faults` without `--short` runs",
        f"the long one). Run on {when}, debug build, scripted engine in place of the model. "
        f"**{passed} of {len(rows)} tests of {ROWS - len(missing)} rows passed.**",
        "",
        "| " + " | ".join(HEADER) + " |",
        "|" + "---|" * len(HEADER),
    ]
    lines += ["| " + " | ".join(cell(value) for value in line(row)) + " |" for row in rows]
    if missing:
        lines += ["", "Not run: row " + ", ".join(map(str, missing)) + "."]
    faults = [(row, fault) for row in rows for fault in row["faults"]]
    if faults:
        lines += ["", "## What did not hold", ""]
        lines += [f"- row {row['row']}{row['part']} ({row['state']}): {cell(fault)}" for row, fault in faults]
    lines += [
        "",
        "Recovery counts from the end of the fault (for a broker, from the opening of its port; for a killed worker, the longest wait of a",
        "message sent around the kill) to the next decision.",
    ]
    if pathlib.Path(page).with_name("fuzzing.md").exists():
        lines += ["", "Fuzzing of the parsers is described in [fuzzing](fuzzing.md)."]
    lines.append("")
    pathlib.Path(page).write_text("\n".join(lines))


main(*sys.argv[1:])
