"""From a trained network to the int8 file."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from edge_app.errors import RunError
from edge_app.evaluate import measure
from edge_app.model.classifier import Classifier
from edge_app.model.store import Model
from edge_app.records import LabelledPictures
from edge_app.train import quantise, recipes
from edge_app.train.architectures import Exported

LABELS = tuple("abcdefghij")
PICTURES = np.random.default_rng(0).integers(0, 256, (64, 32, 32, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def exported() -> Exported:
    """Return an exported network; an untrained one will do."""
    torch.manual_seed(3)
    network = recipes.find("nano").build(10, (32, 32))
    network.prepare(torch.from_numpy(PICTURES).permute(0, 3, 1, 2).float())
    network(torch.from_numpy(PICTURES).permute(0, 3, 1, 2).float())  # batch normalisation sees something
    return Exported(network)


@pytest.fixture(scope="module")
def int8(exported: Exported) -> bytes:
    """Convert and quantise the network, ignoring the converter's deprecation warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return quantise.to_int8(quantise.to_float_tflite(exported, (32, 32)), PICTURES[:32])


def test_pixels_go_in_as_they_are(int8: bytes) -> None:
    """Input scale 1 and zero point -128, output int8, every operator in XNNPACK."""
    classifier = Classifier(Model("x", Path("x.tflite"), int8, "", LABELS, None))
    assert classifier._input["quantization"] == (1.0, -128)
    assert classifier._is_offset
    assert classifier._output["dtype"] == np.int8
    assert classifier.delegation is not None and classifier.delegation.delegated == classifier.delegation.total > 5


def test_int8_computes_nearly_what_float_computes(int8: bytes, exported: Exported) -> None:
    """On pictures not used for calibration, the logits agree within a few quantisation steps."""
    classifier = Classifier(Model("x", Path("x.tflite"), int8, "", LABELS, None))
    data = LabelledPictures(PICTURES[32:], np.zeros(32, np.int64), LABELS)
    found = measure.score(classifier, data).logits
    with torch.inference_mode():
        expected = exported(torch.from_numpy(data.pictures).permute(0, 3, 1, 2).float()).numpy()
    correlation = np.corrcoef(found.ravel(), expected.ravel())[0, 1]
    assert correlation > 0.98


def test_filter_banks_of_one_shape_stay_apart() -> None:
    """Channels-last weights, as training leaves them, convert correctly: the converter once mixed up two banks."""
    torch.manual_seed(4)
    network = recipes.find("base").build(10, (32, 32)).to(memory_format=torch.channels_last)
    network.prepare(torch.from_numpy(PICTURES).permute(0, 3, 1, 2).float())
    exported = Exported(network)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        converted = quantise.to_float_tflite(exported, (32, 32))
    quantise.check(converted, exported, PICTURES[:4])


def test_a_conversion_that_went_wrong_is_refused(exported: Exported) -> None:
    """A converted file that does not compute the same as its network is refused."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        converted = quantise.to_float_tflite(exported, (32, 32))
    other = copy.deepcopy(exported)
    with torch.no_grad():
        other.network.output.bias += 1.0
    with pytest.raises(RunError, match="computes something else"):
        quantise.check(converted, other, PICTURES[:4])
