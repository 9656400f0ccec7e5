"""Fits the temperature and thresholds of a model, and measures how well its probabilities are calibrated."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_app.model.card import Thresholds

log = logging.getLogger(__name__)

WANTED_PRECISION = 0.9
LEAVE_SHARE = 0.75  # The leave threshold as a share of the enter threshold.
ENOUGH = 200  # With only a few pictures, all labelled correctly, the fit ends at the lowest temperature tried.
BINS = 15  # as in Guo et al. 2017

Logits = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


def softmax(logits: Logits, temperature: float) -> Logits:
    """Return the row-wise softmax of (N, classes) logits / temperature."""
    # In float32, `exp` overflows above 88; after the subtraction no exponent is positive.
    powers = np.exp((logits - logits.max(1, keepdims=True)) / temperature)
    return powers / powers.sum(1, keepdims=True)


def accuracy(logits: Logits, labels: Labels) -> float:
    """Return the share of rows whose largest logit is at the label."""
    return float((logits.argmax(1) == labels).mean())


def fit(logits: Logits, labels: Labels) -> tuple[float, Thresholds]:
    """Return temperature and thresholds; neutral defaults if there are too few pictures to fit them."""
    if len(labels) < ENOUGH:
        log.warning(
            "%d held-out pictures are too few for calibration (at least %d needed): probabilities stay uncalibrated",
            len(labels),
            ENOUGH,
        )
        return 1.0, Thresholds(enter=0.6, leave=0.5)
    temperature = fit_temperature(logits, labels)
    return temperature, fit_thresholds(softmax(logits, temperature), labels)


def fit_temperature(logits: Logits, labels: Labels) -> float:
    """Return the temperature with the least negative log-likelihood (Guo et al. 2017), to three decimals."""
    rows = np.arange(len(labels))
    candidates = np.arange(0.2, 4.0, 0.005)
    # 1e-12: one probability that underflows to 0 would make the mean infinite.
    losses = [-np.log(softmax(logits, t)[rows, labels] + 1e-12).mean() for t in candidates]
    return round(float(candidates[int(np.argmin(losses))]), 3)


def fit_thresholds(probabilities: Logits, labels: Labels) -> Thresholds:
    """Return the lowest enter threshold, from 0.5 up, at which 90 % of the named labels are correct.

    Below 0.5, all other labels together would be more probable than the named one.
    """
    best, right = probabilities.max(1), probabilities.argmax(1) == labels
    # If no threshold reaches the precision, the last one tried, 0.95, remains.
    for enter in np.arange(0.50, 0.96, 0.01):
        named = best >= enter
        if named.any() and right[named].mean() >= WANTED_PRECISION:
            break
    return Thresholds(enter=round(float(enter), 2), leave=round(float(enter) * LEAVE_SHARE, 2))


@dataclass(frozen=True, slots=True)
class Reliability:
    """Confidence compared with accuracy, in bins of equal width over 0..1.

    Attributes:
        count: (bins,) number of pictures whose confidence falls into each bin.
        confidence: (bins,) their mean confidence; 0 in an empty bin.
        accuracy: (bins,) share of them labelled correctly; 0 in an empty bin.
    """

    count: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64]
    accuracy: npt.NDArray[np.float64]

    @property
    def error(self) -> float:
        """Expected calibration error (Naeini et al. 2015): mean |accuracy - confidence|, weighted by count, 0..1."""
        return float((self.count * np.abs(self.accuracy - self.confidence)).sum() / self.count.sum())


def reliability(probabilities: Logits, labels: Labels) -> Reliability:
    """Compare the highest probability of each picture with whether its label was correct.

    Args:
        probabilities: (N, classes), each row sums to one.
        labels: (N,) the true labels.
    """
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    # A confidence of exactly 1 belongs to the last bin, not to one beyond it.
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    count = np.bincount(bins, minlength=BINS)
    filled = np.maximum(count, 1)  # avoids 0 / 0 in empty bins
    return Reliability(
        count,
        np.bincount(bins, confidence, minlength=BINS) / filled,
        np.bincount(bins, right, minlength=BINS) / filled,
    )
