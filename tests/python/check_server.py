#!/usr/bin/env python3
"""Reads a project with the real W&B SDK and compares every value with what `runframe pull` wrote.

    export WANDB_BASE_URL=http://127.0.0.1:8765 WANDB_API_KEY=…        # as examples/wandb_server.rs prints it
    python check_server.py read ENTITY/PROJECT -o sdk.json             # needs wandb==0.31.0
    runframe pull ENTITY/PROJECT -o runs.parquet
    python check_server.py compare runs.parquet sdk.json               # needs pyarrow (and what check_parquet.py imports)

`read` lists the project twice, lazily (one request more per run) and not, asks every run for its logged and used artifacts,
and fails if the two listings differ. `compare` flattens config and summary by the rules of check_parquet.py.
Several projects may be named; exits 1 with a list of differences.
"""

import argparse
import json
import re
import sys
from datetime import datetime, timezone

# ------------------------------------------------------------------ what the SDK says


def artifact(found):
    collection, _, version = found.name.rpartition(":v")
    return {
        "name": collection or found.name,
        "type": found.type,
        "version": int(version) if version.isdigit() else None,
        "aliases": sorted(found.aliases),
        "size": found.size,
        "digest": found.digest,
        "state": found.state,
        "created_at": found.created_at,
        "id": found.id,
    }


def run(found, project):
    attrs = found._attrs  # some fields have no property
    user = attrs.get("user") or {}
    return {
        "fields": {
            "entity": found.entity,
            "project": project,
            "name": found.id,
            "display_name": found.name,
            "state": found.state,
            "created_at": found.created_at,
            "heartbeat_at": attrs.get("heartbeatAt"),
            "job_type": attrs.get("jobType"),
            "group": attrs.get("group"),
            "sweep": attrs.get("sweepName"),
            "notes": attrs.get("notes"),
            "commit": attrs.get("commit"),
            "tags": found.tags,
            "user.username": user.get("username"),
            "user.name": user.get("name"),
            "history_rows": attrs.get("historyLineCount"),
        },
        "config": found.config,
        "summary": {k: v for k, v in found.summary._json_dict.items() if k != "_wandb"},
    }


def listing(path, lazy, per_page):
    import wandb

    # An API of its own for each: the SDK keeps listings, and would hand out the first again.
    runs = wandb.Api(timeout=120).runs(path, lazy=lazy, per_page=per_page)
    found = list(runs)
    if len(found) != len(runs):
        sys.exit(f"{path}: {len(found)} runs, but the SDK's count is {len(runs)}")
    return found


def read(paths, per_page):
    out = {}
    for path in paths:
        project = path.split("/")[1]
        eager = listing(path, False, per_page)
        lazy = {r.id: run(r, project) for r in listing(path, True, per_page)}
        for found in eager:
            told = run(found, project)
            if repr(told) != repr(lazy.get(found.id)):
                sys.exit(f"{path}/{found.id}: the lazy listing says something else")
            told["logged_artifacts"] = [artifact(a) for a in found.logged_artifacts()]
            told["used_artifacts"] = [artifact(a) for a in found.used_artifacts()]
            out[f"{path}/{found.id}"] = told
        print(f"{path}: {len(eager)} runs, listed lazily and not", file=sys.stderr)
    return out


# ------------------------------------------------------------------ comparing


def time(text):
    if not isinstance(text, str):
        return text
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def plain(aliases):
    """The SDK leaves out `v3` and the like."""
    return sorted(alias for alias in aliases or [] if not re.fullmatch(r"v[0-9]+", alias))


def compare_artifacts(report, where, wanted, got, ignored):
    if got is None:
        report.bad.append(f"{where}: null, must never be")
        return
    # A run may use a version several times, under several names: the SDK then lists it as often, the table has it once.
    wanted = list({(a["id"], a["name"], a["digest"]): a for a in wanted}.values())
    report.fact(where + " count", len(wanted), len(got))

    def key(a):
        return (a["name"] or "", a["digest"] or "")

    for w, g in zip(sorted(wanted, key=key), sorted(got, key=key)):
        for field in ("name", "type", "version", "size", "digest", "state", "id"):
            if field not in ignored:
                report.value(f"{where}[{w['name']}].{field}", w[field], g[field])
        if "aliases" not in ignored:
            report.value(f"{where}[{w['name']}].aliases", plain(w["aliases"]), plain(g["aliases"]))
        if "created_at" not in ignored:
            same = time(w["created_at"]) == g["created_at"]
            report.value(f"{where}[{w['name']}].created_at", w["created_at"], g["created_at"], same)


def compare(parquet, sdk, ignored):
    import pyarrow.parquet as pq
    from check_parquet import Report, check_cell, columns_of

    report = Report()
    with open(sdk, encoding="utf-8") as f:
        truth = json.load(f)
    table = pq.read_table(parquet)
    columns = {name: table.column(name).to_pylist() for name in table.column_names}
    parts = zip(columns["entity"], columns["project"], columns["name"])
    row_of = {"/".join(part or "" for part in key): row for row, key in enumerate(parts)}
    report.fact("rows, each a run of its own", table.num_rows, len(row_of))
    for key in truth.keys() - row_of.keys():
        report.bad.append(f"run {key} is missing")
    for key in row_of.keys() - truth.keys():
        report.bad.append(f"run {key} is not in the project")
    keys = sorted(truth.keys() & row_of.keys())
    runs = [truth[key] for key in keys]

    for part in ("config", "summary"):
        expected, kinds = columns_of(runs, part)
        for name in sorted(n for n in columns if n.startswith(part + ".") and n not in expected):
            report.bad.append(f"column {name}: not expected")
        for name, cells in expected.items():
            if name not in columns:
                report.bad.append(f"column {name} ({kinds[name]}) is missing, {len(cells)} values")
                continue
            for row, key in enumerate(keys):
                check_cell(report, f"{key} {name}", kinds[name], cells.get(row), columns[name][row_of[key]])
    for key, found in zip(keys, runs):
        row = row_of[key]
        for name, wanted in found["fields"].items():
            got = columns[name][row]
            if name.endswith("_at"):
                report.value(f"{key} {name}", wanted, got, time(wanted) == got)
            else:
                report.value(f"{key} {name}", wanted, got)
        for name in ("logged_artifacts", "used_artifacts"):
            compare_artifacts(report, f"{key} {name}", found[name], columns[name][row], ignored)
    return report, len(keys)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    reads = verbs.add_parser("read")
    reads.add_argument("paths", nargs="+", metavar="ENTITY/PROJECT")
    reads.add_argument("-o", "--output", required=True)
    reads.add_argument("--per-page", type=int, default=50)
    compares = verbs.add_parser("compare")
    compares.add_argument("parquet")
    compares.add_argument("sdk")
    compares.add_argument("--ignore", default="", help="fields of artifacts not to compare, such as version,id")
    args = parser.parse_args()

    if args.verb == "read":
        found = read(args.paths, args.per_page)
        with open(args.output, "w", encoding="utf-8") as f:
            json.dump(found, f)
        return
    report, runs = compare(args.parquet, args.sdk, args.ignore.split(","))
    print(f"{runs} runs: {report.values} values and {report.nulls} nulls are what the SDK says")
    if report.bad:
        print("\n".join(report.bad[:100]))
        print(f"{len(report.bad)} differences")
        sys.exit(1)


if __name__ == "__main__":
    main()
