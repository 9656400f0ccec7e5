"""What a reader of the log must know besides the results: lines left out or lost, and a clock that was set."""

from __future__ import annotations

from typing import Any

from edge_app.metering import RANKS, LatencyMeter, Stages
from edge_app.records import Result

WORTH_TELLING_S = 1.0  # NTP's steps are larger, its slewing is not.
LATENCIES = 1800  # percentiles between two lines cover at most this many results


class Ledger:
    """Counts what happens between two written lines.

    Args:
        stages: stage times of the last minute, reported with a summary of unwritten results; None if all are written.
        period_s: seconds between two reports of the stages.
    """

    def __init__(self, stages: Stages | None, period_s: float) -> None:
        self._stages, self._period_s = stages, period_s
        self._stages_told_s: float | None = None
        self._classified, self._latencies = 0, LatencyMeter(LATENCIES)
        self._torn_bytes = 0
        self._lost = 0
        self._lost_since_s = 0.0
        self._unseen: list[float] = []  # `done_s` of the lines since the file was last seen at its place
        self._taken: str | None = None
        self._offset_s: float | None = None  # wall clock less monotonic clock

    def saw(self, result: Result) -> None:
        """Count a result, written or not."""
        if self._stages_told_s is None:
            self._stages_told_s = result.done_s
        if self._stages is not None and result.verdict.state != "outage":
            self._classified += 1
            self._latencies.add(result.latency_ms)

    def torn(self, size: int) -> None:
        """Count the bytes of half a line that was cut off."""
        self._torn_bytes += size

    def seen(self) -> None:
        """Note that the file lies where it was opened, and so do the lines in it."""
        self._unseen.clear()

    def taken(self, how: str) -> None:
        """Note what another program did to the file; the lines written since it was last seen went with it."""
        self._taken = how
        # A file that was moved away has kept them; of one that was truncated, the last ones may have been kept.
        if how != "moved" and self._unseen:
            self._lost_since_s = min(self._unseen[0], self._lost_since_s if self._lost else self._unseen[0])
            self._lost += len(self._unseen)
        self._unseen.clear()

    def found(self, result: Result) -> int:
        """Take back that a result was lost, as it is about to be written; return how many were lost with it."""
        lost, self._lost = self._lost, self._lost - 1
        return lost

    def lost(self, result: Result) -> None:
        """Count a line that could not be written."""
        if not self._lost:
            self._lost_since_s = result.done_s
        self._lost += 1

    def owed(self, result: Result) -> dict[str, Any]:
        """Return the extra fields for a result's line."""
        fields: dict[str, Any] = {}
        if self._classified:
            ranks = zip(RANKS, self._latencies.percentiles(*RANKS), strict=True)
            latencies = {f"latency_p{rank}_ms": round(value, 3) for rank, value in ranks}
            fields["since_last"] = {"classified": self._classified, **latencies}
        if self._are_stages_due(result) and (stages := self._stages_of_the_last_minute()):
            fields["last_minute"] = stages
        gap: dict[str, Any] = {}
        if self._lost:
            gap |= {"lines": self._lost, "seconds": round(result.done_s - self._lost_since_s, 3)}
        if self._torn_bytes:
            gap["torn_bytes"] = self._torn_bytes
        if self._taken:
            gap["file"] = self._taken
        if gap:
            fields["gap"] = gap
        jump_s = 0.0 if self._offset_s is None else _offset_s(result) - self._offset_s
        if abs(jump_s) > WORTH_TELLING_S:
            fields["clock_jump_s"] = round(jump_s, 3)
        return fields

    def written(self, result: Result) -> None:
        """Note that a result was written together with its extra fields."""
        self._lost = self._torn_bytes = 0
        self._taken = None
        self._unseen.append(result.done_s)
        self._offset_s = _offset_s(result)
        if self._classified:
            self._classified, self._latencies = 0, LatencyMeter(LATENCIES)
        if self._are_stages_due(result):
            self._stages_told_s = result.done_s

    def _are_stages_due(self, result: Result) -> bool:
        return self._stages_told_s is not None and result.done_s - self._stages_told_s >= self._period_s

    def _stages_of_the_last_minute(self) -> dict[str, list[float]]:
        found = self._stages.percentiles() if self._stages is not None else {}
        return {stage: [round(value, 3) for value in values] for stage, values in found.items()}


def _offset_s(result: Result) -> float:
    return result.captured_unix_s - result.captured_s
