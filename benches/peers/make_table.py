#!/usr/bin/env python3
"""A run table in Parquet as big as asked for, the same on every machine: make_table.py FILE RUNS

It has the 23 fixed columns of runframe's run table, 60 of config and 117 of summary: 200. Values are hashes of row and column, so
neither the number of threads nor the order of the work changes them. Nulls, NaN and empty lists are in it. runframe then rewrites
the file (benches/peers/tables.sh), so that row groups, compression and statistics are those that runframe writes.
"""

import sys

import duckdb

PEOPLE, PROJECTS = 180, 12
CONFIG, SUMMARY = 60, 117


def share(salt):
    """A number from 0 to 1 for each row."""
    return f"(hash(i, {salt}) % 1000003)::double / 1000003"


def one_of(salt, *values):
    """One of these texts for each row."""
    texts = ", ".join(f"'{value}'" for value in values)
    return f"[{texts}][1 + (hash(i, {salt}) % {len(values)})::int]"


def sparse(salt, filled, value):
    """The value in this share of the rows, else null."""
    return f"case when {share(salt)} < {filled} then {value} end"


def fixed():
    """Name and SQL of the fixed columns before config and summary."""
    # Runs come as W&B lists them, by creation: three years, a few a minute.
    created = f"timestamptz '2023-11-01 00:00:00+00' + to_microseconds((i::double * 94608000000000 / runs + hash(i, 1) % 1000000)::bigint)"
    yield "entity", "'acme'"
    yield "project", one_of(2, *(f"project-{at:02}" for at in range(PROJECTS)))
    yield "name", "substr(md5(i::varchar), 1, 5) || lpad(to_base(i, 36), 5, '0')"
    yield "display_name", f"{one_of(3, 'fluffy', 'brisk', 'calm', 'vivid', 'eager')} || '-' || {one_of(4, 'cloud', 'river', 'moon', 'field')} || '-' || i"
    yield "state", one_of(5, *["finished"] * 7, "crashed", "failed", "killed")
    yield "created_at", created
    yield "heartbeat_at", sparse(6, 0.97, f"({created}) + to_microseconds((hash(i, 7) % 86400000000)::bigint)")
    yield "updated_at", f"({created}) + to_microseconds((hash(i, 8) % 186400000000)::bigint)"
    yield "runtime", sparse(6, 0.97, "(hash(i, 7) % 86400000000)::double / 1e6")
    yield "compute_seconds", sparse(9, 0.9, "(hash(i, 9) % 86400)::double")
    yield "job_type", sparse(10, 0.8, one_of(11, "train", "eval", "sweep"))
    yield "group", sparse(12, 0.5, "'group-' || (hash(i, 13) % 900)")
    yield "sweep", sparse(14, 0.3, "'sw' || (hash(i, 15) % 500)")
    yield "notes", sparse(16, 0.05, "'tried it again with ' || (hash(i, 17) % 100000)")
    yield "host", "'node-' || (hash(i, 18) % 64)"
    yield "commit", sparse(19, 0.9, "md5((hash(i, 20) % 20000)::varchar)")
    yield "tags", f"list_filter(['baseline', 'paper', 'debug', 'v2'], lambda t, n: hash(i, 21) >> (n * 3) & 7 = 0)"
    user = f"(hash(i, 22) % {PEOPLE})"
    yield "user.username", sparse(23, 0.99, f"'user' || {user}")
    yield "user.name", sparse(23, 0.99, f"'User Number ' || {user}")
    yield "user.email", sparse(23, 0.99, f"'user' || {user} || '@example.org'")
    yield "history_rows", "(hash(i, 24) % 20000)::bigint"


def config():
    """Name and SQL of the configuration: half of it the same few values, as sweeps have them."""
    yield "config.learning_rate", sparse(100, 0.98, "([0.1, 0.03, 0.01, 0.003, 0.001, 0.0003]::double[])[1 + (hash(i, 101) % 6)::int]")
    yield "config.batch_size", "(16 << (hash(i, 102) % 6)::int)::bigint"
    yield "config.optimizer.name", sparse(103, 0.95, one_of(104, "adam", "sgd", "lamb", "adamw"))
    yield "config.seed", "(hash(i, 105) % 100000)::bigint"
    for at in range(CONFIG - 4):
        name, salt = f"config.part{at % 7}.key{at:02}", 110 + 2 * at
        filled = [1.0, 0.9, 0.6, 0.2][at % 4]
        kinds = [
            f"(hash(i, {salt}) % 12)::bigint",
            f"round({share(salt)}, 6)",
            one_of(salt, "relu", "gelu", "swish", "none"),
            f"hash(i, {salt}) % 2 = 0",
            f"[(hash(i, {salt}) % 9)::bigint, 3]",
        ]
        yield name, sparse(salt + 1, filled, kinds[at % 5])


def summary():
    """Name and SQL of the metrics: distinct floats; some null, one in a hundred NaN."""
    yield "summary._step", "(hash(i, 24) % 20000)::bigint"
    yield "summary._runtime", sparse(6, 0.97, "(hash(i, 7) % 86400000000)::double / 1e6")
    for at in range(SUMMARY - 2):
        name = ["summary.accuracy", "summary.loss"][at] if at < 2 else f"summary.part{at % 9}/metric{at:03}"
        salt = 400 + 2 * at
        filled = [0.95, 0.8, 0.5, 0.1][at % 4]
        value = f"case when hash(i, {salt + 1}) % 100 = 0 then 'nan'::double else {share(salt)} end"
        yield name, sparse(salt + 1, filled, value)


def artifacts(salt, most, *names):
    """SQL of a list of artifact versions."""
    version = f"(hash(i, k, {salt}) % 50)::bigint"
    aliases = f"case when hash(i, k, {salt + 1}) % 10 < 7 then ['latest', 'v' || {version}] else ['v' || {version}] end"
    texts = ", ".join(f"'{name}'" for name in names)
    item = f"""{{'name': [{texts}][k], 'type': case k when 1 then 'model' when 2 then 'evaluation' else 'dataset' end,
        'version': {version}, 'aliases': {aliases}, 'size': (hash(i, k, {salt + 2}) % 1000000000)::bigint,
        'digest': md5((hash(i, k, {salt}) % 50)::varchar || k), 'state': 'COMMITTED',
        'created_at': timestamptz '2023-11-01 00:00:00+00' + to_microseconds((i::double * 94608000000000 / runs)::bigint),
        'id': 'QXJ0' || (hash(i, k, {salt + 3}) % 1000000)}}"""
    return f"list_transform(range(1, (hash(i, {salt}) % {most + 1})::bigint + 1), lambda k: {item})"


def main():
    """Writes the file."""
    path, runs = sys.argv[1], int(sys.argv[2])
    columns = [*fixed(), *config(), *summary()]
    columns.append(("logged_artifacts", artifacts(900, 3, "model", "evaluation", "predictions")))
    columns.append(("used_artifacts", artifacts(910, 2, "weights", "metrics")))
    assert len(columns) == 200 and len({name for name, _ in columns}) == 200
    listed = ",\n".join(f'{sql} as "{name}"' for name, sql in columns)
    db = duckdb.connect()
    db.execute("set timezone = 'UTC'; set preserve_insertion_order = true")
    db.execute(f"create macro numbered() as table select i, {runs} as runs from range({runs}) as t(i)")
    db.execute(f"copy (select {listed} from numbered()) to '{path}' (format parquet, compression zstd, row_group_size 65536)")


if __name__ == "__main__":
    main()
