"""What an installation replaces: kept until the new version runs, and put back without needing room on the disk."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_app.errors import EdgeAppError, RunError
from edge_app.service import environments
from edge_app.system import files

Attempt = tuple[str, Callable[[], object]]
"""What to do, after the words that say so in a message."""


@dataclass(frozen=True, slots=True)
class Before:
    """The state before an installation, to restore if it fails.

    Attributes:
        room: folder that keeps the old files.
        files: where the old one is kept, by path; None for a file that was missing.
        link: the link to the environment in use.
        old_link: where the old link is kept; None if there was none.
        missing: folders that did not exist, parents first.
    """

    room: Path
    files: Mapping[Path, Path | None]
    link: Path
    old_link: Path | None
    missing: tuple[Path, ...]


def keep(paths: Iterable[Path], link: Path, room: Path) -> Before:
    """Keep files, and the link to the environment in use, under second names.

    Args:
        paths: the files; those that are missing are noted as such.
        link: the link.
        room: folder for them, next to the link; made here.

    Raises:
        RunError: they cannot be kept, as on a full disk.
    """
    paths = list(paths)
    try:
        room.mkdir(exist_ok=True)
        kept = {path: _kept(path, room / str(number)) for number, path in enumerate(paths)}
        old_link = None
        if environments.linked(link):
            old_link = room / "link"
            old_link.symlink_to(link.readlink())
    except OSError as error:
        raise RunError(f"cannot write in {room}: {error.strerror}", environments.ROOM) from error
    missing = {folder for path in paths for folder in path.parents if not folder.exists()}
    return Before(room, kept, link, old_link, tuple(sorted(missing)))


def _kept(path: Path, name: Path) -> Path | None:
    if not path.is_file():
        return None
    # A hard link: moving it back needs no room. A file's replacement is a new file, so this one keeps its content.
    with contextlib.suppress(OSError):
        os.link(path.resolve(), name)
        return name
    beside = files.temporary_name(path.resolve())  # /opt is another file system than /etc
    try:
        os.link(path.resolve(), beside)
    except OSError:  # a file system without hard links
        shutil.copy2(path, beside)
    return beside


def forget(before: Before) -> None:
    """Remove what was kept.

    Raises:
        OSError: it cannot be removed.
    """
    for kept in filter(None, before.files.values()):
        kept.unlink(missing_ok=True)
    environments.delete(before.room)


def content(path: Path) -> bytes | None:
    """Return what a file holds; None if there is none."""
    return path.read_bytes() if path.is_file() else None


def put_back(before: Before, written: Mapping[Path, bytes | None]) -> Iterator[Attempt]:
    """Yield what there is to do, each with the words for a message should it fail; links and files first of all.

    Only files that still have the content this installation wrote are touched: the user may have changed others since.

    Args:
        before: what was kept.
        written: what was written to each file, None if it was removed.
    """
    yield f"link {before.link}", lambda: _link_back(before)
    for path, new in written.items():
        if content(path) == new:
            yield f"restore {path}", lambda path=path: _file_back(path, before.files[path])  # type: ignore[misc]
    for folder in reversed(before.missing):
        yield f"remove {folder}", lambda folder=folder: drop(folder)  # type: ignore[misc]


def _link_back(before: Before) -> None:
    if before.old_link is None:
        if environments.linked(before.link):
            before.link.unlink()
    elif before.old_link.is_symlink():
        environments.put_back(before.old_link, before.link)


def _file_back(path: Path, kept: Path | None) -> None:
    if kept is None:
        path.unlink(missing_ok=True)
        return
    environments.put_back(kept, path.resolve())


def drop(folder: Path) -> None:
    """Remove a folder if it is empty."""
    with contextlib.suppress(FileNotFoundError):
        if not any(folder.iterdir()):
            folder.rmdir()


def attempt(steps: Iterable[Attempt]) -> list[str]:
    """Do each of several things, whether the others fail or not; return what could not be done, and why."""
    failures = []
    for name, do in steps:
        try:
            do()
        except OSError as error:
            failures.append(f"cannot {name}: {error.strerror}")
        except EdgeAppError as error:
            failures.append(f"cannot {name}: {error.what}")
    return failures
