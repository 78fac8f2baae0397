#!/usr/bin/env bash
# runframe beside DuckDB and Polars on stored run tables that it makes itself (about 700 MB below target/): benches/peers/tables.sh
# RUNS=100000 benches/peers/tables.sh takes a smaller table; what follows is handed on, such as --rounds 9.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target} runs=${RUNS:-1000000}
venv=$target/peers-tables-python data=$target/peers-tables
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.0 polars==2.1.0
cargo build --release --locked
mkdir -p "$data"
for rows in 10000 "$runs"; do
    [ -e "$data/runs-$rows.parquet" ] && continue
    "$venv/bin/python" benches/peers/make_table.py "$data/raw.parquet" "$rows"
    # Rewritten, so that row groups, compression and statistics are those that runframe writes.
    "$target/release/runframe" query "$data/raw.parquet" -q -o "$data/runs-$rows.parquet"
    rm "$data/raw.parquet"
done
"$venv/bin/python" benches/peers/tables.py "$data/runs-$runs.parquet" "$data/runs-10000.parquet" --runframe "$target/release/runframe" "$@"
