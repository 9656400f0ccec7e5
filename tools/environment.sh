#!/bin/sh
# Make or update a virtual environment with edge-app: tools/environment.sh FOLDER [EXTRA ...]
# Prints the apt command for whatever the operating system lacks. Variables: PYTHON (default python3), OPENCV
# (desktop or headless; default: desktop if there is libGL or a display).
set -eu
PATH=$PATH:/sbin:/usr/sbin # for ldconfig, which Debian keeps off ordinary users' PATH
folder=$1; shift
python=${PYTHON:-python3}
say() { printf 'edge-app: %s\n' "$*" >&2; }
refuse() { say "$*"; exit 3; }
# -I throughout: modules in the current folder, on PYTHONPATH or in the user's site must not be imported.

"$python" -I -c '' 2>/dev/null || refuse "no working $python; run: sudo apt install python3 python3-venv"
"$python" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  refuse "$("$python" --version) is too old, 3.11 is needed; name a newer one: make PYTHON=python3.12 ..."
"$python" -I -c 'import venv, ensurepip; ensurepip.version()' 2>/dev/null >&2 || refuse "Python cannot make environments; run: sudo apt install python3-venv"

# On a Raspberry Pi picamera2 comes from apt, built against apt's numpy. There the environment sees the system's
# packages, and OpenCV comes from apt too: pip's needs a newer numpy, which breaks picamera2.
has_picamera2=$("$python" -I -c 'import importlib.util as u; print("yes" if u.find_spec("picamera2") else "no")')
if [ "$has_picamera2" = yes ]; then
  sees_system=--system-site-packages opencv=
  "$python" -I -c 'import cv2' 2>/dev/null || refuse "OpenCV is missing; run: sudo apt install python3-opencv"
else
  sees_system= opencv=${OPENCV:-headless}
  if [ -z "${OPENCV:-}" ] && { [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] || ldconfig -p 2>/dev/null | grep -q 'libGL\.so\.1'; }; then
    opencv=desktop
  fi
  if [ "$(uname -s)" = Darwin ]; then opencv=${OPENCV:-desktop}; fi
fi

# Three sets, pinned with hashes, each larger than the one before. An environment never gets a smaller set than it has:
# the converter of [train] needs older versions of some packages, and the sets would replace each other's for ever.
set=run
for extra; do
  case $extra in
    train | notebook) set=train ;;
    test | check) [ $set = train ] || set=dev ;;
    *) refuse "no pinned requirements for the extra $extra; there are: test, check, train, notebook" ;;
  esac
done
for larger in dev train; do
  if [ $set != train ] && [ -f "$folder/.installed-$larger-$opencv" ]; then set=$larger; fi
done
case $set-$opencv in
  run-headless) pins=constraints.txt other= ;;
  run-desktop) pins=requirements/desktop.txt other= ;;
  run-) pins=constraints-apt.txt other= ;;
  dev-) pins=requirements/dev-apt.txt other= ;;
  train-) refuse "training needs a newer numpy than picamera2 bears; train on another machine" ;;
  *-headless) pins=requirements/$set.txt other=opencv-python ;;
  *) pins=requirements/$set.txt other=opencv-python-headless ;;
esac
stamp="$folder/.installed-$set-$opencv"
if [ -f "$stamp" ] && [ "$stamp" -nt setup.py ] && [ "$stamp" -nt $pins ]; then exit 0; fi

say "installing into $folder (once; some minutes on a Raspberry Pi)"
[ -x "$folder/bin/python" ] || "$python" -I -m venv $sees_system "$folder"
install() { "$folder/bin/python" -I -m pip install --quiet --disable-pip-version-check "$@"; }
# The two builds of OpenCV overwrite each other's files.
awk -v other="$other" '/^[a-z]/ { kept = $1 !~ "^" other "==" } kept' $pins > "$folder/pins.txt"
# PyTorch by version only, without a hash: it has a build for CPUs and one for GPUs, and which comes is up to the index.
if [ $set = train ]; then install --only-binary :all: --no-deps torch==2.13.0; fi
install --require-hashes --only-binary :all: -r requirements/build.txt -r "$folder/pins.txt"
# Again, for what only the build for GPUs needs, which PyTorch itself pins.
if [ $set = train ]; then install --only-binary :all: torch==2.13.0; fi
install --no-deps --no-build-isolation -e .

check() { "$folder/bin/python" -I -c "$1" 2>&1 || true; }
broken=$(check 'import edge_app.pictures.opencv' | tail -n 1)
case $broken in
  *libGL* | *libgthread* | *libglib*) refuse "OpenCV lacks a library; run: sudo apt install libgl1 libglib2.0-0" ;;
  ?*) refuse "$broken" ;;
esac
broken=$(check 'from edge_app.model import runtime; runtime.import_runtime("auto")' | tail -n 1)
[ -z "$broken" ] || refuse "$broken"
if [ "$has_picamera2" = yes ]; then
  broken=$(check 'import picamera2' | tail -n 1)
  [ -z "$broken" ] || say "picamera2 does not import, only webcams will be found: $broken"
fi
touch "$stamp"
