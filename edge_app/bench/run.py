"""One benchmark, from settings to report."""

from __future__ import annotations

import itertools
import logging
import os
import statistics
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_app import sources
from edge_app.bench import machine, measure, outlets, report, start
from edge_app.bench.classic import Classic, entropy
from edge_app.bench.frames import Reel, Replay, drawn, photographs
from edge_app.bench.report import Report
from edge_app.bench.start import Start
from edge_app.errors import UsageError
from edge_app.model import store
from edge_app.model.classifier import Classifier
from edge_app.model.store import Model
from edge_app.pictures import preprocess
from edge_app.records import DEFAULT_SIZE_PX, Size
from edge_app.settings import layers
from edge_app.settings.flags.bench import Bench
from edge_app.settings.sections import CameraOptions, ModelOptions
from edge_app.sources import Request, Source
from edge_app.system import process
from edge_app.system.wording import counted

log = logging.getLogger(__name__)

MOST_PX = 4096  # largest side of a frame
STARTS = 3
START_FRAMES = 60  # frames of a start, enough for its memory to peak

Reels = Mapping[Size | None, Reel]  # by size; never None, which leaves the frames to a source
Progress = Callable[[str, int], AbstractContextManager[Callable[[int], Any]]]


@dataclass(frozen=True, slots=True)
class Case:
    """One configuration.

    Attributes:
        name: name in the report.
        model: model to measure.
        options: runtime, delegate and threads.
        size: size of the frames; None leaves it to the source.
    """

    name: str
    model: Model
    options: ModelOptions
    size: Size | None


def bench(settings: Bench, older: Report | None, progress: Progress) -> Report:
    """Measure every requested combination of model, delegate, number of threads and size of frames.

    Args:
        settings: settings of `edge-app bench`.
        older: report to compare with; refused before measuring if it is not comparable.
        progress: opens a progress bar with a title and a number of steps; its context is called with the number done
            since the last call.

    Raises:
        ModelRefused: a model cannot be used.
        DataError: there are no pictures to measure on.
        SourceError: the source cannot be opened.
        UsageError: settings contradict each other, or the older report is not comparable.
    """
    # The state is noted first: loading the models would raise the very load that `doubts` judges.
    before, about = machine.moment(), machine.describe()
    _refuse_contradictions(settings)
    if max(settings.threads) > about.cores:
        threads, cores = counted(max(settings.threads), "thread"), counted(about.cores, "core")
        log.warning("%s on %s will wait for each other", threads, cores)
    models = {name: store.read(name, settings.labels) for name in settings.model}
    cases = list(_cases(settings, models))
    hashes = {name: model.sha256 for name, model in models.items()}
    loaded = {case.name: Classifier(case.model, case.options) for case in cases}
    if older:
        report.require_comparable(older, [case.name for case in cases], _title(settings))
    with progress("starts", len(cases) * STARTS) as tell:
        starts = {case.name: _start(case, settings, tell) for case in cases}
    reels: Reels = {} if settings.source else {size: _reel(settings, size) for size in _sizes(settings) if size}
    ways = {case.name: _way(settings, case, loaded[case.name], reels) for case in cases}
    if settings.against_classic:
        ways |= _yardsticks(models[settings.model[0]], settings, reels)
    # Each turn opens the source anew, slow for a camera, so a source gets one turn per repetition.
    turn = settings.frames if settings.source else measure.TURN
    with progress("frames", len(ways) * settings.frames * settings.repetitions) as tell:
        measurements = measure.in_turns(ways, settings.frames, settings.repetitions, tell, turn)
    runtime = loaded[cases[0].name].runtime
    return Report(_title(settings), runtime, about, before, machine.moment(), hashes, starts, measurements)


def _refuse_contradictions(settings: Bench) -> None:
    prepared = {"--pictures": settings.pictures, "--against-classic": settings.against_classic}
    for flag, is_given in prepared.items():
        if settings.source and is_given:
            raise UsageError(f"{flag} is for prepared frames", "leave --source out")
    for size in settings.size:
        if max(size.px) > MOST_PX:
            raise UsageError(f"--size {size} is too large", f"choose at most {MOST_PX} pixels a side")
        if settings.kind == "yuyv" and size.width_px % 2:
            wider = replace(size, width_px=size.width_px + 1)
            raise UsageError(f"--size {size}: yuyv needs an even width", f"try {wider}")


def _sizes(settings: Bench) -> list[Size] | list[None]:
    """Return the sizes of the frames; a single None leaves the size to the source."""
    if settings.size:
        return settings.size
    return [None] if settings.source else [Size(*DEFAULT_SIZE_PX)]


def _title(settings: Bench) -> str:
    sizes = ", ".join(str(size) for size in _sizes(settings) if size)
    shown = f", results go to {' and '.join(settings.sink)}" if settings.sink else ""
    if settings.source:
        return f"{settings.source}{f', {sizes} asked for' if sizes else ''}{shown}"
    what = f"pictures of {settings.pictures}" if settings.pictures else "drawn scenes"
    return f"{what}, {sizes} {settings.kind}{shown}"


def _cases(settings: Bench, models: Mapping[str, Model]) -> Iterator[Case]:
    for (name, model), threads, delegate, size in itertools.product(
        models.items(), settings.threads, settings.delegate, _sizes(settings)
    ):
        differs = [
            *([f"{threads} threads"] if threads != 1 else []),
            *([f"delegate {delegate}"] if delegate != "xnnpack" else []),
            *_suffix(settings, size),
        ]
        options = ModelOptions(
            model=name, labels=settings.labels, runtime=settings.runtime, delegate=delegate, threads=threads
        )
        yield Case(", ".join([name, *differs]), model, options, size)


def _suffix(settings: Bench, size: Size | None) -> list[str]:
    """Return the part of a name that distinguishes sizes, empty if there is only one."""
    return [str(size)] if size and len(settings.size) > 1 else []


def _reel(settings: Bench, size: Size) -> Reel:
    if settings.pictures is not None:
        return photographs(settings.pictures, settings.kind, size.px)
    return drawn(settings.kind, size.px)


def _way(settings: Bench, case: Case, classifier: Classifier, reels: Reels) -> measure.Way:
    def open_source(frames: int) -> Source:
        if settings.source is None:
            return Replay(reels[case.size], frames)
        asked = Request(
            camera=CameraOptions(size=case.size),
            min_side_px=preprocess.min_side_px(classifier.shape),
            wants_full="preview" in settings.sink,
        )
        return sources.connect(settings.source, asked)

    return measure.through_pipeline(classifier, open_source, lambda: outlets.opened(settings.sink))


def _yardsticks(model: Model, settings: Bench, reels: Reels) -> dict[str, measure.Way]:
    """Return the classic loop and, for JPEG, entropy decoding alone, at each size."""
    ways = {}
    for size, reel in reels.items():
        doing: dict[str, Callable[[npt.NDArray[np.uint8]], object]] = {
            "classic loop": Classic(model, settings.runtime, settings.kind).label
        }
        if settings.kind == "jpeg":
            doing["entropy decoding"] = entropy
        for name, do in doing.items():
            ways[", ".join([name, *_suffix(settings, size)])] = measure.by_itself(do, reel)
    return ways


def _start(case: Case, settings: Bench, tell: Callable[[int], object]) -> Start:
    """Start `edge-app run` with the same configuration a few times: median time, highest memory."""
    options = case.options
    words = [
        *process.python_child("from edge_app.__main__ import main; main()"),
        *("run", "--config", os.devnull),
        *("--model", str(case.model.path), "--runtime", options.runtime, "--delegate", options.delegate),
        # The log on stdout is the first line that `start.measure` waits for.
        *("--threads", str(options.threads), "--frames", str(START_FRAMES), "--preview", "none", "--log", "-"),
        *(("--labels", str(settings.labels)) if settings.labels else ()),
        *(("--size", str(case.size)) if case.size else ()),
    ]
    # The user's own settings, such as a rate, must not affect the measurement.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(layers.PREFIX)}
    # Not as a flag: every user can read the command line of a process.
    environment[f"{layers.PREFIX}SOURCE"] = (
        settings.source.reveal() if settings.source else f"synthetic:{settings.kind},free"
    )
    found = []
    for _ in range(STARTS):
        found.append(start.measure(words, environment))
        tell(1)
    # A device must have the memory of the worst start, hence the maximum.
    return Start(statistics.median(each.first_line_s for each in found), max(each.peak_mb for each in found))
