"""Where a command's figures go."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_app.commands import output
from edge_app.errors import RunError, StartError
from tests.full_disk import largest_file


def test_a_file_takes_its_place_when_it_is_whole(tmp_path: Path) -> None:
    """Until then what was there stays; afterwards nothing else is left."""
    path = tmp_path / "report.json"
    path.write_text("old")
    with output.json_to(str(path)) as write:
        assert write is not None
        assert path.read_text() == "old"
        write({"accuracy": 0.9})
    assert json.loads(path.read_text()) == {"accuracy": 0.9}
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    """Whether the work fails or the disk is full, the old report stays and no half one is left."""
    path = tmp_path / "report.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), output.file_to(path):
        raise ZeroDivisionError
    with pytest.raises(RunError, match="cannot write .*report.txt"), output.file_to(path) as write, largest_file(10):
        assert write is not None
        write("x" * 1000)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_found_at_once(tmp_path: Path) -> None:
    """Before the work, with the path in the message."""
    with (
        pytest.raises(StartError, match="cannot write .*nowhere/report.txt"),
        output.file_to(tmp_path / "nowhere/report.txt"),
    ):
        pytest.fail("the work was begun")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """It is found at once too."""
    with pytest.raises(StartError, match="it is a folder"), output.file_to(tmp_path):
        pytest.fail("the work was begun")


def test_bytes_and_the_usual_permissions(tmp_path: Path) -> None:
    """What is no text is written as it is; the file is as readable as any other that this user makes."""
    (tmp_path / "usual").touch()
    with output.file_to(tmp_path / "a.png") as write:
        assert write is not None and list(tmp_path.iterdir()) == [tmp_path / "usual"]
        write(b"\x89PNG")
    assert (tmp_path / "a.png").read_bytes() == b"\x89PNG"
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_stdout_and_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """`-` is stdout; None is nowhere."""
    with output.json_to("-") as write, output.json_to(None) as nowhere:
        assert write is not None and nowhere is None
        write([1])
    assert json.loads(capsys.readouterr().out) == [1]


def test_a_report_through_a_link(tmp_path: Path) -> None:
    """The link stays, the file behind it is replaced."""
    (tmp_path / "latest.json").symlink_to("monday.json")
    with output.json_to(str(tmp_path / "latest.json")) as write:
        assert write is not None
        write({"accuracy": 0.9})
    assert (tmp_path / "latest.json").is_symlink()
    assert json.loads((tmp_path / "monday.json").read_text()) == {"accuracy": 0.9}


def test_a_report_keeps_its_permissions(tmp_path: Path) -> None:
    """What only its owner may read is not shown to others by being replaced."""
    path = tmp_path / "report.json"
    path.touch(0o600)
    with output.json_to(str(path)) as write:
        assert write is not None
        write({})
    assert path.stat().st_mode & 0o777 == 0o600
