"""Measure every figure of docs/performance.md, each beside its yardstick in the same run.

    make bench-figures ARGS="[NAME ...] [--repetitions 3] [--data ../shared/cifar10]"

NAME chooses among the figures; without one all are measured, which takes a quarter of an hour. The frames are
photographs that scikit-image and scikit-learn bring, laid side by side unscaled: enlarged ones would be too easy to
decode. MediaPipe is measured by `make bench-peers`.
"""

from __future__ import annotations

import argparse
import compileall
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from edge_app import classifier, dataset, evaluate, model_card, pipeline, preprocess
from edge_app._opencv import cv2
from edge_app.bench import frames, inference, machine
from edge_app.bench.classic import Classic, cost, entropy
from edge_app.bench.frames import Kind, Reel, Replay
from edge_app.bench.measure import Nowhere
from edge_app.classifier import Classifier
from edge_app.decision import Decision, Rules, probabilities
from edge_app.evaluate import FullDecode
from edge_app.pipeline import Limits
from edge_app.preprocess import Crop
from edge_app.sources import webcam
from edge_app.sources._base import Request
from edge_app.sources._live import Camera, Capture, LiveSource
from edge_app.sources._v4l2 import Device, Mode
from tests.test_agreement import photographs

NANO, BASE = "cifar10-nano", "cifar10-base"
EDGE_APP = str(Path(sys.executable).with_name("edge-app"))  # the program as it is installed
ROUNDS, FRAMES = 7, 120  # of a repetition: so many turns of so many frames
FULL_PX = (640, 480)
TILE_PX = (320, 240)  # every photograph is at least as large
SEED = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """How often to measure, and the folder of the test pictures."""

    repetitions: int
    data: Path | None


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    Attributes:
        what: is measured.
        bound: that it has to keep, in words.
        values: of the repetitions.
        keeps: whether a value keeps the bound.
        detail: what else there is to know.
    """

    what: str
    bound: str
    values: list[float]
    keeps: Callable[[float], bool]
    detail: str = ""

    def line(self) -> str:
        """Return it as a row of a Markdown table."""
        values = ", ".join(f"{value:.3g}" for value in self.values)
        verdict = "yes" if all(map(self.keeps, self.values)) else "NO"
        return f"| {self.what} | {self.bound} | {values} | {verdict} | {self.detail} |"


def at_most(limit: float) -> Callable[[float], bool]:
    """Return a test."""
    return lambda value: value <= limit


@cache
def reel(size_px: tuple[int, int], kind: Kind = "jpeg") -> Reel:
    """Lay photographs side by side until a frame is full; below 640x480 shrink such a frame, as a camera does."""
    if size_px[0] < FULL_PX[0]:
        full = [picture.rgb() for picture in map(reel(FULL_PX, "rgb").picture, range(frames.COUNT))]
        return frames.of_pictures("photographs", [preprocess.shrink(pixels, size_px) for pixels in full], kind)
    chance, shown = np.random.default_rng(SEED), [picture for _, picture in photographs()]
    width, height = TILE_PX
    made = []
    for _ in range(frames.COUNT):
        frame = np.empty((math.ceil(size_px[1] / height) * height, math.ceil(size_px[0] / width) * width, 3), np.uint8)
        for top in range(0, frame.shape[0], height):
            for left in range(0, frame.shape[1], width):
                picture = shown[chance.integers(len(shown))]
                y, x = (chance.integers(picture.shape[axis] - (height, width)[axis] + 1) for axis in (0, 1))
                frame[top : top + height, left : left + width] = picture[y : y + height, x : x + width]
        made.append(np.ascontiguousarray(frame[: size_px[1], : size_px[0], ::-1]))
    return frames.of_pictures("photographs", made, kind)


@cache
def loaded(name: str) -> Classifier:
    """Load a model."""
    return classifier.load(name)


def pipeline_cpu_ms(size_px: tuple[int, int], kind: Kind, model: str = NANO) -> float:
    """Return the processor time our pipeline takes for a frame."""
    for count in (frames.COUNT, FRAMES):  # the first round warms up
        begun_s = time.process_time()
        decision = Decision(loaded(model).labels, Rules())
        pipeline.run(Replay(reel(size_px, kind), count), loaded(model), decision, [Nowhere()], Crop(), Limits())
        taken_s = time.process_time() - begun_s
    return taken_s / FRAMES * 1e3


def classic_cpu_ms(size_px: tuple[int, int], kind: Kind, model: str = NANO) -> float:
    """Return what the classic loop takes."""
    return cost(Classic(model_card.read(model), "auto", kind).label, reel(size_px, kind), FRAMES).cpu_ms


def medians_of_turns(*ways: Callable[[], float]) -> list[float]:
    """Measure each way again and again, in turns, so that what else the machine does strikes all alike."""
    rounds = [[way() for way in ways] for _ in range(ROUNDS)]
    return [statistics.median(each) for each in zip(*rounds, strict=True)]


def against_classic(
    size_px: tuple[int, int], kind: Kind, limit: float, classic_px: tuple[int, int] | None = None, of: str = ""
) -> Callable[[Plan], Iterator[Figure]]:
    """Return the figure: CPU time of a frame beside the classic loop's."""

    def figure(plan: Plan) -> Iterator[Figure]:
        there_px = classic_px or size_px
        ways = (
            partial(pipeline_cpu_ms, size_px, kind),
            partial(classic_cpu_ms, there_px, "jpeg" if classic_px else kind),
        )
        pairs = [medians_of_turns(*ways) for _ in range(plan.repetitions)]
        ours, classic = zip(*pairs, strict=True)
        here, there = (f"{width}x{height}" for width, height in (size_px, there_px))
        what = f"{of}CPU of a frame, {here} {kind}, beside the classic loop at {there}"
        detail = f"{statistics.median(ours):.2f} ms beside {statistics.median(classic):.2f} ms"
        yield Figure(what, f"<= {limit} x", ratios(ours, classic), at_most(limit), detail)

    return figure


def ratios(ours: tuple[float, ...] | list[float], others: tuple[float, ...] | list[float]) -> list[float]:
    """Divide one by one."""
    return [mine / other for mine, other in zip(ours, others, strict=True)]


def beside_entropy(plan: Plan) -> Iterator[Figure]:
    """Beside the entropy decoding, which no loop can avoid."""
    size_px = (1280, 720)
    shown = reel(size_px)
    ways = partial(pipeline_cpu_ms, size_px, "jpeg"), lambda: cost(entropy, shown, FRAMES).cpu_ms
    pairs = [medians_of_turns(*ways) for _ in range(plan.repetitions)]
    ours, least = zip(*pairs, strict=True)
    yield Figure(
        "the same at 1280x720 beside its entropy decoding alone",
        "<= 1.35 x",
        ratios(ours, least),
        at_most(1.35),
        f"{statistics.median(ours):.2f} ms beside {statistics.median(least):.2f} ms",
    )


def smallest_mode(plan: Plan) -> Iterator[Figure]:
    """Choose the mode as the shipped defaults do, of a camera that lists both formats and of one with JPEG alone."""
    sizes = ((320, 240), (640, 480), (800, 600), (1280, 720))
    for formats in (("MJPG", "YUYV"), ("MJPG",)):
        modes = tuple(Mode(fourcc, *size) for fourcc in formats for size in sizes)
        needed = preprocess.min_side_px(loaded(NANO).shape)
        mode = webcam.choose_mode(Device("/dev/video0", "", modes), Request(min_side_px=needed))
        if mode is None:
            raise SystemExit("the shipped defaults choose no mode of a usual camera")
        size_px, kind = (mode.width_px, mode.height_px), KINDS[mode.fourcc]
        yield from against_classic(size_px, kind, 0.30, (640, 480), f"camera with {' and '.join(formats)}: ")(plan)


KINDS: dict[str, Kind] = {"MJPG": "jpeg", "YUYV": "yuyv"}


def difference_of_yuyv(plan: Plan) -> Iterator[Figure]:
    """Compare with the area average of every pixel."""
    shown = reel((640, 480), "yuyv")
    found = []
    for index in range(len(shown.raw)):
        cheap, full = shown.picture(index), FullDecode(shown.picture(index))
        patches = [preprocess.patch(picture, (32, 32)).astype(int) for picture in (cheap, full)]
        found.append(float(np.abs(patches[0] - patches[1]).mean()))
    what = "640x480 yuyv: mean difference from the full area average"
    yield Figure(what, "<= 1.5 levels", [statistics.mean(found)], at_most(1.5), f"worst frame {max(found):.2f}")


class ReelCamera(Camera):
    """A camera that delivers the pictures of a reel at its own pace."""

    def __init__(self, shown: Reel, fps: float) -> None:
        self._reel, self._fps, self._index, self._begun_s = shown, fps, 0, 0.0

    def open(self) -> str:
        """Begin."""
        self._begun_s = time.monotonic()
        return "reel"

    def skip(self) -> int:
        """Wait for the next picture's moment."""
        self._index += 1
        due_s = self._begun_s + self._index / self._fps
        time.sleep(max(0.0, due_s - time.monotonic()))
        return 0

    def read(self) -> Capture | None:
        """Wait, and deliver."""
        self.skip()
        return Capture(self._reel.picture(self._index), time.monotonic())

    def close(self) -> None:
        """Do nothing."""


def low_rate(plan: Plan) -> Iterator[Figure]:
    """Classify five frames a second of a camera with thirty."""

    def cpu_s(rate_hz: float | None) -> float:
        source = LiveSource(ReelCamera(reel((640, 480)), 30.0), Request(rate_hz=rate_hz))
        begun_s = time.process_time()
        decision = Decision(loaded(NANO).labels, Rules())
        limits = Limits(duration_s=10.0, rate_hz=rate_hz)
        pipeline.run(source, loaded(NANO), decision, [Nowhere()], Crop(), limits)
        source.close()
        return time.process_time() - begun_s

    pairs = [(cpu_s(5.0), cpu_s(None)) for _ in range(plan.repetitions)]
    slow, fast = zip(*pairs, strict=True)
    detail = f"{statistics.median(slow) * 10:.1f} % beside {statistics.median(fast) * 10:.1f} % of a core"
    what = "CPU with --rate 5, camera of 30 frames/s, beside without"
    yield Figure(what, "<= 0.30 x", ratios(slow, fast), at_most(0.30), detail)


def classifier_call(plan: Plan) -> Iterator[Figure]:
    """Time the call from patch to scores beside the bare invoke, in turns."""
    patch = classifier.golden_patch((32, 32))
    for name in (NANO, BASE):
        ours, bare = loaded(name), inference.interpreter(model_card.read(name).content)

        def call(ours: Classifier = ours) -> None:
            probabilities(ours.scores(patch), 1.0)

        values = []
        for _ in range(plan.repetitions):
            medians = in_turns({"ours": call, "bare": bare.invoke}, 3000)
            values.append((medians["ours"] - medians["bare"]) * 1e6)
        yield Figure(f"{name}: patch to probabilities, more than the bare invoke", "<= 25 us", values, at_most(25))


def in_turns(ways: dict[str, Callable[[], object]], count: int) -> dict[str, float]:
    """Return the median duration of each, seconds; they take turns."""
    taken_s: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(-count // 10, count):
        for name, way in ways.items():
            begun_s = time.perf_counter()
            way()
            if number >= 0:
                taken_s[name].append(time.perf_counter() - begun_s)
    return {name: statistics.median(each) for name, each in taken_s.items()}


def loop_overhead(plan: Plan) -> Iterator[Figure]:
    """Take what the pipeline needs for a frame, less what decode, shrink and invoke need by themselves."""
    shown, decision = reel((640, 480)), Decision(loaded(NANO).labels, Rules())
    bare = inference.interpreter(model_card.read(NANO).content)
    box, needed = preprocess.center_box((640, 480), (32, 32)), preprocess.min_side_px((32, 32))

    def whole() -> None:
        pipeline.run(Replay(shown, frames.COUNT), loaded(NANO), decision, [Nowhere()], Crop(), Limits())

    def parts() -> None:
        for index in range(frames.COUNT):
            preprocess.shrink(shown.picture(index).rgb(box, needed), (32, 32))
            bare.invoke()

    values = []
    for _ in range(plan.repetitions):
        medians = in_turns({"whole": whole, "parts": parts}, 40)
        values.append((medians["whole"] - medians["parts"]) / frames.COUNT * 1e6)
    yield Figure("loop, more than decode, shrink and invoke", "<= 60 us", values, at_most(60))


SCRIPT = """
import sys
import cv2, numpy as np, pydantic_settings
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
    """Run on a video, beside a script that imports the same libraries and does the same by hand."""
    with tempfile.TemporaryDirectory() as scratch:
        video = str(Path(scratch, "video.mp4"))
        write_video(video, (640, 480), 90)
        model = str(model_card.read(BASE).path)
        compileall.compile_dir(Path(classifier.__file__).parent, quiet=1)  # as pip does when it installs
        ours = [EDGE_APP, "run", "--source", video, "--preview", "none", "--log", "-"]
        script = [sys.executable, "-c", SCRIPT, video, model]
        starts, peaks = [], []
        for _ in range(plan.repetitions):
            times = [(first_line_s([*ours, "--frames", "1"]), first_line_s([*script, "1"])) for _ in range(9)]
            starts.append([statistics.median(each) for each in zip(*times, strict=True)])
            peaks.append((peak_mb([*ours, "--frames", "80"]), peak_mb([*script, "80"])))
    for what, pairs, unit in (("time to first label", starts, "s"), ("peak memory", peaks, "MiB")):
        mine, others = zip(*pairs, strict=True)
        detail = f"{statistics.median(mine):.3g} {unit} beside {statistics.median(others):.3g} {unit}"
        yield Figure(
            f"{what} of a video, beside a script of the same libraries",
            "<= 1.3 x",
            ratios(mine, others),
            at_most(1.3),
            detail,
        )


def write_video(path: str, size_px: tuple[int, int], count: int) -> None:
    """Encode the photographs as MPEG-4."""
    writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*"mp4v"), 30.0, size_px)
    shown = reel(size_px, "rgb")
    for index in range(count):
        writer.write(shown.raw[index % len(shown.raw)])
    writer.release()


def first_line_s(command: list[str]) -> float:
    """Return how long a program takes from its start to its first line; its modules are compiled beforehand."""
    begun_s = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        line = process.stdout.readline() if process.stdout else b""
        taken_s = time.perf_counter() - begun_s
        process.communicate()
    if not line:
        raise SystemExit(f"{' '.join(command)} printed nothing")
    return taken_s


PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def peak_mb(command: list[str]) -> float:
    """Return the most memory a program had, MiB; Linux counts what its parent had, so that one has to be small."""
    done = subprocess.run([sys.executable, "-c", PEAK, *command], check=True, capture_output=True, text=True)
    return int(done.stdout) / 2**10


def run_logged(*words: str, environment: dict[str, str] | None = None) -> list[dict[str, Any]]:
    """Run edge-app and return the lines of its log."""
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch, "log.jsonl")
        command = [EDGE_APP, "run", "--log", str(log), *words]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        if "no preview" in done.stderr:  # a run goes on without; what is measured here may not
            raise SystemExit(done.stderr)
        return [json.loads(line) for line in log.read_text().splitlines()]


CAMERA = ("--source", "synthetic:jpeg", "--model", BASE)


def live(plan: Plan) -> Iterator[Figure]:
    """Let the synthetic camera, which draws and encodes in the same process, run for a minute at each rate."""
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
    """Classify with and without a window on a display that is only memory."""
    if not shutil.which("Xvfb"):
        raise SystemExit("the figure 'window' needs Xvfb; run: sudo apt install xvfb")
    words = (*CAMERA, "--fps", "30", "--duration", "20")
    values = []
    with display() as name:
        for _ in range(plan.repetitions):
            shown = len(run_logged(*words, environment={**os.environ, "DISPLAY": name}))
            values.append(shown / len(run_logged(*words, "--preview", "none")))
    yield Figure("classifications with a window, beside without", ">= 0.95 x", values, lambda value: value >= 0.95)


@contextmanager
def display() -> Iterator[str]:
    """Start an X server."""
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


def accuracy(plan: Plan) -> Iterator[Figure]:
    """Classify the test pictures as camera frames, decoded as far as needed and in full."""
    data = dataset.find(plan.data).read("test", (32, 32))
    for name in (NANO, BASE):
        fast = evaluate.camera_path(loaded(name), data)
        full = evaluate.camera_path_full(loaded(name), data)
        points = 100 * abs(fast.correct - full.correct) / fast.total
        detail = f"{fast.correct} beside {full.correct} of {fast.total}"
        what = f"{name}: accuracy of the fast path, points from the full one"
        yield Figure(what, "<= 0.2", [points], at_most(0.2), detail)


FIGURES: dict[str, Callable[[Plan], Iterator[Figure]]] = {
    "jpeg-1280": against_classic((1280, 720), "jpeg", 0.50),
    "entropy": beside_entropy,
    "jpeg-640": against_classic((640, 480), "jpeg", 0.65),
    "mode": smallest_mode,
    "rate": low_rate,
    "yuyv": against_classic((640, 480), "yuyv", 0.85),
    "yuyv-difference": difference_of_yuyv,
    "call": classifier_call,
    "loop": loop_overhead,
    "start": start_and_memory,
    "window": window,
    "live": live,
    "accuracy": accuracy,
}


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(FIGURES))
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--data", type=Path, help="for 'accuracy', as for 'edge-app evaluate'")
    options = parser.parse_args()
    if unknown := set(options.names) - set(FIGURES):
        parser.error(f"no figure is called {', '.join(sorted(unknown))}; there are {', '.join(FIGURES)}")
    plan = Plan(options.repetitions, options.data)
    about = machine.describe()
    print(f"{about.board}, {about.processor}, {about.cores} cores; {about.versions}\n")
    print("| what | bound | measured | kept | |\n|---|---|---|---|---|")
    for name in options.names or FIGURES:
        for figure in FIGURES[name](plan):
            print(figure.line(), flush=True)


if __name__ == "__main__":
    main()
