"""Latency and accuracy of single inferences, one after the other, as MLPerf Tiny measures a board.

MLPerf Tiny publishes the median of five windows (mlcommons/tiny, benchmark/runner); MLPerf's single-stream latency is
the 90th percentile, which is stricter. Both are reported, as `p50` and `p90`.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from edge_app.bench.machine import Machine, Moment, doubts
from edge_app.bench.measure import Percentiles, percentiles
from edge_app.data import dataset
from edge_app.model import store
from edge_app.model.classifier import Classifier
from edge_app.records import LabelledPictures
from edge_app.settings.flags.bench import Bench
from edge_app.settings.sections import ModelOptions

WARM_UP = 200
SCHEMA_VERSION = 2


@dataclass(frozen=True, slots=True)
class SingleStream:
    """Latency and accuracy of a model on labelled pictures, one at a time.

    Attributes:
        name: name of the model, with threads and delegate if not the default.
        sha256: checksum of its file.
        latency_ms: time from pixels in memory to raw scores in memory; the benchmark's figure is `p90`.
        right: pictures labelled correctly.
        total: all pictures.
    """

    name: str
    sha256: str
    latency_ms: Percentiles
    right: int
    total: int

    def __str__(self) -> str:
        """Return it as one line of text."""
        found = self.latency_ms
        return (
            f"{self.name:<36} p90 {found.p90:7.3f} ms  p50 {found.p50:7.3f}  p99 {found.p99:7.3f}  "
            f"accuracy {self.right / self.total:.2%} of {self.total:,}"
        )


def measure(
    settings: Bench,
    source: dataset.Source,
    progress: Callable[[str, int], AbstractContextManager[Callable[[int], Any]]],
) -> Iterator[SingleStream]:
    """Classify every test picture once, with each configuration.

    Args:
        settings: settings of `edge-app bench`: models, delegates and numbers of threads. A model without labels gets
            those of the data set, in their order.
        source: data set.
        progress: opens a progress bar with a title and a number of pictures; its context is called with the number
            done since the last call.

    Raises:
        ModelRefused: a model cannot be used.
        DataError: pictures are missing, or a model does not know their labels.
    """
    for name, threads, delegate in itertools.product(settings.model, settings.threads, settings.delegate):
        model = store.read(name, settings.labels)
        if not model.labels:
            # Only the names are wanted here: at its own 32x32, CIFAR-10 is not resized for them.
            model = replace(model, labels=source.read("test", (32, 32)).names)
        options = ModelOptions(model=name, runtime=settings.runtime, delegate=delegate, threads=threads)
        loaded = Classifier(model, options)
        data = source.read("test", loaded.shape)
        data = replace(data, labels=dataset.places(data, loaded.labels))
        differs = [f"{threads} threads"] * (threads != 1) + [f"delegate {delegate}"] * (delegate != "xnnpack")
        with progress(name, len(data.labels)) as tell:
            yield replace(run(loaded, data, tell), name=", ".join([model.name, *differs]), sha256=model.sha256)


def to_json(results: Sequence[SingleStream], machine: Machine, before: Moment, after: Moment) -> dict[str, Any]:
    """Return the results with the machine and its state."""
    found = doubts(machine, before, after)
    return {
        "schema_version": SCHEMA_VERSION,
        "valid": not found,
        "doubts": found,
        "machine": asdict(machine),
        "before": asdict(before),
        "after": asdict(after),
        "single_stream": [asdict(result) for result in results],
    }


def run(model: Classifier, data: LabelledPictures, tell: Callable[[int], object]) -> SingleStream:
    """Classify every picture once.

    Args:
        model: the model.
        data: pictures of the model's size; their labels are indices of the model's.
        tell: called with the number of pictures done since its last call.
    """
    for picture in data.pictures[:WARM_UP]:
        model.raw(picture)
    taken_ms, right = np.empty(len(data.labels)), 0
    for place, (picture, label) in enumerate(zip(data.pictures, data.labels, strict=True)):
        begun_s = time.perf_counter()
        scores = model.raw(picture)
        taken_ms[place] = (time.perf_counter() - begun_s) * 1e3
        right += int(scores.argmax() == label)
        # Seldom: a bar redrawn after every picture would disturb the next inference.
        if place % 100 == 99:
            tell(100)
    return SingleStream(model.name, "", percentiles(taken_ms), right, len(data.labels))
