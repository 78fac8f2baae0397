"""Asks runframe and DuckDB the same questions about the same Parquet file, and compares the answers value by value.

usage: questions.py RUNFRAME FOLDER

The table has NaN, infinities, nulls, ties, empty groups, keys with values of several kinds, lists that are empty or null, artifacts, and
creation times around the nights in which clocks are set forward and back. Each question is a command line and the SQL of DuckDB.
"""

import datetime
import json
import math
import random
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

UTC = datetime.timezone.utc
NOW = datetime.datetime(2026, 11, 1, tzinfo=UTC)
NIGHTS = [
    datetime.datetime(2026, 3, 28, 18, tzinfo=UTC),  # Berlin forward on 29 March, 01:00 UTC
    datetime.datetime(2026, 10, 24, 18, tzinfo=UTC),  # and back on 25 October, 01:00 UTC
    datetime.datetime(2026, 3, 7, 22, tzinfo=UTC),  # New York forward on 8 March, 07:00 UTC
]
VERSION = pa.struct([
    ("name", pa.string()), ("type", pa.string()), ("version", pa.int64()), ("aliases", pa.list_(pa.string())),
    ("size", pa.int64()), ("digest", pa.string()), ("state", pa.string()), ("created_at", pa.timestamp("us", "UTC")),
    ("id", pa.string()),
])


def version(r, name, index):
    aliases = (["latest"] if r.random() < 0.5 else []) + (["best"] if r.random() < 0.2 else [])
    return {"name": name, "type": "dataset" if name == "data" else "model", "version": index, "aliases": aliases,
            "size": r.randrange(1, 10**6), "digest": f"{r.randrange(16**8):08x}", "state": "COMMITTED",
            "created_at": NOW, "id": f"{name}-{index}"}


def run(r, number):
    if r.random() < 0.4:
        created = r.choice(NIGHTS) + datetime.timedelta(minutes=r.randrange(0, 24 * 60))
    else:
        created = NOW - datetime.timedelta(seconds=r.randrange(0, 400 * 86400), microseconds=r.randrange(10**6))
    lives = r.random() < 0.93
    seconds = r.choice([0.0, 60.0, r.random() * 1e5])
    heartbeat = created + datetime.timedelta(seconds=seconds) if lives else None
    group = r.choice(["wide", "deep", "straße", None, "never"])
    # Nobody in the group `never` has an accuracy: an empty group of values.
    acc = None if group == "never" else r.choice([None, math.nan, 0.5, 0.9, round(r.random(), 3), r.random()])
    warm = r.choice([None, 100.0, 0.05, "auto", "none", True])
    return {
        "entity": "lab", "project": r.choice(["mnist", "translate", "cifar"]), "name": f"run{number:05d}",
        "display_name": r.choice(["fluffy-cloud", "sour-note", None]) and f"{r.choice(['fluffy', 'sour'])}-{number % 97}",
        "state": r.choice(["finished"] * 6 + ["failed", "crashed", "running"]),
        "created_at": created, "heartbeat_at": heartbeat, "updated_at": heartbeat,
        "runtime": (heartbeat - created).total_seconds() if lives else None,
        "job_type": r.choice(["train", "eval", None]), "group": group, "sweep": r.choice([None, None, "s1", "s2"]),
        "notes": r.choice([None, "", "it's 50% done", "ünï"]), "host": r.choice(["a", "b"]),
        "tags": r.choice([None, [], ["good"], ["good", "big"], ["big", "big"], ["x", "good"]]),
        "user.username": r.choice(["ada", "alan", "grace", None]),
        "history_rows": r.choice([None, r.randrange(1000)]),
        "config.lr": r.choice([0.1, 0.01, 0.001, None]),
        "config.batch/size": r.choice([16, 32, 64, None]),
        "config.seed": r.choice([1, 2, 3, 2**53 + 1, -(2**62)]),
        "config.flag": r.choice([True, False, None]),
        "config.warmup": warm if isinstance(warm, float) else None,
        "config.warmup:string": warm if isinstance(warm, str) else None,
        "config.warmup:bool": warm if isinstance(warm, bool) else None,
        "config.layers": r.choice([None, [1, 2], [3], []]),
        "summary.acc": acc,
        "summary.loss": r.choice([None, math.inf, -math.inf, math.nan, r.random() * 10, 1.0, 2.0]),
        "summary.val/loss": r.choice([None, r.random()]),
        "summary.epoch": r.choice([None, r.randrange(100)]),
        "logged_artifacts": [version(r, "model", r.randrange(5)) for _ in range(r.randrange(3))]
        + ([version(r, "eval", 0)] if r.random() < 0.3 else []),
        "used_artifacts": [version(r, "data", r.randrange(4))] if r.random() < 0.6 else [],
    }


def make(path):
    r = random.Random(20261101)
    rows = [run(r, number) for number in range(800)]
    time = pa.timestamp("us", "UTC")
    types = {"created_at": time, "heartbeat_at": time, "updated_at": time, "tags": pa.list_(pa.string()),
             "history_rows": pa.int64(), "config.batch/size": pa.int64(), "config.seed": pa.int64(),
             "config.layers": pa.list_(pa.int64()), "config.flag": pa.bool_(), "config.warmup:bool": pa.bool_(),
             "logged_artifacts": pa.list_(VERSION), "used_artifacts": pa.list_(VERSION)}
    floats = ["runtime", "config.lr", "config.warmup", "summary.acc", "summary.loss", "summary.val/loss"]
    types.update({name: pa.float64() for name in floats}, **{"summary.epoch": pa.int64()})
    schema = pa.schema([(name, types.get(name, pa.string())) for name in rows[0]])
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)


FINITE = 'case when isnan("summary.acc") then null else "summary.acc" end'
BERLIN = "timezone('Europe/Berlin', created_at)"
YORK = "timezone('America/New_York', created_at)"
WHERE = [  # condition in our language; in DuckDB's, where they differ
    ("summary.acc > 0.5", '"summary.acc" > 0.5 and not isnan("summary.acc")'),
    ("summary.acc != 0.5", '"summary.acc" <> 0.5'),
    ("not summary.acc > 0.5", '(isnan("summary.acc") or "summary.acc" <= 0.5)'),
    ("summary.acc = summary.acc", '"summary.acc" is not null and not isnan("summary.acc")'),
    ("is_nan(summary.acc)", 'isnan("summary.acc")'),
    ("summary.loss > 1e300", "\"summary.loss\" = 'inf'::double"),
    ("summary.loss < -1e300 or summary.loss is null", "\"summary.loss\" = '-inf'::double or \"summary.loss\" is null"),
    ("summary.val/loss < 0.2 and config.batch/size >= 32", '"summary.val/loss" < 0.2 and "config.batch/size" >= 32'),
    ("summary.epoch/2 < 10", '"summary.epoch" / 2 < 10'),
    ("config.seed = 9007199254740993", '"config.seed" = 9007199254740993'),
    ("config.seed % 2 = 1", '"config.seed" % 2 = 1'),
    ("config.warmup = 'auto'", "\"config.warmup:string\" = 'auto'"),
    ("config.warmup > 1", '"config.warmup" > 1'),
    ("config.warmup = true", '"config.warmup:bool"'),
    ("config.warmup is null", 'coalesce("config.warmup"::varchar, "config.warmup:string", "config.warmup:bool"::varchar) is null'),
    ("config.flag", '"config.flag"'),
    ("config.flag is not true", '"config.flag" is not true'),
    ("group = 'straße' or job_type is null", "\"group\" = 'straße' or job_type is null"),
    ("group is distinct from 'wide'", "\"group\" is distinct from 'wide'"),
    ("group not in ('wide', 'deep')", "\"group\" not in ('wide', 'deep')"),
    ("user is null", '"user.username" is null'),
    ("contains(tags, 'good')", "list_contains(tags, 'good')"),
    ("not contains(tags, 'good')", "not list_contains(tags, 'good')"),
    ("len(tags) = 0", "len(tags) = 0"),
    ("contains(config.layers, 3)", 'list_contains("config.layers", 3)'),
    ("notes like '%50\\%%' escape '\\'", "notes like '%50\\%%' escape '\\'"),
    ("notes = ''", "notes = ''"),
    ("display_name ilike 'FLUFFY-_'", "display_name ilike 'FLUFFY-_'"),
    ("name ~ '[02468]$'", "regexp_matches(name, '[02468]$')"),
    ("created_at >= '2026-03-29' and created_at < '2026-03-30'", "created_at >= '2026-03-29 00:00:00+00' and created_at < '2026-03-30 00:00:00+00'"),
    ("heartbeat_at - created_at > interval '1 hour'", "heartbeat_at - created_at > interval '1 hour'"),
    ("runtime between 60 and 3600", "runtime between 60 and 3600"),
    ("len(logged_artifacts) > 1", "len(logged_artifacts) > 1"),
    ("logged('model').version >= 3", "(select max(a.version) from (select unnest(logged_artifacts) a) where a.name = 'model') >= 3"),
    ("logged('model:latest').size > 5000", """(select a.size from (select unnest(logged_artifacts) a, generate_subscripts(logged_artifacts, 1) i)
        where a.name = 'model' and list_contains(a.aliases, 'latest') order by a.version desc, i desc limit 1) > 5000"""),
    ("used('data').version != 3", "(select max(a.version) from (select unnest(used_artifacts) a) where a.name = 'data') != 3"),
    ("used('data:v2') is not null", "len(list_filter(used_artifacts, lambda a: a.name = 'data' and a.version = 2)) > 0"),
    ("case when runtime > 3600 then 'long' when runtime is null then 'none' else 'short' end = 'none'", "runtime is null"),
    ("coalesce(summary.epoch, history_rows, -1) < 50", 'coalesce("summary.epoch", history_rows, -1) < 50'),
]
ASKED = [  # arguments; DuckDB's SQL; True if the order counts
    (["query", "-s", "name,summary.acc", "--sort", "-summary.acc,name", "-n", "25"],
     f'select name, "summary.acc" from runs order by {FINITE} desc nulls last, name limit 25', True),
    (["query", "-s", "name,summary.loss", "--sort", "summary.loss,-name", "-n", "500"],
     'select name, "summary.loss" from runs order by case when isnan("summary.loss") then null else "summary.loss" end nulls last, name desc limit 500', True),
    (["query", "-s", "name,runtime / 3600 as hours,upper(state) as s,round(config.lr, 2) as lr"],
     'select name, runtime / 3600, upper(state), round("config.lr", 2) from runs', False),
    (["query", "-s", "name,date(created_at) as day,hour(created_at) as hour", "--tz", "Europe/Berlin"],
     f"select name, {BERLIN}::date, hour({BERLIN}) from runs", False),
    (["query", "-s", "name,date(created_at) as day,hour(created_at) as hour,minute(created_at) as minute", "--tz", "America/New_York"],
     f"select name, {YORK}::date, hour({YORK}), minute({YORK}) from runs", False),
    (["group", "-a", "n(),n(summary.acc),nunique(user),sum(runtime)"],
     'select count(*), count("summary.acc"), count(distinct "user.username"), sum(runtime) from runs', False),
    (["group", "-a", "n() as n,max(runtime)", "-w", "name = 'nobody'"], "select 0, null::double", False),
    (["group", "-b", "user", "-a", "n(),mean(runtime),median(runtime),std(runtime)"],
     'select "user.username", count(*), avg(runtime), median(runtime), stddev_samp(runtime) from runs group by 1', False),
    (["group", "-b", "group", "-a", "min(summary.acc),max(summary.acc)"],
     f'select "group", coalesce(min({FINITE}), min("summary.acc")), coalesce(max({FINITE}), max("summary.acc")) from runs group by 1', False),
    (["group", "-b", "group", "-a", "mean(summary.acc),sum(summary.epoch),nunique(summary.acc)"],
     'select "group", case when bool_or(isnan("summary.acc")) then \'nan\'::double else avg("summary.acc") end, sum("summary.epoch")::bigint, count(distinct "summary.acc") from runs group by 1', False),
    (["group", "-b", "group,state", "-a", "n(),q(runtime, 0.9),sem(runtime)"],
     'select "group", state, count(*), quantile_cont(runtime, 0.9), stddev_samp(runtime) / sqrt(count(runtime)) from runs group by 1, 2', False),
    (["group", "-b", "tags", "-a", "n(),mean(config.lr)"],
     'select tag, count(*), avg("config.lr") from (select *, unnest(case when len(tags) > 0 then list_distinct(tags) else [null] end) tag from runs) group by 1', False),
    (["group", "-b", "created_at:1d", "-a", "n(),sum(runtime)", "--tz", "Europe/Berlin"],
     f"select {BERLIN}::date, count(*), sum(runtime) from runs group by 1", False),
    (["group", "-b", "created_at:1d", "-a", "n()", "--tz", "America/New_York"],
     f"select {YORK}::date, count(*) from runs group by 1", False),
    (["group", "-b", "created_at:1w", "-a", "n()", "--tz", "Europe/Berlin"],
     f"select date_trunc('week', {BERLIN})::date, count(*) from runs group by 1", False),
    (["group", "-b", "created_at:1mo,project", "-a", "n(),any(state = 'failed'),all(state = 'finished')", "--tz", "America/New_York"],
     f"select date_trunc('month', {YORK})::date, project, count(*), bool_or(state = 'failed'), bool_and(state = 'finished') from runs group by 1, 2", False),
    (["group", "-b", "created_at:1h", "-a", "n()"],
     "select date_trunc('hour', created_at), count(*) from runs group by 1", False),
    (["group", "-b", "created_at:1h", "-a", "n()", "--tz", "Europe/Berlin", "-w", "created_at >= '2026-10-24' and created_at < '2026-10-26'"],
     "select date_trunc('hour', created_at), count(*) from runs where created_at >= '2026-10-24 00:00:00+00' and created_at < '2026-10-26 00:00:00+00' group by 1", False),
    (["group", "-b", "created_at:1y", "-a", "n()"], "select date_trunc('year', created_at)::date, count(*) from runs group by 1", False),
    (["group", "-b", "config.lr", "-a", "n(),max(summary.val/loss) - min(summary.val/loss) as spread"],
     'select "config.lr", count(*), max("summary.val/loss") - min("summary.val/loss") from runs group by 1', False),
    (["group", "-b", "config.flag", "-a", "sum(runtime) / 3600 as hours,mean(runtime > 3600)"],
     'select "config.flag", sum(runtime) / 3600, avg((runtime > 3600)::int) from runs group by 1', False),
    (["group", "-b", "runtime > 3600 as long", "-a", "n()"], "select runtime > 3600, count(*) from runs group by 1", False),
    (["group", "-b", "project", "-a", "first(name),last(name)"],
     "select project, first(name order by created_at, name), last(name order by created_at, name) from runs group by 1", False),
    (["group", "-b", "project", "-a", "list(state)"],
     "select project, list(state order by created_at, name) from runs group by 1", False),
    (["group", "-b", "project", "-a", "n(config.warmup),nunique(config.warmup)"],
     'select project, count(w), count(distinct w) from (select project, coalesce("config.warmup"::varchar, "config.warmup:string", "config.warmup:bool"::varchar) w from runs) group by 1', False),
    (["group", "-b", "group", "-a", "best(summary.acc)", "-s", "name,summary.acc"],
     f"""select "group", case when a is null then null else name end, a from (select "group", name, {FINITE} a,
        row_number() over (partition by "group" order by {FINITE} desc nulls last, created_at, name) place from runs) where place = 1""", False),
    (["group", "-b", "user", "-a", "best(summary.loss)", "--minimize", "-s", "name,summary.loss"],
     """select u, case when l is null then null else name end, l from (select "user.username" u, name, l,
        row_number() over (partition by "user.username" order by l nulls last, created_at, name) place
        from (select *, case when isnan("summary.loss") then null else "summary.loss" end l from runs)) where place = 1""", False),
    (["group", "-b", "user", "-a", "n() as runs", "--sort", "-runs,user", "-n", "2"],
     'select "user.username" u, count(*) n from runs group by 1 order by n desc, u nulls last limit 2', True),
    (["sql", "select project, count(*) as n, max(runtime) as longest from runs where created_at >= '2026-03-01' group by project"],
     "select project, count(*), max(runtime) from runs where created_at >= '2026-03-01 00:00:00+00' group by 1", False),
    (["sql", "select r.user.username, a.artifact.name, count(*) as n from runs r join artifacts a on r.name = a.name group by all"],
     """select "user.username", a.name, count(*) from (select "user.username", unnest(list_concat(logged_artifacts, used_artifacts)) a from runs) group by 1, 2""", False),
    (["sql", "select name, rank() over (partition by project order by runtime desc) as place from runs where runtime is not null"],
     "select name, rank() over (partition by project order by runtime desc) from runs where runtime is not null", False),
    (["artifacts", "--logged", "--name", "mod*", "-s", "name,artifact.name,artifact.version,artifact.size"],
     "select name, a.name, a.version, a.size from (select name, unnest(logged_artifacts) a from runs) where a.name = 'model'", False),
    (["artifacts", "--used", "--type", "dataset", "-s", "name,direction,artifact.version"],
     "select name, 'used', a.version from (select name, unnest(used_artifacts) a from runs) where a.type = 'dataset'", False),
    (["artifacts", "--require", "model:latest,eval", "-s", "name"],
     """select name from runs where len(list_filter(logged_artifacts, lambda a: a.name = 'model' and list_contains(a.aliases, 'latest'))) = 0
        or len(list_filter(logged_artifacts, lambda a: a.name = 'eval' and list_contains(a.aliases, 'latest'))) = 0""", False),
    (["artifacts", "--used-by", "data:v2", "-s", "name"],
     "select name from runs where len(list_filter(used_artifacts, lambda a: a.name = 'data' and a.version = 2)) > 0", False),
]


def answer(binary, words, source, out):
    verb, rest = words[0], words[1:]
    where = [verb, *rest[:1], source, *rest[1:]] if verb == "sql" else [verb, source, *rest]
    done = subprocess.run([binary, *where, "-q", "-o", out], capture_output=True, text=True)
    # 6 tells of findings, which are the answer.
    assert done.returncode in (0, 6), f"{words}\n{done.stderr}"
    return rows(duckdb.sql(f"select * from '{out}'"))


def plain(value):
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= 2**53:
        return float(value)
    return json.dumps(value, default=str) if isinstance(value, (list, dict)) else value


def rows(relation):
    """The rows, times as microseconds since 1970."""
    names = [f"c{at}" for at in range(len(relation.columns))]
    shown = [f"epoch_us({name})" if "TIME ZONE" in str(kind) else name for name, kind in zip(names, relation.types)]
    found = duckdb.sql(f"select {', '.join(shown)} from relation as t({', '.join(names)})")
    return [tuple(plain(value) for value in row) for row in found.fetchall()]


def order(row):
    return [(value is None, isinstance(value, float) and math.isnan(value), str(type(value)), 0.0 if value is None else value) for value in row]


def same(ours, theirs):
    """Equal, but for the last digits of floats: sums depend on the order of their terms."""
    if isinstance(ours, float) and isinstance(theirs, float):
        both_nan = math.isnan(ours) and math.isnan(theirs)
        return both_nan or ours == theirs or math.isclose(ours, theirs, rel_tol=1e-11, abs_tol=1e-12)
    return type(ours) is type(theirs) and ours == theirs


def main():
    binary, folder = sys.argv[1], Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    source, out = str(folder / "runs.parquet"), str(folder / "answer.parquet")
    make(source)
    duckdb.sql("set timezone = 'UTC'")
    duckdb.sql(f"create table runs as select * from '{source}'")
    asked = [(["query", "-s", "name", "-w", ours], f"select name from runs where {theirs}", False) for ours, theirs in WHERE]
    asked += ASKED
    wrong = empty = 0
    for words, sql, ordered in asked:
        ours, theirs = answer(binary, words, source, out), rows(duckdb.sql(sql))
        if not ordered:
            ours, theirs = (sorted(found, key=order) for found in (ours, theirs))
        empty += not theirs
        differ = [pair for pair in zip(ours, theirs) if len(pair[0]) != len(pair[1]) or not all(map(same, *pair))]
        if differ or len(ours) != len(theirs):
            wrong += 1
            print(f"DIFFERENT {words}\n  {len(ours)} rows, DuckDB {len(theirs)}; ours and DuckDB's: {differ[:3]}")
    assert len(asked) >= 60, len(asked)
    assert empty <= 1, f"{empty} questions find nothing, which proves little"
    print(f"questions: {len(asked) - wrong} of {len(asked)} answered as DuckDB does")
    sys.exit(1 if wrong else 0)


main()
