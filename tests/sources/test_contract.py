"""One contract suite over every source that can be opened here, and over a toy source added as one file."""

from __future__ import annotations

import importlib
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_app import sources
from edge_app.errors import SourceError, UsageError
from edge_app.records import Frame
from edge_app.sources import Request, Source
from tests.asking import request_for

TOY = '''
"""A camera in one file: grey pictures that get brighter."""

import time

import numpy as np

from edge_app.pictures.array import ArrayPicture
from edge_app.sources._live import Camera, Capture, LiveSource
from tests.asking import request_for


def connect(request):
    return LiveSource(Toy(request.argument), request)


class Toy(Camera):
    def __init__(self, argument):
        self.argument, self.count = argument, 0

    def open(self):
        return f"toy:{self.argument}"

    def read(self):
        time.sleep(0.005)
        self.count += 1
        return Capture(ArrayPicture(np.full((48, 64, 3), self.count % 256, np.uint8)), time.monotonic())

    def close(self):
        pass
'''


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Add a source by putting one file where sources are looked for."""
    (tmp_path / "toy.py").write_text(TOY)
    monkeypatch.setattr(sources, "__path__", [*sources.__path__, str(tmp_path)])
    yield "toy:7"
    sys.modules.pop("edge_app.sources.toy", None)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """Make a folder of three pictures."""
    path = tmp_path / "pictures"
    path.mkdir()
    for number in range(3):
        cv2.imwrite(str(path / f"{number}.png"), np.full((48, 64, 3), 40 * number, np.uint8))
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


@pytest.fixture(params=["toy", "folder", "video", "synthetic", "synthetic:free", "synthetic:jpeg", "auto"])
def text(request: pytest.FixtureRequest) -> str:
    """Name each source as a user would."""
    # Without a camera `auto` is the synthetic one; a machine that has one tests its own camera here.
    return request.getfixturevalue(request.param) if request.param in ("toy", "folder", "video") else request.param


@pytest.fixture
def opened(text: str) -> Iterator[tuple[Source, Request]]:
    """Open the source and close it after the test."""
    request = request_for(stop=threading.Event(), rotate=90)
    source = sources.connect(text, request)
    yield source, request
    request.stop.set()
    source.close()


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
    assert source.dropped >= 0


def test_stop_ends_the_source(opened: tuple[Source, Request]) -> None:
    """Once `stop` is set the iteration ends."""
    source, request = opened
    frames = iter(source)
    next(frames)
    request.stop.set()
    ended = threading.Event()

    def drain() -> None:
        for _ in frames:
            pass
        ended.set()

    threading.Thread(target=drain, daemon=True).start()
    assert ended.wait(2)


def test_close_may_be_called_twice(opened: tuple[Source, Request]) -> None:
    """Closing again does no harm."""
    source, _ = opened
    source.close()
    source.close()


def take(source: Source, count: int) -> list[Frame]:
    """Take the first frames, outages left out."""
    found: list[Frame] = []
    for item in source:
        if isinstance(item, Frame):
            found.append(item)
        if len(found) == count:
            break
    return found


def test_the_toy_is_found_by_name(toy: str) -> None:
    """One file in the folder is a source: listed, selected by name, given its argument."""
    assert "toy" in sources.names()
    source = sources.connect(toy, Request())
    assert source.name == "toy:7"
    source.close()


def test_names_are_modules() -> None:
    """Every source of the contract is there; what begins with an underscore is none."""
    assert {"auto", "folder", "picamera", "stream", "synthetic", "video", "webcam"} <= set(sources.names())
    assert not any(name.startswith("_") for name in sources.names())


def test_whoever_claims_paths_is_asked() -> None:
    """No source that answers to paths is left out of `OF_PATHS`."""
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
