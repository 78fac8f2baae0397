#!/usr/bin/env python3
"""`runframe pull` beside the W&B SDK and a hand-written script, in one run, against the same server on loopback.

    python3 -m venv target/peers-pull && target/peers-pull/bin/pip install wandb==0.31.0 pandas requests
    cargo build --release && cargo build --release --example wandb_server
    python3 benches/peers/pull.py --python target/peers-pull/bin/python --runframe target/release/runframe

The server is examples/wandb_server.rs: 10,000 runs of about 60 config and 110 summary keys and 5 artifact versions each,
50 ms before every answer. In turn, several times:

1. the documented export recipe, a lazy listing: on the first 1,000 runs, then times ten; this one once;
2. the SDK at its best: `lazy=False, per_page=1000`; no artifacts;
3. a script by hand: the query that runframe's frame needs, page by page, and a pandas frame; with artifacts and without;
4. `runframe pull` into a new file, with artifacts and without;
5. `runframe pull` onto the file, with the requests it took: nothing changed, then the newest 1 % of the runs changed (as it is
   while runs are under way), then 1 % of them here and there.

And once for each of 10,000, 30,000 and 100,000 runs, without latency: the most memory that `runframe pull` and the script held,
with artifacts, and the requests and memory of bringing the unchanged file up to date.

Aims: 4 is 200 times faster than 1, 8 times faster than 2 and 3 times faster than 3, in under a third of the script's memory;
artifacts cost at most half as much again; 5 takes at most 3 requests, or under a tenth of 4.

The times of Python are without its imports; runframe's are of the whole process. `--only pull,hand` leaves others out.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

# ------------------------------------------------------------------ the peers; each prints its seconds and its runs

RECIPE = """
import itertools, sys, time
import pandas as pd, wandb
began = time.perf_counter()
runs = wandb.Api(timeout=120).runs("acme/fleet")
summary_list, config_list, name_list = [], [], []
for run in itertools.islice(runs, int(sys.argv[1])):
    summary_list.append(run.summary._json_dict)
    config_list.append({k: v for k, v in run.config.items() if not k.startswith("_")})
    name_list.append(run.name)
frame = pd.DataFrame({"summary": summary_list, "config": config_list, "name": name_list})
print(time.perf_counter() - began, len(frame))
"""

BEST = """
import time
import pandas as pd, wandb
began = time.perf_counter()
rows = []
for run in wandb.Api(timeout=120).runs("acme/fleet", lazy=False, per_page=1000):
    row = {"name": run.id, "state": run.state, "created_at": run.created_at, "tags": run.tags}
    row.update(("config." + k, v) for k, v in run.config.items())
    row.update(("summary." + k, v) for k, v in run.summary._json_dict.items())
    rows.append(row)
frame = pd.DataFrame(rows)
print(time.perf_counter() - began, len(frame))
"""

HAND = """
import json, os, sys, time
import pandas as pd, requests
began = time.perf_counter()
with_artifacts, per_page = sys.argv[1] == "artifacts", int(sys.argv[2])
version = '''id versionIndex state size digest createdAt artifactType { name } artifactSequence { name }
    aliases { alias artifactCollectionName }'''
page = "totalCount pageInfo { hasNextPage }"
artifacts = f'''outputArtifacts(first: 50) {{ {page} edges {{ node {{ {version} }} }} }}
    inputArtifacts(first: 50) {{ {page} edges {{ node {{ {version} }} }} }}''' if with_artifacts else ""
query = f'''query Runs($after: String, $first: Int) {{ project(name: "fleet", entityName: "acme") {{
    runs(first: $first, after: $after, order: "+created_at") {{ edges {{ cursor node {{
        id name displayName state createdAt heartbeatAt updatedAt jobType group sweepName tags notes host commit
        historyLineCount computeSeconds user {{ username name }} config summaryMetrics {artifacts} }} }}
        pageInfo {{ endCursor hasNextPage }} }} }} }}'''

def flatten(prefix, value, row):
    if isinstance(value, dict) and value and "_type" not in value:
        for key, inner in value.items():
            flatten(prefix + "." + key, inner, row)
    else:
        row[prefix] = value

session = requests.Session()
session.auth = ("api", os.environ["WANDB_API_KEY"])
after, rows = None, []
while True:
    variables = {"after": after, "first": per_page}
    answer = session.post(os.environ["WANDB_BASE_URL"] + "/graphql", json={"query": query, "variables": variables})
    answer.raise_for_status()
    runs = answer.json()["data"]["project"]["runs"]
    for edge in runs["edges"]:
        node = edge["node"]
        row = {k: v for k, v in node.items() if k not in ("config", "summaryMetrics", "user", "outputArtifacts", "inputArtifacts")}
        row.update(("user." + k, v) for k, v in (node["user"] or {}).items())
        for key, value in json.loads(node["config"] or "{}").items():
            if key not in ("_wandb", "wandb_version"):
                flatten("config." + key, value["value"], row)
        for key, value in json.loads(node["summaryMetrics"] or "{}").items():
            if key != "_wandb":
                flatten("summary." + key, value, row)
        if with_artifacts:
            for side in ("outputArtifacts", "inputArtifacts"):
                row[side] = [inner["node"] for inner in node[side]["edges"]]
        rows.append(row)
    after = runs["pageInfo"]["endCursor"]
    if not runs["pageInfo"]["hasNextPage"]:
        break
frame = pd.DataFrame(rows)
print(time.perf_counter() - began, len(frame))
"""

# A new process counts the memory of the process that started it as its own peak, until its exec: so a small one starts it.
PEAK = """
import resource, subprocess, sys, time
began = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
wall = time.perf_counter() - began
told = done.stdout.decode().split()
print(done.returncode, wall, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, *told[-2:])
"""


class Server:
    """examples/wandb_server.rs in a process of its own."""

    def __init__(self, binary, runs, latency_ms, port, more=()):
        argv = [binary, "--serve", "--runs", str(runs), "--latency-ms", str(latency_ms), "--port", str(port), *more]
        self.url, self.runs = f"http://127.0.0.1:{port}", runs
        self.child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        for _ in range(600):
            try:
                self.control()
                return
            except OSError:
                time.sleep(0.2)
                if self.child.poll() is not None:
                    break
        sys.exit("the server does not start")

    def control(self, **wanted):
        request = urllib.request.Request(self.url + "/control", json.dumps(wanted).encode())
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()


class Peer:
    """One contender: how it is started, and what it took."""

    def __init__(self, name, argv, before=None, own_clock=True, scale=1):
        self.name, self.argv, self.before, self.own_clock, self.scale = name, argv, before, own_clock, scale
        self.wall, self.peak, self.requests, self.failed = [], [], [], None

    def once(self, server, env):
        if self.failed:
            return
        if self.before:
            self.before()
        server.control(forget=True)
        command = [sys.executable, "-S", "-c", PEAK, *self.argv]
        done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        told = done.stdout.split()
        if done.returncode or told[0] != "0":
            self.failed = (done.stderr.strip().splitlines() or ["no word"])[-1]
            return
        seconds = float(told[3]) if self.own_clock else float(told[1])
        self.wall.append(seconds * self.scale)
        self.peak.append(int(told[2]) / 1024)
        told = server.control()
        self.requests.append((told["requests"] + told["files"]) * self.scale)

    def warm(self, server, env):
        """A turn that is not counted."""
        self.once(server, env)
        self.wall, self.peak, self.requests = [], [], []

    def line(self):
        if not self.wall:
            return f"  {self.name:<46} {'failed: ' + self.failed if self.failed else 'not run'}"
        w = sorted(self.wall)
        return (
            f"  {self.name:<46} {w[0]:9.2f} {statistics.median(w):9.2f} {w[-1]:9.2f} s "
            f"{max(self.peak):8.0f} MB {statistics.median(self.requests):8.0f}"
        )


def ratio(told, slow, fast, aim):
    if slow.wall and fast.wall:
        pairs = sorted(a / b for a in slow.wall for b in fast.wall)
        middle = statistics.median(slow.wall) / statistics.median(fast.wall)
        print(f"  {told}: {middle:.2f} ({pairs[0]:.2f} to {pairs[-1]:.2f}); aim {aim}")


def contenders(args, server, folder):
    out, bare = os.path.join(folder, "runs.parquet"), os.path.join(folder, "bare.parquet")
    fetched = os.path.join(folder, "fetched.parquet")

    def fresh():
        for path in (out, bare):
            if os.path.exists(path):
                os.remove(path)

    def keep():
        if not os.path.exists(fetched) and os.path.exists(out):
            shutil.copy(out, fetched)

    def newest():
        server.control(edit_newest=server.runs // 100)

    def scattered():
        server.control(edit=server.runs // 100)

    def pull(path, *more):
        return [args.runframe, "pull", "acme/fleet", "-o", path, *more]

    def python(script, *more):
        return [args.python, "-c", script, *map(str, more)]

    # The order matters: the file that is brought up to date is the one that the first pull left.
    return {
        "recipe": Peer(f"documented recipe, {args.recipe_runs} runs × {server.runs // args.recipe_runs}", python(RECIPE, args.recipe_runs), scale=server.runs // args.recipe_runs),
        "best": Peer("SDK, lazy=False, per_page=1000", python(BEST)),
        "hand": Peer("script by hand, with artifacts", python(HAND, "artifacts", args.per_page)),
        "hand-bare": Peer("script by hand, without artifacts", python(HAND, "bare", args.per_page)),
        "pull-bare": Peer("runframe pull --no-artifacts", pull(bare, "--no-artifacts"), fresh, own_clock=False),
        "pull": Peer("runframe pull", pull(out), fresh, own_clock=False),
        "unchanged": Peer("runframe pull, nothing changed", pull(out), keep, own_clock=False),
        "newest": Peer("runframe pull, the newest 1 % changed", pull(out), newest, own_clock=False),
        "scattered": Peer("runframe pull, 1 % changed here and there", pull(out), scattered, own_clock=False),
    }  # fmt: skip


def race(args, env, folder):
    with Server(args.server, args.runs, args.latency_ms, args.port) as server:
        env = dict(env, WANDB_BASE_URL=server.url)
        peers = contenders(args, server, folder)
        wanted = [name for name in peers if not args.only or name in args.only]
        for turn in range(args.repeats):
            for name in wanted:
                if name != "recipe" or turn == 0:
                    peers[name].once(server, env)
    print(f"\n{args.runs} runs, {args.latency_ms} ms a request, {args.repeats} turns")
    print(f"  {'':<46} {'min':>9} {'median':>9} {'max':>9}   {'peak':>8}    requests")
    for name in wanted:
        print(peers[name].line())
    p = peers
    ratio("documented recipe / pull", p["recipe"], p["pull-bare"], "at least 200")
    ratio("SDK at its best / pull", p["best"], p["pull-bare"], "at least 8")
    ratio("script / pull, both with artifacts", p["hand"], p["pull"], "at least 3")
    ratio("script / pull, both without", p["hand-bare"], p["pull-bare"], "at least 3")
    ratio("pull with artifacts / without", p["pull"], p["pull-bare"], "at most 1.5")
    ratio("newest 1 % changed / pull", p["newest"], p["pull"], "at most 0.1")
    ratio("1 % here and there changed / pull", p["scattered"], p["pull"], "at most 0.1")
    for told, hand, pull in (("with", "hand", "pull"), ("without", "hand-bare", "pull-bare")):
        if p[hand].peak and p[pull].peak:
            share = max(p[pull].peak) / max(p[hand].peak)
            print(f"  peak memory of pull / script, {told} artifacts: {share:.2f}; aim at most 0.33")


def curve(args, env, folder):
    heads = ("runs", "pull", "script", "file", "received", "unchanged", "requests", "time")
    print("\npeak memory, no latency\n  " + " ".join(f"{head:>10}" for head in heads))
    for runs in args.curve:
        with Server(args.server, runs, 0, args.port) as server:
            env = dict(env, WANDB_BASE_URL=server.url)
            peers = contenders(args, server, folder)
            peers["pull"].once(server, env)
            received = server.control()["bytes"]
            peers["unchanged"].once(server, env)
            if "hand" in (args.only or ["hand"]):
                peers["hand"].once(server, env)
        out = os.path.join(folder, "runs.parquet")
        size = os.path.getsize(out) if os.path.exists(out) else 0
        peak = {name: f"{peer.peak[0]:7.0f} MB" if peer.peak else "    failed" for name, peer in peers.items()}
        again = peers["unchanged"]
        told = f"{again.requests[0]:>10} {again.wall[0]:8.2f} s" if again.wall else ""
        print(
            f"  {runs:>10} {peak['pull']} {peak['hand']} {size / 1e6:7.0f} MB {received / 1e6:7.0f} MB {peak['unchanged']} {told}"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runframe", default="target/release/runframe")
    parser.add_argument("--server", default="target/release/examples/wandb_server")
    parser.add_argument("--python", default=sys.executable, help="a Python with wandb 0.31.0, pandas and requests")
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--latency-ms", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--recipe-runs", type=int, default=1_000)
    parser.add_argument("--per-page", type=int, default=500, help="runs in a page of the script by hand")
    parser.add_argument("--curve", type=lambda text: [int(n) for n in text.split(",") if n], default=[10_000, 30_000, 100_000])
    parser.add_argument("--only", type=lambda text: text.split(","), help="recipe, best, hand, hand-bare, pull, …")
    parser.add_argument("--port", type=int, default=18_765)
    args = parser.parse_args()
    args.recipe_runs = min(args.recipe_runs, args.runs)
    for name in ("runframe", "server"):
        setattr(args, name, os.path.abspath(getattr(args, name)))

    with tempfile.TemporaryDirectory() as folder:
        # Nobody's own settings; the key is the example server's.
        env = {"PATH": os.environ["PATH"], "HOME": folder, "WANDB_DIR": folder, "WANDB_SILENT": "true"}
        env["WANDB_API_KEY"] = "5f4dcc3b5aa765d61d8327deb882cf995f4dcc3b"
        race(args, env, folder)
        curve(args, env, folder)


if __name__ == "__main__":
    main()
