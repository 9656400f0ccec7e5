"""Accuracy of a model on labelled pictures: as they are, degraded, and through the camera path.

The camera path treats each picture like a camera's frame: it is enlarged into a 640x480 frame, gets sensor noise, is
JPEG-encoded, delivered by a source and classified by the same pipeline. This reveals mistakes in decoding, cropping,
shrinking or channel order that the direct path hides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_app import pipeline
from edge_app.data import dataset
from edge_app.model import calibration
from edge_app.model.classifier import Classifier
from edge_app.model.decision import Decision, Rules
from edge_app.pictures import degrade, preprocess
from edge_app.pictures.array import ArrayPicture
from edge_app.pictures.jpeg import JpegPicture
from edge_app.pictures.opencv import cv2
from edge_app.pipeline import Control, Limits, Recogniser
from edge_app.records import DEFAULT_SIZE_PX, Box, Frame, LabelledPictures, Picture, Pixels
from edge_app.sources import Closeable

NOISE_SIGMA = 12.0
JPEG_QUALITY = 90
_SURROUNDINGS = 128  # grey on both sides of the picture, which the centre crop must cut off

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Share of pictures labelled correctly.

    Attributes:
        correct: pictures whose most probable label is the true one.
        total: all pictures.
    """

    correct: int
    total: int

    @property
    def share(self) -> float:
        """Share of correct labels, 0..1."""
        return self.correct / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """95 % confidence interval of the share (Wilson 1927, score interval)."""
        # z is the normal distribution's 97.5 % quantile. Wilson's interval does not shrink to nothing at 0 or 100 %.
        z, n, p = 1.959964, self.total, self.share
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return middle - half, middle + half

    def to_json(self) -> dict[str, float | int]:
        """Return the figures by name."""
        low, high = self.interval
        return {"accuracy": self.share, "low": low, "high": high, "correct": self.correct, "total": self.total}

    def __str__(self) -> str:
        """Return it as "79.10 % (78.3 to 79.9, 7910 of 10000)"."""
        low, high = self.interval
        return f"{self.share:.2%} ({low:.1%} to {high:.1%}, {self.correct} of {self.total})".replace("%", " %")


@dataclass(frozen=True, slots=True)
class Scored:
    """The scores of all pictures of a data set.

    Attributes:
        logits: (N, classes) float32.
        labels: (N,) true labels, as indices of classes.
    """

    logits: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]

    @property
    def accuracy(self) -> Accuracy:
        """Share of pictures whose highest score is that of the true label."""
        return Accuracy(int((self.logits.argmax(1) == self.labels).sum()), len(self.labels))

    @property
    def confusion(self) -> npt.NDArray[np.int64]:
        """(classes, classes) counts: true labels down, predicted labels across."""
        classes = self.logits.shape[1]
        pairs = self.labels * classes + self.logits.argmax(1)
        return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)

    def worst(self, temperature: float, count: int) -> npt.NDArray[np.int64]:
        """Return the indices of the misclassified pictures with the highest confidence, highest first."""
        wrong = np.flatnonzero(self.logits.argmax(1) != self.labels)
        confidence = calibration.softmax(self.logits[wrong], temperature).max(1)
        return wrong[np.argsort(-confidence, kind="stable")][:count]


def score(
    classifier: Classifier,
    data: LabelledPictures,
    degradation: degrade.Degradation = lambda pixels, _: pixels,
    progress: Progress = lambda _: None,
) -> Scored:
    """Classify the pictures directly, as they are or degraded, without the camera path.

    Args:
        classifier: the model.
        data: pictures with their labels.
        degradation: change to each picture; its noise is seeded with the picture's index.
        progress: called with the number of pictures done since its last call.

    Raises:
        DataError: the classifier does not know the labels.
    """
    labels = dataset.places(data, classifier.labels)
    logits = np.empty((len(data.labels), len(classifier.labels)), np.float32)
    for index, pixels in enumerate(data.pictures):
        degraded = degradation(pixels, np.random.default_rng(index))
        logits[index] = classifier.scores(preprocess.patch(ArrayPicture(degraded), classifier.shape))
        progress(1)
    return Scored(logits, labels)


def camera_path(
    classifier: Classifier,
    data: LabelledPictures,
    progress: Progress = lambda _: None,
    seen: Callable[[JpegPicture], Picture] = lambda picture: picture,
) -> Accuracy:
    """Classify the pictures through a camera's frames, a source and the pipeline.

    Args:
        classifier: the model.
        data: pictures with their labels.
        progress: called with the number of pictures done since its last call.
        seen: replaces a frame's JPEG picture; for full decoding, and for tests that break the path on purpose.
    """
    # Called for its check alone: a label that the model lacks would pass for plain mistakes below.
    dataset.places(data, classifier.labels)
    # Consecutive pictures are unrelated, so no smoothing; thresholds of 0 always give the best label, never unknown.
    decision = Decision(classifier.labels, Rules(enter=0.0, leave=0.0, smoothing_s=0.0))
    source, recogniser = _EnlargedPictures(data, seen), Recogniser(classifier, decision)
    correct = 0
    for result in pipeline.run(source, recogniser, (), Limits(), Control()):
        correct += result.verdict.label == result.truth
        progress(1)
    return Accuracy(correct, len(data.labels))


def camera_path_full(classifier: Classifier, data: LabelledPictures, progress: Progress = lambda _: None) -> Accuracy:
    """Classify through the camera path with every frame decoded at full size, to compare the fast path with."""
    return camera_path(classifier, data, progress, FullDecode)


def camera_frame(pixels: Pixels, seed: int) -> npt.NDArray[np.uint8]:
    """Return a small picture as the JPEG that a camera might deliver.

    Args:
        pixels: (H, W, 3) uint8, RGB.
        seed: seed of the sensor noise.

    Returns:
        (N,) uint8: a 640x480 JPEG (quality 90, 4:2:0) of the picture enlarged to 480x480 with cubic interpolation,
        grey on both sides, with Gaussian noise of sigma 12 on every sample.
    """
    width, height = DEFAULT_SIZE_PX
    frame = np.full((height, width, 3), _SURROUNDINGS, np.uint8)
    left = (width - height) // 2
    enlarged = cv2.resize(pixels, (height, height), interpolation=cv2.INTER_CUBIC)
    frame[:, left : left + height] = cv2.cvtColor(enlarged, cv2.COLOR_RGB2BGR)
    noise = np.empty(
        (height, 3 * width), np.int16
    )  # one channel: with several, OpenCV applies a scalar sigma to the first only
    cv2.setRNGSeed(seed)
    cv2.randn(noise, 0, NOISE_SIGMA)
    # cv2.add saturates at 0 and 255; NumPy's sum would wrap around once cast to uint8.
    noisy = cv2.add(frame, noise.reshape(frame.shape), dtype=cv2.CV_8U)
    return cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].reshape(-1)


class FullDecode:
    """A picture that is always decoded at full size, whatever smaller size would do."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height."""
        return self._picture.size_px

    def rgb(self, box: Box | None = None, min_side_px: int | None = None) -> Pixels:
        """Decode at full size. See `records.Picture.rgb`."""
        # min_side_px is withheld: it is what allows a JPEG to be decoded at a reduced size.
        return self._picture.rgb(box)


class _EnlargedPictures(Closeable):
    """A source that delivers data-set pictures as camera frames."""

    name, is_sequence, is_live, dropped = "camera path", False, False, 0

    def __init__(self, data: LabelledPictures, seen: Callable[[JpegPicture], Picture]) -> None:
        self._data, self._seen = data, seen

    def __iter__(self) -> Iterator[Frame]:
        for index, (pixels, label) in enumerate(zip(self._data.pictures, self._data.labels, strict=True)):
            picture = self._seen(JpegPicture(camera_frame(pixels, seed=index)))
            yield Frame(index, 0.0, float(index), picture, truth=self._data.names[label])

    def close(self) -> None:
        """Do nothing: there is nothing to release."""
