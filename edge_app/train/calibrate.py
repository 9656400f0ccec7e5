"""What turns a network's scores into honest probabilities and a decision; fitted on validation pictures only."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge_app.cifar10 import LabelledPictures
from edge_app.classifier import Classifier
from edge_app.model_card import Thresholds

WANTED_PRECISION = 0.9
LEAVE_SHARE = 0.75  # A named label is kept until its probability falls to this share of the entry threshold.

Logits = npt.NDArray[np.float32]


def collect(classifier: Classifier, data: LabelledPictures) -> Logits:
    """Return the (N, classes) logits that the shipped file gives."""
    return np.stack([classifier.scores(picture) for picture in data.pictures])


def accuracy(logits: Logits, labels: npt.NDArray[np.int64]) -> float:
    """Return the share of rows whose largest value is at the label."""
    return float((logits.argmax(1) == labels).mean())


def softmax(logits: Logits, temperature: float) -> Logits:
    """Return row-wise probabilities of logits / temperature."""
    powers = np.exp((logits - logits.max(1, keepdims=True)) / temperature)
    return powers / powers.sum(1, keepdims=True)


def fit_temperature(logits: Logits, labels: npt.NDArray[np.int64]) -> float:
    """Return the temperature with the least negative log-likelihood (Guo et al. 2017), to three decimals."""
    rows = np.arange(len(labels))
    candidates = np.arange(0.2, 4.0, 0.005)
    losses = [-np.log(softmax(logits, t)[rows, labels] + 1e-12).mean() for t in candidates]
    return round(float(candidates[int(np.argmin(losses))]), 3)


def fit_thresholds(probabilities: Logits, labels: npt.NDArray[np.int64]) -> Thresholds:
    """Return the lowest entry threshold at which nine of ten named pictures are named rightly, to two decimals."""
    best, right = probabilities.max(1), probabilities.argmax(1) == labels
    for enter in np.arange(0.30, 0.96, 0.01):
        named = best >= enter
        if named.any() and right[named].mean() >= WANTED_PRECISION:
            break
    return Thresholds(enter=round(float(enter), 2), leave=round(float(enter) * LEAVE_SHARE, 2))
