"""Single inferences with their accuracy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_app.bench import single_stream
from edge_app.commands import output
from edge_app.data import dataset
from edge_app.errors import DataError
from edge_app.model import classifier, store
from edge_app.records import LabelledPictures
from edge_app.settings.flags.bench import Bench
from edge_app.settings.sections import ModelOptions
from tests import shapes
from tests.results import edge_app


def test_accuracy_is_that_of_evaluate_and_every_picture_has_a_time(test_pictures: LabelledPictures) -> None:
    """On the first 500 test pictures the count equals that of single calls, percentiles rise, the bar advances."""
    model, some = classifier.load(ModelOptions(model="cifar10-nano")), test_pictures.first(500)
    told: list[int] = []
    found = single_stream.run(model, some, told.append)
    right = sum(int(model.scores(p).argmax()) == label for p, label in zip(some.pictures, some.labels, strict=True))
    assert (found.right, found.total) == (right, 500) and sum(told) == 500
    assert 0 < found.latency_ms.p50 <= found.latency_ms.p90 <= found.latency_ms.p99
    assert f"accuracy {right / 500:.2%} of 500" in str(found)


def test_pictures_the_model_does_not_know_are_refused(tmp_path: Path) -> None:
    """A data set of shapes is refused for a model of animals and vehicles."""
    source = dataset.find(shapes.write(tmp_path, 3, side_px=32))
    with pytest.raises(DataError, match="does not know circle"):
        next(single_stream.measure(asked("cifar10-nano"), source, output.progress))


def test_a_foreign_model_takes_the_labels_of_the_data(tmp_path: Path) -> None:
    """A model without card and labels gets those of the data set: three outputs, three folders."""
    model = Path(__file__).parent.parent / "fixtures" / "mean_int8_unit.tflite"
    source = dataset.find(shapes.write(tmp_path, 3, side_px=32))
    assert next(single_stream.measure(asked(str(model)), source, output.progress)).total == 3


def test_every_configuration_has_a_line_and_the_json_the_machine(tmp_path: Path) -> None:
    """Two delegates on three folders give two lines; the JSON has the model's hash and the machine."""
    model = str(Path(__file__).parent.parent / "fixtures" / "mean_int8_unit.tflite")
    shapes.write(tmp_path, 3, side_px=32)
    words = ("bench", "--single-stream", "--model", model, "--delegate", "xnnpack", "none", "--data", ".")
    done = edge_app(tmp_path, *words, "--json", "a.json")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("accuracy") == 2 and "delegate none" in done.stdout
    found = json.loads((tmp_path / "a.json").read_text())
    assert [each["total"] for each in found["single_stream"]] == [3, 3]
    assert {each["sha256"] for each in found["single_stream"]} == {store.read(model).sha256}
    assert found["schema_version"] == 2 and found["machine"]["cores"] > 0 and "load" in found["before"]


def asked(model: str) -> Bench:
    """Ask for one model as usual."""
    return Bench(model=[model])
