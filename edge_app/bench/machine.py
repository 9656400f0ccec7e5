"""The machine that is measured on: what it is, and in what state it is before and after."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib import metadata

from edge_app import __version__
from edge_app.pictures.opencv import cv2
from edge_app.system import board

LIBRARIES = ("numpy", "simplejpeg", "ai-edge-litert", "tflite-runtime")
BUSY = 0.5  # load: more than this wants a processor for as long as half a minute


@dataclass(frozen=True, slots=True)
class Machine:
    """What does not change while it is measured.

    Attributes:
        board: what it is called.
        processor: what its processor is called.
        cores: how many this process may use.
        governor: what decides the clock; None where nothing tells.
        system: operating system and kernel.
        versions: of edge-app, Python and the libraries that matter.
    """

    board: str
    processor: str
    cores: int
    governor: str | None
    system: str
    versions: dict[str, str]


@dataclass(frozen=True, slots=True)
class Moment:
    """What does change.

    Attributes:
        temperature_c: degrees Celsius; None where there is no sensor.
        throttled: what slows the board down now; None where it does not tell.
        throttled_before: what has slowed it down at some time since it was started; None where it does not tell.
        load: processes that want a processor, mean of the last minute.
    """

    temperature_c: float | None
    throttled: tuple[str, ...] | None
    throttled_before: tuple[str, ...] | None
    load: float


def describe() -> Machine:
    """Look at the machine."""
    versions = {"edge-app": __version__, "python": platform.python_version(), "opencv": cv2.__version__}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Machine(board.name(), board.processor(), cores, board.governor(), platform.platform(), versions)


def moment() -> Moment:
    """Look at its state."""
    found = board.throttling()
    now, since_start = (found.now, found.since_start) if found else (None, None)
    return Moment(board.temperature_c(), now, since_start, os.getloadavg()[0])


def slowed_down(before: Moment, after: Moment) -> set[str]:
    """Return what slowed the board down: at the beginning, at the end, or at any time in between."""
    new = set(after.throttled_before or ()) - set(before.throttled_before or ())
    return {*(before.throttled or ()), *(after.throttled or ()), *new}


def doubts(machine: Machine, before: Moment, after: Moment) -> list[str]:
    """Say what makes a measurement doubtful; an empty list is a good sign."""
    found = [f"the board was slowed down ({word})" for word in sorted(slowed_down(before, after))]
    if machine.governor not in (None, "performance"):
        found.append(f"governor {machine.governor!r} changes the clock; 'performance' does not")
    if before.load > BUSY:
        found.append(f"the machine was busy before the start (load {before.load:.1f}): with something else?")
    return found
