#!/usr/bin/env bash
# Pages of W&B's answers to a flat, typed table: runframe beside sonic-rs, which only parses, and beside pandas, Polars, DuckDB and
# pyarrow. Everything it needs it makes below target/: benches/peers/flatten.sh; RUNS=50000 for more runs, ROUNDS=9 for more rounds.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}/peers-flatten runs=${RUNS:-10000} rounds=${ROUNDS:-5}
venv=$target/python binary=$target/release/runframe-flatten-peer
mkdir -p "$target"
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check pandas==3.1.1 polars==2.1.0 duckdb==2.0.0 pyarrow==26.0.1
cargo build --release --locked --manifest-path benches/peers/flatten/Cargo.toml --target-dir "$target"
RAYON_NUM_THREADS=1 "$binary" sonic "$runs" "$rounds"
for sort in messy clean; do
    rm -rf "$target/$sort"
    mkdir "$target/$sort"
    "$binary" write "$target/$sort" "$runs" "$sort"
done
"$venv/bin/python" benches/peers/flatten.py "$target/messy" "$target/clean" --binary "$binary" --rounds "$rounds"
