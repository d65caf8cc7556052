#!/bin/sh
# Make an environment with kvpress and the transformers it needs (older than 5.3), for `memstrata bench kv --peers`:
#
#     tools/kv/peers.sh DIR && memstrata bench kv --peers DIR/bin/python --json kv.json --plot kv.png
#
# About 1.5 GB. Memstrata is not installed there: the benchmark hands over its texts and its model as JSON and a path.
set -eu
dir="${1:?where the environment goes}"
"${PYTHON:-python3}" -m venv "$dir"
"$dir/bin/pip" install --quiet torch==2.13.0
"$dir/bin/pip" install --quiet kvpress==0.5.5
"$dir/bin/python" -c 'import importlib.metadata as m; print(*(f"{n} {m.version(n)}" for n in ("kvpress", "transformers", "torch")), sep="\n")'
