"""Every setting, declared once, as a field of one of five sections."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from edge_app.records import Crop
from edge_app.secret import Secret
from edge_app.settings.choices import DelegateName, Flip, LogWhen, Preview, RuntimeName
from edge_app.settings.values import AddressValue, CropValue, RangeValue, RotationValue, SinkValue, SizeValue


class Record(BaseModel):
    """Base of the sections and of every command's settings; immutable once checked."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        # TOML has `inf` and `nan`, and infinity satisfies a lower bound.
        allow_inf_nan=False,
        populate_by_name=True,
        defer_build=True,  # A run uses one record of a dozen.
        hide_input_in_errors=True,  # A traceback of pydantic's own error would quote a password.
    )


class CameraOptions(Record):
    """Where pictures come from."""

    source: AddressValue = Field(
        Secret("auto"),
        description="auto, picamera[:N], webcam[:N|/dev/...], rtsp://... or http://..., a video file, "
        "a folder of pictures, synthetic[:rgb|yuyv|jpeg,free,seed=N]; {credential:NAME} and {file:/PATH} in it stand "
        "for a secret kept elsewhere",
    )
    size: SizeValue | None = Field(
        None,
        description="size to request from the camera; default: the smallest that serves model and preview",
    )
    fps: float | None = Field(
        None, gt=0, le=1000, description="frames a second to request from the camera; default: 30"
    )
    rotate: RotationValue = Field(0, description="degrees clockwise to turn the picture: 0, 90, 180 or 270")
    flip: Flip = Field("none", description="mirror the picture before turning it")
    crop: CropValue = Field(
        Crop(), description="part that the model sees: center, fit (all, grey bars), squash (all, distorted) or X,Y,W,H"
    )
    realtime: bool = Field(False, description="play a video file at its own pace, dropping late frames")
    rate: float | None = Field(None, gt=0, description="maximum number of classifications a second")


class ModelOptions(Record):
    """The model and how it runs."""

    model: str = Field("cifar10-base", description="name of a shipped model ('edge-app models list') or a .tflite file")
    labels: Path | None = Field(None, description="file of labels, one a line, for a model without a card")
    input_range: RangeValue | None = Field(
        None, description="real values of pixels 0 and 255, for a model without a card"
    )
    runtime: RuntimeName = Field("auto", description="package that runs the model")
    delegate: DelegateName = Field("xnnpack", description="none runs the plain kernels, for comparison")
    threads: int = Field(1, ge=1, le=64, description="threads of the runtime")
    trusted: bool = Field(False, description="let a service run a model that has no card")


class DecisionOptions(Record):
    """When a label is shown, and when "unknown"."""

    enter: float | None = Field(
        None, ge=0, le=1, description="probability from which a label is shown; default: the model card's"
    )
    leave: float | None = Field(
        None, ge=0, le=1, description="probability below which the label is dropped again; default: the model card's"
    )
    smoothing: float = Field(
        0.5, ge=0, le=60, description="time constant of the average over frames, seconds; 0 averages nothing"
    )


class OutputOptions(Record):
    """Where results go."""

    preview: Preview = Field("window", description="where to show the picture; window needs a display")
    log: str | None = Field(None, min_length=1, description="write results as JSON lines to this file; - is stdout")
    log_when: LogWhen = Field("every", description="which results are logged")
    log_period: float = Field(
        60, gt=0, description="seconds between lines with 'periodic', and between heartbeats with 'change'"
    )
    log_max_mb: float = Field(16, gt=0, description="size at which the log is rotated, MiB")
    log_max_days: float | None = Field(
        None,
        gt=0,
        description="days after which the log is rotated, counted from this run's first line; default: never",
    )
    log_sync: float = Field(
        5,
        ge=0,
        le=3600,
        description="seconds between syncs to disk, the most a power cut loses; 0 leaves it to the system",
    )
    log_keep: int = Field(3, ge=0, le=1000, description="number of rotated logs to keep")
    sink: list[SinkValue] = Field([], description="another sink; may be given more than once")


class ServiceOptions(Record):
    """Limits that keep a service healthy."""

    memory_max: float = Field(512, gt=0, description="memory above which a service ends and systemd restarts it, MiB")


class Settings(ServiceOptions, OutputOptions, DecisionOptions, ModelOptions, CameraOptions):
    """All sections together."""


SECTIONS: dict[str, type[Record]] = {
    "camera": CameraOptions,
    "model": ModelOptions,
    "decision": DecisionOptions,
    "output": OutputOptions,
    "service": ServiceOptions,
}
SECTION_OF = {field: name for name, section in SECTIONS.items() for field in section.model_fields}
