#!/usr/bin/env python3
"""runframe beside DuckDB and Polars on one stored run table, in turns: whole processes, start-up included. See tables.sh.

Each reads the same Parquet file and writes its answer as Parquet; DuckDB and Polars are Python's modules, `python -c`. The answers
are compared by DuckDB, row by row, floats to nine digits. A processor's other work disturbs the times more than the seconds of CPU. Aims: at most 1.0 of DuckDB's time and 1.1 of Polars', by the medians;
`runframe --version` in under 10 ms, and a query of 10,000 runs in under 150 ms. Polars is asked lazily (`scan_parquet`); `--eager`
also asks it with `read_parquet`, once, which holds the whole table in memory.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import duckdb

DUCKDB = """
import sys, duckdb
path, out = sys.argv[1:]
duckdb.sql("set timezone = 'UTC'")
duckdb.sql(f'''copy ({sql}) to '{{out}}' (format parquet)''')
"""
POLARS = """
import sys, polars as pl
from polars import col, lit, element
path, out = sys.argv[1:]
runs = {load}
({expression}).{write}(out)
"""
TEN = "name,state,created_at,user.username,config.learning_rate,config.batch_size,summary.accuracy,summary.loss,runtime,tags".split(",")
QUOTED = ", ".join(f'"{name}"' for name in TEN)
WHERE = "summary.accuracy > {} and config.batch_size = 64"
SQL = "from read_parquet('{{path}}') where \"summary.accuracy\" > {} and not isnan(\"summary.accuracy\") and \"config.batch_size\" = 64"
# Polars holds NaN for greater than all numbers; runframe and SQL's users mean it otherwise.
LAZY = "runs.filter((col('summary.accuracy') > {}) & col('summary.accuracy').is_not_nan() & (col('config.batch_size') == 64))"
ACCURACY = "\"summary.accuracy\""
LACKING = "element().struct['aliases'].list.contains('latest') & (element().struct['name'] == 'model')"

# Name; runframe's words, FILE standing for the file; SQL; Polars; the columns that are compared (all if none).
TASKS = [
    (
        "where on two columns, all 200 columns",
        ["query", "FILE", "-w", WHERE.format(0.9999)],
        f"select * {SQL.format(0.9999)}",
        LAZY.format(0.9999),
        None,
    ),
    (
        "where on two columns, 10 columns",
        ["query", "FILE", "-w", WHERE.format(0.99), "-s", ",".join(TEN)],
        f"select {QUOTED} {SQL.format(0.99)}",
        LAZY.format(0.99) + f".select({TEN})",
        None,
    ),
    (
        "where on the time, 10 columns",
        ["query", "FILE", "-w", "created_at >= '2026-10-01' and state = 'crashed'", "-s", ",".join(TEN)],
        f"select {QUOTED} from read_parquet('{{path}}') where created_at >= '2026-10-01' and state = 'crashed'",
        f"runs.filter((col('created_at') >= pl.datetime(2026, 10, 1, time_zone='UTC')) & (col('state') == 'crashed')).select({TEN})",
        None,
    ),
    (
        "group by user, three aggregates",
        ["group", "FILE", "-b", "user.username", "-a", "n(),mean(summary.accuracy),max(runtime)"],
        f"select \"user.username\", count(*), avg({ACCURACY}), max(runtime) from read_parquet('{{path}}') group by all",
        "runs.group_by('user.username').agg(pl.len(), col('summary.accuracy').mean(), col('runtime').max())",
        None,
    ),
    (
        "group by day",
        ["group", "FILE", "-b", "created_at:1d", "-a", "n()"],
        "select date_trunc('day', created_at), count(*) from read_parquet('{path}') group by all",
        "runs.group_by(col('created_at').dt.truncate('1d')).agg(pl.len())",
        None,
    ),
    (
        "top 10 by a metric, all 200 columns",
        ["query", "FILE", "--sort", "-summary.accuracy,created_at", "-n", "10"],
        f"select * from read_parquet('{{path}}') order by isnan({ACCURACY}), {ACCURACY} desc nulls last, created_at limit 10",
        "runs.sort(col('summary.accuracy').is_nan(), 'summary.accuracy', 'created_at', descending=[False, True, False],"
        " nulls_last=True).head(10)",
        None,
    ),
    (
        "runs that lack model:latest",
        ["artifacts", "FILE", "--require", "model:latest"],
        "select name from read_parquet('{path}') where not coalesce(list_bool_or(list_transform(logged_artifacts,"
        " lambda a: a.name = 'model' and list_contains(a.aliases, 'latest'))), false)",
        f"runs.filter(~col('logged_artifacts').list.eval({LACKING}).list.any()).select('name')",
        ["name"],
    ),
    (
        "for information: the same as a filter of query",
        ["query", "FILE", "-w", "logged('model:latest') is null", "-s", "name"],
        "select name from read_parquet('{path}') where not coalesce(list_bool_or(list_transform(logged_artifacts,"
        " lambda a: a.name = 'model' and list_contains(a.aliases, 'latest'))), false)",
        f"runs.filter(~col('logged_artifacts').list.eval({LACKING}).list.any()).select('name')",
        ["name"],
    ),
]


def once(argv, accepted=(0,)):
    """The seconds of a process, and those of its threads on the processors."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in accepted:
        raise RuntimeError(f"{argv[:3]} ended with {done.returncode}: {done.stderr[-500:]}")
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def has(binary, verb):
    """Whether this build of runframe has the verb."""
    return subprocess.run([binary, verb, "--help"], capture_output=True).returncode == 0


def same(ours, theirs, columns):
    """What differs between two answers, as text; None if nothing does."""
    kinds = duckdb.sql(f"describe from read_parquet('{theirs}')").fetchall()
    names = [row[0] for row in kinds]
    if columns is None and len(names) != len(duckdb.sql(f"describe from read_parquet('{ours}')").fetchall()):
        return "the columns differ"

    def rows(path):
        found = duckdb.sql(f"describe from read_parquet('{path}')").fetchall()
        listed = columns or [row[0] for row in found]
        types = dict(row[:2] for row in found)
        shown = {name: '"' + name.replace('"', '""') + '"' for name in listed}
        wrapped = {"DOUBLE": "round({}, 9)", "DATE": "cast({} as timestamp)", "TIMESTAMP WITH TIME ZONE": "cast({} as timestamp)"}
        return ", ".join(wrapped.get(types[name], "{}").format(shown[name]) for name in listed)

    def less(a, b):
        sql = f"select {rows(a)} from read_parquet('{a}') except all select {rows(b)} from read_parquet('{b}')"
        return duckdb.sql(f"select count(*) from ({sql})").fetchall()[0][0]

    duckdb.sql("set timezone = 'UTC'")
    found = less(ours, theirs), less(theirs, ours)
    return None if found == (0, 0) else f"{found[0]} rows only of one, {found[1]} only of the other"


def told(times):
    """Least, median and greatest, in milliseconds."""
    return f"{statistics.median(times) * 1000:8.0f} ms ({min(times) * 1000:.0f} to {max(times) * 1000:.0f})"


def measure(name, task, path, args, folder):
    """Runs one task in turns and prints the ratios; true if both aims are reached."""
    _, words, sql, expression, columns = task
    outs = {peer: os.path.join(folder, f"{peer}.parquet") for peer in ("runframe", "DuckDB", "Polars", "eager")}
    words = [path if word == "FILE" else word for word in words]
    lazy = POLARS.format(load="pl.scan_parquet(path)", expression=expression, write="sink_parquet")
    eager = POLARS.format(load="pl.read_parquet(path)", expression=expression, write="write_parquet")
    duck = DUCKDB.replace("{sql}", sql).replace("{{", "{").replace("}}", "}")
    commands = {
        "runframe": [args.runframe, *words, "-q", "-o", outs["runframe"]],
        "DuckDB": [sys.executable, "-c", duck, path, outs["DuckDB"]],
        "Polars": [sys.executable, "-c", lazy, path, outs["Polars"]],
    }
    times = {peer: [] for peer in commands}
    for _ in range(args.rounds):
        for peer, command in commands.items():
            # 6: runframe found runs that lack an artifact.
            times[peer].append(once(command, (0, 6) if peer == "runframe" else (0,)))
    print(f"\n{name}")
    medians = {peer: statistics.median(wall for wall, _ in taken) for peer, taken in times.items()}
    for peer, taken in times.items():
        busy = statistics.median(cpu for _, cpu in taken) * 1000
        ratio = "" if peer == "runframe" else f"   runframe / {peer}: {medians['runframe'] / medians[peer]:.2f}"
        print(f"  {peer:<10} {told([wall for wall, _ in taken])}, {busy:.0f} ms of CPU{ratio}")
    if args.eager:
        print(f"  {'read_parquet':<10} {once([sys.executable, '-c', eager, path, outs['eager']])[0] * 1000:.0f} ms")
    wrong = [f"{peer}: {text}" for peer in ("DuckDB", "Polars") if (text := same(outs["runframe"], outs[peer], columns))]
    print("  answers agree" if not wrong else f"  ANSWERS DIFFER: {wrong}")
    if name.startswith("for information"):
        return not wrong
    good = medians["runframe"] <= medians["DuckDB"] and medians["runframe"] <= 1.1 * medians["Polars"] and not wrong
    print(f"  aim {'reached' if good else 'MISSED'}")
    return good


def main():
    """Measures all tasks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", help="the large table")
    parser.add_argument("small", help="a table of 10,000 runs")
    parser.add_argument("--runframe", required=True, metavar="PATH", help="the release binary")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--eager", action="store_true", help="also Polars with read_parquet, once")
    parser.add_argument("--only", default="", help="only tasks with this in their name")
    args = parser.parse_args()
    args.runframe = os.path.abspath(args.runframe)
    rows = duckdb.sql(f"select count(*) from read_parquet('{args.table}')").fetchall()[0][0]
    print(f"{rows:,} runs, {os.path.getsize(args.table) / 1e6:.0f} MB; {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    print(f"DuckDB {duckdb.__version__}, {args.rounds} rounds; median (least to greatest)")
    reached = []
    with tempfile.TemporaryDirectory() as folder:
        for task in TASKS:
            name, words = task[0], task[1]
            if args.only not in name:
                continue
            if not has(args.runframe, words[0]):
                print(f"\n{name}\n  left out: this runframe has no verb {words[0]}")
                continue
            try:
                reached.append(measure(name, task, args.table, args, folder))
            except RuntimeError as error:
                print(f"\n{name}\n  FAILED: {error}")
                reached.append(False)
        if not args.only:
            small = measure("10,000 runs: where on two columns, all columns", TASKS[0], args.small, args, folder)
            taken = [once([args.runframe, *[args.small if w == "FILE" else w for w in TASKS[0][1]], "-q"])[0] for _ in range(11)]
            print(f"  as CSV: {told(taken)}; aim: under 150 ms")
            version = [once([args.runframe, "--version"])[0] for _ in range(41)]
            print(f"\nrunframe --version\n  {statistics.median(version) * 1000:.1f} ms ({min(version) * 1000:.1f} to {max(version) * 1000:.1f}); aim: under 10 ms")
            reached += [small, statistics.median(taken) < 0.15, statistics.median(version) < 0.01]
    print(f"\n{sum(reached)} of {len(reached)} aims reached")
    sys.exit(0 if all(reached) else 1)


if __name__ == "__main__":
    main()
