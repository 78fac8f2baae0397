#!/usr/bin/env python3
"""Makes examples/wandb: small, real runs of the W&B SDK in offline mode.

    pip install wandb==0.31.0
    python examples/make_wandb.py new-wandb     # a minute; no account, no network

Every run is a process of its own that uses `wandb.init(mode="offline")` as a training program would. What is fixed:
ids, names, configs, metrics, times. What is not: the order of items inside a record and the SDK's random ids
(artifact client ids, mailbox slots), so the bytes differ from one making to the next, the meaning does not.

Two things are written here and not by the SDK, with its own protobuf classes and the documented framing of the log:

* Times. The SDK always takes the present second as the start (`wandb.init` overwrites `x_start_time`), and
  wandb-core, a Go program, measures `_runtime` with its own clock, so neither a setting nor faketime can make a run of
  26 hours last week. After each run its log is read, the time fields are moved to the planned start and duration, and
  the log is written again; the folder is renamed to agree.
* UseArtifactRecord. `run.use_artifact` raises offline, whereas an online run has this record in its log. Eight runs get
  one or two, after the run's first records, where an online run has them.

Nothing of the machine is in the files: host, program, executable, root and platform are set; the debug logs are dropped.
"""

import argparse
import base64
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time
import zlib
from datetime import datetime, timezone

LAB = "/tmp/lab"  # a neutral place: the SDK records the run's root folder and where artifact files were staged
SDK = "0.31.0"
ENTITY = "lab"


# ------------------------------------------------------------------ what the runs are


def ident(text):
    """A fixed id of the form that W&B makes: eight characters, lower case."""
    rng = random.Random("runframe " + text)
    return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(8))


def at(day, clock):
    """Seconds since 1970 of a day of November 2026, UTC, `clock` being HH:MM:SS.ffffff."""
    text = f"2026-11-{day:02d}T{clock}+00:00"
    return datetime.fromisoformat(text)


class Run:
    """One process: how it is started, what it logs, how it ends, and when it is said to have happened."""

    def __init__(self, project, name, user, start, seconds, **more):
        self.project, self.user, self.start, self.seconds = project, user, start, seconds
        self.id = more.pop("id", None) or ident(project + " " + name)
        self.display_name = name if more.pop("named", True) else None
        self.job_type = more.pop("job_type", None)
        self.group = more.pop("group", None)
        self.notes = more.pop("notes", None)
        self.tags = more.pop("tags", None)
        self.sweep = more.pop("sweep", None)
        self.config = more.pop("config", {})
        self.update = more.pop("update", {})  # a later run.config.update
        self.metrics = more.pop("metrics", [])  # (name, aggregates) for define_metric
        self.rows = more.pop("rows", [])
        self.summary = more.pop("summary", {})
        self.artifacts = more.pop("artifacts", [])  # (name, type, aliases, {file: bytes})
        self.used = more.pop("used", [])  # (name:alias, type)
        self.prints = more.pop("prints", [])
        self.stats = more.pop("stats", False)
        self.end = more.pop("end", "finish")  # finish, fail, kill
        self.keep_files = more.pop("keep_files", False)
        assert not more, more


def curve(seed, epochs, lr, good):
    """Rows of a training curve: falling loss, rising accuracy, rounded so that the numbers are readable."""
    rng = random.Random(seed)
    rows, loss, val = [], 2.3, 2.3
    for epoch in range(epochs):
        loss = loss * (0.35 + 0.1 * rng.random()) + 0.01
        val = val * (0.36 + 0.1 * rng.random()) + good
        acc = max(0.1, 1 - 0.42 * val - 0.002 * rng.random())
        rows.append(
            {
                "epoch": epoch,
                "loss": round(loss, 5),
                "val_loss": round(val, 5),
                "accuracy": round(acc, 4),
                "lr": lr,
            }
        )
    return rows


def closing(rows, seconds):
    """What a training program sets at the end."""
    return {
        "best_val_loss": min(r["val_loss"] for r in rows),
        "training_time_seconds": round(seconds * 0.97, 2),
    }


def blob(seed, size):
    return random.Random(seed).randbytes(size)


def model(seed, size, aliases=("latest", "best")):
    return ("model", "model", list(aliases), {"model.bin": blob(seed, size), "card.md": b"# a model\n"})


def evaluation(seed, accuracy):
    text = json.dumps({"accuracy": accuracy, "n": 10000}).encode()
    return ("evaluation", "evaluation", ["latest"], {"scores.json": text, "wrong.bin": blob(seed, 96)})


def dataset(name, seed, size, aliases=("latest",)):
    return (name, "dataset", list(aliases), {"part-0.bin": blob(seed, size), "part-1.bin": blob(seed + 1, size // 2)})


def runs():
    all_runs = []

    def add(*args, **more):
        all_runs.append(Run(*args, **more))
        return all_runs[-1]

    # --- mnist, training -----------------------------------------------------------------------------------------
    plans = [
        # name, user, day, clock, seconds, learning rate, batch, epochs, rest of val_loss, tags
        ("fluffy-cloud-1", "ada", 2, "08:15:04.120000", 412.5, 0.1, 32, 4, 0.08, ["baseline"]),
        ("brisk-river-2", "ada", 2, "09:40:31.004500", 1830.25, 0.03, 64, 6, 0.012, ["baseline", "good"]),
        ("amber-field-3", "grace", 2, "14:02:59.999999", 3725.0, 0.01, 64, 8, 0.010, None),
        ("quiet-moon-4", "grace", 3, "07:30:00.000001", 5401.75, 0.003, 128, 8, 0.016, ["good"]),
        ("silver-leaf-5", "alan", 3, "11:21:45.500000", 95.5, 0.001, 256, 3, 0.1, []),
        ("dry-wind-6", "alan", 3, "19:48:12.345678", 2711.125, 0.02, 64, 6, 0.011, ["good", "größer"]),
        ("still-lake-7", "ada", 4, "06:05:10.250000", 93784.5, 0.0005, 512, 8, 0.013, ["long"]),
        ("warm-stone-8", "grace", 4, "10:10:10.101010", 640.0, 0.05, 32, 5, 0.02, ["baseline"]),
        ("deep-forest-9", "alan", 5, "12:00:00.750000", 7260.5, 0.015, 128, 7, 0.009, ["good", "release"]),
        ("tiny-spark-10", "ada", 5, "16:33:20.000250", 61.25, 0.3, 16, 3, 0.9, ["diverged"]),
        ("late-sun-11", "grace", 6, "09:09:09.090909", 1999.0, 0.008, 64, 6, 0.012, None),
        ("north-star-12", "alan", 6, "21:59:58.000000", 8100.875, 0.012, 64, 8, 0.008, ["good"]),
    ]
    for i, (name, user, day, clock, seconds, lr, batch, epochs, rest, tags) in enumerate(plans, 1):
        rows = curve(f"mnist {i}", epochs, lr, rest)
        config = {
            "learning_rate": lr,
            "batch_size": batch,
            "epochs": epochs,
            "seed": 1000 + i,
            "dataset": {"name": "mnist", "split": {"train": 50000, "val": 10000}, "shuffle": True},
            "model": {"kind": "cnn", "depth": 2 + i % 3, "width": [32, 64, 128][: 1 + i % 3]},
            "optimizer": {"name": ["adam", "sgd", "adamw"][i % 3], "lr": lr},
            "dropout": None if i % 4 == 0 else round(0.1 * (i % 4), 1),
            "augment": i % 2 == 0,
            "classes": ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
            "größe": 28,
        }
        run = add(
            "mnist",
            name,
            user,
            at(day, clock),
            seconds,
            job_type="train",
            tags=tags,
            config=config,
            rows=rows,
            summary=closing(rows, seconds),
            artifacts=[model(i, 4000 + 512 * i)],
            named=i not in (5, 11),
            notes=[None, "first look", None, "slower, better", "", None][i % 6],
            group=["baselines", None, "wider"][i % 3],
            keep_files=i == 1,
        )
        if i in (2, 3, 6, 9, 12):
            run.artifacts.append(evaluation(100 + i, rows[-1]["accuracy"]))
    by = {r.display_name or r.id: r for r in all_runs}
    m = list(all_runs)
    by["brisk-river-2"].artifacts.append(dataset("training-data", 200, 9000))
    by["quiet-moon-4"].artifacts.append(dataset("data-clean", 210, 7000, ["latest", "clean"]))
    by["deep-forest-9"].artifacts[0] = model(9, 8192, ("latest", "best", "production"))
    by["warm-stone-8"].artifacts = []  # a train run without a model
    by["tiny-spark-10"].artifacts = [("model", "model", ["latest"], {"model.bin": b"NaN"})]

    # the same key with different kinds of value, and numbers at their limits
    m[0].config["warmup"] = 500
    m[1].config["warmup"] = "auto"
    m[2].config["warmup"] = 0.05
    m[3].config["warmup"] = True
    m[4].config["warmup"] = [100, 200]
    m[5].config["warmup"] = {"steps": 300, "shape": "cosine"}
    m[6].config["warmup"] = None
    m[0].config["weight_decay"] = 0
    m[1].config["weight_decay"] = 0.0001
    m[2].config["weight_decay"] = 1.0
    m[0].config["grad_clip"] = 1.0
    m[1].config["grad_clip"] = float("inf")
    m[2].config["grad_clip"] = "Infinity"
    m[3].config["grad_clip"] = float("nan")
    m[7].config["seed"] = 2**53 + 1
    m[8].config["fingerprint"] = 2**70 + 1
    m[9].config["fingerprint"] = 17
    m[10].config["fingerprint"] = 9223372036854775807
    m[11].config["big"] = 2**53 + 1
    m[10].config["big"] = 0.5
    # a flat key with a dot, the nested one, and both in one run
    del m[1].config["optimizer"]
    m[1].config["optimizer.lr"] = 0.03
    m[1].config["optimizer.name"] = "sgd"
    m[4].config["optimizer.lr"] = 0.001
    m[4].config["optimizer"] = "adam"
    m[5].config["optimizer.lr"] = 0.021
    # shapes of values
    m[2].config["milestones"] = []
    m[2].config["extra"] = {}
    m[2].config["callbacks"] = [{"name": "early_stop", "patience": 3}, {"name": "ckpt"}]
    m[3].config["mixed"] = [1, "a", None, 2.5]
    m[3].config["matrix"] = [[1, 2], [3, 4]]
    m[6].config["nested"] = {"a": {"b": {"c": {"d": 1}}, "x.y": 2}, "名前": "テスト 🚀"}
    m[7].config["path/with slash"] = 'say "hi"\nline two'
    m[8].config[""] = "empty key"
    m[9].update = {"learning_rate": 0.25, "model": {"depth": 6}}
    # summaries
    m[0].summary["status"] = "plateau"
    m[1].summary["status"] = "converged"
    m[2].summary["status"] = "converged"
    m[3].summary["confusion"] = {"top": {"0": 980, "1": 1130}, "worst": "5→3"}
    m[4].summary["converged"] = False
    m[5].summary["converged"] = True
    m[6].summary["perplexity"] = float("inf")
    m[6].metrics = [("loss", "min,max"), ("val_loss", "min"), ("accuracy", "max")]
    m[8].metrics = [("accuracy", "max,last")]
    for i, row in enumerate(m[9].rows):  # it diverges
        row.update({"loss": [3.5, 120.25, float("nan")][i], "val_loss": [4.5, float("inf"), float("nan")][i]})
        row.update({"accuracy": 0.1, "gap": [1, 2, float("-inf")][i]})
    m[9].summary = {"best_val_loss": 4.5, "status": "diverged", "training_time_seconds": 59.0}
    for run in (m[7], m[10]):
        for row in run.rows:
            row["val/loss"] = row["val_loss"]
            row["val/acc"] = {"top1": row["accuracy"], "top5": round(min(1.0, row["accuracy"] + 0.03), 4)}
    m[7].rows[-1]["grad_hist"] = "HISTOGRAM"
    m[11].rows[2]["lr"] = 1  # an integer among floats
    m[11].prints = ["epoch 0\n", "epoch 1 of 8\n"]
    m[8].stats = True

    # --- mnist, a sweep -------------------------------------------------------------------------------------------
    for i in range(6):
        lr = [0.1, 0.05, 0.02, 0.01, 0.005, 0.001][i]
        rows = curve(f"sweep {i}", 4, lr, [0.05, 0.02, 0.011, 0.013, 0.03, 0.09][i])
        add(
            "mnist",
            f"winter-sweep-{i + 1}",
            ["ada", "grace", "alan"][i % 3],
            at(7 if i < 3 else 9, f"{8 + i:02d}:30:{10 + i}.5"),
            600.5 + 120 * i,
            job_type="train",
            group="sweep-lr",
            sweep="q7x2k9ab",
            tags=["sweep"],
            config={"learning_rate": lr, "batch_size": 64, "epochs": 4, "optimizer": {"name": "adam", "lr": lr}},
            rows=rows,
            summary=closing(rows, 600.5 + 120 * i),
            artifacts=[model(300 + i, 3000)] if i % 2 == 0 else [],
        )

    # --- mnist, evaluation ----------------------------------------------------------------------------------------
    uses = [
        [("model:latest", "model"), ("training-data:v2", "dataset")],
        [("model:v4", "model"), ("training-data:v3", "dataset")],
        [("model:best", "model"), ("data-clean:v1", "dataset")],
        [("training-data:v3", "dataset")],
        [],
    ]
    for i, used in enumerate(uses):
        accuracy = [0.9712, 0.9655, 0.9804, 0.9431, 0.9120][i]
        loss = [0.081, 0.12, 0.062, 0.2, 0.31][i]
        add(
            "mnist",
            f"eval-{i + 1}",
            ["grace", "alan", "ada"][i % 3],
            at([4, 6, 9, 10, 10][i], f"1{i}:45:00.{i}25"),
            30.5 + i,
            job_type="eval",
            named=i != 3,
            config={"batch_size": 1000, "checkpoint": f"model:v{i}", "threshold": 0.5 if i else 1, "tta": bool(i % 2)},
            rows=[{"accuracy": round(accuracy - 0.01 * k, 4), "val_loss": loss} for k in (2, 1, 0)],
            summary={"confusion/worst": "4→9", "evaluated": 10000} if i != 4 else {},
            artifacts=[evaluation(400 + i, accuracy)] if i != 4 else [],
            used=used,
            tags=["eval"] if i != 2 else None,
        )

    # --- mnist: a crashed run, a failed run, a run in two folders --------------------------------------------------
    rows = curve("crash", 5, 0.02, 0.03)
    add(
        "mnist", "broken-wing-31", "alan", at(10, "03:14:15.926535"), 1290.0, job_type="train", end="kill",
        tags=["crash"], notes="killed by the machine", config={"learning_rate": 0.02, "batch_size": 64, "epochs": 20},
        rows=rows, stats=True,
    )  # fmt: skip
    rows = curve("fail", 3, 0.5, 0.4)
    add(
        "mnist", "sour-note-32", "grace", at(10, "17:00:00.0"), 45.0, job_type="train", end="fail",
        config={"learning_rate": 0.5, "batch_size": 64, "epochs": 20, "warmup": "none"}, rows=rows,
        summary={"status": "out of memory"}, tags=["crash", "oom"],
    )  # fmt: skip
    rows = curve("two", 8, 0.02, 0.01)
    twice = dict(job_type="train", id=ident("two folders"), group="baselines")
    add(
        "mnist", "second-wind-33", "ada", at(11, "08:00:00.5"), 1800.0, end="fail", rows=rows[:4],
        config={"learning_rate": 0.02, "batch_size": 64, "epochs": 4, "model": {"kind": "cnn", "depth": 3}},
        tags=["first"], summary={"status": "stopped", "only_first": 1}, **twice,
    )  # fmt: skip
    add(
        "mnist", "second-wind-33", "ada", at(11, "13:30:00.25"), 2400.0, rows=rows[4:],
        config={"learning_rate": 0.01, "batch_size": 64, "epochs": 8, "model": {"depth": 4, "norm": "batch"}},
        tags=["second", "resumed"], summary={"status": "converged", **closing(rows, 4200.0)},
        artifacts=[model(500, 4096)], notes="went on the same day", **twice,
    )  # fmt: skip

    # --- translate -------------------------------------------------------------------------------------------------
    plans = [
        ("polite-wave-1", "grace", 3, "22:10:00.125", 14400.5, 0.0003, 4096, 6, 0.03, ["de-en"]),
        ("eager-pine-2", "grace", 4, "23:59:59.999", 4210.25, 0.0005, 4096, 5, 0.05, ["de-en", "small"]),
        ("vivid-dawn-3", "alan", 5, "05:20:30.5", 3599.5, 0.001, 2048, 5, 0.08, None),
        ("calm-orbit-4", "alan", 7, "13:13:13.131313", 18061.75, 0.0007, 8192, 7, 0.02, ["fr-en"]),
        ("kind-echo-5", "ada", 8, "10:01:02.030405", 902.0, 0.02, 512, 3, 0.4, ["fr-en", "bad"]),
        ("proud-hill-6", "ada", 9, "20:40:00.0", 10800.0, 0.0004, 4096, 6, 0.03, ["de-en", "release"]),
        ("swift-crane-7", "grace", 11, "04:04:04.4", 3660.5, 0.0006, 4096, 5, 0.025, ["ja-en"]),
        ("bold-maple-8", "alan", 12, "09:30:00.75", 28800.25, 0.0002, 16384, 8, 0.015, ["ja-en", "long"]),
        ("lone-ridge-9", "ada", 12, "18:00:00.000002", 1200.5, 0.002, 1024, 4, 0.1, []),
    ]
    for i, (name, user, day, clock, seconds, lr, batch, epochs, rest, tags) in enumerate(plans, 1):
        rows = []
        for row in curve(f"translate {i}", epochs, lr, rest):
            bleu = round(38 * (1 - row["val_loss"] / 2.5), 2)
            rows.append(
                {
                    "epoch": row["epoch"],
                    "loss": row["loss"],
                    "val/loss": row["val_loss"],
                    "val/bleu": bleu,
                    "tokens": batch * 1000 * (row["epoch"] + 1),
                }
            )
        config = {
            "learning_rate": lr,
            "batch_size": batch,
            "pair": ["de-en", "de-en", "fr-en"][i % 3],
            "model": {"kind": "transformer", "layers": 6, "heads": 8, "ffn": {"width": 2048, "act": "gelu"}},
            "optimizer": {"name": "adam", "betas": [0.9, 0.98], "eps": 1e-09},
            "label_smoothing": 0 if i % 3 == 0 else 0.1,
            "warmup": 4000 if i % 2 else "inv-sqrt",
            "fp16": True,
        }
        if i in (2, 5):  # argparse and Hydra style
            config = {"learning_rate": lr, "batch_size": batch, "optimizer.lr": lr, "model.layers": 12 / i, "fp16": "O2"}
        run = add(
            "translate",
            name,
            user,
            at(day, clock),
            seconds,
            job_type="train" if i != 9 else None,
            tags=tags,
            config=config,
            rows=rows,
            named=i != 7,
            group="transformers" if i % 2 else None,
            notes="größeres Modell, mehr Öl 🦉" if i == 8 else None,
            summary={"best_val_loss": min(r["val/loss"] for r in rows), "training_time_seconds": seconds - 20},
            artifacts=[model(600 + i, 6000 + 100 * i)] if i not in (5, 9) else [],
            metrics=[("val/bleu", "max"), ("val/loss", "min")] if i in (1, 4) else [],
            keep_files=i == 2,
        )
        if i in (1, 6):
            run.artifacts.append(dataset("training-data", 700 + i, 12000, ["latest", "de-en"]))
        if i == 8:
            run.artifacts += [dataset("data-clean", 720, 5000), evaluation(721, 0.5)]
    for i in range(4):
        add(
            "translate",
            f"bleu-{i + 1}",
            ["ada", "alan", "grace", "ada"][i],
            at([8, 9, 12, 13][i], f"0{6 + i}:00:30.{i}"),
            120.25 * (i + 1),
            job_type="eval",
            config={"beam": 4 + i, "length_penalty": [0.6, 1, 1, 0.8][i], "pair": "de-en", "test_sets": ["wmt14", "wmt16"]},
            rows=[{"bleu": round(24 + i + 0.5 * k, 2), "accuracy": 0.5 + 0.05 * k} for k in range(3)],
            summary={"bleu/wmt14": 27.5 + i, "bleu/wmt16": "n/a" if i == 1 else 30.25 + i},
            used=[
                [("model:latest", "model"), ("training-data:v2", "dataset")],
                [("model:v2", "model"), ("training-data:v3", "dataset")],
                [("model:best", "model"), ("training-data:v3", "dataset"), ("data-clean:latest", "dataset")],
                [],
            ][i],
            group="transformers" if i == 0 else None,
            artifacts=[evaluation(800 + i, 0.6)] if i != 3 else [],
        )
    # a run that only looked at the data: no history at all, no config
    add("translate", "count-words", "grace", at(13, "15:00:00.0"), 12.0, summary={"words": 4500000, "share": 0.25})
    # and one that set nothing
    add("translate", "empty", "alan", at(13, "16:20:00.0"), 2.0, named=False)

    all_runs.sort(key=lambda r: r.start)
    return all_runs


# ------------------------------------------------------------------ one run, as a training program does it


def train(run):
    import platform

    sys.argv = ["train.py", "--config", "base.yaml"]  # the SDK records the arguments
    platform.platform = lambda *_, **__: "Linux-6.1.0-x86_64-with-glibc2.36"  # the SDK records this text
    import wandb

    settings = wandb.Settings(
        mode="offline",
        root_dir=LAB + "/out",
        host="node-" + run.user,
        program="eval.py" if run.job_type == "eval" else "train.py",
        program_relpath="eval.py" if run.job_type == "eval" else "train.py",
        program_abspath="/lab/train.py",
        x_executable="python3",
        username=run.user,
        email=run.user + "@example.org",
        disable_git=True,
        disable_code=True,
        save_code=False,
        silent=True,
        console="wrap_raw" if run.prints else "off",
        x_disable_stats=not run.stats,
        x_stats_sampling_interval=0.5,
        x_transaction_log_flush_interval=0.5,
    )
    r = wandb.init(
        entity=ENTITY,
        project=run.project,
        id=None if run.sweep else run.id,
        name=run.display_name,
        job_type=run.job_type,
        group=run.group,
        notes=run.notes,
        tags=run.tags,
        config=run.config,
        settings=settings,
    )
    assert r.id == run.id, r.id
    for name, how in run.metrics:
        r.define_metric(name, summary=how)
    if run.update:
        r.config.update(run.update, allow_val_change=True)
    for row in run.rows:
        row = {k: histogram() if v == "HISTOGRAM" else v for k, v in row.items()}
        r.log(row)
    for text in run.prints:
        print(text, end="", flush=True)
    if run.stats:
        time.sleep(1.7)
    if run.end == "kill":
        time.sleep(1.5)  # longer than the flush interval
        os.kill(os.getpid(), signal.SIGKILL)
    for key, value in run.summary.items():
        r.summary[key] = value
    for name, kind, aliases, files in run.artifacts:
        artifact = wandb.Artifact(name, kind)
        for path, content in files.items():
            with artifact.new_file(path, mode="wb") as f:
                f.write(content)
        r.log_artifact(artifact, aliases=aliases)
    if run.prints:
        time.sleep(0.5)
    if run.end == "fail":
        raise RuntimeError("out of memory")  # what the SDK records as exit code 1
    r.finish()


def histogram():
    import wandb

    return wandb.Histogram(np_histogram=([1, 4, 9, 4, 1], [-1.0, -0.6, -0.2, 0.2, 0.6, 1.0]))


# ------------------------------------------------------------------ the log: framing as documented by W&B

HEADER = bytes([0x3A, 0x57, 0x26, 0x42, 0xE1, 0xBE, 0x00])
BLOCK = 32768
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def read_log(path):
    """The payloads of the whole records of a log."""
    with open(path, "rb") as f:
        data = f.read()
    assert data[:7] == HEADER, path
    pos, out, parts = 7, [], []
    while True:
        room = BLOCK - pos % BLOCK
        if room < 7:
            pos += room
        if pos + 7 > len(data):
            return out
        crc, length, kind = struct.unpack_from("<IHB", data, pos)
        body = data[pos + 7 : pos + 7 + length]
        if len(body) < length:
            return out  # cut
        assert crc == zlib.crc32(body, zlib.crc32(bytes([kind]))), (path, pos)
        pos += 7 + length
        if kind in (FULL, FIRST):
            parts = []
        parts.append(body)
        if kind in (FULL, LAST):
            out.append(b"".join(parts))


def write_log(path, payloads):
    out = bytearray(HEADER)
    for payload in payloads:
        first = True
        while True:
            room = BLOCK - len(out) % BLOCK
            if room < 7:
                out += bytes(room)
                room = BLOCK
            body = payload[: room - 7]
            payload = payload[room - 7 :]
            kind = (FULL if first else LAST) if not payload else (FIRST if first else MIDDLE)
            out += struct.pack("<IHB", zlib.crc32(body, zlib.crc32(bytes([kind]))), len(body), kind) + body
            first = False
            if not payload:
                break
    with open(path, "wb") as f:
        f.write(out)


def go_number(x):
    """A number as wandb-core, in Go, writes it: shortest, with an exponent from 1e+06 on; `1` for 1.0."""
    if isinstance(x, int):
        return str(x)
    if x == 0:
        return "0"
    digits, exp = f"{x:.17e}".split("e")
    for n in range(17):
        text = f"{x:.{n}e}"
        if float(text) == x:
            digits, exp = text.split("e")
            break
    if -4 <= int(exp) < 6:
        text = repr(x)
        return text[:-2] if text.endswith(".0") else text
    return f"{digits}e{exp[0]}{int(exp[1:]):02d}"


def finish_log(run, path):
    """Moves the times of a log to the plan and adds the records of used artifacts."""
    from wandb.proto import wandb_internal_pb2 as pb

    start_us = round(run.start.timestamp() * 1e6)
    n = len(run.rows)
    # the rows are spread over the run; a killed run dies some time after its last row
    row_runtime = [round(run.seconds * (i + 1) / (n + 0.5), 3) for i in range(n)]

    def path_of(item):
        return list(item.nested_key) or [item.key]

    def shift(item, seconds):
        p = path_of(item)
        old = json.loads(item.value_json) if item.value_json else None
        if p == ["_timestamp"]:
            item.value_json = go_number(start_us / 1e6 + seconds)
        elif p in (["_runtime"], ["_wandb", "runtime"]):
            item.value_json = go_number(int(seconds) if isinstance(old, int) else seconds)

    def micros(stamp, us):
        stamp.seconds, stamp.nanos = us // 1_000_000, us % 1_000_000 * 1000

    parsed = []
    for payload in read_log(path):
        rec = pb.Record()
        rec.ParseFromString(payload)
        parsed.append(rec)
    all_stats = sum(rec.HasField("stats") for rec in parsed)
    records, row, outputs, stats = [], 0, 0, 0
    for rec in parsed:
        kind = rec.WhichOneof("record_type")
        now = row_runtime[row] if row < n else run.seconds
        if kind == "history":
            for item in rec.history.item:
                shift(item, now)
            row += 1
        elif kind == "summary":
            for item in rec.summary.update:
                shift(item, now)
        elif kind == "run":
            micros(rec.run.start_time, start_us)
        elif kind == "environment":
            if rec.environment.HasField("started_at"):
                micros(rec.environment.started_at, start_us)
            for field in ("cpu_count", "cpu_count_logical", "disk", "memory", "cpu", "gpu_nvidia", "slurm"):
                rec.environment.ClearField(field)
        elif kind == "exit":
            rec.exit.runtime = int(run.seconds)
        elif kind == "output_raw":
            outputs += 1
            micros(rec.output_raw.timestamp, start_us + 2_000_000 * outputs)
        elif kind == "stats":
            stats += 1
            micros(rec.stats.timestamp, start_us + round(run.seconds * 1e6 * stats / all_stats))  # the last at the end
        records.append(rec)
    assert row == n, (run.id, row, n)

    if run.used:
        place = next(i for i, r in enumerate(records) if r.WhichOneof("record_type") == "summary")
        for k, (name, kind) in enumerate(run.used):
            rec = pb.Record()
            number = 40000 + sum(name.encode()) % 997  # the server's id: base64 of `Artifact:<number>`
            rec.use_artifact.id = base64.b64encode(f"Artifact:{number}".encode()).decode()
            rec.use_artifact.type = kind
            rec.use_artifact.name = name
            rec._info.stream_id = run.id
            records.insert(place + k, rec)
    for i, rec in enumerate(records, 1):
        rec.num = i
    write_log(path, [rec.SerializeToString() for rec in records])


# ------------------------------------------------------------------ all of them


def make(out):
    import wandb

    if wandb.__version__ != SDK:
        sys.exit(f"this is wandb {wandb.__version__}; the examples are made with {SDK}")
    root = LAB + "/out"
    shutil.rmtree(LAB, ignore_errors=True)
    os.makedirs(root)
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    plans = runs()
    for number, run in enumerate(plans):
        env = {
            "PATH": os.environ["PATH"],
            "HOME": LAB,
            "TZ": "UTC",
            "WANDB_DATA_DIR": LAB + "/data",
            "WANDB_CACHE_DIR": LAB + "/cache",
            "WANDB_CONFIG_DIR": LAB + "/config",
        }
        if run.sweep:  # in a sweep the agent sets these, and the SDK ignores the arguments
            env.update(WANDB_SWEEP_ID=run.sweep, WANDB_RUN_ID=run.id, WANDB_PROJECT=run.project, WANDB_ENTITY=ENTITY)
        shutil.rmtree(root + "/wandb", ignore_errors=True)
        code = subprocess.run(
            [sys.executable, os.path.abspath(__file__), "--run", str(number)],
            env=env,
            cwd=LAB,
            stdout=subprocess.DEVNULL,
        ).returncode
        expected = {"finish": 0, "fail": 1, "kill": -signal.SIGKILL}[run.end]
        assert code == expected, (run.id, code)
        (made,) = [d for d in os.listdir(root + "/wandb") if d.startswith("offline-run-")]
        log = f"{root}/wandb/{made}/run-{run.id}.wandb"
        wait_still(log)
        finish_log(run, log)
        folder = f"offline-run-{run.start.astimezone(timezone.utc):%Y%m%d_%H%M%S}-{run.id}"
        os.makedirs(f"{out}/{folder}")
        shutil.copyfile(log, f"{out}/{folder}/run-{run.id}.wandb")
        if run.keep_files:
            os.makedirs(f"{out}/{folder}/files")
            shutil.copyfile(f"{root}/wandb/{made}/files/requirements.txt", f"{out}/{folder}/files/requirements.txt")
        # `latest-run` is a relative link to the newest run, as the SDK leaves it
        if os.path.lexists(f"{out}/latest-run"):
            os.remove(f"{out}/latest-run")
        assert os.readlink(root + "/wandb/latest-run") == made
        os.symlink(folder, f"{out}/latest-run")
        print(f"{number + 1}/{len(plans)} {run.project}/{run.id} {folder}", file=sys.stderr)
    shutil.rmtree(LAB)


def wait_still(path):
    """wandb-core may still write for a moment after the program ended."""
    size = -1
    for _ in range(50):
        time.sleep(0.15)
        now = os.path.getsize(path)
        if now == size:
            return
        size = now


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", nargs="?", help="the folder to make (deleted first if it exists)")
    parser.add_argument("--run", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run is not None:
        train(runs()[args.run])
    elif args.out:
        make(os.path.abspath(args.out))
    else:
        parser.error("OUT is missing")
