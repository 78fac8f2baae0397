#!/usr/bin/env bash
# Writes Parquet with runframe and lets pyarrow, DuckDB and Polars for Python judge it against the SDK's own reading.
# Sets up its own environment below target/; needs python3 and PyPI, no account.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}
venv=$target/python
if [ ! -x "$venv/bin/python" ]; then
    python3 -m venv "$venv"
fi
# The SDK itself is not needed: what its reader says is kept in the truth files.
grep -E '^(pyarrow|duckdb|polars|openpyxl)==' tests/python/requirements.txt > "$target/judges.txt"
"$venv/bin/pip" install --quiet --disable-pip-version-check -r "$target/judges.txt"

check() { # SOURCE TRUTH NAME
    cargo run --locked --quiet -- query "$1" -q -o "$target/$3.parquet"
    "$venv/bin/python" tests/python/check_parquet.py "$target/$3.parquet" "$2"
}
check examples/wandb examples/wandb-truth.json examples
check tests/data/sdk tests/data/sdk/truth.json sdk
# Histories beside the run table, as other readers find them.
rm -rf "$target/stored.parquet" "$target/stored.history"
cargo run --locked --quiet -- pull examples/wandb -q -o "$target/stored.parquet" --history all
cargo run --locked --quiet -- history examples/wandb -q -o "$target/stored-truth.parquet"
"$venv/bin/python" tests/python/check_stored_history.py "$target/stored.parquet" "$target/stored-truth.parquet"
cargo run --locked --quiet -- query examples/wandb -q -o "$target/examples.xlsx"
"$venv/bin/python" tests/python/check_xlsx.py "$target/examples.xlsx" "$target/examples.parquet"
# The same questions to runframe and to DuckDB; the binary is the one that was just built.
"$venv/bin/python" tests/python/questions.py "$target/debug/runframe" "$target/questions"
