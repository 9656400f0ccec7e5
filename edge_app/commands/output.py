"""Where the figures of a command go: a progress bar while they come, then text, JSON or a page."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge_app.errors import RunError, StartError


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[int], Any]]:
    """Give a function to be told how many pictures have been done; it draws a bar where stderr is a terminal."""
    from tqdm import tqdm

    with tqdm(total=total, desc=title, unit="img", disable=None, leave=False) as bar:
        yield bar.update


@contextmanager
def file_to(target: str | Path | None) -> Iterator[Callable[[str | bytes], None] | None]:
    """Give a function that writes to a file or, for "-", text to stdout; None where nothing is wanted.

    That it can be written is tried at once, not found out after the work. It is written beside its place and moved
    there when it is whole: what was there before is never lost to half a report.

    Raises:
        StartError: it cannot be opened.
        RunError: it cannot be written to the end.
    """
    if target is None:
        yield None
        return
    if str(target) == "-":
        yield lambda content: print(content, end="")
        return
    path = Path(target)
    if path.is_dir():
        raise StartError(f"cannot write {target}: it is a folder")
    if path.exists() and not path.is_file():  # a pipe, a device: nothing to be replaced
        yield lambda content: _write(path, content)
        return
    try:
        _new_beside(path).unlink()
    except OSError as error:
        raise StartError(f"cannot write {target}: {error.strerror}") from error
    yield lambda content: _replace(path, content)


def _new_beside(path: Path) -> Path:
    new = path.with_name(f".{path.name}-{os.getpid()}")  # nobody else's, whatever lies there
    new.touch()
    return new


def _replace(path: Path, content: str | bytes) -> None:
    try:
        new = _new_beside(path)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror}") from error
    try:
        _write(new, content)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def _write(path: Path, content: str | bytes) -> None:
    try:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror}") from error


@contextmanager
def json_to(target: str | None) -> Iterator[Callable[[object], None] | None]:
    """Give a function that writes one object as JSON. See `file_to`."""
    with file_to(target) as write:
        yield None if write is None else lambda value: write(json.dumps(value, indent=2) + "\n")
