"""Compares the workbook that runframe wrote with its Parquet file, cell by cell: openpyxl against pyarrow.

usage: check_xlsx.py RUNS.xlsx RUNS.parquet
"""

import datetime
import json
import math
import sys

import openpyxl
import pyarrow.parquet as pq

EXACT = 2**53


def shown(value):
    """What a cell should hold of a value."""
    if isinstance(value, float) and not math.isfinite(value):
        return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > EXACT:
        return str(value)
    if isinstance(value, datetime.datetime):
        return value.replace(tzinfo=None)
    return value


def same(cell, value):
    if isinstance(value, list):
        return json.loads(cell) is not None and len(json.loads(cell)) == len(value)
    value = shown(value)
    if isinstance(value, datetime.datetime):
        # openpyxl gives times to the millisecond.
        return abs((cell - value).total_seconds()) <= 0.001
    return (cell or "") == value if isinstance(value, str) else cell == value


def main():
    sheet = openpyxl.load_workbook(sys.argv[1])["runs"]
    rows = list(sheet.iter_rows(values_only=True))
    table = pq.read_table(sys.argv[2])
    assert list(rows[0]) == table.column_names, "other columns"
    assert len(rows) - 1 == table.num_rows, "other rows"
    values = 0
    for at, name in enumerate(table.column_names):
        for row, value in enumerate(table.column(at).to_pylist(), start=1):
            assert same(rows[row][at], value), f"{name}, row {row}: {rows[row][at]!r} is not {value!r}"
            values += value is not None
    print(f"xlsx: {values} values of {table.num_columns} columns are the same")


main()
