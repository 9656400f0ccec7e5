"""Settings: each spelled once, as a field of one of five sections."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field
from pydantic_settings import SettingsConfigDict


def _joined(value: object, separator: str) -> str:
    """Return a value as a flag would write it; a settings file may give a list of numbers."""
    return separator.join(map(str, value)) if isinstance(value, list) else str(value)


def _size(value: object) -> str:
    text = _joined(value, "x")
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise ValueError("write WIDTHxHEIGHT, such as 640x480")
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
        raise ValueError("write LOW,HIGH, such as -1,1") from None
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError("LOW and HIGH must be finite numbers, such as -1,1")
    if not low < high:
        raise ValueError("LOW must be below HIGH")
    return text


def _crop(value: object) -> str:
    text = _joined(value, ",").strip()
    if text in ("center", "fit", "squash"):
        return text
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 4 or not all(part.removeprefix("-").isdecimal() for part in parts):
        raise ValueError("choose center, fit, squash or X,Y,W,H in pixels, such as 100,0,480,480")
    left, top, width, height = map(int, parts)
    if min(left, top, width, height) < 0:
        raise ValueError("X, Y, W and H must not be negative: write pixels, such as 100,0,480,480")
    if not (width and height):
        raise ValueError("W and H must not be 0: write pixels, such as 100,0,480,480")
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
