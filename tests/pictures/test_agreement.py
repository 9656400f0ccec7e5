"""On photographs, a picture shrunk from a reduced decoding agrees with one shrunk from full size."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest

from edge_app.evaluate.measure import FullDecode
from edge_app.pictures import preprocess
from edge_app.pictures.array import ArrayPicture
from edge_app.pictures.jpeg import JpegPicture
from edge_app.records import Picture
from tools.photographs import photographs

pytest.importorskip("skimage", reason="scikit-image brings the photographs; install the [test] extra")
pytest.importorskip("sklearn", reason="scikit-learn brings the photographs; install the [test] extra")

SIZES = ((640, 480), (741, 497), (960, 720), (1000, 872))


def crops() -> Iterator[tuple[str, np.ndarray]]:
    """Yield crops of at least 640x480 from every corner and the middle; smaller photographs whole."""
    for name, picture in photographs():
        height, width = picture.shape[:2]
        fitting = [size for size in SIZES if size[0] <= width and size[1] <= height]
        for w, h in fitting:
            for left, top in {(0, 0), (width - w, height - h), ((width - w) // 2, (height - h) // 2)}:
                yield f"{name} {w}x{h}+{left}+{top}", picture[top : top + h, left : left + w]
        if not fitting:
            yield f"{name} whole", picture


def differences(picture_of: Callable[[np.ndarray], Picture]) -> dict[str, float]:
    """Return the mean absolute difference, in grey levels, between the cheap and the full patch of each crop."""
    found = {}
    for name, crop in crops():
        picture = picture_of(crop)
        cheap = preprocess.patch(picture, (32, 32)).astype(int)
        full = preprocess.patch(FullDecode(picture), (32, 32)).astype(int)
        found[name] = float(np.abs(cheap - full).mean())
    return found


@pytest.mark.parametrize("quality", [80, 90])
def test_cheap_and_full_agree_on_photographs(quality: int) -> None:
    """Mean absolute difference over photographs <= 1.0 grey level, 95th percentile <= 1.5."""

    def encoded(crop: np.ndarray) -> Picture:
        return JpegPicture(cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].reshape(-1))

    found = differences(encoded)
    values = np.array(list(found.values()))
    worst = max(found, key=lambda name: found[name])
    print(
        f"\nquality {quality}: {len(values)} crops, mean {values.mean():.2f}, "
        f"95th percentile {np.percentile(values, 95):.2f}, worst {values.max():.2f} ({worst})"
    )
    assert len(values) >= 20
    assert values.mean() <= 1.0
    assert np.percentile(values, 95) <= 1.5


def test_decoded_pixels_keep_a_reserve() -> None:
    """Exact pixels lose less: mean <= 0.4 grey levels, 95th percentile <= 0.7."""
    values = np.array(list(differences(ArrayPicture).values()))
    assert len(values) >= 20
    assert values.mean() <= 0.4
    assert np.percentile(values, 95) <= 0.7


@pytest.mark.parametrize(("height_px", "left_px"), [(480, 240), (720, 180), (1080, 270)])
def test_decoded_pixels_are_halved_as_far_as_the_reserve_allows(height_px: int, left_px: int) -> None:
    """A larger reserve would hand the usual sizes on at twice the side, for four times the work."""
    picture = ArrayPicture(np.zeros((height_px, height_px, 3), np.uint8))
    assert picture.rgb(min_side_px=preprocess.min_side_px((32, 32))).shape == (left_px, left_px, 3)
