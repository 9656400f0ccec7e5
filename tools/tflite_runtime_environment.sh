#!/bin/sh
# Make an environment with edge-app on tflite-runtime 2.14, the last release: Python 3.11, numpy 1, a matching OpenCV.
# edge-app is installed without its requirements, as they name the successor, ai-edge-litert.
set -eu
folder=$1
python=${PYTHON311:-python3.11}
stamp="$folder/.installed"
if [ -f "$stamp" ] && [ "$stamp" -nt setup.py ] && [ "$stamp" -nt requirements/tflite-runtime.txt ]; then exit 0; fi
command -v "$python" >/dev/null || { echo "edge-app: tflite-runtime needs Python 3.11, but there is no $python" >&2; exit 3; }
[ -x "$folder/bin/python" ] || "$python" -I -m venv "$folder"
install() { "$folder/bin/python" -I -m pip install --quiet --disable-pip-version-check "$@"; }
install --require-hashes --only-binary :all: -r requirements/build.txt -r requirements/tflite-runtime.txt
install --no-deps --no-build-isolation -e .
touch "$stamp"
