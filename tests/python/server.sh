#!/usr/bin/env bash
# Serves the bundled runs and 300 made-up ones, and lets the real W&B SDK judge what `runframe pull` makes of them.
# Sets up its own environment below target/; needs python3 and PyPI, no account.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}
sdk=$target/python-sdk
judges=$target/python # as run.sh makes it
[ -x "$sdk/bin/python" ] || python3 -m venv "$sdk"
[ -x "$judges/bin/python" ] || python3 -m venv "$judges"
"$sdk/bin/pip" install --quiet --disable-pip-version-check wandb==0.31.0
grep -E '^(pyarrow|duckdb|polars)==' tests/python/requirements.txt > "$target/judges.txt"
"$judges/bin/pip" install --quiet --disable-pip-version-check -r "$target/judges.txt"
cargo build --locked --quiet --bin runframe --example wandb_server

work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
export HOME=$work WANDB_DIR=$work WANDB_SILENT=true
export WANDB_API_KEY=5f4dcc3b5aa765d61d8327deb882cf995f4dcc3b

check() { # PORT "SERVER OPTIONS" PROJECT…
    export WANDB_BASE_URL=http://127.0.0.1:$1
    # shellcheck disable=SC2086
    "$target/debug/examples/wandb_server" --serve --port "$1" $2 > /dev/null &
    server=$!
    shift 2
    for _ in $(seq 100); do (echo > "/dev/tcp/127.0.0.1/${WANDB_BASE_URL##*:}") 2> /dev/null && break; sleep 0.1; done
    "$sdk/bin/python" tests/python/check_server.py read "$@" -o "$work/sdk.json"
    rm -f "$work/runs.parquet"
    "$target/debug/runframe" pull "$@" -q -o "$work/runs.parquet"
    "$judges/bin/python" tests/python/check_server.py compare "$work/runs.parquet" "$work/sdk.json"
    kill "$server"
    server=
}

history() { # PORT "SERVER OPTIONS" PROJECT
    export WANDB_BASE_URL=http://127.0.0.1:$1 WANDB_CACHE_DIR=$work/cache
    # shellcheck disable=SC2086
    "$target/debug/examples/wandb_server" --serve --port "$1" $2 > /dev/null &
    server=$!
    for _ in $(seq 100); do (echo > "/dev/tcp/127.0.0.1/$1") 2> /dev/null && break; sleep 0.1; done
    "$target/debug/runframe" history "$3" --system -q -o "$work/system.jsonl"
    "$sdk/bin/python" tests/python/check_history.py "$3" "$work/system.jsonl"
    kill "$server"
    server=
}
stored() { # PORT "SERVER OPTIONS" PROJECT
    export WANDB_BASE_URL=http://127.0.0.1:$1
    # shellcheck disable=SC2086
    "$target/debug/examples/wandb_server" --serve --port "$1" $2 > /dev/null &
    server=$!
    for _ in $(seq 100); do (echo > "/dev/tcp/127.0.0.1/$1") 2> /dev/null && break; sleep 0.1; done
    rm -rf "$work/stored.parquet" "$work/stored.history"
    "$target/debug/runframe" pull "$3" -q -o "$work/stored.parquet" --history all
    "$target/debug/runframe" history "$3" -q -o "$work/truth.parquet"
    "$judges/bin/python" tests/python/check_stored_history.py "$work/stored.parquet" "$work/truth.parquet"
    kill "$server"
    server=
}
stored 18770 "--runs 300 --steps 100" acme/fleet
history 18769 "--runs 5 --steps 200" acme/fleet
check 18767 "" lab/mnist lab/translate
check 18768 "--runs 300" acme/fleet
