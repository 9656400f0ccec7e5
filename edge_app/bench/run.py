"""One benchmark from request to report."""

from __future__ import annotations

import itertools
import logging
import os
import statistics
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_app import sources
from edge_app.bench import machine, measure, outlets, report, start
from edge_app.bench.classic import Classic, entropy
from edge_app.bench.frames import Kind, Reel, Replay, drawn, photographs
from edge_app.bench.outlets import Outlet
from edge_app.bench.report import Report
from edge_app.bench.start import Start
from edge_app.errors import UsageError
from edge_app.model import store
from edge_app.model.classifier import Classifier
from edge_app.model.runtime import DelegateName, Options, RuntimeName
from edge_app.model.store import Model
from edge_app.pictures import preprocess
from edge_app.records import DEFAULT_SIZE_PX
from edge_app.settings import layers
from edge_app.sources import Request as SourceRequest
from edge_app.sources import Source
from edge_app.system import process
from edge_app.system.masking import masked
from edge_app.system.wording import counted

log = logging.getLogger(__name__)

MOST_PX = 4096  # of a side
STARTS = 3
START_FRAMES = 60  # of a program whose memory is looked at

Reels = Mapping[tuple[int, int] | None, Reel]  # by size; no size, that of a source, has none
Progress = Callable[[str, int], AbstractContextManager[Callable[[int], Any]]]


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be measured: every model with every delegate, number of threads and size of frames.

    Attributes:
        models: names or files.
        labels: for models without a card.
        threads: of the runtime.
        delegates: of the same.
        runtime: package that runs the models.
        source: a camera or anything else that `run` takes; None measures on frames that are made beforehand.
        pictures: folder of photographs to make them of; None draws scenes.
        kind: what the camera delivers.
        sizes_px: width and height of the frames; of a source those asked for, none leaves it to the source.
        outlets: what takes the results.
        frames: of each repetition.
        repetitions: of each configuration.
        against_classic: measure the classic loop too, with the first model.
        older: report to compare with; that it can be is seen before the work.
    """

    models: tuple[str, ...]
    labels: Path | None
    threads: tuple[int, ...]
    delegates: tuple[DelegateName, ...]
    runtime: RuntimeName
    source: str | None
    pictures: Path | None
    kind: Kind
    sizes_px: tuple[tuple[int, int], ...]
    outlets: tuple[Outlet, ...]
    frames: int
    repetitions: int
    against_classic: bool
    older: Report | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One configuration.

    Attributes:
        name: says what it is.
        model: what classifies.
        options: how it runs.
        size_px: of the frames; None leaves it to the source.
    """

    name: str
    model: Model
    options: Options
    size_px: tuple[int, int] | None


def bench(request: Request, progress: Progress) -> Report:
    """Measure what is asked for.

    Args:
        request: what.
        progress: given a title and a number of frames, gives whom to tell how many have been done.

    Raises:
        ModelRefused: a model cannot be used.
        DataError: there are no pictures to measure on.
        SourceError: the source cannot be opened.
        UsageError: the older report says nothing about this one.
    """
    before, about = machine.moment(), machine.describe()
    if request.source is None and not request.sizes_px:
        request = replace(request, sizes_px=(DEFAULT_SIZE_PX,))
    _refuse_contradictions(request)
    if max(request.threads) > about.cores:
        threads, cores = counted(max(request.threads), "thread"), counted(about.cores, "core")
        log.warning("%s on %s: they wait for each other", threads, cores)
    models = {name: store.read(name, request.labels) for name in request.models}
    cases = list(_cases(request, models))
    hashes = {name: model.sha256 for name, model in models.items()}
    loaded = {case.name: Classifier(case.model, case.options) for case in cases}
    if request.older:
        report.require_comparable(request.older, [case.name for case in cases], _title(request))
    with progress("starts", len(cases) * STARTS) as tell:
        starts = {case.name: _start(case, request, tell) for case in cases}
    reels: Reels = {} if request.source else {size_px: _reel(request, size_px) for size_px in request.sizes_px}
    ways = {case.name: _way(request, case, loaded[case.name], reels) for case in cases}
    if request.against_classic:
        ways |= _yardsticks(models[request.models[0]], request, reels)
    turn = request.frames if request.source else measure.TURN
    with progress("frames", len(ways) * request.frames * request.repetitions) as tell:
        measurements = measure.in_turns(ways, request.frames, request.repetitions, tell, turn)
    runtime = loaded[cases[0].name].runtime
    return Report(_title(request), runtime, about, before, machine.moment(), hashes, starts, measurements)


def _refuse_contradictions(request: Request) -> None:
    prepared = {"--pictures": request.pictures, "--against-classic": request.against_classic}
    for flag, is_given in prepared.items():
        if request.source and is_given:
            raise UsageError(f"{flag} is for frames that are prepared", "leave --source out")
    for width, height in request.sizes_px:
        if max(width, height) > MOST_PX:
            raise UsageError(f"--size {width}x{height} is too large", f"choose at most {MOST_PX} pixels a side")
        if request.kind == "yuyv" and width % 2:
            raise UsageError(f"--size {width}x{height}: yuyv needs an even width", f"try {width + 1}x{height}")


def _title(request: Request) -> str:
    sizes = ", ".join(f"{width}x{height}" for width, height in request.sizes_px)
    shown = f", results go to {' and '.join(request.outlets)}" if request.outlets else ""
    if request.source:
        return f"{masked(request.source)}{f', {sizes} asked for' if sizes else ''}{shown}"
    what = f"pictures of {request.pictures}" if request.pictures else "drawn scenes"
    return f"{what}, {sizes} {request.kind}{shown}"


def _cases(request: Request, models: Mapping[str, Model]) -> Iterator[Case]:
    sizes: tuple[tuple[int, int] | None, ...] = request.sizes_px or (None,)
    for (name, model), threads, delegate, size_px in itertools.product(
        models.items(), request.threads, request.delegates, sizes
    ):
        differs = [
            *([f"{threads} threads"] if threads != 1 else []),
            *([f"delegate {delegate}"] if delegate != "xnnpack" else []),
            *([_suffix(request, size_px)] if len(sizes) > 1 else []),
        ]
        yield Case(", ".join([name, *differs]), model, Options(request.runtime, delegate, threads), size_px)


def _suffix(request: Request, size_px: tuple[int, int] | None) -> str:
    return f"{size_px[0]}x{size_px[1]}" if size_px and len(request.sizes_px) > 1 else ""


def _reel(request: Request, size_px: tuple[int, int]) -> Reel:
    if request.pictures is not None:
        return photographs(request.pictures, request.kind, size_px)
    return drawn(request.kind, size_px)


def _way(request: Request, case: Case, classifier: Classifier, reels: Reels) -> measure.Way:
    def open_source(frames: int) -> Source:
        if request.source is None:
            return Replay(reels[case.size_px], frames)
        asked = SourceRequest(
            min_side_px=preprocess.min_side_px(classifier.shape),
            wants_full="preview" in request.outlets,
            size_px=case.size_px,
        )
        return sources.connect(request.source, asked)

    return measure.through_pipeline(classifier, open_source, lambda: outlets.opened(request.outlets))


def _yardsticks(model: Model, request: Request, reels: Reels) -> dict[str, measure.Way]:
    """Return the classic loop and, of JPEG, the entropy decoding alone, at each size."""
    ways = {}
    for size_px, reel in reels.items():
        doing: dict[str, Callable[[npt.NDArray[np.uint8]], object]] = {
            "classic loop": Classic(model, request.runtime, request.kind).label
        }
        if request.kind == "jpeg":
            doing["entropy decoding"] = entropy
        for name, do in doing.items():
            ways[", ".join(filter(None, [name, _suffix(request, size_px)]))] = measure.by_itself(do, reel)
    return ways


def _start(case: Case, request: Request, tell: Callable[[int], object]) -> Start:
    """Start `edge-app run` on the same configuration, a few times."""
    source = request.source or f"synthetic:{request.kind},free"
    options = case.options
    words = [
        *process.python_child("from edge_app.__main__ import main; main()"),
        *("run", "--config", os.devnull, "--source", source),
        *("--model", str(case.model.path), "--runtime", options.runtime, "--delegate", options.delegate),
        *("--threads", str(options.threads), "--frames", str(START_FRAMES), "--preview", "none", "--log", "-"),
        *(("--labels", str(request.labels)) if request.labels else ()),
        *(("--size", "{}x{}".format(*case.size_px)) if case.size_px else ()),
    ]
    # The settings of whoever measures, a rate for instance, are no part of what is measured.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(layers.PREFIX)}
    found = []
    for _ in range(STARTS):
        found.append(start.measure(words, environment))
        tell(1)
    return Start(statistics.median(each.first_line_s for each in found), max(each.peak_mb for each in found))
