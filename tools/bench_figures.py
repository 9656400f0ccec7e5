"""Measure every figure of docs/performance.md, each with its yardstick in the same run.

    make bench-figures ARGS="[NAME ...] [--repetitions 3] [--data ../shared/cifar10]"

NAME selects figures; without one all are measured, which takes a quarter of an hour. The frames are photographs from
scikit-image and scikit-learn, tiled without scaling: enlarged ones would be too easy to decode. `make bench-peers`
measures MediaPipe.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import numpy as np

from edge_app import pipeline
from edge_app.bench import frames, inference, machine
from edge_app.bench.classic import Classic, cost, entropy
from edge_app.bench.frames import Reel, Replay
from edge_app.data import dataset
from edge_app.evaluate import measure
from edge_app.evaluate.measure import FullDecode
from edge_app.model import classifier, store
from edge_app.model.classifier import Classifier
from edge_app.model.decision import Decision, Rules, probabilities
from edge_app.pictures import preprocess
from edge_app.pipeline import Control, Limits, Recogniser
from edge_app.settings.choices import FrameKind
from edge_app.settings.sections import CameraOptions, ModelOptions
from edge_app.sources import Camera, Capture, LiveSource, Request, Source, webcam
from edge_app.system.v4l2 import Device, Mode
from tools.figures_common import BASE, NANO, Figure, Nowhere, Plan, at_most, ratios, reel
from tools.figures_of_programs import live, start_and_memory, window

ROUNDS, FRAMES = 7, 120  # turns of a repetition, frames of a turn


@cache
def loaded(name: str) -> Classifier:
    """Load a model."""
    return classifier.load(ModelOptions(model=name))


def run_to_the_end(source: Source, recogniser: Recogniser, limits: Limits = Limits()) -> None:
    """Send a source's frames through the pipeline and discard the results."""
    pipeline.tally(pipeline.run(source, recogniser, [Nowhere()], limits, Control()))


def pipeline_cpu_ms(size_px: tuple[int, int], kind: FrameKind, model: str = NANO) -> float:
    """Return the pipeline's processor time a frame."""
    for count in (frames.COUNT, FRAMES):  # the first round warms up
        begun_s = time.process_time()
        decision = Decision(loaded(model).labels, Rules())
        run_to_the_end(Replay(reel(size_px, kind), count), Recogniser(loaded(model), decision))
        taken_s = time.process_time() - begun_s
    return taken_s / FRAMES * 1e3


def classic_cpu_ms(size_px: tuple[int, int], kind: FrameKind, model: str = NANO) -> float:
    """Return the classic loop's processor time a frame."""
    return cost(Classic(store.read(model), "auto", kind).label, reel(size_px, kind), FRAMES).cpu_ms


def medians_of_turns(*ways: Callable[[], float]) -> list[float]:
    """Return the median of each way; they take turns, so that disturbances on the machine affect all alike."""
    rounds = [[way() for way in ways] for _ in range(ROUNDS)]
    return [statistics.median(each) for each in zip(*rounds, strict=True)]


def against_classic(
    size_px: tuple[int, int], kind: FrameKind, limit: float, classic_px: tuple[int, int] | None = None, of: str = ""
) -> Callable[[Plan], Iterator[Figure]]:
    """Return a function that measures the CPU time a frame, compared with the classic loop's."""

    def figure(plan: Plan) -> Iterator[Figure]:
        there_px = classic_px or size_px
        ways = (
            partial(pipeline_cpu_ms, size_px, kind),
            partial(classic_cpu_ms, there_px, "jpeg" if classic_px else kind),
        )
        pairs = [medians_of_turns(*ways) for _ in range(plan.repetitions)]
        ours, classic = zip(*pairs, strict=True)
        here, there = (f"{width}x{height}" for width, height in (size_px, there_px))
        what = f"{of}CPU of a frame, {here} {kind}, compared with the classic loop at {there}"
        detail = f"{statistics.median(ours):.2f} ms against {statistics.median(classic):.2f} ms"
        yield Figure(what, f"<= {limit} x", ratios(ours, classic), at_most(limit), detail)

    return figure


def beside_entropy(plan: Plan) -> Iterator[Figure]:
    """Compare with entropy decoding alone, which no loop can avoid."""
    size_px = (1280, 720)
    shown = reel(size_px)
    ways = partial(pipeline_cpu_ms, size_px, "jpeg"), lambda: cost(entropy, shown, FRAMES).cpu_ms
    pairs = [medians_of_turns(*ways) for _ in range(plan.repetitions)]
    ours, least = zip(*pairs, strict=True)
    yield Figure(
        "the same at 1280x720, compared with its entropy decoding alone",
        "<= 1.35 x",
        ratios(ours, least),
        at_most(1.35),
        f"{statistics.median(ours):.2f} ms against {statistics.median(least):.2f} ms",
    )


def smallest_mode(plan: Plan) -> Iterator[Figure]:
    """Measure in the mode that the defaults choose, for a camera with JPEG and YUYV and for one with JPEG only."""
    sizes = ((320, 240), (640, 480), (800, 600), (1280, 720))
    for formats in (("MJPG", "YUYV"), ("MJPG",)):
        modes = tuple(Mode(fourcc, *size) for fourcc in formats for size in sizes)
        needed = preprocess.min_side_px(loaded(NANO).shape)
        mode = webcam.choose_mode(Device("/dev/video0", "", modes), Request(min_side_px=needed))
        if mode is None:
            raise SystemExit("the defaults choose no mode of a usual camera")
        size_px, kind = (mode.width_px, mode.height_px), KINDS[mode.fourcc]
        yield from against_classic(size_px, kind, 0.30, (640, 480), f"camera with {' and '.join(formats)}: ")(plan)


KINDS: dict[str, FrameKind] = {"MJPG": "jpeg", "YUYV": "yuyv"}


def difference_of_yuyv(plan: Plan) -> Iterator[Figure]:
    """Compare patches of YUYV frames with the area average over all pixels."""
    shown = reel((640, 480), "yuyv")
    found = []
    for index in range(len(shown.raw)):
        cheap, full = shown.picture(index), FullDecode(shown.picture(index))
        patches = [preprocess.patch(picture, (32, 32)).astype(int) for picture in (cheap, full)]
        found.append(float(np.abs(patches[0] - patches[1]).mean()))
    what = "640x480 yuyv: mean difference from the full area average"
    yield Figure(what, "<= 1.5 levels", [statistics.mean(found)], at_most(1.5), f"worst frame {max(found):.2f}")


class ReelCamera(Camera):
    """A camera that delivers the pictures of a reel at a fixed rate."""

    def __init__(self, shown: Reel, fps: float) -> None:
        self._reel, self._fps, self._index, self._begun_s = shown, fps, 0, 0.0

    def open(self) -> str:
        """Start the clock of the camera."""
        self._begun_s = time.monotonic()
        return "reel"

    def skip(self) -> int:
        """Wait until the next picture is due."""
        self._index += 1
        due_s = self._begun_s + self._index / self._fps
        time.sleep(max(0.0, due_s - time.monotonic()))
        return 0

    def read(self) -> Capture | None:
        """Wait until the next picture is due and return it."""
        self.skip()
        return Capture(self._reel.picture(self._index), time.monotonic())

    def close(self) -> None:
        """Do nothing."""


def low_rate(plan: Plan) -> Iterator[Figure]:
    """Measure --rate 5 with a camera of 30 frames/s."""

    def cpu_s(rate_hz: float | None) -> float:
        with LiveSource(ReelCamera(reel((640, 480)), 30.0), Request(CameraOptions(rate=rate_hz))) as source:
            begun_s = time.process_time()
            decision = Decision(loaded(NANO).labels, Rules())
            limits = Limits(duration_s=10.0, rate_hz=rate_hz)
            run_to_the_end(source, Recogniser(loaded(NANO), decision), limits)
        return time.process_time() - begun_s

    pairs = [(cpu_s(5.0), cpu_s(None)) for _ in range(plan.repetitions)]
    slow, fast = zip(*pairs, strict=True)
    detail = f"{statistics.median(slow) * 10:.1f} % against {statistics.median(fast) * 10:.1f} % of a core"
    what = "CPU with --rate 5, camera of 30 frames/s, compared with no --rate"
    yield Figure(what, "<= 0.30 x", ratios(slow, fast), at_most(0.30), detail)


def classifier_call(plan: Plan) -> Iterator[Figure]:
    """Time the call from patch to probabilities and the bare invoke, in turns."""
    patch = classifier.golden_patch((32, 32))
    for name in (NANO, BASE):
        ours, bare = loaded(name), inference.interpreter(store.read(name).content)

        def call(ours: Classifier = ours) -> None:
            probabilities(ours.scores(patch), 1.0)

        values = []
        for _ in range(plan.repetitions):
            medians = in_turns({"ours": call, "bare": bare.invoke}, 3000)
            values.append((medians["ours"] - medians["bare"]) * 1e6)
        yield Figure(f"{name}: patch to probabilities, more than the bare invoke", "<= 25 us", values, at_most(25))


def in_turns(ways: dict[str, Callable[[], object]], count: int) -> dict[str, float]:
    """Return the median duration of each way, seconds; they take turns."""
    taken_s: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(-count // 10, count):  # negative ones warm up
        for name, way in ways.items():
            begun_s = time.perf_counter()
            way()
            if number >= 0:
                taken_s[name].append(time.perf_counter() - begun_s)
    return {name: statistics.median(each) for name, each in taken_s.items()}


def loop_overhead(plan: Plan) -> Iterator[Figure]:
    """Measure the pipeline's time a frame, less that of decode, shrink and invoke alone."""
    shown, decision = reel((640, 480)), Decision(loaded(NANO).labels, Rules())
    bare = inference.interpreter(store.read(NANO).content)
    box, needed = preprocess.center_box((640, 480), (32, 32)), preprocess.min_side_px((32, 32))

    def whole() -> None:
        run_to_the_end(Replay(shown, frames.COUNT), Recogniser(loaded(NANO), decision))

    def parts() -> None:
        for index in range(frames.COUNT):
            preprocess.shrink(shown.picture(index).rgb(box, needed), (32, 32))
            bare.invoke()

    values = []
    for _ in range(plan.repetitions):
        medians = in_turns({"whole": whole, "parts": parts}, 40)
        values.append((medians["whole"] - medians["parts"]) / frames.COUNT * 1e6)
    yield Figure("loop, more than decode, shrink and invoke", "<= 60 us", values, at_most(60))


def accuracy(plan: Plan) -> Iterator[Figure]:
    """Classify the test pictures as camera frames, decoded at the size needed and in full."""
    data = dataset.find(plan.data).read("test", (32, 32))
    for name in (NANO, BASE):
        fast = measure.camera_path(loaded(name), data)
        full = measure.camera_path_full(loaded(name), data)
        points = 100 * abs(fast.correct - full.correct) / fast.total
        detail = f"{fast.correct} against {full.correct} of {fast.total}"
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
    parser.add_argument("--data", type=Path, help="data set for 'accuracy', as for 'edge-app evaluate'")
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
