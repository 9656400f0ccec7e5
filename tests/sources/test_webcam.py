"""Choosing a webcam's mode, refusing other devices, and damaged buffers; the real kernel camera is in tests/vm."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_app.errors import CameraLost, PictureError, SourceError
from edge_app.pictures.opencv import cv2
from edge_app.sources import Request, webcam
from edge_app.sources._fake_webcam import FakeWebcam, jpeg
from edge_app.system.v4l2 import Device, Mode
from tests.asking import request_for

SIDES_PX = ((160, 120), (176, 144), (320, 240), (352, 288), (640, 480), (1280, 720))
USUAL = Device("/dev/video0", "usual", tuple(Mode(fourcc, *side) for fourcc in ("YUYV", "MJPG") for side in SIDES_PX))


def test_smallest_that_serves() -> None:
    """Without a viewer the smallest mode that gives the model its pixels is taken."""
    assert webcam.choose_mode(USUAL, Request(min_side_px=112)) == Mode("YUYV", 160, 120)
    assert webcam.choose_mode(USUAL, Request(min_side_px=121)) == Mode("YUYV", 320, 240)


def test_uncompressed_where_the_bus_carries_it() -> None:
    """YUYV needs no decoding, so it is taken before MJPG up to 10 MB/s; more of it would fill USB 2."""
    assert webcam.choose_mode(USUAL, request_for(size="320x240")) == Mode("YUYV", 320, 240)
    for fps in (60.0, 120.0):
        assert webcam.choose_mode(USUAL, request_for(size="320x240", fps=fps)) == Mode("MJPG", 320, 240)
    assert webcam.choose_mode(USUAL, request_for(size="640x480")) == Mode("MJPG", 640, 480)
    assert webcam.choose_mode(USUAL, request_for(size="640x480", fps=10.0)) == Mode("YUYV", 640, 480)


def test_usual_size_for_a_viewer() -> None:
    """A viewer gets at least 640x480."""
    assert webcam.choose_mode(USUAL, Request(wants_full=True)) == Mode("MJPG", 640, 480)


def test_size_asked_for() -> None:
    """The requested size is taken with or without a viewer; a size the camera does not list is left to the driver."""
    for wants_full in (False, True):
        request = request_for(size="1280x720", wants_full=wants_full)
        assert webcam.choose_mode(USUAL, request) == Mode("MJPG", 1280, 720)
    assert webcam.choose_mode(USUAL, request_for(size="123x456")) is None


def test_no_11_to_9() -> None:
    """CIF and QCIF, which cameras cut out of the sensor, are taken only when nothing else serves."""
    qcif, vga = Mode("YUYV", 176, 144), Mode("YUYV", 640, 480)
    assert webcam.choose_mode(Device("", "", (qcif, vga)), Request()) == vga
    assert webcam.choose_mode(Device("", "", (qcif,)), Request()) == qcif


def test_raw_formats_first() -> None:
    """A larger raw format goes before a smaller one that has to be decoded; odd formats beat none."""
    odd, raw = Mode("NV12", 160, 120), Mode("YUYV", 320, 240)
    assert webcam.choose_mode(Device("", "", (odd, raw)), Request()) == raw
    assert webcam.choose_mode(Device("", "", (odd,)), Request()) == odd


def test_nothing_known() -> None:
    """Where a device lists nothing (or cannot be asked) the driver chooses."""
    assert webcam.choose_mode(None, Request()) is None
    assert webcam.choose_mode(Device("", "", ()), Request()) is None


MODES = st.builds(Mode, st.sampled_from(["MJPG", "YUYV", "NV12"]), st.integers(16, 2000), st.integers(16, 2000))


@given(st.lists(MODES, max_size=8), st.integers(16, 500))
def test_never_too_small(modes: list[Mode], side_px: int) -> None:
    """Whatever a device lists, the mode is large enough, and none of its own kind that is large enough is smaller."""
    chosen = webcam.choose_mode(Device("", "", tuple(modes)), Request(min_side_px=side_px))
    if chosen is not None:
        assert min(chosen.width_px, chosen.height_px) >= side_px
        same = [m for m in modes if m.fourcc == chosen.fourcc and m.width_px * 9 != m.height_px * 11]
        fitting = [m for m in same if min(m.width_px, m.height_px) >= side_px]
        assert all(m.width_px * m.height_px >= chosen.width_px * chosen.height_px for m in fitting)


def test_big_endian_format_has_a_readable_name() -> None:
    """V4L2 marks big-endian formats by the top bit of the last letter; the list shows it as the kernel's tools do."""
    assert str(Mode("XR1\xb5", 640, 480)) == "XR15-BE 640x480"


linux_only = pytest.mark.skipif(not Path("/proc/version").exists(), reason="asks V4L2")


@linux_only
@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("/dev/video98", "/dev/video98 does not exist"),
        ("98", "/dev/video98 does not exist"),
        ("/dev/null", "/dev/null does not answer as a camera"),
        ("front", "webcam:front is neither a number nor a path"),
    ],
)
def test_refused(argument: str, said: str) -> None:
    """A device that is not a webcam is named in one line that says where to look."""
    with pytest.raises(SourceError) as refusal:
        webcam.connect(Request(argument=argument))
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def opened(fourcc: str, buffer: np.ndarray | None) -> tuple[webcam.Webcam, FakeWebcam]:
    """Open a fake camera of one mode of 64x48."""
    fake = FakeWebcam(Mode(fourcc, 64, 48), buffer)
    camera = webcam.Webcam(Request(argument="0", min_side_px=32), fake.drivers)
    assert camera.open() == "webcam:/dev/video0"
    return camera, fake


@linux_only
def test_negotiates_in_order() -> None:
    """Format before size before rate: drivers reset the later ones when an earlier one changes."""
    _, capture = opened("MJPG", jpeg())
    assert capture.asked == [
        cv2.CAP_PROP_FOURCC, cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FPS,
        cv2.CAP_PROP_CONVERT_RGB,
    ]  # fmt: skip


@linux_only
def test_whole_buffers() -> None:
    """Whole buffers of both raw formats become pictures of the size granted."""
    for fourcc, buffer in (("MJPG", jpeg()[None]), ("YUYV", np.full((48, 128), 128, np.uint8))):
        capture = opened(fourcc, buffer)[0].read()
        assert capture is not None
        assert capture.picture.size_px == (64, 48)
        assert capture.picture.rgb().shape == (48, 64, 3)


@linux_only
@pytest.mark.parametrize("kept", [0, 1, 2, 100, -70])
def test_torn_jpeg(kept: int) -> None:
    """A JPEG that ends early is a damaged picture, not a grey one."""
    with pytest.raises(PictureError, match="incomplete JPEG"):
        opened("MJPG", jpeg()[:kept])[0].read()


@linux_only
@pytest.mark.parametrize("missing", [1, 64 * 48])
def test_short_yuyv(missing: int) -> None:
    """A YUYV buffer without its last bytes is a damaged picture."""
    with pytest.raises(PictureError, match="short YUYV"):
        opened("YUYV", np.zeros(2 * 64 * 48 - missing, np.uint8))[0].read()


@linux_only
def test_a_picture_that_was_never_filled() -> None:
    """A buffer of zeros, green to the eye, is damaged; a black picture, whose colours are 128, is not."""
    with pytest.raises(PictureError, match="green"):
        opened("YUYV", np.zeros(2 * 64 * 48, np.uint8))[0].read()
    black = np.tile(np.array([16, 128], np.uint8), 64 * 48)
    assert opened("YUYV", black)[0].read() is not None


@linux_only
def test_another_size_in_the_middle() -> None:
    """Buffers that grow are damaged pictures, not shifted ones; reopening takes the new size for granted."""
    camera, capture = opened("YUYV", np.full(2 * 64 * 48, 128, np.uint8))
    assert camera.read() is not None
    capture.buffer = np.full(2 * 128 * 96, 128, np.uint8)
    with pytest.raises(PictureError, match="buffers have grown from 6144 to 24576 bytes"):
        camera.read()
    camera.close()
    camera.open()
    assert camera.read() is not None


@linux_only
def test_gone() -> None:
    """A camera that stops delivering, or was closed, is lost."""
    camera, _ = opened("YUYV", None)
    with pytest.raises(CameraLost):
        camera.read()
    camera.close()
    with pytest.raises(CameraLost):
        camera.read()
