from __future__ import annotations

import itertools
import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from edge_app.errors import UsageError
from edge_app.pictures.array import ArrayPicture
from edge_app.pictures.jpeg import JpegPicture
from edge_app.pictures.opencv import cv2
from edge_app.pictures.oriented import OrientedPicture
from edge_app.pictures.yuv import YuyvPicture
from edge_app.records import LABELS, Frame, Size
from edge_app.sources import LiveSource, Request, synthetic
from edge_app.sources.synthetic.film import NOISE_LEVELS, OPENERS, SCENE_S, Film
from tests.asking import request_for
from tests.clocks import FakeClock
from tests.results import edge_app

SIZE_PX = (160, 120)
INTERVAL_S = 0.1


def camera_at_10_hz(clock: FakeClock) -> synthetic.SyntheticCamera:
    """Open a small camera with ten frames a second."""
    options = synthetic.parse_options("")
    camera = synthetic.SyntheticCamera(Film(0, (32, 32), 1 / INTERVAL_S), options, clock, clock.wait)
    camera.open()
    return camera


def next_capture(camera: synthetic.SyntheticCamera) -> synthetic.Capture:
    """Read until there is a frame."""
    while (capture := camera.read()) is None:
        pass
    return capture


def free_frames(argument: str, count: int, request: Request | None = None) -> list[Frame]:
    """Take the first frames in pull mode, at ten a second of the film."""
    request = request or request_for(size=Size(*SIZE_PX))
    source = synthetic.FreeRunning(
        Film(0, synthetic.choose_size_px(request, synthetic.parse_options(argument)), 10.0),
        synthetic.parse_options(argument),
        request,
    )
    frames = list(itertools.islice(source, count))
    assert all(isinstance(frame, Frame) for frame in frames)
    return frames  # type: ignore[return-value]


def one_frame_of_each_scene(film: Film, scenes: int = 10) -> list[np.ndarray]:
    """Return the middle frame of each scene."""
    return [film.frame_pixels(round((scene + 0.5) * SCENE_S * film.fps)) for scene in range(scenes)]


# Determinism


def test_a_frame_depends_on_seed_size_rate_and_index_alone() -> None:
    """Two films of the same make show the same bytes, in whatever order they are asked."""
    first, second = Film(3, SIZE_PX, 30.0), Film(3, SIZE_PX, 30.0)
    forward = [first.frame_pixels(index) for index in (0, 7, 130, 5000)]
    backward = [second.frame_pixels(index) for index in (5000, 130, 7, 0)]
    for one, other in zip(forward, reversed(backward), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_frame_outlives_the_next_one() -> None:
    """Pixels that were handed out are never drawn over."""
    film = Film(0, SIZE_PX, 30.0)
    kept = film.frame_pixels(0)
    copy = kept.copy()
    film.frame_pixels(1)
    np.testing.assert_array_equal(kept, copy)


def test_seeds_differ() -> None:
    """Another seed gives another order and other pictures."""
    orders = {tuple(Film(seed, (32, 32), 1.0).truth(4 * scene) for scene in range(10)) for seed in range(5)}
    assert len(orders) == 5
    assert (Film(0, SIZE_PX, 30.0).frame_pixels(0) != Film(1, SIZE_PX, 30.0).frame_pixels(0)).any()


# Truth and motion


def test_truth_changes_every_four_seconds_and_covers_all_labels() -> None:
    """Ten scenes of four seconds show the ten classes once each, and the next ten again."""
    film = Film(0, (32, 32), 5.0)
    truths = [film.truth(index) for index in range(400)]
    runs = [(label, len(list(run))) for label, run in itertools.groupby(truths)]
    assert [length for _, length in runs] == [20] * 20
    assert sorted(label for label, _ in runs[:10]) == sorted(LABELS)
    assert truths[:200] == truths[200:]


@pytest.mark.parametrize("size", ["160x120", "320x240", "640x480"])
@pytest.mark.parametrize("model", ["cifar10-base", "cifar10-nano"])
def test_the_first_second_is_labelled_with_its_truth(model: str, size: str, tmp_path: Path) -> None:
    """A newcomer's first labels are right: every frame of the first second, whichever mode is chosen."""
    words = ("--model", model, "--size", size, "--frames", "30", "--preview", "none", "--log", "-")
    done = edge_app(tmp_path, "run", "--source", "synthetic:free", *words)
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(results) == 30, done.stderr
    assert [result["label"] for result in results] == [result["truth"] for result in results]


def test_every_seed_begins_with_an_opener() -> None:
    """Other seeds begin with what the models know well, too, and not all with the same."""
    first = {Film(seed, (32, 32), 1.0).truth(0) for seed in range(30)}
    assert first == set(OPENERS)


def test_scenes_can_be_told_apart() -> None:
    """The mean pictures of any two scenes differ by far more than noise."""
    scenes = [
        cv2.resize(p, (16, 12), interpolation=cv2.INTER_AREA) for p in one_frame_of_each_scene(Film(0, SIZE_PX, 30.0))
    ]
    for one, other in itertools.combinations(scenes, 2):
        assert np.abs(one.astype(int) - other).mean() > 10


def test_one_class_comes_back_with_another_picture() -> None:
    """The second time a class is shown, colours, pose or place are others."""
    film = Film(0, SIZE_PX, 10.0)
    first, again = film.frame_pixels(20), film.frame_pixels(420)
    assert film.truth(20) == film.truth(420)
    assert np.abs(first.astype(int) - again).mean() > 10


@pytest.mark.parametrize("scene", range(10))
def test_the_subject_moves(scene: int) -> None:
    """Within half a second the middle of every scene changes by more than noise and light do."""
    film = Film(0, SIZE_PX, 10.0)
    one, other = (
        cv2.GaussianBlur(film.frame_pixels(40 * scene + step)[:, 20:140], (0, 0), 1.5).astype(int) for step in (10, 15)
    )
    moved = np.abs(one - other - np.median(one - other))
    assert np.percentile(moved, 99) > 15


def test_light_changes_slowly() -> None:
    """Brightness wanders by several per cent over seconds, and hardly between neighbours."""
    film = Film(0, (32, 32), 10.0)
    light = np.array([film._light(index) for index in range(600)])
    assert light.max() - light.min() > 0.15
    assert np.abs(np.diff(light)).max() < 0.01


def test_noise_is_there_and_differs_from_frame_to_frame() -> None:
    """Each frame carries noise of the stated strength, not the same twice in a row."""
    film = Film(0, (320, 240), 1000.0)  # so fast that nothing else moves between neighbours
    difference = film.frame_pixels(1).astype(float) - film.frame_pixels(0)
    spread = 1.4826 * np.median(np.abs(difference - np.median(difference)))
    assert spread == pytest.approx(NOISE_LEVELS * 2**0.5, rel=0.35)


# Formats and sizes


@pytest.mark.parametrize(("kind", "picture"), [("rgb", ArrayPicture), ("yuyv", YuyvPicture), ("jpeg", JpegPicture)])
def test_formats_show_the_same_picture(kind: str, picture: type) -> None:
    """What a format delivers is decoded to the frame's pixels, but for what the format itself loses."""
    (frame,) = free_frames(kind, 1)
    pixels = Film(0, SIZE_PX, 10.0).frame_pixels(0)
    assert isinstance(frame.picture, picture)
    assert frame.picture.size_px == SIZE_PX
    difference = frame.picture.rgb().astype(int) - pixels
    assert np.abs(difference).mean() < 4
    assert np.abs(difference.mean(axis=(0, 1))).max() < 1


def test_yuyv_undoes_the_standard() -> None:
    """Plain colours survive the way to YUYV and back within rounding."""
    for colour in ((0, 0, 0), (255, 255, 255), (200, 30, 40), (20, 180, 60), (10, 40, 220)):
        pixels = np.full((4, 6, 3), colour, np.uint8)
        back = synthetic.ENCODERS["yuyv"](pixels).rgb()
        assert np.abs(back.astype(int) - pixels).max() <= 3


@pytest.mark.parametrize(
    "size_px", [(32, 32), (33, 47), (64, 48), (161, 121), (240, 320), (640, 480), (1280, 720), (1920, 1080)]
)
def test_any_size(size_px: tuple[int, int]) -> None:
    """Every size is delivered as asked, as contiguous RGB, and has a picture on it."""
    pixels = Film(0, size_px, 30.0).frame_pixels(12)
    assert pixels.shape == (size_px[1], size_px[0], 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert pixels.std() > 15


def test_wide_pictures_keep_the_subject_in_the_middle() -> None:
    """What moves most is inside the central square."""
    film = Film(0, (640, 180), 10.0)
    change = np.zeros((180, 640))
    for scene in range(10):
        one, other = film.frame_pixels(40 * scene + 10), film.frame_pixels(40 * scene + 14)
        change += np.abs(one.astype(int) - other).sum(axis=2)
    assert change[:, 230:410].mean() > 1.5 * np.hstack([change[:, :200], change[:, 440:]]).mean()


# Options


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("", synthetic.Options("synthetic")),
        ("jpeg", synthetic.Options("synthetic:jpeg", "jpeg")),
        ("yuyv,free,seed=7", synthetic.Options("synthetic:yuyv,free,seed=7", "yuyv", True, 7)),
        ("seed=0,rgb", synthetic.Options("synthetic:seed=0,rgb")),
    ],
)
def test_options_are_read(argument: str, expected: synthetic.Options) -> None:
    """Options come in any order, and the name is what was asked for."""
    assert synthetic.parse_options(argument) == expected


@pytest.mark.parametrize(
    ("argument", "named"),
    [
        ("mjpeg", "'mjpeg'"),
        ("rgb,", "''"),
        ("free=1", "'free=1'"),
        ("speed=7", "'speed=7'"),
        ("seed", "'seed'"),
        ("seed=-1", "'seed=-1'"),
        ("seed=x", "'seed=x'"),
        ("seed=" + "9" * 30, "18 digits"),
        ("rgb,jpeg", "'jpeg'"),
        ("seed=1,seed=2", "'seed=2'"),
    ],
)
def test_a_wrong_option_is_named(argument: str, named: str) -> None:
    """An option that does not exist is an error of use: one line that names it and what is allowed."""
    with pytest.raises(UsageError, match=r"^synthetic: ") as caught:
        synthetic.connect(Request(argument=argument))
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (Request(), (160, 120)),
        (Request(min_side_px=120), (160, 120)),
        (Request(min_side_px=121), (320, 240)),
        (Request(min_side_px=241), (640, 480)),
        (Request(min_side_px=1000), (640, 480)),
        (Request(wants_full=True), (640, 480)),
        (request_for(wants_full=True, size="100x50"), (100, 50)),
    ],
)
def test_size_follows_the_request(request_: Request, expected: tuple[int, int]) -> None:
    """A size that is asked for wins, a viewer gets 640x480, otherwise the smallest mode serves."""
    assert synthetic.choose_size_px(request_, synthetic.parse_options("")) == expected


@pytest.mark.parametrize(
    ("argument", "size_px", "fps", "named"),
    [
        ("yuyv", (161, 120), None, "even width"),
        ("rgb", (31, 120), None, "31x120"),
        ("rgb", (320, 5000), None, "320x5000"),
        ("rgb", (320, 240), 0.5, "0.5 frames"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    argument: str, size_px: tuple[int, int], fps: float | None, named: str
) -> None:
    """Impossible sizes and rates are errors of use that name them."""
    with pytest.raises(UsageError, match=named):
        synthetic.connect(request_for(argument=argument, size=Size(*size_px), fps=fps))


def test_it_is_not_listed_as_a_camera() -> None:
    """The synthetic camera is never found automatically: it must be requested."""
    assert not hasattr(synthetic, "discover")


# Free running


def test_free_running_yields_every_frame() -> None:
    """Frames are numbered without gaps, timed on the film's axis, and carry their truth."""
    frames = free_frames("free", 45)
    film = Film(0, SIZE_PX, 10.0)
    assert [frame.index for frame in frames] == list(range(45))
    assert [frame.stream_s for frame in frames] == [index / 10.0 for index in range(45)]
    assert [frame.truth for frame in frames] == [film.truth(index) for index in range(45)]
    assert all(a.captured_s <= b.captured_s <= time.monotonic() for a, b in itertools.pairwise(frames))


def test_free_running_has_no_thread_and_drops_nothing() -> None:
    """The pull mode works in the caller's thread alone."""
    before = threading.active_count()
    source = synthetic.connect(request_for(argument="free,jpeg", size="64x48"))
    frames = list(itertools.islice(source, 3))
    assert (source.name, source.is_live, source.is_sequence, source.dropped) == ("synthetic:free,jpeg", False, True, 0)
    assert len(frames) == 3
    assert threading.active_count() == before
    source.close()
    source.close()


def test_free_running_ends_with_the_run() -> None:
    """No frame follows once the stop is set."""
    request = request_for(argument="free", size="32x32")
    seen = []
    for frame in synthetic.connect(request):
        seen.append(frame)
        if len(seen) == 2:
            request.stop.set()
    assert len(seen) == 2


def test_free_running_turns_and_mirrors() -> None:
    """`rotate` and `flip` are applied to pictures that are pulled, too."""
    (plain,) = free_frames("free", 1)
    (turned,) = free_frames("free", 1, request_for(size=Size(*SIZE_PX), rotate=90, flip="horizontal"))
    assert isinstance(turned.picture, OrientedPicture)
    np.testing.assert_array_equal(turned.picture.rgb(), np.rot90(plain.picture.rgb()[:, ::-1], -1))


# Live pacing, on a clock of our own


def test_live_frames_come_when_due_and_never_before() -> None:
    """Each frame is stamped with the moment it was due, one interval after the last, and not in the future."""
    clock = FakeClock(1000.0)
    camera = camera_at_10_hz(clock)
    for index in range(5):
        capture = next_capture(camera)
        assert capture.captured_s == pytest.approx(1000.0 + index * INTERVAL_S)
        assert capture.captured_s <= clock.now_s
        assert capture.missed == 0
        np.testing.assert_array_equal(capture.picture.rgb(), Film(0, (32, 32), 10.0).frame_pixels(index))


def test_live_waits_are_short() -> None:
    """A slow camera says "not yet" instead of waiting long, so that an end of the run is noticed."""
    clock = FakeClock(1000.0)
    camera = synthetic.SyntheticCamera(Film(0, (32, 32), 1.0), synthetic.parse_options(""), clock, clock.wait)
    camera.open()
    assert camera.read() is not None
    assert camera.read() is None
    assert next_capture(camera).captured_s == pytest.approx(1001.0)
    assert max(clock.waits_s) <= 0.25


def test_overdue_frames_are_skipped_and_reported() -> None:
    """A reader that stays away for 3.5 intervals gets the next frame that is due, and is told what it missed."""
    clock = FakeClock(1000.0)
    camera = camera_at_10_hz(clock)
    next_capture(camera)
    clock.now_s += 3.5 * INTERVAL_S
    capture = next_capture(camera)
    assert capture.missed == 3  # frames 1, 2 and 3
    assert capture.captured_s == pytest.approx(1000.0 + 4 * INTERVAL_S)
    assert next_capture(camera).missed == 0


def test_a_slightly_late_reader_misses_nothing() -> None:
    """A frame late by less than an interval is delivered at once, and the rhythm is kept."""
    clock = FakeClock(1000.0)
    camera = camera_at_10_hz(clock)
    next_capture(camera)
    clock.now_s += 1.5 * INTERVAL_S
    captures = [next_capture(camera) for _ in range(2)]
    assert [capture.missed for capture in captures] == [0, 0]
    assert captures[1].captured_s == pytest.approx(1000.0 + 2 * INTERVAL_S)


def test_a_frame_nobody_wants_is_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skipping takes the time of a frame, reports what was missed like reading, and draws nothing."""
    clock = FakeClock(1000.0)
    camera = camera_at_10_hz(clock)
    next_capture(camera)
    with monkeypatch.context() as patched:
        patched.setitem(synthetic.ENCODERS, "rgb", lambda _: pytest.fail("drawn"))
        assert [camera.skip() for _ in range(3)] == [0, 0, 0]
        assert clock.now_s == pytest.approx(1000.0 + 3 * INTERVAL_S)
        clock.now_s += 3.5 * INTERVAL_S
        assert camera.skip() == 3
    capture = next_capture(camera)
    assert (capture.missed, capture.captured_s) == (0, pytest.approx(1000.0 + 8 * INTERVAL_S))
    np.testing.assert_array_equal(capture.picture.rgb(), Film(0, (32, 32), 10.0).frame_pixels(8))


def test_drawing_late_does_not_age_the_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame that took longer than an interval to draw counts from when it was ready."""
    clock = FakeClock(1000.0)
    camera = camera_at_10_hz(clock)
    next_capture(camera)
    monkeypatch.setitem(synthetic.ENCODERS, "rgb", lambda p: (clock.wait(1.4 * INTERVAL_S), ArrayPicture(p))[1])
    capture = next_capture(camera)
    assert capture.captured_s == clock.now_s == pytest.approx(1000.0 + 1.4 * INTERVAL_S)


def test_drawing_happens_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time it takes to draw is taken from the wait: the frame is not late for it."""
    clock = FakeClock(1000.0)
    camera = camera_at_10_hz(clock)
    next_capture(camera)
    monkeypatch.setitem(synthetic.ENCODERS, "rgb", lambda p: (clock.wait(0.7 * INTERVAL_S), ArrayPicture(p))[1])
    assert next_capture(camera).captured_s == clock.now_s == pytest.approx(1000.0 + INTERVAL_S)


def test_reopening_goes_on_where_it_was() -> None:
    """After a close the film continues, due from now on, and nothing counts as missed."""
    clock = FakeClock(1000.0)
    camera = camera_at_10_hz(clock)
    next_capture(camera)
    camera.close()
    clock.now_s += 60
    assert camera.open() == "synthetic"
    capture = next_capture(camera)
    assert (capture.missed, capture.captured_s) == (0, 1060.0)


def test_live_source_delivers_and_ends() -> None:
    """Without `free` the camera runs behind `LiveSource`, truth included, and its thread ends with it."""
    before = set(threading.enumerate())
    source = synthetic.connect(request_for("jpeg,seed=2", size="64x48", fps=100.0))
    (thread,) = set(threading.enumerate()) - before
    assert isinstance(source, LiveSource)
    assert (source.name, source.is_live) == ("synthetic:jpeg,seed=2", True)
    film = Film(2, (64, 48), 100.0)
    for frame in itertools.islice((item for item in source if isinstance(item, Frame)), 5):
        assert frame.truth == film.truth(frame.index)
        assert frame.captured_s <= time.monotonic()
    source.close()
    thread.join(30)
    assert not thread.is_alive()
