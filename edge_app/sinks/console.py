"""The live status line on a terminal's stderr; silent when piped."""

from __future__ import annotations

import shutil
import sys

from edge_app.metering import LatencyMeter
from edge_app.records import Picture, Result
from edge_app.sinks._contract import Destination, Sink
from edge_app.system.wording import printable

REFRESH_S = 0.1


def connect(destination: Destination) -> Sink:
    """Make the status line."""
    return Console()


class Console:
    """Rewrites one line at most ten times a second."""

    name = "console"
    wants_picture = False

    def __init__(self) -> None:
        # Not stdout, which carries the results with `--log -`.
        self._is_terminal = sys.stderr.isatty()
        self._shown_s = 0.0
        self._latencies = LatencyMeter()

    def emit(self, result: Result, picture: Picture | None) -> None:
        """Show the result."""
        if not self._is_terminal:
            return
        if result.verdict.state != "outage":
            self._latencies.add(result.latency_ms)
        if result.done_s - self._shown_s >= REFRESH_S:
            self._shown_s = result.done_s
            # One column less: a full line may wrap, and \r would then return only to its last row.
            width = shutil.get_terminal_size().columns - 1
            median, slow = self._latencies.percentiles(50, 99)
            line = status_line(result, median, slow)[:width]
            # Labels and reasons come from model files and servers: they must not send control codes to the terminal.
            sys.stderr.write(f"\r\x1b[K{printable(line)}")
            sys.stderr.flush()

    def close(self) -> None:
        """End the status line, so that it stays on the screen."""
        if self._is_terminal and self._shown_s:
            sys.stderr.write("\n")
            # `close` may come twice, and must end the line only once.
            self._shown_s = 0.0


def status_line(result: Result, median_ms: float, slow_ms: float) -> str:
    """Describe a result, with the median and 99th percentile of the recent latencies."""
    verdict = result.verdict
    if verdict.state == "outage":
        return f"no picture: {result.reason}"
    if verdict.label is not None and verdict.confidence is not None:
        seen = f"{verdict.label} {verdict.confidence:.0%}"
    else:
        seen = f"unknown ({verdict.top[0][0]}? {verdict.top[0][1]:.0%})"
    dropped = f"  dropped {result.dropped}" if result.dropped else ""
    return f"{seen:<24} {result.fps:5.1f} fps  latency p50 {median_ms:.1f} p99 {slow_ms:.1f} ms{dropped}"
