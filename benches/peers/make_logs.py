#!/usr/bin/env python3
"""Makes the logs that logs.py measures on, with the W&B SDK's own writer of its log (wandb 0.29.0).

    benches/peers/logs.sh calls it; by hand: python make_logs.py FOLDER, with wandb==0.29.0 installed

OUT/a   one log of about 75 MB: 100,000 history rows of 13 values, with the records that wandb-core writes:
        two SummaryRecords, then one HistoryRecord, a step, all items by nested_key
OUT/b   10,000 run folders of about 6 KB and 44 records: 20 config keys, 20 summary keys, 12 rows
OUT/c   10,000 run folders that share 5,000 keys (half config, half summary), 100 keys in each
"""

import argparse
import json
import os
import random
import shutil
import sys
import time

from wandb.proto import wandb_internal_pb2 as pb
from wandb.sdk.internal.datastore import DataStore

START = 1_793_600_000


def number(x):
    """As wandb-core writes numbers: `1` for 1.0, an exponent for large ones."""
    if isinstance(x, int):
        return str(x)
    if x == int(x) and abs(x) < 1e6:
        return str(int(x))
    if abs(x) >= 1e6:
        digits, exp = f"{x:.16e}".split("e")
        return f"{digits.rstrip('0')}e+{int(exp):02d}"
    return repr(x)


class Log:
    def __init__(self, path):
        self.store = DataStore()
        self.store.open_for_write(path)
        self.num = 0

    def write(self, record):
        self.num += 1
        record.num = self.num
        self.store.write(record)

    def close(self):
        self.store.close()
        return self.num


def opening(log, run_id, project, config, start, rng):
    rec = pb.Record()
    rec.header.version_info.producer = "0.29.0+0000000000000000000000000000000000000000"
    rec.header.version_info.min_consumer = "0.70.0"
    rec._info.stream_id = run_id
    log.write(rec)

    rec = pb.Record()
    run = rec.run
    run.run_id, run.entity, run.project = run_id, "lab", project
    run.display_name = f"run-{rng.randrange(10**6)}"
    run.job_type = rng.choice(["train", "eval"])
    run.run_group = rng.choice(["", "a", "b"])
    run.tags.extend(rng.sample(["good", "bad", "long", "baseline"], rng.randrange(3)))
    run.host = "lab-node"
    run.start_time.seconds, run.start_time.nanos = start, 123_456_000
    run.config.update.add(key="_wandb", value_json="{}")
    for key, value in config.items():
        run.config.update.add(key=key, value_json=json.dumps(value))
    rec._info.stream_id = run_id
    log.write(rec)

    rec = pb.Record()
    env = rec.environment
    env.os, env.python, env.program, env.host = "Linux-6.1.0-x86_64", "CPython 3.11.7", "train.py", "lab-node"
    env.username = rng.choice(["ada", "grace", "alan"])
    env.email = env.username + "@example.org"
    env.started_at.seconds, env.started_at.nanos = start, 123_456_000
    env.writer_id = f"{rng.getrandbits(128):032x}"
    log.write(rec)

    rec = pb.Record()
    rec.files.files.add(path="requirements.txt", type=1)
    log.write(rec)

    rec = pb.Record()
    rec.telemetry.python_version, rec.telemetry.cli_version = "3.11.7", "0.29.0"
    rec._info.stream_id = run_id
    log.write(rec)


def step(log, n, values, start, seconds):
    """One run.log, as wandb-core writes it."""
    rec = pb.Record()
    rec.summary.update.add(nested_key=["_wandb", "runtime"], value_json=str(int(seconds)))
    rec.summary.update.add(key="_runtime", value_json=str(int(seconds)))
    log.write(rec)
    items = [(k, number(v)) for k, v in values.items()]
    items += [("_timestamp", number(start + seconds)), ("_runtime", number(seconds)), ("_step", str(n))]
    rec = pb.Record()
    for key, text in items:
        rec.summary.update.add(nested_key=[key], value_json=text)
    log.write(rec)
    rec = pb.Record()
    for key, text in items:
        rec.history.item.add(nested_key=[key], value_json=text)
    rec.history.step.num = n
    log.write(rec)


def closing(log, run_id, summary, seconds):
    for key, value in summary.items():
        rec = pb.Record()
        rec.summary.update.add(key=key, value_json=number(value) if isinstance(value, (int, float)) else json.dumps(value))
        rec._info.stream_id = run_id
        log.write(rec)
    rec = pb.Record()
    rec.exit.runtime = int(seconds)
    rec._info.stream_id = run_id
    log.write(rec)


def ident(rng):
    return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(8))


def folder(out, start, run_id):
    stamp = time.strftime("%Y%m%d_%H%M%S", time.gmtime(start))
    path = f"{out}/offline-run-{stamp}-{run_id}"
    os.makedirs(path)
    return f"{path}/run-{run_id}.wandb"


METRICS = ["loss", "val/loss", "accuracy", "val/accuracy", "lr", "grad_norm", "epoch", "tokens", "gpu/mem", "throughput"]


def config_of(rng, i):
    lr = rng.choice([0.1, 0.03, 0.01, 0.003, 0.001])
    return {
        "learning_rate": lr,
        "batch_size": rng.choice([32, 64, 128]),
        "epochs": 10,
        "seed": i,
        "model": {"kind": rng.choice(["cnn", "vit"]), "depth": rng.randrange(2, 12), "width": 256, "act": "gelu"},
        "optimizer": {"name": "adam", "lr": lr, "betas": [0.9, 0.999], "eps": 1e-08},
        "data": {"name": "mnist", "shuffle": True, "workers": 4, "path": f"/data/part-{i % 50}"},
        "dropout": rng.choice([None, 0.1, 0.2]),
        "warmup": rng.choice([500, "auto"]),
        "precision": "bf16",
        "clip": 1.0,
        "note": f"run number {i}",
    }


def make_a(out, rows):
    rng = random.Random(1)
    os.makedirs(out)
    run_id = ident(rng)
    log = Log(folder(out, START, run_id))
    opening(log, run_id, "long", config_of(rng, 0), START, rng)
    for n in range(rows):
        values = {m: round(rng.random(), 12) for m in METRICS}
        values["epoch"], values["tokens"] = n // 1000, n * 4096
        step(log, n, values, START, round(n * 0.731 + 0.25, 6))
    closing(log, run_id, {"best_val_loss": 0.0123, "status": "converged"}, rows * 0.731)
    return log.close()


def make_b(out, runs):
    rng = random.Random(2)
    records = 0
    for i in range(runs):
        run_id, start = ident(rng), START + 61 * i
        log = Log(folder(out, start, run_id))
        opening(log, run_id, f"project-{i % 7}", config_of(rng, i), start, rng)
        rows = rng.randrange(10, 12)
        for n in range(rows):
            step(log, n, {m: round(rng.random(), 7) for m in METRICS[:5]}, start, round(n * 3.7 + 0.25, 6))
        summary = {f"final/{k}": rng.random() for k in ("acc", "loss", "f1")}
        summary.update({"status": rng.choice(["ok", "plateau"]), "best": {f"m{j}": rng.random() for j in range(8)}})
        summary["training_time_seconds"] = rows * 3.7
        closing(log, run_id, summary, rows * 3.7)
        records += log.close()
    return records


def make_c(out, runs, distinct, each):
    rng = random.Random(3)
    half = distinct // 2
    records = 0
    for i in range(runs):
        run_id, start = ident(rng), START + 61 * i
        log = Log(folder(out, start, run_id))
        config = {f"layer_{k:04d}_size": rng.randrange(4096) for k in rng.sample(range(half), each // 2)}
        opening(log, run_id, "wide", config, start, rng)
        rec = pb.Record()
        for k in rng.sample(range(half), each // 2):
            rec.summary.update.add(nested_key=[f"metric_{k:04d}"], value_json=number(rng.random()))
        log.write(rec)
        closing(log, run_id, {}, 60.0)
        records += log.close()
    return records


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of rows and runs, for a quick try")
    args = parser.parse_args()
    n = int(10_000 * args.scale)
    for name, make in (
        ("a", lambda p: make_a(p, 10 * n)),
        ("b", lambda p: make_b(p, n)),
        ("c", lambda p: make_c(p, n, 5000, 100)),
    ):
        path = f"{args.out}/{name}"
        shutil.rmtree(path, ignore_errors=True)
        began = time.time()
        records = make(path)
        sizes = [os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(path) for f in files]
        print(
            f"{path}: {len(sizes)} logs, {sum(sizes) / 1e6:.1f} MB, {sum(sizes) / len(sizes) / 1e3:.1f} KB and "
            f"{records / len(sizes):.1f} records each, made in {time.time() - began:.0f} s",
            file=sys.stderr,
        )


if __name__ == "__main__":
    main()
