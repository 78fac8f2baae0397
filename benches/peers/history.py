#!/usr/bin/env python3
"""`runframe history` beside the W&B SDK, in one run, against the same server on loopback.

    python3 -m venv target/peers-pull && target/peers-pull/bin/pip install wandb==0.31.0 pandas requests
    cargo build --release && cargo build --release --example wandb_server
    python3 benches/peers/history.py --python target/peers-pull/bin/python

The server is examples/wandb_server.rs: 1,000 runs of 1,000 logged steps, the last tenth of which is not exported yet, 20 ms before
every answer, also of the storage host. A run's exported file is one row group, as common writers make it of so few rows
(`--row-group 64` cuts it up). Five metrics that every row has are asked for.

A real server's work is not done by the client's machine. So that this one's is not either, it makes each answer's rows, and each file,
when they are first asked for, and keeps them; a first turn of all peers alike, which is not counted, has it do so. Only the GraphQL
around them is read and written anew each time. Then in turn, several times:

1. `run.scan_history(keys=…)` of each run, all rows: on the first 100 runs, then times ten; once;
2. `Runs.histories(keys=…, samples=1000, format="pandas")`, sampled by the server: on the first 100 runs, then times ten; once;
3. `runframe history -k …`, all rows of all runs into one Parquet file;
4. `runframe history -k … --samples 1000`, the server's own sample, as 2 has it.

Aim: 3 is 50 times faster than 1, 4 than 2; 3 beside 2 is told, too, though it has all rows. The times of Python are without its imports; runframe's are of the whole process.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from pull import Peer, Server, ratio

KEYS = ["loss", "wide_0", "wide_1", "wide_2", "wide_3"]

SCAN = f"""
import itertools, sys, time
import pandas as pd, wandb
began = time.perf_counter()
frames = []
for run in itertools.islice(wandb.Api(timeout=120).runs("acme/fleet"), int(sys.argv[1])):
    rows = pd.DataFrame(run.scan_history(keys=["_step", *{KEYS}]))
    frames.append(rows.assign(run=run.id))
frame = pd.concat(frames)
print(time.perf_counter() - began, len(frame))
"""

HISTORIES = f"""
import sys, time
import wandb
began = time.perf_counter()
runs = wandb.Api(timeout=120).runs("acme/fleet", per_page=int(sys.argv[1]), filters={{"name": {{"$in": sys.argv[2].split(",")}}}})
frame = runs.histories(samples=1000, keys={KEYS}, format="pandas")
print(time.perf_counter() - began, len(frame))
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runframe", default="target/release/runframe")
    parser.add_argument("--server", default="target/release/examples/wandb_server")
    parser.add_argument("--python", default=sys.executable, help="a Python with wandb 0.31.0 and pandas")
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--steps", type=int, default=1_000)
    parser.add_argument("--latency-ms", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--row-group", type=int, default=65_536)
    parser.add_argument("--sdk-runs", type=int, default=100)
    parser.add_argument("--port", type=int, default=18_766)
    args = parser.parse_args()
    scale = max(args.runs // args.sdk_runs, 1)
    names = ",".join(f"r{number:07}" for number in range(args.sdk_runs))
    with tempfile.TemporaryDirectory() as folder:
        more = ["--steps", str(args.steps), "--wide", "4", "--row-group", str(args.row_group)]
        with Server(args.server, args.runs, args.latency_ms, args.port, more) as server:
            key = "5f4dcc3b5aa765d61d8327deb882cf995f4dcc3b"
            env = dict(os.environ, WANDB_API_KEY=key, WANDB_BASE_URL=server.url, HOME=folder, WANDB_SILENT="true")
            out = os.path.join(folder, "history.parquet")
            python = lambda script, *more: [args.python, "-c", script, *map(str, more)]
            scan = Peer(f"SDK scan_history, {args.sdk_runs} runs × {scale}", python(SCAN, args.sdk_runs), scale=scale)
            sampled = Peer(f"SDK histories, {args.sdk_runs} runs × {scale}", python(HISTORIES, args.sdk_runs, names), scale=scale)
            ours = [args.runframe, "history", "acme/fleet", "-k", ",".join(KEYS), "-o", out]
            ours = Peer("runframe history", ours, own_clock=False)
            few = [args.runframe, "history", "acme/fleet", "-k", ",".join(KEYS), "--samples", "1000", "-o", out]
            few = Peer("runframe history --samples", few, own_clock=False)
            for peer in (scan, sampled, ours, few):
                peer.warm(server, env)
            for turn in range(args.repeats):
                if turn == 0:
                    scan.once(server, env)
                    sampled.once(server, env)
                for peer in (ours, few):
                    # Nobody else writes a file, and none has to take the place of another one.
                    Path(out).unlink(missing_ok=True)
                    peer.once(server, env)
    print(f"{args.runs} runs × {args.steps} steps × {len(KEYS)} metrics, {args.latency_ms} ms a request, {args.repeats} turns")
    print(f"  {'':<46} {'min':>9} {'median':>9} {'max':>9}   {'peak':>8}    requests")
    for peer in (scan, sampled, ours, few):
        print(peer.line())
    ratio("scan_history / runframe", scan, ours, "at least 50")
    ratio("histories / runframe --samples", sampled, few, "at least 50")
    ratio("histories / runframe", sampled, ours, "all rows against a sample")


main()
