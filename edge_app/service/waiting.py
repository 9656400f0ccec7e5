"""Waits for a camera that is not there yet: a service waits where a run from the command line gives up."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

from edge_app.errors import CameraHung, SourceError
from edge_app.records import Frame, Outage
from edge_app.secret import Secret
from edge_app.sources import Closeable, Source

log = logging.getLogger(__name__)

BACKOFF_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
SETTLING_S = 0.5  # Only root may open a new device node until udev has handled it.
PERIOD_S = 1.0  # Between two outages.
QUIET_S = 3.0  # The first attempt counts as an outage only after this long.
POLL_S = 0.25
HUNG_S = 90.0  # Longer than any attempt that ends by itself.
CLOSE_S = 0.5  # How long closing waits for an attempt to end; see `sources._live.CLOSE_S`.
DEVICES = Path("/dev")


class PatientSource(Closeable):
    """A `Source` that tries to connect until it succeeds; until then it yields outages.

    Attempts become rarer, down to one in 30 s. When a device node appears or vanishes, the next attempt follows soon
    and attempts become frequent again, as udev may still be busy. Each runs in its own thread, as opening may block.
    A source that is never closed is closed when it is collected or the interpreter exits, like `LiveSource`.

    Args:
        text: selects the source; names and messages show it without passwords.
        connect: opens the source.
        stop: set to end.
        clock: monotonic seconds.

    Raises:
        UsageError: no source has that name.
        DependencyMissing: a package for it is not installed.
        CameraHung: an attempt hangs.
    """

    is_live = True

    def __init__(
        self,
        text: Secret | str,
        connect: Callable[[], Source],
        stop: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._text, self._connect, self._stop, self._clock = str(Secret.of(text)), connect, stop, clock
        self._source: Source | None = None
        self._attempts: list[_Attempt] = []  # empty, or only the last attempt
        self._begun_s = clock()
        self._reason = "opening the camera"
        self._finalizer = weakref.finalize(self, _give_back, self._attempts)

    @property
    def name(self) -> str:
        """The source's name; until it is open, the string that selects it, without passwords."""
        return self._source.name if self._source else self._text

    @property
    def is_sequence(self) -> bool:
        """Whether smoothing makes sense; True, as for a camera, until the source is open."""
        return self._source.is_sequence if self._source else True

    @property
    def dropped(self) -> int:
        """Frames lost so far."""
        return self._source.dropped if self._source else 0

    def __iter__(self) -> Iterator[Frame | Outage]:
        """Yield outages until the source is open, then its items."""
        failures, quiet_s = 0, QUIET_S
        while self._source is None and self._finalizer.alive and not self._stop.is_set():
            nodes = _nodes()  # before the attempt: a device that appears during it counts as a change
            attempt = _Attempt(self._connect)
            self._attempts[:] = [attempt]
            yield from self._outages_until(attempt.done.is_set, quiet_s)
            if attempt.done.is_set():
                self._source = attempt.source
                self._blame(attempt.error)
            if self._source is None:
                pause = _Pause(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)], nodes, self._clock)
                yield from self._outages_until(pause.is_over)
                failures, quiet_s = 0 if pause.has_changed else failures + 1, 0.0
        if self._source is not None:
            yield from self._source

    def close(self) -> None:
        """Close the source, or the one that a running attempt may still open."""
        self._finalizer()

    def _blame(self, error: Exception | None) -> None:
        if error is None:
            return
        if not isinstance(error, SourceError):
            raise error
        if str(error) != self._reason:
            log.warning("%s: %s; waiting for it", self._text, error)
        self._reason = str(error)

    def _outages_until(self, is_over: Callable[[], bool], quiet_s: float = 0.0) -> Iterator[Outage]:
        begun_s = self._clock()
        due_s = begun_s + quiet_s
        while not is_over() and self._finalizer.alive and not self._stop.wait(POLL_S):
            now_s = self._clock()
            if now_s - begun_s > HUNG_S:
                raise CameraHung(
                    f"{self._text}: opening it has not ended for {now_s - begun_s:.0f} s",
                    "only a new process helps (the service starts one by itself)",
                )
            if now_s >= due_s:
                due_s = now_s + PERIOD_S
                yield Outage(self._reason, self._begun_s, now_s)


class _Pause:
    """The pause between two attempts; a device that appears or vanishes shortens it to `SETTLING_S`.

    Args:
        length_s: seconds, if no device changes.
        nodes: the device nodes before the last attempt.
        clock: monotonic seconds.

    Attributes:
        has_changed: whether a device appeared or vanished.
    """

    def __init__(self, length_s: float, nodes: frozenset[str], clock: Callable[[], float]) -> None:
        self._clock, self._ends_s, self._nodes = clock, clock() + length_s, nodes
        self.has_changed = False

    def is_over(self) -> bool:
        """Check the devices and the clock; return whether the pause is over."""
        if self._nodes != (found := _nodes()):
            self._nodes, self.has_changed = found, True
            self._ends_s = min(self._ends_s, self._clock() + SETTLING_S)
        return self._clock() >= self._ends_s


class _Attempt:
    """One attempt to connect, in a thread."""

    def __init__(self, connect: Callable[[], Source]) -> None:
        self.done = threading.Event()
        self.source: Source | None = None
        self.error: Exception | None = None
        # Reentrant: the garbage collector may call `give_back` in a thread that already holds the lock.
        self._lock, self._is_unwanted = threading.RLock(), False
        self._thread = threading.Thread(target=self._run, args=(connect,), name="connect", daemon=True)
        self._thread.start()

    def _run(self, connect: Callable[[], Source]) -> None:
        try:
            source = connect()
        except Exception as error:  # noqa: BLE001  # raised again in `_blame`
            self.error = error
        else:
            # Both sides set their own mark before they read the other's, so one of them always closes the source.
            with self._lock:
                self.source = source
            if self._is_unwanted:
                source.close()
        self.done.set()

    def give_back(self) -> None:
        """Close the source, now or as soon as it is open."""
        with self._lock:
            self._is_unwanted = True
            source = self.source
        if source is not None:
            source.close()
        # The collector may call this in the attempt's own thread, and a thread that joins itself raises RuntimeError.
        if self._thread is not threading.current_thread():
            self._thread.join(CLOSE_S)


def _give_back(attempts: list[_Attempt]) -> None:
    """Close what the last attempt opened. A reference to the `PatientSource` would keep it from being collected."""
    for attempt in attempts:
        attempt.give_back()


def _nodes() -> frozenset[str]:
    try:
        return frozenset(node.name for node in DEVICES.iterdir())
    except OSError:
        return frozenset()
