"""Called by scripts/faults: makes docs/reliability.md of the rows' JSON files. Arguments: their folder, the page."""

import json
import pathlib
import sys

ROWS = 30
NAMES = {
    "p50_ms": "50th percentile {} ms",
    "p99_ms": "99th percentile {} ms",
    "messages_per_second": "{} messages a second",
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
    "sqlite_per_second": "SQLite {} messages a second",
    "postgres_per_second": "PostgreSQL {} messages a second",
    "ratio": "{} % of SQLite",
}


def number(value):
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


def figures(row):
    return "; ".join(NAMES.get(name, name + " {}").format(number(value)) for name, value in row["figures"].items())


def cell(text):
    return str(text).replace("|", "\\|").replace("\n", " ")


def seconds(value):
    return f"{value:.1f} s" if value >= 0.1 else f"{value * 1000:.0f} ms"


def times(row):
    return "; ".join(
        f"{timed['what']} {seconds(timed['took_s'])} of {timed['limit_s']:.0f} s: "
        + ("holds" if timed["holds"] else "**does not hold**")
        for timed in row["times"]
    )


def line(row):
    state = row["state"] if row["state"] == "passes" else f"**{row['state']}**"
    return [
        f"{row['row']}{row['part']}" if row["row"] else "",
        row["fault"],
        row["bar"],
        row["done"],
        row["form"],
        row.get("load", ""),
        row["inputs"],
        row["lost"],
        row["effects_not_one"],
        row["published_again"],
        row["order_violations"],
        times(row),
        figures(row),
        state,
    ]


HEADER = [
    "row", "fault", "passes when, besides the invariant", "what was done", "form", "load", "inputs", "lost", "effects not one",
    "decisions published again", "order violations", "time limits", "measured", "result",
]


def main(folder, page):
    rows = [json.loads(file.read_text()) for file in sorted(pathlib.Path(folder).glob("row-*.json"))]
    # What needs no fault comes last.
    rows.sort(key=lambda row: (row["row"] or ROWS + 1, row["part"]))
    forms = {form: sum(row["form"] == form for row in rows) for form in ("short", "long")}
    days = sorted({row["on"] for row in rows})
    covered = {row["row"] for row in rows if row["row"]}
    missing = sorted(set(range(1, ROWS + 1)) - covered)
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
        f"{forms['long']} of the results are of the long form, {forms['short']} of the short one, with smaller counts and durations "
        "(`scripts/faults`",
        f"runs the long form, `scripts/faults --short` the short one). Run on {when}, debug build, scripted engine in place of the "
        "model. "
        f"**{passed} of {len(rows)} tests of {len(covered)} rows passed.**",
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
        "Recovery counts from the end of the fault (for a broker, from the opening of its port; for an alarm, from the broker's own word",
        "that it is over) to the next decision, for an alarm to the last one that was held back; the longest wait is that of a message",
        "sent around the kill of its worker. The load is how many processes wanted to run during the last minute, on how many processors:",
        "times and throughput of a busy machine say more of the machine. `./scripts/test` runs the short form too; there a time limit counts threefold, since other",
        "tests run beside it.",
        "",
        "Of RabbitMQ 3.10 the matrix has shown this: a quorum queue declared within the last moments before a `kill -9` of the broker",
        "comes back empty and without a leader, after every further restart too, and confirms nothing until an election is called for it",
        "(`rabbitmqctl eval 'ra:trigger_election({list_to_atom(\"%2F_QUEUE\"), node()}).'`); the worker holds what it has and says that no",
        "confirm comes. Queues that have been there for some seconds come back.",
    ]
    if pathlib.Path(page).with_name("fuzzing.md").exists():
        lines += ["", "Fuzzing of the parsers is described in [fuzzing](fuzzing.md)."]
    lines.append("")
    pathlib.Path(page).write_text("\n".join(lines))


main(*sys.argv[1:])
