"""Figures of the whole program: start, memory, frames dropped, the preview window."""

from __future__ import annotations

import compileall
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from edge_app.bench import start
from edge_app.model import classifier, store
from edge_app.pictures.opencv import cv2
from tools.figures_common import BASE, Figure, Plan, at_most, ratios, reel

EDGE_APP = str(Path(sys.executable).with_name("edge-app"))  # the installed program


SCRIPT = """
import sys
import cv2, numpy as np, pydantic
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter(model_path=sys.argv[2], num_threads=1)
interpreter.allocate_tensors()
source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
video = cv2.VideoCapture(sys.argv[1])
for _ in range(int(sys.argv[3])):
    frame = video.read()[1]
    height, width = frame.shape[:2]
    square = frame[:, (width - height) // 2 : (width + height) // 2]
    small = cv2.cvtColor(cv2.resize(square, (32, 32), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB)
    interpreter.set_tensor(source["index"], (small.astype(np.int16) - 128).astype(np.int8)[None])
    interpreter.invoke()
    print(int(interpreter.get_tensor(target["index"])[0].argmax()), flush=True)
"""


def start_and_memory(plan: Plan) -> Iterator[Figure]:
    """Compare a run on a video with a script that uses the same libraries by hand."""
    with tempfile.TemporaryDirectory() as scratch:
        video = str(Path(scratch, "video.mp4"))
        write_video(video, (640, 480), 90)
        model = str(store.read(BASE).path)
        compileall.compile_dir(Path(classifier.__file__).parents[1], quiet=1)  # as pip does on installation
        ours = [EDGE_APP, "run", "--source", video, "--preview", "none", "--log", "-"]
        script = [sys.executable, "-I", "-c", SCRIPT, video, model]
        starts, peaks = [], []
        for _ in range(plan.repetitions):
            once = [(start.measure([*ours, "--frames", "1"]), start.measure([*script, "1"])) for _ in range(9)]
            starts.append([statistics.median(each.first_line_s for each in way) for way in zip(*once, strict=True)])
            longer = start.measure([*ours, "--frames", "80"]), start.measure([*script, "80"])
            peaks.append([each.peak_mb for each in longer])
    for what, pairs, unit in (("time to first label", starts, "s"), ("peak memory", peaks, "MiB")):
        mine, others = zip(*pairs, strict=True)
        detail = f"{statistics.median(mine):.3g} {unit} against {statistics.median(others):.3g} {unit}"
        yield Figure(
            f"{what} of a video, compared with a script of the same libraries",
            "<= 1.3 x",
            ratios(mine, others),
            at_most(1.3),
            detail,
        )


def write_video(path: str, size_px: tuple[int, int], count: int) -> None:
    """Write frames of photographs as an MPEG-4 video."""
    writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*"mp4v"), 30.0, size_px)
    shown = reel(size_px, "rgb")
    for index in range(count):
        writer.write(shown.raw[index % len(shown.raw)])
    writer.release()


def run_logged(*words: str, environment: dict[str, str] | None = None) -> list[dict[str, Any]]:
    """Run edge-app and return the lines of its log."""
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch, "log.jsonl")
        command = [EDGE_APP, "run", "--log", str(log), *words]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        if "no preview" in done.stderr:  # edge-app would run on without its window; this figure needs it
            raise SystemExit(done.stderr)
        return [json.loads(line) for line in log.read_text().splitlines()]


CAMERA = ("--source", "synthetic:jpeg", "--model", BASE)


def live(plan: Plan) -> Iterator[Figure]:
    """Run the synthetic camera, which draws and encodes in the same process, for a minute at each rate."""
    for fps in (30, 60, 120):
        lines = run_logged(*CAMERA, "--fps", str(fps), "--preview", "none", "--duration", "60")
        dropped, seen = lines[-1]["dropped"], len(lines)
        share = 100 * dropped / (dropped + seen)
        what, detail = f"frames dropped at {fps} frames/s in a minute", f"{dropped} of {seen + dropped}"
        yield Figure(what, "<= 0.1 %", [share], at_most(0.1), detail)
        if fps == 30:
            age_ms = float(np.percentile([line["age_ms"] for line in lines], 99))
            yield Figure(
                "age of a result when its line is written, 99th percentile, at 30 frames/s",
                "<= 33.3 ms",
                [age_ms],
                at_most(1e3 / 30),
            )


def window(plan: Plan) -> Iterator[Figure]:
    """Compare the rate with a preview window, on a virtual display, with the rate without one."""
    if not shutil.which("Xvfb"):
        raise SystemExit("the figure 'window' needs Xvfb; run: sudo apt install xvfb")
    words = (*CAMERA, "--fps", "30", "--duration", "20")
    values = []
    with display() as name:
        for _ in range(plan.repetitions):
            shown = len(run_logged(*words, environment={**os.environ, "DISPLAY": name}))
            values.append(shown / len(run_logged(*words, "--preview", "none")))
    yield Figure("classifications with a window, compared with none", ">= 0.95 x", values, lambda value: value >= 0.95)


@contextmanager
def display() -> Iterator[str]:
    """Run an X server and yield its DISPLAY; it chooses a free number."""
    told, tell = os.pipe()
    command = ["Xvfb", "-displayfd", str(tell), "-screen", "0", "1280x800x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=[tell], stderr=subprocess.DEVNULL) as server:
        os.close(tell)
        with os.fdopen(told) as answer:
            number = answer.readline().strip()
        try:
            if not number:
                raise SystemExit("Xvfb does not start")
            yield f":{number}"
        finally:
            server.terminate()
