"""`edge-app classify`: real processes."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import pytest

from tests.conftest import DATA, ROOT
from tests.results import command, edge_app, environment

MODEL = ("--model", str(DATA / "mean_int8_unit.tflite"), "--labels", str(DATA / "rgb.txt"), "--enter", "0.4")
SCHEMA = json.loads((ROOT / "docs" / "results.schema.json").read_text())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder with a red, a green and a grey picture, and one that is damaged."""
    (tmp_path / "pics" / "sub").mkdir(parents=True)
    for name, colour in (
        ("red.png", (0, 0, 255)),
        ("pics/green.png", (0, 255, 0)),
        ("pics/sub/grey.png", (90, 90, 90)),
    ):
        cv2.imwrite(str(tmp_path / name), np.full((40, 40, 3), colour, np.uint8))
    (tmp_path / "pics" / "torn.png").write_bytes((tmp_path / "red.png").read_bytes()[:40])
    return tmp_path


def test_one_readable_line_a_picture(folder: Path) -> None:
    """Files and folders in the order given; each name can be opened; damaged ones are named on stderr."""
    done = edge_app(folder, "classify", "red.png", "pics", *MODEL)
    lines = [line.split("  ") for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert [(name, label) for name, label, _ in lines] == [
        ("red.png", "red"),
        ("pics/green.png", "green"),
        ("pics/sub/grey.png", "unknown"),
    ]
    assert all(line[2].rstrip(")").endswith("%") for line in lines)
    assert "torn.png skipped" in done.stderr


def test_json_lines_are_results(folder: Path) -> None:
    """With --json stdout has JSON lines of the documented schema and nothing else."""
    done = edge_app(folder, "classify", "pics", "--json", *MODEL)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["name"], line["label"], line["state"]) for line in lines] == [
        ("pics/green.png", "green", "ok"),
        ("pics/sub/grey.png", None, "unknown"),
    ]
    for line in lines:
        jsonschema.validate(line, SCHEMA)


def test_names_come_from_stdin(folder: Path) -> None:
    """`-` reads a list of names, one a line; empty lines do not count."""
    done = subprocess.run(
        command("classify", "-", *MODEL),
        input="red.png\n\npics/green.png\n",
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=True,
    )
    assert [line.split("  ")[:2] for line in done.stdout.splitlines()] == [
        ["red.png", "red"],
        ["pics/green.png", "green"],
    ]


@pytest.mark.parametrize("words", [("nowhere.png",), ("pics/torn.png",), ("empty",), (os.devnull,)])
def test_exit_1_if_no_picture_could_be_read(words: tuple[str, ...], folder: Path) -> None:
    """A name that does not exist, a damaged picture or an empty folder alone: a line on stderr, exit 1."""
    (folder / "empty").mkdir()
    done = edge_app(folder, "classify", *words, *MODEL)
    assert (done.returncode, done.stdout) == (1, "")
    assert words[0] in done.stderr and "Traceback" not in done.stderr


def test_a_missing_picture_does_not_keep_the_others(folder: Path) -> None:
    """What can be read is classified, what cannot is said."""
    done = edge_app(folder, "classify", "nowhere.png", "red.png", *MODEL)
    assert done.returncode == 0 and done.stdout.startswith("red.png  red")
    assert "nowhere.png" in done.stderr


def test_without_a_picture_it_is_wrong_usage(folder: Path) -> None:
    """Nothing to classify is exit 2 and says what is missing."""
    done = edge_app(folder, "classify", *MODEL)
    assert done.returncode == 2 and "PICTURES" in done.stderr.upper()


def test_odd_names_are_one_line_each(folder: Path) -> None:
    """Line breaks and escapes in a name reach no terminal, and a NUL or an empty name does not end the list."""
    picture = (folder / "red.png").read_bytes()
    (folder / "new\nline.png").write_bytes(picture)
    (folder / "esc\x1b[31m.png").write_bytes(picture)
    done = subprocess.run(
        command("classify", "new\nline.png", "esc\x1b[31m.png", "", "-", *MODEL),
        input="nul\0.png\nred.png\r\n",
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(done.stdout.splitlines()) == 3 and "\x1b" not in done.stdout
    assert "Traceback" not in done.stderr and "empty name" in done.stderr


def test_a_name_that_stdout_cannot_encode_is_escaped(folder: Path) -> None:
    """A terminal without the letters of a name still gets its line, and those after it."""
    (folder / "ü.png").write_bytes((folder / "red.png").read_bytes())
    done = edge_app(folder, "classify", "ü.png", "red.png", *MODEL, PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 2


@pytest.mark.parametrize("flag", ["--model", "--labels", "--config"])
def test_an_address_in_the_wrong_flag_shows_no_password(flag: str, folder: Path) -> None:
    """Whichever flag a camera's address was given to by mistake."""
    done = edge_app(folder, "classify", "red.png", flag, "rtsp://u:s3cretword@h/x")
    assert done.returncode == 78 and "s3cretword" not in done.stdout + done.stderr
