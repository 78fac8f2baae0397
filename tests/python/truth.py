#!/usr/bin/env python3
"""What the W&B SDK's own reader says about folders of .wandb logs, as JSON: the truth that runframe is checked against.

    pip install wandb==0.29.0        # the last release with the Python reader of its log
    python tests/python/truth.py examples/wandb -o examples/wandb-truth.json

Bytes become records by the SDK's `DataStore` and protobuf classes. Records become a run by a plain fold of the rules that
wandb-core follows (written down in words in each function here); nothing is shared with runframe's Rust code.

Output: {"ENTITY/PROJECT/ID": {"config": …, "summary": …, "fields": …, "logged": […], "used": […], "history": …, "system": …}}.
"history" and "system" give, for each metric, how many values of which kind it has and the sum of the finite numbers.
Non-finite numbers are the strings "NaN", "Infinity", "-Infinity"; "config_bare" lists the config paths where they were
numbers in the log (`Infinity`), not texts (`"Infinity"`).
"""

import argparse
import json
import math
import os
import re
import sys
from datetime import datetime, timedelta, timezone

from wandb.proto import wandb_internal_pb2 as pb
from wandb.sdk.internal.datastore import DataStore

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def records(path):
    """The records of a log up to its end or the first damage, and whether there was damage."""
    store = DataStore()
    out = []
    try:
        store.open_for_scan(path)
        while True:
            data = store.scan_data()
            if data is None:
                return out, False
            record = pb.Record()
            record.ParseFromString(data)
            out.append(record)
    except (AssertionError, IndexError):  # what DataStore raises for a cut or damaged log
        return out, True
    finally:
        store.close()


def micros(stamp):
    return stamp.seconds * 1_000_000 + stamp.nanos // 1000


def text_time(us):
    return None if us is None else (EPOCH + timedelta(microseconds=us)).isoformat(timespec="microseconds")


def path_of(item):
    return list(item.nested_key) or [item.key]


class Leaf:
    """A value in the summary tree; it is never merged into."""

    def __init__(self, value):
        self.value = value


class Run:
    def __init__(self):
        self.config = {}
        self.summary = {}
        self.saw_summary = False
        self.fields = {}
        self.env = {}
        self.start = None
        self.starts = []
        self.last = None
        self.exits = []
        self.rows = 0
        self.history = []
        self.stepped = {}  # by step: of rows with the same one, values are merged key by key, the later row wins
        self.unstepped = []
        self.stats = []
        self.metrics = {}
        self.artifacts = {}
        self.used = {}
        self.files = []
        self.version = None

    # -- config: a dict is merged leaf by leaf, an empty dict sets nothing, anything else replaces the node

    def config_set(self, path, value):
        if isinstance(value, dict):
            for key, inner in value.items():
                self.config_set([*path, key], inner)
            return
        node = self.config
        for key in path[:-1]:
            if not isinstance(node.get(key), dict):
                node[key] = {}
            node = node[key]
        node[path[-1]] = value

    def config_remove(self, path):
        trail, node = [], self.config
        for key in path[:-1]:
            trail.append((node, key))
            node = node.get(key)
            if not isinstance(node, dict):
                return
        node.pop(path[-1], None)
        for parent, key in reversed(trail):  # parents that became empty go too
            if parent[key]:
                break
            del parent[key]

    def fold_config(self, change):
        for item in change.update:
            self.config_set(path_of(item), json.loads(item.value_json))
        for item in change.remove:
            self.config_remove(path_of(item))

    # -- summary: a dict is one leaf and replaces; a path through a leaf throws the leaf away

    def fold_summary(self, change):
        self.saw_summary = True
        for item in change.update:
            path = path_of(item)
            node = self.summary
            for key in path[:-1]:
                if not isinstance(node.get(key), dict):
                    node[key] = {}
                node = node[key]
            node[path[-1]] = Leaf(json.loads(item.value_json))
        for item in change.remove:
            path = path_of(item)
            node = self.summary
            for key in path[:-1]:
                node = node.get(key)
                if not isinstance(node, dict):
                    break
            else:
                node.pop(path[-1], None)

    def plain_summary(self):
        """The tree without leaves that are null and without branches left empty by that."""

        def plain(node):
            out = {}
            for key, inner in node.items():
                if isinstance(inner, Leaf):
                    if inner.value is not None:
                        out[key] = inner.value
                else:
                    inner = plain(inner)
                    if inner:
                        out[key] = inner
            return out

        if self.saw_summary:
            return plain(self.summary)
        # A log of the old Python writer that was cut before its only summary record: the last value of each key,
        # aggregated where define_metric says so. NaN takes no part in an aggregate, as in that writer.
        last, seen = {}, {}
        for row in self.history:
            for key, value in row.items():
                last[key] = value
                if isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value):
                    seen.setdefault(key, []).append(value)
        out = {}
        for key, value in last.items():
            how = self.metrics.get(key)
            if how and how.none:
                continue
            aggregates = {}
            if how and key in seen:
                if how.min:
                    aggregates["min"] = min(seen[key])
                if how.max:
                    aggregates["max"] = max(seen[key])
                if how.mean:
                    aggregates["mean"] = sum(seen[key]) / len(seen[key])
                if how.last:
                    aggregates["last"] = value
            out[key] = aggregates or value
        return {k: v for k, v in out.items() if v is not None}

    # -- one log

    def fold_file(self, path, name, recs, damaged):
        self.files.append({"file": name, "records": len(recs), "damaged": damaged})
        first_run = True
        start = None
        exit_record = None
        for rec in recs:
            kind = rec.WhichOneof("record_type")
            if kind == "run":
                run = rec.run
                if first_run:
                    # the first record of a log creates the run (or goes on with it: a later folder)
                    first_run = False
                    self.fold_config(run.config)
                    if run.HasField("start_time"):
                        start = micros(run.start_time)
                        self.starts.append(start)
                # of all of them: what is not empty (so clearing does not clear), never the config
                for field, value in (
                    ("entity", run.entity),
                    ("project", run.project),
                    ("name", run.run_id),
                    ("display_name", run.display_name),
                    ("job_type", run.job_type),
                    ("group", run.run_group),
                    ("sweep", run.sweep_id),
                    ("notes", run.notes),
                    ("host", run.host),
                    ("commit", run.git.commit),
                    ("tags", list(run.tags)),
                ):
                    if value:
                        self.fields[field] = value
            elif kind == "config":
                self.fold_config(rec.config)
            elif kind == "summary":
                self.fold_summary(rec.summary)
            elif kind == "metric":
                if rec.metric.name:
                    self.metrics[rec.metric.name] = rec.metric.summary
            elif kind == "history":
                self.rows += 1
                row = {}
                for item in rec.history.item:
                    keys = path_of(item)
                    node = row
                    for key in keys[:-1]:
                        node = node.setdefault(key, {})
                    node[keys[-1]] = json.loads(item.value_json)
                self.history.append(row)
                step = row.get("_step")
                if step is None and rec.history.HasField("step"):
                    step = rec.history.step.num
                if step is None:
                    self.unstepped.append(leaves(row, ""))
                else:
                    self.stepped.setdefault(step, {}).update(leaves(row, ""))
                stamp = row.get("_timestamp")
                if isinstance(stamp, (int, float)) and math.isfinite(stamp):
                    self.alive(round(stamp * 1e6))
            elif kind == "stats":
                self.alive(micros(rec.stats.timestamp))
                self.stats.append(leaves({item.key: json.loads(item.value_json) for item in rec.stats.item}, "system"))
            elif kind == "output":
                self.alive(micros(rec.output.timestamp))
            elif kind == "output_raw":
                self.alive(micros(rec.output_raw.timestamp))
            elif kind == "exit":
                exit_record = rec.exit
            elif kind == "environment":
                for field in ("username", "email", "host"):
                    if getattr(rec.environment, field):
                        self.env[field] = getattr(rec.environment, field)
                if start is None and rec.environment.HasField("started_at"):
                    start = micros(rec.environment.started_at)
            elif kind == "artifact":
                self.fold_artifact(rec.artifact)
            elif kind == "use_artifact":
                self.fold_used(rec.use_artifact)
            elif kind == "header":
                if rec.header.version_info.producer:
                    self.version = rec.header.version_info.producer.split("+")[0]
            elif kind == "telemetry" and self.version is None:
                self.version = rec.telemetry.cli_version or None
        if start is not None:
            self.start = start if self.start is None else min(self.start, start)
            self.alive(start)
        if exit_record is None:
            self.exits.append(None)  # the newest folder says how the run ended
        else:
            self.exits.append({"code": exit_record.exit_code, "runtime": exit_record.runtime})
            if start is not None:
                self.alive(start + exit_record.runtime * 1_000_000)

    def alive(self, us):
        if us and (self.last is None or us > self.last):
            self.last = us

    def fold_artifact(self, art):
        key = art.client_id or (art.name, art.type, art.digest)
        old = self.artifacts.get(key)
        aliases = set(art.aliases) | (set(old["aliases"]) if old else set())
        self.artifacts[key] = {
            "name": art.name,
            "type": art.type,
            "version": None,  # the server numbers versions, the log has no number
            "aliases": sorted(aliases),
            "size": sum(entry.size for entry in art.manifest.contents),
            "digest": art.digest or None,
        }

    def fold_used(self, art):
        name, _, tail = art.name.partition(":")
        version = int(tail[1:]) if re.fullmatch(r"v[0-9]+", tail) else None
        self.used[art.id or (name, tail)] = {
            "name": name,
            "type": art.type or None,
            "version": version,
            "aliases": [] if version is not None or not tail else [tail],
            "size": None,
            "digest": None,
            "id": art.id or None,
        }

    def truth(self):
        config = {k: v for k, v in self.config.items() if k != "_wandb"}
        summary = {k: v for k, v in self.plain_summary().items() if k != "_wandb"}
        end = self.exits[-1]
        f = self.fields
        return {
            "config": spell(config),
            "config_bare": bare(config, []),
            "summary": spell(summary),
            "fields": {
                "entity": f.get("entity"),
                "project": f.get("project"),
                "name": f.get("name"),
                "display_name": f.get("display_name"),
                "job_type": f.get("job_type"),
                "group": f.get("group"),
                "sweep": f.get("sweep"),
                "notes": f.get("notes"),
                "tags": f.get("tags", []),
                "host": f.get("host") or self.env.get("host"),
                "commit": f.get("commit"),
                "username": self.env.get("username"),
                "email": self.env.get("email"),
                "start_time": text_time(self.start),
                "last_time": text_time(self.last),
                "exit_code": end["code"] if end else None,
                "exit_runtime": end["runtime"] if end else None,
                "state": "crashed" if end is None else "failed" if end["code"] else "finished",
                "history_rows": self.rows,
                "sdk": self.version,
            },
            "exit_runtimes": [e and e["runtime"] for e in self.exits],
            "logged": list(self.artifacts.values()),
            "used": list(self.used.values()),
            "history": tally([self.stepped[step] for step in sorted(self.stepped)] + self.unstepped),
            "system": tally(self.stats),
            "files": self.files,
        }


NUMBERS = {"NaN": math.nan, "nan": math.nan}
NUMBERS |= {"Infinity": math.inf, "Inf": math.inf, "-Infinity": -math.inf, "-Inf": -math.inf}


def leaves(value, path):
    """The values of a row by dotted path: objects are opened, but for those with `_type` and empty ones; null is no value."""
    out = {}
    for key, inner in value.items():
        key = key.replace("\\", "\\\\")
        name = f"{path}.{key}" if path else key
        if isinstance(inner, dict) and inner and "_type" not in inner:
            out.update(leaves(inner, name))
        elif inner is not None and name not in ("_step", "_timestamp", "_runtime", "_wandb"):
            out[name] = inner
    return out


def tally(rows):
    """How many rows there are; of each metric the number of values of each kind, and the sum of the finite numbers."""
    metrics = {}
    for row in rows:
        for key, value in row.items():
            value = NUMBERS.get(value, value) if isinstance(value, str) else value
            kind = {bool: "bools", int: "numbers", float: "numbers", str: "strings", list: "lists"}.get(type(value), "objects")
            if kind == "numbers" and not math.isfinite(value):
                kind = "nan" if math.isnan(value) else "inf" if value > 0 else "neg_inf"
            metric = metrics.setdefault(key, {})
            metric.setdefault(kind, []).append(value)
    count = {key: {kind: len(values) for kind, values in metric.items()} for key, metric in metrics.items()}
    for key, metric in metrics.items():
        if "numbers" in metric:
            count[key]["sum"] = math.fsum(metric["numbers"])
    return {"rows": len(rows), "metrics": dict(sorted(count.items()))}


def spell(value):
    """JSON has no NaN and no infinity."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {k: spell(v) for k, v in value.items()}
    if isinstance(value, list):
        return [spell(v) for v in value]
    return value


def bare(value, path):
    """The paths below which numbers that are not finite stand."""
    if isinstance(value, float) and not math.isfinite(value):
        return [path]
    if isinstance(value, dict):
        return [p for k, v in value.items() for p in bare(v, [*path, k])]
    if isinstance(value, list):
        return [path] if any(bare(v, path) for v in value) else []
    return []


def logs(roots):
    """All logs below the roots; links are not followed, so `latest-run` adds nothing."""
    for root in roots:
        if os.path.isfile(root):
            yield root, os.path.basename(root)
        for folder, dirs, files in os.walk(root):
            dirs.sort()
            for name in sorted(files):
                if name.endswith(".wandb"):
                    path = os.path.join(folder, name)
                    yield path, os.path.relpath(path, root)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("roots", nargs="+", metavar="FOLDER")
    parser.add_argument("-o", "--output")
    args = parser.parse_args()

    by_run = {}
    for path, name in logs(args.roots):
        recs, damaged = records(path)
        first = next((r.run for r in recs if r.WhichOneof("record_type") == "run"), None)
        if first is None:
            print(f"{name}: no run record, left out", file=sys.stderr)
            continue
        key = f"{first.entity}/{first.project}/{first.run_id}"
        by_run.setdefault(key, []).append((micros(first.start_time), name, path, recs, damaged))

    out = {}
    for key in sorted(by_run):
        run = Run()
        for _, name, path, recs, damaged in sorted(by_run[key], key=lambda x: x[:2]):
            run.fold_file(path, name, recs, damaged)
        out[key] = run.truth()
    text = json.dumps(out, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    if args.output:
        with open(args.output, "w", encoding="utf-8") as f:
            f.write(text)
    else:
        sys.stdout.write(text)
    print(f"{len(out)} runs", file=sys.stderr)


if __name__ == "__main__":
    main()
