"""Conversion of a trained PyTorch network to a full-int8 TFLite file."""

from __future__ import annotations

import copy
import importlib.util
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import nn

from edge_app.errors import RunError

log = logging.getLogger(__name__)

CLOSE = 1e-3  # share of the largest logit: ten times what another order of float32 additions may change

# These take seconds to import and write to stderr meanwhile, so they are imported inside `_quiet`. But a missing one
# must be reported before the training, not after it.
for _package in ("litert_torch", "ai_edge_quantizer"):
    if importlib.util.find_spec(_package) is None:
        raise ImportError(f"no module named {_package}", name=_package)


def to_float_tflite(network: nn.Module, shape: tuple[int, int]) -> bytes:
    """Convert a network of (1, 3, height, width) pixels to a float TFLite file that takes (1, height, width, 3)."""
    sample = torch.zeros(1, *shape, 3)
    # The converter (0.10) identifies constants by address, and copies non-contiguous ones into memory that it frees at
    # once: the second of two channels-last filter banks of the same shape can get the values of the first.
    network = copy.deepcopy(network).to(memory_format=torch.contiguous_format)
    with _quiet(), tempfile.TemporaryDirectory() as folder:
        import litert_torch

        converted = litert_torch.convert(litert_torch.to_channel_last_io(network.eval(), args=[0]), (sample,))
        path = Path(folder) / "float.tflite"
        converted.export(str(path))
        return path.read_bytes()


def check(float_tflite: bytes, network: nn.Module, pictures: np.ndarray) -> None:
    """Check that a converted network computes the same as the original.

    Args:
        float_tflite: converted network, from `to_float_tflite`.
        network: original network.
        pictures: (N, H, W, 3) uint8.

    Raises:
        RunError: a logit differs.
    """
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=float_tflite)
    interpreter.allocate_tensors()
    into, out = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    with torch.inference_mode():
        wanted = network.eval()(torch.from_numpy(pictures).permute(0, 3, 1, 2).float()).numpy()
    for picture, expected in zip(pictures, wanted, strict=True):
        interpreter.set_tensor(into, picture[None].astype(np.float32))
        interpreter.invoke()
        worst = float(np.abs(interpreter.get_tensor(out)[0] - expected).max())
        if worst > CLOSE * max(1.0, float(np.abs(expected).max())):
            raise RunError(
                f"the converted network computes something else (a logit is {worst:.2g} off): "
                "this is a bug of the converter",
                "the training is kept, try another version of litert-torch",
            )


def to_int8(float_tflite: bytes, pictures: np.ndarray) -> bytes:
    """Quantise to int8: weights per channel, activations per tensor, input `int8 = pixel - 128`.

    Args:
        float_tflite: a model that takes pixels of 0..255 as float32.
        pictures: (N, H, W, 3) uint8 training pictures to calibrate the activations on. A corner pixel of each is set
            to 0 and 255: the quantiser averages the pictures' ranges, and the input's scale must be exactly 1.
    """
    samples = pictures.astype(np.float32)
    samples[:, 0, 0, :2] = 0, 255
    name = _input_name(float_tflite)
    with _quiet():
        import ai_edge_quantizer

        quantizer = ai_edge_quantizer.Quantizer(bytearray(float_tflite))
        quantizer.load_quantization_recipe(ai_edge_quantizer.recipe.static_wi8_ai8())
        calibration = quantizer.calibrate({"serving_default": [{name: picture[None]} for picture in samples]})
        return bytes(quantizer.quantize(calibration).quantized_model)


def _input_name(tflite: bytes) -> str:
    from ai_edge_litert.interpreter import Interpreter

    signature = Interpreter(model_content=tflite).get_signature_list()["serving_default"]
    return str(signature["inputs"][0])


@contextmanager
def _quiet() -> Iterator[None]:
    """Capture the converter's output, from Python and from C++, and show it only if the converter fails."""
    sys.stdout.flush(), sys.stderr.flush()
    # C++ writes to the descriptors, past sys.stdout and sys.stderr: only dup2 catches it.
    kept = os.dup(1), os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
        try:
            yield
        except Exception:
            said.seek(0)
            log.warning("the converter said: %s", said.read().decode(errors="replace").strip())
            raise
        finally:
            # Text still in Python's buffers would appear once the descriptors are restored.
            sys.stdout.flush(), sys.stderr.flush()
            for number, descriptor in enumerate(kept, 1):
                os.dup2(descriptor, number)
                os.close(descriptor)
