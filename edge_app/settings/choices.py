"""Settings that accept a few fixed words or numbers; each choice is spelled here and nowhere else."""

from __future__ import annotations

from typing import Literal

Rotation = Literal[0, 90, 180, 270]
"""Degrees clockwise by which a picture is turned."""

Flip = Literal["none", "horizontal", "vertical"]
"""How a picture is mirrored before it is turned: "horizontal" swaps left and right, "vertical" top and bottom."""

RuntimeName = Literal["auto", "ai-edge-litert", "tflite-runtime"]
"""Package that runs a model; "auto" takes the first that is installed."""

DelegateName = Literal["xnnpack", "none"]
"""What runs a model's operators; "none" means the plain kernels."""

Preview = Literal["window", "none"]
"""Where pictures are shown."""

LogWhen = Literal["every", "change", "periodic"]
"""Which results are logged: every one, changes of state or label (and a heartbeat), or one every period."""

FrameKind = Literal["jpeg", "yuyv", "rgb"]
"""The format of a camera's frames."""

Outlet = Literal["log", "preview"]
"""What receives the results during a benchmark."""

EvaluatedPath = Literal["both", "direct", "camera", "camera-full"]
"""How labelled pictures reach the model: unchanged, through the camera path, or through it at full size."""

Device = Literal["auto", "cpu", "cuda"]
"""Where a network is trained."""
