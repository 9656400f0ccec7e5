from __future__ import annotations

import itertools
import logging
import math
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_app import sources
from edge_app.errors import SourceError
from edge_app.pictures.opencv import cv2
from edge_app.records import Frame
from edge_app.sources import Request, Source, video
from edge_app.sources._pace import Pace, next_position_s, period_s
from edge_app.sources.video import VideoSource
from tests.asking import request_for
from tests.clocks import FakeClock

FPS = 20.0
FRAMES = 40
FORMATS = {"clip.avi": "MJPG", "clip.mp4": "mp4v", "clip.mkv": "mp4v"}


def write_video(path: Path, frames: int = FRAMES) -> Path:
    """Write a video whose frames have the grey levels 0, 5, 10, ... and a bright corner at the top left."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*FORMATS[path.name]), FPS, (96, 64))
    assert writer.isOpened()
    for index in range(frames):
        pixels = np.full((64, 96, 3), 5 * index, np.uint8)
        pixels[:16, :16] = 255
        writer.write(pixels)
    writer.release()
    return path


def cut(path: Path, share: float) -> Path:
    """Keep the first part of a file."""
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    return path


def read_all(source: Source) -> list[Frame]:
    """Return every frame of a source that ends."""
    frames = [item for item in source if isinstance(item, Frame)]
    source.close()
    return frames


@pytest.mark.parametrize("name", FORMATS)
def test_every_frame_arrives_once_with_its_place_in_time(tmp_path: Path, name: str) -> None:
    """Pulling a file gives all frames, none dropped, each at its position on the file's own time axis."""
    source = sources.connect(str(write_video(tmp_path / name)), Request())
    assert (source.is_live, source.is_sequence, source.name) == (False, True, f"video:{tmp_path / name}")
    frames = read_all(source)
    assert [frame.index for frame in frames] == list(range(FRAMES))
    assert [frame.stream_s for frame in frames] == pytest.approx([index / FPS for index in range(FRAMES)], abs=2e-3)
    assert [frame.picture.rgb()[40, 60].mean() for frame in frames] == pytest.approx(range(0, 5 * FRAMES, 5), abs=4)
    assert source.dropped == 0


def test_the_name_video_selects_any_file(tmp_path: Path) -> None:
    """`video:PATH` opens a file whatever it is called, also one that looks like a URL."""
    path = write_video(tmp_path / "clip.mp4").rename(tmp_path / "http:clip.jpg")
    assert len(read_all(sources.connect(f"video:{path}", Request()))) == FRAMES


def test_claims_files_that_are_no_pictures(tmp_path: Path) -> None:
    """Pictures and folders belong to another source, files that do not exist to none."""
    for name in ("a.jpg", "b.PNG", "c.mp4", "d"):
        (tmp_path / name).touch()
    assert [video.claims(tmp_path / name) for name in ("a.jpg", "b.PNG", "c.mp4", "d", "e.mp4", "")] == [
        False,
        False,
        True,
        True,
        False,
        False,
    ]


def test_frames_are_turned_and_mirrored(tmp_path: Path) -> None:
    """The bright corner at the top left goes where turning by 90 degrees clockwise takes it: to the right."""
    path = write_video(tmp_path / "clip.avi", frames=1)
    (frame,) = read_all(sources.connect(str(path), request_for(rotate=90)))
    assert frame.picture.size_px == (64, 96)
    assert frame.picture.rgb()[8, -8].mean() > 200
    (frame,) = read_all(sources.connect(str(path), request_for(flip="vertical")))
    assert frame.picture.rgb()[-8, 8].mean() > 200


@pytest.mark.parametrize("name", ["clip.avi", "clip.mkv"])
def test_a_cut_off_file_gives_what_is_there_and_one_warning(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Half a file ends early, and the log says how many of how many frames there were."""
    frames = read_all(sources.connect(str(cut(write_video(tmp_path / name), 0.5)), Request()))
    assert 5 < len(frames) < 0.8 * FRAMES
    (record,) = caplog.records
    assert f"{len(frames)} of {FRAMES} frames" in record.getMessage()


def test_a_whole_file_ends_without_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is said about a file that ends where it should."""
    caplog.set_level(logging.WARNING)
    read_all(sources.connect(str(write_video(tmp_path / "clip.mp4")), Request()))
    assert not caplog.records


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.mp4", b"", "is empty"),
        ("a.mp4", b"not a video\n" * 500, "is a text file"),
        # FFmpeg itself would show these two: one as letters, the other by fetching what it names.
        ("a.txt", "größer\n".encode() * 500, "is a text file"),
        ("a.m3u8", b"#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:9/x.ts\n", "is a text file"),
        ("a.mp4", os.urandom(20_000), "is not a video"),
    ],
)
def test_what_is_no_video_is_refused_at_once(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    """Opening tells in one line that names the file."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=expected) as caught:
        sources.connect(str(tmp_path / name), Request())
    assert str(tmp_path / name) in str(caught.value)


def test_an_mp4_without_its_index_and_a_file_that_is_not_there_are_refused(tmp_path: Path) -> None:
    """A cut-off mp4 cannot be read at all; a missing file is told as that."""
    with pytest.raises(SourceError, match="cut off"):
        sources.connect(str(cut(write_video(tmp_path / "clip.mp4"), 0.5)), Request())
    with pytest.raises(SourceError, match="No such file"):
        sources.connect(f"video:{tmp_path / 'none.mp4'}", Request())


def realtime(tmp_path: Path, clock: FakeClock) -> VideoSource:
    """Open a two-second video to be played at its own pace on a fake clock."""
    path = write_video(tmp_path / "clip.avi")
    return VideoSource(request_for(argument=str(path), realtime=True), clock, clock.wait)


def test_in_real_time_a_fast_reader_gets_every_frame_when_it_is_due(tmp_path: Path) -> None:
    """Frames come 1/fps apart, none is dropped, and the source says that it is live."""
    clock = FakeClock()
    source = realtime(tmp_path, clock)
    frames = read_all(source)
    assert source.is_live and source.dropped == 0
    assert [f.captured_s - 100 for f in frames] == pytest.approx([n / FPS for n in range(FRAMES)], abs=2e-3)
    assert sum(clock.waits_s) == pytest.approx((FRAMES - 1) / FPS, abs=0.01)


def test_in_real_time_a_slow_reader_loses_frames_and_never_falls_behind(tmp_path: Path) -> None:
    """A reader that needs 0.17 s a frame gets a third of them, at most two frames late; the rest is counted."""
    clock = FakeClock()
    source = realtime(tmp_path, clock)
    lateness_s, indices = [], []
    for frame in source:
        lateness_s.append(frame.captured_s - 100 - frame.stream_s)
        indices.append(frame.index)
        clock.now_s += 0.17
    source.close()
    assert 10 <= len(indices) <= 15
    assert min(lateness_s) > -1e-3 and max(lateness_s) < 2 / FPS
    assert len(indices) + source.dropped == FRAMES
    assert indices == sorted(set(indices))


def test_in_real_time_a_frame_that_is_a_little_late_is_shown(tmp_path: Path) -> None:
    """A reader that once needs 0.07 s takes the next frame 0.02 s late and loses none: one period is allowed."""
    clock = FakeClock()
    source = realtime(tmp_path, clock)
    lateness_s = []
    for frame in source:
        lateness_s.append(frame.captured_s - 100 - frame.stream_s)
        clock.now_s += 0.07 if frame.index == 0 else 0
    source.close()
    assert (len(lateness_s), source.dropped) == (FRAMES, 0)
    assert lateness_s[1] == pytest.approx(0.02, abs=2e-3) and max(lateness_s[2:]) < 2e-3


def test_a_machine_too_slow_to_decode_shows_a_frame_a_second(tmp_path: Path) -> None:
    """If even skipping is slower than the video, some frames are still shown."""
    clock = FakeClock()
    source = VideoSource(
        request_for(argument=str(write_video(tmp_path / "clip.avi")), realtime=True), SlowClock(clock), clock.wait
    )
    assert 3 <= len(read_all(source)) <= FRAMES // 3


class SlowClock:
    """Every look at the clock costs 60 ms, more than the video's 50 ms a frame."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock

    def __call__(self) -> float:
        """Return the time after it has passed."""
        self._clock.now_s += 0.06
        return self._clock.now_s


class StoppedWhileWaiting(threading.Event):
    """A stop that comes while somebody waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.waits_s: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits_s.append(timeout)
        self.set()
        return True


def test_a_stop_ends_the_waiting(tmp_path: Path) -> None:
    """The five seconds to the next frame are spent waiting for the stop, so that it is obeyed at once."""
    stop = StoppedWhileWaiting()
    path = write_slow_video(tmp_path / "clip.avi")
    with VideoSource(request_for(str(path), realtime=True, stop=stop), FakeClock()) as source:
        assert [frame.index for frame in source] == [0]
    assert stop.waits_s == [pytest.approx(5.0)]


def write_slow_video(path: Path) -> Path:
    """Write a video of one frame every five seconds."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 0.2, (96, 64))
    for _ in range(3):
        writer.write(np.zeros((64, 96, 3), np.uint8))
    writer.release()
    return path


def test_closing_from_another_thread_ends_the_iteration(tmp_path: Path) -> None:
    """`close` while frames are being read neither crashes nor raises, and may be called again."""
    source = sources.connect(str(write_video(tmp_path / "clip.mp4")), Request())
    for frame in source:
        if frame.index == 3:
            closer = threading.Thread(target=source.close)
            closer.start()
            closer.join()
    assert frame.index == 3
    source.close()


@given(st.lists(st.one_of(st.floats(-1e5, 1e5), st.sampled_from([0.0, math.nan, math.inf])), min_size=1))
def test_positions_rise_whatever_a_container_reports(reported_ms: list[float]) -> None:
    """Times rise, as smoothing requires."""
    positions_s = [-0.05]
    for position_ms in reported_ms:
        positions_s.append(next_position_s(position_ms, positions_s[-1], 0.05))
    assert all(a < b for a, b in itertools.pairwise(positions_s))


def test_frames_without_positions_are_one_period_apart() -> None:
    """A raw stream reports 0 for every frame: then index / fps it is."""
    position_s, found = -0.05, []
    for _ in range(4):
        position_s = next_position_s(0.0, position_s, 0.05)
        found.append(position_s)
    assert found == pytest.approx([0, 0.05, 0.1, 0.15])


@pytest.mark.parametrize(("fps", "expected"), [(20, 0.05), (0, 0.04), (math.nan, 0.04), (-1, 0.04), (90000, 0.04)])
def test_an_impossible_frame_rate_is_taken_for_25(fps: float, expected: float) -> None:
    """Containers report 0, NaN or their time base if they have no rate."""
    assert period_s(fps) == pytest.approx(expected)


def test_pace_counts_from_the_first_picture() -> None:
    """A stream that does not begin at 0 is due at once, and what comes later than planned is late."""
    clock = FakeClock()
    pace = Pace(clock)
    assert pace.delay_s(50.0) == 0
    assert pace.delay_s(50.5) == pytest.approx(0.5)
    clock.now_s += 1
    assert pace.delay_s(50.5) == pytest.approx(-0.5)
