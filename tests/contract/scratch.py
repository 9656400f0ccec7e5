"""A folder with all that the commands name, and `edge-app` as a user without settings, display and service runs it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

TESTS = Path(__file__).parent.parent
MODELS = TESTS.parent / "models"
# Everything a settings file can say, each value another than the default.
EVERY_SETTING = """\
[camera]
source = "synthetic"
size = "640x480"
fps = 15
rotate = 90
flip = "vertical"
crop = "10,20,300,200"
realtime = true
rate = 2.5
[model]
model = "cifar10-nano"
labels = "labels.txt"
input_range = "0,1"
runtime = "ai-edge-litert"
delegate = "none"
threads = 2
trusted = true
[decision]
enter = 0.8
leave = 0.3
smoothing = 0
[output]
preview = "none"
log = "file.jsonl"
log_when = "periodic"
log_period = 7
log_max_mb = 0.5
log_max_days = 2
log_sync = 0
log_keep = 9
sink = ["console", "log:more.jsonl"]
[service]
memory_max = 300
"""

# Every variable, as text that a shell hands over.
EVERY_VARIABLE = """\
EDGE_APP_SOURCE=webcam:1 EDGE_APP_SIZE=320x240 EDGE_APP_FPS=25.5 EDGE_APP_ROTATE=180 EDGE_APP_FLIP=horizontal
EDGE_APP_CROP=squash EDGE_APP_REALTIME=yes EDGE_APP_RATE=4
EDGE_APP_MODEL=my.tflite EDGE_APP_LABELS=mine.txt EDGE_APP_INPUT_RANGE=0,255 EDGE_APP_RUNTIME=tflite-runtime
EDGE_APP_DELEGATE=xnnpack EDGE_APP_THREADS=3 EDGE_APP_TRUSTED=0
EDGE_APP_ENTER=.7 EDGE_APP_LEAVE=0 EDGE_APP_SMOOTHING=1e1
EDGE_APP_PREVIEW=window EDGE_APP_LOG=- EDGE_APP_LOG_WHEN=change EDGE_APP_LOG_PERIOD=30 EDGE_APP_LOG_MAX_MB=2
EDGE_APP_LOG_MAX_DAYS=0.5 EDGE_APP_LOG_SYNC=60 EDGE_APP_LOG_KEEP=0 EDGE_APP_SINK='log:a.jsonl console'
EDGE_APP_MEMORY_MAX=99.5
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command left: its exit code, what it printed, and its lines on stderr but the runtime's own."""

    code: int
    out: str
    said: list[str]


def make(folder: Path) -> Path:
    """Fill a folder with all that the commands name, and put `edge-app` on a path of its own."""
    for name in ("empty", "bin", "home/.config/edge-app", "there/edge-app"):
        (folder / name).mkdir(parents=True)
    program = folder / "bin" / "edge-app"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m edge_app "$@"\n')
    program.chmod(0o755)
    _draw_pictures(folder)
    _write_settings(folder)
    _copy_models(folder)
    (folder / "torn.jsonl").write_text('{"cut": "off"}\n{"time":"2026-11')
    return folder


def _draw_pictures(folder: Path) -> None:
    ship = np.full((96, 96, 3), (190, 150, 60), np.uint8)
    cv2.fillPoly(ship, [np.array([[15, 60], [80, 60], [70, 75], [25, 75]])], (40, 40, 160))
    cv2.rectangle(ship, (40, 40), (55, 60), (240, 240, 240), -1)
    plane = np.full((96, 96, 3), (230, 190, 140), np.uint8)
    cv2.ellipse(plane, (48, 48), (35, 7), -15, 0, 360, (245, 245, 245), -1)
    cv2.fillPoly(plane, [np.array([[40, 48], [60, 44], [75, 75]])], (220, 220, 220))
    pictures = {"photos/a": plane, "photos/b": plane, "photos/c/d": ship, "mixed/b": plane}
    pictures |= {"labelled/test/airplane/a": plane, "labelled/test/airplane/b": plane, "labelled/test/ship/a": ship}
    for name, picture in pictures.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"{name}.png"), picture)
    (folder / "broken").mkdir()
    for name in ("broken/a.jpg", "mixed/a.jpg"):
        (folder / name).write_bytes(cv2.imencode(".jpg", ship)[1].tobytes()[:300])


def _write_settings(folder: Path) -> None:
    (folder / "every.toml").write_text(EVERY_SETTING)
    (folder / "every.sh").write_text(EVERY_VARIABLE)
    (folder / "every_line.toml").write_text('[output]\nlog_when = "every"\n')
    for name in ("rate.toml", "there/edge-app/config.toml"):
        (folder / name).write_text("[camera]\nrate = 3\n")
    (folder / "home/.config/edge-app/config.toml").write_text("[camera]\nrate = 6\n")
    (folder / "wrong.toml").write_text(
        '[camera]\nsorce = "x"\nrate = "fast"\n[modle]\n[output]\nlog_keep = "many"\nthreads = 1\n'
    )
    (folder / "no.toml").write_text("[camera\n")


def _copy_models(folder: Path) -> None:
    """Lay out models that cannot be used, and cards that do not fit."""
    shipped = MODELS / "cifar10-nano.tflite"
    card = json.loads(shipped.with_suffix(".json").read_text("utf-8"))
    changed = card | {"file": card["file"] | {"sha256": "0" * 64}}
    cards = {
        "changed": changed,
        "extra": card | {"colour": "red"},
        "newer": card | {"schema_version": 9},
    }
    for name, content in cards.items():
        shutil.copy(shipped, folder / f"{name}.tflite")
        (folder / f"{name}.json").write_text(json.dumps(content))
    shutil.copy(shipped, folder / "unreadable.tflite")
    (folder / "unreadable.json").write_text("{")
    shutil.copy(TESTS / "fixtures" / "softmax_int8.tflite", folder / "bare.tflite")
    (folder / "damaged.tflite").write_bytes(shipped.read_bytes()[:8] + b"\xff" * 400)
    (folder / "two.txt").write_text("red\ngreen\n")
    (folder / "three.txt").write_text("red\ngreen\nblue\n")


def end(scratch: Path, line: str, stdout: int = subprocess.PIPE) -> Ended:
    """Run a line in a shell, as a user without settings, display and service would; refuse tracebacks."""
    foreign = ("EDGE_APP_", "XDG_", "DISPLAY", "WAYLAND_", "LOGS_DIRECTORY", "NOTIFY_", "WATCHDOG_", "JOURNAL_")
    kept = {name: text for name, text in os.environ.items() if not name.startswith(foreign)}
    path = f"{scratch / 'bin'}{os.pathsep}{kept.get('PATH', os.defpath)}"
    own = {"PATH": path, "HOME": str(scratch / "nobody"), "XDG_CONFIG_HOME": str(scratch / "nobody"), "COLUMNS": "100"}
    done = subprocess.run(
        ["sh", "-c", line],
        cwd=scratch,
        env=kept | own,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr, f"{line}\n{done.stderr}"
    return Ended(
        done.returncode, done.stdout or "", [x for x in done.stderr.splitlines() if not x.startswith("INFO: ")]
    )


def each(scratch: Path, lines: Iterable[str]) -> dict[str, Ended]:
    """Run lines, some at a time."""
    lines = list(lines)
    with ThreadPoolExecutor(4) as pool:
        return dict(zip(lines, pool.map(lambda line: end(scratch, line), lines), strict=True))


def out(scratch: Path, line: str) -> str:
    """Return what a line printed, which is to end well."""
    done = end(scratch, line)
    assert done.code == 0, f"{line}\n{done.said}"
    return done.out
