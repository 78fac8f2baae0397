"""Writes the hostile logs of docs/reliability.md, or serves a gzip bomb. Standard library only.

    python3 tests/python/hostile.py value DIR 1000000000   one summary value of 1 GB
    python3 tests/python/hostile.py keys DIR 10000000      10 million summary keys in one run
    python3 tests/python/hostile.py deep DIR 100000        lists and objects 100,000 deep
    python3 tests/python/hostile.py claim DIR              a record that claims 4 GB
    python3 tests/python/hostile.py bomb PORT 10000000000  a server whose every answer unpacks to 10 GB

Beside the hostile run each folder has one that is as it should be.
"""

import http.server
import os
import struct
import sys
import zlib

BLOCK = 32768


def varint(number):
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def integer(field, value):
    return varint(field << 3) + varint(value)


def text(field, value):
    return varint(field << 3 | 2) + varint(len(value)) + value


def item(key, json):
    return text(1, text(2, key) + text(16, json))


class Log:
    """A log of one run: records in chunks that never cross a block's edge."""

    def __init__(self, folder, run):
        folder = f"{folder}/offline-run-20260102_030405-{run}"
        os.makedirs(folder, exist_ok=True)
        self.file = open(f"{folder}/run-{run}.wandb", "wb")
        self.file.write(b":W&B\xe1\xbe\x00")
        self.at, self.number = 7, 0
        start = text(17, integer(1, 1_700_000_000))
        self.record(17, text(1, run.encode()) + text(2, b"lab") + text(3, b"tests") + start)
        self.config(b"lr", b"0.25")

    def payload(self, payload):
        payload, done, first = memoryview(payload), 0, True
        while True:
            left = BLOCK - self.at % BLOCK
            if left < 7:
                self.file.write(b"\0" * left)
                self.at += left
                continue
            part = payload[done : done + left - 7]
            last = done + len(part) == len(payload)
            kind = (1 if last else 2) if first else (4 if last else 3)
            head = struct.pack("<IHB", zlib.crc32(part, zlib.crc32(bytes([kind]))), len(part), kind)
            self.file.write(head)
            self.file.write(part)
            self.at, done, first = self.at + 7 + len(part), done + len(part), False
            if last:
                return

    def record(self, kind, body):
        self.number += 1
        self.payload(integer(1, self.number) + text(kind, body))

    def config(self, key, json):
        self.record(5, item(key, json))

    def summary(self, *items):
        self.record(3, b"".join(items))

    def end(self):
        self.record(18, integer(2, 3))
        self.file.close()


def write(what, folder, count):
    Log(folder, "good0001").end()
    log = Log(folder, "bad00001")
    if what == "value":
        log.summary(item(b"blob", b'"' + b"x" * count + b'"'))
    elif what == "keys":
        for first in range(0, count, 10_000):
            log.summary(*(item(b"key%d" % key, b"1") for key in range(first, first + 10_000)))
    elif what == "deep":
        log.summary(item(b"lists", b"[" * count + b"]" * count))
        log.config(b"objects", b'{"a":' * count + b"1" + b"}" * count)
    elif what == "claim":
        log.payload(integer(1, 9) + varint(3 << 3 | 2) + varint(4 << 30) + b"x" * 100)
    else:
        sys.exit(__doc__)
    log.end()


def bomb(port, size):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = b"0" * 10_000_000
    packed = packer.compress(b'{"data":{"project":"')
    packed += b"".join(packer.compress(zeros) for _ in range(size // len(zeros))) + packer.flush()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            for name, value in [("content-encoding", "gzip"), ("content-length", len(packed))]:
                self.send_header(name, str(value))
            self.end_headers()
            try:
                self.wfile.write(packed)
            except OSError:
                pass

        def log_message(self, *_):
            pass

    print(f"WANDB_BASE_URL=http://127.0.0.1:{port}, {len(packed)} bytes on the wire", flush=True)
    http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    if sys.argv[1] == "bomb":
        bomb(sys.argv[2], count)
    else:
        write(sys.argv[1], sys.argv[2], count)
