"""MLPerf Tiny's figure: the time of single inferences, one after the other, with the accuracy they reach."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edge_app import dataset, model_card
from edge_app.bench.measure import Percentiles, percentiles
from edge_app.classifier import Classifier, Options
from edge_app.records import LabelledPictures

WARM_UP = 200


@dataclass(frozen=True, slots=True)
class SingleStream:
    """How a model does on labelled pictures, one at a time.

    Attributes:
        name: of the model.
        latency_ms: from the pixels in memory to the raw scores in memory; the benchmark's figure is `p90`.
        right: pictures labelled rightly.
        total: pictures.
    """

    name: str
    latency_ms: Percentiles
    right: int
    total: int

    def __str__(self) -> str:
        """Return it as a line."""
        found = self.latency_ms
        return (
            f"{self.name:<36} p90 {found.p90:7.3f} ms  p50 {found.p50:7.3f}  p99 {found.p99:7.3f}  "
            f"accuracy {self.right / self.total:.2%} of {self.total:,}"
        )


def measure(
    name: str, labels: Path | None, source: dataset.Source, options: Options, tell: Callable[[int], object]
) -> SingleStream:
    """Classify every test picture once.

    Args:
        name: of the model, or a file.
        labels: of a model without a card; None takes those of the data in their order.
        source: of the pictures.
        options: how to run the model.
        tell: told how many pictures have been done.

    Raises:
        ModelRefused: the model cannot be used.
        DataError: the pictures are missing, or the model does not know their labels.
    """
    model = model_card.read(name, labels)
    if not model.labels:
        model = replace(model, labels=source.read("test", (32, 32)).names)
    loaded = Classifier(model, options)
    data = source.read("test", loaded.shape)
    return run(model.name, loaded, replace(data, labels=dataset.places(data, loaded.labels)), tell)


def run(name: str, model: Classifier, data: LabelledPictures, tell: Callable[[int], object]) -> SingleStream:
    """Classify every picture once.

    Args:
        name: of the model.
        model: whose labels are those of the data.
        data: pictures of the model's size.
        tell: told how many have been done.
    """
    for picture in data.pictures[:WARM_UP]:
        model.raw(picture)
    taken_ms, right = np.empty(len(data.labels)), 0
    for place, (picture, label) in enumerate(zip(data.pictures, data.labels, strict=True)):
        begun_s = time.perf_counter()
        scores = model.raw(picture)
        taken_ms[place] = (time.perf_counter() - begun_s) * 1e3
        right += int(scores.argmax()) == label
        if place % 100 == 99:
            tell(100)
    return SingleStream(name, percentiles(taken_ms), right, len(data.labels))
