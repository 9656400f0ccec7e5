"""A model's input tensor: its shape, its range of values, and the table from pixel to value."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_app.errors import ModelRefused
from edge_app.model.store import Model
from edge_app.settings.sections import ModelOptions

log = logging.getLogger(__name__)
DTYPES = (np.int8, np.uint8, np.float32)
# Ranges commonly used in training: raw pixels, pixels / 255, and pixels / 127.5 - 1.
_USUAL_RANGES = ((0.0, 255.0), (0.0, 1.0), (-1.0, 1.0))


def input_shape(details: dict[str, Any], model: Model) -> tuple[int, int]:
    """Return height and width of the patch.

    Raises:
        ModelRefused: an image classifier has no input of this shape.
    """
    shape = [int(side) for side in details["shape"]]
    # 4096 keeps an 8-bit input within 48 MiB, whatever an unverified file declares.
    if len(shape) != 4 or shape[0] != 1 or shape[3] != 3 or not all(1 <= side <= 4096 for side in shape[1:3]):
        raise ModelRefused(
            f"{model.path}: input has shape {shape}", "choose an image classifier that takes [1, height, width, 3]"
        )
    return shape[1], shape[2]


def input_range(details: dict[str, Any], model: Model, options: ModelOptions) -> tuple[float, float]:
    """Return the real values of pixels 0 and 255: from the options, else the card, else the quantisation."""
    if options.input_range is not None:
        return options.input_range.low, options.input_range.high
    if model.card is not None:
        return model.card.input.low, model.card.input.high
    if details["dtype"] == np.float32:
        log.warning(
            "%s: the range of its float input is unknown; assuming 0 to 1 (--input-range changes it)", model.path
        )
        return 0.0, 1.0
    scale, zero_point = details["quantization"]
    limits = np.iinfo(details["dtype"])
    spanned = (limits.min - zero_point) * scale, (limits.max - zero_point) * scale
    # Choose the range whose ends are nearest to those of the tensor, relative to the width of the range.
    return min(_USUAL_RANGES, key=lambda r: (abs(r[0] - spanned[0]) + abs(r[1] - spanned[1])) / (r[1] - r[0]))


def input_table(details: dict[str, Any], ends: tuple[float, float], model: Model) -> npt.NDArray[Any]:
    """Return the (256,) table from pixel to tensor value: low + pixel * (high - low) / 255, then quantised."""
    low, high = ends
    real = low + np.arange(256) * (high - low) / 255
    if details["dtype"] == np.float32:
        return real.astype(np.float32)
    scale, zero_point = details["quantization"]
    limits = np.iinfo(details["dtype"])
    steps = np.rint(real / scale + zero_point)
    if (np.clip(steps, limits.min, limits.max) != steps).mean() > 0.1:
        log.warning(
            "%s: more than 10 %% of the pixel values saturate at its input; is --input-range right?", model.path
        )
    return np.clip(steps, limits.min, limits.max).astype(details["dtype"])
