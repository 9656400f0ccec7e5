"""Measure the time from decoded frame to label, compared with peers, in one run.

    tools/bench_peers.py [--size 1280x720] [--model NAME ...]

Three ways run the same network on the same frames: edge-app; MediaPipe Tasks' ImageClassifier; a bare interpreter
after OpenCV's area average. They take turns, frame by frame, each on one thread. `make bench-peers`
makes the environment.

MediaPipe takes uint8 or float32 tensors, so its network has a QUANTIZE operator in front and a DEQUANTIZE behind. It
scales the whole frame to 32x32 bilinearly; the others average the centre square.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from importlib import metadata
from typing import Any

import flatbuffers
import mediapipe
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from mediapipe.tasks import python as tasks
from mediapipe.tasks.python import vision

from edge_app.bench import frames, machine
from edge_app.model import classifier, runtime, store
from edge_app.model.decision import Decision, Rules
from edge_app.pictures import preprocess
from edge_app.pictures.array import ArrayPicture
from edge_app.pictures.opencv import cv2
from edge_app.settings.sections import ModelOptions

PACKAGES = ("mediapipe", "ai-edge-litert", "opencv-contrib-python", "numpy")
WARM_UP = 60


def with_common_types(content: bytes) -> bytes:
    """Return an int8 model with a uint8 input of the same scale (zero-point + 128) and a float32 output."""
    model = schema.ModelT.InitFromPackedBuf(bytearray(content), 0)
    for buffer in model.buffers:
        if buffer.offset:  # data behind the flatbuffer must move into it
            data = content[buffer.offset : buffer.offset + buffer.size]
            buffer.data, buffer.offset, buffer.size = np.frombuffer(data, np.uint8), 0, 0
    graph = model.subgraphs[0]
    inner_in, inner_out = graph.inputs[0], graph.outputs[0]
    outer_in = _copy(graph, inner_in, schema.TensorType.UINT8, b"pixels")
    outer_out = _copy(graph, inner_out, schema.TensorType.FLOAT32, b"logits")
    quantization = graph.tensors[outer_in].quantization
    quantization.zeroPoint = [int(quantization.zeroPoint[0]) + 128]
    graph.operators.insert(0, _operator(model, schema.BuiltinOperator.QUANTIZE, outer_in, inner_in))
    graph.operators.append(_operator(model, schema.BuiltinOperator.DEQUANTIZE, inner_out, outer_out))
    graph.inputs, graph.outputs = [outer_in], [outer_out]
    model.signatureDefs = []
    builder = flatbuffers.Builder(len(content) + 4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _copy(graph: Any, index: int, kind: int, name: bytes) -> int:
    old, new = graph.tensors[index], schema.TensorT()
    new.shape, new.shapeSignature, new.type, new.buffer, new.name = old.shape, old.shapeSignature, kind, 0, name
    if kind == schema.TensorType.UINT8:
        new.quantization = schema.QuantizationParametersT()
        new.quantization.scale = list(old.quantization.scale)
        new.quantization.zeroPoint = list(old.quantization.zeroPoint)
    graph.tensors.append(new)
    return len(graph.tensors) - 1


def _operator(model: Any, code: int, source: int, target: int) -> Any:
    entry = schema.OperatorCodeT()
    entry.builtinCode = entry.deprecatedBuiltinCode = code
    entry.version = 1
    model.operatorCodes.append(entry)
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = len(model.operatorCodes) - 1, [source], [target]
    return operator


def edge_app(name: str) -> Callable[[Any], str | None]:
    """Return edge-app's function from frame to label, without smoothing over time."""
    model = classifier.load(ModelOptions(model=name))
    decision = Decision(model.labels, Rules(smoothing_s=0))

    def label(pixels: Any) -> str | None:
        patch = preprocess.patch(ArrayPicture(pixels), model.shape)
        return decision.update(model.scores(patch), 0.0).top[0][0]

    return label


def media_pipe(name: str) -> Callable[[Any], str | None]:
    """Return MediaPipe's function from frame to label."""
    model = store.read(name)
    options = vision.ImageClassifierOptions(
        base_options=tasks.BaseOptions(model_asset_buffer=with_common_types(model.content)), max_results=1
    )
    made = vision.ImageClassifier.create_from_options(options)

    def label(pixels: Any) -> str | None:
        found = made.classify(mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=pixels))
        return model.labels[found.classifications[0].categories[0].index]

    return label


def bare(name: str) -> Callable[[Any], str | None]:
    """Return a script's function from frame to label: crop, cv2.resize with INTER_AREA, set_tensor, invoke."""
    model = store.read(name)
    module = runtime.import_runtime("auto")[1]
    interpreter = runtime.load_interpreter(module, model, ModelOptions())
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    _, rows, columns, _ = source["shape"]

    def label(pixels: Any) -> str | None:
        height, width = pixels.shape[:2]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        square = pixels[top : top + side, left : left + side]
        small = cv2.resize(square, (int(columns), int(rows)), interpolation=cv2.INTER_AREA)
        interpreter.set_tensor(source["index"], (small.astype(np.int16) - 128).astype(np.int8)[None])
        interpreter.invoke()
        return model.labels[int(interpreter.get_tensor(target["index"])[0].argmax())]

    return label


def measure(ways: dict[str, Callable[[Any], str | None]], pictures: list[Any], count: int) -> dict[str, float]:
    """Return the median time of each way, milliseconds; they take turns frame by frame."""
    taken_ms: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(-WARM_UP, count):
        pixels = pictures[number % len(pictures)]
        for name, way in ways.items():
            begun_s = time.perf_counter()
            way(pixels)
            if number >= 0:
                taken_ms[name].append((time.perf_counter() - begun_s) * 1e3)
    return {name: statistics.median(each) for name, each in taken_ms.items()}


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", nargs="+", default=["cifar10-nano", "cifar10-base"])
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--frames", type=int, default=600)
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    width, height = (int(side) for side in options.size.split("x"))
    reel = frames.drawn("rgb", (width, height))
    pictures = [np.ascontiguousarray(reel.picture(index).rgb()) for index in range(len(reel.raw))]
    print(machine.describe())
    print(", ".join(f"{package} {metadata.version(package)}" for package in PACKAGES))
    cv2.setNumThreads(1)
    for name in options.model:
        ways = {"edge-app": edge_app(name), "MediaPipe Tasks": media_pipe(name), "bare interpreter": bare(name)}
        agreed = sum(ways["edge-app"](pixels) == ways["bare interpreter"](pixels) for pixels in pictures)
        print(f"{name}, {reel.title}; edge-app and bare interpreter agree on {agreed} of {len(pictures)}")
        for repetition in range(options.repetitions):
            found = measure(ways, pictures, options.frames)
            for way, median_ms in found.items():
                ratio = median_ms / found["MediaPipe Tasks"]
                print(f"  {repetition + 1}  {way:<18} p50 {median_ms:7.3f} ms  {ratio:5.2f} x MediaPipe")


if __name__ == "__main__":
    main()
