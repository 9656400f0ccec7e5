"""What `edge-app run` makes of its settings, seen from outside: words go in, lines of the log come out."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import re
import sys
import threading
import time
import types
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest

from edge_app import cli
from tests.conftest import DATA, ROOT
from tests.results import environment

Color = tuple[int, int, int]

RED: Color = (255, 0, 0)
GREEN: Color = (0, 255, 0)
BLUE: Color = (0, 0, 255)
TEMPERATURE = 0.25
FPS = 20.0


class Ran(NamedTuple):
    """What a run left behind: its exit code, its lines on stdout, and what it said."""

    code: int
    lines: list[dict[str, Any]]
    said: str

    @property
    def labels(self) -> list[str | None]:
        """The label of each line."""
        return [line["label"] for line in self.lines]


Run = Callable[..., Ran]


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> Run:
    """Return a function that runs `edge-app run` to its end in an empty folder, without display and settings."""
    monkeypatch.chdir(tmp_path)
    wanted = environment(tmp_path)
    for name in [*os.environ]:
        if name not in wanted:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))

    def made(*arguments: str) -> Ran:
        caplog.clear()
        capfd.readouterr()
        code = cli.main(["run", *arguments], threading.Event())
        shown = capfd.readouterr()
        return Ran(code, [json.loads(line) for line in shown.out.splitlines()], caplog.text + shown.err)

    return made


def colors(folder: Path, enter: float = 0.6, leave: float = 0.5) -> Sequence[str]:
    """Write a model that knows red, green and blue, with a card of these thresholds; return the words that choose it.

    Its probability for red in a picture (255, g, g) is 1 / (1 + 2 exp((g / 255 - 1) / TEMPERATURE)).
    """
    content = (DATA / "mean_int8_unit.tflite").read_bytes()
    card = json.loads((ROOT / "models" / "cifar10-nano.json").read_text("utf-8"))
    card["file"]["sha256"] = hashlib.sha256(content).hexdigest()
    card |= {"labels": ["red", "green", "blue"], "temperature": TEMPERATURE, "weights": None}
    card["input"] |= {"height_px": 4, "width_px": 6, "low": 0.0, "high": 1.0}
    card["thresholds"] = {"enter": enter, "leave": leave}
    card["file"]["bytes"] = len(content)
    card["golden"] = {"output": [0, 0, 0]}
    (folder / "colors.tflite").write_bytes(content)
    (folder / "colors.json").write_text(json.dumps(card))
    return ("--model", "colors.tflite", "--preview", "none", "--log", "-")


def pictures(folder: Path, *shown: Color) -> str:
    """Write a folder of pictures, each of one colour; return its name."""
    (folder / "photos").mkdir()
    for index, color in enumerate(shown):
        cv2.imwrite(str(folder / "photos" / f"{index}.png"), np.full((48, 64, 3), color[::-1], np.uint8))
    return "photos"


def film(folder: Path, *shown: Color) -> str:
    """Write a video whose frames have these colours; return its name."""
    writer = cv2.VideoWriter(str(folder / "film.avi"), cv2.VideoWriter.fourcc(*"MJPG"), FPS, (64, 48))
    for color in shown:
        writer.write(np.full((48, 64, 3), color[::-1], np.uint8))
    writer.release()
    return "film.avi"


def test_pictures_of_a_folder_have_nothing_to_do_with_each_other(run: Run, tmp_path: Path) -> None:
    """However much is smoothed over time, each photograph gets the label it has by itself, as surely."""
    ran = run("--source", pictures(tmp_path, RED, GREEN, BLUE), *colors(tmp_path), "--smoothing", "60")
    assert (ran.code, ran.labels) == (0, ["red", "green", "blue"])
    assert len({round(line["confidence"], 3) for line in ran.lines}) == 1


@pytest.mark.parametrize(("smoothing_s", "last"), [("0", "green"), ("0.01", "green"), ("60", "red")])
def test_frames_of_a_video_are_smoothed_as_long_as_asked(smoothing_s: str, last: str, run: Run, tmp_path: Path) -> None:
    """After half a second of another colour a short average has it, and a long one still the colour before."""
    shown = [RED] * 5 + [GREEN] * 10
    ran = run("--source", film(tmp_path, *shown), *colors(tmp_path), "--smoothing", smoothing_s)
    assert (ran.code, len(ran.lines), ran.labels[-1]) == (0, 15, last)


# Red is 0.53, 0.96, 0.53 and 0.43 sure.
FADING: Sequence[Color] = [(255, 204, 204), RED, (255, 204, 204), (255, 230, 230), (255, 204, 204)]
NEVER = [None] * 5
ALWAYS = ["red"] * 5


@pytest.mark.parametrize(
    ("card", "words", "expected"),
    [
        ((0.6, 0.5), (), [None, "red", "red", None, None]),
        ((0.5, 0.4), (), ALWAYS),
        ((0.6, 0.5), ("--enter", "0.99"), NEVER),
        ((0.6, 0.5), ("--enter", "0.48"), ["red", "red", "red", None, "red"]),
        ((0.6, 0.5), ("--enter", "0.3"), ALWAYS),
        ((0.6, 0.5), ("--leave", "0.4"), [None, "red", "red", "red", "red"]),
        ((0.6, 0.5), ("--leave", "0.6"), [None, "red", None, None, None]),
        ((0.9, 0.8), ("--enter", "0.6", "--leave", "0.48"), [None, "red", "red", None, None]),
        ((0.6, 0.5), ("--enter", "0", "--leave", "0"), ALWAYS),
    ],
)
def test_thresholds_are_the_cards_unless_told_otherwise(
    card: tuple[float, float], words: Sequence[str], expected: list[str | None], run: Run, tmp_path: Path
) -> None:
    """Each of the two is taken from the card where no setting names it; `leave` never lies above `enter` then."""
    ran = run("--source", film(tmp_path, *FADING), *colors(tmp_path, *card), "--smoothing", "0.0001", *words)
    assert (ran.code, ran.labels) == (0, expected), ran.said


def test_a_card_has_the_temperature_too(run: Run, tmp_path: Path) -> None:
    """Confidence is the softmax of the scores divided by the card's temperature."""
    ran = run("--source", pictures(tmp_path, RED), *colors(tmp_path))
    assert ran.lines[0]["confidence"] == pytest.approx(1 / (1 + 2 * math.exp(-1 / TEMPERATURE)), abs=0.005)


@pytest.mark.parametrize(("words", "expected"), [((), None), (("--enter", "0.57"), "red"), (("--enter", "0.3"), "red")])
def test_a_model_without_a_card_has_usual_thresholds(
    words: Sequence[str], expected: str | None, run: Run, tmp_path: Path
) -> None:
    """A probability of 0.576 is less than the usual 0.6; a lower `enter` alone is enough to have it named."""
    colors(tmp_path)
    (tmp_path / "colors.json").unlink()
    model = ("--model", "colors.tflite", "--labels", str(DATA / "rgb.txt"), "--preview", "none", "--log", "-")
    ran = run("--source", pictures(tmp_path, RED), *model, *words)
    assert (ran.code, ran.labels) == (0, [expected]), ran.said


class PiCamera:
    """A picamera2 whose pictures are blue on the left and green on the right, at any size that is asked for."""

    asked: dict[str, Any]
    age_s = 0.0
    delivered = copied = 0
    camera_properties = types.MappingProxyType({"ColorFilterArrangement": 0})
    camera_controls = types.MappingProxyType({"FrameDurationLimits": (1, 2, 3)})

    def __init__(self, number: int) -> None:
        pass

    @staticmethod
    def global_camera_info() -> list[dict[str, Any]]:
        return [{"Model": "imx219"}]

    def create_video_configuration(self, **parts: Any) -> dict[str, Any]:
        return {"lores": None, "colour_space": "sYCC", **parts}

    def configure(self, configuration: dict[str, Any]) -> None:
        PiCamera.asked = configuration

    def camera_configuration(self) -> dict[str, Any]:
        return PiCamera.asked

    def start(self) -> None:
        pass

    def capture_request(self, wait: float) -> PiCamera:
        PiCamera.delivered += 1
        return self

    def get_metadata(self) -> dict[str, Any]:
        return {"SensorTimestamp": time.clock_gettime_ns(time.CLOCK_BOOTTIME) - int(PiCamera.age_s * 1e9)}

    def make_array(self, name: str) -> np.ndarray:
        PiCamera.copied += 1
        width, height = PiCamera.asked[name]["size"]
        bgr = np.zeros((height, width, 3), np.uint8)
        bgr[:, : width // 2], bgr[:, width // 2 :] = BLUE[::-1], GREEN[::-1]
        return bgr if name == "main" else cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420)

    def release(self) -> None:
        pass

    cancel_all_and_flush = stop = release


@pytest.fixture
def pi_camera(monkeypatch: pytest.MonkeyPatch) -> type[PiCamera]:
    """Be a Raspberry Pi with a camera."""
    module = types.ModuleType("picamera2")
    module.Picamera2 = PiCamera  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "picamera2", module)
    PiCamera.delivered = PiCamera.copied = 0
    return PiCamera


@pytest.mark.parametrize(("crop", "label"), [("0,0,320,480", "blue"), ("320,0,320,480", "green")])
def test_a_crop_in_pixels_means_pixels_of_a_usual_size(
    crop: str, label: str, pi_camera: type[PiCamera], run: Run, tmp_path: Path
) -> None:
    """Nobody watches, so that the smallest picture would do; but the numbers were read off a picture of 640x480."""
    ran = run("--source", "picamera", *colors(tmp_path), "--crop", crop, "--frames", "3", "--smoothing", "0")
    assert (ran.code, ran.labels) == (0, [label] * 3), ran.said
    assert pi_camera.asked["main"]["size"] == (640, 480)


def test_a_crop_that_a_camera_can_never_have_is_refused(pi_camera: type[PiCamera], run: Run, tmp_path: Path) -> None:
    """A camera's pictures will not grow: the first one ends the run, and what to try is said."""
    ran = run("--source", "picamera", *colors(tmp_path), "--crop", "0,0,9999,9999")
    assert (ran.code, len(ran.lines)) == (2, 0)
    assert "9999" in ran.said and "choose another --crop or --size" in ran.said


@pytest.mark.parametrize(("large", "code"), [(0, 1), (1, 0)])
def test_a_crop_that_some_pictures_do_not_have_skips_those(large: int, code: int, run: Run, tmp_path: Path) -> None:
    """Pictures of a folder differ in size: one that is too small is told and counted, and the others are classified."""
    source = pictures(tmp_path, RED, RED)  # 64x48
    if large:
        cv2.imwrite(str(tmp_path / source / "large.png"), np.full((99, 99, 3), GREEN[::-1], np.uint8))
    ran = run("--source", source, *colors(tmp_path), "--crop", "0,0,90,90")
    assert (ran.code, ran.labels) == (code, [None, None, *["green"] * large])
    assert [line["state"] for line in ran.lines[:2]] == ["outage", "outage"]
    assert re.search(rf"\b{large} frames? classified, 0 dropped, 2 damaged", ran.said), ran.said


def test_a_line_has_the_time_of_the_capture(
    pi_camera: type[PiCamera], run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture that the sensor took two seconds ago has that time on both clocks, however late its line is written."""
    monkeypatch.setattr(pi_camera, "age_s", 2.0)
    begun_s, begun_unix_s = time.monotonic(), time.time()
    (line,) = run("--source", "picamera", *colors(tmp_path), "--frames", "1").lines
    before_s, before_unix_s = line["mono_s"] - begun_s, datetime.fromisoformat(line["time"]).timestamp() - begun_unix_s
    assert before_s == pytest.approx(before_unix_s, abs=0.05)
    assert min(line["latency_ms"], line["age_ms"]) >= 2000 and before_s > -2.05


def test_what_the_rate_leaves_out_is_not_even_copied(pi_camera: type[PiCamera], run: Run, tmp_path: Path) -> None:
    """The camera knows the rate too: of the frames it delivers between two that are wanted it copies hardly any."""
    ran = run("--source", "picamera", *colors(tmp_path), "--rate", "10", "--frames", "4")
    assert ran.code == 0
    assert 4 <= pi_camera.copied < pi_camera.delivered / 2


def test_a_camera_is_asked_for_what_the_settings_say(pi_camera: type[PiCamera], run: Run, tmp_path: Path) -> None:
    """Size and frame rate reach the camera; a second, small stream serves the model."""
    ran = run("--source", "picamera", *colors(tmp_path), "--size", "800x600", "--fps", "15", "--frames", "1")
    assert ran.code == 0, ran.said
    assert pi_camera.asked["main"]["size"] == (800, 600)
    assert pi_camera.asked["controls"] == {"FrameRate": 15.0}
    assert min(pi_camera.asked["lores"]["size"]) < 100  # 4x6 pixels are classified


@pytest.mark.parametrize(
    ("words", "label"),
    [
        ((), "red"),
        (("--flip", "vertical"), "green"),
        (("--flip", "horizontal"), "blue"),
        (("--rotate", "90"), "green"),
        (("--rotate", "180"), "blue"),
        (("--rotate", "90", "--flip", "horizontal"), "blue"),
    ],
)
def test_a_picture_is_mirrored_turned_and_cut(words: Sequence[str], label: str, run: Run, tmp_path: Path) -> None:
    """The corner at the top left is red, the one below green, both on the right blue; the crop sees the top left."""
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:32, :32], pixels[32:, :32], pixels[:, 32:] = RED[::-1], GREEN[::-1], BLUE[::-1]
    cv2.imwrite(str(tmp_path / "corners.png"), pixels)
    ran = run("--source", "corners.png", *colors(tmp_path), "--crop", "0,0,32,32", *words)
    assert (ran.code, ran.labels) == (0, [label]), ran.said


def test_a_run_ends_after_so_many_frames(run: Run, tmp_path: Path) -> None:
    """`--frames` counts classifications, and the last line on stderr says how many there were."""
    ran = run("--source", film(tmp_path, *[RED] * 9), *colors(tmp_path), "--frames", "4")
    assert (ran.code, len(ran.lines)) == (0, 4)
    assert "film.avi: 4 frames classified, 0 dropped, 0 damaged" in ran.said


def test_a_run_ends_after_so_many_seconds(run: Run, tmp_path: Path) -> None:
    """`--duration` ends a source that would never end."""
    assert run("--source", "synthetic:free", *colors(tmp_path), "--duration", "0.2").code == 0


def test_the_rate_is_kept(run: Run, tmp_path: Path) -> None:
    """Five classifications at `--rate 20` take four intervals of 50 ms at least."""
    ran = run("--source", "synthetic:free", *colors(tmp_path), "--rate", "20", "--frames", "5")
    taken_s = [line["mono_s"] for line in ran.lines]
    assert len(taken_s) == 5 and taken_s[-1] - taken_s[0] > 3.9 / 20


@pytest.mark.parametrize("is_realtime", [False, True])
def test_a_video_is_played_at_its_pace_where_asked(is_realtime: bool, run: Run, tmp_path: Path) -> None:
    """In real time half a second of film takes as long; otherwise every frame comes, whatever that takes."""
    words = ["--realtime"] if is_realtime else []
    begun_s = time.monotonic()
    ran = run("--source", film(tmp_path, *[RED] * 11), *colors(tmp_path), *words)
    assert ran.code == 0
    if is_realtime:
        assert time.monotonic() - begun_s > 0.5
    else:
        assert len(ran.lines) == 11


def test_a_source_that_knows_the_truth_is_compared_with_it(run: Run, tmp_path: Path) -> None:
    """The last line says how many frames were labelled as what they are known to show; a model of colours never is."""
    ran = run("--source", "synthetic:free", *colors(tmp_path), "--frames", "5")
    assert re.search(r"\b0 of 5\b", ran.said), ran.said
    ran = run("--source", pictures(tmp_path, RED), *colors(tmp_path))
    assert not re.search(r"\b\d+ of \d+\b", ran.said), ran.said


@pytest.mark.parametrize(("good", "code"), [(0, 1), (1, 0)])
def test_nothing_but_damaged_pictures_is_a_failure(good: int, code: int, run: Run, tmp_path: Path) -> None:
    """Where not one picture could be read the run has failed; one is enough for it to have succeeded."""
    source = pictures(tmp_path, *[RED] * good)
    for name in ("x.png", "y.png"):
        (tmp_path / source / name).write_bytes(b"\x89PNG\r\n\x1a\n")
    ran = run("--source", source, *colors(tmp_path))
    assert (ran.code, len(ran.lines)) == (code, good)
    assert re.search(rf"\b{good} frames? classified, 2 dropped", ran.said), ran.said


def test_the_log_keeps_as_much_as_it_may(run: Run, tmp_path: Path) -> None:
    """A log is rotated at its size, and as many old ones stay as the settings say."""
    words = [*colors(tmp_path)[:-1], "out.jsonl", "--log-max-mb", "0.002", "--log-keep", "2"]
    assert run("--source", film(tmp_path, *[RED] * 40), *words).code == 0
    logs = sorted(path for path in tmp_path.iterdir() if path.name.startswith("out.jsonl"))
    assert len(logs) == 3
    assert all(0 < path.stat().st_size <= 0.002 * 2**20 for path in logs)


@pytest.mark.parametrize(("days", "files"), [("1e-12", 4), ("0.01", 1)])
def test_the_log_is_rotated_by_age(days: str, files: int, run: Run, tmp_path: Path) -> None:
    """With an age of next to nothing every line begins a new file; a quarter of an hour does not pass here."""
    words = [*colors(tmp_path)[:-1], "out.jsonl", "--log-max-days", days, "--log-keep", "9"]
    assert run("--source", film(tmp_path, *[RED] * 4), *words).code == 0
    assert len([path for path in tmp_path.iterdir() if path.name.startswith("out.jsonl")]) == files


def test_the_log_knows_where_the_time_goes(run: Run, tmp_path: Path) -> None:
    """What the stages of the run's frames have taken reaches the log, which tells it once a period."""
    words = ("--log-when", "periodic", "--log-period", "0.000001")
    ran = run("--source", film(tmp_path, *[RED] * 4), *colors(tmp_path), *words)
    stages = [line["last_minute"] for line in ran.lines if "last_minute" in line]
    assert ran.code == 0 and stages and "invoke" in json.dumps(stages[-1])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), ["red", "red", "red", "green", "green"]),
        (("--log-when", "change"), ["red", "green"]),
        (("--log-when", "periodic"), ["red"]),
        (("--log-when", "periodic", "--log-period", "0.000001"), ["red", "red", "red", "green", "green"]),
    ],
)
def test_the_log_has_the_lines_that_are_asked_for(
    words: Sequence[str], expected: list[str], run: Run, tmp_path: Path
) -> None:
    """Every result, those that change something, or one a period."""
    shown = [RED] * 3 + [GREEN] * 2
    ran = run("--source", film(tmp_path, *shown), *colors(tmp_path), "--smoothing", "0", *words)
    assert (ran.code, ran.labels) == (0, expected)


def test_every_sink_gets_every_result(run: Run, tmp_path: Path) -> None:
    """`--sink` may be given more than once, and beside `--log`."""
    words = ("--sink", "log:a.jsonl", "--sink", "log:b.jsonl")
    ran = run("--source", film(tmp_path, RED, GREEN), *colors(tmp_path), *words)
    assert (ran.code, len(ran.lines)) == (0, 2)
    assert [len((tmp_path / name).read_text().splitlines()) for name in ("a.jsonl", "b.jsonl")] == [2, 2]


def test_a_sink_that_fails_stops_nothing(run: Run, tmp_path: Path) -> None:
    """A full disk behind one sink is said, and the others get every result."""
    ran = run("--source", film(tmp_path, RED, GREEN), *colors(tmp_path), "--sink", "log:/dev/full")
    assert len(ran.lines) == 2
    assert "No space left on device" in ran.said


def test_a_run_that_nobody_told_where_to_write_says_what_changes(run: Run, tmp_path: Path) -> None:
    """Without log, sink, display and terminal, stdout gets a line whenever the label changes."""
    words = colors(tmp_path)[:-2]
    ran = run("--source", film(tmp_path, RED, RED, GREEN, GREEN), *words, "--smoothing", "0")
    assert (ran.code, ran.labels) == (0, ["red", "green"])


@pytest.mark.parametrize(
    ("words", "destination", "count"),
    [
        ((), "stdout whenever they change", 1),
        (("--log", "a.jsonl"), "the log a.jsonl", 0),
        (("--sink", "log:b.jsonl"), "log:b.jsonl", 0),
        (("--log", "a.jsonl", "--sink", "log:b.jsonl"), "the log a.jsonl and log:b.jsonl", 0),
    ],
)
def test_without_a_window_the_run_says_where_results_go(
    words: Sequence[str], destination: str, count: int, run: Run, tmp_path: Path
) -> None:
    """A preview that cannot be shown is one line, which names the places where results are."""
    ran = run("--source", film(tmp_path, RED, RED), *colors(tmp_path)[:2], *words)
    assert (ran.code, len(ran.lines)) == (0, count)
    assert re.search(rf"no preview: .*; results go to {re.escape(destination)}( \(|\n)", ran.said), ran.said


def test_lines_come_in_the_order_of_the_film(run: Run, tmp_path: Path) -> None:
    """Frames are numbered from 0, their times never fall, and from the second one on there is a rate."""
    ran = run("--source", film(tmp_path, *[RED] * 6), *colors(tmp_path))
    assert [line["frame"] for line in ran.lines] == list(range(6))
    assert [line["fps"] > 0 for line in ran.lines] == [False] + [True] * 5
    assert all(before["mono_s"] <= after["mono_s"] for before, after in itertools.pairwise(ran.lines))
