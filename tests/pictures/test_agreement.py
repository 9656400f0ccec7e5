"""A picture shrunk the cheap way agrees with the same picture shrunk from full size, on photographs."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from edge_app.evaluate.measure import FullDecode
from edge_app.pictures import preprocess
from edge_app.pictures.jpeg import JpegPicture
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


def differences(quality: int) -> dict[str, float]:
    """Return the mean absolute difference, in grey levels, between the cheap and the full patch of each crop."""
    found = {}
    for name, crop in crops():
        picture = JpegPicture(cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].reshape(-1))
        cheap = preprocess.patch(picture, (32, 32)).astype(int)
        full = preprocess.patch(FullDecode(picture), (32, 32)).astype(int)
        found[name] = float(np.abs(cheap - full).mean())
    return found


@pytest.mark.parametrize("quality", [80, 90])
def test_cheap_and_full_agree_on_photographs(quality: int) -> None:
    """Mean absolute difference over photographs <= 1.0 grey level, 95th percentile <= 1.5."""
    found = differences(quality)
    values = np.array(list(found.values()))
    worst = max(found, key=lambda name: found[name])
    print(
        f"\nquality {quality}: {len(values)} crops, mean {values.mean():.2f}, "
        f"95th percentile {np.percentile(values, 95):.2f}, worst {values.max():.2f} ({worst})"
    )
    assert len(values) >= 20
    assert values.mean() <= 1.0
    assert np.percentile(values, 95) <= 1.5
