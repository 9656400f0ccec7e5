"""One contract suite over every source, and over a toy source added as one file.

Fakes stand in for absent cameras; a source that cannot be opened here skips with its reason.
"""

from __future__ import annotations

import dataclasses
import importlib
import itertools
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_app import sources
from edge_app.errors import SourceError, UsageError
from edge_app.records import Frame
from edge_app.service.waiting import PatientSource
from edge_app.sources import Request, Source, picamera, webcam
from edge_app.sources._fake_picamera2 import FakePicamera2
from edge_app.sources._fake_webcam import FakeWebcam, jpeg
from edge_app.system.v4l2 import Mode
from tests.asking import request_for
from tests.servers import HttpCamera, RtspCamera

TOY = '''
"""A camera in one file: grey pictures that get brighter."""

import time

import numpy as np

from edge_app.pictures.array import ArrayPicture
from edge_app.sources import Camera, Capture, LiveSource


def connect(request):
    return LiveSource(Toy(request.argument), request)


class Toy(Camera):
    def __init__(self, argument):
        self.argument, self.count = argument, 0

    def open(self):
        return f"toy:{self.argument}"

    def read(self):
        self.count += 1
        return Capture(ArrayPicture(np.full((48, 64, 3), self.count % 256, np.uint8)), time.monotonic())

    def close(self):
        pass
'''


Open = Callable[[Request], Source]
LIMIT_S = 30.0  # for what ends within a second, on a machine that does other things too


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Add a source by putting one file where sources are looked for."""
    (tmp_path / "toy.py").write_text(TOY)
    monkeypatch.setattr(sources, "__path__", [*sources.__path__, str(tmp_path)])
    yield "toy:7"
    sys.modules.pop("edge_app.sources.toy", None)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """Make a folder of three pictures and a file that is not a picture."""
    path = tmp_path / "pictures"
    path.mkdir()
    for number in range(3):
        cv2.imwrite(str(path / f"{number}.png"), np.full((48, 64, 3), 40 * number, np.uint8))
    (path / "1, torn.png").write_bytes(b"no picture")
    return str(path)


@pytest.fixture
def video(tmp_path: Path) -> str:
    """Make a video of twelve frames."""
    path = str(tmp_path / "film.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for number in range(12):
        writer.write(np.full((48, 64, 3), 20 * number, np.uint8))
    writer.release()
    return path


@pytest.fixture
def mjpeg(http_camera: HttpCamera) -> str:
    """Serve MJPEG over HTTP."""
    return http_camera.url("/mjpeg")


@pytest.fixture
def snapshots(http_camera: HttpCamera) -> str:
    """Serve one picture for each request."""
    return http_camera.url("/snapshot")


@pytest.fixture
def rtsp(rtsp_camera: RtspCamera) -> str:
    """Serve RTSP."""
    return rtsp_camera.url("/jpeg")


def fake_webcam(request: Request) -> Source:
    """Open a fake webcam."""
    if sys.platform != "linux":
        pytest.skip("asks V4L2, which is Linux's")
    fake = FakeWebcam(Mode("MJPG", 160, 120), jpeg(size_px=(160, 120)))
    return webcam.connect(dataclasses.replace(request, argument="/dev/video0"), fake.drivers)


def fake_picamera(request: Request) -> Source:
    """Open a fake CSI camera."""
    return picamera.connect(request, FakePicamera2)


BY_NAME = ["synthetic", "synthetic:free", "synthetic:jpeg", "auto"]  # without a camera `auto` is the synthetic one
BY_FIXTURE = ["toy", "folder", "video", "mjpeg", "snapshots", "rtsp"]
FAKES: dict[str, Open] = {"webcam": fake_webcam, "picamera": fake_picamera}
FRAMES_A_SECOND = 20.0  # so that whoever is asked for a rate is not waited for


@pytest.fixture(params=[*BY_NAME, *BY_FIXTURE, *FAKES, "patient"])
def connect(request: pytest.FixtureRequest) -> Open:
    """Open each source as a user would, and the fakes directly."""
    if request.param in FAKES:
        return FAKES[request.param]
    if request.param == "patient":
        text = request.getfixturevalue("toy")
        return lambda asked: PatientSource(text, lambda: sources.connect(text, asked), asked.stop)
    text = request.getfixturevalue(request.param) if request.param in BY_FIXTURE else request.param
    return lambda asked: sources.connect(text, asked)


@pytest.fixture
def opened(connect: Open) -> Iterator[tuple[Source, Request]]:
    """Open the source and close it after the test."""
    request = request_for(stop=threading.Event(), rotate=90, fps=FRAMES_A_SECOND)
    with connect(request) as source:
        yield source, request
        request.stop.set()


def test_frames_are_in_order_and_can_be_decoded(opened: tuple[Source, Request]) -> None:
    """Indices and times rise; pictures decode, whole and reduced, turned as asked; the source has a name."""
    source, _ = opened
    frames = take(source, 3)
    assert [frame.index for frame in frames] == sorted({frame.index for frame in frames})
    assert [frame.captured_s for frame in frames] == sorted(frame.captured_s for frame in frames)
    for frame in frames:
        pixels = frame.picture.rgb()
        assert pixels.dtype == np.uint8
        assert pixels.shape == (frame.picture.size_px[1], frame.picture.size_px[0], 3)
        assert pixels.shape[0] > pixels.shape[1]  # landscape, turned by a quarter
        assert min(frame.picture.rgb(None, 20).shape[:2]) >= 20
    assert source.name


def test_every_frame_is_taken_or_dropped(opened: tuple[Source, Request]) -> None:
    """The gaps between the indices are what was dropped: no frame is lost in silence."""
    source, _ = opened
    for count, frame in enumerate(itertools.islice(of_frames(source), 3), 1):
        lost = frame.index + 1 - count
        # A live camera may have dropped newer ones already.
        assert source.dropped >= lost if source.is_live else source.dropped == lost


def test_stop_ends_the_source(opened: tuple[Source, Request]) -> None:
    """Once `stop` is set the iteration ends."""
    source, request = opened
    frames = iter(source)
    next(frames)
    request.stop.set()
    draining = threading.Thread(target=lambda: list(frames), daemon=True)
    draining.start()
    draining.join(LIMIT_S)
    assert not draining.is_alive()


def test_the_end_of_the_block_ends_the_source(connect: Open) -> None:
    """After its `with` block a source gives nothing more, to old and new iterators alike."""
    with connect(request_for(fps=FRAMES_A_SECOND)) as source:
        frames = iter(source)
        assert isinstance(next(item for item in frames if isinstance(item, Frame)), Frame)
    assert list(frames) == []
    assert list(source) == []


def test_close_may_be_called_at_any_time_and_twice(connect: Open) -> None:
    """Closing before the first frame, and closing again, does no harm."""
    source = connect(Request())
    source.close()
    source.close()
    assert list(source) == []


def take(source: Source, count: int) -> list[Frame]:
    """Take the first frames, outages left out."""
    return list(itertools.islice(of_frames(source), count))


def of_frames(source: Source) -> Iterator[Frame]:
    """Yield the frames and leave outages out."""
    return (item for item in source if isinstance(item, Frame))


def test_the_toy_is_found_by_name(toy: str) -> None:
    """One file in the folder is a source: listed, selected by name, given its argument."""
    assert "toy" in sources.names()
    with sources.connect(toy, Request()) as source:
        assert source.name == "toy:7"


def test_names_are_modules() -> None:
    """Every source of the contract is listed; modules with a leading underscore are not sources."""
    assert {"auto", "folder", "picamera", "stream", "synthetic", "video", "webcam"} <= set(sources.names())
    assert not any(name.startswith("_") for name in sources.names())


def test_whoever_claims_paths_is_asked() -> None:
    """Every source that claims paths is in `OF_PATHS`."""
    modules = {name: importlib.import_module(f"edge_app.sources.{name}") for name in sources.names()}
    assert {name for name, module in modules.items() if hasattr(module, "claims")} == set(sources.OF_PATHS)


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ("webcan", UsageError, "did you mean 'webcam'"),
        ("ftp://somewhere/x", UsageError, "no source speaks ftp://"),
        ("/no/such/file.mp4", SourceError, "/no/such/file.mp4 does not exist"),
        ("film.mp4", SourceError, "film.mp4 does not exist"),
        ("/dev/video250", SourceError, "/dev/video250 does not exist"),
        ("webcam:/dev/null", SourceError, "/dev/null"),
        ("webcam:/dev/video250", SourceError, "/dev/video250 does not exist"),
        ("webcam:x", SourceError, "neither a number nor a path"),
        ("picamera:x", SourceError, "not a number"),
    ],
)
def test_wrong_sources_say_what_to_try(wrong: str, error: type[Exception], message: str) -> None:
    """A source that does not exist is named, with what to try, in one line."""
    with pytest.raises(error, match=textwrap.dedent(message)) as caught:
        sources.connect(wrong, Request())
    assert "\n" not in str(caught.value)
