"""Results as JSON lines in a file, or on stdout with `log:-`. One `write` a line; the schema is in docs/results.md."""

from __future__ import annotations

import json
import logging
import os
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from edge_app.errors import SinkError, StartError
from edge_app.records import Picture, Result
from edge_app.sinks._base import Request, Sink, When

logger = logging.getLogger(__name__)


def connect(request: Request) -> Sink:
    """Open the log.

    Raises:
        StartError: the file cannot be written; it is named.
    """
    return Log(request)


class Log:
    """Appends one JSON object a line, and rotates FILE to FILE.1, FILE.2, ... before it grows too large."""

    wants_picture = False

    def __init__(self, request: Request) -> None:
        self._request = request
        self._path = None if request.argument in ("-", "") else Path(request.argument)
        self.name = f"log {self._path or 'on stdout'}"
        self._chosen = Chooser(request.when, request.period_s)
        self._descriptor = -1
        try:
            self._descriptor = self._open()
        except OSError as error:
            raise StartError(
                f"cannot write the log {self._path}: {error.strerror}; choose another file with --log"
            ) from error

    def emit(self, result: Result, picture: Picture | None) -> None:
        """Write the result if it is one of those wanted."""
        if not self._chosen.wants(result):
            return
        line = (json.dumps(to_json(result), ensure_ascii=False, separators=(",", ":")) + "\n").encode()
        try:
            self._rotate_before(len(line))
            self._write(line)
        except BrokenPipeError:
            self._request.stop.set()  # Whoever read stdout has gone, as in "| head": nothing is left to do.
        except OSError as error:
            raise SinkError(error.errno, f"cannot write {self._path or 'stdout'}: {error.strerror}") from error

    def close(self) -> None:
        """Close the file; stdout stays open."""
        if self._path is not None and self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _open(self) -> int:
        if self._path is None:
            return 1
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        torn = cut_torn_tail(descriptor)
        if torn:
            logger.warning("%s ended in half a line (%d bytes, lost power?); cut off", self._path, torn)
        return descriptor

    def _write(self, line: bytes) -> None:
        if self._descriptor < 0:
            self._descriptor = self._open()
        written = os.write(self._descriptor, line)
        if written < len(line):
            # A full disk takes part of a line: take it back, so that every line in the file is whole.
            if self._path is not None:
                os.ftruncate(self._descriptor, os.fstat(self._descriptor).st_size - written)
            raise SinkError(28, "cannot write the whole line: no space left")

    def _rotate_before(self, coming: int) -> None:
        if self._path is None or self._descriptor < 0:
            return
        if os.fstat(self._descriptor).st_size + coming <= self._request.max_bytes:
            return
        os.close(self._descriptor)
        self._descriptor = -1
        names = [self._path, *(self._path.with_name(f"{self._path.name}.{n + 1}") for n in range(self._request.keep))]
        for older, newer in reversed(list(zip(names[1:], names, strict=False))):
            if newer.exists():
                newer.replace(older)
        if not self._request.keep:
            self._path.unlink()


class Chooser:
    """Which results are written.

    Args:
        when: see `Request.when`.
        period_s: of "periodic" and of the heartbeat of "change".
    """

    def __init__(self, when: When, period_s: float) -> None:
        self._when, self._period_s = when, period_s
        self._last: tuple[str, str | None] | None = None
        self._written_s = 0.0

    def wants(self, result: Result) -> bool:
        """Say whether this one is written, and remember it if so."""
        if self._when == "every":
            return True
        current = result.verdict.state, result.verdict.label
        is_due = self._last is None or result.done_s - self._written_s >= self._period_s
        if not is_due and (self._when == "periodic" or current == self._last):
            return False
        self._last, self._written_s = current, result.done_s
        return True


def cut_torn_tail(descriptor: int) -> int:
    """Cut what follows the last newline off a file; return how many bytes that was.

    A lost line end is the mark of a lost write; what was appended after it would be unreadable too.
    """
    size = os.fstat(descriptor).st_size
    start = size
    while start > 0:
        begin = max(0, start - 65536)
        end_of_line = os.pread(descriptor, start - begin, begin).rfind(b"\n")
        if end_of_line >= 0:
            start = begin + end_of_line + 1
            break
        start = begin
    if start < size:
        os.ftruncate(descriptor, start)
    return size - start


def to_json(result: Result) -> dict[str, Any]:
    """Return a result as the documented object. Probabilities keep 4 decimals, milliseconds 3."""
    verdict = result.verdict
    line: dict[str, Any] = {
        "time": _rfc3339(result.captured_unix_s),
        "mono_s": round(result.captured_s, 6),
        "boot_id": boot_id(),
        "source": result.source,
        "frame": result.frame,
        "state": verdict.state,
        "label": verdict.label,
        "confidence": None if verdict.confidence is None else round(verdict.confidence, 4),
        "top": [[label, round(probability, 4)] for label, probability in verdict.top],
        "latency_ms": round(result.latency_ms, 3),
        "age_ms": round((_now_s() - result.captured_s) * 1e3, 3),
        "fps": round(result.fps, 2),
        "dropped": result.dropped,
    }
    optional = {"name": result.name, "truth": result.truth, "reason": result.reason}
    return line | {key: value for key, value in optional.items() if value is not None}


def _now_s() -> float:
    import time

    return time.monotonic()


def _rfc3339(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@cache
def boot_id() -> str | None:
    """Return the kernel's id of this boot; monotonic times compare only within one. None where there is none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
