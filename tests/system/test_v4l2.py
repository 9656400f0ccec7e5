"""What the kernel tells of devices. Their own answers need a driver: tests/vm asks real ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_app.system import v4l2


@pytest.fixture
def processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty /proc."""
    folder = tmp_path / "proc"
    folder.mkdir()
    monkeypatch.setattr(v4l2, "PROCESSES", folder)
    return folder


def add(processes: Path, number: int, *targets: Path) -> Path:
    """Add a process that has files open."""
    folder = processes / str(number)
    (folder / "fd").mkdir(parents=True)
    for descriptor, target in enumerate(targets):
        (folder / "fd" / str(descriptor)).symlink_to(target)
    (folder / "comm").write_text(f"program{number}\n")
    return folder


def test_who_has_a_device(processes: Path, tmp_path: Path) -> None:
    """Each device in use is named with a process that has it, however the device is called; one's own is none."""
    one, two, free = (tmp_path / f"video{number}" for number in range(3))
    for node in (one, two, free):
        node.touch()
    link = tmp_path / "by-id"
    link.symlink_to(two)
    add(processes, 11, tmp_path, one)
    add(processes, 12, two)
    add(processes, os.getpid(), free)
    found = v4l2.holders([str(one), str(link), str(free)])
    assert found == {str(one): "program11 (pid 11)", str(link): "program12 (pid 12)"}
    assert v4l2.holders([str(one), str(two)], besides=11) == {str(two): "program12 (pid 12)"}


def test_processes_end_while_they_are_looked_at(processes: Path, tmp_path: Path) -> None:
    """A process without descriptors, descriptor or name, as one that has just ended leaves, hides no other."""
    node = tmp_path / "video0"
    node.touch()
    (processes / "1").mkdir()
    (add(processes, 2) / "fd" / "0").touch()  # no link any more
    (add(processes, 3, node) / "comm").unlink()
    (processes / "self").mkdir()
    assert v4l2.holders([str(node)]) == {str(node): "a process (pid 3)"}
