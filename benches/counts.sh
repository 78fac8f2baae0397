#!/usr/bin/env bash
# Instructions of the hot paths that need no Polars, counted by callgrind and held against benches/counts.txt: benches/counts.sh
# Fails if one costs more than 5 % more than was recorded. benches/counts.sh --write records anew, on the machine that judges.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}/counts
mkdir -p "$target"
cargo build --quiet --release --locked --manifest-path benches/counts/Cargo.toml --target-dir "$target"
found=$target/found.txt
: > "$found"
for task in records flatten flatten-carefully merge log; do
    valgrind --tool=callgrind --toggle-collect='*runframe_counts::counted*' \
        --callgrind-out-file="$target/$task.callgrind" "$target/release/runframe-counts" "$task" 2> "$target/$task.log"
    echo "$task $(sed -n 's/.*Collected : \([0-9]*\).*/\1/p' "$target/$task.log")" >> "$found"
done
if [ "${1:-}" = --write ]; then
    cp "$found" benches/counts.txt
    cat benches/counts.txt
    exit
fi
awk '
    NR == FNR { recorded[$1] = $2; next }
    {
        change = recorded[$1] ? 100 * ($2 / recorded[$1] - 1) : 0
        printf "%-20s %14d instructions, %+6.2f %%%s\n", $1, $2, change, (change > 5 ? "  TOO MANY" : "")
        if (!($1 in recorded) || change > 5) wrong = 1
    }
    END { exit wrong }
' benches/counts.txt "$found"
