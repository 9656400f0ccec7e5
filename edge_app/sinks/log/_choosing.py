"""Which results a log keeps."""

from __future__ import annotations

from edge_app.records import Result
from edge_app.settings.choices import LogWhen


class Chooser:
    """Decides which results are written.

    Args:
        when: see `choices.LogWhen`.
        period_s: seconds between lines with "periodic", and the longest pause between lines with "change".
    """

    def __init__(self, when: LogWhen, period_s: float) -> None:
        self._when, self._period_s = when, period_s
        self._last: tuple[str, str | None] | None = None  # state and label of the last due result, written or not
        self._last_s = 0.0
        self._is_missing = False

    def wants(self, result: Result) -> bool:
        """Return whether to write a result: it is due, or it can report a line that is missing before it."""
        return self._is_missing or self._is_due(result)

    def remember(self, result: Result) -> None:
        """Note that a result was written."""
        self._last, self._last_s = (result.verdict.state, result.verdict.label), result.done_s
        self._is_missing = False

    def miss(self, result: Result) -> bool:
        """Note that a result could not be written; return whether it was due itself, and so is a missing line."""
        is_due = self._is_due(result)
        if is_due:
            self.remember(result)
        self._is_missing = True
        return is_due

    def _is_due(self, result: Result) -> bool:
        if self._when == "every" or self._last is None or result.done_s - self._last_s >= self._period_s:
            return True
        return self._when == "change" and self._last != (result.verdict.state, result.verdict.label)
