"""Where the figures of a command go: a progress bar while they come, then text, JSON or a page."""

from __future__ import annotations

import json
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
def file_to(target: str | Path | None) -> Iterator[Callable[[str], None] | None]:
    """Give a function that writes text to a file or, for "-", to stdout; None where nothing is wanted.

    A file is begun beside its place at once, so that one that cannot be written is found before the work, and takes
    its place when all is written: what was there before is never lost to half a report.

    Raises:
        StartError: it cannot be opened.
        RunError: it cannot be written to the end.
    """
    if target is None:
        yield None
        return
    if str(target) == "-":
        yield lambda text: print(text, end="")
        return
    path = Path(target)
    if path.exists() and not path.is_file():  # a pipe, a device: nothing to be replaced
        yield lambda text: _write(path, text)
        return
    new = path.with_name(f"{path.name}.new")
    try:
        new.touch()
    except OSError as error:
        raise StartError(f"cannot write {target}: {error.strerror}") from error
    try:
        yield lambda text: _write(new, text)
        if new.stat().st_size:
            new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror}") from error


@contextmanager
def json_to(target: str | None) -> Iterator[Callable[[object], None] | None]:
    """Give a function that writes one object as JSON. See `file_to`."""
    with file_to(target) as write:
        yield None if write is None else lambda value: write(json.dumps(value, indent=2) + "\n")
