#!/bin/sh
# Make an environment with edge-app and MediaPipe for tools/bench_peers.py. MediaPipe brings its own OpenCV.
set -eu
folder=$1
stamp="$folder/.installed"
if [ -f "$stamp" ] && [ "$stamp" -nt setup.py ] && [ "$stamp" -nt requirements/peers.txt ]; then exit 0; fi
[ -x "$folder/bin/python" ] || "${PYTHON:-python3}" -I -m venv "$folder"
install() { "$folder/bin/python" -I -m pip install --quiet --disable-pip-version-check "$@"; }
install --require-hashes --only-binary :all: -r requirements/build.txt -r requirements/peers.txt
install --no-deps --no-build-isolation -e .
touch "$stamp"
