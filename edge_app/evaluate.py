"""Accuracy of a model on CIFAR-10's test pictures: as they are, and through a camera's eyes.

The camera path takes each picture through everything that a camera's frame goes through: it is enlarged into a
640x480 frame, gets sensor noise, is JPEG-encoded, delivered by a source, and classified by the same pipeline. A
mistake in decoding, cropping, shrinking or channel order that the direct path cannot show, shows there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_app import pipeline, preprocess
from edge_app._opencv import cv2
from edge_app.cifar10 import LABELS, LabelledPictures
from edge_app.classifier import Classifier
from edge_app.decision import Decision, Rules
from edge_app.errors import UsageError
from edge_app.pictures import ArrayPicture, JpegPicture
from edge_app.records import Box, Frame, Picture, Pixels, Result

FRAME_PX = (640, 480)
NOISE_SIGMA = 12.0
JPEG_QUALITY = 90
_SURROUNDINGS = 128  # Grey on both sides of the picture: what the centre crop must cut off.

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Share of pictures labelled correctly.

    Attributes:
        correct: pictures whose most probable label is the true one.
        total: pictures.
    """

    correct: int
    total: int

    @property
    def share(self) -> float:
        """Correct share, 0..1."""
        return self.correct / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """95 % confidence interval of the share (Wilson 1927, score interval)."""
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


def direct(classifier: Classifier, data: LabelledPictures, progress: Progress = lambda _: None) -> Accuracy:
    """Classify the pictures as they are, no camera in between."""
    labels = _known_labels(classifier, data)
    correct = 0
    for pixels, label in zip(data.pictures, labels, strict=True):
        patch = preprocess.patch(ArrayPicture(pixels), classifier.shape)
        correct += int(classifier.scores(patch).argmax()) == label
        progress(1)
    return Accuracy(correct, len(labels))


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
        progress: told how many pictures have been done since the last call.
        seen: what the source delivers in place of a frame's JPEG; for tests that break the path on purpose.
    """
    _known_labels(classifier, data)
    tally = _Tally(progress)
    # Neighbouring pictures have nothing to do with each other: no smoothing, and always the best label.
    decision = Decision(classifier.labels, Rules(enter=0.0, leave=0.0, smoothing_s=0.0))
    pipeline.run(_EnlargedPictures(data, seen), classifier, decision, [tally], preprocess.Crop(), pipeline.Limits())
    return Accuracy(tally.correct, tally.total)


def camera_path_full(classifier: Classifier, data: LabelledPictures, progress: Progress = lambda _: None) -> Accuracy:
    """Classify through the camera path with every frame decoded at full size: what the cheap way is compared with."""
    return camera_path(classifier, data, progress, FullDecode)


def camera_frame(pixels: Pixels, seed: int) -> npt.NDArray[np.uint8]:
    """Make the JPEG a camera might have delivered of a small picture.

    Args:
        pixels: (H, W, 3) uint8, RGB.
        seed: of the sensor noise.

    Returns:
        (N,) uint8: a 640x480 JPEG (quality 90, 4:2:0) of the picture enlarged to 480x480 with cubic interpolation,
        grey on both sides, with Gaussian noise of sigma 12 on every sample.
    """
    width, height = FRAME_PX
    frame = np.full((height, width, 3), _SURROUNDINGS, np.uint8)
    left = (width - height) // 2
    enlarged = cv2.resize(pixels, (height, height), interpolation=cv2.INTER_CUBIC)
    frame[:, left : left + height] = cv2.cvtColor(enlarged, cv2.COLOR_RGB2BGR)
    noise = np.empty((height, 3 * width), np.int16)  # one channel: of several, a scalar sigma reaches only the first
    cv2.setRNGSeed(seed)
    cv2.randn(noise, 0, NOISE_SIGMA)
    noisy = cv2.add(frame, noise.reshape(frame.shape), dtype=cv2.CV_8U)
    return cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].reshape(-1)


class FullDecode:
    """A picture that ignores every offer to be cheap: decoded at full size and shrunk from there."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height."""
        return self._picture.size_px

    def rgb(self, box: Box | None = None, min_side_px: int | None = None) -> Pixels:
        """Decode everything. See `records.Picture.rgb`."""
        return self._picture.rgb(box)


class _EnlargedPictures:
    """A source that delivers data-set pictures as camera frames."""

    name, is_sequence, is_live, dropped = "camera path", False, False, 0

    def __init__(self, data: LabelledPictures, seen: Callable[[JpegPicture], Picture]) -> None:
        self._data, self._seen = data, seen

    def __iter__(self) -> Iterator[Frame]:
        for index, (pixels, label) in enumerate(zip(self._data.pictures, self._data.labels, strict=True)):
            picture = self._seen(JpegPicture(camera_frame(pixels, seed=index)))
            yield Frame(index, 0.0, float(index), picture, truth=LABELS[label])

    def close(self) -> None:
        """Nothing to give back."""


class _Tally:
    """A sink that counts right answers."""

    name, wants_picture = "tally", False

    def __init__(self, progress: Progress) -> None:
        self.correct = self.total = 0
        self._progress = progress

    def emit(self, result: Result, picture: Picture | None) -> None:
        self.total += 1
        self.correct += bool(result.verdict.top) and result.verdict.top[0][0] == result.truth
        self._progress(1)

    def close(self) -> None:
        """Nothing to give back."""


def _known_labels(classifier: Classifier, data: LabelledPictures) -> list[int]:
    """Return each picture's label as an index into the classifier's outputs.

    Raises:
        UsageError: the classifier does not know CIFAR-10's labels.
    """
    missing = [label for label in LABELS if label not in classifier.labels]
    if missing:
        raise UsageError(f"this model does not know {', '.join(missing)}; CIFAR-10 says nothing about its accuracy")
    return [classifier.labels.index(LABELS[label]) for label in data.labels]
