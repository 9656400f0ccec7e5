"""Notifications to systemd: ready, the service's state, progress for the watchdog. See sd_notify(3)."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence

from edge_app.metering import STAGES, TOTAL, Stages
from edge_app.records import Picture, Result
from edge_app.secret import scrubbed
from edge_app.sinks import Guard
from edge_app.system.wording import counted

log = logging.getLogger(__name__)

DEGRADED = "degraded"  # the status starts with this word while there is no picture
STATUS_PERIOD_S = 10.0  # for figures; a change of state is sent at once


class Notifier:
    """A sink that notifies systemd; it does nothing if systemd did not start the process.

    Only `progress`, which the loop calls for each item of its source, feeds the watchdog. A thread would go on feeding
    it while the loop hangs in a camera, a model or a sink.

    Args:
        environment: holds NOTIFY_SOCKET and WATCHDOG_USEC if systemd started the process.
        clock: monotonic seconds.
    """

    name = "systemd"
    wants_picture = False

    def __init__(
        self, environment: Mapping[str, str] = os.environ, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._guards: Sequence[Guard] = ()
        self._clock = clock
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        # Half, as sd_watchdog_enabled(3) recommends: one late or lost message must not get the service killed.
        self._interval_s = _watchdog_s(environment) / 2
        # Not 0: the monotonic clock starts near 0 at boot, and the first message would then have to wait.
        self._fed_s = self._sent_s = -self._interval_s - STATUS_PERIOD_S
        self._state = ""
        self._stages = Stages()
        self._is_ready = False
        self._is_reloading = False

    def watch(self, guards: Sequence[Guard], stages: Stages) -> None:
        """Set the sinks whose failures, and the stages whose times, appear in the status. A reload ends here."""
        self._guards, self._stages = guards, stages
        self.reloaded()

    def reloading(self) -> None:
        """Tell systemd that a reload has begun; before the service is ready there is nothing to tell."""
        if self._is_ready and not self._is_reloading:
            self._is_reloading = True
            # Of the reload's begin, on the monotonic clock: systemd tells one reload from the next by it.
            self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def reloaded(self) -> None:
        """Note that a reload has ended, taken over or refused; the next result tells systemd."""
        if self._is_reloading:
            self._is_reloading = self._is_ready = False
            self._state = ""

    def progress(self) -> None:
        """Feed the watchdog, every half of its interval."""
        now_s = self._clock()
        if self._interval_s and now_s - self._fed_s >= self._interval_s:
            self._send("WATCHDOG=1")
            self._fed_s = now_s

    def emit(self, result: Result, picture: Picture | None) -> None:
        """Send READY at the first result, outages included, and the status when it changes or its figures are old."""
        if not self._address:
            return
        now_s = self._clock()
        state = f"{result.verdict.state} {[guard.problem for guard in self._guards]}"
        if state == self._state and now_s - self._sent_s < STATUS_PERIOD_S:
            return
        self._state, self._sent_s = state, now_s
        problems = [f"{guard.name}: {guard.problem}" for guard in self._guards if guard.problem]
        status = "; ".join([describe(result, self._stages.percentiles()), *problems])
        is_due = not self._is_ready and not self._is_reloading
        is_sent = self._send(*(["READY=1"] if is_due else []), f"STATUS={status}")
        self._is_ready = self._is_ready or (is_due and is_sent)

    def say(self, status: str) -> None:
        """Set the status until the next result."""
        self._send(f"STATUS={status}")
        self._state = ""

    def close(self) -> None:
        """Tell systemd that the service is stopping."""
        self._send("STOPPING=1")

    def _send(self, *assignments: str) -> bool:
        if not self._address:
            return False
        # Reasons and labels come from drivers, servers and model files: a newline in one would start an assignment.
        text = scrubbed("\n".join("".join(c if c.isprintable() else "?" for c in each) for each in assignments))
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.setblocking(False)  # classification must not wait for systemd
                channel.sendto(text.encode(errors="replace"), self._address)
        except OSError as error:  # systemd is busy; the watchdog allows another half interval
            log.info("cannot notify systemd: %s", error)
            return False
        return True


def describe(result: Result, last_minute: Mapping[str, Sequence[float]]) -> str:
    """Describe the newest result and the times of the last minute's frames, for `systemctl status`.

    Args:
        result: the newest.
        last_minute: from `metering.Stages.percentiles`.
    """
    verdict = result.verdict
    if verdict.state == "outage":
        return f"{DEGRADED}, no picture from {result.source}: {result.reason}"
    seen = verdict.label if verdict.label is not None else "unknown"
    dropped = f", {counted(result.dropped, 'frame')} dropped" if result.dropped else ""
    return f"{result.source}: {seen}, {result.fps:.1f} classifications/s{_times(last_minute)}{dropped}"


def _times(last_minute: Mapping[str, Sequence[float]]) -> str:
    if not last_minute:
        return ""
    total = " ".join(f"{name} {value:.1f}" for name, value in zip(_NAMES, last_minute[TOTAL], strict=True))
    medians = {stage: last_minute[stage][0] for stage in STAGES}
    shown = ", ".join(f"{stage} {value:.1f}" for stage, value in medians.items() if value >= _WORTH_SHOWING_MS)
    return f", a frame takes {total} ms" + (f" ({shown})" if shown else "")


_NAMES = ("p50", "p90", "p99", "max")
_WORTH_SHOWING_MS = 0.05


def _address(path: str) -> str:
    # A leading @ stands for the NUL of an abstract socket, sd_notify(3); sent as it is, it would name a file.
    return f"\0{path[1:]}" if path.startswith("@") else path


def _watchdog_s(environment: Mapping[str, str]) -> float:
    """Return the watchdog's interval in seconds; 0 without one, or if it is for another process."""
    # Child processes inherit the variables, but systemd expects messages only from the process named there.
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    microseconds = environment.get("WATCHDOG_USEC", "")
    return int(microseconds) / 1e6 if microseconds.isdigit() else 0.0
