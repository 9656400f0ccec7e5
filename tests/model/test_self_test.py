"""The self-test of models on both kinds of kernel. CI runs this file with ai-edge-litert and with tflite-runtime."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_app.errors import ModelRefused
from edge_app.model import classifier, self_test, store
from edge_app.model.card import Golden
from edge_app.model.classifier import Classifier
from edge_app.model.runtime import Delegation
from edge_app.settings.sections import ModelOptions
from tests.conftest import DATA, ROOT
from tests.results import edge_app

RESNET = ROOT.parent / "shared" / "peers" / "mlperf_tiny" / "pretrainedResnet_quant.tflite"
HAS_LITERT = importlib.util.find_spec("ai_edge_litert") is not None
NAME = "cifar10-nano"
NEW = ("output_plain", "operators_delegated")

Copier = Callable[[Callable[[Any], object]], Path]

pytestmark = pytest.mark.filterwarnings("default")  # tflite-runtime 2.14 warns of its own SWIG types


def load(name: str, delegate: str) -> tuple[Classifier, Golden, str]:
    """Return a model, its card's golden outputs, and the field with those of the kernels that run it here."""
    loaded = classifier.load(ModelOptions(model=name, delegate=delegate))  # type: ignore[arg-type]
    assert loaded.card is not None and loaded.delegation is not None
    return loaded, loaded.card.golden, "output" if loaded.delegation.delegated else "output_plain"


def spoilt(golden: Golden, field: str) -> Golden:
    """Return the golden outputs with one of a field's values three steps off."""
    values = list(getattr(golden, field))
    values[4] += 3
    return golden.model_copy(update={field: values})


def old(golden: Golden) -> Golden:
    """Return the golden outputs of an older card: XNNPACK's only."""
    return golden.model_copy(update=dict.fromkeys(NEW))


@pytest.fixture
def copied(tmp_path: Path) -> Copier:
    """Return a function that copies a shipped model and changes its card."""

    def copy(change: Callable[[Any], object]) -> Path:
        path = tmp_path / "my.tflite"
        shutil.copy(store.shipped_folder() / f"{NAME}.tflite", path)
        card = json.loads((store.shipped_folder() / f"{NAME}.json").read_text())
        change(card)
        path.with_suffix(".json").write_text(json.dumps(card))
        return path

    return copy


@pytest.mark.parametrize("delegate", ["xnnpack", "none"])
@pytest.mark.parametrize("name", store.shipped())
def test_shipped_models_pass(name: str, delegate: str) -> None:
    """Every shipped model gives its card's output for the kernels that run it, on either runtime."""
    loaded, golden, _ = load(name, delegate)
    outcome = self_test.check(loaded, golden)
    assert outcome.worst_steps is not None and outcome.worst_steps <= golden.tolerance == 2
    assert outcome.kernels == ("XNNPACK" if delegate == "xnnpack" and HAS_LITERT else "plain kernels")


@pytest.mark.parametrize("delegate", ["xnnpack", "none"])
@pytest.mark.parametrize("name", store.shipped())
def test_it_has_teeth(name: str, delegate: str) -> None:
    """An output three steps off is refused if it is that of the kernels in use, otherwise ignored."""
    loaded, golden, field = load(name, delegate)
    with pytest.raises(ModelRefused, match=r"self-test failed: .* by up to [345] steps \(allowed 2\)"):
        self_test.check(loaded, spoilt(golden, field))
    other = "output_plain" if field == "output" else "output"
    assert self_test.check(loaded, spoilt(golden, other)) == self_test.check(loaded, golden)


def test_each_kind_is_necessary() -> None:
    """The default model's outputs differ by more than is allowed within a kind: one for both would not do."""
    golden = load("cifar10-base", "none")[1]
    assert golden.output_plain is not None
    apart = [abs(ours - theirs) for ours, theirs in zip(golden.output, golden.output_plain, strict=True)]
    assert max(apart) > golden.tolerance


@pytest.mark.skipif(not HAS_LITERT, reason="tflite-runtime delegates nothing of an int8 graph")
def test_an_old_card_is_xnnpacks() -> None:
    """An old card's only output counts as XNNPACK's."""
    loaded, golden, _ = load(NAME, "xnnpack")
    assert self_test.check(loaded, old(golden)).worst_steps == 0
    with pytest.raises(ModelRefused, match="self-test failed"):
        self_test.check(loaded, old(spoilt(golden, "output")))


def test_an_old_card_on_plain_kernels(copied: Copier) -> None:
    """An old card has no output for plain kernels: the model is accepted, with a note that it was not compared."""
    path = copied(lambda card: [card["golden"].pop(name) for name in NEW])
    done = edge_app(path.parent, "models", "verify", str(path), "--delegate", "none")
    assert done.returncode == 0, done.stderr
    assert "checksum matches its card; no self-test: the card holds no outputs of plain kernels\n" in done.stdout
    shown = edge_app(path.parent, "models", "show", str(path))
    assert "self-test    possible on XNNPACK alone\n" in shown.stdout
    examined = edge_app(path.parent, "doctor", EDGE_APP_MODEL=str(path), EDGE_APP_DELEGATE="none")
    line = next(line for line in examined.stdout.splitlines() if line.split()[1] == "model")
    assert line.startswith("warning") and "the card holds no outputs of plain kernels" in line


def test_kernels_that_cannot_be_told_apart() -> None:
    """Where a runtime does not list its operators, a card with both outputs covers both kinds, an old card neither."""
    golden = Golden(output=[1], output_plain=[5], operators_delegated=7)
    assert self_test.comparable(golden, None) == ([1], [5])
    assert self_test.comparable(old(golden), None) == ()
    for delegate in ("xnnpack", "none"):
        loaded, golden, _ = load(NAME, delegate)
        loaded.delegation = None
        assert self_test.check(loaded, golden).worst_steps == 0
        with pytest.raises(ModelRefused, match="self-test failed"):
            self_test.check(loaded, spoilt(spoilt(golden, "output"), "output_plain"))


@pytest.mark.parametrize(
    ("recorded", "delegated", "wanted"),
    [
        (16, 16, ([1],)),  # all of it in XNNPACK, then as now
        (14, 14, ([1],)),  # the same part
        (16, 14, ()),  # plain kernels run some now that XNNPACK ran
        (0, 14, ()),  # XNNPACK ran nothing then
        (None, 14, ([1],)),  # an older card
        (16, 0, ([5],)),
        (None, 0, ([5],)),
    ],
)
def test_partly_delegated(recorded: int | None, delegated: int, wanted: tuple[list[int], ...]) -> None:
    """XNNPACK's output counts only where XNNPACK ran as many operators for it, as far as the card says."""
    golden = Golden(output=[1], output_plain=[5], operators_delegated=recorded)
    assert self_test.comparable(golden, Delegation(delegated, 16)) == wanted


@pytest.mark.skipif(not RESNET.exists(), reason="the MLPerf Tiny models are not beside the checkout")
@pytest.mark.skipif(not HAS_LITERT, reason="tflite-runtime delegates nothing of an int8 graph")
def test_a_partly_delegated_model() -> None:
    """MLPerf's ResNet-8 leaves two operators to plain kernels: compared only with a run that left two to them."""
    model = store.read(str(RESNET), DATA / "cifar10.txt")
    golden = self_test.record(model)
    assert golden.operators_delegated == 14
    assert self_test.check(Classifier(model), golden).worst_steps == 0
    assert self_test.check(Classifier(model, ModelOptions(delegate="none")), golden).worst_steps == 0
    whole = golden.model_copy(update={"operators_delegated": 16})
    said = str(self_test.check(Classifier(model), whole))
    assert said == "no self-test: the card holds no outputs of XNNPACK for 14/16 operators"


def test_advice_is_for_what_failed() -> None:
    """`--delegate none` is advised only where XNNPACK failed, and if the card can tell that plain kernels are right."""
    for delegate in ("xnnpack", "none"):
        loaded, golden, field = load(NAME, delegate)
        with pytest.raises(ModelRefused) as refused:
            self_test.check(loaded, spoilt(golden, field))
        assert "; install another version of ai-edge-litert" in str(refused.value)
        advised = "or use --delegate none if 'edge-app models verify' passes with it" in str(refused.value)
        assert advised == (field == "output")
        if field == "output":
            with pytest.raises(ModelRefused) as refused:
                self_test.check(loaded, old(spoilt(golden, field)))
            assert "--delegate" not in str(refused.value)


@pytest.mark.parametrize("field", ["output", "output_plain"])
@pytest.mark.parametrize("values", [[], [1, 2, 3]])
def test_outputs_of_another_model_are_refused(field: str, values: list[int], copied: Copier) -> None:
    """A card with fewer golden outputs than the model has is refused in one line, whichever kernels run."""
    path = copied(lambda card: card["golden"].update({field: values}))
    done = edge_app(path.parent, "models", "verify", str(path))
    assert done.returncode == 78 and "Traceback" not in done.stderr
    assert f"holds {len(values)} golden outputs, but the model has 10" in done.stderr


@pytest.mark.parametrize("delegate", ["xnnpack", "none"])
def test_commands_accept_every_shipped_model(delegate: str, tmp_path: Path) -> None:
    """`models verify` ends with 0 and `doctor` calls the model ok, on either kind of kernel."""
    for name in store.shipped():
        done = edge_app(tmp_path, "models", "verify", name, "--delegate", delegate)
        assert done.returncode == 0, done.stderr
        assert "checksum matches its card; self-test: outputs differ by at most 0 steps" in done.stdout
        settings = {"EDGE_APP_MODEL": name, "EDGE_APP_DELEGATE": delegate, "EDGE_APP_SOURCE": "synthetic"}
        examined = edge_app(tmp_path, "doctor", **settings)
        assert examined.returncode == 0, examined.stdout
        assert f"ok       model      {name}: checksum and self-test match its card (0 steps off on " in examined.stdout


@pytest.mark.skipif(not HAS_LITERT, reason="records what XNNPACK computes")
def test_an_old_card_can_be_brought_up_to_date(copied: Copier) -> None:
    """tools/golden_outputs.py adds what is missing, and leaves alone a card whose self-test fails."""
    path = copied(lambda card: [card["golden"].pop(name) for name in NEW])
    words = [sys.executable, str(ROOT / "tools" / "golden_outputs.py"), str(path)]
    subprocess.run(words, check=True)
    shipped = (store.shipped_folder() / f"{NAME}.json").read_bytes()
    assert path.with_suffix(".json").read_bytes() == shipped
    path = copied(lambda card: card["golden"]["output"].reverse())
    before = path.with_suffix(".json").read_bytes()
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "self-test failed" in done.stderr and "Traceback" not in done.stderr
    assert path.with_suffix(".json").read_bytes() == before


def test_the_outcome_in_words() -> None:
    """One half of a sentence, whichever way it went."""
    passed = self_test.Outcome("XNNPACK", 1)
    assert str(passed) == "self-test: outputs differ by at most 1 step from the card's for XNNPACK"
    assert str(replace(passed, worst_steps=None)) == "no self-test: the card holds no outputs of XNNPACK"


@pytest.mark.parametrize("outputs", [[float("nan")] * 3, [0.0, float("inf"), 0.0], [0.0, 0.0, 2.5]])
def test_float_outputs_are_compared_as_they_are(outputs: list[float]) -> None:
    """NaN and infinity are within no tolerance, and what lies between two steps is not rounded away."""

    class Stub:
        shape, path, runtime, delegation = (4, 6), Path("x.tflite"), "a runtime", Delegation(1, 1)

        def raw(self, patch: object) -> np.ndarray:
            return np.array(outputs, np.float32)

    with pytest.raises(ModelRefused, match="self-test failed"):
        self_test.check(Stub(), Golden(output=[0, 0, 0]))  # type: ignore[arg-type]
