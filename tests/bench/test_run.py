"""A whole benchmark, as a user starts it."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from edge_app.bench.machine import describe
from tests.bench.test_report import SCHEMA
from tests.results import edge_app

QUICK = ("bench", "--model", "cifar10-nano", "--frames", "20", "--repetitions", "1", "--size", "320x240")


def test_it_measures_writes_and_compares(tmp_path: Path) -> None:
    """It prints a table, writes the documented JSON and compares with it; raw frames have no entropy decoding."""
    done = edge_app(tmp_path, *QUICK, "--json", "a.json", "--against-classic")
    assert done.returncode == 0, done.stderr
    assert "x the classic loop" in done.stdout and "x the entropy decoding" in done.stdout
    found = json.loads((tmp_path / "a.json").read_text())
    jsonschema.Draft202012Validator(SCHEMA).validate(found)
    assert 0 < found["starts"]["cifar10-nano"]["first_line_s"] < 60
    assert 30 < found["starts"]["cifar10-nano"]["peak_mb"] < 500
    again = edge_app(tmp_path, *QUICK, "--compare", "a.json")
    assert again.returncode == 0 and "cifar10-nano: p50 " in again.stdout
    raw = edge_app(tmp_path, *QUICK, "--kind", "yuyv", "--against-classic")
    assert "x the classic loop" in raw.stdout and "entropy" not in raw.stdout


def test_a_sweep_has_every_combination(tmp_path: Path) -> None:
    """Flags take several values, or may be repeated; JSON on stdout is not mixed with other output."""
    words = ("bench", "--frames", "10", "--repetitions", "1", "--json", "-", "--kind", "rgb", "--sink", "log")
    sweep = ("--model", "cifar10-nano", "cifar10-lecture", "--delegate", "xnnpack", "--delegate", "none")
    done = edge_app(tmp_path, *words, *sweep, "--size", "64x48", "96x64")
    assert done.returncode == 0, done.stderr
    names = [each["name"] for each in json.loads(done.stdout)["measurements"]]
    assert len(names) == len(set(names)) == 8
    assert "cifar10-lecture, delegate none, 96x64" in names


def test_a_camera_is_measured_at_its_own_pace(tmp_path: Path) -> None:
    """Times count from the capture time, dropped frames are counted, and no frames are drawn."""
    done = edge_app(
        tmp_path, "bench", "--model", "cifar10-nano", "--source", "synthetic:jpeg", "--frames", "20", "--json", "-"
    )
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)["measurements"]
    assert 0 < found["frames_per_s"] < 31  # a busy machine may lose frames, none gets more than the camera has
    assert found["stages"]["capture"]["p50"] > 0


def test_the_settings_of_whoever_measures_are_no_part_of_it(tmp_path: Path) -> None:
    """A user's rate of 0.1 frames/s would make a start take ten minutes; an invalid variable would make it fail."""
    done = edge_app(tmp_path, *QUICK, EDGE_APP_RATE="0.1", EDGE_APP_NONSENSE="1")
    assert done.returncode == 0, done.stderr
    assert "shows its first label after" in done.stdout


def test_more_threads_than_cores_are_warned_of(tmp_path: Path) -> None:
    """There is a warning, and the measurement goes on."""
    many = describe().cores + 1
    done = edge_app(tmp_path, *QUICK, "--threads", str(many))
    assert done.returncode == 0 and f"{many} threads on {many - 1} cores" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--frames", "0"), "--frames"),
        (("--compare", "nowhere.json"), "cannot read nowhere.json: No such file or directory"),
        (("--size", "641x480", "--kind", "yuyv"), "yuyv needs an even width; try 642x480"),
        (("--size", "9999x9999"), "at most 4096 pixels a side"),
        (("--size", "huge"), "write WIDTHxHEIGHT, such as 640x480"),
        (("--source", "synthetic", "--against-classic"), "--against-classic is for prepared frames"),
        (("--source", "synthetic", "--pictures", "."), "--pictures is for prepared frames"),
        (("--plot", "a.gif"), "choose a name that ends in .png"),
        (("--single-stream", "--size", "64x48", "--plot", "a.png"), "--single-stream has no use for --size, --plot"),
    ],
)
def test_what_cannot_be_is_refused(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    """The refusal takes one line, comes before the measurement and exits with the code of a wrong command line."""
    done = edge_app(tmp_path, "bench", *words)
    assert done.returncode == 2 and done.stdout == ""
    assert said in done.stderr and "Traceback" not in done.stderr


def test_another_models_file_is_refused_before_the_work(tmp_path: Path) -> None:
    """Sharing the classic loop is not enough to compare."""
    assert edge_app(tmp_path, *QUICK, "--against-classic", "--json", "a.json").returncode == 0
    done = edge_app(tmp_path, *QUICK, "--model", "cifar10-lecture", "--compare", "a.json", "--against-classic")
    assert done.returncode == 0  # both models now, one of them is in the file
    alone = [word for word in QUICK if word != "cifar10-nano"]
    alone.insert(2, "cifar10-lecture")
    done = edge_app(tmp_path, *alone, "--compare", "a.json", "--against-classic")
    assert (done.returncode, done.stdout) == (2, "")
    assert "nothing to compare: the older file has cifar10-nano" in done.stderr


@pytest.mark.parametrize("target", ["nowhere/a.json", "."])
def test_a_place_that_cannot_be_written_is_found_before_the_work(target: str, tmp_path: Path) -> None:
    """The output may be neither in a missing folder nor a folder itself."""
    done = edge_app(tmp_path, *QUICK, "--json", target)
    assert done.returncode == 3 and f"cannot write {target}" in done.stderr and done.stdout == ""


def test_a_source_that_cannot_be_opened_is_told_as_run_tells_it(tmp_path: Path) -> None:
    """The error and exit code are the source's; the measured program's command line is not shown."""
    words = ("--source", "webcam:/dev/video99")
    bench = edge_app(tmp_path, "bench", *words, "--model", "cifar10-nano", "--frames", "20")
    run = edge_app(tmp_path, "run", *words, "--preview", "none")
    said = "edge-app: /dev/video99 does not exist; 'edge-app sources' lists the cameras"
    assert (bench.returncode, bench.stderr.splitlines()[-1]) == (3, said)
    assert (run.returncode, run.stderr.splitlines()[-1]) == (3, said)
    assert "-m edge_app" not in bench.stderr and "--config" not in bench.stderr
