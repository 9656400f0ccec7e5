"""Make the tiny TFLite models of tests/fixtures: `python tests/tiny_models.py`.

Each averages its picture over height and width, so that its three scores are the mean red, green and blue: what a
test can compute by hand. They differ in what the classifier has to handle. The files are kept, as the environment
with tflite-runtime has nothing to make them with; a test makes them again and compares.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

DATA = Path(__file__).parent / "fixtures"
SHAPE = (4, 6)  # height and width: not square, so that swapping them shows
TYPES = {"int8": schema.TensorType.INT8, "uint8": schema.TensorType.UINT8, "float32": schema.TensorType.FLOAT32}


class Builder:
    """A model in the making: tensors, then the operators that connect them."""

    def __init__(self) -> None:
        """Start with the empty buffer that every TFLite file has."""
        self.model = schema.ModelT()
        self.model.version, self.model.description = 3, "edge-app test model"
        self.model.buffers, self.model.operatorCodes = [schema.BufferT()], []
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []

    def tensor(self, shape: list[int], kind: str, scale: float = 0.0, zero_point: int = 0) -> int:
        """Add a tensor and return its index."""
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.buffer = shape, TYPES.get(kind, schema.TensorType.INT32), 0
        tensor.name = f"t{len(self.graph.tensors)}"
        if scale:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = [scale], [zero_point]
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def constant(self, values: list[int]) -> int:
        """Add a constant int32 vector and return its index."""
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.array(values, np.int32).tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        index = self.tensor([len(values)], "int32")
        self.graph.tensors[index].buffer = len(self.model.buffers) - 1
        return index

    def operator(self, code: int, inputs: list[int], outputs: list[int], kind: int, options: Any) -> None:
        """Add an operator."""
        entry = schema.OperatorCodeT()
        entry.builtinCode = entry.deprecatedBuiltinCode = code
        entry.version = 2  # the first with int8 kernels
        self.model.operatorCodes.append(entry)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self.model.operatorCodes) - 1
        operator.inputs, operator.outputs = inputs, outputs
        operator.builtinOptionsType, operator.builtinOptions = kind, options
        self.graph.operators.append(operator)

    def finish(self, inputs: list[int], outputs: list[int]) -> bytes:
        """Return the file."""
        self.graph.inputs, self.graph.outputs = inputs, outputs
        self.model.subgraphs = [self.graph]
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def mean_model(kind: str, scale: float = 0.0, zero_point: int = 0, softmax: bool = False, inputs: int = 1) -> bytes:
    """Make a model that averages its (first) input; all tensors share type, scale and zero-point."""
    made = Builder()
    pictures = [made.tensor([1, *SHAPE, 3], kind, scale, zero_point) for _ in range(inputs)]
    means = made.tensor([1, 3], kind, scale, zero_point)
    reducer = schema.ReducerOptionsT()
    axes = made.constant([1, 2])
    options = schema.BuiltinOptions.ReducerOptions
    made.operator(schema.BuiltinOperator.MEAN, [pictures[0], axes], [means], options, reducer)
    if not softmax:
        return made.finish(pictures, [means])
    shares = made.tensor([1, 3], kind, 1 / 256 if scale else 0.0, -128 if kind == "int8" else 0)
    settings = schema.SoftmaxOptionsT()
    settings.beta = 1.0
    made.operator(schema.BuiltinOperator.SOFTMAX, [means], [shares], schema.BuiltinOptions.SoftmaxOptions, settings)
    return made.finish(pictures, [shares])


def make_all() -> dict[str, bytes]:
    """Return every model by the name of its file."""
    return {
        "mean_int8_pixels": mean_model("int8", 1.0, -128),
        "mean_int8_unit": mean_model("int8", 1 / 255, -128),
        "mean_int8_signed": mean_model("int8", 1 / 127.5, 0),
        "mean_uint8": mean_model("uint8", 1.0, 0),
        "mean_float32": mean_model("float32"),
        "softmax_int8": mean_model("int8", 1 / 255, -128, softmax=True),
        "softmax_float32": mean_model("float32", softmax=True),
        "two_inputs": mean_model("int8", 1.0, -128, inputs=2),
        "no_scale": mean_model("int8"),
    }


if __name__ == "__main__":
    DATA.mkdir(exist_ok=True)
    for name, content in make_all().items():
        (DATA / f"{name}.tflite").write_bytes(content)
        print(f"{name}: {len(content)} bytes")
