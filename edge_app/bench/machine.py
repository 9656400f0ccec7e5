"""The machine measured on, and its state before and after."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib import metadata

from edge_app import __version__
from edge_app.pictures.opencv import cv2
from edge_app.system import board

# Distributions, not modules; OpenCV is asked by its module, as several distributions ship the same cv2.
LIBRARIES = ("numpy", "simplejpeg", "ai-edge-litert", "tflite-runtime")
BUSY = 0.5  # load average of the last minute: half a minute of one busy core


@dataclass(frozen=True, slots=True)
class Machine:
    """Facts about a machine that stay the same during a measurement.

    Attributes:
        board: name of the board.
        processor: name of the processor.
        cores: number of cores this process may use.
        governor: policy that sets the clock; None if unknown.
        system: operating system and kernel.
        versions: versions of edge-app, Python and the libraries that affect speed.
    """

    board: str
    processor: str
    cores: int
    governor: str | None
    system: str
    versions: dict[str, str]


@dataclass(frozen=True, slots=True)
class Moment:
    """State of a machine at one moment.

    Attributes:
        temperature_c: degrees Celsius; None without a sensor.
        throttled: reasons why the board is throttled now; None if the board does not report them.
        throttled_before: reasons why it was throttled at any time since boot; None if not reported.
        load: processes that run or wait for a processor, averaged over the last minute.
    """

    temperature_c: float | None
    throttled: tuple[str, ...] | None
    throttled_before: tuple[str, ...] | None
    load: float


def describe() -> Machine:
    """Return the facts about this machine."""
    versions = {"edge-app": __version__, "python": platform.python_version(), "opencv": cv2.__version__}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    # The affinity respects taskset and a container's cpuset, cpu_count may not; macOS lacks the former.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Machine(board.name(), board.processor(), cores, board.governor(), platform.platform(), versions)


def moment() -> Moment:
    """Return the present state of this machine."""
    found = board.throttling()
    now, since_start = (found.now, found.since_start) if found else (None, None)
    return Moment(board.temperature_c(), now, since_start, os.getloadavg()[0])


def slowed_down(before: Moment, after: Moment) -> set[str]:
    """Return the reasons why the board was throttled at the start, at the end or in between."""
    # Flags since boot never clear: a reason already there at the start cannot show that it came back in between.
    new = set(after.throttled_before or ()) - set(before.throttled_before or ())
    return {*(before.throttled or ()), *(after.throttled or ()), *new}


def doubts(machine: Machine, before: Moment, after: Moment) -> list[str]:
    """Return the reasons to doubt a measurement; an empty list if there are none."""
    found = [f"the board was slowed down ({word})" for word in sorted(slowed_down(before, after))]
    if machine.governor not in (None, "performance"):
        found.append(f"governor {machine.governor!r} changes the clock; 'performance' does not")
    # The load after the measurement is the benchmark's own, and says nothing of other programs.
    if before.load > BUSY:
        found.append(f"the machine was busy before the start (load {before.load:.1f})")
    return found
