"""A model that is not shipped runs first in a child process under limits, whatever card lies beside it."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edge_app.errors import ModelRefused
from edge_app.model import classifier, store, trial
from edge_app.settings.sections import ModelOptions
from edge_app.system import children
from tests.conftest import ROOT

BUILDS = """
import sys
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import Builder

def tensor(shape, kind, name, buffer=0):
    made = schema.TensorT()
    made.shape, made.type, made.name, made.buffer = shape, kind, name, buffer
    return made

def write(path, operator, options, kind, inputs, outputs, tensors, buffers):
    model, graph, op, code = schema.ModelT(), schema.SubGraphT(), schema.OperatorT(), schema.OperatorCodeT()
    code.builtinCode, code.deprecatedBuiltinCode = operator, min(operator, 127)
    code.version = 2
    op.opcodeIndex, op.inputs, op.outputs, op.builtinOptionsType, op.builtinOptions = 0, inputs, outputs, kind, options
    graph.tensors, graph.inputs, graph.outputs, graph.operators = tensors, [0], [outputs[0]], [op]
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [graph], buffers
    builder = Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    open(path, "wb").write(builder.Output())

def data(values):
    made = schema.BufferT()
    made.data = values
    return made

import numpy as np
side = np.array([1, 512, 4096, 256], np.int32)  # float32: 2 GiB
write(
    sys.argv[1], schema.BuiltinOperator.BROADCAST_TO, None, 0, [0, 1], [2],
    [tensor([1, 1, 1, 1], 0, "in"), tensor([4], 2, "shape", 1), tensor(side.tolist(), 0, "out")],
    [data(None), data(side.view(np.uint8).tolist())],
)
"""


@pytest.fixture
def costly(tmp_path: Path) -> Path:
    """Write a model of half a kilobyte whose only operator asks for two gigabytes."""
    path = tmp_path / "costly.tflite"
    subprocess.run([sys.executable, "-c", BUILDS, path], check=True, capture_output=True)
    assert path.stat().st_size < 1024
    return path


def test_a_model_that_wants_gigabytes_costs_little(costly: Path, tmp_path: Path) -> None:
    """It is refused within seconds, and neither this process nor the child takes more than 512 MiB."""
    (tmp_path / "labels.txt").write_text("a\nb\n")
    begun_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", PEAKS, *("models", "verify", str(costly), "--labels", str(tmp_path / "labels.txt"))],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    code, peak_mib = json.loads(done.stdout.splitlines()[-1])
    print(f"exit {code}, {peak_mib:.0f} MiB at most, {time.monotonic() - begun_s:.1f} s: {done.stderr}")
    assert code == 78
    assert peak_mib < 512


PEAKS = """
import json, resource, subprocess, sys
code = subprocess.run([sys.executable, "-m", "edge_app", *sys.argv[1:]], stdout=subprocess.DEVNULL).returncode
print(json.dumps([code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024]))
"""


def test_a_card_is_no_proof_of_origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model with a card that fits it is tried all the same; one that is shipped is not."""
    for ending in ("tflite", "json"):
        shutil.copy(ROOT / "models" / f"cifar10-nano.{ending}", tmp_path)
    tried: list[str] = []
    monkeypatch.setattr(classifier, "try_in_child", lambda model, *_: tried.append(str(model.path)))
    copied = str(tmp_path / "cifar10-nano.tflite")
    for name in (copied, "cifar10-nano"):
        classifier.load(ModelOptions(model=name))
    assert tried == [copied]


def test_the_limits_hold_in_the_child() -> None:
    """Memory, processor time, files and core dumps are limited there, and not in this process."""
    before = [resource.getrlimit(kind) for kind in trial._LIMITS]
    outcome = children.call(f"{__name__}:report_limits", (), threading.Event(), 60.0)
    assert outcome.code == 0, outcome.said
    assert [resource.getrlimit(kind) for kind in trial._LIMITS] == before


def report_limits() -> None:
    """Run in the child: allocating, writing and dumping are refused."""
    trial.limit()
    with pytest.raises(MemoryError):
        bytearray(trial.MEMORY_LIMIT_MIB << 20)
    assert all(resource.getrlimit(kind)[0] <= most for kind, most in trial._LIMITS.items())


def test_a_model_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processor time is bounded: the kernel ends the child, and the message says what it took."""
    ended = children.Outcome(-24, None, "")
    monkeypatch.setattr(children, "call", lambda *_: ended)
    model = store.read("cifar10-nano")
    with pytest.raises(ModelRefused, match="needs more than 30 s of processor time for one inference"):
        trial.try_in_child(model, ModelOptions(), threading.Event())
    assert os.WTERMSIG(24) == 24
