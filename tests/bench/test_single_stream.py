"""Single inferences with their accuracy."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_app import classifier, dataset
from edge_app.bench import single_stream
from edge_app.classifier import Options
from edge_app.errors import DataError
from edge_app.records import LabelledPictures
from tests import shapes


def test_accuracy_is_that_of_evaluate_and_every_picture_has_a_time(test_pictures: LabelledPictures) -> None:
    """On the first 500 test pictures: as many right as one by one, times in order, the bar told."""
    model, some = classifier.load("cifar10-nano"), test_pictures.first(500)
    told: list[int] = []
    found = single_stream.run("nano", model, some, told.append)
    right = sum(int(model.scores(p).argmax()) == label for p, label in zip(some.pictures, some.labels, strict=True))
    assert (found.right, found.total) == (right, 500) and sum(told) == 500
    assert 0 < found.latency_ms.p50 <= found.latency_ms.p90 <= found.latency_ms.p99
    assert f"accuracy {right / 500:.2%} of 500" in str(found)


def test_pictures_the_model_does_not_know_are_refused(tmp_path: Path) -> None:
    """Circles say nothing about a model of animals and vehicles."""
    source = dataset.find(shapes.write(tmp_path, 3, side_px=32))
    with pytest.raises(DataError, match="does not know circle"):
        single_stream.measure("cifar10-nano", None, source, Options(), lambda _: None)


def test_a_foreign_model_takes_the_labels_of_the_data(tmp_path: Path) -> None:
    """Three outputs, three folders: a file without a card is measured without a list of labels."""
    model = Path(__file__).parent.parent / "data" / "mean_int8_unit.tflite"
    source = dataset.find(shapes.write(tmp_path, 3, side_px=32))
    assert single_stream.measure(str(model), None, source, Options(), lambda _: None).total == 3
