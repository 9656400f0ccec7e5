"""One benchmark from request to report."""

from __future__ import annotations

import itertools
import logging
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge_app import classifier, model_card
from edge_app.bench import machine
from edge_app.bench.classic import Classic
from edge_app.bench.frames import Kind, Reel, drawn, photographs
from edge_app.bench.measure import pipelines, yardsticks
from edge_app.bench.report import Report
from edge_app.classifier import Classifier, DelegateName, Options, RuntimeName

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be measured: every model with every delegate and every number of threads.

    Attributes:
        models: names or files.
        labels: for models without a card.
        threads: of the runtime.
        delegates: of the same.
        runtime: package that runs the models.
        pictures: folder of photographs; None draws scenes.
        kind: what the camera delivers.
        size_px: width and height of the frames.
        frames: of each repetition.
        repetitions: of each configuration.
        against_classic: measure the classic loop too, with the first model.
    """

    models: tuple[str, ...]
    labels: Path | None
    threads: tuple[int, ...]
    delegates: tuple[DelegateName, ...]
    runtime: RuntimeName
    pictures: Path | None
    kind: Kind
    size_px: tuple[int, int]
    frames: int
    repetitions: int
    against_classic: bool


def bench(request: Request, progress: Callable[[str, int], Callable[[int], object]]) -> Report:
    """Measure what is asked for.

    Args:
        request: what.
        progress: given a title and a number of frames, returns who is told how many have been done.

    Raises:
        ModelRefused: a model cannot be used.
        DataError: there are no pictures to measure on.
    """
    about = machine.describe()
    if max(request.threads) > about.cores:
        log.warning("%d threads on %d cores: they wait for each other", max(request.threads), about.cores)
    cases = {name: case for name, case in _cases(request)}
    reel = _reel(request)
    total = len(cases) * request.frames * request.repetitions
    before = machine.moment()
    measurements = pipelines(cases, reel, request.frames, request.repetitions, progress("frames", total))
    if request.against_classic:
        model = model_card.read(request.models[0], request.labels)
        measurements += yardsticks(
            Classic(model, request.runtime, request.kind), reel, request.frames, request.repetitions
        )
    hashes = {model: model_card.read(model, request.labels).sha256 for model in request.models}
    return Report(reel.title, about, before, machine.moment(), hashes, measurements, _peak_mb())


def _cases(request: Request) -> list[tuple[str, Classifier]]:
    found = []
    for model, threads, delegate in itertools.product(request.models, request.threads, request.delegates):
        name = ", ".join(
            [
                model,
                *([f"{threads} threads"] if threads != 1 else []),
                *([f"delegate {delegate}"] if delegate != "xnnpack" else []),
            ]
        )
        options = Options(request.runtime, delegate, threads)
        found.append((name, classifier.load(model, request.labels, options)))
    return found


def _reel(request: Request) -> Reel:
    if request.pictures is not None:
        return photographs(request.pictures, request.kind, request.size_px)
    return drawn(request.kind, request.size_px)


def _peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10  # bytes there, KiB here
