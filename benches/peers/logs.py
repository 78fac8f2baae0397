#!/usr/bin/env python3
"""runframe beside its peers on local logs, in one run, warm, alternating, several times.

    benches/peers/logs.sh        # sets up the SDK from PyPI, makes the logs, builds, measures

1. A log of 75 MB: the SDK's own reader (DataStore and protobuf of wandb 0.29.0, in this process, imports not counted)
   against `runframe query LOG -s 'config.*,summary.*' -o out.parquet` (the whole process, from start to end).
   Aim: at least 8 times faster.
2. 10,000 small logs: `cat` of all the files to /dev/null (the list of names at hand) against
   `runframe query DIR -o out.parquet`. Aim: within 4 times. Also `find … | xargs cat`, which looks for the files, too.
3. 10,000 runs of 100 out of 5,000 keys: the most memory that runframe held. Aim: under 500 MB until a frame is asked for.
4. The history of the log of 75 MB: the SDK's own reader, its JSON parsed into columns, and a checksum over the file's bytes (zlib's CRC-32),
   both in this process, against `runframe history LOG -o out.parquet`, the whole process. Aim: at least 20 times faster than the SDK,
   within 3 times of the checksum. Also three of ten metrics, and the most memory that it held.

Prints the least, the median and the most of wall time, the CPU time of the median, and ratios of the medians.
"""

import argparse
import gc
import os
import statistics
import subprocess
import sys
import time


class Times:
    def __init__(self, name, run):
        self.name, self.run, self.wall, self.cpu = name, run, [], []

    def once(self):
        wall, cpu = self.run()
        self.wall.append(wall)
        self.cpu.append(cpu)

    def line(self):
        w = sorted(self.wall)
        return (
            f"  {self.name:<44} {w[0]:8.3f} {statistics.median(w):8.3f} {w[-1]:8.3f} s   cpu {statistics.median(self.cpu):.3f} s"
        )


def alternate(title, repeats, *all_times):
    print(f"\n{title}\n  {'':<44} {'min':>8} {'median':>8} {'max':>8}")
    for times in all_times:  # warm: the first of each does not count
        times.run()
    for i in range(repeats):
        for times in all_times if i % 2 == 0 else reversed(all_times):
            times.once()
    for times in all_times:
        print(times.line())


def ratio(a, b):
    pairs = sorted(x / y for x, y in zip(a.wall, b.wall))
    return statistics.median(a.wall) / statistics.median(b.wall), pairs[0], pairs[-1]


def timed(argv, **more):
    """Runs a command: wall and CPU seconds, its start and end included."""

    def run():
        began = time.perf_counter()
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, **more)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            sys.exit(f"{' '.join(argv)}: exit {child.returncode}")
        return wall, usage.ru_utime + usage.ru_stime

    return run


# A new process counts the memory of the process that started it as its own peak, until its exec: so a small one starts it.
PEAK = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


def peak_memory(argv):
    """Wall seconds, and the most resident memory in MB (millions of bytes)."""
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-I", "-S", "-c", PEAK, *argv], stdout=subprocess.PIPE)
    if done.returncode:
        sys.exit(f"{' '.join(argv)}: exit {done.returncode}")
    return time.perf_counter() - began, int(done.stdout) * 1024 / 1e6  # Linux counts in KiB


def sdk_parse(path):
    from wandb.proto import wandb_internal_pb2 as pb
    from wandb.sdk.internal.datastore import DataStore

    def run():
        gc.collect()
        began, cpu = time.perf_counter(), time.process_time()
        store = DataStore()
        store.open_for_scan(path)
        records = 0
        while True:
            data = store.scan_data()
            if data is None:
                break
            record = pb.Record()
            record.ParseFromString(data)
            records += 1
        store.close()
        assert records > 1000, records
        return time.perf_counter() - began, time.process_time() - cpu

    return run


def sdk_history(path):
    """Every row's values in columns, as plainly as Python can: a dict of lists."""
    import json

    from wandb.proto import wandb_internal_pb2 as pb
    from wandb.sdk.internal.datastore import DataStore

    def run():
        gc.collect()
        began, cpu = time.perf_counter(), time.process_time()
        store = DataStore()
        store.open_for_scan(path)
        columns, rows = {}, 0
        while True:
            data = store.scan_data()
            if data is None:
                break
            record = pb.Record()
            record.ParseFromString(data)
            if record.WhichOneof("record_type") == "history":
                for item in record.history.item:
                    key = ".".join(item.nested_key) or item.key
                    columns.setdefault(key, []).append((rows, json.loads(item.value_json)))
                rows += 1
        store.close()
        assert rows > 1000, rows
        return time.perf_counter() - began, time.process_time() - cpu

    return run


def checksum(path):
    """A pass over the file's bytes, in blocks that stay in the cache."""
    import zlib

    def run():
        began, cpu = time.perf_counter(), time.process_time()
        sum = 0
        with open(path, "rb", buffering=0) as file:
            block = bytearray(256 * 1024)
            while count := file.readinto(block):
                sum = zlib.crc32(memoryview(block)[:count], sum)
        return time.perf_counter() - began, time.process_time() - cpu

    return run


def logs_below(folder):
    found = [os.path.join(d, f) for d, _, files in os.walk(folder) for f in files if f.endswith(".wandb")]
    if not found:
        sys.exit(f"{folder}: no logs; make them with make_logs.py")
    return sorted(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="the folder that make_logs.py filled")
    parser.add_argument("--runframe", required=True, metavar="PATH", help="the release binary")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--parts", default="1,2,3,4", help="of the four, which")
    args = parser.parse_args()
    binary = os.path.abspath(args.runframe)
    out = os.path.join(args.data, "out")
    os.makedirs(out, exist_ok=True)
    parts = args.parts.split(",")
    quiet = ["-q", "--no-progress"]
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, {args.repeats} repeats")

    if "1" in parts:
        (log,) = logs_below(args.data + "/a")
        size = os.path.getsize(log) / 1e6
        sdk = Times("SDK DataStore + protobuf", sdk_parse(log))
        ours = Times(
            "runframe query -s 'config.*,summary.*'",
            timed([binary, "query", log, "-s", "config.*,summary.*", "-o", out + "/a.parquet", *quiet]),
        )
        alternate(f"1. one log of {size:.1f} MB", args.repeats, sdk, ours)
        r, low, high = ratio(sdk, ours)
        print(f"  SDK / runframe: {r:.1f} ({low:.1f} to {high:.1f}); aim: at least 8   {verdict(r >= 8)}")
        print(f"  runframe reads {size / statistics.median(ours.wall):.0f} MB/s")

    if "2" in parts:
        folder = args.data + "/b"
        files = logs_below(folder)
        names = out + "/b.names"
        with open(names, "wb") as f:
            f.write(b"\0".join(os.fsencode(p) for p in files))
        size = sum(map(os.path.getsize, files)) / 1e6
        cat = Times("cat of the files", timed(["xargs", "-0", "-a", names, "cat"], stdout=subprocess.DEVNULL))
        find = Times(
            "find | xargs cat",
            timed(["sh", "-c", 'find "$1" -name "*.wandb" -print0 | xargs -0 cat', "sh", folder], stdout=subprocess.DEVNULL),
        )
        ours = Times("runframe query", timed([binary, "query", folder, "-o", out + "/b.parquet", *quiet]))
        alternate(f"2. {len(files)} logs, {size:.1f} MB", args.repeats, cat, find, ours)
        r, low, high = ratio(ours, cat)
        print(f"  runframe / cat: {r:.2f} ({low:.2f} to {high:.2f}); aim: at most 4   {verdict(r <= 4)}")
        r, low, high = ratio(ours, find)
        print(f"  runframe / (find and cat): {r:.2f} ({low:.2f} to {high:.2f})")

    if "3" in parts:
        folder = args.data + "/c"
        size = sum(map(os.path.getsize, logs_below(folder))) / 1e6
        print(f"\n3. memory: {len(logs_below(folder))} runs of 100 out of 5,000 keys, {size:.1f} MB of logs")
        for what, argv, aim in (
            ("schema (all keys, no frame)", ["schema", folder, "--format", "csv", *quiet], 500),
            ("query -s name", ["query", folder, "-s", "name", "-o", out + "/c1.parquet", *quiet], 500),
            ("query, all 5,000 columns to Parquet", ["query", folder, "-o", out + "/c.parquet", *quiet], None),
        ):  # fmt: skip
            wall, peak = peak_memory([binary, *argv])
            end = f"aim: under {aim} MB   {verdict(peak < aim)}" if aim else "a frame: no aim"
            print(f"  {what:<44} {peak:8.1f} MB peak resident, {wall:.2f} s; {end}")

    if "4" in parts:
        (log,) = logs_below(args.data + "/a")
        size = os.path.getsize(log) / 1e6
        all_keys = [binary, "history", log, "-o", out + "/h.parquet", *quiet]
        three = ",".join(metrics(binary, log)[:3])
        some_keys = [binary, "history", log, "-k", three, "-o", out + "/h3.parquet", *quiet]
        sdk = Times("SDK reader, JSON into columns", sdk_history(log))
        crc = Times("CRC-32 of the file's bytes", checksum(log))
        ours = Times("runframe history, all metrics", timed(all_keys))
        few = Times("runframe history, three metrics", timed(some_keys))
        alternate(f"4. history of one log of {size:.1f} MB", args.repeats, sdk, crc, ours, few)
        r, low, high = ratio(sdk, ours)
        print(f"  SDK / runframe: {r:.1f} ({low:.1f} to {high:.1f}); aim: at least 20   {verdict(r >= 20)}")
        r, low, high = ratio(ours, crc)
        print(f"  runframe / checksum: {r:.2f} ({low:.2f} to {high:.2f}); aim: at most 3   {verdict(r <= 3)}")
        print(f"  most memory held: {peak_memory(all_keys)[1]:.0f} MB")


def metrics(binary, log):
    """The metrics of a log, in the order of its columns."""
    head = subprocess.run(
        [binary, "history", log, "-n", "1", "--format", "csv", "-q"], stdout=subprocess.PIPE, text=True, check=True
    )
    return head.stdout.splitlines()[0].split(",")[6:]


def verdict(ok):
    return "reached" if ok else "MISSED"


if __name__ == "__main__":
    main()
