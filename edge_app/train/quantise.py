"""From a trained PyTorch network to a full-int8 TFLite file."""

from __future__ import annotations

import tempfile
from pathlib import Path

import ai_edge_quantizer
import litert_torch
import numpy as np
import torch
from torch import nn


def to_float_tflite(network: nn.Module, side_px: int) -> bytes:
    """Convert a network of (1, 3, side, side) pixels to a float TFLite file that takes (1, side, side, 3)."""
    sample = torch.zeros(1, side_px, side_px, 3)
    converted = litert_torch.convert(litert_torch.to_channel_last_io(network.eval(), args=[0]), (sample,))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "float.tflite"
        converted.export(str(path))
        return path.read_bytes()


def to_int8(float_tflite: bytes, pictures: np.ndarray) -> bytes:
    """Quantise to int8: weights per channel, activations per tensor, input `int8 = pixel - 128`.

    Args:
        float_tflite: a model that takes pixels of 0..255 as float32.
        pictures: (N, H, W, 3) uint8 training pictures to calibrate the activations on. Each gets one sample of 0 and
            one of 255 in its corner: the quantiser averages their ranges, and the input's scale shall be exactly 1.
    """
    samples = pictures.astype(np.float32)
    samples[:, 0, 0, :2] = 0, 255
    quantizer = ai_edge_quantizer.Quantizer(bytearray(float_tflite))
    quantizer.load_quantization_recipe(ai_edge_quantizer.recipe.static_wi8_ai8())
    name = _input_name(float_tflite)
    calibration = quantizer.calibrate({"serving_default": [{name: picture[None]} for picture in samples]})
    return bytes(quantizer.quantize(calibration).quantized_model)


def _input_name(tflite: bytes) -> str:
    from ai_edge_litert.interpreter import Interpreter

    signature = Interpreter(model_content=tflite).get_signature_list()["serving_default"]
    return str(signature["inputs"][0])
