#!/usr/bin/env python3
"""Reads the histories that `runframe pull --history` stored with pyarrow, DuckDB and Polars, as they stand, and compares them.

    pip install -r tests/python/requirements.txt
    runframe pull SOURCE -o /tmp/runs.parquet --history all
    runframe history SOURCE -o /tmp/history.parquet
    python tests/python/check_stored_history.py /tmp/runs.parquet /tmp/history.parquet

Each reader is pointed at the folder or at *.parquet in it, without a word on schemas. The number of rows, and of each column the
type, the number of values and, of numbers, their sum must be those of the verb `history`, whose file is read by pyarrow. Each
filter on a run must find what is found without Parquet's statistics. Exits 1 with a list of differences.
"""

import math
import sys
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq


def tally(table):
    """Of each column the number of values, and the sum of the finite numbers; of lists and texts the sum of their lengths."""
    found = {}
    for name in table.column_names:
        values = [value for value in table[name].to_pylist() if value is not None]
        if values and isinstance(values[0], (int, float)):
            total = math.fsum(value for value in values if math.isfinite(value))
        elif values and isinstance(values[0], (str, list)):
            total = sum(len(value) for value in values)
        else:
            total = 0
        found[name] = (len(values), total)
    return found


def same(a, b):
    return a[0] == b[0] and math.isclose(a[1], b[1], rel_tol=1e-12, abs_tol=1e-12)


def kind(dtype):
    """A type's name, whether strings and lists are large or not."""
    if pa.types.is_timestamp(dtype):
        return f"{dtype.unit} {dtype.tz}"
    if pa.types.is_list(dtype) or pa.types.is_large_list(dtype):
        return f"list {kind(dtype.value_type)}"
    return str(dtype).replace("large_", "").replace("_view", "")


def main(table, truth):
    folder = Path(table).with_suffix(".history")
    files = f"{folder}/*.parquet"
    expected = pq.read_table(truth)
    # As users would do it: these lines are the check.
    readers = {
        "pyarrow": ds.dataset(str(folder), format="parquet").to_table(),
        "polars": pl.scan_parquet(files).collect().to_arrow(),
        "duckdb": duckdb.sql(f"SET TimeZone = 'UTC'; SELECT * FROM read_parquet('{files}')").to_arrow_table(),
    }
    wrong = []
    counts = tally(expected)
    for reader, found in readers.items():
        if found.num_rows != expected.num_rows:
            wrong.append(f"{reader}: {found.num_rows} rows, not {expected.num_rows}")
        if found.column_names != expected.column_names:
            wrong.append(f"{reader}: columns {set(found.column_names) ^ set(expected.column_names)}, or their order")
        for name, count in tally(found).items():
            if name in counts and not same(count, counts[name]):
                wrong.append(f"{reader}: {name} has {count}, not {counts[name]}")
            # DuckDB has no type for JSON or lists of its own here; times have microseconds everywhere.
            if name in counts and kind(found.schema.field(name).type) != kind(expected.schema.field(name).type):
                wrong.append(f"{reader}: {name} is {found.schema.field(name).type}")
    schemas = {str(pq.read_schema(path).remove_metadata()) for path in folder.glob("*.parquet")}
    if len(schemas) > 1:
        wrong.append("the files have several schemas")
    runs = expected.group_by("name").aggregate([("name", "count")]).to_pydict()
    for name, rows in zip(runs["name"], runs["name_count"]):
        if name is None:
            continue
        found = {
            "polars": pl.scan_parquet(files).filter(pl.col("name") == name).select(pl.len()).collect().item(),
            "duckdb": duckdb.execute(f"SELECT count(*) FROM read_parquet('{files}') WHERE name = ?", [name]).fetchone()[0],
            "pyarrow": ds.dataset(str(folder), format="parquet").count_rows(filter=ds.field("name") == name),
        }
        wrong.extend(f"{reader}: {count} rows of {name}, not {rows}" for reader, count in found.items() if count != rows)
    print(f"{folder}: {expected.num_rows} rows, {len(counts)} columns, {len(runs['name'])} runs, {len(list(folder.glob('*.parquet')))} files, 3 readers")
    print("\n".join(wrong[:40]))
    sys.exit(bool(wrong))


main(*sys.argv[1:])
