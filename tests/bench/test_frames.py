"""Frames to measure on."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_app.bench import frames
from edge_app.errors import DataError
from edge_app.pictures.array import ArrayPicture
from edge_app.pictures.jpeg import JpegPicture
from edge_app.pictures.yuv import YuyvPicture
from edge_app.records import Frame
from edge_app.settings.choices import FrameKind


@pytest.mark.parametrize(("kind", "expected"), [("jpeg", JpegPicture), ("yuyv", YuyvPicture), ("rgb", ArrayPicture)])
def test_every_kind_is_what_a_camera_delivers(kind: FrameKind, expected: type) -> None:
    """A reel of each kind gives pictures of that kind and size, and they differ."""
    reel = frames.drawn(kind, (160, 120))
    pictures = [reel.picture(index) for index in range(frames.COUNT)]
    assert len(reel.raw) == frames.COUNT
    assert {type(picture) for picture in pictures} == {expected}
    assert {picture.size_px for picture in pictures} == {(160, 120)}
    assert not np.array_equal(pictures[0].rgb(), pictures[1].rgb())


def test_drawn_frames_have_a_sensors_grain() -> None:
    """Their JPEG is at least half as long again as that of a smooth drawing, so entropy decoding costs as usual."""
    reel = frames.drawn("jpeg", (320, 240))
    smooth = cv2.GaussianBlur(reel.picture(0).rgb(), (0, 0), 3)
    plain = cv2.imencode(".jpg", smooth, [cv2.IMWRITE_JPEG_QUALITY, frames.QUALITY])[1]
    assert len(reel.raw[0]) > 1.5 * len(plain)


def test_photographs_cover_the_size(tmp_path: Path) -> None:
    """A portrait and a small picture are scaled and cropped to the frames' size; other files are left out."""
    for name, shape in {"a": (300, 100, 3), "b": (20, 30, 3)}.items():
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full(shape, 99, np.uint8))
    (tmp_path / "c.jpg").write_bytes(b"no picture")
    reel = frames.photographs(tmp_path, "rgb", (64, 48))
    assert [reel.picture(index).size_px for index in range(len(reel.raw))] == [(64, 48)] * 2
    assert reel.title == f"2 pictures of {tmp_path}, 64x48 rgb"


def test_no_photographs_is_said(tmp_path: Path) -> None:
    """The error names an empty folder."""
    with pytest.raises(DataError, match="no pictures to measure on in"):
        frames.photographs(tmp_path, "jpeg", (64, 48))


def test_a_replay_goes_round() -> None:
    """It gives the requested number of frames, repeating the reel, and parses a JPEG anew each time."""
    reel = frames.drawn("jpeg", (64, 48))
    items = list(frames.Replay(reel, frames.COUNT + 3))
    assert [item.index for item in items if isinstance(item, Frame)] == list(range(frames.COUNT + 3))
    first, again = items[0], items[frames.COUNT]
    assert isinstance(first, Frame) and isinstance(again, Frame)
    assert first.picture is not again.picture
    assert np.array_equal(first.picture.rgb(), again.picture.rgb())
