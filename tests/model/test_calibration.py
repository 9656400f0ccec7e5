"""Temperature, thresholds and calibration error on scores whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from edge_app.model import calibration


def honest(count: int = 20_000, classes: int = 5) -> tuple[calibration.Logits, calibration.Labels]:
    """Make calibrated logits: each label is drawn from their softmax."""
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, (count, classes)).astype(np.float32)
    probabilities = calibration.softmax(logits, 1.0)
    labels = (probabilities.cumsum(1) < generator.random((count, 1))).sum(1)
    return logits, labels.astype(np.int64)


@pytest.mark.parametrize("exaggeration", [0.5, 1.0, 2.5])
def test_temperature_undoes_exaggeration(exaggeration: float) -> None:
    """Logits that are k times too large get temperature k, and are calibrated afterwards."""
    logits, labels = honest()
    temperature = calibration.fit_temperature(logits * exaggeration, labels)
    assert temperature == pytest.approx(exaggeration, rel=0.06)
    after = calibration.reliability(calibration.softmax(logits * exaggeration, temperature), labels)
    assert after.error < 0.015


def test_exaggeration_shows_in_the_calibration_error() -> None:
    """An overconfident network's error is its mean confidence above its accuracy."""
    logits, labels = honest()
    found = calibration.reliability(calibration.softmax(logits * 4, 1.0), labels)
    gap = calibration.softmax(logits * 4, 1.0).max(1).mean() - calibration.accuracy(logits, labels)
    assert found.error == pytest.approx(gap, abs=0.01)
    assert found.error > 0.1


def test_calibration_error_by_hand() -> None:
    """Two pictures at 0.9, one right; two at 0.6, both right: |0.5 - 0.9| and |1 - 0.6|, each for half: 0.4."""
    rows = [[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]]
    found = calibration.reliability(np.array(rows, np.float32), np.array([0, 1, 0, 0]))
    assert found.error == pytest.approx(0.4)
    assert found.count.sum() == 4


def test_threshold_is_the_lowest_that_keeps_the_promise() -> None:
    """At or above the threshold nine of ten are right; one step lower they are not."""
    logits, labels = honest()
    probabilities = calibration.softmax(logits, 1.0)
    enter = calibration.fit_thresholds(probabilities, labels).enter
    best, right = probabilities.max(1), probabilities.argmax(1) == labels
    assert right[best >= enter].mean() >= 0.9 > right[best >= enter - 0.02].mean()


def test_too_few_pictures_change_nothing() -> None:
    """A handful of pictures, all right, sets no temperature: the likeliest would be the lowest one tried."""
    sure = np.eye(5, dtype=np.float32)[np.arange(20) % 5] * 9
    temperature, thresholds = calibration.fit(sure, np.arange(20) % 5)
    assert temperature == 1.0 and thresholds.leave < thresholds.enter
    assert calibration.fit(*honest())[0] == pytest.approx(1.0, rel=0.06)
