#!/usr/bin/env python3
"""Makes tests/data/sdk: one or two very small runs by each of a line of W&B SDK versions, offline, byte for byte as written.

    python3 tests/python/make_sdk_data.py tests/data/sdk --venvs target/venvs      # Python 3.11; makes the venvs it lacks
    pip install -r tests/python/requirements.txt
    python tests/python/truth.py tests/data/sdk -o tests/data/sdk/truth.json

Kept are the .wandb files in their run folders; `files/`, `logs/` and links are dropped, and nothing is rewritten. The
present time and random ids are in the files, so a new making differs. Host name, platform and executable are replaced
before the SDK is imported, so that nothing of the machine gets in.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time

LAB = "/tmp/lab"
# folder, version, what to install beside it, kinds of run
VERSIONS = [
    ("0.12.21", "0.12.21", ["protobuf==3.20.3", "setuptools<70"], ["normal", "killed"]),
    ("0.13.11", "0.13.11", ["protobuf<5", "setuptools<70"], ["normal"]),
    ("0.15.12", "0.15.12", ["protobuf<5", "setuptools<70"], ["normal"]),
    ("0.16.6", "0.16.6", ["protobuf<5", "setuptools<70"], ["normal"]),
    ("0.17.9", "0.17.9", ["protobuf<5", "setuptools<70"], ["normal", "killed"]),
    ("0.17.9+core", "0.17.9", ["protobuf<5", "setuptools<70"], ["normal"]),
    ("0.18.7", "0.18.7", ["setuptools<70"], ["normal"]),
    ("0.19.11", "0.19.11", [], ["normal"]),
    ("0.21.4", "0.21.4", [], ["normal"]),
    ("0.25.1", "0.25.1", [], ["normal"]),
    ("0.28.2", "0.28.2", [], ["normal"]),
    ("0.30.0", "0.30.0", [], ["normal"]),
    ("0.31.0", "0.31.0", [], ["normal", "killed"]),
    ("0.31.0+typed", "0.31.0", [], ["normal"]),
]


def run_id(label, kind):
    number = "".join(c for c in label if c.isdigit())
    return (kind[0] + number + ("c" if label.endswith("core") else "t" if label.endswith("typed") else "") + "00000000")[:8]


def train(label, kind):
    import platform
    import socket

    sys.argv = ["train.py", "--config", "base.yaml"]
    if not label.startswith("0.12."):  # there it starts the writing process, and is recorded in files/ only
        sys.executable = "python3"
    socket.gethostname = lambda: "lab-node"
    platform.platform = lambda *_, **__: "Linux-6.1.0-x86_64-with-glibc2.36"
    platform.node = socket.gethostname
    import wandb

    if label.endswith("+core"):
        wandb.require("core")
    version = tuple(int(p) for p in wandb.__version__.split("."))
    legacy = version < (0, 18) and not label.endswith("+core")
    extra = {"disable_code": True, "disable_git": True, "console": "wrap" if kind == "normal" else "off"}
    if version >= (0, 20):
        extra.update(x_disable_stats=True, x_executable="python3", program="train.py")
    if version >= (0, 31):
        extra.update(x_transaction_log_flush_interval=0.5)
    if label.endswith("+typed"):
        extra.update(x_history_value_encoding="json,typed")
    run = wandb.init(
        mode="offline",
        entity="lab",
        project="sdk",
        id=run_id(label, kind),
        name=f"{kind} {label}",
        group="versions",
        job_type="train",
        notes="first line\nsecond line ü",
        tags=["small", label],
        dir=LAB + "/out",
        config={
            "learning_rate": 0.01,
            "one": 1.0,
            "tiny": 1e-09,
            "big": 2**53 + 1,
            "none": None,
            "flag": True,
            "model": {"depth": 3, "sizes": [1, 2.5], "act": "gelu"},
            "optimizer": {"lr": 0.2},
            "optimizer.lr": 0.1,
            "path/with": 'a "quote"',
            "été": "ü🚀",
            "inf": float("inf"),
        },
        settings=wandb.Settings(**extra),
    )
    run.define_metric("loss", summary="min")
    run.config.update({"model": {"depth": 6}, "late": "yes"}, allow_val_change=True)
    rows = 5
    if kind == "killed":
        rows = 60 if legacy else 8  # the old writer keeps 8 KiB to itself
    for i in range(rows):
        run.log(
            {
                "loss": 1.0 / (i + 1),
                "acc": [0.5, 1.0, 0.75, 1, 0.875][i % 5],
                "val/loss": 2.0 - 0.125 * i,
                "d": {"x": i, "y": {"z": i + 0.5}},
                "text": f"row {i} é",
                "maybe": float("nan") if i % 5 == 2 else 3 * i,
                "list": [1, 2.5, -3],
                "none": None,
            }
        )
    if kind == "killed":
        time.sleep(2.0)
        os.kill(os.getpid(), signal.SIGKILL)
    print("hello from", label, flush=True)
    run.summary["final"] = {"a": 1, "b": [1, 2]}
    run.summary["final_nan"] = float("nan")
    run.summary["final_inf"] = float("inf")
    run.summary["best"] = 0.5
    # 0.18 asks the network when an artifact is logged offline, and hangs without it
    if not (0, 18) <= version < (0, 19):
        artifact = wandb.Artifact("model", "model")
        with artifact.new_file("weights.txt") as f:
            f.write("1 2 3\n")
        run.log_artifact(artifact, aliases=["latest", "best"])
    run.finish()


def venv(folder, version, pins):
    python = f"{folder}/w{version.replace('.', '') if version == '0.31.0' else version}/bin/python"
    if not os.path.exists(python):
        subprocess.run([sys.executable, "-m", "venv", os.path.dirname(os.path.dirname(python))], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", f"wandb=={version}", *pins], check=True)
    return python


def make(out, venvs, only):
    for label, version, pins, kinds in VERSIONS:
        if only and label not in only:
            continue
        python = venv(venvs, version, pins)
        shutil.rmtree(f"{out}/{label}", ignore_errors=True)
        for kind in kinds:
            shutil.rmtree(LAB, ignore_errors=True)
            os.makedirs(LAB + "/out")
            env = {
                "PATH": os.path.dirname(python) + ":/usr/bin:/bin",
                "HOME": LAB,
                "TZ": "UTC",
                "WANDB_SILENT": "true",
                "WANDB_ERROR_REPORTING": "false",
                "WANDB_HOST": "lab-node",
                "WANDB_USERNAME": "ada",
                "WANDB_USER_EMAIL": "ada@example.org",
                "WANDB_CACHE_DIR": LAB + "/cache",
                "WANDB_DATA_DIR": LAB + "/data",
                "WANDB_CONFIG_DIR": LAB + "/config",
                "WANDB_PROGRAM": "train.py",
            }
            env["WANDB_DISABLE_GIT"] = env["WANDB_DISABLE_CODE"] = "true"
            began = time.time()
            try:
                with open("/tmp/lab/err.txt", "w") as err:
                    code = subprocess.run(
                        [python, os.path.abspath(__file__), "--run", label, kind],
                        env=env, cwd=LAB, stdout=subprocess.DEVNULL, stderr=err, timeout=90,
                    ).returncode  # fmt: skip
            except subprocess.TimeoutExpired:
                code = "timeout"
            time.sleep(2.0)  # wandb-core or the service may still write
            wandb_dir = LAB + "/out/wandb"
            made = sorted(d for d in os.listdir(wandb_dir) if d.startswith("offline-run-")) if os.path.isdir(wandb_dir) else []
            size = 0
            for folder in made:
                for name in os.listdir(f"{wandb_dir}/{folder}"):
                    if name.endswith(".wandb"):
                        os.makedirs(f"{out}/{label}/{folder}", exist_ok=True)
                        shutil.copyfile(f"{wandb_dir}/{folder}/{name}", f"{out}/{label}/{folder}/{name}")
                        size = os.path.getsize(f"{wandb_dir}/{folder}/{name}")
            print(f"{label} {kind}: exit {code}, {time.time() - began:.1f} s, {made}, {size} bytes", file=sys.stderr)
            if code not in (0, -signal.SIGKILL):
                print(open("/tmp/lab/err.txt").read()[-1500:], file=sys.stderr)
    shutil.rmtree(LAB, ignore_errors=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", nargs="?")
    parser.add_argument("--venvs", default="target/venvs")
    parser.add_argument("--only", nargs="+", metavar="VERSION", help="of the versions above")
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run:
        train(*args.run)
    elif args.out:
        make(os.path.abspath(args.out), args.venvs, args.only)
    else:
        parser.error("OUT is missing")
