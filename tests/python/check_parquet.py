#!/usr/bin/env python3
"""Compares a Parquet file that runframe wrote with the truth of truth.py, in pyarrow, DuckDB and Polars.

    pip install -r tests/python/requirements.txt
    runframe query examples/wandb -o /tmp/runs.parquet
    python tests/python/check_parquet.py /tmp/runs.parquet examples/wandb-truth.json

The types of the documented columns are checked in each of the three readers. Config and summary of the truth are
flattened here, in plain Python, by the rules of the design (section 4); then every cell of every run is compared, null
cells too, and the three readers with one another. Prints how many values were compared; exits 1 with a list of differences.
"""

import argparse
import json
import math
import sys
from datetime import datetime, timedelta, timezone

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

# ------------------------------------------------------------------ the documented columns

STRUCT_FIELDS = ["name", "type", "version", "aliases", "size", "digest", "state", "created_at", "id"]
FIELDS = {
    "entity": "string",
    "project": "string",
    "name": "string",
    "display_name": "string",
    "state": "string",
    "created_at": "time",
    "heartbeat_at": "time",
    "updated_at": "time",
    "runtime": "double",
    "compute_seconds": "double",
    "job_type": "string",
    "group": "string",
    "sweep": "string",
    "notes": "string",
    "host": "string",
    "commit": "string",
    "tags": "strings",
    "user.username": "string",
    "user.name": "string",
    "user.email": "string",
    "history_rows": "int",
}
ARTIFACTS = {"logged_artifacts": "artifacts", "used_artifacts": "artifacts"}

DUCK_STRUCT = (
    "STRUCT(\"name\" VARCHAR, \"type\" VARCHAR, \"version\" BIGINT, aliases VARCHAR[], size BIGINT, digest VARCHAR, "
    "state VARCHAR, created_at TIMESTAMP WITH TIME ZONE, id VARCHAR)[]"
)
DUCK = {
    "string": "VARCHAR",
    "time": "TIMESTAMP WITH TIME ZONE",
    "double": "DOUBLE",
    "int": "BIGINT",
    "strings": "VARCHAR[]",
    "artifacts": DUCK_STRUCT,
}
_time = pl.Datetime("us", "UTC")
POLARS = {
    "string": pl.String,
    "time": _time,
    "double": pl.Float64,
    "int": pl.Int64,
    "strings": pl.List(pl.String),
    "artifacts": pl.List(
        pl.Struct(
            {
                "name": pl.String,
                "type": pl.String,
                "version": pl.Int64,
                "aliases": pl.List(pl.String),
                "size": pl.Int64,
                "digest": pl.String,
                "state": pl.String,
                "created_at": _time,
                "id": pl.String,
            }
        )
    ),
}


def arrow_kind(t):
    """The documented word for an Arrow type; large and view layouts are the same type to a reader."""
    if pa.types.is_string(t) or pa.types.is_large_string(t) or pa.types.is_string_view(t):
        return "string"
    if t == pa.timestamp("us", tz="UTC"):
        return "time"
    if t == pa.float64():
        return "double"
    if t == pa.int64():
        return "int"
    if pa.types.is_boolean(t):
        return "bool"
    if pa.types.is_list(t) or pa.types.is_large_list(t):
        inner = arrow_kind(t.value_type)
        if inner == "struct":
            s = t.value_type
            shape = {s.field(i).name: arrow_kind(s.field(i).type) for i in range(s.num_fields)}
            wanted = dict.fromkeys(STRUCT_FIELDS, "string")
            wanted.update(version="int", aliases="strings", size="int", created_at="time")
            return "artifacts" if list(shape.items()) == list(wanted.items()) else f"list of struct {shape}"
        return {"string": "strings", "int": "ints", "double": "doubles", "bool": "bools"}.get(inner, f"list of {inner}")
    if pa.types.is_struct(t):
        return "struct"
    return str(t)


# ------------------------------------------------------------------ flattening, by the rules of the design

MISSING = object()
NON_FINITE = {
    "NaN": math.nan,
    "nan": math.nan,
    "Infinity": math.inf,
    "Inf": math.inf,
    "-Infinity": -math.inf,
    "-Inf": -math.inf,
}


def is_int(v):
    return isinstance(v, int) and not isinstance(v, bool)


def is_number(v):
    return is_int(v) or isinstance(v, float)


def branches(value, prefix, dotted):
    """(keys, value) of every leaf below an object; `dotted` tells whether a key on the way held a dot itself."""
    for key, inner in value.items():
        keys = (*prefix, key)
        flag = dotted or "." in key
        if isinstance(inner, dict) and inner and "_type" not in inner:
            yield from branches(inner, keys, flag)
        else:
            yield keys, inner, flag


def flatten(value):
    """{path: value} of one run (rule 2): a key with dots of its own yields to the nested path, and is escaped then."""
    leaves = list(branches(value, (), False))
    nested = {".".join(keys) for keys, _, flag in leaves if not flag}
    out = {}
    for keys, leaf, flag in leaves:
        path = ".".join(keys)
        if flag and path in nested:
            path = ".".join(k.replace(".", "\\.") for k in keys)
        assert path not in out, path
        out[path] = leaf
    return out


def kind_of(v):
    """(kind, value) of one value, a number that is not finite already being a float (rules 3 and 4)."""
    if v is None:
        return None, None
    if isinstance(v, bool):
        return "bool", v
    if is_number(v):
        return ("number", v) if not is_int(v) or -(2**63) <= v < 2**63 else ("json", v)
    if isinstance(v, str):
        return "string", v
    if isinstance(v, list):
        for test in (is_number, lambda x: isinstance(x, str), lambda x: isinstance(x, bool)):
            if all(test(x) for x in v if x is not None):
                return ("any" if not v or None in v else "list"), v  # [] and [1, null]: the rules leave it open
        return "json", v
    return "json", v


def columns_of(runs, part):
    """{column: {row: value}} that a run table must have for config or summary, and the kind of each column."""
    cells = {}  # path -> row -> value
    for row, run in enumerate(runs):
        for path, value in flatten(run[part]).items():
            cells.setdefault(path, {})[row] = value
    bare = set()  # (row, path) of the config's numbers that are not finite
    for row, run in enumerate(runs):
        for keys in run.get("config_bare", []) if part == "config" else []:
            bare.add((row, ".".join(keys)))

    out, kinds = {}, {}
    for path, values in cells.items():
        # rule 5: the spelled numbers
        has_number = any(is_number(v) for v in values.values()) or any((r, path) in bare for r in values)
        by_kind = {}
        for row, v in values.items():
            if isinstance(v, str) and v in NON_FINITE and (part == "summary" or has_number):
                v = NON_FINITE[v]
            elif isinstance(v, list) and any(isinstance(x, str) and x in NON_FINITE for x in v) and part == "summary":
                if all(is_number(x) or x in NON_FINITE for x in v):
                    v = [NON_FINITE.get(x, x) if isinstance(x, str) else x for x in v]
            kind, v = kind_of(v)
            if kind is not None:
                by_kind.setdefault(kind, {})[row] = v
        # rule 4: an integer beyond 2^53 that meets floats keeps its digits as json
        numbers = by_kind.get("number", {})
        if any(isinstance(v, float) for v in numbers.values()):
            for row in [r for r, v in numbers.items() if is_int(v) and abs(v) > 2**53]:
                by_kind.setdefault("json", {})[row] = numbers.pop(row)
        # lists that the rules leave open join the lists or the json column, whichever is there
        if "any" in by_kind:
            by_kind.setdefault("list" if "list" in by_kind or "json" not in by_kind else "json", {}).update(by_kind.pop("any"))
        plain = True
        for kind in ("number", "string", "bool", "list", "json"):
            if by_kind.get(kind):
                name = f"{part}.{path}" + ("" if plain else ":" + kind)
                plain = False
                assert name not in out, name
                out[name], kinds[name] = by_kind[kind], kind
        if plain:  # nulls only: a column of strings without a value
            out[f"{part}.{path}"], kinds[f"{part}.{path}"] = {}, "string"
    return out, kinds


# ------------------------------------------------------------------ comparing


def same(a, b):
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if is_number(a) and is_number(b):
        if isinstance(a, float) and isinstance(b, float) and math.isnan(a):
            return math.isnan(b)
        return a == b
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return type(a) is type(b) and a == b


class Report:
    def __init__(self):
        self.values = 0
        self.nulls = 0
        self.bad = []

    def value(self, where, wanted, got, equal=None):
        if wanted is None and got is None:
            self.nulls += 1
            return
        self.values += 1
        if not (same(wanted, got) if equal is None else equal):
            self.bad.append(f"{where}: wanted {wanted!r}, got {got!r}")

    def fact(self, where, wanted, got):
        if wanted != got:
            self.bad.append(f"{where}: wanted {wanted}, got {got}")


def parse_time(text):
    return None if text is None else datetime.fromisoformat(text)


def near(a, b, tolerance):
    """Times and spans computed from decimal seconds may differ by rounding of the last microsecond."""
    return a is not None and b is not None and abs(a - b) <= tolerance


def spelled(v):
    """The truth's spelling of non-finite numbers inside a value of kind json, as Python's json parser gives them."""
    if isinstance(v, str) and v in ("NaN", "Infinity", "-Infinity"):
        return NON_FINITE[v]
    if isinstance(v, list):
        return [spelled(x) for x in v]
    if isinstance(v, dict):
        return {k: spelled(x) for k, x in v.items()}
    return v


def check_cell(report, where, kind, wanted, got):
    if kind == "json" or (kind == "list" and isinstance(got, str)):
        if got is None:
            report.value(where, wanted, got)
            return
        try:
            parsed = json.loads(got)
        except ValueError:
            report.value(where, wanted, got, False)
            return
        equal = same(wanted, parsed) or same(spelled(wanted), spelled(parsed))
        report.value(where, wanted, got, equal)
    else:
        report.value(where, wanted, got)


def check_artifacts(report, where, wanted, got):
    if got is None:
        report.bad.append(f"{where}: null, must never be")
        return
    report.fact(where + " count", len(wanted), len(got))

    def key(a):
        return (a["name"] or "", a["type"] or "", -1 if a["version"] is None else a["version"], sorted(a["aliases"] or []))

    for w, g in zip(sorted(wanted, key=key), sorted(got, key=key)):
        for field in ("name", "type", "version", "size", "digest"):
            report.value(f"{where}[{w['name']}].{field}", w[field], g[field])
        if w.get("id") is not None:
            report.value(f"{where}[{w['name']}].id", w["id"], g["id"])
        report.value(f"{where}[{w['name']}].aliases", w["aliases"], sorted(g["aliases"] or []))


# ------------------------------------------------------------------ the check


def check(parquet, truth_path):
    report = Report()
    with open(truth_path, encoding="utf-8") as f:
        truth = json.load(f)

    # the three readers
    arrow = pq.read_table(parquet)
    names = arrow.column_names
    con = duckdb.connect()
    con.execute("set timezone = 'UTC'")
    described = con.execute("describe select * from read_parquet(?)", [parquet]).fetchall()
    polars = pl.read_parquet(parquet)

    # types in each
    with_artifacts = dict(FIELDS, **{k: v for k, v in ARTIFACTS.items() if k in names})
    duck_types = [row[1] for row in described]
    report.fact("DuckDB columns", len(names), len(duck_types))
    report.fact("Polars columns", names, polars.columns)
    report.fact("fixed columns first, in order", list(FIELDS), names[: len(FIELDS)])
    for name, kind in with_artifacts.items():
        if name not in names:
            report.bad.append(f"column {name} is missing")
            continue
        i = names.index(name)
        report.fact(f"pyarrow type of {name}", kind, arrow_kind(arrow.schema.field(i).type))
        report.fact(f"DuckDB type of {name}", tidy(DUCK[kind]), tidy(duck_types[i]))
        report.fact(f"Polars type of {name}", POLARS[kind], polars.dtypes[i])
    if "logged_artifacts" not in names:
        report.bad.append("no artifact columns: was it written with --no-artifacts?")

    # rows
    columns = {name: arrow.column(i).to_pylist() for i, name in enumerate(names)}
    row_of = {}
    for i, key in enumerate(zip(columns["entity"], columns["project"], columns["name"])):
        row_of["/".join(x or "" for x in key)] = i
    report.fact("runs in the file", arrow.num_rows, len(row_of))
    for key in truth.keys() - row_of.keys():
        report.bad.append(f"run {key} is missing")
    for key in row_of.keys() - truth.keys():
        report.bad.append(f"run {key} is in no log")
    keys = [k for k in truth if k in row_of]
    runs = [truth[k] for k in keys]

    # config and summary
    expected_names = list(FIELDS)
    for part in ("config", "summary"):
        expected, kinds = columns_of(runs, part)
        found = [n for n in names if n.startswith(part + ".")]
        for name in sorted(set(found) - set(expected)):
            report.bad.append(f"column {name}: not expected, {sum(v is not None for v in columns[name])} values")
        for name, cells in expected.items():
            if name not in columns:
                report.bad.append(f"column {name} ({kinds[name]}) is missing, {len(cells)} values")
                continue
            got_kind = arrow_kind(arrow.schema.field(names.index(name)).type)
            wanted_kinds = {
                "number": ("double",) if any(isinstance(v, float) and v != v // 1 for v in cells.values()) else ("int", "double"),
                "string": ("string",),
                "bool": ("bool",),
                "list": ("strings", "ints", "doubles", "bools", "string"),
                "json": ("string",),
            }[kinds[name]]
            if kinds[name] == "number" and all(is_int(v) for v in cells.values()):
                wanted_kinds = ("int",)
            if got_kind not in wanted_kinds:
                report.bad.append(f"type of {name}: wanted {' or '.join(wanted_kinds)}, got {got_kind}")
            for row, key in enumerate(keys):
                check_cell(report, f"{key} {name}", kinds[name], cells.get(row), columns[name][row_of[key]])
        expected_names += sorted(found)
    expected_names += [n for n in ARTIFACTS if n in names]
    if sorted(expected_names) == sorted(names) and expected_names != names:
        report.bad.append("columns are not in the order: fields, config by name, summary by name, artifacts")

    # fields
    for key, run in zip(keys, runs):
        f = run["fields"]
        got = {name: columns[name][row_of[key]] for name in with_artifacts if name in columns}

        def eq(column, wanted):
            if column in got:
                report.value(f"{key} {column}", wanted, got[column])

        start, last = parse_time(f["start_time"]), parse_time(f["last_time"])
        for column, field in (
            ("entity", "entity"), ("project", "project"), ("name", "name"), ("display_name", "display_name"),
            ("job_type", "job_type"), ("group", "group"), ("sweep", "sweep"), ("notes", "notes"), ("host", "host"),
            ("commit", "commit"), ("tags", "tags"), ("user.username", "username"), ("user.email", "email"),
            ("history_rows", "history_rows"),
        ):  # fmt: skip
            eq(column, f[field])
        eq("user.name", None)
        young = last is not None and datetime.now(timezone.utc) - last < timedelta(minutes=10)
        states = {f["state"]} | ({"running"} if f["state"] == "crashed" and young else set())
        report.value(f"{key} state", f["state"], got.get("state"), got.get("state") in states)
        microsecond = timedelta(microseconds=1)
        report.value(f"{key} created_at", start, got.get("created_at"), near(start, got.get("created_at"), microsecond))
        report.value(f"{key} heartbeat_at", last, got.get("heartbeat_at"), near(last, got.get("heartbeat_at"), microsecond))
        if start is not None and last is not None:
            span = (last - start).total_seconds()
            report.value(f"{key} runtime", span, got.get("runtime"), near(span, got.get("runtime"), 2.1e-6))
        spans = [x for x in run["exit_runtimes"] if x is not None]
        if len(run["exit_runtimes"]) > 1:  # several folders: the last, or all together
            allowed = {float(sum(spans)), float(spans[-1])} if spans else {None}
            report.value(f"{key} compute_seconds", sum(spans), got.get("compute_seconds"), got.get("compute_seconds") in allowed)
        else:
            eq("compute_seconds", float(spans[0]) if spans else None)
        for column, part in (("logged_artifacts", "logged"), ("used_artifacts", "used")):
            if column in got:
                check_artifacts(report, f"{key} {column}", run[part], got[column])

    # the three readers agree
    # By position: DuckDB renames columns that differ only by case.
    duck = con.sql("select * from read_parquet(?)", params=[parquet]).to_arrow_table()
    seen = 0
    for i, name in enumerate(names):
        one, two, three = columns[name], duck.column(i).to_pylist(), polars.to_series(i).to_list()
        for row, (a, b, c) in enumerate(zip(one, two, three)):
            seen += 1
            if not same(a, b):
                report.bad.append(f"row {row} {name}: pyarrow {a!r}, DuckDB {b!r}")
            if not same(a, c):
                report.bad.append(f"row {row} {name}: pyarrow {a!r}, Polars {c!r}")
    return report, len(keys), len(names), seen


def tidy(text):
    return text.replace('"', "").upper()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parquet")
    parser.add_argument("truth")
    parser.add_argument("--all", action="store_true", help="print every difference, not the first 100")
    args = parser.parse_args()
    report, runs, columns, cells = check(args.parquet, args.truth)
    print(
        f"{runs} runs, {columns} columns: {report.values} values and {report.nulls} nulls compared with the truth, "
        f"{cells} cells between pyarrow {pa.__version__}, DuckDB {duckdb.__version__} and Polars {pl.__version__}"
    )
    if report.bad:
        shown = report.bad if args.all else report.bad[:100]
        print("\n".join(shown))
        print(f"{len(report.bad)} differences")
        sys.exit(1)


if __name__ == "__main__":
    main()
