#!/usr/bin/env bash
# runframe beside the SDK's own reader and `cat`, on logs it makes itself (about 270 MB below target/): benches/peers/logs.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}
venv=$target/peers
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check -r <(grep -E '^(wandb|protobuf)==' tests/python/requirements.txt)
[ -d "$target/peers-logs" ] || "$venv/bin/python" benches/peers/make_logs.py "$target/peers-logs"
cargo build --release --locked
"$venv/bin/python" benches/peers/logs.py "$target/peers-logs" --runframe "$target/release/runframe" "$@"
