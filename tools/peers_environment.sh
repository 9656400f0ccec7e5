#!/bin/sh
# Make an environment with edge-app and MediaPipe for tools/bench_peers.py. MediaPipe brings its own OpenCV.
set -eu
folder=$1
stamp="$folder/.installed"
if [ -f "$stamp" ] && [ "$stamp" -nt setup.py ]; then exit 0; fi
[ -x "$folder/bin/python" ] || "${PYTHON:-python3}" -I -m venv "$folder"
"$folder/bin/python" -I -m pip install --quiet --disable-pip-version-check 'mediapipe>=1.2,<2' -e .
touch "$stamp"
