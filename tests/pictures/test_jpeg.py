"""Two decoders, one result."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest

from edge_app.pictures import _libjpeg
from tests.pictures.test_pictures import smooth, with_exif

pytest.importorskip("simplejpeg", reason="simplejpeg is compared with OpenCV; install the [headless] extra")

SUBSAMPLING = {
    "4:2:0": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    "4:2:2": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    "4:4:4": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
}

TOLERANCE = 1  # grey levels: the two may carry libjpeg-turbo of different years


def encoded(pixels: np.ndarray, subsampling: str = "4:2:0") -> np.ndarray:
    """Encode with noise, which shows every difference."""
    noisy = pixels.astype(int) + np.random.default_rng(0).normal(0, 20, pixels.shape)
    flags = [cv2.IMWRITE_JPEG_QUALITY, 80, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, SUBSAMPLING[subsampling]]
    return cv2.imencode(".jpg", noisy.clip(0, 255).astype(np.uint8), flags)[1].reshape(-1)


def by_opencv(data: np.ndarray, scale: int) -> np.ndarray | None:
    """Decode with OpenCV alone, to RGB."""
    decoded = _libjpeg.decode_any(data, _libjpeg._FLAGS[scale])
    return None if decoded is None else cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)


@pytest.mark.parametrize("size_px", [(640, 480), (333, 251), (17, 9)])
@pytest.mark.parametrize("subsampling", list(SUBSAMPLING))
@pytest.mark.parametrize("scale", _libjpeg.SCALES)
def test_both_give_the_same_pixels(size_px: tuple[int, int], subsampling: str, scale: int) -> None:
    """simplejpeg and OpenCV give equal pixels at every scale, subsampling and size, partial blocks included."""
    data = encoded(smooth(*size_px), subsampling)
    ours, theirs = _libjpeg.decode(data, scale, size_px, True), by_opencv(data, scale)
    assert ours is not None and theirs is not None and ours.shape == theirs.shape
    assert np.abs(ours.astype(int) - theirs).max() <= TOLERANCE


def test_a_grey_picture_has_three_channels() -> None:
    """A JPEG without colour comes out as RGB all the same."""
    data = encoded(smooth(64, 48)[..., 1])
    decoded = _libjpeg.decode(data, 2, (64, 48), True)
    assert decoded is not None and decoded.shape == (24, 32, 3)


def test_a_turned_picture_is_left_to_opencv() -> None:
    """EXIF orientation is honoured."""
    decoded = _libjpeg.decode(with_exif(encoded(smooth(64, 48)), 6), 1, (64, 48), False)
    assert decoded is not None and decoded.shape == (64, 48, 3)


def test_four_colours_come_out_as_three() -> None:
    """Both decode CMYK, used in print, to the same RGB pixels."""
    image = pytest.importorskip("PIL.Image", reason="writes CMYK, which OpenCV cannot; pip install pillow")
    file = io.BytesIO()
    image.fromarray(smooth(64, 48)).convert("CMYK").save(file, "JPEG", quality=90)
    data = np.frombuffer(file.getvalue(), np.uint8)
    for scale in _libjpeg.SCALES:
        ours, theirs = _libjpeg.decode(data, scale, (64, 48), True), by_opencv(data, scale)
        assert ours is not None and theirs is not None
        assert np.abs(ours.astype(int) - theirs).max() <= TOLERANCE


def test_what_simplejpeg_refuses_opencv_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A JPEG that simplejpeg does not support goes to OpenCV; garbage gives None."""

    def refuse(*_: object, **__: object) -> None:
        raise ValueError("unsupported colorspace")

    data = encoded(smooth(64, 48))
    monkeypatch.setattr("simplejpeg.decode_jpeg", refuse)
    assert np.array_equal(_libjpeg.decode(data, 1, (64, 48), True), by_opencv(data, 1))
    assert _libjpeg.decode(np.frombuffer(b"\xff\xd8 no picture", np.uint8), 1, (64, 48), True) is None


def test_a_header_that_announces_too_much_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gigapixels never reach simplejpeg, which would allocate them."""
    monkeypatch.setattr("simplejpeg.decode_jpeg", lambda *_, **__: pytest.fail("asked"))
    _libjpeg.decode(encoded(smooth(64, 48)), 1, (65000, 65000), True)


def test_a_webcams_picture_without_huffman_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Motion JPEG leaves the standard tables out; both decoders know them."""
    data = encoded(smooth(64, 48))
    stripped = np.frombuffer(without_tables(data.tobytes()), np.uint8)
    assert len(stripped) < len(data) - 400
    decoded, whole = _libjpeg.decode(stripped, 1, (64, 48), True), _libjpeg.decode(data, 1, (64, 48), True)
    assert decoded is not None and whole is not None and np.array_equal(decoded, whole)
    monkeypatch.setattr(_libjpeg, "_simplejpeg", lambda: None)
    assert np.array_equal(_libjpeg.decode(stripped, 1, (64, 48), True), whole)


def without_tables(data: bytes) -> bytes:
    """Leave the DHT segments (T.81, B.2.4.2) out."""
    kept, at = data[:2], 2
    while data[at + 1] != 0xDA:  # start of scan
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] != 0xC4:
            kept += data[at : at + 2 + length]
        at += 2 + length
    return kept + data[at:]
