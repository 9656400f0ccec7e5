"""Where the figures of a command go: a progress bar while they come, then text, JSON or a page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge_app.errors import StartError


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[int], Any]]:
    """Give a function to be told how many pictures have been done; it draws a bar where stderr is a terminal."""
    from tqdm import tqdm

    with tqdm(total=total, desc=title, unit="img", disable=None, leave=False) as bar:
        yield bar.update


@contextmanager
def file_to(target: str | Path | None) -> Iterator[Callable[[str], None] | None]:
    """Give a function that writes text to a file or, for "-", to stdout; None where nothing is wanted.

    The file is opened at once: one that cannot be written is found before the work, not after it.

    Raises:
        StartError: it cannot be opened or written.
    """
    if target is None:
        yield None
    elif str(target) == "-":
        yield lambda text: print(text, end="")
    else:
        try:
            with Path(target).open("w", encoding="utf-8") as file:
                yield lambda text: print(text, end="", file=file)
        except OSError as error:
            raise StartError(f"cannot write {target}: {error.strerror}") from error


@contextmanager
def json_to(target: str | None) -> Iterator[Callable[[object], None] | None]:
    """Give a function that writes one object as JSON. See `file_to`."""
    with file_to(target) as write:
        yield None if write is None else lambda value: write(json.dumps(value, indent=2) + "\n")
