"""What a reader of the log has to know beside the results: what was left out or is missing, a clock that was set."""

from __future__ import annotations

from typing import Any

from edge_app.metering import RANKS, LatencyMeter, Stages
from edge_app.records import Result

WORTH_TELLING_S = 1.0  # NTP's steps are larger, its slewing is not.
LATENCIES = 1800  # of this many results the percentiles between two lines are told


class Ledger:
    """Keeps count between two written lines.

    Args:
        stages: of the last minute; None where every result is written. Else the next line sums up those left out.
        period_s: how often the stages are told.
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
        """Take note of a result, written or not."""
        if self._stages_told_s is None:
            self._stages_told_s = result.done_s
        if self._stages is not None and result.verdict.state != "outage":
            self._classified += 1
            self._latencies.add(result.latency_ms)

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
        """Take note that a result was written, and with it what was owed."""
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
