"""Turns a patch into scores: the TFLite runtime with the XNNPACK delegate; quantises input, dequantises output."""

from __future__ import annotations

import logging
import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_app.errors import ModelRefused
from edge_app.metering import Lap, no_lap
from edge_app.model.runtime import count_delegated, import_runtime, load_interpreter, version_of
from edge_app.model.store import Model, is_shipped, read
from edge_app.model.tensors import DTYPES, input_range, input_shape, input_table
from edge_app.model.trial import try_in_child
from edge_app.records import Pixels, Scores
from edge_app.settings.sections import ModelOptions
from edge_app.system.wording import counted

log = logging.getLogger(__name__)
# Keeps the logarithm of a probability finite; smaller than any meaningful float32 softmax output.
_TINY_PROBABILITY = 1e-7
# `model_construct` skips validation: the defaults need none, and this runs at every import.
USUAL = ModelOptions.model_construct()


class Classifier:
    """One model, loaded and ready.

    Args:
        model: from `store.read`; a model that is not shipped is first tried in a child process.
        options: how to run it; their model and labels are ignored in favour of `model`.
        stop: set it to abandon the trial.

    Attributes:
        name: name of the model.
        path: the file it was read from.
        card: card of the model, if it has one.
        shape: height and width of the patch.
        labels: one for each score.
        delegation: operators that XNNPACK runs; None if the runtime does not tell.
        runtime: name and version of the runtime.

    Raises:
        ModelRefused: the model does not load, or is not an image classifier with these labels.
        DependencyMissing: no runtime is installed.
    """

    def __init__(self, model: Model, options: ModelOptions = USUAL, stop: threading.Event | None = None) -> None:
        # Whatever card lies beside it: a card is no proof of origin. Only the files in our own package are trusted.
        if not is_shipped(model):
            try_in_child(model, options, stop or threading.Event())
        self.name, self.path, self.card = model.name, model.path, model.card
        package, module = import_runtime(options.runtime)
        self.runtime = f"{package} {version_of(module)}"
        self._interpreter = load_interpreter(module, model, options)
        self._input = _only(self._interpreter.get_input_details(), "input", model)
        self._output = _only(self._interpreter.get_output_details(), "output", model)
        self.shape = input_shape(self._input, model)
        self.labels = _checked_labels(self._output, model)
        self.delegation = count_delegated(self._interpreter)
        self._table = input_table(self._input, input_range(self._input, model, options), model)
        # Reused for every frame, so only one thread at a time may use a classifier.
        self._buffer = np.empty(self._input["shape"], self._input["dtype"])
        self._is_offset = self._input["dtype"] == np.int8 and bool(
            np.array_equal(self._table, np.arange(-128, 128, dtype=np.int8))
        )
        self._is_probabilities = self._says_probabilities(model)
        # A table of the logits of all 256 values of an 8-bit output: a look-up replaces the arithmetic of each frame.
        bits, dtype = np.arange(256, dtype=np.uint8), self._output["dtype"]
        self._reals = self._as_logits(bits.view(dtype)) if np.dtype(dtype).itemsize == 1 else None
        log.info(
            "%s: %s, XNNPACK runs %s",
            model.name,
            self.runtime,
            self.delegation.operators if self.delegation else "an unknown number of operators",
        )
        if options.delegate == "xnnpack" and self.delegation is not None and self.delegation.delegated == 0:
            log.warning(
                "%s delegates none of this model's operators to XNNPACK: it uses the slower, plain kernels",
                self.runtime,
            )

    def scores(self, patch: Pixels, lap: Lap = no_lap) -> Scores:
        """Run the model on one patch.

        Args:
            patch: (height, width, 3) uint8, RGB, of `shape`.
            lap: called when the tensor is filled, and when the network is done.

        Returns:
            (classes,) float32 logits; for a model that ends in softmax, the logarithms of its outputs.
        """
        output = self.raw(patch, lap)
        if self._reals is None:
            return self._as_logits(output)
        return self._reals[output.view(np.uint8)]

    def raw(self, patch: Pixels, lap: Lap = no_lap) -> npt.NDArray[Any]:
        """Run the model on one patch and return its output tensor, (classes,), not dequantised."""
        if self._is_offset:
            # pixel - 128 in int8 is the pixel with its top bit flipped: faster than the table.
            np.bitwise_xor(patch, 0x80, out=self._buffer[0].view(np.uint8))
        else:
            np.take(self._table, patch, out=self._buffer[0])
        self._interpreter.set_tensor(self._input["index"], self._buffer)
        lap("quantise")
        self._interpreter.invoke()
        lap("invoke")
        # `get_tensor` copies. A view from `tensor()`, while referenced, would make the next `invoke` fail.
        return self._interpreter.get_tensor(self._output["index"]).reshape(-1)

    def _as_logits(self, output: npt.NDArray[Any]) -> Scores:
        real = _dequantised(output, self._output)
        return np.log(real + _TINY_PROBABILITY) if self._is_probabilities else real

    def _says_probabilities(self, model: Model) -> bool:
        if model.card is not None:
            return model.card.output == "probabilities"
        output = _dequantised(self.raw(golden_patch(self.shape)), self._output)
        # Softmax outputs are never negative and sum to one; in 8 bits each may be off by half a step (1/512).
        return bool(output.min() >= 0 and abs(output.sum() - 1) < 0.002 * len(output) + 0.01)


def _dequantised(output: npt.NDArray[Any], details: dict[str, Any]) -> npt.NDArray[np.float32]:
    """Return real values: (stored value - zero point) * scale."""
    scale, zero_point = details["quantization"]
    real = output.astype(np.float32)
    # TFLite gives unquantised tensors a scale of 0.
    return (real - zero_point) * np.float32(scale) if scale > 0 else real


def golden_patch(shape: tuple[int, int]) -> Pixels:
    """Return the self-test's picture, (height, width, 3) uint8. See `card.Golden`."""
    # 37 is odd, so 256 consecutive bytes hold every value once: the test covers the whole input table.
    count = shape[0] * shape[1] * 3
    return ((np.arange(count) * 37 + 11) % 256).astype(np.uint8).reshape(*shape, 3)


def _only(details: list[dict[str, Any]], what: str, model: Model) -> dict[str, Any]:
    if len(details) != 1:
        raise ModelRefused(
            f"{model.path} has {counted(len(details), what)}", f"choose an image classifier, which has one {what}"
        )
    found = details[0]
    if found["dtype"] not in DTYPES:
        kinds = ", ".join(np.dtype(dtype).name for dtype in DTYPES)
        raise ModelRefused(f"{model.path}: {what} is {np.dtype(found['dtype']).name}", f"convert it to one of {kinds}")
    if found["dtype"] != np.float32 and not found["quantization"][0] > 0:
        raise ModelRefused(
            f"{model.path}: quantised {what} without a scale", "convert the model again, with calibration"
        )
    return found


def _checked_labels(details: dict[str, Any], model: Model) -> tuple[str, ...]:
    classes = int(np.prod(details["shape"]))
    if not model.labels:
        raise ModelRefused(
            f"{model.path} has no card and so no labels", f"name {classes} with --labels FILE, one a line"
        )
    if classes != len(model.labels):
        raise ModelRefused(
            f"{model.path} has {counted(classes, 'output')}, but {counted(len(model.labels), 'label')} are given",
            f"name {classes} with --labels FILE, one a line",
        )
    return model.labels


def load(options: ModelOptions = USUAL, stop: threading.Event | None = None) -> Classifier:
    """Read, check and load the model named in the settings. See `store.read` and `Classifier` for the errors."""
    return Classifier(read(options.model, options.labels), options, stop)
