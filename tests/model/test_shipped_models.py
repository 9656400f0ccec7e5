"""The shipped models are as good as their cards say and as required. Reads all test pictures; slow."""

from __future__ import annotations

import pytest

from edge_app.evaluate import measure
from edge_app.model import classifier, self_test, store
from edge_app.model.card import Card
from edge_app.model.classifier import Classifier
from edge_app.pictures import degrade
from edge_app.records import LabelledPictures
from edge_app.settings.sections import ModelOptions

# Floors on CIFAR-10's 10,000 test pictures, and the largest file.
FLOORS = {"cifar10-lecture": (0.70, 400_000), "cifar10-nano": (0.90, 400_000), "cifar10-base": (0.93, 2_000_000)}
WORST_JPEG_LOSS = 0.04
WORST_DEGRADED = 0.80


def card_of(name: str) -> Card:
    """Read a shipped model's card."""
    card = store.read(name).card
    assert card is not None
    return card


@pytest.fixture(scope="module")
def base() -> Classifier:
    """Load the default model."""
    return classifier.load(ModelOptions(model="cifar10-base"))


def test_these_ship() -> None:
    """Every shipped model has a floor below."""
    assert store.shipped() == sorted(FLOORS)


@pytest.mark.parametrize("name", FLOORS)
def test_the_int8_file_is_as_good_as_its_card_says(name: str, test_pictures: LabelledPictures) -> None:
    """It labels exactly the share of test pictures correctly that its card says."""
    share = measure.score(classifier.load(ModelOptions(model=name)), test_pictures).accuracy.share
    print(f"\n{name}: {share:.2%}")
    assert share == card_of(name).accuracy.test_int8


@pytest.mark.parametrize("name", FLOORS)
def test_floors(name: str) -> None:
    """Every model's accuracy on its card is at least the required one."""
    accuracy = card_of(name).accuracy.test_int8
    assert accuracy is not None and accuracy >= FLOORS[name][0]


@pytest.mark.parametrize("name", FLOORS)
def test_files_are_small(name: str) -> None:
    """No model file exceeds its size limit."""
    assert card_of(name).file.bytes <= FLOORS[name][1]


@pytest.mark.parametrize("name", FLOORS)
def test_int8_costs_little(name: str) -> None:
    """At most 0.3 points below float, by the card."""
    accuracy = card_of(name).accuracy
    assert accuracy.test_float is not None and accuracy.test_int8 is not None
    assert accuracy.test_float - accuracy.test_int8 <= 0.003


@pytest.mark.parametrize("name", FLOORS)
def test_self_test_and_delegate(name: str) -> None:
    """The self-test agrees here, pixels go in by flipping a bit, every operator runs in XNNPACK."""
    loaded = classifier.load(ModelOptions(model=name))
    assert loaded.card is not None
    assert self_test.check(loaded, loaded.card.golden).worst_steps is not None
    assert loaded._is_offset
    if loaded.runtime.startswith("ai-edge-litert"):
        assert loaded.delegation is not None and loaded.delegation.delegated == loaded.delegation.total


@pytest.mark.parametrize("name", ["cifar10-nano", "cifar10-base"])
def test_float_weights_ship_and_match(name: str) -> None:
    """Float weights are next to the model, match its card, and take at most 5 MB."""
    path = store.find(name)
    assert store.check_weights(path, card_of(name))
    assert path.with_suffix(".safetensors").stat().st_size <= 5_000_000


@pytest.mark.parametrize("degradation", degrade.STANDARD)
def test_base_bears_a_bad_camera(degradation: str, base: Classifier, test_pictures: LabelledPictures) -> None:
    """At least 80 % under each degradation, at most 4 points lost under JPEG quality 75; as the card says."""
    share = measure.score(base, test_pictures, degrade.STANDARD[degradation]).accuracy.share
    print(f"\n{degradation}: {share:.2%}")
    accuracy = card_of("cifar10-base").accuracy
    assert share >= WORST_DEGRADED
    assert accuracy.test_int8 is not None
    if degradation == "jpeg quality 75":
        assert accuracy.test_int8 - share <= WORST_JPEG_LOSS
    # Blur, noise and JPEG are OpenCV's, and may differ by a grey level between its versions.
    assert share == pytest.approx(accuracy.test_int8_degraded[degradation], abs=0.005)
