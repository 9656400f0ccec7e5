"""A patch becomes scores: the TFLite runtime with the XNNPACK delegate; quantise in, dequantise out."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import threading
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edge_app import service
from edge_app.errors import DependencyMissing, ModelRefused
from edge_app.metering import Lap, no_lap
from edge_app.model_card import Model, read
from edge_app.records import Pixels, Scores

log = logging.getLogger(__name__)

RuntimeName = Literal["auto", "ai-edge-litert", "tflite-runtime"]
DelegateName = Literal["xnnpack", "none"]

_MODULES = {"ai-edge-litert": "ai_edge_litert.interpreter", "tflite-runtime": "tflite_runtime.interpreter"}
_DTYPES = (np.int8, np.uint8, np.float32)
# Ranges that models are commonly trained on: raw pixels, /255, and /127.5 - 1.
_USUAL_RANGES = ((0.0, 255.0), (0.0, 1.0), (-1.0, 1.0))
# Keeps the logarithm of a probability finite; below what float32 softmax outputs mean anything.
_TINY_PROBABILITY = 1e-7
_TRIAL_LIMIT_S = 60


@dataclass(frozen=True, slots=True)
class Options:
    """How to run a model.

    Attributes:
        runtime: which package; "auto" takes ai-edge-litert, else tflite-runtime.
        delegate: "none" runs the plain kernels, for comparison.
        threads: of the runtime.
        input_range: real values that pixels 0 and 255 become; None takes the card's, else deduces it.
    """

    runtime: RuntimeName = "auto"
    delegate: DelegateName = "xnnpack"
    threads: int = 1
    input_range: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Delegation:
    """How many of a model's operators XNNPACK took over."""

    delegated: int
    total: int

    def __str__(self) -> str:
        """Return it as "7/7"."""
        return f"{self.delegated}/{self.total}"


class Classifier:
    """One model, loaded and ready.

    Args:
        model: from `model_card.read`; one that no card vouches for is tried in a child process first.
        options: how to run it.
        stop: set to give the trial up.

    Attributes:
        name: the model's.
        path: the file it was read from.
        card: the model's, if it has one.
        shape: height and width of the patch.
        labels: one for each score.
        delegation: None where it cannot be found out.
        runtime: name and version of the runtime.

    Raises:
        ModelRefused: the model does not load, or is no image classifier with these labels.
        DependencyMissing: no runtime is installed.
    """

    def __init__(self, model: Model, options: Options = Options(), stop: threading.Event | None = None) -> None:
        if model.card is None:
            try_in_child(model, options, stop or threading.Event())
        self.name, self.path, self.card = model.name, model.path, model.card
        package, module = import_runtime(options.runtime)
        self.runtime = f"{package} {version_of(module)}"
        self._interpreter = load_interpreter(module, model, options)
        self._input = _only(self._interpreter.get_input_details(), "input", model)
        self._output = _only(self._interpreter.get_output_details(), "output", model)
        self.shape = _input_shape(self._input, model)
        self.labels = _checked_labels(self._output, model)
        self.delegation = count_delegated(self._interpreter)
        self._table = _input_table(self._input, _input_range(self._input, model, options), model)
        self._buffer = np.empty(self._input["shape"], self._input["dtype"])
        self._is_offset = self._input["dtype"] == np.int8 and bool(
            np.array_equal(self._table, np.arange(-128, 128, dtype=np.int8))
        )
        self._is_probabilities = self._says_probabilities(model)
        # Of each of the 256 values of an 8-bit output, in the order of its bits: one look-up instead of arithmetic.
        bits, dtype = np.arange(256, dtype=np.uint8), self._output["dtype"]
        self._reals = self._as_logits(bits.view(dtype)) if np.dtype(dtype).itemsize == 1 else None
        log.info(
            "%s: %s, XNNPACK runs %s operators", model.name, self.runtime, self.delegation or "an unknown number of"
        )
        if options.delegate == "xnnpack" and self.delegation is not None and self.delegation.delegated == 0:
            log.warning(
                "%s gives none of this model's operators to XNNPACK: it runs on the plain, slower kernels", self.runtime
            )

    def scores(self, patch: Pixels, lap: Lap = no_lap) -> Scores:
        """Run the model on one patch.

        Args:
            patch: (height, width, 3) uint8, RGB, of `shape`.
            lap: told when the tensor is filled, and when the network is done.

        Returns:
            (classes,) float32 logits; those of a model that ends in softmax are the logarithms of its outputs.
        """
        output = self.raw(patch, lap)
        if self._reals is None:
            return self._as_logits(output)
        return self._reals[output.view(np.uint8)]

    def raw(self, patch: Pixels, lap: Lap = no_lap) -> npt.NDArray[Any]:
        """Run the model on one patch and return its output tensor, (classes,), not dequantised."""
        if self._is_offset:
            # pixel - 128 in int8 is the pixel with its top bit flipped: no arithmetic at all.
            np.bitwise_xor(patch, 0x80, out=self._buffer[0].view(np.uint8))
        else:
            np.take(self._table, patch, out=self._buffer[0])
        self._interpreter.set_tensor(self._input["index"], self._buffer)
        lap("quantise")
        self._interpreter.invoke()
        lap("invoke")
        return self._interpreter.get_tensor(self._output["index"]).reshape(-1)

    def _as_logits(self, output: npt.NDArray[Any]) -> Scores:
        real = _dequantised(output, self._output)
        return np.log(real + _TINY_PROBABILITY) if self._is_probabilities else real

    def _says_probabilities(self, model: Model) -> bool:
        if model.card is not None:
            return model.card.output == "probabilities"
        output = _dequantised(self.raw(golden_patch(self.shape)), self._output)
        # Softmax outputs are nowhere negative and sum to one; in 8 bits each may be half a step (1/512) off.
        return bool(output.min() >= 0 and abs(output.sum() - 1) < 0.002 * len(output) + 0.01)


def _dequantised(output: npt.NDArray[Any], details: dict[str, Any]) -> npt.NDArray[np.float32]:
    """Return real values: what is stored less the zero point, times the scale."""
    scale, zero_point = details["quantization"]
    real = output.astype(np.float32)
    return (real - zero_point) * np.float32(scale) if scale > 0 else real


def golden_patch(shape: tuple[int, int]) -> Pixels:
    """Return the formula picture of the self-test, (height, width, 3) uint8. See `model_card.Golden`."""
    count = shape[0] * shape[1] * 3
    return ((np.arange(count) * 37 + 11) % 256).astype(np.uint8).reshape(*shape, 3)


def import_runtime(name: RuntimeName) -> tuple[str, ModuleType]:
    """Import a runtime and return its package's name and its interpreter module.

    Raises:
        DependencyMissing: it is not installed, or does not import.
    """
    reasons = []
    for package in _MODULES if name == "auto" else (name,):
        try:
            return package, importlib.import_module(_MODULES[package])
        except (ImportError, AttributeError) as error:  # AttributeError: built for another major version of numpy.
            reasons.append(f"{package}: {error}")
    raise DependencyMissing(
        f"no TFLite runtime can be imported ({'; '.join(reasons)}); install one with 'pip install ai-edge-litert'"
    )


def version_of(runtime: ModuleType) -> str:
    """Return the version of the package that a runtime's module belongs to."""
    return str(getattr(sys.modules[runtime.__name__.partition(".")[0]], "__version__", "of unknown version"))


def load_interpreter(module: ModuleType, model: Model, options: Options) -> Any:
    """Make the runtime's interpreter for a model, its tensors allocated.

    Raises:
        ModelRefused: the file does not load.
    """
    resolvers = module.OpResolverType
    resolver = resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES if options.delegate == "none" else resolvers.AUTO
    try:
        interpreter = module.Interpreter(
            model_content=model.content, num_threads=options.threads, experimental_op_resolver_type=resolver
        )
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ModelRefused(f"{model.path} does not load: {_first_line(error)}") from error
    return interpreter


def _only(details: list[dict[str, Any]], what: str, model: Model) -> dict[str, Any]:
    if len(details) != 1:
        raise ModelRefused(f"{model.path} has {len(details)} {what}s; an image classifier has one")
    found = details[0]
    if found["dtype"] not in _DTYPES:
        kinds = ", ".join(np.dtype(dtype).name for dtype in _DTYPES)
        raise ModelRefused(f"{model.path}: {what} is {np.dtype(found['dtype']).name}; handled are {kinds}")
    if found["dtype"] != np.float32 and not found["quantization"][0] > 0:
        raise ModelRefused(f"{model.path}: quantised {what} without a scale")
    return found


def _input_shape(details: dict[str, Any], model: Model) -> tuple[int, int]:
    shape = [int(side) for side in details["shape"]]
    if len(shape) != 4 or shape[0] != 1 or shape[3] != 3 or not all(1 <= side <= 4096 for side in shape[1:3]):
        raise ModelRefused(
            f"{model.path}: input has shape {shape}; an image classifier here takes [1, height, width, 3]"
        )
    return shape[1], shape[2]


def _checked_labels(details: dict[str, Any], model: Model) -> tuple[str, ...]:
    classes = int(np.prod(details["shape"]))
    if not model.labels:
        raise ModelRefused(f"{model.path} has no card and so no labels; name {classes} with --labels FILE, one a line")
    if classes != len(model.labels):
        raise ModelRefused(f"{model.path} has {classes} outputs, but {len(model.labels)} labels are given")
    return model.labels


def _input_range(details: dict[str, Any], model: Model, options: Options) -> tuple[float, float]:
    """Return the real values that pixels 0 and 255 become: as told, as the card says, or deduced."""
    if options.input_range is not None:
        return options.input_range
    if model.card is not None:
        return model.card.input.low, model.card.input.high
    if details["dtype"] == np.float32:
        log.warning(
            "%s: nothing says what range its float input has; taking 0 to 1 (--input-range changes it)", model.path
        )
        return 0.0, 1.0
    scale, zero_point = details["quantization"]
    limits = np.iinfo(details["dtype"])
    spanned = (limits.min - zero_point) * scale, (limits.max - zero_point) * scale
    # The range whose ends lie nearest to what the tensor can express, relative to its own width.
    return min(_USUAL_RANGES, key=lambda r: (abs(r[0] - spanned[0]) + abs(r[1] - spanned[1])) / (r[1] - r[0]))


def _input_table(details: dict[str, Any], ends: tuple[float, float], model: Model) -> npt.NDArray[Any]:
    """Return the (256,) table from pixel to tensor value: real = low + pixel (high - low) / 255, then quantised."""
    low, high = ends
    real = low + np.arange(256) * (high - low) / 255
    if details["dtype"] == np.float32:
        return real.astype(np.float32)
    scale, zero_point = details["quantization"]
    limits = np.iinfo(details["dtype"])
    steps = np.rint(real / scale + zero_point)
    if (np.clip(steps, limits.min, limits.max) != steps).mean() > 0.1:
        log.warning(
            "%s: more than a tenth of the pixel values saturate at its input; is --input-range right?", model.path
        )
    return np.clip(steps, limits.min, limits.max).astype(details["dtype"])


def count_delegated(interpreter: Any) -> Delegation | None:
    """Count the operators that a delegate replaced.

    No public call tells. The list of operators holds the replaced ones and the DELEGATE operators that stand for
    them, so the replaced ones are those between a DELEGATE's outputs and its inputs.

    Returns:
        The count, or None where this runtime does not list its operators.
    """
    try:
        operators = interpreter._get_ops_details()
    except AttributeError:
        return None
    delegates = [op for op in operators if op["op_name"] == "DELEGATE"]
    ordinary = [op for op in operators if op["op_name"] != "DELEGATE"]
    producers = {int(tensor): op for op in ordinary for tensor in op["outputs"]}
    replaced: set[int] = set()
    for delegate in delegates:
        edge = {int(tensor) for tensor in delegate["inputs"]}
        open_tensors = [int(tensor) for tensor in delegate["outputs"]]
        while open_tensors:
            op = producers.get(open_tensors.pop())
            if op is not None and op["index"] not in replaced:
                replaced.add(op["index"])
                open_tensors += [int(tensor) for tensor in op["inputs"] if int(tensor) not in edge]
    return Delegation(len(replaced), len(ordinary))


def try_in_child(model: Model, options: Options, stop: threading.Event) -> None:
    """Load and run an unknown model in a child process first: a bad file can crash the process that loads it.

    Raises:
        ModelRefused: it does not load, crashes, or does not end.
    """
    command = [sys.executable, "-m", "edge_app.classifier", str(model.path), options.runtime, options.delegate]
    # The child reads the bytes from its standard input: what was checked is what is tried and what will run.
    ended = service.run_child(command, stop, _TRIAL_LIMIT_S, model.content)
    if ended.code == 0:
        return
    if ended.code is None:
        raise ModelRefused(f"{model.path} did not finish one inference in {_TRIAL_LIMIT_S} s, or the run was stopped")
    if ended.code < 0:
        raise ModelRefused(f"{model.path} crashes the runtime (signal {-ended.code}): damaged or hostile")
    lines = ended.said.strip().splitlines() or ["no reason given"]
    raise ModelRefused(f"{model.path} does not run: {lines[-1]}")


def _trial(path: str, runtime: RuntimeName, delegate: DelegateName) -> None:
    content = sys.stdin.buffer.read()
    interpreter = load_interpreter(import_runtime(runtime)[1], _nameless(path, content), Options(delegate=delegate))
    for details in interpreter.get_input_details():
        interpreter.set_tensor(details["index"], np.zeros(details["shape"], details["dtype"]))
    interpreter.invoke()
    # Whatever is asked of a model later on: names that are no text raise here, not in the process that classifies.
    interpreter.get_output_details()
    count_delegated(interpreter)


def _nameless(path: str, content: bytes) -> Model:
    from pathlib import Path

    return Model(path, Path(path), content, "", (), None)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def load(
    name_or_path: str,
    labels_file: str | os.PathLike[str] | None = None,
    options: Options = Options(),
    stop: threading.Event | None = None,
) -> Classifier:
    """Read, check and load a model. See `model_card.read` and `Classifier` for the errors."""
    from pathlib import Path

    return Classifier(read(name_or_path, Path(labels_file) if labels_file else None), options, stop)


if __name__ == "__main__":
    try:
        _trial(*sys.argv[1:4])  # type: ignore[arg-type]  # three words this module wrote itself
    except (ModelRefused, DependencyMissing, ValueError, RuntimeError) as error:
        sys.exit(_first_line(error))
