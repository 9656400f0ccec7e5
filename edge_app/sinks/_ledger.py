"""What a reader of the log has to know beside the results: lines that are missing, and a clock that was set."""

from __future__ import annotations

from typing import Any

from edge_app.records import Result

WORTH_TELLING_S = 1.0  # NTP's steps are larger, its slewing is not.


class Ledger:
    """Keeps count between two written lines.

    Args:
        torn_bytes: what was cut off the end of the file.
    """

    def __init__(self, torn_bytes: int = 0) -> None:
        self._torn_bytes = torn_bytes
        self._lost = 0
        self._lost_since_s = 0.0
        self._offset_s: float | None = None  # wall clock less monotonic clock

    def torn(self, size: int) -> None:
        """Take note of half a line that was cut off."""
        self._torn_bytes += size

    def lost(self, result: Result) -> None:
        """Take note of a line that could not be written."""
        if not self._lost:
            self._lost_since_s = result.done_s
        self._lost += 1

    def owed(self, result: Result) -> dict[str, Any]:
        """Return the fields that the line of a result has to carry."""
        fields: dict[str, Any] = {}
        gap: dict[str, Any] = {}
        if self._lost:
            gap |= {"lines": self._lost, "seconds": round(result.done_s - self._lost_since_s, 3)}
        if self._torn_bytes:
            gap["torn_bytes"] = self._torn_bytes
        if gap:
            fields["gap"] = gap
        jump_s = 0.0 if self._offset_s is None else _offset_s(result) - self._offset_s
        if abs(jump_s) > WORTH_TELLING_S:
            fields["clock_jump_s"] = round(jump_s, 3)
        return fields

    def written(self, result: Result) -> None:
        """Take note that a result was written, and with it what was owed."""
        self._lost = self._torn_bytes = 0
        self._offset_s = _offset_s(result)


def _offset_s(result: Result) -> float:
    return result.captured_unix_s - result.captured_s
