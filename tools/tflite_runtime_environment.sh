#!/bin/sh
# Make an environment with edge-app on tflite-runtime 2.14, the last release: Python 3.11, numpy 1, a matching OpenCV.
# edge-app is installed without its requirements, as they name the successor, ai-edge-litert.
set -eu
folder=$1
python=${PYTHON311:-python3.11}
stamp="$folder/.installed"
if [ -f "$stamp" ] && [ "$stamp" -nt setup.py ]; then exit 0; fi
command -v "$python" >/dev/null || { echo "edge-app: tflite-runtime needs Python 3.11, but there is no $python" >&2; exit 3; }
[ -x "$folder/bin/python" ] || "$python" -I -m venv "$folder"
"$folder/bin/python" -I -m pip install --quiet --disable-pip-version-check 'tflite-runtime==2.14.0' 'numpy<2' \
  'opencv-python-headless<4.12' 'pydantic>=2.7' 'tqdm' 'pytest>=8'
"$folder/bin/python" -I -m pip install --quiet --disable-pip-version-check --no-deps -e .
touch "$stamp"
