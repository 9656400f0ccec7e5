"""What a setting may be, where it is one of a few words: each choice is spelled here and nowhere else."""

from __future__ import annotations

from typing import Literal

Rotation = Literal[0, 90, 180, 270]
"""Degrees clockwise that a picture is turned."""

Flip = Literal["none", "horizontal", "vertical"]
"""How a picture is mirrored before it is turned: "horizontal" swaps left and right, "vertical" top and bottom."""

RuntimeName = Literal["auto", "ai-edge-litert", "tflite-runtime"]
"""Package that runs a model; "auto" takes the first that is installed."""

DelegateName = Literal["xnnpack", "none"]
"""What runs a model's operators; "none" is the plain kernels."""

Preview = Literal["window", "none"]
"""Where the pictures are shown."""

LogWhen = Literal["every", "change", "periodic"]
"""Which results are logged: every one, those that change the state or label (and a heartbeat), one every period."""

FrameKind = Literal["jpeg", "yuyv", "rgb"]
"""What a camera delivers."""

Outlet = Literal["log", "preview"]
"""What takes the results while a benchmark runs."""

EvaluatedPath = Literal["both", "direct", "camera", "camera-full"]
"""How labelled pictures reach the model: as they are, through the camera path, or through it at full size."""

Device = Literal["auto", "cpu", "cuda"]
"""Where a network is trained."""
