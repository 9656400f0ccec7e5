"""Accuracy on CIFAR-10's test pictures, directly and through the camera path. The suite's longest tests."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge_app.errors import DataError
from edge_app.evaluate import measure
from edge_app.evaluate.measure import Accuracy, FullDecode
from edge_app.model import classifier
from edge_app.model.classifier import Classifier
from edge_app.pictures.jpeg import JpegPicture
from edge_app.records import Box, LabelledPictures, Pixels
from edge_app.settings.sections import ModelOptions
from tests.conftest import DATA

WORST_LOSS = 0.01  # the camera path may lose one point


@pytest.fixture(scope="module")
def lecture() -> Classifier:
    """Load the shipped lecture model."""
    return classifier.load(ModelOptions(model="cifar10-lecture"))


@pytest.fixture(scope="module")
def direct(lecture: Classifier, test_pictures: LabelledPictures) -> Accuracy:
    """Measure all 10,000 pictures directly."""
    return measure.score(lecture, test_pictures).accuracy


@pytest.fixture(scope="module")
def camera(lecture: Classifier, test_pictures: LabelledPictures) -> Accuracy:
    """Measure all 10,000 pictures through the camera path."""
    return measure.camera_path(lecture, test_pictures)


def test_direct_accuracy(direct: Accuracy, lecture: Classifier) -> None:
    """The int8 file labels at least 70 % of the 10,000 test pictures correctly, exactly as many as its card says."""
    assert direct.total == 10_000
    assert direct.share >= 0.70
    assert lecture.card is not None
    assert lecture.card.accuracy.test_int8 == direct.share


def test_camera_path_loses_at_most_a_point(direct: Accuracy, camera: Accuracy) -> None:
    """Noise, JPEG, a source, reduced decoding, cropping and shrinking together cost at most 1.0 point."""
    print(f"\ndirect {direct}, camera path {camera}")
    assert camera.total == 10_000
    assert direct.share - camera.share <= WORST_LOSS


def test_cheap_decoding_is_as_good_as_full(
    lecture: Classifier, test_pictures: LabelledPictures, camera: Accuracy
) -> None:
    """Decoding at 1/4 scale and decoding everything differ by at most half a point on all test pictures."""
    full = measure.camera_path_full(lecture, test_pictures)
    print(f"\ncheap {camera}, full {full}")
    assert abs(camera.share - full.share) <= 0.005


class Sampled(FullDecode):
    """A preprocessing mistake: the frame is shrunk by bilinear sampling."""

    def rgb(self, box: Box | None = None, min_side_px: int | None = None) -> Pixels:
        """Return the box at 32x32, each pixel interpolated between four of the frame."""
        return cv2.resize(super().rgb(box), (32, 32), interpolation=cv2.INTER_LINEAR)


class Swapped(FullDecode):
    """A preprocessing mistake: red and blue are swapped."""

    def rgb(self, box: Box | None = None, min_side_px: int | None = None) -> Pixels:
        """Return B, G, R."""
        return np.ascontiguousarray(super().rgb(box, min_side_px)[..., ::-1])


@pytest.mark.parametrize("mistake", [Sampled, Swapped])
def test_the_camera_path_finds_mistakes(
    mistake: type[FullDecode], lecture: Classifier, test_pictures: LabelledPictures
) -> None:
    """Either mistake in the path costs more than a point of accuracy, so the check would fail."""
    some = test_pictures.first(3000)
    right = measure.score(lecture, some).accuracy
    broken = measure.camera_path(lecture, some, seen=mistake)
    print(f"\n{mistake.__name__}: direct {right}, camera path {broken}")
    assert right.share - broken.share > WORST_LOSS


def test_camera_frames_are_seeded(test_pictures: LabelledPictures) -> None:
    """The same picture and seed give the same frame; another seed other noise; the size is 640x480."""
    pixels = test_pictures.pictures[0]
    first = measure.camera_frame(pixels, seed=3)
    assert np.array_equal(first, measure.camera_frame(pixels, seed=3))
    assert not np.array_equal(first, measure.camera_frame(pixels, seed=4))
    assert JpegPicture(first).size_px == (640, 480)


def test_camera_frame_noise_is_of_the_stated_strength() -> None:
    """On flat grey, every channel carries noise of sigma 12."""
    luma = cv2.imdecode(measure.camera_frame(np.full((32, 32, 3), 128, np.uint8), 1), cv2.IMREAD_GRAYSCALE)
    # Luma is a weighted sum of three independent channels: sigma 12 * sqrt(0.299^2 + 0.587^2 + 0.114^2) = 8.0.
    assert 8.0 <= luma.std() < 9.2  # and what the quantisation of JPEG adds


def test_interval_is_wilsons() -> None:
    """The 95 % interval is Wilson's: 8 of 10 gives 0.490 to 0.943 (Newcombe 1998, method 3)."""
    low, high = Accuracy(8, 10).interval
    assert (round(low, 3), round(high, 3)) == (0.490, 0.943)


def test_a_model_of_other_labels_is_refused(test_pictures: LabelledPictures) -> None:
    """A model that does not know the ten classes is refused."""
    data = DATA
    colors = classifier.load(ModelOptions(model=str(data / "mean_uint8.tflite"), labels=data / "rgb.txt"))
    with pytest.raises(DataError, match="does not know airplane"):
        measure.score(colors, test_pictures.first(1))
