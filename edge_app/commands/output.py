"""The output of commands: a progress bar while they run, then text, JSON or a page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge_app.errors import RunError, StartError, one_line
from edge_app.system import files


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[int], Any]]:
    """Yield a function to call with the number of pictures just done; it draws a bar if stderr is a terminal."""
    from tqdm import tqdm

    with tqdm(total=total, desc=title, unit="img", disable=None, leave=False) as bar:
        yield bar.update


_ELSEWHERE = "name another file, in a folder that you may write to and that has room"


@contextmanager
def file_to(target: str | Path | None) -> Iterator[Callable[[str | bytes], None] | None]:
    """Yield a function that writes to a file or, for "-", text to stdout; None without a target.

    An unwritable file is reported at once, not after the work. The old file is replaced only when the new one is
    whole: see `files.replacing`.

    Raises:
        StartError: the file cannot be opened.
        RunError: writing fails later, as on a full disk.
    """
    if target is None:
        yield None
        return
    if str(target) == "-":
        yield lambda content: print(content, end="")
        return
    path = Path(target)
    try:
        files.check(path)
    except OSError as error:
        raise StartError(f"cannot write {target}: {_why(error)}", _ELSEWHERE) from error
    yield lambda content: _write(path, content)


def _write(path: Path, content: str | bytes) -> None:
    try:
        files.write(path, content)
    except OSError as error:
        raise RunError(f"cannot write {path}: {_why(error)}", _ELSEWHERE) from error


def _why(error: OSError) -> str:
    # strerror is None in an OSError that was raised with only a message.
    return "it is a folder" if isinstance(error, IsADirectoryError) else error.strerror or one_line(error)


@contextmanager
def json_to(target: str | None) -> Iterator[Callable[[object], None] | None]:
    """Yield a function that writes one object as JSON. See `file_to`."""
    with file_to(target) as write:
        yield None if write is None else lambda value: write(json.dumps(value, indent=2) + "\n")
