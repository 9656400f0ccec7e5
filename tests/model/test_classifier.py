"""The classifier on real TFLite files. CI runs this file with ai-edge-litert and, on its own, with tflite-runtime."""

from __future__ import annotations

import importlib.util
import logging
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge_app.errors import DependencyMissing, ModelRefused
from edge_app.model import classifier, runtime, store
from edge_app.model.classifier import Classifier
from edge_app.settings.sections import ModelOptions
from tests.conftest import DATA
from tests.results import edge_app

PEERS = Path(__file__).parents[3] / "shared" / "peers" / "mlperf_tiny"
PICTURE = np.random.default_rng(5).integers(0, 256, (4, 6, 3), np.uint8)
MEANS = PICTURE.astype(float).mean((0, 1))
HAS_LITERT = importlib.util.find_spec("ai_edge_litert") is not None

pytestmark = pytest.mark.filterwarnings("default")  # tflite-runtime 2.14 warns of its own SWIG types


def tiny(name: str, **options: object) -> Classifier:
    """Load one of the tiny models of tests/fixtures, whose scores are the mean red, green and blue."""
    return classifier.load(ModelOptions(model=str(DATA / f"{name}.tflite"), labels=DATA / "rgb.txt", **options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("mean_int8_pixels", 0, 255),
        ("mean_int8_unit", 0, 1),
        ("mean_int8_signed", -1, 1),
        ("mean_uint8", 0, 255),
        ("mean_float32", 0, 1),
    ],
)
def test_scores_of_every_type(name: str, low: float, high: float) -> None:
    """int8, uint8 and float32 tensors get and give real values by their own scale and zero-point."""
    loaded = tiny(name)
    assert loaded.shape == (4, 6)
    step = 0 if name == "mean_float32" else (high - low) / 255
    expected = low + MEANS * (high - low) / 255
    assert np.abs(loaded.scores(PICTURE) - expected).max() <= 1.5 * step + 1e-5


def test_input_range_can_be_told() -> None:
    """A float model gets its input in the range it needs, -1 to 1."""
    loaded = tiny("mean_float32", input_range=(-1.0, 1.0))
    assert np.allclose(loaded.scores(PICTURE), MEANS / 127.5 - 1, atol=1e-5)


@pytest.mark.parametrize(("name", "error"), [("softmax_int8", 0.01), ("softmax_float32", 1e-5)])
def test_probabilities_are_recognised(name: str, error: float) -> None:
    """A model that ends in softmax gives scores whose softmax is its output, not a softmax of a softmax."""
    powers = np.exp(MEANS / 255)
    scores = tiny(name).scores(PICTURE)
    again = np.exp(scores) / np.exp(scores).sum()
    assert np.abs(again - powers / powers.sum()).max() <= error


def test_the_runtime_does_not_chat(tmp_path: Path) -> None:
    """The runtime's progress messages do not appear on stderr."""
    done = edge_app(tmp_path, "models", "show", "cifar10-nano")
    assert done.returncode == 0
    if HAS_LITERT:
        assert done.stderr == ""
    assert "INFO" not in done.stderr


def test_errors_of_the_runtime_are_shown() -> None:
    """Native code's output on stderr while a model loads is shown, except the runtime's own chatter."""
    program = """
import ctypes
from edge_app.model import runtime, store
from edge_app.settings.sections import ModelOptions
package, real = runtime.import_runtime("auto")
class Module:
    OpResolverType = real.OpResolverType
    def Interpreter(**details):
        text = b"ERROR: no room for the tensors\\n"
        ctypes.CDLL(None).write(2, text, len(text))
        return real.Interpreter(**details)
runtime.load_interpreter(Module, store.read("cifar10-nano"), ModelOptions())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "ERROR: no room for the tensors\n" in done.stderr
    assert "INFO" not in done.stderr


def test_threads_do_not_change_scores() -> None:
    """Two threads compute the same as one."""
    patch = classifier.golden_patch((32, 32))
    one, two = (classifier.load(ModelOptions(model="cifar10-lecture", threads=n)) for n in (1, 2))
    assert np.array_equal(one.scores(patch), two.scores(patch))


def test_delegated_operators_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    """LiteRT delegates all seven operators to XNNPACK, tflite-runtime none of an int8 graph; both are reported."""
    with caplog.at_level(logging.INFO):
        loaded = classifier.load(ModelOptions(model="cifar10-lecture"))
    assert loaded.delegation is not None
    if loaded.runtime.startswith("ai-edge-litert"):
        assert str(loaded.delegation) == "7/7"
    else:
        assert str(loaded.delegation) == "0/7"
        assert "delegates none of this model's operators to XNNPACK" in caplog.text
    assert f"XNNPACK runs {loaded.delegation} operators" in caplog.text


def test_without_the_delegate_nothing_is_delegated() -> None:
    """With `--delegate none` nothing is delegated."""
    loaded = classifier.load(ModelOptions(model="cifar10-lecture", delegate="none"))
    assert str(loaded.delegation) == "0/7"


@pytest.mark.skipif(not PEERS.exists(), reason="the MLPerf Tiny models are not beside the checkout")
@pytest.mark.skipif(not HAS_LITERT, reason="tflite-runtime delegates nothing of an int8 graph")
def test_partly_delegated_graph_is_counted() -> None:
    """MLPerf's ResNet-8 leaves its reshape and its softmax outside: 14 of 16."""
    loaded = Classifier(store.read(str(PEERS / "pretrainedResnet_quant.tflite"), DATA / "cifar10.txt"))
    assert str(loaded.delegation) == "14/16"


def test_what_cannot_be_found_out_is_not_guessed() -> None:
    """A runtime that does not list its operators gives None, shown as "unknown"."""
    assert runtime.count_delegated(object()) is None


@pytest.mark.parametrize(
    ("name", "message"),
    [("two_inputs", "2 inputs; choose an image classifier, which has one input"), ("no_scale", "without a scale")],
)
def test_models_of_the_wrong_shape_are_refused(name: str, message: str) -> None:
    """The error for a model that is not an image classifier says what it is instead."""
    with pytest.raises(ModelRefused, match=message):
        tiny(name)


def test_wrong_label_count_is_refused(tmp_path: Path) -> None:
    """The error for two labels and three outputs has both numbers."""
    (tmp_path / "two.txt").write_text("a\nb\n")
    with pytest.raises(ModelRefused, match="3 outputs, but 2 labels"):
        classifier.load(ModelOptions(model=str(DATA / "mean_uint8.tflite"), labels=tmp_path / "two.txt"))


def test_a_model_without_card_and_labels_is_refused() -> None:
    """Missing labels are not invented; the error says what to do."""
    with pytest.raises(ModelRefused, match="name 3 with --labels FILE"):
        classifier.load(ModelOptions(model=str(DATA / "mean_uint8.tflite")))


def test_mutated_files_never_crash_this_process(tmp_path: Path) -> None:
    """A model file with random bytes changed either runs or is refused; this process survives."""
    content = bytearray((DATA / "softmax_int8.tflite").read_bytes())
    chance = random.Random(6)
    path = tmp_path / "mutated.tflite"
    for _ in range(6):
        mutated = bytearray(content)
        for _ in range(8):
            mutated[chance.randrange(8, len(mutated))] = chance.randrange(256)
        path.write_bytes(mutated)
        try:
            classifier.load(ModelOptions(model=str(path), labels=DATA / "rgb.txt")).scores(PICTURE)
        except ModelRefused as refused:
            assert "\n" not in str(refused)


def test_names_that_are_no_text_are_refused(tmp_path: Path) -> None:
    """A damaged name of the output tensor is refused in one line, without a UnicodeDecodeError."""
    content = (DATA / "mean_uint8.tflite").read_bytes()
    damaged = content.replace(b"t1", b"\xe9\x28")
    assert damaged != content
    (tmp_path / "damaged.tflite").write_bytes(damaged)
    with pytest.raises(ModelRefused, match=r"damaged\.tflite "):
        classifier.load(ModelOptions(model=str(tmp_path / "damaged.tflite"), labels=DATA / "rgb.txt"))


def test_truncated_model_is_refused(tmp_path: Path) -> None:
    """Half a file is refused in one line, by the child process."""
    content = (store.shipped_folder() / "cifar10-lecture.tflite").read_bytes()
    (tmp_path / "half.tflite").write_bytes(content[: len(content) // 2])
    shutil.copy(DATA / "cifar10.txt", tmp_path / "labels.txt")
    with pytest.raises(ModelRefused, match=r"half\.tflite (does not load|does not run|crashes the runtime)"):
        classifier.load(ModelOptions(model=str(tmp_path / "half.tflite"), labels=tmp_path / "labels.txt"))


def test_a_missing_runtime_says_how_to_install_one() -> None:
    """If the chosen runtime is not installed, the message names it and the command that installs it."""
    other = "tflite-runtime" if HAS_LITERT else "ai-edge-litert"
    with pytest.raises(DependencyMissing, match=f"{other}.*pip install ai-edge-litert"):
        runtime.import_runtime(other)  # type: ignore[arg-type]


@pytest.mark.skipif(not HAS_LITERT, reason="the schema to build models with comes with ai-edge-litert")
def test_tiny_models_are_what_their_script_makes() -> None:
    """tests/fixtures holds exactly what tests/tiny_models.py makes."""
    spec = importlib.util.spec_from_file_location("tiny_models", DATA.parent / "tiny_models.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, content in module.make_all().items():
        assert (DATA / f"{name}.tflite").read_bytes() == content
