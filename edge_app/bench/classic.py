"""Yardsticks, measured on the same frames in the same run: the classic loop, and JPEG's entropy decoding alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_app.bench.frames import Reel
from edge_app.model.runtime import import_runtime, load_interpreter
from edge_app.model.store import Model
from edge_app.pictures.opencv import cv2
from edge_app.settings.choices import FrameKind, RuntimeName
from edge_app.settings.sections import ModelOptions

WARM_UP = 20  # frames


@dataclass(frozen=True, slots=True)
class Cost:
    """What a loop costs.

    Attributes:
        cpu_ms: processor time a frame, on average.
        wall_ms: (frames,) wall time of each frame.
    """

    cpu_ms: float
    wall_ms: npt.NDArray[np.float64]


class Classic:
    """The loop of most scripts, well written, on one thread: decode in full, crop, shrink, quantise, invoke.

    Args:
        model: model, the same as in the pipeline.
        runtime: runtime, the same as in the pipeline.
        kind: format of the camera's frames.
    """

    def __init__(self, model: Model, runtime: RuntimeName, kind: FrameKind) -> None:
        self._decoded = _DECODERS[kind]
        module = import_runtime(runtime)[1]
        self._interpreter = load_interpreter(module, model, ModelOptions())
        self._input = self._interpreter.get_input_details()[0]
        self._output = self._interpreter.get_output_details()[0]
        self._labels = model.labels

    def label(self, raw: npt.NDArray[np.uint8]) -> str:
        """Return the label of one frame, as the camera delivered it."""
        frame = self._decoded(raw)
        height, width = frame.shape[:2]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        square = frame[top : top + side, left : left + side]
        _, rows, columns, _ = self._input["shape"]
        small = cv2.resize(square, (int(columns), int(rows)), interpolation=cv2.INTER_AREA)
        # Channels are swapped after shrinking: swapping a full frame would make this yardstick too easy to beat.
        rgb = cv2.cvtColor(small, cv2.COLOR_BGR2RGB)
        self._interpreter.set_tensor(self._input["index"], self._quantised(rgb)[None])
        self._interpreter.invoke()
        scores = self._interpreter.get_tensor(self._output["index"])[0]
        return self._labels[int(np.argmax(scores))]

    def _quantised(self, rgb: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        dtype, (scale, zero_point) = self._input["dtype"], self._input["quantization"]
        if dtype == np.float32:
            return (rgb / np.float32(255)).astype(np.float32)
        limits = np.iinfo(dtype)
        return np.clip(np.rint(rgb / np.float32(scale)) + zero_point, limits.min, limits.max).astype(dtype)


# To BGR, as VideoCapture.read does.
_DECODERS: dict[FrameKind, Callable[[npt.NDArray[np.uint8]], Any]] = {
    "jpeg": lambda raw: cv2.imdecode(raw, cv2.IMREAD_COLOR),
    "yuyv": lambda raw: cv2.cvtColor(raw, cv2.COLOR_YUV2BGR_YUYV),
    "rgb": lambda raw: raw,
}


def entropy(jpeg: npt.NDArray[np.uint8]) -> None:
    """Decode one frame at an eighth of its size: entropy decoding and little else, the least any loop must do."""
    cv2.imdecode(jpeg, cv2.IMREAD_REDUCED_COLOR_8)


def cost(do: Callable[[npt.NDArray[np.uint8]], object], reel: Reel, count: int) -> Cost:
    """Return what `do` costs for a number of frames, after a warm-up."""
    for raw in reel.raw[:WARM_UP]:
        do(raw)
    taken_ms = np.empty(count)
    # process_time adds up all threads, so work that a library moves to a helper thread counts too.
    cpu_s = time.process_time()
    for number in range(count):
        begun_s = time.perf_counter()
        do(reel.raw[number % len(reel.raw)])
        taken_ms[number] = (time.perf_counter() - begun_s) * 1e3
    return Cost((time.process_time() - cpu_s) / count * 1e3, taken_ms)
