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
        if gap:
            fields["gap"] = gap
        jump_s = 0.0 if self._offset_s is None else _offset_s(result) - self._offset_s
        if abs(jump_s) > WORTH_TELLING_S:
            fields["clock_jump_s"] = round(jump_s, 3)
        return fields

    def written(self, result: Result) -> None:
        """Note that a result was written together with its extra fields."""
        self._lost = self._torn_bytes = 0
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
