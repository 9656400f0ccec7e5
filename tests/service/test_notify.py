"""Messages to systemd, on a real datagram socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge_app.errors import SinkError
from edge_app.metering import Stages
from edge_app.records import Picture, Result
from edge_app.service.notify import STATUS_PERIOD_S, Notifier, describe
from edge_app.sinks import Guard
from tests.results import OUTAGE, UNKNOWN, result


class Systemd:
    """The other end of NOTIFY_SOCKET, and the clock."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)
        self.environment = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "20000000"}
        self.now_s = 1000.0
        self.stages = Stages(clock=lambda: self.now_s)

    def heard(self) -> list[str]:
        """Return what has come since the last time, one text for each datagram."""
        texts = []
        while True:
            try:
                texts.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return texts

    def notifier(self, *guards: Guard) -> Notifier:
        """Make the end of the service."""
        made = Notifier(self.environment, lambda: self.now_s)
        made.watch(guards, self.stages)
        return made

    def frame(self, took_s: float) -> None:
        """Let a frame take so long, half of it in the network."""
        self.stages.begin(self.now_s)
        for stage in ("invoke", "sinks"):
            self.now_s += took_s / 2
            self.stages.lap(stage)
        self.stages.end()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    """Listen as systemd does."""
    listening = Systemd(tmp_path / "notify")
    yield listening
    listening.socket.close()


def test_ready_comes_with_the_first_result_and_once(systemd: Systemd) -> None:
    """READY=1 with a status at the first result; later only the status, and STOPPING=1 at the end."""
    notifier = systemd.notifier()
    assert systemd.heard() == []
    notifier.emit(result(fps=29.97), None)
    systemd.frame(0.02)
    systemd.frame(0.04)
    notifier.emit(result(UNKNOWN), None)
    notifier.close()
    ready, status, stopping = systemd.heard()
    assert ready == "READY=1\nSTATUS=toy: cat, 30.0 classifications/s"
    times = "a frame takes p50 30.0 p90 38.0 p99 39.8 max 40.0 ms (invoke 15.0, sinks 15.0)"
    assert status == f"STATUS=toy: unknown, 10.0 classifications/s, {times}"
    assert stopping == "STOPPING=1"


def test_no_camera_is_ready_too_and_said(systemd: Systemd) -> None:
    """A service without its camera is ready but degraded: systemd must not consider its start failed."""
    systemd.notifier().emit(result(OUTAGE), None)
    assert systemd.heard() == ["READY=1\nSTATUS=degraded, no picture from toy: the cable is out"]


def test_the_watchdog_is_fed_by_progress_alone(systemd: Systemd) -> None:
    """WATCHDOG=1 at half its interval of 20 s, however often the loop goes round; results alone feed nothing."""
    notifier = systemd.notifier()
    for _ in range(600):
        systemd.now_s += 0.1
        notifier.progress()
    assert systemd.heard() == ["WATCHDOG=1"] * 6
    for _ in range(600):
        systemd.now_s += 0.1
        notifier.emit(result(), None)
    assert "WATCHDOG=1" not in systemd.heard()


def test_figures_are_told_now_and_then_and_changes_at_once(systemd: Systemd) -> None:
    """A minute of frames in one state is a status every 10 s; each change of state is one of its own."""
    notifier = systemd.notifier()
    for _ in range(600):
        systemd.now_s += 0.1
        notifier.emit(result(), None)
    assert len(systemd.heard()) == 60 / STATUS_PERIOD_S
    notifier.emit(result(OUTAGE), None)
    notifier.emit(result(), None)
    assert [text.partition(":")[0] for text in systemd.heard()] == [
        "STATUS=degraded, no picture from toy",
        "STATUS=toy",
    ]


def test_a_sink_that_fails_is_part_of_the_status(systemd: Systemd) -> None:
    """The status says that the log cannot be written, and no longer once it can."""

    class Full:
        name, wants_picture, error = "log x", False, SinkError("no space left")

        def emit(self, result: Result, picture: Picture | None) -> None:
            if self.error:
                raise self.error

        def close(self) -> None:
            """Do nothing: there is nothing to release."""

    sink = Full()
    guard = Guard(sink)
    notifier = systemd.notifier(guard)
    guard.emit(result(), None)
    notifier.emit(result(), None)
    assert systemd.heard()[0].endswith("; log x: no space left")
    sink.error = None
    guard.emit(result(), None)
    notifier.emit(result(), None)
    assert systemd.heard()[0].endswith("classifications/s")


def test_nobody_outside_can_say_something_to_systemd(systemd: Systemd) -> None:
    """A reason from a server or driver cannot add lines to the message."""
    systemd.notifier().emit(result(replace(OUTAGE, reason="x\nMAINPID=1\n")), None)
    assert systemd.heard() == ["READY=1\nSTATUS=degraded, no picture from toy: x?MAINPID=1?"]


@pytest.mark.parametrize("variables", [{}, {"NOTIFY_SOCKET": "/nonexistent/socket", "WATCHDOG_USEC": "1000"}])
def test_without_systemd_nothing_happens(variables: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    """Started by hand, or with a socket that is gone, the notifier fails in nothing and says nothing."""
    notifier = Notifier(variables)
    notifier.progress()
    notifier.emit(result(), None)
    notifier.close()
    assert caplog.records == []


def test_a_watchdog_of_another_process_is_not_ours(systemd: Systemd) -> None:
    """WATCHDOG_PID names whom the watchdog watches: a child that inherited the variables feeds nothing."""
    systemd.environment["WATCHDOG_PID"] = str(os.getpid() + 1)
    systemd.notifier().progress()
    assert systemd.heard() == []


def test_a_systemd_that_does_not_read_holds_nothing_up(systemd: Systemd) -> None:
    """With a full queue messages are lost and nothing blocks; READY is repeated until it arrives."""
    notifier, other = systemd.notifier(), systemd.notifier()
    for _ in range(1000):
        systemd.now_s += 100
        other.progress()
    notifier.emit(result(), None)
    assert set(systemd.heard()) == {"WATCHDOG=1"}
    notifier.emit(result(UNKNOWN), None)
    assert systemd.heard()[0].startswith("READY=1")


def test_an_abstract_socket_is_understood(systemd: Systemd) -> None:
    """A name that begins with @ is an abstract socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0edge-app-test-{os.getpid()}")
        listening.setblocking(False)
        Notifier({"NOTIFY_SOCKET": f"@edge-app-test-{os.getpid()}"}).close()
        assert listening.recv(100) == b"STOPPING=1"


def test_dropped_frames_are_told() -> None:
    """Drops belong to the state of a service."""
    assert describe(result(dropped=3), {}).endswith("classifications/s, 3 frames dropped")
