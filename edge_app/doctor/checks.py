"""What is wrong on this machine, and what to do: `edge-app doctor`. Each check is a function that yields findings."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from edge_app import __version__
from edge_app.errors import ConfigError, EdgeAppError, ModelRefused, one_line
from edge_app.secret import scrubbed
from edge_app.service import doors, needs, unit_files
from edge_app.settings import layers, sections
from edge_app.system import board, children
from edge_app.system.wording import counted

if TYPE_CHECKING:  # This module must import without numpy, which may be what is broken.
    from edge_app.sources import Source

State = Literal["ok", "warning", "problem"]

IMPORT_LIMIT_S = 60.0  # picamera2 takes ten seconds on a small board.
PICTURE_LIMIT_S = 8.0
LITTLE_SPACE = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        check: its name.
        state: "problem" keeps edge-app from working, "warning" may.
        says: what was found.
        remedy: what to do about it.
    """

    check: str
    state: State
    says: str
    remedy: str | None = None

    def __post_init__(self) -> None:
        """Take known secrets out: a finding may quote a library."""
        object.__setattr__(self, "says", scrubbed(self.says))


@dataclass(frozen=True, slots=True)
class Patient:
    """What the checks examine.

    Attributes:
        settings: the effective settings; the defaults if the settings file is wrong.
        load: loads the model, see `classifier.load`.
        stop: set to give up.
        is_service: whether the settings are the service's.
        deadly: checks whose library crashes or hangs the process that imports it; this process must not import it.
    """

    settings: sections.Settings
    load: Callable[[sections.ModelOptions, threading.Event], Any]
    stop: threading.Event
    is_service: bool = False
    deadly: set[str] = field(default_factory=set)


def examine(
    file: Path | None, for_service: bool, load: Callable[[Any, threading.Event], Any], stop: threading.Event
) -> Iterator[Finding]:
    """Run every check in turn; an unexpected failure of a check is a finding too.

    Args:
        file: the settings file; None for the usual one.
        for_service: use the service's settings.
        load: loads the model.
        stop: set to give up.
    """
    yield Finding("python", "ok", f"{platform.python_version()}, edge-app {__version__} on {board.name()}")
    values, findings = _settings(file, for_service)
    yield from findings
    patient = Patient(sections.Settings(**values), load, stop, for_service)
    for check in (opencv, picamera2, runtime, model, camera, throttling, log_folder, sandbox):
        if stop.is_set():
            return
        try:
            yield from check(patient)
        except (EdgeAppError, ImportError) as error:
            yield _of_error(check.__name__, error)
        except Exception as error:  # noqa: BLE001  # the other checks must still run
            yield Finding(check.__name__, "problem", f"the check failed: {error!r}", "please report this as a bug")


def _settings(file: Path | None, for_service: bool) -> tuple[dict[str, Any], list[Finding]]:
    try:
        found = layers.load(file, for_service=for_service)
    except ConfigError as error:
        wrong = [Finding("settings", "problem", one.what, one.remedy) for one in error.each]
        return {}, wrong
    changed = {setting.origin for setting in found.values()} - {"default", "default of the service"}
    said = f"valid, from {', '.join(sorted(changed))}" if changed else "valid, all defaults"
    return {name: setting.value for name, setting in found.items()}, [Finding("settings", "ok", said)]


def opencv(patient: Patient) -> Iterator[Finding]:
    """OpenCV can be imported with the installed numpy, and only one of its wheels is installed."""
    both = [name for name in ("opencv-python", "opencv-python-headless") if _is_installed(name)]
    if len(both) == 2:
        yield Finding(
            "opencv",
            "warning",
            "opencv-python and opencv-python-headless are both installed; they overwrite each other's files",
            "pip uninstall both, then install one of them",
        )
    yield _import("opencv", "edge_app.pictures.opencv", patient) or Finding(
        "opencv", "ok", f"imports, with numpy {_version('numpy')}"
    )


def picamera2(patient: Patient) -> Iterator[Finding]:
    """picamera2 can be imported, if it is installed."""
    if importlib.util.find_spec("picamera2") is None:
        return
    yield _import("picamera2", "picamera2", patient) or Finding("picamera2", "ok", "imports")


def runtime(patient: Patient) -> Iterator[Finding]:
    """A TFLite runtime can be imported."""
    name = patient.settings.runtime
    wrong = _call("edge_app.model.runtime:import_runtime", name, "runtime", patient)
    packages = [package for package in ("ai-edge-litert", "tflite-runtime") if _is_installed(package)]
    yield wrong or Finding("runtime", "ok", ", ".join(f"{package} {_version(package)}" for package in packages))


def model(patient: Patient) -> Iterator[Finding]:
    """The model matches its card, passes the self-test, and runs in XNNPACK."""
    settings = patient.settings
    if "runtime" in patient.deadly:
        yield _not_examined("model", "runtime")
        return
    classifier = patient.load(settings, patient.stop)
    if classifier.card is None:
        yield Finding(
            "model", "warning", f"{settings.model} has no card: nothing to check it against", "see docs/training.md"
        )
    else:
        yield _self_test(classifier, settings.model)
    yield _delegation(classifier, settings.delegate)


def _self_test(classifier: Any, name: str) -> Finding:
    from edge_app.model import self_test

    outcome = self_test.check(classifier, classifier.card.golden)
    if outcome.worst_steps is None:
        remedy = f"'edge-app models verify {name}' on ai-edge-litert, with XNNPACK, can compare them"
        return Finding("model", "warning", f"{name}: checksum matches its card; {outcome}", remedy)
    steps = counted(outcome.worst_steps, "step")
    said = f"{name}: checksum and self-test match its card ({steps} off on {outcome.kernels})"
    return Finding("model", "ok", said)


def _delegation(classifier: Any, wanted: str) -> Finding:
    found = classifier.delegation
    if wanted == "none":
        return Finding("delegate", "warning", "turned off by the settings", "remove delegate = 'none'")
    if found is None:
        return Finding("delegate", "warning", f"{classifier.runtime} does not report what XNNPACK runs")
    if found.delegated == 0:
        # Normal for an int8 model on tflite-runtime; ai-edge-litert runs such models in XNNPACK.
        is_expected = classifier.runtime.startswith("tflite-runtime")
        return Finding(
            "delegate",
            "warning" if is_expected else "problem",
            f"XNNPACK runs none of the {counted(found.total, 'operator')} on {classifier.runtime}: "
            "several times slower",
            "pip install ai-edge-litert",
        )
    state: State = "ok" if found.delegated == found.total else "warning"
    remedy = None if state == "ok" else "an int8 model with common layers runs completely in it: see docs/training.md"
    return Finding("delegate", state, f"XNNPACK runs {found.operators} on {classifier.runtime}", remedy)


def camera(patient: Patient) -> Iterator[Finding]:
    """The source can be opened and delivers a picture."""
    settings = patient.settings
    loads_picamera2 = str(settings.source).partition(":")[0] in ("auto", "picamera")
    for library in ("opencv", "picamera2") if loads_picamera2 else ("opencv",):
        if library in patient.deadly:
            yield _not_examined("camera", library)
            return
    from edge_app import sources  # loads OpenCV, which may be what is broken
    from edge_app.sources import Request

    request = Request(camera=settings, needs_camera=True, stop=patient.stop)
    with sources.connect(settings.source, request) as source:
        yield _first_picture(source)


def _first_picture(source: Source) -> Finding:
    from edge_app.records import Frame, Outage

    ends_s, reason = time.monotonic() + PICTURE_LIMIT_S, "nothing arrived"
    for item in source:
        if isinstance(item, Frame):
            pixels = item.picture.rgb()
            return Finding("camera", "ok", f"{source.name} shows {pixels.shape[1]}x{pixels.shape[0]} pixels")
        if isinstance(item, Outage):
            reason = item.reason
        if time.monotonic() > ends_s:
            break
    return Finding("camera", "problem", f"{source.name} shows no picture: {reason}", "check cable and power")


_REMEDIES = {
    "under-voltage": "use the power supply made for the board, and a short cable",
    "frequency capped": "use the power supply made for the board, and cool it",
    "throttled": "cool the board: a heat sink, a fan, air",
    "soft temperature limit": "cool the board: a heat sink, a fan, air",
}


def throttling(patient: Patient) -> Iterator[Finding]:
    """The board has enough power and is cool enough, if it reports that."""
    found = board.throttling()
    if found is None:
        return
    for word in found.now:
        yield Finding("board", "problem", f"{word} right now", _REMEDIES[word])
    # The firmware keeps the since-start bit of what is so now: it would be reported twice.
    for word in set(found.since_start) - set(found.now):
        yield Finding("board", "warning", f"{word} at some time since the start", _REMEDIES[word])
    if not found.now and not found.since_start:
        yield Finding("board", "ok", "never slowed down since the start")


def log_folder(patient: Patient) -> Iterator[Finding]:
    """The log can be written, and its disk has room."""
    if patient.settings.log in (None, "-"):
        return
    path = Path(patient.settings.log).absolute()
    try:
        # os.access refuses a file that does not exist yet: then its folder decides.
        is_writable = os.access(path if path.exists() else path.parent, os.W_OK)
        free = shutil.disk_usage(path.parent).free if is_writable else 0
    except PermissionError:  # the service's log folder is private
        yield Finding("log", "warning", f"no permission to look at {path}", "run this with sudo")
        return
    if not is_writable:
        yield Finding("log", "problem", f"{path} cannot be written", "choose another file, or make the folder writable")
        return
    if free < LITTLE_SPACE:
        yield Finding("log", "warning", f"{free / 2**20:.0f} MiB are free for {path}", "make room, or lower log_max_mb")
    else:
        yield Finding("log", "ok", f"{path}, {free / 2**30:.1f} GiB free")


def sandbox(patient: Patient) -> Iterator[Finding]:
    """The installed service's sandbox has a door for each thing that its settings need."""
    if not patient.is_service or not doors.UNIT.is_file():
        return
    closed = doors.problems(needs.of(patient.settings), unit_files.read(doors.UNIT, doors.DROP_INS))
    yield from (Finding("sandbox", "problem", problem.what, problem.remedy) for problem in closed)
    if not closed:
        yield Finding("sandbox", "ok", "the service may reach what its settings need")


def _import(check: str, module: str, patient: Patient) -> Finding | None:
    """Import in a child process: a library that crashes, or was built for another numpy, must not end the doctor."""
    return _call("importlib:import_module", module, check, patient)


def _call(function: str, argument: str, check: str, patient: Patient) -> Finding | None:
    ended = children.call(function, (argument,), patient.stop, IMPORT_LIMIT_S)
    if ended.code == 0:
        return None
    if ended.code is None:
        patient.deadly.add(check)
        return Finding(check, "problem", f"does not import within {IMPORT_LIMIT_S:.0f} s", "restart the machine")
    # A positive exit code always comes with an error, so only a death by signal has none.
    if ended.error is None:
        patient.deadly.add(check)
        return Finding(check, "problem", f"crashes on import (signal {-ended.code})", "install it again")
    return _clash(check, ended.error.what) if _is_clash(ended.said) else _of_error(check, ended.error)


def _not_examined(check: str, library: str) -> Finding:
    return Finding(check, "warning", f"not examined: it needs {library}, see above", f"fix {library} first")


# Messages of numpy, and of packages that use it, when an extension was built for another major version.
_CLASH = ("numpy.dtype size changed", "_ARRAY_API not found", "compiled using NumPy", "numpy.core.multiarray failed")


def _is_clash(said: str) -> bool:
    return any(word in said for word in _CLASH)


def _clash(check: str, what: str) -> Finding:
    # Our own error's remedy is dropped: it is for a missing library.
    remedy = (
        "two builds of numpy are mixed: if apt installed picamera2 or OpenCV, use them with apt's numpy (make the "
        "environment with --system-site-packages and without pip's OpenCV); else pip install --upgrade numpy "
        "and the packages that use it"
    )
    return Finding(check, "problem", f"numpy clash: {what}", remedy)


def _of_error(check: str, error: Exception) -> Finding:
    what, remedy = (error.what, error.remedy) if isinstance(error, EdgeAppError) else (one_line(error), "")
    if _is_clash(what):
        return _clash(check, what)
    if not remedy and isinstance(error, ModelRefused):
        remedy = "install edge-app again, or name another model"
    if not remedy and isinstance(error, ImportError):
        remedy = "install what is missing"
    return Finding(check, "problem", what, remedy or "install it again")


def _is_installed(package: str) -> bool:
    return _version(package) is not None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
