"""Settings: each spelled once, as a field of one of four sections; defaults < TOML file < environment < flags.

The file has one table for each section (`[camera]`, `[model]`, `[decision]`, `[output]`); the environment has one
variable for each field (`EDGE_APP_SOURCE`); the command line one flag (`--source`).
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, ValidationError
from pydantic_settings import SettingsConfigDict

from edge_app.errors import ConfigError, closest
from edge_app.masking import masked_value

PREFIX = "EDGE_APP_"
# Variables of this prefix that are no settings: where the settings file is, and where tests and training find data.
RESERVED = ("EDGE_APP_CONFIG", "EDGE_APP_CIFAR10")


def _joined(value: object, separator: str) -> str:
    """Return a value as a flag would write it; a settings file may give a list of numbers."""
    return separator.join(map(str, value)) if isinstance(value, list) else str(value)


def _size(value: object) -> str:
    text = _joined(value, "x")
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise ValueError("not WIDTHxHEIGHT, such as 640x480")
    return text


Size = Annotated[str, BeforeValidator(_size)]
"""WIDTHxHEIGHT in pixels."""


def pixels(size: str) -> tuple[int, int]:
    """Return width and height of a `Size`."""
    width, _, height = size.partition("x")
    return int(width), int(height)


def _range(value: object) -> str:
    text = _joined(value, ",")
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise ValueError("not LOW,HIGH, such as -1,1") from None
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError("LOW and HIGH must be finite numbers, such as -1,1")
    if not low < high:
        raise ValueError("LOW is not below HIGH")
    return text


def _crop(value: object) -> str:
    text = _joined(value, ",").strip()
    if text in ("center", "fit", "squash"):
        return text
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 4 or not all(part.removeprefix("-").isdecimal() for part in parts):
        raise ValueError("none of center, fit, squash or X,Y,W,H in pixels, such as 100,0,480,480")
    left, top, width, height = map(int, parts)
    if min(left, top, width, height) < 0:
        raise ValueError("X, Y, W and H must not be negative; write pixels, such as 100,0,480,480")
    if not (width and height):
        raise ValueError("W and H must not be 0; write pixels, such as 100,0,480,480")
    return text


class Section(BaseModel):
    """Base of the sections."""

    model_config = SettingsConfigDict(extra="forbid", allow_inf_nan=False, defer_build=True)


class CameraOptions(Section):
    """Where pictures come from."""

    source: str = Field(
        "auto",
        description="auto, picamera[:N], webcam[:N|/dev/...], rtsp://... or http://..., a video file, "
        "a folder of pictures, synthetic[:rgb|yuyv|jpeg,free,seed=N]",
    )
    size: Size | None = Field(
        None, description="WIDTHxHEIGHT asked of the camera; default: the smallest that serves the model and the viewer"
    )
    fps: float | None = Field(None, gt=0, le=1000, description="frames a second asked of the camera; default: 30")
    rotate: Annotated[Literal[0, 90, 180, 270], BeforeValidator(lambda v: int(v) if str(v).isdigit() else v)] = Field(
        0, description="degrees clockwise to turn the picture: 0, 90, 180 or 270"
    )
    flip: Literal["none", "horizontal", "vertical"] = Field("none", description="mirror the picture before turning it")
    crop: Annotated[str, BeforeValidator(_crop)] = Field(
        "center", description="part the model sees: center, fit (all, grey bars), squash (all, distorted) or X,Y,W,H"
    )
    realtime: bool = Field(False, description="play a video file at its own pace, dropping what comes too late")
    rate: float | None = Field(None, gt=0, description="at most so many classifications a second")


class ModelOptions(Section):
    """What classifies, and how it runs."""

    model: str = Field("cifar10-base", description="name of a shipped model ('edge-app models list') or a .tflite file")
    labels: Path | None = Field(None, description="labels, one a line, for a model without a card")
    input_range: Annotated[str, BeforeValidator(_range)] | None = Field(
        None, description="LOW,HIGH: real values that pixels 0 and 255 become, for a model without a card"
    )
    runtime: Literal["auto", "ai-edge-litert", "tflite-runtime"] = Field(
        "auto", description="package that runs the model"
    )
    delegate: Literal["xnnpack", "none"] = Field("xnnpack", description="none runs the plain kernels, for comparison")
    threads: int = Field(1, ge=1, le=64, description="threads of the runtime")
    trusted: bool = Field(False, description="let a service run a model that has no card")


class DecisionOptions(Section):
    """When a label is named."""

    enter: float | None = Field(
        None, ge=0, le=1, description="probability at which a label is named; default: the model card's"
    )
    leave: float | None = Field(
        None, ge=0, le=1, description="probability below which it is no longer named; default: the model card's"
    )
    smoothing: float = Field(0.5, ge=0, le=60, description="time constant of the average over frames, seconds; 0: none")


class OutputOptions(Section):
    """Where results go."""

    preview: Literal["window", "none"] = Field("window", description="show the picture, where there is a display")
    log: str | None = Field(None, min_length=1, description="write results as JSON lines to this file; - is stdout")
    log_when: Literal["every", "change", "periodic"] = Field("every", description="which results are logged")
    log_period: float = Field(
        60, gt=0, description="seconds between two lines of 'periodic', and heartbeat of 'change'"
    )
    log_max_mb: float = Field(16, gt=0, description="size at which the log is rotated, MiB")
    log_max_days: float | None = Field(
        None, gt=0, description="days after which it is, counted from the first line of this run; default: never"
    )
    log_sync: float = Field(
        5, ge=0, le=3600, description="seconds of results a power cut may cost; 0 leaves it to the system"
    )
    log_keep: int = Field(3, ge=0, le=1000, description="rotated logs that are kept")
    sink: list[str] = Field([], description="NAME[:ARGUMENT] of another sink; may be given more than once")


class ServiceOptions(Section):
    """What keeps a service healthy."""

    memory_max: float = Field(
        512, gt=0, description="MiB of memory above which a service ends, for systemd to start it anew"
    )


SECTIONS: dict[str, type[Section]] = {
    "camera": CameraOptions,
    "model": ModelOptions,
    "decision": DecisionOptions,
    "output": OutputOptions,
    "service": ServiceOptions,
}
SECTION_OF = {field: name for name, section in SECTIONS.items() for field in section.model_fields}


@dataclass(frozen=True, slots=True)
class Setting:
    """One value and where it came from: "default", a file's name, or a variable's."""

    value: Any
    origin: str


def load(
    file: Path | None = None, environment: Mapping[str, str] = os.environ, for_service: bool = False
) -> dict[str, Setting]:
    """Read file and environment; report everything that is wrong with them at once.

    Args:
        file: the settings file; by default what `EDGE_APP_CONFIG` names, else the user's own if it exists.
        environment: variables.
        for_service: begin from a service's defaults.

    Returns:
        Field name to setting, for every field of every section, defaults included.

    Raises:
        ConfigError: one line for each thing that is wrong, with a suggestion where there is one.
    """
    path = file or _usual_file(environment)
    problems: list[str] = []
    settings = {name: Setting(value, "default") for name, value in _defaults()}
    if for_service:
        settings |= {name: Setting(value, "default of the service") for name, value in _of_service(environment)}
    if path is not None:
        settings |= _checked(_from_file(path, problems), problems)
    settings |= _checked(_from_environment(environment, problems), problems)
    if problems:
        raise ConfigError("\n".join(problems))
    return settings


def _defaults() -> Iterator[tuple[str, Any]]:
    for section in SECTIONS.values():
        for name, field in section.model_fields.items():
            yield name, field.get_default()


def _of_service(environment: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    """Yield what a service does otherwise: nobody looks, and a line a frame would wear an SD card out."""
    yield "preview", "none"
    yield "log_when", "change"
    if environment.get("LOGS_DIRECTORY"):  # systemd.exec(5)
        yield "log", str(Path(environment["LOGS_DIRECTORY"].split(":")[0], "results.jsonl"))


def _usual_file(environment: Mapping[str, str]) -> Path | None:
    if environment.get("EDGE_APP_CONFIG"):
        return Path(environment["EDGE_APP_CONFIG"])
    home = environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME", "/nonexistent"), ".config")
    path = Path(home, "edge-app", "config.toml")
    try:
        return path if path.is_file() else None
    except PermissionError:  # A home that is somebody else's, as of a user made for a service, holds no settings.
        return None


@dataclass(frozen=True, slots=True)
class _Raw:
    """A value as it was written, and how a message names the place."""

    value: Any
    origin: str
    place: str


def _from_file(path: Path, problems: list[str]) -> dict[str, _Raw]:
    import tomllib  # where there is a file

    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        problems.append(f"{path}: cannot be read: {error.strerror}")
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(f"{path}: not TOML: {error}")
        return {}
    found: dict[str, _Raw] = {}
    for table, content in tables.items():
        if table not in SECTIONS or not isinstance(content, dict):
            problems.append(f"{path}: {_unknown_table(table)}")
            continue
        for key, value in content.items():
            if key in SECTIONS[table].model_fields:
                found[key] = _Raw(value, str(path), f"{path}: [{table}] {key}")
            else:
                problems.append(f"{path}: {_unknown_key(table, key)}")
    return found


def _unknown_table(name: str) -> str:
    if name in SECTIONS:
        return f"{name!r} is a section, not a value; write [{name}] and its keys below"
    if name in SECTION_OF:
        return f"{name!r} stands outside its section; write it below [{SECTION_OF[name]}]"
    close = closest(name, SECTIONS)
    return f"unknown section [{name}]; " + (f"did you mean [{close}]?" if close else f"known: {_listed(SECTIONS)}")


def _unknown_key(table: str, key: str) -> str:
    if key in SECTION_OF:
        return f"[{table}] {key} belongs to [{SECTION_OF[key]}]"
    close = closest(key, SECTIONS[table].model_fields) or closest(key, SECTION_OF)
    if close:
        return f"unknown key [{table}] {key}; did you mean [{SECTION_OF[close]}] {close}?"
    return f"unknown key [{table}] {key}; known: {_listed(SECTIONS[table].model_fields)}"


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(names)


def _from_environment(environment: Mapping[str, str], problems: list[str]) -> dict[str, _Raw]:
    known = {PREFIX + name.upper(): name for name in SECTION_OF}
    found: dict[str, _Raw] = {}
    for variable, text in sorted(environment.items()):
        if not variable.startswith(PREFIX) or variable in RESERVED:
            continue
        if variable in known:
            value = text.split() if known[variable] == "sink" else text
            found[known[variable]] = _Raw(value, variable, variable)
        else:
            close = closest(variable, known)
            problems.append(f"unknown variable {variable}" + (f"; did you mean {close}?" if close else ""))
    return found


def _checked(raw: dict[str, _Raw], problems: list[str]) -> dict[str, Setting]:
    """Validate values one section at a time; what is wrong goes to `problems`, the rest is returned."""
    good: dict[str, Setting] = {}
    for section in SECTIONS.values():
        mine = {name: entry for name, entry in raw.items() if name in section.model_fields}
        if not mine:
            continue  # most of the time; building what checks a section costs more than the rest of this module
        try:
            checked = section.model_validate({name: entry.value for name, entry in mine.items()})
        except ValidationError as error:
            problems += [f"{mine[str(detail['loc'][0])].place}: {explain(detail)}" for detail in error.errors()]
        else:
            good |= {name: Setting(getattr(checked, name), entry.origin) for name, entry in mine.items()}
    return good


def explain(detail: Mapping[str, Any]) -> str:
    """Return one of pydantic's errors in the words of a message: what was written, masked, and what is allowed."""
    message = str(detail["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    return f"{masked_value(detail['input'])!r} is wrong: {message}"
