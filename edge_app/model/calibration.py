"""What turns a network's scores into honest probabilities and a decision, and how honest they are."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_app.model.card import Thresholds

log = logging.getLogger(__name__)

WANTED_PRECISION = 0.9
LEAVE_SHARE = 0.75  # A named label is kept until its probability falls to this share of the entry threshold.
ENOUGH = 200  # On a handful, all of them right, the likeliest temperature is the lowest one tried.
BINS = 15  # as in Guo et al. 2017

Logits = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


def softmax(logits: Logits, temperature: float) -> Logits:
    """Return row-wise probabilities of (N, classes) logits / temperature."""
    powers = np.exp((logits - logits.max(1, keepdims=True)) / temperature)
    return powers / powers.sum(1, keepdims=True)


def accuracy(logits: Logits, labels: Labels) -> float:
    """Return the share of rows whose largest value is at the label."""
    return float((logits.argmax(1) == labels).mean())


def fit(logits: Logits, labels: Labels) -> tuple[float, Thresholds]:
    """Return temperature and thresholds; from too few pictures to say, those that change and assume nothing."""
    if len(labels) < ENOUGH:
        log.warning(
            "%d held-out pictures are too few to calibrate on (%d do): probabilities stay as they are",
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
    losses = [-np.log(softmax(logits, t)[rows, labels] + 1e-12).mean() for t in candidates]
    return round(float(candidates[int(np.argmin(losses))]), 3)


def fit_thresholds(probabilities: Logits, labels: Labels) -> Thresholds:
    """Return the lowest entry threshold, from 0.5 up, at which nine of ten named pictures are named rightly.

    Below one half, all other labels together would be likelier than the one that is named.
    """
    best, right = probabilities.max(1), probabilities.argmax(1) == labels
    for enter in np.arange(0.50, 0.96, 0.01):
        named = best >= enter
        if named.any() and right[named].mean() >= WANTED_PRECISION:
            break
    return Thresholds(enter=round(float(enter), 2), leave=round(float(enter) * LEAVE_SHARE, 2))


@dataclass(frozen=True, slots=True)
class Reliability:
    """How confidence and accuracy agree, in bins of equal width over 0..1.

    Attributes:
        count: (bins,) pictures whose confidence falls into each bin.
        confidence: (bins,) their mean confidence; 0 where there are none.
        accuracy: (bins,) the share of them labelled rightly; 0 where there are none.
    """

    count: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64]
    accuracy: npt.NDArray[np.float64]

    @property
    def error(self) -> float:
        """Expected calibration error (Naeini et al. 2015): mean of |accuracy - confidence| over pictures, 0..1."""
        return float((self.count * np.abs(self.accuracy - self.confidence)).sum() / self.count.sum())


def reliability(probabilities: Logits, labels: Labels) -> Reliability:
    """Compare each picture's highest probability with whether it was right.

    Args:
        probabilities: (N, classes), rows sum to one.
        labels: (N,) true ones.
    """
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    count = np.bincount(bins, minlength=BINS)
    filled = np.maximum(count, 1)
    return Reliability(
        count,
        np.bincount(bins, confidence, minlength=BINS) / filled,
        np.bincount(bins, right, minlength=BINS) / filled,
    )
