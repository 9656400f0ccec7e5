"""Syncing what was written to disk without blocking."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from edge_app.sinks.log import _syncer
from edge_app.sinks.log._syncer import Syncer


class Disk:
    """A disk that records which files were synced, and blocks when the test says so."""

    def __init__(self) -> None:
        self.kept: list[int] = []  # inodes
        self.error: OSError | None = None
        self.asked = threading.Semaphore(0)
        self.go = threading.Event()
        self.go.set()

    def sync(self, descriptor: int) -> None:
        self.kept.append(os.fstat(descriptor).st_ino)
        self.asked.release()
        self.go.wait()
        if self.error:
            raise self.error


class Pause:
    """A pause that lasts until the test ends it."""

    def __init__(self) -> None:
        self.begun, self.over = threading.Semaphore(0), threading.Semaphore(0)
        self.lengths: list[float] = []

    def __call__(self, length_s: float) -> bool:
        self.lengths.append(length_s)
        self.begun.release()
        self.over.acquire(timeout=10)
        return False


@pytest.fixture
def disk() -> Disk:
    """Make a disk that works."""
    return Disk()


@pytest.fixture
def pause() -> Pause:
    """Make a pause."""
    return Pause()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[IO[bytes]]:
    """Open a file."""
    with (tmp_path / "log").open("wb") as opened:
        yield opened


def test_many_writes_are_one_call(disk: Disk, pause: Pause, file: IO[bytes]) -> None:
    """Everything written within a period is synced by one call at its end; without writes there is no call."""
    syncer = Syncer(5.0, disk.sync, pause)
    for _ in range(100):
        syncer.written(file.fileno())
    assert pause.begun.acquire(timeout=5) and disk.kept == []
    pause.over.release()
    assert disk.asked.acquire(timeout=5)
    syncer.written(file.fileno())
    assert pause.begun.acquire(timeout=5)
    pause.over.release()
    assert disk.asked.acquire(timeout=5)
    assert pause.lengths == [5.0, 5.0] and len(disk.kept) == 2
    pause.over.release()
    syncer.close()


def test_a_rotated_file_is_kept_too(disk: Disk, pause: Pause, tmp_path: Path) -> None:
    """Lines written before a rotation, to a file closed since, and lines written after it are both synced."""
    syncer, inodes = Syncer(5.0, disk.sync, pause), []
    for name in ("one", "two"):
        with (tmp_path / name).open("wb") as opened:
            inodes.append(os.fstat(opened.fileno()).st_ino)
            syncer.written(opened.fileno())
            syncer.changed_file()
    pause.over.release()
    assert all(disk.asked.acquire(timeout=5) for _ in inodes)
    assert disk.kept == inodes
    pause.over.release()
    syncer.close()


def test_a_disk_that_does_not_keep_is_told_once(disk: Disk, pause: Pause, file: IO[bytes]) -> None:
    """A call that fails is an error of the next write, once."""
    disk.error = OSError(5, "Input/output error")
    disk.go.clear()
    syncer = Syncer(5.0, disk.sync, pause)
    syncer.written(file.fileno())
    pause.over.release()
    assert pause.begun.acquire(timeout=5) and disk.asked.acquire(timeout=5)
    syncer.written(file.fileno())  # while the call goes on, so that a second period begins when it has failed
    disk.go.set()
    assert pause.begun.acquire(timeout=5)
    disk.error = None
    with pytest.raises(OSError, match="Input/output error"):
        syncer.written(file.fileno())
    syncer.written(file.fileno())
    pause.over.release()
    syncer.close()


def test_a_disk_that_hangs_holds_nothing_up(disk: Disk, file: IO[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """While a call does not return, writing goes on, and the end waits half a second at most."""
    assert _syncer.CLOSE_S <= 0.5
    monkeypatch.setattr(_syncer, "CLOSE_S", 0.01)
    disk.go.clear()
    syncer = Syncer(5.0, disk.sync, lambda _: False)
    syncer.written(file.fileno())
    assert disk.asked.acquire(timeout=5)
    for _ in range(100):
        syncer.written(file.fileno())
    syncer.close()
    assert syncer._thread is not None and syncer._thread.is_alive()
    disk.go.set()
    syncer._thread.join(5)
    assert not syncer._thread.is_alive()


def test_the_end_keeps_what_waits(disk: Disk, file: IO[bytes]) -> None:
    """Closing in the middle of a period calls at once."""
    syncer = Syncer(3600.0, disk.sync)
    syncer.written(file.fileno())
    syncer.close()
    assert disk.kept == [os.fstat(file.fileno()).st_ino]


def test_what_is_written_during_the_last_call_is_kept(file: IO[bytes]) -> None:
    """A line that comes while a call goes on, just before the end, is kept by one more; no descriptor stays."""
    kept: list[int] = []
    begun = threading.Event()

    def sync(descriptor: int) -> None:
        kept.append(os.fstat(descriptor).st_ino)
        begun.set()
        assert syncer._is_ended.wait(5)

    syncer = Syncer(5.0, sync, lambda _: False)
    syncer.written(file.fileno())
    assert begun.wait(5)
    syncer.written(file.fileno())
    syncer.close()
    assert kept == [os.fstat(file.fileno()).st_ino] * 2 and syncer._waiting == []


def test_a_last_call_that_fails_is_told_once(disk: Disk, file: IO[bytes]) -> None:
    """No write comes after the last call, so the end tells that it failed; ending again says nothing."""
    disk.error = OSError(5, "Input/output error")
    syncer = Syncer(3600.0, disk.sync)
    syncer.written(file.fileno())
    with pytest.raises(OSError, match="Input/output error"):
        syncer.close()
    syncer.close()


def test_what_is_no_file_is_no_failure() -> None:
    """A pipe cannot be synced, and the system's refusal does not count as a failing disk."""
    reader, writer = os.pipe()
    syncer = Syncer(3600.0)
    syncer.written(writer)
    syncer.close()
    os.close(writer)
    os.close(reader)


def test_no_descriptor_is_left(disk: Disk, file: IO[bytes]) -> None:
    """Thousands of calls leave as many descriptors open as before."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    syncer = Syncer(0.0001, disk.sync)
    for _ in range(2000):
        syncer.written(file.fileno())
    syncer.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_zero_leaves_it_to_the_system(disk: Disk, file: IO[bytes]) -> None:
    """With a period of 0 nothing is called and no thread begins."""
    syncer = Syncer(0, disk.sync)
    syncer.written(file.fileno())
    syncer.close()
    assert disk.kept == [] and syncer._thread is None
