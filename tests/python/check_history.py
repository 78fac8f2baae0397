#!/usr/bin/env python3
"""Reads histories with the real W&B SDK from the stand-in server and compares them with the rows that the server holds.

    export WANDB_BASE_URL=http://127.0.0.1:8765 WANDB_API_KEY=…   # as examples/wandb_server.rs --steps prints it
    python check_history.py ENTITY/PROJECT [SYSTEM.jsonl]         # needs wandb==0.31.0

The rows themselves are asked for page by page over plain GraphQL, without the SDK. `scan_history` must give the same, with and
without keys (exported files, live rows and their overlap), and `history` a sample of them; `history(stream="system")` the system metrics, and
so what `runframe history --system` wrote into a file that is named. What the SDK reads from the stand-in's
files is what it would read from W&B's: so the stand-in's files have the form that W&B's have.

A window that reaches live rows is asked for as a whole by the SDK, exported steps included, and it drops no copies: of a server
that gives those, as this one does, it hands out rows twice. Copies must be equal, and are counted. Exits 1 with a list of
differences.
"""

import base64
import json
import math
import os
import sys
import urllib.request

import wandb

QUERY = """query Rows($e: String!, $p: String!, $r: String!, $a: Int64, $b: Int64) {
  project(name: $p, entityName: $e) { run(name: $r) { history(minStep: $a, maxStep: $b, samples: 100000)
    eventsLineCount events(samples: 100000) } } }"""


def rows(entity, project, run):
    key = base64.b64encode(f"api:{os.environ['WANDB_API_KEY']}".encode()).decode()
    body = {"query": QUERY, "variables": {"e": entity, "p": project, "r": run, "a": 0, "b": 2**40}}
    request = urllib.request.Request(
        os.environ["WANDB_BASE_URL"] + "/graphql",
        json.dumps(body).encode(),
        {"Authorization": "Basic " + key, "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        found = json.load(answer)["data"]["project"]["run"]
    events = [json.loads(row) for row in found["events"]]
    if len(events) != found["eventsLineCount"]:
        sys.exit(f"{run}: {len(events)} rows of system metrics, not {found['eventsLineCount']}")
    return [json.loads(row) for row in found["history"]], events


def plain(value):
    """Spelled numbers are numbers, as in a column of floats. A column of bytes, which the SDK hands out as base64, holds JSON."""
    spelled = {"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf"}
    if isinstance(value, str) and value in spelled:
        return spelled[value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str):
        try:
            return plain(json.loads(base64.b64decode(value, validate=True)))
        except ValueError:
            return value
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, float)):
        return float(value)
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value


def bare(row):
    return {key: plain(value) for key, value in row.items() if value is not None}


def main():
    entity, project = sys.argv[1].split("/")
    bad, values, copies = [], 0, 0

    def once(where, found):
        """The rows without copies of rows."""
        nonlocal copies
        rows = {}
        for row in found:
            a, b = bare(rows.setdefault(row["_step"], row)), bare(row)
            for key in sorted(a.keys() | b.keys()):
                if a.get(key) != b.get(key):
                    bad.append(f"{where} step {row['_step']}: {key} is {a.get(key)!r} and {b.get(key)!r}")
        copies += len(found) - len(rows)
        return list(rows.values())

    def same(where, wanted, got):
        nonlocal values
        got = once(where, got)
        if len(wanted) != len(got):
            bad.append(f"{where}: {len(got)} rows, not {len(wanted)}")
        for at, (w, g) in enumerate(zip(wanted, got)):
            w, g = bare(w), bare(g)
            values += len(w)
            if w != g:
                keys = [key for key in w.keys() | g.keys() if w.get(key) != g.get(key)]
                bad.append(f"{where} row {at}: " + "; ".join(f"{k}: {g.get(k)!r}, not {w.get(k)!r}" for k in keys))

    def ours(where, system):
        """The rows of `runframe history --system -o FILE.jsonl`, if such a file is named, must be those of the SDK."""
        nonlocal values
        if len(sys.argv) < 3:
            return
        own = ("entity", "project", "name", "_timestamp")
        with open(sys.argv[2]) as lines:
            found = [row for row in map(json.loads, lines) if f"{row['entity']}/{row['project']}/{row['name']}" == where]
        found = [bare({key: value for key, value in row.items() if key not in own}) for row in found]
        wanted = [bare({key: value for key, value in row.items() if key not in ("_timestamp", "_wandb")}) for row in system]
        values += sum(len(row) for row in found)
        if found != wanted:
            bad.append(f"{where}: runframe has {len(found)} rows of system metrics, the SDK {len(wanted)}, or others")

    for run in wandb.Api(timeout=60).runs(f"{entity}/{project}"):
        truth, events = rows(entity, project, run.id)
        where = f"{entity}/{project}/{run.id}"
        same(f"{where} scan", truth, list(run.scan_history(use_cache=False)))
        same(f"{where} scan from 20", [r for r in truth if 20 <= r["_step"] < 90],
             list(run.scan_history(min_step=20, max_step=90, use_cache=False)))
        for keys in (["_step", "loss"], ["_step", "val/loss"], ["_step", "mixed"]):
            wanted = [{key: row[key] for key in keys} for row in truth if all(row.get(key) is not None for key in keys)]
            # Of exported columns of bytes it hands out rows without the key, too.
            found = run.scan_history(keys=keys, use_cache=False)
            same(f"{where} scan {keys[1]}", wanted, [row for row in found if all(row.get(key) is not None for key in keys)])
        whole = {row["_step"]: row for row in truth}
        sample = run.history(samples=25, pandas=False)
        same(f"{where} history", [whole[row["_step"]] for row in sample], sample)
        system = run.history(samples=100000, stream="system", pandas=False)
        if [bare(row) for row in system] != [bare(row) for row in events]:
            bad.append(f"{where}: other system metrics")
        values += sum(len(bare(row)) for row in system)
        ours(where, system)
        if len(sample) != min(25, len(truth)):
            bad.append(f"{where} history: {len(sample)} rows")
    print(f"{values} values are what the server holds; {copies} rows came twice")
    if bad:
        print("\n".join(bad[:40]))
        print(f"{len(bad)} differences")
        sys.exit(1)


if __name__ == "__main__":
    main()
