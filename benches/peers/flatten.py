#!/usr/bin/env python3
"""Pages to a flat, typed table: runframe beside pandas, Polars, DuckDB and pyarrow, in turns. See flatten.sh.

Each peer runs in a process of its own with one thread, and tells the seconds from the bytes in memory to its table; imports, and for
Polars and pyarrow also the work in Python to give them types and lines, are not counted. pyarrow gets pages without conflicts of kind,
as it reads no others. Answers agree if rows are as many and the numbers of each column that is a number in both have the same sum.
"""

import argparse
import glob
import json
import math
import os
import statistics
import subprocess
import sys
import time


def pages(folder):
    """The bytes of all pages."""
    names = sorted(glob.glob(os.path.join(folder, "*.json")))
    return [open(name, "rb").read() for name in names]


def nodes(all_pages):
    """The runs of all pages, their documents still text."""
    return [edge["node"] for page in all_pages for edge in json.loads(page)["data"]["project"]["runs"]["edges"]]


def dtype_of(values):
    """The Polars type that holds all these JSON values; text where they do not agree."""
    import polars as pl

    kinds = {type(value) for value in values if value is not None}
    if kinds == {dict}:
        keys = {}
        for value in values:
            for key, inner in (value or {}).items():
                keys.setdefault(key, []).append(inner)
        return pl.Struct({key: dtype_of(inner) for key, inner in keys.items()}) if keys else pl.String
    if kinds == {list}:
        return pl.List(dtype_of([item for value in values if value for item in value]))
    simple = {bool: pl.Boolean, int: pl.Int64, float: pl.Float64}
    if kinds == {int, float}:
        return pl.Float64
    return simple.get(next(iter(kinds)), pl.String) if len(kinds) == 1 else pl.String


def by_pandas(folder):
    """json_normalize."""
    import pandas as pd

    data = pages(folder)
    began = time.perf_counter()
    runs = nodes(data)
    for run in runs:
        run["config"], run["summaryMetrics"] = json.loads(run["config"]), json.loads(run["summaryMetrics"])
    table = pd.json_normalize(runs)
    seconds = time.perf_counter() - began
    sums = {name: float(table[name].sum()) for name in table.columns if pd.api.types.is_numeric_dtype(table[name]) and table[name].dtype != bool}
    return seconds, len(table), sums


def by_polars(folder):
    """read_ndjson, json_decode and unnest."""
    import polars as pl

    data = pages(folder)
    parsed = [(json.loads(run["config"]), json.loads(run["summaryMetrics"])) for run in nodes(data)]
    types = [dtype_of([pair[at] for pair in parsed]) for at in (0, 1)]
    lines = "\n".join(json.dumps(run) for run in nodes(data)).encode()
    began = time.perf_counter()
    table = pl.read_ndjson(lines)
    columns = [pl.col(name).str.json_decode(dtype) for name, dtype in zip(("config", "summaryMetrics"), types)]
    table = table.with_columns(columns)
    while True:
        structs = [name for name, dtype in table.schema.items() if isinstance(dtype, pl.Struct)]
        if not structs:
            break
        for name in structs:
            table = table.with_columns(pl.col(name).name.prefix_fields(name + ".")).unnest(name)
    seconds = time.perf_counter() - began
    sums = {name: table[name].sum() for name, dtype in table.schema.items() if dtype.is_numeric()}
    return seconds, table.height, sums


def by_duckdb(folder):
    """read_json, json_group_structure, json_transform and unnest."""
    import duckdb

    db = duckdb.connect()
    db.execute("set threads = 1")
    began = time.perf_counter()
    source = f"read_json('{folder}/*.json', columns = {{data: 'json'}}, maximum_object_size = 100000000)"
    db.execute(f"create table nodes as select unnest(json_transform(data->'project'->'runs'->'edges', '[\"json\"]'))->'node' as node from {source}")
    db.execute("create table texts as select node->>'name' as name, (node->>'config')::json as config, (node->>'summaryMetrics')::json as summary from nodes")
    kinds = db.execute("select json_group_structure(config)::varchar, json_group_structure(summary)::varchar from texts").fetchone()
    config, summary = (text.replace("'", "''") for text in kinds)
    db.execute(
        f"create table flat as select name, unnest(json_transform(config, '{config}'), recursive := true),"
        f" unnest(json_transform(summary, '{summary}'), recursive := true) from texts"
    )
    seconds = time.perf_counter() - began
    # Its columns have no paths in their names, and come twice: only the rows are compared.
    return seconds, db.execute("select count(*) from flat").fetchone()[0], {}


def by_pyarrow(folder):
    """pyarrow.json on lines that Python made, and flatten."""
    import io

    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.json as pj

    pa.set_cpu_count(1)
    runs = nodes(pages(folder))
    for run in runs:
        run["config"], run["summaryMetrics"] = json.loads(run["config"]), json.loads(run["summaryMetrics"])
    lines = "\n".join(json.dumps(run) for run in runs).encode()
    began = time.perf_counter()
    options = pj.ReadOptions(use_threads=False, block_size=1 << 24)
    table = pj.read_json(io.BytesIO(lines), read_options=options)
    while any(pa.types.is_struct(field.type) for field in table.schema):
        table = table.flatten()
    seconds = time.perf_counter() - began
    numeric = [field.name for field in table.schema if pa.types.is_integer(field.type) or pa.types.is_floating(field.type)]
    return seconds, table.num_rows, {name: pc.sum(table[name]).as_py() for name in numeric}


def runframe(binary, folder, threads):
    """Seconds to the frame: the median of three processes, as one is so short that what else the machine does tells."""
    return statistics.median(once(binary, folder, threads, None) for _ in range(3))


def once(binary, folder, threads, sums):
    """Seconds to the frame of one process; it writes the sums where they are asked for."""
    command = [binary, "once", folder, str(threads)] + ([sums] if sums else [])
    environment = {**os.environ, "RAYON_NUM_THREADS": str(threads)}
    return float(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)


PEERS = {"pandas": by_pandas, "polars": by_polars, "duckdb": by_duckdb, "pyarrow": by_pyarrow}
AIMS = {"pandas": 15, "polars": 15, "duckdb": 12, "pyarrow": 4}


def ours_of(name):
    """The column that we make of what a peer calls so."""
    if name.startswith("config."):
        parts = name.split(".")
        return ".".join(["config", parts[1], *parts[3:]]) if parts[2:3] == ["value"] else None
    return name.replace("summaryMetrics.", "summary.", 1) if name.startswith("summaryMetrics.") else None


def disagreement(ours, rows, sums):
    """What differs, as text."""
    if ours["rows"] != rows:
        return f"{ours['rows']} rows and {rows}"
    known = {name: total for name, total in sums.items() if ours_of(name) in ours["sums"]}
    wrong = [name for name, total in known.items() if not math.isclose(total or 0, ours["sums"][ours_of(name)], rel_tol=1e-9, abs_tol=1e-9)]
    return f"sums of {wrong[:5]}" if wrong else f"answers agree ({rows} rows, {len(known)} sums)"


def told(values, digits=0):
    """Least, median and greatest."""
    return " ".join(f"{value:10.{digits}f}" for value in (min(values), statistics.median(values), max(values)))


def main():
    """Measures all peers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("messy")
    parser.add_argument("clean")
    parser.add_argument("--binary")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peer", choices=PEERS)
    args = parser.parse_args()
    if args.peer:
        folder = args.clean if args.peer == "pyarrow" else args.messy
        print(json.dumps(PEERS[args.peer](folder)))
        return
    binary = os.path.abspath(args.binary)
    truth = {}
    for folder in (args.messy, args.clean):
        sums = os.path.join(folder, "sums.txt")
        once(binary, folder, 1, sums)
        truth[folder] = json.load(open(sums))
    print(f"{truth[args.messy]['rows']:,} runs; milliseconds, then ratios: least, median, greatest; load {os.getloadavg()[0]:.1f}")
    times = {name: [] for name in ("one thread", "two threads", "one thread, clean", *PEERS)}
    said = {}
    for _ in range(args.rounds):
        times["one thread"].append(runframe(binary, args.messy, 1))
        times["two threads"].append(runframe(binary, args.messy, 2))
        times["one thread, clean"].append(runframe(binary, args.clean, 1))
        for peer in PEERS:
            folder = args.clean if peer == "pyarrow" else args.messy
            command = [sys.executable, __file__, args.messy, args.clean, "--peer", peer]
            environment = {**os.environ, "POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "ARROW_NUM_THREADS": "1"}
            done = subprocess.run(command, capture_output=True, text=True, env=environment)
            if done.returncode != 0:
                said[peer] = "FAILED: " + done.stderr.strip().splitlines()[-1]
                continue
            seconds, rows, sums = json.loads(done.stdout)
            times[peer].append(seconds)
            said[peer] = disagreement(truth[folder], rows, sums)
    for name, taken in times.items():
        if not taken:
            print(f"{name:<20} {said[name]}")
            continue
        print(f"{name:<20} {told([seconds * 1e3 for seconds in taken])} ms  {said.get(name, '')}")
    print(f"{'one thread / two':<20} {told([a / b for a, b in zip(times['one thread'], times['two threads'])], 2)} x, aim 1.85")
    reached = []
    for peer, aim in AIMS.items():
        ours = times["one thread, clean" if peer == "pyarrow" else "one thread"]
        ratios = [theirs / mine for theirs, mine in zip(times[peer], ours)]
        if ratios:
            reached.append(statistics.median(ratios) >= aim and "agree" in said[peer])
            print(f"{peer + ' / ours':<20} {told(ratios, 1)} x, aim {aim}: {'reached' if reached[-1] else 'MISSED'}")
    sys.exit(0 if len(reached) == len(AIMS) and all(reached) else 1)


if __name__ == "__main__":
    main()
