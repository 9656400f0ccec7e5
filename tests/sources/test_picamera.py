"""Buffers from picamera2, compared with the same picture computed by hand, and requests to it; needs no camera.

The real picamera2 runs in tests/vm.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_app.errors import CameraLost, PictureError, SourceError
from edge_app.pictures import preprocess
from edge_app.pictures.array import ArrayPicture
from edge_app.pictures.yuv import BT601, BT601_FULL, BT709
from edge_app.records import Box
from edge_app.sources import Request, picamera
from edge_app.sources._fake_picamera2 import AGE_S, PI, USB, FakePicamera2
from edge_app.sources.picamera import SmallAndFull, color_standard, lores_size, to_picture

WIDTH, HEIGHT = 384, 256
SHAPE = (32, 32)
FACTOR = HEIGHT // SHAPE[0]
PADDING = 64
# Luma weights of red and blue, and whether luma ends at 255: ITU-R BT.601-7 and BT.709-6; sYCC is BT.601 of full range.
STANDARDS = {"SMPTE170M": (0.299, 0.114, False), "sYCC": (0.299, 0.114, True), "Rec709": (0.2126, 0.0722, False)}


def planes() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make a luma plane and two of chroma at half size, slowly changing and within the limits of all standards."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    luma = 120 + 50 * np.sin(x / 40) * np.cos(y / 30)
    u, v = 128 + 30 * np.cos(x[::2, ::2] / 60), 128 + 30 * np.sin(y[::2, ::2] / 50)
    return luma.round().astype(np.uint8), u.round().astype(np.uint8), v.round().astype(np.uint8)


def averaged(plane: np.ndarray, factor: int) -> np.ndarray:
    """Cut the middle square out of a plane and average blocks of factor x factor in floating point."""
    height = plane.shape[0]
    left = (plane.shape[1] - height) // 2
    square = plane[:, left : left + height].astype(float)
    return square.reshape(height // factor, factor, height // factor, factor, *plane.shape[2:]).mean((1, 3))


def by_hand(standard: str) -> np.ndarray:
    """Return the patch of the planes, (32, 32, 3) RGB in floating point."""
    red_weight, blue_weight, is_full = STANDARDS[standard]
    luma, u, v = planes()
    luma, u, v = averaged(luma, FACTOR), averaged(u, FACTOR // 2) - 128, averaged(v, FACTOR // 2) - 128
    luma, chroma = (luma, 1.0) if is_full else ((luma - 16) * 255 / 219, 255 / 224)
    red, blue = luma + 2 * (1 - red_weight) * chroma * v, luma + 2 * (1 - blue_weight) * chroma * u
    green = (luma - red_weight * red - blue_weight * blue) / (1 - red_weight - blue_weight)
    return np.stack([red, green, blue], 2).clip(0, 255)


def assert_patch(picture: Any, patch: np.ndarray) -> None:
    """Check that the classifier sees the patch, within the roundings of uint8 on the way."""
    off = np.abs(preprocess.patch(picture, SHAPE) - patch)
    assert off.max() <= 2.0
    assert off.mean() <= 0.75


def stream(name: str) -> dict[str, Any]:
    """Return a granted stream as picamera2 describes it."""
    return {"format": name, "size": (WIDTH, HEIGHT), "stride": WIDTH + PADDING, "framesize": 0}


@pytest.mark.parametrize("standard", STANDARDS)
@pytest.mark.parametrize("padding", [0, PADDING])
def test_yuv420(standard: str, padding: int) -> None:
    """YUV420 in rows of the stream's stride gives the patch of its planes, in each colour standard."""
    luma, u, v = planes()
    chroma = np.full((HEIGHT, (WIDTH + padding) // 2), 255, np.uint8)  # V rows below U rows
    chroma[:, : WIDTH // 2] = np.vstack([u, v])
    array = np.vstack([np.pad(luma, ((0, 0), (0, padding)), constant_values=255), chroma.reshape(HEIGHT // 2, -1)])
    assert_patch(to_picture(array, stream("YUV420"), standard), by_hand(standard))


@pytest.mark.parametrize("standard", STANDARDS)
@pytest.mark.parametrize("padding", [0, PADDING])
def test_nv12(standard: str, padding: int) -> None:
    """NV12 gives the same patch, padded or (as picamera2 hands it out) not."""
    luma, u, v = planes()
    array = np.vstack([luma, np.stack([u, v], 2).reshape(HEIGHT // 2, WIDTH)])
    array = np.pad(array, ((0, 0), (0, padding)), constant_values=255)
    assert_patch(to_picture(array, stream("NV12"), standard), by_hand(standard))


@pytest.mark.parametrize("padding", [0, 16])
@pytest.mark.parametrize(("name", "channels"), [("RGB888", 3), ("BGR888", 3), ("XRGB8888", 4), ("XBGR8888", 4)])
def test_packed(name: str, channels: int, padding: int) -> None:
    """The RGB888 of libcamera is B, G, R in memory, its BGR888 R, G, B; what exceeds the size is left out."""
    rgb = np.stack([plane.repeat(1 if plane.shape[0] == HEIGHT else 2, 0) for plane in planes()[:1] * 3], 2)
    rgb = (rgb * np.array([1.0, 0.5, 0.25])).astype(np.uint8)
    stored = rgb if name in ("BGR888", "XBGR8888") else rgb[..., ::-1]
    array = np.full((HEIGHT, WIDTH + padding, channels), 255, np.uint8)
    array[:, :WIDTH, :3] = stored
    assert_patch(to_picture(array, stream(name), "sYCC"), averaged(rgb, FACTOR))


def test_unknown_format() -> None:
    """An unsupported format is named."""
    with pytest.raises(PictureError, match="SBGGR10"):
        to_picture(np.zeros((2, 2), np.uint8), stream("SBGGR10"), None)


def test_color_standards() -> None:
    """The names that libcamera uses lead to the standards; what is not stated is taken for full range, as JPEG is."""
    assert color_standard("SMPTE170M") is BT601
    assert color_standard("Rec709") is BT709
    assert color_standard("sYCC") is color_standard(None) is color_standard("sRGB") is BT601_FULL


SIDES = st.integers(1, 2000).map(lambda half: 2 * half)


@given(SIDES, SIDES, st.integers(1, 500))
def test_lores_size(width: int, height: int, side_px: int) -> None:
    """`lores` is even, large enough by less than one step of two, and of the same aspect as far as even sides allow."""
    small = lores_size((width, height), side_px)
    assert all(side % 2 == 0 for side in small)
    assert side_px <= min(small) < side_px + 2
    for side, full in zip(small, (width, height), strict=True):
        assert 0 <= side - full * side_px / min(width, height) < 2


def test_lores_of_a_usual_camera() -> None:
    """A patch of 32 pixels asks a 4:3 camera for 150x112."""
    assert lores_size((640, 480), preprocess.min_side_px(SHAPE)) == (150, 112)


def test_small_where_it_suffices() -> None:
    """The small picture serves the model; a viewer, or a crop too small in it, gets the full one."""
    small, full = (ArrayPicture(np.full((side * 3 // 4, side, 3), side % 256, np.uint8)) for side in (160, 640))
    both = SmallAndFull(small, full)
    assert both.size_px == (640, 480)
    assert both.rgb(Box(80, 0, 480, 480), 112)[0, 0, 0] == 160
    assert both.rgb(Box(80, 0, 480, 480), 121)[0, 0, 0] == 640 % 256
    assert both.rgb(Box(80, 0, 240, 240), 112)[0, 0, 0] == 640 % 256
    assert both.rgb().shape == (480, 640, 3)


@pytest.fixture
def pi() -> type[FakePicamera2]:
    """Make a Raspberry Pi with one camera."""

    class Pi(FakePicamera2):
        pass

    return Pi


def test_pi_gets_two_streams(pi: type[FakePicamera2]) -> None:
    """A Raspberry Pi's ISP shrinks for the model; both streams come for a viewer, and the time is the sensor's."""
    camera = picamera.Picamera(Request(wants_full=True), pi)
    assert camera.open() == "picamera:0"
    before_s = time.monotonic()
    capture = camera.read()
    assert capture is not None
    assert before_s <= capture.captured_s + AGE_S <= time.monotonic()
    assert isinstance(capture.picture, SmallAndFull)
    assert capture.picture.size_px == (640, 480)
    assert pi.made[0].configuration["lores"] == {"size": (150, 112), "format": "YUV420"}
    assert pi.made[0].held == 0


def test_only_lores_without_a_viewer(pi: type[FakePicamera2]) -> None:
    """Without a viewer the main stream is not copied."""
    camera = picamera.Picamera(Request(), pi)
    camera.open()
    capture = camera.read()
    assert capture is not None
    assert capture.picture.size_px == (150, 112)


def test_other_cameras_get_one_stream(pi: type[FakePicamera2]) -> None:
    """A camera that no Raspberry Pi's ISP serves is asked neither for a second stream nor for a rate it cannot set."""
    pi.properties = {}
    camera = picamera.Picamera(Request(), pi)
    camera.open()
    capture = camera.read()
    assert capture is not None
    assert capture.picture.size_px == (640, 480)
    assert pi.made[0].configuration["lores"] is None


def test_unhandled_format_is_refused_at_once(pi: type[FakePicamera2]) -> None:
    """A camera with an unsupported format is refused on opening."""
    pi.format = "MJPEG"
    with pytest.raises(SourceError, match="picamera:0 delivers MJPEG"):
        picamera.Picamera(Request(), pi).open()
    assert pi.made[0].calls[-1] == "stop"


@pytest.mark.parametrize("failure", [TimeoutError(), RuntimeError("gone")])
def test_lost_and_reopened(pi: type[FakePicamera2], failure: Exception) -> None:
    """A camera that stalls or fails is lost; it is stopped, and started again with the same object."""
    camera = picamera.Picamera(Request(), pi)
    camera.open()
    pi.made[0].failure = failure
    with pytest.raises(CameraLost):
        camera.read()
    camera.close()
    pi.made[0].failure = None
    camera.open()
    assert camera.read() is not None
    assert pi.made[0].calls == ["configure", "start", "cancel", "stop", "configure", "start"]
    assert len(pi.made) == 1


def test_damaged_picture_is_given_back(pi: type[FakePicamera2]) -> None:
    """A request goes back to the camera even when its picture cannot be made: else the camera starves."""
    camera = picamera.Picamera(Request(), pi)
    camera.open()
    pi.made[0].array = np.zeros((2, 2), np.uint8)
    with pytest.raises(PictureError):
        camera.read()
    assert pi.made[0].held == 0


def test_numbers(pi: type[FakePicamera2]) -> None:
    """Missing camera numbers, and words that are not numbers, are named."""
    with pytest.raises(SourceError, match="picamera:1 does not exist: picamera2 sees 1 camera"):
        picamera.connect(Request(argument="1"), pi)
    with pytest.raises(SourceError, match="picamera:left is not a number"):
        picamera.connect(Request(argument="left"), pi)


def test_usb_cameras_are_left_to_webcam(pi: type[FakePicamera2]) -> None:
    """USB cameras, which libcamera lists too, are not listed; the numbers of the others stay picamera2's."""
    pi.infos = [USB, PI]
    assert [found.select for found in picamera.discover(pi)] == ["picamera:1"]


def test_busy_says_what_libcamera_said(pi: type[FakePicamera2]) -> None:
    """A camera in use is named, with the cause that picamera2 hides."""
    pi.refusal = RuntimeError("Device or resource busy")
    with pytest.raises(SourceError, match=r"picamera:0 cannot be opened.*Device or resource busy"):
        picamera.connect(Request(), pi)
